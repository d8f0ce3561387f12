use super::*;
use serde_json::{Value, json};

fn ask(body: &Value) -> Result<(Value, Context), Fault> {
    let (body, context) = request(&serde_json::to_vec(body).unwrap(), "gemini-embedding-001")?;
    Ok((serde_json::from_slice(&body).unwrap(), context))
}

#[test]
fn one_text_and_many_become_requests() {
    let (body, _) = ask(&json!({"model": "m", "input": "hi", "dimensions": 64, "user": "u"})).unwrap();
    let model = "models/gemini-embedding-001";
    let one = |text: &str| json!({"model": model, "content": {"parts": [{"text": text}]}, "outputDimensionality": 64});
    assert_eq!(body, json!({"requests": [one("hi")]}));
    let (body, _) = ask(&json!({"input": ["a", "b"], "dimensions": 64})).unwrap();
    assert_eq!(body, json!({"requests": [one("a"), one("b")]}));
    let (body, _) = ask(&json!({"input": ["a"]})).unwrap();
    assert_eq!(body["requests"][0].get("outputDimensionality"), None);
}

#[test]
fn what_is_no_text_is_refused_with_its_field() {
    for (input, kind) in [
        (json!([1, 2, 3]), FaultKind::Unsupported),
        (json!([[1, 2], [3]]), FaultKind::Unsupported),
        (json!([]), FaultKind::BadRequest),
        (json!(""), FaultKind::BadRequest),
        (json!(["a", ""]), FaultKind::BadRequest),
        (json!(["a", 1]), FaultKind::BadRequest),
        (json!({"a": 1}), FaultKind::BadRequest),
        (json!(null), FaultKind::BadRequest),
        (json!(vec!["x"; 2049]), FaultKind::BadRequest),
    ] {
        let fault = ask(&json!({"input": input})).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref(), fault.kind.status()), (kind, Some("input"), 400), "{fault}");
    }
    let fault = ask(&json!({"input": "a", "encoding_format": "int8"})).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("encoding_format"));
    assert!(ask(&json!({"input": "a", "dimensions": "x"})).is_err());
}

#[test]
fn vectors_come_back_as_the_client_asked() {
    let answer = br#"{"embeddings":[{"values":[1.0,-0.5]},{"values":[0.25,2]}]}"#;
    let (_, floats) = ask(&json!({"input": ["a", "b"]})).unwrap();
    let (body, used) = response(answer, &floats).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["object"], "list");
    assert_eq!(body["model"], "gemini-embedding-001");
    assert_eq!(body["data"][1], json!({"object": "embedding", "index": 1, "embedding": [0.25, 2.0]}));
    assert_eq!(used.unwrap().source, UsageSource::Estimated);
    assert_eq!(body["usage"]["prompt_tokens"], 2);

    let (_, base64) = ask(&json!({"input": ["a", "b"], "encoding_format": "base64"})).unwrap();
    let body: Value = serde_json::from_slice(&response(answer, &base64).unwrap().0).unwrap();
    assert_eq!(body["data"][0]["embedding"], "AACAPwAAAL8=");
}

#[test]
fn reported_usage_is_believed() {
    let (_, context) = ask(&json!({"input": "a"})).unwrap();
    let answer = br#"{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#;
    let used = response(answer, &context).unwrap().1.unwrap();
    assert_eq!((used.total_input(), used.total_output(), used.source), (9, 0, UsageSource::Reported));
}

#[test]
fn an_answer_that_does_not_fit_the_question_is_the_providers_fault() {
    let (_, context) = ask(&json!({"input": ["a", "b"]})).unwrap();
    for answer in ["", "[]", "{}", r#"{"embeddings":[{"values":[1]}]}"#, r#"{"embeddings":[{"values":[1]},{}]}"#] {
        assert_eq!(response(answer.as_bytes(), &context).unwrap_err().kind, FaultKind::UpstreamBroken, "{answer}");
    }
}

#[test]
fn floats_become_base64_where_the_provider_ignored_the_wish() {
    let answer = br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1},"x":1.50}"#;
    assert_eq!(
        String::from_utf8(floats_to_base64(answer).unwrap()).unwrap(),
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1},"x":1.5}"#
    );
    assert_eq!(floats_to_base64(br#"{"data":[{"embedding":"AACAPw=="}]}"#), None);
    assert_eq!(floats_to_base64(br#"{"data":[{"embedding":["a"]}]}"#), None);
    assert_eq!(floats_to_base64(br#"{"error":{}}"#), None);
    assert!(wants_base64(br#"{"input":"a","encoding_format":"base64"}"#));
    assert!(!wants_base64(br#"{"input":"a"}"#));
}
