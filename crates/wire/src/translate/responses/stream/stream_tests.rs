use super::*;
use crate::sse::Decoder;
use crate::translate::neutral::{Answer, Choice, Delta, Finish, Part, Signature, ToolCall};
use crate::translate::{Context, deltas, responses};
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, FaultKind, Format, Usage, UsageSource};

fn context() -> Context {
    Context::unchanged(Format::Responses, "m", false, 7, "0123")
}

fn events(steps: Vec<Delta>) -> Vec<Value> {
    let mut writer = Writer::new(&context());
    let mut out = Vec::new();
    for step in steps {
        writer.write(step, &mut out).unwrap();
    }
    decoded(&out)
}

fn decoded(out: &[u8]) -> Vec<Value> {
    let mut decoder = Decoder::new();
    decoder.push(out);
    let mut events = Vec::new();
    while let Some(event) = decoder.next().unwrap() {
        let value: Value = serde_json::from_str(event.data).unwrap();
        assert_eq!(event.name, value["type"].as_str(), "the event's name is its type");
        events.push(value);
    }
    events
}

fn signature(from: Format) -> Option<Signature> {
    Some(Signature { from, text: "c2ln".into() })
}

fn answer() -> Answer {
    let call = |id: &str, signature| {
        Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: "{\"a\":1}".into(), signature })
    };
    Answer {
        id: "msg_1".into(),
        model: "claude".into(),
        created: None,
        choices: vec![Choice {
            parts: vec![
                Part::Thinking { text: "One.".into(), signature: signature(Format::Messages) },
                Part::RedactedThinking("r".into()),
                Part::Text("Two.".into()),
                Part::Refusal("Three.".into()),
                call("a", signature(Format::Generate)),
                call("b", None),
                Part::Text("Four.".into()),
                Part::Thinking { text: "Five.".into(), signature: None },
            ],
            finish: Some(Finish::ToolCalls),
        }],
        usage: Some(Usage { input: 3, output: 4, source: UsageSource::Reported, ..Usage::default() }),
    }
}

#[test]
fn the_last_event_holds_what_a_buffered_answer_would() {
    for finish in [Finish::Stop, Finish::ToolCalls, Finish::Length, Finish::Filtered] {
        let answer = || {
            let mut answer = answer();
            answer.choices[0].finish = Some(finish.clone());
            answer
        };
        let whole: Value = serde_json::from_slice(&responses::response::write(&answer(), &context()).unwrap()).unwrap();
        let events = events(deltas::split(answer()));
        assert_eq!(events.last().unwrap()["response"], whole, "{finish:?}");
    }
}

#[test]
fn events_are_numbered_without_a_gap_and_every_item_ends_as_it_is_in_the_response() {
    let events = events(deltas::split(answer()));
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number));
    }
    let of = |kind: &str| events.iter().filter(|event| event["type"] == *kind).cloned().collect::<Vec<_>>();
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    let added = of("response.output_item.added");
    let mut done = of("response.output_item.done");
    assert_eq!(added.len(), output.len());
    assert!(added.iter().enumerate().all(|(index, event)| event["output_index"] == json!(index)));
    done.sort_by_key(|event| event["output_index"].as_u64());
    assert_eq!(done.into_iter().map(|event| event["item"].clone()).collect::<Vec<_>>(), output);
    assert_eq!(of("response.content_part.added").len(), of("response.content_part.done").len());
    assert_eq!(of("response.function_call_arguments.done").len(), 2);
}

#[test]
fn calls_may_interleave() {
    let start = |call, id: &str| Delta::ToolStart { choice: 0, call, id: id.into(), name: "f".into(), signature: None };
    let more = |call, fragment: &str| Delta::ToolArguments { choice: 0, call, fragment: fragment.into() };
    let events = events(vec![
        Delta::Start { id: "x".into(), model: "m".into(), usage: None },
        start(0, "a"),
        more(0, "{\"a\":"),
        start(1, "b"),
        more(1, "{}"),
        more(0, "1}"),
        Delta::Finish { choice: 0, finish: Finish::ToolCalls },
        Delta::End,
    ]);
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["arguments"], json!("{\"a\":1}"));
    assert_eq!(output[1]["arguments"], json!("{}"));
}

#[test]
fn a_failure_is_an_error_before_the_response_began_and_a_failed_response_after() {
    let fault = Fault::new(FaultKind::UpstreamBroken, "It broke.");
    let mut writer = Writer::new(&context());
    let mut out = Vec::new();
    writer.fail(&fault, &mut out);
    assert_eq!(decoded(&out)[0]["type"], json!("error"));

    let mut writer = Writer::new(&context());
    let mut out = Vec::new();
    writer.write(Delta::Start { id: "x".into(), model: "m".into(), usage: None }, &mut out).unwrap();
    writer.write(Delta::Text { choice: 0, text: "Half".into() }, &mut out).unwrap();
    writer.fail(&fault, &mut out);
    let last = decoded(&out).pop().unwrap();
    assert_eq!(last["type"], json!("response.failed"));
    assert_eq!(last["response"]["status"], json!("failed"));
    assert_eq!(last["response"]["error"]["message"], json!("It broke."));
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], json!("Half"));
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

#[test]
fn what_was_written_reads_back() {
    let back = deltas::join(read(&events(deltas::split(answer()))));
    let whole = responses::response::read(&responses::response::write(&answer(), &context()).unwrap()).unwrap();
    assert_eq!(back.choices, whole.choices);
    assert_eq!(back.usage, whole.usage);
}

#[test]
fn a_server_that_leaves_events_out_is_still_understood() {
    let mut answer = answer();
    answer.choices[0].parts.truncate(3);
    answer.choices[0].finish = Some(Finish::Stop);
    let all = events(deltas::split(answer));
    let full = deltas::join(read(&all)).choices;
    for kept in [
        &["response.output_item.done", "response.completed"][..],
        &["response.completed"],
        &["response.output_item.done", "response.output_text.delta", "response.completed"],
        &[
            "response.output_item.added",
            "response.output_item.done",
            "response.output_text.delta",
            "response.completed",
        ],
    ] {
        let some: Vec<Value> =
            all.iter().filter(|event| kept.contains(&event["type"].as_str().unwrap())).cloned().collect();
        assert_eq!(deltas::join(read(&some)).choices, full, "{kept:?}");
    }
}

#[test]
fn without_a_terminal_event_there_is_no_end() {
    let mut all = events(deltas::split(answer()));
    assert_eq!(read(&all).last(), Some(&Delta::End));
    all.pop();
    assert!(!read(&all).contains(&Delta::End));
}

#[test]
fn errors_are_read_flat_nested_and_failed() {
    let cases = [
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": null}),
        json!({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow."}}),
        json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow."}}}),
        json!({"error": {"code": "rate_limit_exceeded", "message": "Slow."}}),
    ];
    for case in cases {
        let steps = read(std::slice::from_ref(&case));
        assert!(
            matches!(steps.last(), Some(Delta::Error { fault }) if fault.kind == FaultKind::UpstreamRateLimited && fault.message == "Slow."),
            "{case}: {steps:?}"
        );
    }
}
