//! Writing a message, whole or as a stream.

use serde_json::{Value, json};
use sluicegate_vocabulary::Format;

use super::content::THINKING;
use super::read::Wish;
use crate::answer::{Answer, Finish, ToolCall};
use crate::ask::Ask;
use crate::call::{Call, Reply, Script};
use crate::json::put;
use crate::seed;
use crate::tokens;

pub(super) struct Writer<'a> {
    call: &'a Call<'a>,
    wish: &'a Wish,
    answer: &'a Answer,
    model: String,
    input_tokens: u64,
    long_cache: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(call: &'a Call<'a>, ask: &Ask<'_>, wish: &'a Wish, answer: &'a Answer) -> Self {
        Self {
            call,
            wish,
            answer,
            model: call.model_name(&ask.model),
            input_tokens: ask.input_tokens,
            long_cache: ask.long_cache,
        }
    }

    pub(super) fn whole(&self) -> Reply {
        let mut content = Vec::new();
        if let Some((thinking, signature)) = self.thinking() {
            content.push(json!({ "type": "thinking", "thinking": thinking, "signature": signature }));
        }
        if let Some(text) = self.answer.text.as_ref().filter(|text| !text.is_empty()) {
            content.push(json!({ "type": "text", "text": text }));
        }
        for (at, call) in self.answer.calls.iter().enumerate() {
            // A call that the limit cut has no input that would be JSON.
            let input = if serde_json::from_str::<Value>(&call.text).is_ok() { call.input.clone() } else { json!({}) };
            content.push(json!({ "type": "tool_use", "id": self.id(at), "name": call.name, "input": input }));
        }
        let (reason, string) = self.stop();
        let message = self.message(&content, reason, string, self.answer.output_tokens);
        Reply::timed(&message, self.answer.output_tokens)
    }

    fn message(&self, content: &[Value], reason: Option<&str>, string: Option<&str>, output: u64) -> Value {
        let mut message = json!({
            "id": self.call.id("msg_01", 22, 0),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": string,
        });
        if reason == Some("refusal") {
            put(
                &mut message,
                "stop_details",
                json!({ "type": "refusal", "category": null, "explanation": "Simulated." }),
            );
        }
        if !self.call.orders.no_usage {
            put(&mut message, "usage", self.usage(output, reason.is_some()));
        }
        message
    }

    fn usage(&self, output: u64, complete: bool) -> Value {
        let (read, write) = self.call.cached;
        let (short, long) = if self.long_cache { (0, write) } else { (write, 0) };
        let mut usage = json!({
            "input_tokens": self.input_tokens.saturating_sub(read + write),
            "cache_creation_input_tokens": write,
            "cache_read_input_tokens": read,
            "cache_creation": { "ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long },
            "output_tokens": output,
            "service_tier": "standard",
        });
        if complete && self.answer.thinking_tokens > 0 {
            put(&mut usage, "output_tokens_details", json!({ "thinking_tokens": self.answer.thinking_tokens }));
        }
        usage
    }

    fn thinking(&self) -> Option<(&str, String)> {
        let thinking = self.answer.thinking.as_deref()?;
        let shown = if self.wish.thinking_omitted { "" } else { thinking };
        Some((shown, seed::seal(self.call.shared.options.seed, &[THINKING, shown])))
    }

    fn id(&self, at: usize) -> String {
        self.call.id("toolu_01", 22, at as u64 + 1)
    }

    fn stop(&self) -> (Option<&'static str>, Option<&str>) {
        match &self.answer.finish {
            Finish::Stop => (Some("end_turn"), None),
            Finish::StopString(string) => (Some("stop_sequence"), Some(string)),
            Finish::Length => (Some("max_tokens"), None),
            Finish::Calls => (Some("tool_use"), None),
            Finish::Refused => (Some("refusal"), None),
        }
    }

    pub(super) fn stream(&self) -> Script {
        let mut script = Script::new(Format::Messages, 1024 + 150 * self.answer.output_tokens as usize);
        let start = json!({ "type": "message_start", "message": self.message(&[], None, None, 1) });
        script.event(Some("message_start"), &start, 0);
        let mut blocks = Blocks { script, index: 0 };
        if let Some((thinking, signature)) = self.thinking() {
            blocks.start(&json!({ "type": "thinking", "thinking": "", "signature": "" }));
            if thinking.is_empty() {
                blocks.hidden(self.answer.thinking_tokens);
            }
            for piece in tokens::pieces(thinking) {
                blocks.delta(&json!({ "type": "thinking_delta", "thinking": piece }), 1);
            }
            blocks.delta(&json!({ "type": "signature_delta", "signature": signature }), 0);
            blocks.stop();
        }
        if let Some(text) = self.answer.text.as_ref().filter(|text| !text.is_empty()) {
            blocks.start(&json!({ "type": "text", "text": "" }));
            for piece in tokens::pieces(text) {
                blocks.delta(&json!({ "type": "text_delta", "text": piece }), 1);
            }
            blocks.stop();
        }
        for (at, call) in self.answer.calls.iter().enumerate() {
            self.tool_use(&mut blocks, at, call);
        }
        let mut script = blocks.script;
        let (reason, string) = self.stop();
        let mut end = json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": string } });
        if !self.call.orders.no_usage {
            put(&mut end, "usage", self.usage(self.answer.output_tokens, true));
        }
        script.event(Some("message_delta"), &end, 0);
        if !self.call.orders.no_done {
            script.event(Some("message_stop"), &json!({ "type": "message_stop" }), 0);
        }
        script
    }

    fn tool_use(&self, blocks: &mut Blocks, at: usize, call: &ToolCall) {
        blocks.start(&json!({ "type": "tool_use", "id": self.id(at), "name": call.name, "input": {} }));
        blocks.hidden(tokens::count(&call.name));
        blocks.delta(&json!({ "type": "input_json_delta", "partial_json": "" }), 0);
        for piece in tokens::pieces(&call.text) {
            blocks.delta(&json!({ "type": "input_json_delta", "partial_json": piece }), 1);
        }
        blocks.stop();
    }
}

/// The blocks of a stream, one after another.
struct Blocks {
    script: Script,
    index: usize,
}

impl Blocks {
    fn start(&mut self, block: &Value) {
        let event = json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        self.script.event(Some("content_block_start"), &event, 0);
        if self.index == 0 {
            self.script.event(Some("ping"), &json!({ "type": "ping" }), 0);
        }
    }

    fn delta(&mut self, delta: &Value, tokens: u64) {
        let event = json!({ "type": "content_block_delta", "index": self.index, "delta": delta });
        self.script.event(Some("content_block_delta"), &event, tokens);
    }

    /// Tokens that take time without being seen.
    fn hidden(&mut self, tokens: u64) {
        if let Some((_, last)) = self.script.cuts.last_mut() {
            *last += tokens;
        }
    }

    fn stop(&mut self) {
        let event = json!({ "type": "content_block_stop", "index": self.index });
        self.script.event(Some("content_block_stop"), &event, 0);
        self.index += 1;
    }
}
