//! A response as a stream of events.
//!
//! The events are made from the finished response, so that what the deltas add up to is what `response.completed`
//! says.

use serde_json::{Value, json};
use sluicegate_vocabulary::Format;

use crate::answer::Answer;
use crate::call::{Call, Script};
use crate::json::put;
use crate::tokens;

/// The events of `response`.
pub(super) fn stream(call: &Call<'_>, response: &Value, answer: &Answer) -> Script {
    let capacity = 4096 + 200 * answer.output_tokens as usize;
    let mut events = Events { script: Script::new(Format::Responses, capacity), number: 0 };
    let mut begun = response.clone();
    put(&mut begun, "status", json!("in_progress"));
    put(&mut begun, "output", json!([]));
    put(&mut begun, "usage", Value::Null);
    put(&mut begun, "incomplete_details", Value::Null);
    events.add("response.created", json!({ "response": begun }), 0);
    events.add("response.in_progress", json!({ "response": begun }), 0);
    for (index, item) in response["output"].as_array().into_iter().flatten().enumerate() {
        let mut added = item.clone();
        if item["type"] != "reasoning" {
            put(&mut added, "status", json!("in_progress"));
        }
        for (field, empty) in
            [("content", json!([])), ("summary", json!([])), ("arguments", json!("")), ("input", json!(""))]
        {
            if added.get(field).is_some() {
                put(&mut added, field, empty);
            }
        }
        let hidden = match item["type"].as_str() {
            Some("reasoning") if item["summary"].as_array().is_some_and(Vec::is_empty) => answer.thinking_tokens,
            Some("function_call" | "custom_tool_call") => tokens::count(item["name"].as_str().unwrap_or_default()),
            _ => 0,
        };
        events.add("response.output_item.added", json!({ "output_index": index, "item": added }), hidden);
        events.inside(index, item);
        events.add("response.output_item.done", json!({ "output_index": index, "item": item }), 0);
    }
    if !call.orders.no_done {
        let name = if response["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
        events.add(name, json!({ "response": response }), 0);
    }
    events.script
}

struct Events {
    script: Script,
    number: u64,
}

impl Events {
    /// Adds an event; its type and number are put in front.
    fn add(&mut self, name: &str, fields: Value, tokens: u64) {
        let mut event = json!({ "type": name, "sequence_number": self.number });
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        self.number += 1;
        self.script.event(Some(name), &event, tokens);
    }

    /// The events between an item's being added and done.
    fn inside(&mut self, index: usize, item: &Value) {
        let id = &item["id"];
        match item["type"].as_str() {
            Some("message") => {
                for (at, part) in item["content"].as_array().into_iter().flatten().enumerate() {
                    let place = json!({ "item_id": id, "output_index": index, "content_index": at });
                    self.part(&place, part);
                }
            }
            Some("reasoning") => {
                for (at, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
                    let place = json!({ "item_id": id, "output_index": index, "summary_index": at });
                    let text = part["text"].as_str().unwrap_or_default();
                    let empty = json!({ "type": "summary_text", "text": "" });
                    self.add("response.reasoning_summary_part.added", with(&place, &[("part", empty)]), 0);
                    self.deltas("response.reasoning_summary_text", &place, ("text", text), &[]);
                    self.add("response.reasoning_summary_part.done", with(&place, &[("part", part.clone())]), 0);
                }
            }
            Some("function_call") => {
                let place = json!({ "item_id": id, "output_index": index });
                let text = item["arguments"].as_str().unwrap_or_default();
                let name = [("name", item["name"].clone())];
                self.deltas("response.function_call_arguments", &place, ("arguments", text), &name);
            }
            Some("custom_tool_call") => {
                let place = json!({ "item_id": id, "output_index": index });
                let text = item["input"].as_str().unwrap_or_default();
                self.deltas("response.custom_tool_call_input", &place, ("input", text), &[]);
            }
            _ => {}
        }
    }

    fn part(&mut self, place: &Value, part: &Value) {
        let (kind, field) =
            if part["type"] == "refusal" { ("response.refusal", "refusal") } else { ("response.output_text", "text") };
        let mut empty = part.clone();
        put(&mut empty, field, json!(""));
        self.add("response.content_part.added", with(place, &[("part", empty)]), 0);
        let text = part[field].as_str().unwrap_or_default();
        let logprobs = [("logprobs", json!([]))];
        self.deltas(kind, place, (field, text), if field == "text" { &logprobs } else { &[] });
        self.add("response.content_part.done", with(place, &[("part", part.clone())]), 0);
    }

    /// `<kind>.delta` for each token of the text, then `<kind>.done` with all of it.
    fn deltas(&mut self, kind: &str, place: &Value, (field, text): (&str, &str), more: &[(&str, Value)]) {
        let in_deltas: &[(&str, Value)] = if field == "text" { more } else { &[] };
        for piece in tokens::pieces(text) {
            let delta = with(&with(place, &[("delta", json!(piece))]), in_deltas);
            self.add(&format!("{kind}.delta"), delta, 1);
        }
        let done = with(&with(place, &[(field, json!(text))]), more);
        self.add(&format!("{kind}.done"), done, 0);
    }
}

fn with(place: &Value, more: &[(&str, Value)]) -> Value {
    let mut out = place.clone();
    for (name, value) in more {
        put(&mut out, name, value.clone());
    }
    out
}
