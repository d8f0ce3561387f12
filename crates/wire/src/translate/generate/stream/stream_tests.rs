use super::*;
use crate::translate::neutral::{Delta, Finish, Part};
use crate::translate::{Context, deltas};
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format};

fn context() -> Context {
    Context::unchanged(Format::Generate, "m", false, 7, "0123")
}

fn written(steps: Vec<Delta>) -> Result<Vec<Value>, Fault> {
    let mut writer = Writer::new(&context());
    let mut out = Vec::new();
    for step in steps {
        writer.write(step, &mut out)?;
    }
    let text = String::from_utf8(out).unwrap();
    Ok(text
        .split_terminator("\r\n\r\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").expect("a space after the colon")).unwrap())
        .collect())
}

fn parts(events: &[Value]) -> Vec<Value> {
    events.iter().map(|event| event["candidates"][0]["content"]["parts"][0].clone()).collect()
}

fn begin() -> Delta {
    Delta::Start { id: "x".into(), model: "m".into(), usage: None }
}

fn start(call: u32) -> Delta {
    Delta::ToolStart { choice: 0, call, id: format!("id{call}"), name: "f".into(), signature: None }
}

fn more(call: u32, fragment: &str) -> Delta {
    Delta::ToolArguments { choice: 0, call, fragment: fragment.into() }
}

fn text(text: &str) -> Delta {
    Delta::Text { choice: 0, text: text.into() }
}

fn finish(finish: Finish) -> Delta {
    Delta::Finish { choice: 0, finish }
}

fn call(id: u32, args: Value) -> Value {
    json!({"functionCall": {"id": format!("id{id}"), "name": "f", "args": args}})
}

#[test]
fn a_call_comes_whole_whatever_pieces_it_came_in() {
    let steps =
        vec![begin(), start(0), more(0, "{"), more(0, "\"a\""), more(0, ":1}"), finish(Finish::ToolCalls), Delta::End];
    let events = written(steps).unwrap();
    assert_eq!(parts(&events), [call(0, json!({"a": 1})), json!({"text": ""})]);
    assert_eq!(events[1]["candidates"][0]["finishReason"], json!("STOP"));
}

#[test]
fn calls_that_interleave_keep_their_order() {
    let steps = vec![
        begin(),
        start(0),
        more(0, "{\"a\":"),
        start(1),
        more(1, "{}"),
        text("Between."),
        more(0, "1}"),
        text("After."),
        finish(Finish::ToolCalls),
        Delta::End,
    ];
    let expected = [
        json!({"text": "Between."}),
        call(0, json!({"a": 1})),
        call(1, json!({})),
        json!({"text": "After."}),
        json!({"text": ""}),
    ];
    assert_eq!(parts(&written(steps).unwrap()), expected);
}

#[test]
fn a_call_that_the_limit_cut_off_is_left_out_and_a_broken_one_is_an_error() {
    let cut = |ending| written(vec![begin(), text("So."), start(0), more(0, "{\"a\":"), finish(ending), Delta::End]);
    assert_eq!(parts(&cut(Finish::Length).unwrap()), [json!({"text": "So."}), json!({"text": ""})]);
    assert!(cut(Finish::ToolCalls).is_err());
}

#[test]
fn pings_and_beginnings_write_nothing() {
    assert_eq!(written(vec![begin(), Delta::Ping]).unwrap(), Vec::<Value>::new());
}

fn read(events: &[Value]) -> Vec<Delta> {
    let mut reader = Reader::default();
    let mut out = Vec::new();
    for event in events {
        reader.read(None, &event.to_string(), &mut out).unwrap();
    }
    reader.close(&mut out);
    out
}

fn piece(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "responseId": "r", "modelVersion": "g"})
}

#[test]
fn a_piece_without_usage_does_not_reset_it_and_a_repeated_ending_counts_once() {
    let mut first = piece(json!([{"text": "a"}]));
    first["usageMetadata"] = json!({"promptTokenCount": 10, "cachedContentTokenCount": 4});
    let mut second = piece(json!([{"text": "b"}]));
    second["candidates"][0]["finishReason"] = json!("STOP");
    second["usageMetadata"] = json!({"candidatesTokenCount": 2, "thoughtsTokenCount": 3});
    let third = json!({"candidates": [{"finishReason": "STOP"}]});
    let steps = read(&[first, second, third]);
    assert_eq!(steps.iter().filter(|step| matches!(step, Delta::Finish { .. })).count(), 1);
    assert_eq!(steps.last(), Some(&Delta::End));
    let answer = deltas::join(steps);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.output, usage.reasoning), (6, 4, 2, 3));
    assert_eq!(answer.choices[0].parts, [Part::Text("ab".into())]);
}

#[test]
fn content_after_the_finish_reason_still_counts() {
    let mut first = piece(json!([{"text": "a"}]));
    first["candidates"][0]["finishReason"] = json!("STOP");
    let steps = read(&[first, piece(json!([{"functionCall": {"name": "f"}}]))]);
    let answer = deltas::join(steps);
    assert_eq!(answer.choices[0].parts.len(), 2);
    assert_eq!(answer.choices[0].finish, Some(Finish::ToolCalls));
}

#[test]
fn without_a_finish_reason_there_is_no_end() {
    assert!(!read(&[piece(json!([{"text": "a"}]))]).contains(&Delta::End));
    assert!(!read(&[]).contains(&Delta::End));
}

#[test]
fn a_list_of_pieces_reads_like_the_pieces() {
    let mut last = piece(json!([{"text": "b"}]));
    last["candidates"][0]["finishReason"] = json!("STOP");
    let pieces = [piece(json!([{"text": "a"}])), last];
    assert_eq!(read(&[json!(pieces)]), read(&pieces));
}
