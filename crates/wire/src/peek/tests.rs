use super::*;
use proptest::prelude::*;

fn look(body: &str) -> Result<Head, Fault> {
    peek(body.as_bytes(), Endpoint::ChatCompletions, MAX_DEPTH)
}

fn refusal(body: &str) -> (String, Option<String>) {
    let fault = look(body).expect_err(body);
    assert_eq!(fault.kind, FaultKind::BadRequest);
    (fault.message.into_owned(), fault.param.map(Cow::into_owned))
}

fn refusal_on(endpoint: Endpoint, body: &str) -> String {
    peek(body.as_bytes(), endpoint, MAX_DEPTH).expect_err(body).message.into_owned()
}

#[test]
fn a_body_gives_model_stream_limits_and_input_size() {
    let body = r#" {"model":"gpt-5", "messages": [{"role":"user"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"max_completion_tokens":7}"#;
    let head = look(body).unwrap();
    assert_eq!(head.model(body.as_bytes()).as_deref(), Some("gpt-5"));
    assert!(head.stream && head.include_usage);
    assert_eq!(head.max_output, Some(7), "the newer name wins");
    let many = peek(br#"{"model":"m","messages":[],"n":3}"#, Endpoint::ChatCompletions, MAX_DEPTH).unwrap();
    assert_eq!((many.choices, head.choices), (Some(3), None));
    assert!(peek(br#"{"model":"m","messages":[],"n":1,"n":2}"#, Endpoint::ChatCompletions, MAX_DEPTH).is_err());
    assert_eq!(head.input_bytes, r#"[{"role":"user"}]"#.len());
}

#[test]
fn each_endpoint_has_its_own_names() {
    type Case = (Endpoint, &'static str, Option<&'static str>, Option<u64>, usize);
    let cases: [Case; 9] = [
        (Endpoint::Responses, r#"{"model":"m","input":"hi","max_output_tokens":9}"#, Some("m"), Some(9), 4),
        (Endpoint::Messages, r#"{"model":"m","messages":[],"max_tokens":1024.0}"#, Some("m"), Some(1024), 2),
        (Endpoint::Completions, r#"{"model":"m","prompt":"hi","max_tokens":null}"#, Some("m"), None, 4),
        (Endpoint::Embeddings, r#"{"model":"m","input":["a"],"max_tokens":"not ours"}"#, Some("m"), None, 5),
        (Endpoint::Images, r#"{"prompt":"a cat"}"#, None, None, 7),
        (Endpoint::Generate, r#"{"contents":[1],"generationConfig":{"maxOutputTokens":3}}"#, None, Some(3), 3),
        (Endpoint::Generate, r#"{"contents":[1],"generation_config":{"max_output_tokens":3}}"#, None, Some(3), 3),
        (Endpoint::GeminiBatchEmbed, r#"{"requests":[1]}"#, None, None, 3),
        (Endpoint::Passthrough, r#"{"model":"m","messages":7}"#, Some("m"), None, 0),
    ];
    for (endpoint, body, model, max_output, input_bytes) in cases {
        let head = peek(body.as_bytes(), endpoint, MAX_DEPTH).unwrap_or_else(|fault| panic!("{body}: {fault}"));
        assert_eq!(head.model(body.as_bytes()).as_deref(), model, "{body}");
        assert_eq!(head.max_output, max_output, "{body}");
        assert_eq!(head.input_bytes, input_bytes, "{body}");
    }
    let stream = peek(b"{}", Endpoint::GenerateStream, MAX_DEPTH).unwrap();
    assert!(stream.stream, "the path says so");
}

#[test]
fn a_tier_is_found_where_a_dialect_has_it_and_is_nobodys_to_judge() {
    let tier = |endpoint, body: &str| {
        let head = peek(body.as_bytes(), endpoint, MAX_DEPTH).unwrap_or_else(|fault| panic!("{body}: {fault}"));
        head.service_tier(body.as_bytes()).map(Cow::into_owned)
    };
    let priority = Some("priority".to_owned());
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Messages] {
        assert_eq!(tier(endpoint, r#"{"model":"m","messages":[],"service_tier":"priority"}"#), priority);
        assert_eq!(tier(endpoint, r#"{"model":"m","messages":[],"service_t\u0069er":"priorit\u0079"}"#), priority);
        assert_eq!(tier(endpoint, r#"{"model":"m","messages":["service_tier","priority"]}"#), None);
        assert_eq!(tier(endpoint, r#"{"model":"m","messages":[],"service_tier":7}"#), None);
        let twice = r#"{"model":"m","messages":[],"service_tier":"auto","service_tier":"priority"}"#;
        assert!(refusal_on(endpoint, twice).contains("given twice"));
    }
    assert_eq!(tier(Endpoint::Responses, r#"{"model":"m","input":"hi","service_tier":"priority"}"#), priority);
    assert_eq!(tier(Endpoint::Generate, r#"{"contents":[],"serviceTier":"priority"}"#), priority);
    assert_eq!(tier(Endpoint::Embeddings, r#"{"model":"m","input":"hi","service_tier":"priority"}"#), None);
}

#[test]
fn what_is_not_json_is_refused_wherever_it_stands() {
    let whole = r#"{"model":"m","messages":[{"a":-1.5e+3,"b":[true,false,null],"c":"x\n\u00e9\ud83d\ude00"}]}"#;
    assert!(look(whole).is_ok());
    for end in 0..whole.len() {
        assert!(look(&whole[..end]).is_err(), "cut at {end}");
    }
    for bad in [
        r#"{"model":"m","messages":[]} x"#,
        r#"{"model":"m","messages":[]}{}"#,
        r#"{"model":"m","messages":[NaN]}"#,
        r#"{"model":"m","messages":[Infinity]}"#,
        r#"{"model":"m","messages":[01]}"#,
        r#"{"model":"m","messages":[1.]}"#,
        r#"{"model":"m","messages":[.5]}"#,
        r#"{"model":"m","messages":[+1]}"#,
        r#"{"model":"m","messages":[1e]}"#,
        r#"{"model":"m","messages":[-]}"#,
        r#"{"model":"m","messages":[1,]}"#,
        r#"{"model":"m","messages":[],}"#,
        r#"{"model":"m" "messages":[]}"#,
        r#"{"model":"m","messages":['a']}"#,
        r#"{"model":"m","messages":[tru]}"#,
        r#"{"model":"m","messages":["\x"]}"#,
        r#"{"model":"m","messages":["\u12g4"]}"#,
        r#"{"model":"m","messages":[}}"#,
        "{\"model\":\"m\",\"messages\":[\"a\nb\"]}",
        "{\"model\":\"m\",\"messages\":[\"a\0b\"]}",
        "{\"model\":\"m\",\"messages\":[]}\0",
        "\u{feff}{\"model\":\"m\",\"messages\":[]}",
        "// c\n{}",
        "",
        "  ",
        "[]",
        "\"model\"",
        "null",
    ] {
        assert!(look(bad).is_err(), "{bad:?}");
    }
    assert_eq!(
        refusal(r#"{"model":"m","messages":["#).0,
        "the body is not complete JSON: it ends at byte 25 inside a value"
    );
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let body = b"{\"model\":\"m\",\"messages\":[\"\xC3(\"]}";
    let fault = peek(body, Endpoint::ChatCompletions, MAX_DEPTH).unwrap_err();
    assert_eq!(fault.message, "the body is not valid UTF-8 at byte 26");
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    for text in [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\n", r"\ud83dA", r"\ud83d\ud83d"] {
        for body in [
            format!(r#"{{"model":"m","messages":["{text}"]}}"#),
            format!(r#"{{"model":"{text}","messages":[]}}"#),
            format!(r#"{{"{text}":1,"model":"m","messages":[]}}"#),
        ] {
            assert!(refusal(&body).0.contains("surrogate"), "{body}");
        }
    }
}

#[test]
fn brackets_nest_as_deep_as_the_guard_and_no_deeper() {
    let nested =
        |depth: usize| format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(look(&nested(MAX_DEPTH)).is_ok());
    assert!(refusal(&nested(MAX_DEPTH + 1)).0.contains("deeper than 128 levels"));
    let endless = format!(r#"{{"model":"m","messages":{}"#, r#"{"a":["#.repeat(1_000_000));
    assert!(refusal(&endless).0.contains("deeper"));
    assert!(peek(nested(512).as_bytes(), Endpoint::ChatCompletions, usize::MAX).is_ok());
    assert!(peek(endless.as_bytes(), Endpoint::ChatCompletions, usize::MAX).is_err(), "the stack is guarded anyway");
}

#[test]
fn a_field_we_read_may_stand_once_only_however_it_is_spelled() {
    for (body, param) in [
        (r#"{"model":"a","messages":[],"model":"b"}"#, "model"),
        (r#"{"model":"a","messages":[],"mod\u0065l":"b"}"#, "model"),
        (r#"{"\u006dodel":"a","messages":[],"model":"a"}"#, "model"),
        (r#"{"model":"a","messages":[],"stream":false,"stream":true}"#, "stream"),
        (r#"{"model":"a","messages":[],"stream":null,"stream":true}"#, "stream"),
        (r#"{"model":"a","messages":[],"messages":[]}"#, "messages"),
        (r#"{"model":"a","messages":[],"max_tokens":1,"max_tokens":2}"#, "max_tokens"),
        (r#"{"model":"a","messages":[],"stream_options":{},"stream_options":{}}"#, "stream_options"),
        (
            r#"{"model":"a","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#,
            "stream_options.include_usage",
        ),
    ] {
        let (message, at) = refusal(body);
        assert!(message.contains("given twice"), "{body}: {message}");
        assert_eq!(at.as_deref(), Some(param), "{body}");
    }
    let twice = r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":9}}"#;
    assert!(refusal_on(Endpoint::Generate, twice).contains("given twice"));
    assert!(look(r#"{"model":"a","messages":[{"model":"x","model":"y"}]}"#).is_ok(), "only at the top level");
}

#[test]
fn an_escaped_key_is_the_key() {
    let body = r#"{"mod\u0065l":"gp\u0074-5","messages":[]}"#;
    assert_eq!(look(body).unwrap().model(body.as_bytes()).as_deref(), Some("gpt-5"));
}

#[test]
fn wrong_types_are_refused_with_the_field_and_a_sentence() {
    for (body, sentence, param) in [
        (r#"{"model":7,"messages":[]}"#, "`model` must be a string", "model"),
        (r#"{"model":null,"messages":[]}"#, "`model` must be a string", "model"),
        (r#"{"model":"  ","messages":[]}"#, "`model` must not be empty", "model"),
        (r#"{"model":"a\u0000b","messages":[]}"#, "`model` must not contain control characters", "model"),
        (r#"{"messages":[]}"#, "`model` is required and is missing", "model"),
        (r#"{"model":"m"}"#, "`messages` is required and is missing", "messages"),
        (r#"{"model":"m","messages":"hi"}"#, "`messages` must be an array", "messages"),
        (r#"{"model":"m","messages":[],"stream":"true"}"#, "`stream` must be true or false", "stream"),
        (r#"{"model":"m","messages":[],"stream":1}"#, "`stream` must be true or false", "stream"),
        (r#"{"model":"m","messages":[],"max_tokens":"5"}"#, "`max_tokens` must be a whole number", "max_tokens"),
        (
            r#"{"model":"m","messages":[],"max_tokens":-5}"#,
            "`max_tokens` must be a whole number that is not negative",
            "max_tokens",
        ),
        (
            r#"{"model":"m","messages":[],"max_tokens":1.5}"#,
            "`max_tokens` must be a whole number that is not negative",
            "max_tokens",
        ),
        (r#"{"model":"m","messages":[],"stream_options":[]}"#, "`stream_options` must be an object", "stream_options"),
    ] {
        assert_eq!(refusal(body), (sentence.to_owned(), Some(param.to_owned())), "{body}");
    }
    let long = format!(r#"{{"model":"{}","messages":[]}}"#, "m".repeat(600));
    assert_eq!(refusal(&long).0, "`model` is longer than 512 bytes");
    assert_eq!(refusal_on(Endpoint::Embeddings, r#"{"model":"m"}"#), "`input` is required and is missing");
    assert_eq!(refusal_on(Endpoint::Responses, r#"{"input":"x"}"#), "`model` is required and is missing");
}

/// Small texts of JSON's own characters: many are valid, most nearly.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 34] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"",
        b"\"a\"",
        b"\"a\":",
        b"1",
        b"-",
        b"0",
        b".5",
        b"e9",
        b"true",
        b"null",
        b"false",
        b" ",
        b"\n",
        b"\\",
        b"\\u0041",
        b"\\ud83d",
        b"\\ude00",
        b"\xC3\xA9",
        b"\xFF",
        b"\0",
        b"[]",
        b"{}",
        b"\"x\\n\"",
        b"[1,2]",
        b"{\"a\":1}",
        b",\"b\":",
        b"[{",
        b"}]",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..14).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e9..1e9f64).prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn the_scanner_and_serde_agree_on_what_is_json(text in nearly_json()) {
        let body = [&b"{\"contents\":"[..], &text, b"}"].concat();
        let ours = peek(&body, Endpoint::Generate, MAX_DEPTH);
        let twice = ours.as_ref().is_err_and(|fault| fault.param.is_some());
        let theirs = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
        prop_assert!(twice || ours.is_ok() == theirs, "{:?}: {:?}", String::from_utf8_lossy(&body), ours);
    }

    #[test]
    fn any_json_is_accepted_and_any_cut_of_it_is_not(value in any_json(), pretty in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let document = serde_json::json!({"model": "m", "messages": [value], "stream": true});
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let head = peek(text.as_bytes(), Endpoint::ChatCompletions, MAX_DEPTH);
        prop_assert!(head.is_ok(), "{}: {:?}", text, head);
        prop_assert!(peek(&text.as_bytes()[..cut.index(text.len())], Endpoint::ChatCompletions, MAX_DEPTH).is_err());
    }
}
