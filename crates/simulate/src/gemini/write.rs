//! Writing generated content, whole or as a stream.

use serde_json::{Map, Value, json};
use sluicegate_vocabulary::Format;

use super::contents::seal;
use super::read::Wish;
use crate::answer::{Answer, Finish, ToolCall};
use crate::ask::Ask;
use crate::call::{Call, Reply, Script};
use crate::json::{put, write};
use crate::tokens;

pub(super) struct Writer<'a> {
    call: &'a Call<'a>,
    ask: &'a Ask<'a>,
    wish: &'a Wish,
    answers: &'a [Answer],
    model: String,
    id: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(call: &'a Call<'a>, ask: &'a Ask<'a>, wish: &'a Wish, answers: &'a [Answer]) -> Self {
        Self { call, ask, wish, answers, model: call.model_name(&ask.model), id: call.id("", 22, 0) }
    }

    pub(super) fn whole(&self) -> Reply {
        let candidates: Vec<Value> =
            self.answers.iter().enumerate().map(|(index, answer)| self.candidate(index, answer)).collect();
        let (output, thinking) = self.totals();
        let body = self.response(candidates, output - thinking, thinking);
        Reply::timed(&body, output)
    }

    fn totals(&self) -> (u64, u64) {
        let sum = |part: fn(&Answer) -> u64| self.answers.iter().map(part).sum::<u64>();
        (sum(|answer| answer.output_tokens), sum(|answer| answer.thinking_tokens))
    }

    /// One response object; of its counts those that are zero are left out, as the API does.
    fn response(&self, candidates: Vec<Value>, output: u64, thinking: u64) -> Value {
        let mut response = Map::new();
        response.insert("candidates".to_owned(), Value::Array(candidates));
        if !self.call.orders.no_usage {
            let input = self.ask.input_tokens;
            let mut usage = Map::new();
            let mut count = |name: &str, tokens: u64| {
                if tokens > 0 {
                    usage.insert(name.to_owned(), json!(tokens));
                }
            };
            count("promptTokenCount", input);
            count("cachedContentTokenCount", self.call.cached.0);
            count("candidatesTokenCount", output);
            count("thoughtsTokenCount", thinking);
            count("totalTokenCount", input + output + thinking);
            let images: u64 = self.ask.pictures.iter().map(|picture| tokens::image(picture.size)).sum();
            let mut details = vec![json!({ "modality": "TEXT", "tokenCount": input - images })];
            if images > 0 {
                details.push(json!({ "modality": "IMAGE", "tokenCount": images }));
            }
            usage.insert("promptTokensDetails".to_owned(), Value::Array(details));
            response.insert("usageMetadata".to_owned(), Value::Object(usage));
        }
        response.insert("modelVersion".to_owned(), json!(self.model));
        response.insert("responseId".to_owned(), json!(self.id));
        Value::Object(response)
    }

    fn candidate(&self, index: usize, answer: &Answer) -> Value {
        let mut parts = Vec::new();
        if let Some(thinking) = answer.thinking.as_ref().filter(|_| self.wish.thoughts) {
            parts.push(json!({ "text": thinking, "thought": true }));
        }
        if let Some(text) = answer.text.as_ref().filter(|text| !text.is_empty()) {
            parts.push(json!({ "text": text }));
        }
        parts.extend(answer.calls.iter().enumerate().filter_map(|(at, call)| self.function_call(index, at, call)));
        self.with(index, parts, Some(finish(answer)))
    }

    /// A candidate with these parts; a refused one has no content at all.
    fn with(&self, index: usize, parts: Vec<Value>, reason: Option<&str>) -> Value {
        let mut candidate = Map::new();
        if reason != Some("SAFETY") {
            let mut content = Map::new();
            if !parts.is_empty() {
                content.insert("parts".to_owned(), Value::Array(parts));
            }
            content.insert("role".to_owned(), json!("model"));
            candidate.insert("content".to_owned(), Value::Object(content));
        }
        if let Some(reason) = reason.filter(|_| !self.call.orders.no_done) {
            candidate.insert("finishReason".to_owned(), json!(reason));
        }
        candidate.insert("index".to_owned(), json!(index));
        Value::Object(candidate)
    }

    /// A call as a part; `None` if the output limit cut it, since a part holds whole arguments only.
    fn function_call(&self, index: usize, at: usize, call: &ToolCall) -> Option<Value> {
        let args = serde_json::from_str::<Value>(&call.text).ok()?;
        let mut inner = json!({ "name": call.name, "args": args });
        if self.ask.model.starts_with("gemini-3") {
            put(&mut inner, "id", self.call.id("", 12, (index * 1000 + at + 1) as u64));
        }
        let mut part = json!({ "functionCall": inner });
        if at == 0 {
            put(&mut part, "thoughtSignature", seal(self.call.shared.options.seed, &call.name, &args));
        }
        Some(part)
    }

    /// A stream: SSE, or the pieces of one JSON array.
    pub(super) fn stream(&self, sse: bool) -> Script {
        let (total, _) = self.totals();
        let mut script = Script::new(Format::Generate, 512 * (total as usize + 2));
        script.sse = sse;
        let mut chunks = Chunks { writer: self, script, output: 0, thinking: 0 };
        for (index, answer) in self.answers.iter().enumerate() {
            if let Some(thinking) = &answer.thinking {
                if self.wish.thoughts {
                    for piece in tokens::pieces(thinking) {
                        chunks.thinking += 1;
                        chunks.add(self.with(index, vec![json!({ "text": piece, "thought": true })], None), 1);
                    }
                } else {
                    chunks.thinking += answer.thinking_tokens;
                }
            }
            for piece in
                answer.text.iter().filter(|_| answer.finish != Finish::Refused).flat_map(|text| tokens::pieces(text))
            {
                chunks.output += 1;
                chunks.add(self.with(index, vec![json!({ "text": piece })], None), 1);
            }
            for (at, call) in answer.calls.iter().enumerate() {
                let tokens = tokens::count(&call.name) + tokens::count(&call.text);
                chunks.output += tokens;
                if let Some(part) = self.function_call(index, at, call) {
                    chunks.add(self.with(index, vec![part], None), tokens);
                }
            }
            if answer.finish == Finish::Refused {
                chunks.output += answer.output_tokens;
            }
            let last = if answer.calls.is_empty() { vec![json!({ "text": "" })] } else { Vec::new() };
            chunks.add(self.with(index, last, Some(finish(answer))), 0);
        }
        let mut script = chunks.script;
        if !sse {
            script.bytes.extend_from_slice(b"\n]");
            script.end(0);
        }
        script
    }
}

fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::StopString(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refused => "SAFETY",
    }
}

/// A stream in the making, with its counts so far.
struct Chunks<'a> {
    writer: &'a Writer<'a>,
    script: Script,
    output: u64,
    thinking: u64,
}

impl Chunks<'_> {
    fn add(&mut self, candidate: Value, tokens: u64) {
        let chunk = self.writer.response(vec![candidate], self.output, self.thinking);
        let first = self.script.cuts.is_empty();
        let out = &mut self.script.bytes;
        match (self.script.sse, first) {
            (true, _) => out.extend_from_slice(b"data: "),
            (false, true) => out.push(b'['),
            (false, false) => out.extend_from_slice(b",\r\n"),
        }
        write(out, &chunk);
        if self.script.sse {
            out.extend_from_slice(b"\r\n\r\n");
        }
        self.script.end(tokens);
    }
}
