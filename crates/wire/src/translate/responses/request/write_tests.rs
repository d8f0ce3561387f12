use super::*;
use crate::translate::neutral::{Sampling, Signature, ToolCall};
use crate::translate::notes::Policy;
use serde_json::{Value, json};

fn written(prompt: &Prompt, quirks: &Quirks) -> Result<(Value, Vec<String>), Fault> {
    let mut notes = Notes::new(Policy::Default, prompt.source.unwrap_or(Format::Chat));
    let target = Target { model: "m", quirks };
    let body = write(prompt, &target, &mut notes)?;
    let dropped = notes.into_dropped().into_iter().map(String::from).collect();
    Ok((serde_json::from_slice(&body).unwrap(), dropped))
}

fn prompt() -> Prompt {
    let turn = Turn { role: Role::User, name: None, parts: vec![Part::Text("Hi".into())] };
    Prompt { source: Some(Format::Chat), turns: vec![turn], ..Prompt::default() }
}

fn thinker() -> Quirks {
    Quirks { thinking: Thinking::Effort, ..Quirks::default() }
}

fn tool(strict: Option<bool>) -> Tool {
    let schema = serde_json::value::to_raw_value(&json!({"type": "object", "properties": {"a": {}}})).unwrap();
    Tool { name: "f".into(), description: None, schema: Some(schema), strict }
}

#[test]
fn nothing_is_stored_and_reasoning_is_asked_for_encrypted() {
    let (body, _) = written(&prompt(), &thinker()).unwrap();
    assert_eq!(body["store"], json!(false));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    let (plain, _) = written(&prompt(), &Quirks::default()).unwrap();
    assert_eq!(plain.get("include"), None, "a model that does not reason refuses the question");
}

#[test]
fn a_tool_is_strict_only_if_the_caller_said_so_in_terms_openai_accepts() {
    let strict = |source, said| {
        let prompt = Prompt { source: Some(source), tools: vec![tool(said)], ..prompt() };
        written(&prompt, &thinker()).unwrap().0["tools"][0]["strict"].clone()
    };
    assert_eq!(strict(Format::Chat, None), json!(false));
    assert_eq!(strict(Format::Chat, Some(true)), json!(true));
    assert_eq!(strict(Format::Messages, Some(true)), json!(false), "its schema is not OpenAI's strict subset");
}

#[test]
fn guarantees_that_have_no_place_are_refused_and_hints_are_named() {
    for (prompt, param) in [
        (Prompt { answers: Some(2), ..prompt() }, "n"),
        (Prompt { stop: vec!["x".into()], ..prompt() }, "stop"),
        (Prompt { logprobs: Some(0), ..prompt() }, "logprobs"),
    ] {
        assert_eq!(written(&prompt, &thinker()).unwrap_err().param.as_deref(), Some(param));
    }
    let sampling = Sampling {
        seed: Some(1),
        top_k: Some(2),
        presence_penalty: Some(0.5),
        frequency_penalty: Some(0.0),
        ..Sampling::default()
    };
    let (_, dropped) = written(&Prompt { sampling, ..prompt() }, &thinker()).unwrap();
    assert_eq!(dropped, ["top_k", "seed", "presence_penalty"], "a penalty of zero is no hint");
}

#[test]
fn efforts_and_budgets_become_an_effort_the_model_knows() {
    let quirks = Quirks { efforts: ["low", "medium", "high"].map(str::to_owned).to_vec(), ..thinker() };
    let effort = |reasoning| {
        let (body, _) = written(&Prompt { reasoning: Some(reasoning), ..prompt() }, &quirks).unwrap();
        body["reasoning"]["effort"].clone()
    };
    assert_eq!(effort(Reasoning::Effort("xhigh".into())), json!("high"));
    assert_eq!(effort(Reasoning::Budget(1024)), json!("low"));
    assert_eq!(effort(Reasoning::Budget(5000)), json!("medium"));
    assert_eq!(effort(Reasoning::Disabled), json!("none"));
    assert_eq!(effort(Reasoning::Adaptive), Value::Null);
}

#[test]
fn only_openais_own_reasoning_goes_back() {
    let thinking = |from| Part::Thinking { text: "Hm.".into(), signature: Some(Signature { from, text: "s".into() }) };
    let call = ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into(), signature: None };
    let parts = vec![
        thinking(Format::Messages),
        Part::RedactedThinking("r".into()),
        thinking(Format::Responses),
        Part::Text("So.".into()),
        Part::ToolCall(call),
    ];
    let mut prompt = prompt();
    prompt.turns.push(Turn { role: Role::Assistant, name: None, parts });
    let (body, _) = written(&prompt, &thinker()).unwrap();
    let items = body["input"].as_array().unwrap();
    let kinds: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "reasoning", "message", "function_call"]);
    assert_eq!(items[1]["encrypted_content"], json!("s"));
}

#[test]
fn a_file_of_another_provider_is_refused() {
    let image = Part::Image { source: Media::File("file-1".into()), detail: None };
    let mut prompt = prompt();
    prompt.turns[0].parts.push(image);
    assert!(written(&prompt, &thinker()).is_ok(), "a chat client's file lies with OpenAI");
    prompt.source = Some(Format::Messages);
    assert!(written(&prompt, &thinker()).is_err());
}

#[test]
fn a_model_that_reasons_takes_a_temperature_only_when_told_not_to_reason() {
    let quirks = Quirks { sampling_params: false, ..thinker() };
    let sent = |reasoning, temperature| {
        let sampling = Sampling { temperature: Some(temperature), ..Sampling::default() };
        let (body, dropped) = written(&Prompt { reasoning, sampling, ..prompt() }, &quirks).unwrap();
        (body["temperature"].clone(), dropped)
    };
    assert_eq!(sent(None, 0.5), (Value::Null, vec!["temperature".to_owned()]));
    assert_eq!(sent(None, 1.0), (Value::Null, vec![]));
    assert_eq!(sent(Some(Reasoning::Disabled), 0.5), (json!(0.5), vec![]));
}
