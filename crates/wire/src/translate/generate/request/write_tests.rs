use super::*;
use crate::translate::neutral::{Signature, Turn};
use crate::translate::notes::Policy;
use serde_json::json;

fn written(prompt: &Prompt, quirks: &Quirks) -> Result<(Value, Vec<String>), Fault> {
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    let target = Target { model: "m", quirks };
    let body = write(prompt, &target, &mut notes)?;
    let dropped = notes.into_dropped().into_iter().map(String::from).collect();
    Ok((serde_json::from_slice(&body).unwrap(), dropped))
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn prompt() -> Prompt {
    Prompt { source: Some(Format::Chat), turns: vec![turn(Role::User, vec![text("Hi")])], ..Prompt::default() }
}

fn call(id: &str, signature: Option<Signature>) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: "{\"n\": 1.50}".into(), signature })
}

fn result(id: &str, answer: &str) -> Part {
    Part::ToolResult(ToolResult { id: id.into(), name: Some("f".into()), parts: vec![text(answer)], is_error: false })
}

#[test]
fn results_follow_the_order_of_their_calls() {
    let mut prompt = prompt();
    prompt.turns.push(turn(Role::Assistant, vec![call("a", None), call("b", None)]));
    prompt.turns.push(turn(Role::User, vec![result("b", "two"), result("a", "{\"x\":1}"), text("Go on.")]));
    let (body, _) = written(&prompt, &Quirks::default()).unwrap();
    assert_eq!(
        body["contents"][2]["parts"],
        json!([
            {"functionResponse": {"name": "f", "response": {"x": 1}}},
            {"functionResponse": {"name": "f", "response": {"output": "two"}}},
            {"text": "Go on."},
        ])
    );
}

#[test]
fn only_the_first_call_without_a_signature_of_its_own_gets_the_reserved_word() {
    let own = Signature { from: Format::Generate, text: "c2ln".into() };
    let foreign = Signature { from: Format::Messages, text: "x".into() };
    let signatures = |calls: Vec<Part>, quirks: &Quirks| {
        let answers = calls.iter().filter_map(call_id).map(|id| result(id, "x")).collect();
        let mut prompt = prompt();
        prompt.turns.push(turn(Role::Assistant, calls));
        prompt.turns.push(turn(Role::User, answers));
        let (body, _) = written(&prompt, quirks).unwrap();
        let parts = body["contents"][1]["parts"].as_array().unwrap().clone();
        parts.into_iter().map(|part| part["thoughtSignature"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let signing = Quirks { thought_signatures: true, ..Quirks::default() };
    let word = Some(FOREIGN.to_owned());
    assert_eq!(signatures(vec![call("a", None), call("b", None)], &signing), [word.clone(), None]);
    assert_eq!(signatures(vec![call("a", Some(foreign))], &signing), [word]);
    assert_eq!(signatures(vec![call("a", Some(own)), call("b", None)], &signing), [Some("c2ln".to_owned()), None]);
    assert_eq!(signatures(vec![call("a", None)], &Quirks::default()), [None]);
}

#[test]
fn arguments_keep_the_spelling_of_their_numbers() {
    let mut prompt = prompt();
    prompt.turns.push(turn(Role::Assistant, vec![call("a", None)]));
    prompt.turns.push(turn(Role::User, vec![result("a", "x")]));
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    let body = write(&prompt, &Target { model: "m", quirks: &Quirks::default() }, &mut notes).unwrap();
    assert!(String::from_utf8(body).unwrap().contains("\"args\":{\"n\": 1.50}"));
}

#[test]
fn thinking_is_told_in_the_words_the_model_knows() {
    let config = |thinking, disable_thinking, reasoning| {
        let quirks = Quirks {
            thinking,
            disable_thinking,
            efforts: ["low", "high"].map(str::to_owned).to_vec(),
            ..Quirks::default()
        };
        let (body, dropped) = written(&Prompt { reasoning: Some(reasoning), ..prompt() }, &quirks).unwrap();
        (body["generationConfig"]["thinkingConfig"].clone(), dropped.len())
    };
    use Reasoning::{Adaptive, Budget as Tokens, Disabled, Effort};
    use Thinking::{Budget, Level, None as Never};
    let effort = |word: &str| Effort(word.to_owned());
    let cases = [
        (Budget, true, Disabled, json!({"thinkingBudget": 0}), 0),
        (Budget, false, Disabled, json!({"thinkingBudget": 128}), 1),
        (Budget, true, Adaptive, json!({"thinkingBudget": -1}), 0),
        (Budget, true, Tokens(2000), json!({"thinkingBudget": 2000}), 0),
        (Budget, true, effort("low"), json!({"thinkingBudget": 1024}), 0),
        (Budget, true, effort("medium"), json!({"thinkingBudget": 8192}), 0),
        (Budget, true, effort("high"), json!({"thinkingBudget": 24576}), 0),
        (Level, true, effort("high"), json!({"thinkingLevel": "HIGH"}), 0),
        (Level, true, effort("minimal"), json!({"thinkingLevel": "LOW"}), 0),
        (Level, true, Tokens(20_000), json!({"thinkingLevel": "HIGH"}), 0),
        (Level, true, Disabled, json!({"thinkingLevel": "LOW"}), 1),
        (Level, true, Adaptive, Value::Null, 0),
        (Never, true, effort("high"), Value::Null, 1),
        (Never, true, Disabled, Value::Null, 0),
    ];
    for (thinking, may_stop, reasoning, expected, lost) in cases {
        let shown = format!("{thinking:?} {reasoning:?}");
        assert_eq!(config(thinking, may_stop, reasoning), (expected, lost), "{shown}");
    }
}

#[test]
fn tool_choices_become_modes() {
    let schema = serde_json::value::to_raw_value(&json!({"type": "object"})).unwrap();
    let calling = |choice| {
        let tool = Tool { name: "f".into(), description: None, schema: Some(schema.clone()), strict: None };
        let prompt = Prompt { tools: vec![tool], tool_choice: Some(choice), ..prompt() };
        written(&prompt, &Quirks::default()).unwrap().0["toolConfig"]["functionCallingConfig"].clone()
    };
    let names = vec!["f".to_owned()];
    assert_eq!(calling(ToolChoice::Auto), json!({"mode": "AUTO"}));
    assert_eq!(calling(ToolChoice::None), json!({"mode": "NONE"}));
    assert_eq!(calling(ToolChoice::Required), json!({"mode": "ANY"}));
    assert_eq!(calling(ToolChoice::Named("f".into())), json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    assert_eq!(
        calling(ToolChoice::Allowed { names: names.clone(), required: false }),
        json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]})
    );
    assert_eq!(
        calling(ToolChoice::Allowed { names, required: true }),
        json!({"mode": "ANY", "allowedFunctionNames": ["f"]})
    );
}

#[test]
fn what_gemini_cannot_say_is_refused() {
    let image = |url: &str| {
        let source = Media::Url { url: url.into(), mime: None };
        Prompt { turns: vec![turn(Role::User, vec![Part::Image { source, detail: None }])], ..prompt() }
    };
    let first_model = Prompt { turns: vec![turn(Role::Assistant, vec![text("Hi")])], ..prompt() };
    let empty = Prompt { turns: vec![turn(Role::User, vec![text("")])], ..prompt() };
    let cases = [
        (Prompt { stop: vec!["x".into(); 6], ..prompt() }, "stop"),
        (Prompt { answers: Some(2), stream: true, ..prompt() }, "n"),
        (Prompt { logprobs: Some(0), ..prompt() }, "logprobs"),
        (image("https://example.com/x.png"), "messages"),
        (first_model, "messages"),
        (empty, "messages"),
    ];
    for (prompt, param) in cases {
        assert_eq!(written(&prompt, &Quirks::default()).unwrap_err().param.as_deref(), Some(param));
    }
    assert!(written(&image("gs://bucket/x.png"), &Quirks::default()).is_ok());
    assert!(written(&Prompt { answers: Some(2), ..prompt() }, &Quirks::default()).is_ok());
}

#[test]
fn a_model_that_takes_only_the_subset_gets_cleaned_schemas() {
    let schema =
        json!({"type": "object", "additionalProperties": false, "properties": {"a": {"type": ["string", "null"]}}});
    let raw = serde_json::value::to_raw_value(&schema).unwrap();
    let tool = Tool { name: "f".into(), description: None, schema: Some(raw.clone()), strict: None };
    let output = Output::JsonSchema { name: None, description: None, schema: raw, strict: None };
    let prompt = Prompt { tools: vec![tool], output, ..prompt() };
    let clean = json!({"type": "object", "properties": {"a": {"nullable": true, "type": "string"}}});
    let (old, _) = written(&prompt, &Quirks { whole_schemas: false, ..Quirks::default() }).unwrap();
    assert_eq!(old["tools"][0]["functionDeclarations"][0]["parameters"], clean);
    assert_eq!(old["generationConfig"]["responseSchema"], clean);
    let (new, _) = written(&prompt, &Quirks::default()).unwrap();
    assert_eq!(new["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"], schema);
    assert_eq!(new["generationConfig"]["responseJsonSchema"], schema);
}
