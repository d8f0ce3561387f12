use super::*;
use crate::quirks::Table;
use crate::translate::neutral::{Sampling, Signature, ToolCall};
use crate::translate::notes::Policy;

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn prompt() -> Prompt {
    Prompt { source: Some(Format::Messages), turns: vec![turn(Role::User, vec![text("Hi")])], ..Prompt::default() }
}

fn quirks(provider: &str, model: &str) -> Quirks {
    Table::bundled().for_model(provider, model)
}

fn written(prompt: &Prompt, quirks: &Quirks) -> (Value, Vec<String>) {
    let mut notes = Notes::new(Policy::Default, Format::Messages);
    let body = write(prompt, &Target { model: "m", quirks }, &mut notes).unwrap();
    let dropped = notes.into_dropped().into_iter().map(std::borrow::Cow::into_owned).collect();
    (serde_json::from_slice(&body).unwrap(), dropped)
}

fn tool() -> Tool {
    Tool { name: "f".into(), description: None, schema: None, strict: None }
}

#[test]
fn reasoning_is_told_as_the_model_understands_it() {
    let effort = |word: &str| Reasoning::Effort(word.to_owned());
    for (provider, model, wanted, word, dropped) in [
        ("openai", "gpt-4.1", effort("high"), json!(null), true),
        ("openai", "gpt-4.1", Reasoning::Adaptive, json!(null), false),
        ("openai", "o3", effort("max"), json!("high"), false),
        ("openai", "o3", Reasoning::Disabled, json!("low"), true),
        ("openai", "gpt-5", Reasoning::Disabled, json!("minimal"), true),
        ("openai", "gpt-5.4", Reasoning::Disabled, json!("none"), false),
        ("openai", "gpt-5.4", Reasoning::Budget(2_000), json!("low"), false),
        ("openai", "gpt-5.4", Reasoning::Budget(10_000), json!("medium"), false),
        ("openai", "gpt-5.4", Reasoning::Budget(60_000), json!("high"), false),
        ("openai", "gpt-6-sol", effort("max"), json!("max"), false),
    ] {
        let (body, left_out) =
            written(&Prompt { reasoning: Some(wanted.clone()), ..prompt() }, &quirks(provider, model));
        assert_eq!(body["reasoning_effort"], word, "{model} {wanted:?}");
        assert_eq!(left_out == ["thinking"], dropped, "{model} {wanted:?}: {left_out:?}");
    }
}

#[test]
fn deepseek_has_a_switch() {
    let deepseek = quirks("deepseek", "deepseek-v4-pro");
    let (body, _) = written(&Prompt { reasoning: Some(Reasoning::Disabled), ..prompt() }, &deepseek);
    assert_eq!((&body["thinking"], body.get("reasoning_effort")), (&json!({"type": "disabled"}), None));
    let (body, _) = written(&Prompt { reasoning: Some(Reasoning::Effort("max".into())), ..prompt() }, &deepseek);
    assert_eq!((&body["thinking"]["type"], &body["reasoning_effort"]), (&json!("enabled"), &json!("max")));
}

#[test]
fn a_model_that_reasons_samples_as_it_likes_unless_told_not_to_reason() {
    let sampling = Sampling { temperature: Some(0.5), top_p: Some(0.5), ..Sampling::default() };
    let (body, dropped) = written(&Prompt { sampling: sampling.clone(), ..prompt() }, &quirks("openai", "gpt-5.4"));
    assert_eq!((body.get("temperature"), dropped), (None, vec!["temperature".to_owned(), "top_p".to_owned()]));
    let silent = Prompt { sampling, reasoning: Some(Reasoning::Disabled), ..prompt() };
    let (body, dropped) = written(&silent, &quirks("openai", "gpt-5.4"));
    assert_eq!((&body["temperature"], dropped.len()), (&json!(0.5), 0));
}

#[test]
fn tools_beside_reasoning_are_kept_where_only_one_can_be() {
    let sol = quirks("openai", "gpt-6-sol");
    let asked = Prompt { tools: vec![tool()], reasoning: Some(Reasoning::Effort("high".into())), ..prompt() };
    let (body, dropped) = written(&asked, &sol);
    assert_eq!((&body["reasoning_effort"], dropped), (&json!("none"), vec!["thinking".to_owned()]));
    let (body, dropped) = written(&Prompt { tools: vec![tool()], ..prompt() }, &sol);
    assert_eq!((&body["reasoning_effort"], dropped.len()), (&json!("none"), 0));
    assert_eq!(written(&prompt(), &sol).0.get("reasoning_effort"), None);
}

#[test]
fn the_cap_has_the_name_the_server_knows() {
    let capped = Prompt { max_output: Some(7), ..prompt() };
    let (body, _) = written(&capped, &quirks("openai", "gpt-4.1"));
    assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(7), None));
    let (body, _) = written(&capped, &quirks("openai_compatible", "llama"));
    assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(7), None));
}

#[test]
fn instructions_go_to_the_role_that_the_model_listens_to() {
    let instructed = Prompt { system: vec!["A".into(), "B".into()], ..prompt() };
    let first = |quirks: &Quirks| written(&instructed, quirks).0["messages"][0].clone();
    assert_eq!(first(&quirks("openai", "gpt-4.1")), json!({"role": "system", "content": "A\nB"}));
    assert_eq!(first(&quirks("openai", "o3"))["role"], "developer");
}

#[test]
fn usage_is_asked_for_only_where_the_server_can() {
    let streamed = Prompt { stream: true, ..prompt() };
    assert_eq!(written(&streamed, &Quirks::default()).0["stream_options"], json!({"include_usage": true}));
    let cannot = Quirks { stream_usage: false, ..Quirks::default() };
    assert_eq!(written(&streamed, &cannot).0.get("stream_options"), None);
    assert_eq!(written(&prompt(), &Quirks::default()).0.get("stream"), None);
}

#[test]
fn thinking_goes_back_only_to_who_wants_it() {
    let call = ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: "{}".into(),
        signature: Some(Signature { from: Format::Generate, text: "SIG".into() }),
    };
    let said = |thinking: bool| {
        let mut parts = vec![Part::ToolCall(call.clone())];
        if thinking {
            parts.insert(0, Part::Thinking { text: "Hm.".into(), signature: None });
        }
        Prompt { turns: vec![turn(Role::User, vec![text("Hi")]), turn(Role::Assistant, parts)], ..prompt() }
    };
    let message = |prompt: &Prompt, quirks: &Quirks| written(prompt, quirks).0["messages"][1].clone();
    let deepseek = quirks("deepseek", "deepseek-v4-pro");
    assert_eq!(message(&said(true), &deepseek)["reasoning_content"], "Hm.");
    assert_eq!(message(&said(false), &deepseek)["reasoning_content"], "");
    let openai = message(&said(true), &quirks("openai", "gpt-4.1"));
    assert_eq!((openai.get("reasoning_content"), openai["tool_calls"][0].get("extra_content")), (None, None));
    let gemini = message(&said(true), &quirks("openai_compatible", "gemini-3-pro"));
    assert_eq!(gemini["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "SIG");
}

#[test]
fn more_stop_strings_than_openai_takes_are_refused() {
    let mut notes = Notes::new(Policy::Default, Format::Messages);
    let many = Prompt { stop: vec!["x".into(); 5], ..prompt() };
    let quirks = Quirks::default();
    let fault = write(&many, &Target { model: "m", quirks: &quirks }, &mut notes).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("stop_sequences"));
}

#[test]
fn a_promise_of_exactness_is_made_only_for_schemas_that_allow_it() {
    let schema = |text: &str| Some(RawValue::from_string(text.to_owned()).unwrap());
    let closed =
        r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;
    for (text, strict) in [(closed, true), (r#"{"type":"object"}"#, false)] {
        let tools = vec![Tool { schema: schema(text), strict: Some(true), ..tool() }];
        let (body, _) = written(&Prompt { tools, ..prompt() }, &Quirks::default());
        assert_eq!(body["tools"][0]["function"]["strict"], strict, "{text}");
    }
}
