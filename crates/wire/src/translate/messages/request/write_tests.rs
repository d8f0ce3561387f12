use super::*;
use crate::quirks::Table;
use crate::translate::neutral::{Media, Signature, ToolCall, ToolResult, Turn};
use crate::translate::notes::Policy;
use sluicegate_vocabulary::FaultKind;

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn prompt() -> Prompt {
    Prompt { source: Some(Format::Chat), turns: vec![turn(Role::User, vec![text("Hi")])], ..Prompt::default() }
}

fn quirks(model: &str) -> Quirks {
    Table::bundled().for_model("anthropic", model)
}

/// The body and what was left out.
fn written(prompt: &Prompt, quirks: &Quirks) -> Result<(Value, Vec<String>), Fault> {
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    let body = write(prompt, &Target { model: "m", quirks }, &mut notes)?;
    let dropped = notes.into_dropped().into_iter().map(Cow::into_owned).collect();
    Ok((serde_json::from_slice(&body).unwrap(), dropped))
}

#[test]
fn thinking_is_told_as_the_model_understands_it() {
    let effort = |word: &str| Reasoning::Effort(word.to_owned());
    for (model, wanted, thinking, word, dropped) in [
        ("claude-3-5-haiku", effort("high"), json!(null), json!(null), true),
        ("claude-3-5-haiku", Reasoning::Disabled, json!(null), json!(null), false),
        ("claude-sonnet-4-5", effort("low"), json!({"type": "enabled", "budget_tokens": 1024}), json!(null), false),
        ("claude-sonnet-4-5", effort("medium"), json!({"type": "enabled", "budget_tokens": 8192}), json!(null), false),
        ("claude-sonnet-4-5", effort("max"), json!({"type": "enabled", "budget_tokens": 16000}), json!(null), false),
        (
            "claude-sonnet-4-5",
            Reasoning::Budget(12),
            json!({"type": "enabled", "budget_tokens": 1024}),
            json!(null),
            false,
        ),
        ("claude-sonnet-4-5", Reasoning::Disabled, json!({"type": "disabled"}), json!(null), false),
        ("claude-opus-4-6", effort("minimal"), json!({"type": "adaptive"}), json!("low"), false),
        ("claude-opus-4-6", effort("xhigh"), json!({"type": "adaptive"}), json!("high"), false),
        ("claude-opus-4-7", effort("xhigh"), json!({"type": "adaptive"}), json!("xhigh"), false),
        ("claude-opus-4-7", Reasoning::Budget(20_000), json!({"type": "adaptive"}), json!("high"), false),
        ("claude-opus-4-7", Reasoning::Adaptive, json!({"type": "adaptive"}), json!(null), false),
        ("claude-opus-5-5", Reasoning::Disabled, json!(null), json!("low"), true),
        ("claude-sonnet-5-5", effort("high"), json!({"type": "between_tools"}), json!("high"), false),
    ] {
        let prompt = Prompt { reasoning: Some(wanted.clone()), ..prompt() };
        let (body, left_out) = written(&prompt, &quirks(model)).unwrap();
        assert_eq!(body["thinking"], thinking, "{model} {wanted:?}");
        assert_eq!(body["output_config"]["effort"], word, "{model} {wanted:?}");
        assert_eq!(left_out == ["reasoning_effort"], dropped, "{model} {wanted:?}: {left_out:?}");
    }
}

#[test]
fn a_budget_leaves_room_for_the_answer_or_is_not_sent() {
    let small = |max_output| Prompt {
        reasoning: Some(Reasoning::Effort("high".into())),
        max_output: Some(max_output),
        ..prompt()
    };
    let (body, _) = written(&small(4000), &quirks("claude-sonnet-4-5")).unwrap();
    assert_eq!(body["thinking"]["budget_tokens"], 2000);
    let (body, dropped) = written(&small(2000), &quirks("claude-sonnet-4-5")).unwrap();
    assert_eq!((body.get("thinking"), dropped), (None, vec!["reasoning_effort".to_owned()]));
}

#[test]
fn a_forced_tool_outweighs_a_budget_of_thinking() {
    let prompt = Prompt {
        reasoning: Some(Reasoning::Effort("high".into())),
        tools: vec![Tool { name: "f".into(), description: None, schema: None, strict: None }],
        tool_choice: Some(ToolChoice::Required),
        ..prompt()
    };
    let (body, dropped) = written(&prompt, &quirks("claude-sonnet-4-5")).unwrap();
    assert_eq!((body.get("thinking"), &body["tool_choice"]["type"]), (None, &json!("any")));
    assert_eq!(dropped, ["reasoning_effort"]);
    let (body, dropped) = written(&prompt, &quirks("claude-opus-4-7")).unwrap();
    assert_eq!((&body["thinking"]["type"], dropped.len()), (&json!("adaptive"), 0));
}

#[test]
fn sampling_follows_the_model() {
    let prompt = |temperature, top_p| Prompt {
        sampling: crate::translate::neutral::Sampling { temperature, top_p, ..Default::default() },
        ..prompt()
    };
    for (model, temperature, top_p, sent_t, sent_p, dropped) in [
        ("claude-3-5-haiku", Some(0.5), Some(0.5), json!(0.5), json!(0.5), vec![]),
        ("claude-3-5-haiku", Some(1.5), None, json!(1), json!(null), vec!["temperature"]),
        ("claude-sonnet-4-5", Some(0.5), Some(0.5), json!(0.5), json!(null), vec!["top_p"]),
        ("claude-sonnet-4-5", None, Some(0.5), json!(null), json!(0.5), vec![]),
        ("claude-opus-4-7", Some(0.5), Some(0.5), json!(null), json!(null), vec!["temperature", "top_p"]),
        // What the model does anyway is not worth a word.
        ("claude-opus-4-7", Some(1.0), Some(1.0), json!(null), json!(null), vec![]),
    ] {
        let (body, left_out) = written(&prompt(temperature, top_p), &quirks(model)).unwrap();
        assert_eq!((&body["temperature"], &body["top_p"]), (&sent_t, &sent_p), "{model} {temperature:?} {top_p:?}");
        assert_eq!(left_out, dropped, "{model} {temperature:?} {top_p:?}");
    }
}

#[test]
fn the_cap_is_the_models_where_none_was_given_and_never_above_its_most() {
    let cap = |max_output, model: &str| written(&Prompt { max_output, ..prompt() }, &quirks(model)).unwrap();
    assert_eq!(cap(None, "claude-3-haiku").0["max_tokens"], 4096);
    assert_eq!(cap(None, "claude-sonnet-4-5").0["max_tokens"], 32_000);
    let (body, dropped) = cap(Some(1_000_000), "claude-sonnet-4-5");
    assert_eq!((&body["max_tokens"], dropped), (&json!(64_000), vec!["max_completion_tokens".to_owned()]));
}

#[test]
fn media_that_anthropic_cannot_read_are_refused() {
    let base64 = |mime: &str| Media::Base64 { mime: mime.into(), data: "AAAA".into() };
    let url = |url: &str| Media::Url { url: url.into(), mime: None };
    let image = |source| Part::Image { source, detail: None };
    let document = |source| Part::Document { source, name: None };
    for (part, fits) in [
        (image(base64("image/webp")), true),
        (image(base64("image/tiff")), false),
        (image(url("https://x.example/a.png")), true),
        (image(url("gs://bucket/a.png")), false),
        (image(Media::File("file-1".into())), false),
        (document(base64("application/pdf")), true),
        (document(base64("application/msword")), false),
        (document(Media::Text("Words.".into())), true),
        (document(Media::File("file-1".into())), false),
        (Part::Audio { source: base64("audio/wav") }, false),
    ] {
        let name = format!("{part:?}");
        let prompt = Prompt { turns: vec![turn(Role::User, vec![text("Look"), part])], ..prompt() };
        match written(&prompt, &Quirks::default()) {
            Ok(_) => assert!(fits, "{name}"),
            Err(fault) => {
                assert!(!fits, "{name}: {fault}");
                assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some("messages")));
            }
        }
    }
    let no_urls = Quirks { url_images: false, ..Quirks::default() };
    let prompt = Prompt { turns: vec![turn(Role::User, vec![image(url("https://x.example/a.png"))])], ..prompt() };
    assert!(written(&prompt, &no_urls).is_err());
}

#[test]
fn system_messages_stand_inside_only_where_they_may() {
    let system = || turn(Role::System, vec![text("Rhyme.")]);
    let user = |t: &str| turn(Role::User, vec![text(t)]);
    let assistant = || turn(Role::Assistant, vec![text("Ok.")]);
    let roles = |turns: Vec<Turn>, model: &str| {
        let (body, dropped) = written(&Prompt { turns, ..prompt() }, &quirks(model)).unwrap();
        let roles: Vec<String> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap().to_owned())
            .collect();
        (roles.join(" "), !dropped.is_empty())
    };
    let kept = "claude-opus-4-8";
    assert_eq!(roles(vec![user("a"), system()], kept), ("user system".into(), false));
    assert_eq!(
        roles(vec![user("a"), system(), assistant(), user("b")], kept),
        ("user system assistant user".into(), false)
    );
    assert_eq!(roles(vec![user("a"), system(), user("b")], kept), ("user".into(), true));
    assert_eq!(roles(vec![user("a"), assistant(), system(), user("b")], kept), ("user assistant user".into(), true));
    assert_eq!(roles(vec![user("a"), system(), system()], kept), ("user system".into(), true));
    assert_eq!(roles(vec![user("a"), system()], "claude-sonnet-4-5"), ("user".into(), true));
}

#[test]
fn tool_results_lead_their_turn_even_behind_a_system_message() {
    let call = ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into(), signature: None };
    let result = ToolResult { id: "a".into(), name: None, parts: Vec::new(), is_error: true };
    let turns = vec![
        turn(Role::User, vec![text("Hi")]),
        turn(Role::Assistant, vec![Part::ToolCall(call)]),
        turn(Role::System, vec![text("Rhyme.")]),
        turn(Role::User, vec![Part::ToolResult(result)]),
    ];
    let (body, _) = written(&Prompt { turns, ..prompt() }, &Quirks::default()).unwrap();
    let expected = json!([
        {"type": "tool_result", "tool_use_id": "a", "is_error": true},
        {"type": "text", "text": "Rhyme."},
    ]);
    assert_eq!(body["messages"][2]["content"], expected);
}

#[test]
fn only_anthropics_own_signed_thinking_is_sent() {
    let thinking = |signature| Part::Thinking { text: "Hm.".into(), signature };
    let by = |from| Some(Signature { from, text: "SIG".into() });
    let parts = vec![thinking(None), thinking(by(Format::Generate)), thinking(by(Format::Messages)), text("So.")];
    let turns =
        vec![turn(Role::User, vec![text("Hi")]), turn(Role::Assistant, parts), turn(Role::User, vec![text("On.")])];
    let (body, dropped) = written(&Prompt { turns, ..prompt() }, &Quirks::default()).unwrap();
    let expected = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "SIG"},
        {"type": "text", "text": "So."},
    ]);
    assert_eq!(body["messages"][1]["content"], expected);
    assert!(dropped.is_empty());
}

#[test]
fn an_answer_begun_ends_in_no_white_space() {
    let turns = vec![turn(Role::User, vec![text("Count")]), turn(Role::Assistant, vec![text("One, ")])];
    let prompt = Prompt { turns, ..prompt() };
    let (body, _) = written(&prompt, &Quirks::default()).unwrap();
    assert_eq!(body["messages"][1]["content"], "One,");
    assert!(written(&prompt, &quirks("claude-opus-5")).is_err());
}

#[test]
fn a_schema_is_closed_and_what_is_not_enforced_is_named() {
    let schema = r#"{"$schema": "x", "type": "object", "properties": {
        "a": {"type": "string", "pattern": "^a", "enum": [{"type": "object", "minimum": 1}]},
        "b": {"anyOf": [{"type": ["object", "null"], "additionalProperties": true}, {"type": "null"}]},
        "minimum": {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1}
    }}"#;
    let prompt = Prompt {
        output: Output::JsonSchema {
            name: None,
            description: None,
            schema: RawValue::from_string(schema.to_owned()).unwrap(),
            strict: None,
        },
        ..prompt()
    };
    let (body, dropped) = written(&prompt, &Quirks::default()).unwrap();
    let expected = json!({"type": "object", "properties": {
        "a": {"type": "string", "enum": [{"type": "object", "minimum": 1}]},
        "b": {"anyOf": [{"type": ["object", "null"], "additionalProperties": false}, {"type": "null"}]},
        "minimum": {"type": "array", "items": {"type": "number"}, "minItems": 1}
    }, "additionalProperties": false});
    assert_eq!(body["output_config"]["format"]["schema"], expected);
    let named = |word: &str| format!("response_format.{word}");
    assert_eq!(dropped, [named("pattern"), named("additionalProperties"), named("minimum")]);
}
