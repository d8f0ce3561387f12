use super::*;
use crate::translate::notes::Policy;
use serde_json::{Value, json};
use sluicegate_vocabulary::FaultKind;

fn read_value(body: &Value) -> Result<Prompt, Fault> {
    let mut notes = Notes::new(Policy::Default, Format::Responses);
    read(body.to_string().as_bytes(), None, &mut notes)
}

#[test]
fn a_string_is_one_user_message() {
    let prompt = read_value(&json!({"input": "Hi"})).unwrap();
    assert_eq!(prompt.turns.len(), 1);
    assert_eq!(prompt.turns[0].role, Role::User);
    assert_eq!(prompt.turns[0].parts, [Part::Text("Hi".into())]);
}

#[test]
fn items_of_one_answer_are_one_turn_and_their_outputs_another() {
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "x"});
    let prompt = read_value(&json!({"input": [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"role": "assistant", "content": "Wait."},
        call("a"), call("b"), output("a"), output("b"),
        {"role": "user", "content": "And?"},
    ]}))
    .unwrap();
    let shape: Vec<_> = prompt.turns.iter().map(|turn| (turn.role, turn.parts.len())).collect();
    assert_eq!(shape, [(Role::User, 1), (Role::Assistant, 4), (Role::User, 2), (Role::User, 1)]);
}

#[test]
fn instructions_stand_before_leading_system_messages_and_later_ones_stay_in_place() {
    let prompt = read_value(&json!({"instructions": "One.", "input": [
        {"role": "developer", "content": "Two."},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Three."},
    ]}))
    .unwrap();
    assert_eq!(prompt.system, ["One.", "Two."]);
    assert_eq!(prompt.turns[1].role, Role::System);
}

#[test]
fn what_a_provider_keeps_is_refused_with_its_field() {
    let cases = [
        (json!({"input": "x", "previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"input": "x", "conversation": "conv_1"}), "conversation"),
        (json!({"input": "x", "prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"input": "x", "background": true}), "background"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"type": "custom_tool_call", "call_id": "a", "name": "n", "input": ""}]}), "input[0]"),
        (json!({"input": "x", "tools": [{"type": "file_search"}]}), "tools[0]"),
        (json!({"input": "x", "tools": [{"type": "custom", "name": "n"}]}), "tools[0]"),
    ];
    for (body, param) in cases {
        let fault = read_value(&body).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some(param)), "{body}");
    }
}

#[test]
fn mistakes_are_told_with_their_path() {
    let cases = [
        (json!({}), "input"),
        (json!({"input": 1}), "input"),
        (json!({"input": [{"role": "robot", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}), "input[0].content[0].text"),
        (json!({"input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "a"}]}), "input[0].output"),
        (json!({"input": "x", "tool_choice": "required"}), "tool_choice"),
        (json!({"input": "x", "tool_choice": "sometimes"}), "tool_choice"),
        (json!({"input": "x", "text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"input": "x", "text": {"format": {"type": "json_schema", "schema": 1}}}), "text.format.schema"),
        (json!({"input": "x", "max_output_tokens": "many"}), "max_output_tokens"),
    ];
    for (body, param) in cases {
        let fault = read_value(&body).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::BadRequest, Some(param)), "{body}");
    }
}

#[test]
fn the_default_tool_choice_without_tools_says_nothing() {
    for word in ["auto", "none"] {
        assert_eq!(read_value(&json!({"input": "x", "tools": [], "tool_choice": word})).unwrap().tool_choice, None);
    }
}

#[test]
fn a_call_gets_the_signature_that_was_carried_before_it() {
    let signature = Signature { from: Format::Generate, text: "c2ln".into() };
    let sealed = seal::seal(&Sealed::Call(signature.clone()), Format::Responses);
    let call = json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"});
    let prompt = read_value(&json!({"input": [
        {"role": "user", "content": "x"},
        {"type": "reasoning", "summary": [], "encrypted_content": sealed}, call, call,
    ]}))
    .unwrap();
    let signatures: Vec<_> = prompt.turns[1]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolCall(call) => call.signature.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(signatures, [Some(signature), None]);
}

#[test]
fn a_reference_to_thinking_is_left_out_and_named() {
    let body = json!({"input": [
        {"role": "user", "content": "hi"},
        {"type": "item_reference", "id": "rs_1"},
        {"type": "function_call", "call_id": "a", "name": "n", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "x"},
    ]});
    let mut notes = Notes::new(Policy::Default, Format::Responses);
    let prompt = read(body.to_string().as_bytes(), None, &mut notes).unwrap();
    assert_eq!(prompt.turns.len(), 3);
    assert_eq!(notes.into_dropped(), ["input[1]"]);
}
