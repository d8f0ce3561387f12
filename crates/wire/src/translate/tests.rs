use super::*;
use crate::quirks::Table;
use neutral::Finish;
use serde_json::{Value, json};
use sluicegate_vocabulary::FaultKind;

fn job<'a>(client: Format, upstream: Format, quirks: &'a Quirks, policy: Policy) -> Job<'a> {
    let (model, public_model, stream) = ("the-model", "alias", None);
    Job { client, upstream, model, public_model, stream, quirks, policy, now: 1_790_000_000, call_id: "c0ffee" }
}

fn there(body: &Value, client: Format, upstream: Format, quirks: &Quirks) -> (Value, Outbound) {
    let body = serde_json::to_vec(body).unwrap();
    let outbound = request(&body, &job(client, upstream, quirks, Policy::Default)).unwrap();
    (serde_json::from_slice(&outbound.body).unwrap(), outbound)
}

fn back(body: &Value, context: &Context) -> Value {
    serde_json::from_slice(&response(&serde_json::to_vec(body).unwrap(), context).unwrap().body).unwrap()
}

fn stream_back(events: &[Value], context: &Context) -> String {
    let mut stream = StreamTranslator::new(context.clone());
    let mut out = Vec::new();
    for event in events {
        stream.push(format!("data: {event}\n\n").as_bytes(), &mut out).unwrap();
    }
    assert_eq!(stream.finish(&mut out), StreamEnd::Complete);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_name_that_had_to_be_replaced_comes_back_as_it_was() {
    let long = "n".repeat(90);
    let body = json!({
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": long, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": long},
    });
    let (sent, outbound) = there(&body, Format::Messages, Format::Chat, &Quirks::default());
    let name = sent["tools"][0]["function"]["name"].as_str().unwrap();
    assert!(name.len() <= 64);
    assert_eq!(sent["tool_choice"]["function"]["name"], name);
    let answer = json!({"choices": [{"message": {"tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    ]}, "finish_reason": "tool_calls"}]});
    assert_eq!(back(&answer, &outbound.context)["content"][0]["name"], long);
    let events = [json!({"choices": [{"index": 0, "delta": {"tool_calls": [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    ]}, "finish_reason": "tool_calls"}]})];
    assert!(stream_back(&events, &outbound.context).contains(&long));
}

#[test]
fn a_schema_asked_for_as_a_tool_comes_back_as_text() {
    let quirks = Table::bundled().for_model("anthropic", "claude-opus-4-20250514");
    let body = json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    });
    let (sent, outbound) = there(&body, Format::Chat, Format::Messages, &quirks);
    assert_eq!(sent["tool_choice"]["name"], emulate::TOOL);
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": emulate::TOOL, "input": {"a": 1}}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let choice = &back(&answer, &outbound.context)["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("{\"a\":1}"), &json!("stop")));
    assert_eq!(choice["message"].get("tool_calls"), None);
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "tool_use", "id": "toolu_1", "name": emulate::TOOL, "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":1}"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ];
    let text = stream_back(&events, &outbound.context);
    assert!(text.contains(r#""content":"{\"a\":1}""#) && text.contains(r#""finish_reason":"stop""#), "{text}");
    assert!(!text.contains("tool_calls"), "{text}");
}

#[test]
fn a_schema_beside_tools_is_refused_where_it_cannot_be_kept() {
    let quirks = Table::bundled().for_model("anthropic", "claude-opus-4-20250514");
    let body = json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    });
    let body = serde_json::to_vec(&body).unwrap();
    let fault = request(&body, &job(Format::Chat, Format::Messages, &quirks, Policy::Default)).unwrap_err();
    assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some("response_format")));
    let lenient = request(&body, &job(Format::Chat, Format::Messages, &quirks, Policy::Lenient)).unwrap();
    assert_eq!(lenient.dropped, ["response_format"]);
}

#[test]
fn thinking_goes_round_through_a_client_of_another_format() {
    let quirks = Table::bundled().for_model("anthropic", "claude-sonnet-4-5");
    let ask = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let (_, outbound) = there(&ask, Format::Chat, Format::Messages, &quirks);
    let answer = json!({"id": "msg_1", "model": "m", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "SIG=="},
        {"type": "redacted_thinking", "data": "DATA"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
    ], "stop_reason": "tool_use"});
    let message = back(&answer, &outbound.context)["choices"][0]["message"].clone();
    let next = json!({
        "messages": [
            {"role": "user", "content": "Hi"},
            message,
            {"role": "tool", "tool_call_id": "toolu_1", "content": "ok"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    });
    let (sent, _) = there(&next, Format::Chat, Format::Messages, &quirks);
    assert_eq!(sent["messages"][1]["content"], answer["content"]);
}

#[test]
fn a_foreign_signature_is_never_shown_to_anthropic() {
    let quirks = Quirks::default();
    let ask =
        json!({"max_tokens": 9, "thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "Hi"}]});
    let (_, outbound) = there(&ask, Format::Messages, Format::Chat, &quirks);
    let answer =
        json!({"choices": [{"message": {"reasoning_content": "Hm.", "content": "So."}, "finish_reason": "stop"}]});
    let content = back(&answer, &outbound.context)["content"].clone();
    assert_eq!(content[0]["thinking"], "Hm.");
    let next = json!({"max_tokens": 9, "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "On."},
    ]});
    let (sent, _) = there(&next, Format::Messages, Format::Messages, &quirks);
    assert_eq!(sent["messages"][1]["content"], "So.");
    let deepseek = Table::bundled().for_model("deepseek", "deepseek-v4-pro");
    let (sent, _) = there(&next, Format::Messages, Format::Chat, &deepseek);
    assert_eq!(sent["messages"][1]["reasoning_content"], "Hm.");
}

#[test]
fn thinking_that_was_not_asked_for_is_not_shown_to_an_anthropic_client() {
    let ask = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let (_, outbound) = there(&ask, Format::Messages, Format::Chat, &Quirks::default());
    let answer =
        json!({"choices": [{"message": {"reasoning_content": "Hm.", "content": "So."}, "finish_reason": "stop"}]});
    assert_eq!(back(&answer, &outbound.context)["content"], json!([{"type": "text", "text": "So."}]));
}

#[test]
fn an_answer_broken_off_is_an_error_unless_something_was_said() {
    let context = Context::unchanged(Format::Chat, "m", true, 0, "c");
    let choice = |parts| neutral::Choice { parts, finish: Some(Finish::Failed("MALFORMED_FUNCTION_CALL".into())) };
    let mut silent = Answer { choices: vec![choice(Vec::new())], ..Answer::default() };
    assert_eq!(way_back::answer(&mut silent, &context).unwrap_err().kind, FaultKind::UpstreamBroken);
    let mut spoke = Answer { choices: vec![choice(vec![neutral::Part::Text("So".into())])], ..Answer::default() };
    way_back::answer(&mut spoke, &context).unwrap();
    assert_eq!(spoke.choices[0].finish, Some(Finish::Stop));
}

#[test]
fn the_usage_chunk_comes_only_when_it_was_asked_for() {
    for asked in [true, false] {
        let ask = json!({"stream": true, "stream_options": {"include_usage": asked}, "messages": [{"role": "user", "content": "Hi"}]});
        let (sent, outbound) = there(&ask, Format::Chat, Format::Messages, &Quirks::default());
        assert_eq!(sent["stream"], true);
        let events = [
            json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
            json!({"type": "message_stop"}),
        ];
        let text = stream_back(&events, &outbound.context);
        assert_eq!(text.contains("\"usage\""), asked, "{text}");
        assert_eq!(text.contains("\"prompt_tokens\":3"), asked, "{text}");
        assert!(text.ends_with("data: [DONE]\n\n"));
    }
}

#[test]
fn first_event_and_first_token_are_told_apart() {
    let ask = json!({"stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    let (_, outbound) = there(&ask, Format::Chat, Format::Messages, &Quirks::default());
    let mut stream = StreamTranslator::new(outbound.context);
    let mut out = Vec::new();
    let mut push = |stream: &mut StreamTranslator, bytes: &str| {
        stream.push(bytes.as_bytes(), &mut out).unwrap();
        (stream.first_event(), stream.first_token())
    };
    assert_eq!(push(&mut stream, ": keep-alive\n\ndata: {\"type\":\"ping\"}\n\n"), (false, false));
    let start = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n";
    assert_eq!(push(&mut stream, start), (true, false));
    let text = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n";
    assert_eq!(push(&mut stream, text), (true, true));
}

#[test]
fn an_error_first_leaves_the_client_untouched_so_that_another_provider_can_be_tried() {
    let ask = json!({"stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    for (upstream, event) in [
        (Format::Messages, json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})),
        (
            Format::Responses,
            json!({"type": "error", "code": "server_is_overloaded", "message": "x", "sequence_number": 0}),
        ),
        (Format::Generate, json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}})),
    ] {
        let (_, outbound) = there(&ask, Format::Chat, upstream, &Quirks::default());
        let mut stream = StreamTranslator::new(outbound.context);
        let mut out = Vec::new();
        let fault = stream.push(format!("data: {event}\n\n").as_bytes(), &mut out).unwrap_err();
        assert_eq!(fault.kind, FaultKind::UpstreamOverloaded, "{upstream:?}");
        assert!(out.is_empty(), "{upstream:?}");
        assert_eq!(stream.finish(&mut out), StreamEnd::Failed);
        assert!(out.is_empty());
    }
}
