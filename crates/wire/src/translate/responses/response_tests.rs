use super::*;
use serde_json::json;
use sluicegate_vocabulary::FaultKind;

fn finish_of(response: &serde_json::Value, calls: bool) -> Result<Finish, Fault> {
    let body = response.to_string();
    finish(&mut Object::answer(body.as_bytes()).unwrap(), calls)
}

#[test]
fn every_status_has_its_finish() {
    let cut = |reason: &str| json!({"status": "incomplete", "incomplete_details": {"reason": reason}});
    assert_eq!(finish_of(&json!({"status": "completed"}), false), Ok(Finish::Stop));
    assert_eq!(finish_of(&json!({"status": "completed"}), true), Ok(Finish::ToolCalls));
    assert_eq!(finish_of(&json!({}), true), Ok(Finish::ToolCalls));
    assert_eq!(finish_of(&cut("max_output_tokens"), true), Ok(Finish::Length));
    assert_eq!(finish_of(&cut("content_filter"), false), Ok(Finish::Filtered));
    assert_eq!(finish_of(&cut("steered"), false), Ok(Finish::Stop));
    assert_eq!(finish_of(&json!({"status": "incomplete"}), false), Ok(Finish::Length));
    for status in ["failed", "cancelled", "queued", "in_progress"] {
        assert_eq!(finish_of(&json!({"status": status}), false).unwrap_err().kind, FaultKind::UpstreamBroken);
    }
}

#[test]
fn odd_answers_are_read_and_broken_ones_told() {
    let lenient = br#"  {"output":[{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}]},
        7,{"type":"shell_call"},{"type":"function_call","id":"x","name":"f","arguments":{"a":1}}]}"#;
    let answer = read(lenient).unwrap();
    let choice = &answer.choices[0];
    assert_eq!(choice.parts[0], Part::Text("ab".into()));
    assert!(matches!(&choice.parts[1], Part::ToolCall(call) if call.id == "x" && call.arguments == "{\"a\":1}"));
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    for broken in ["", "null", "[]", "{}", "<html>", "{\"output\":null}"] {
        assert_eq!(read(broken.as_bytes()).unwrap_err().kind, FaultKind::UpstreamBroken, "{broken}");
    }
    assert!(read(br#"{"output":[],"error":null}"#).is_ok(), "a null error is none");
}
