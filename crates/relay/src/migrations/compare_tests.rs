use super::*;

#[test]
fn an_answer_reads_the_same_whole_and_streamed_in_either_format() {
    let whole = br#"{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":"Let me look.","tool_calls":[{"function":{"name":"find","arguments":"{\"q\":1}"}}]}}]}"#;
    let streamed = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Let me \"}}]}\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"look.\",\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"find\",\"arguments\":\"{\\\"q\\\"\"}}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let expected = Answer {
        status: 200,
        finish: Some("tool_calls".to_owned()),
        text: "Let me look.".to_owned(),
        tools: vec![("find".to_owned(), "{\"q\":1}".to_owned())],
        ..Answer::default()
    };
    assert_eq!(read(Endpoint::ChatCompletions, 200, whole), expected);
    assert_eq!(read(Endpoint::ChatCompletions, 200, streamed), expected);

    let whole = br#"{"type":"message","stop_reason":"tool_use","content":[{"type":"text","text":"Let me look."},{"type":"tool_use","name":"find","input":{"q":1}}]}"#;
    let streamed = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Let me look.\"}}\n\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"name\":\"find\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":1}\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\n";
    let expected = Answer { finish: Some("tool_use".to_owned()), ..expected };
    assert_eq!(read(Endpoint::Messages, 200, whole), expected);
    assert_eq!(read(Endpoint::Messages, 200, streamed), expected);
}

#[test]
fn responses_and_geminis_answers_read_the_same_whole_and_streamed() {
    let whole = br#"{"id":"r","object":"response","status":"completed","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"Let me look."}]},{"type":"function_call","name":"find","arguments":"{\"q\":1}"}]}"#;
    let last = format!("data: {{\"type\":\"response.completed\",\"response\":{}}}\n\n", String::from_utf8_lossy(whole));
    let first =
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Let\"}\n\n";
    let expected = Answer {
        status: 200,
        finish: Some("completed".to_owned()),
        text: "Let me look.".to_owned(),
        tools: vec![("find".to_owned(), "{\"q\":1}".to_owned())],
        ..Answer::default()
    };
    assert_eq!(read(Endpoint::Responses, 200, whole), expected);
    assert_eq!(read(Endpoint::Responses, 200, format!("{first}{last}").as_bytes()), expected);

    let one = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Let me "}]}}]}"#;
    let two = r#"{"candidates":[{"content":{"parts":[{"text":"look."},{"functionCall":{"name":"find","args":{"q":1}}}]},"finishReason":"STOP"}]}"#;
    let whole = br#"{"candidates":[{"content":{"parts":[{"text":"Let me look."},{"functionCall":{"name":"find","args":{"q":1}}}]},"finishReason":"STOP"}]}"#;
    let expected = Answer { finish: Some("STOP".to_owned()), ..expected };
    assert_eq!(read(Endpoint::Generate, 200, whole), expected);
    assert_eq!(
        read(Endpoint::GenerateStream, 200, format!("data: {one}\r\n\r\ndata: {two}\r\n\r\n").as_bytes()),
        expected
    );
    assert_eq!(read(Endpoint::GenerateStream, 200, format!("[{one},\r\n{two}]").as_bytes()), expected);
}

#[test]
fn vectors_are_read_as_numbers_and_as_base64_and_from_gemini() {
    let expected = vec![vec![1.0, -2.0]];
    for (endpoint, body) in [
        (Endpoint::Embeddings, r#"{"data":[{"index":0,"embedding":[1.0,-2]}],"usage":{}}"#),
        (Endpoint::Embeddings, r#"{"data":[{"index":0,"embedding":"AACAPwAAAMA="}]}"#),
        (Endpoint::GeminiEmbed, r#"{"embedding":{"values":[1,-2]}}"#),
        (Endpoint::GeminiBatchEmbed, r#"{"embeddings":[{"values":[1,-2]}]}"#),
    ] {
        assert_eq!(read(endpoint, 200, body.as_bytes()).vectors, expected, "{body}");
    }
}

#[test]
fn tool_calls_are_valid_when_the_tool_is_offered_and_its_arguments_are_json() {
    let chat = |name: &str, arguments: &str| {
        let arguments = serde_json::Value::from(arguments);
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"tool_calls":[{{"function":{{"name":"{name}","arguments":{arguments}}}}}]}}}}]}}"#
        )
    };
    let offer = br#"{"tools":[{"type":"function","function":{"name":"find"}}]}"#;
    let valid = |answer: &str| valid_tool_calls(Endpoint::ChatCompletions, offer, answer.as_bytes());
    assert_eq!(valid(&chat("find", "{\"q\":1}")), Some(true));
    assert_eq!(valid(&chat("find", "{\"q\":")), Some(false));
    assert_eq!(valid(&chat("search", "{}")), Some(false), "a tool that nobody offered");
    assert_eq!(valid(r#"{"choices":[{"index":0,"message":{"content":"hi"}}]}"#), None);
    let other = |endpoint, offer: &str, answer: &str| valid_tool_calls(endpoint, offer.as_bytes(), answer.as_bytes());
    let message = r#"{"content":[{"type":"tool_use","name":"find","input":{}}]}"#;
    assert_eq!(other(Endpoint::Messages, r#"{"tools":[{"name":"find","input_schema":{}}]}"#, message), Some(true));
    let streamed = "data: {\"content_block\":{\"type\":\"tool_use\",\"name\":\"find\",\"input\":{}}}\n\n";
    assert_eq!(other(Endpoint::Messages, r#"{"tools":[{"name":"find"}]}"#, streamed), Some(true), "no input is none");
    let generated = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"find"}}]}}]}"#;
    let declared = |name: &str| format!(r#"{{"tools":[{{"functionDeclarations":[{{"name":"{name}"}}]}}]}}"#);
    assert_eq!(other(Endpoint::Generate, &declared("find"), generated), Some(true));
    assert_eq!(other(Endpoint::Generate, &declared("look"), generated), Some(false));
}

#[test]
fn what_is_no_answer_has_no_words() {
    for body in [&b""[..], b"<html>", b"data: {", br#"{"choices":7}"#, &[0xff; 40]] {
        assert_eq!(read(Endpoint::ChatCompletions, 502, body), Answer { status: 502, ..Answer::default() });
    }
}
