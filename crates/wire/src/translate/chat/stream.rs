//! Streamed chat completions.
//!
//! A chunk names tool calls by `index`, and real servers leave the index out, count with gaps, repeat ids and names,
//! or send a whole call at once; the reader numbers calls in order of first appearance. `finish_reason` is the mark
//! that an answer is complete: `[DONE]` may be missing, and usage may come before it, with it or after it.

use super::response::{extra_content, google_signature, redacted_block, signed_block, thinking_block, upstream_error};
use super::{read_finish, write_finish};
use crate::error;
use crate::sse;
use crate::translate::deltas::MAX_CHOICES;
use crate::translate::json::{Object, as_text, first_byte, to_vec};
use crate::translate::neutral::{Delta, Finish, Part};
use crate::translate::{Context, ids};
use crate::usage::{self, ChatUsage};
use serde::Serialize;
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format, Usage};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub struct Reader {
    started: bool,
    ended: bool,
    usage: ChatUsage,
    choices: Vec<Reading>,
}

/// What is known of one answer.
#[derive(Debug, Default)]
struct Reading {
    index: u32,
    finished: bool,
    calls: Vec<Call>,
}

/// One tool call as the provider numbers it.
#[derive(Debug)]
struct Call {
    /// The provider's index, or `None` where it gives none.
    index: Option<u64>,
    id: String,
    has_arguments: bool,
}

impl Reader {
    /// Reads one event: its `event:` name if it had one, and its joined data. Steps are appended to `out`.
    ///
    /// # Errors
    /// `UpstreamBroken` for an event that is not of this format.
    pub fn read(&mut self, _event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let data = data.trim();
        if data.starts_with("[DONE]") {
            // The server says that all was said, though some never say why an answer ended.
            for choice in self.choices.iter_mut().filter(|choice| !choice.finished) {
                let finish = if choice.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
                choice.finish(finish, out);
            }
            self.close(out);
            return Ok(());
        }
        let mut chunk = Object::answer(data.as_bytes())?;
        if let Some(error) = chunk.raw("error") {
            out.push(Delta::Error { fault: upstream_error(error.get()) });
            return Ok(());
        }
        let choices = chunk.objects("choices")?.unwrap_or_default();
        // Azure begins with its filter's verdict on the prompt, under no id and no model: not yet the answer.
        if !self.started && (!choices.is_empty() || chunk.has("usage")) {
            self.started = true;
            let id = chunk.string("id")?.unwrap_or_default();
            let model = chunk.string("model")?.unwrap_or_default();
            out.push(Delta::Start { id, model, usage: None });
        }
        for choice in choices {
            self.choice(choice, out)?;
        }
        if let Some(later) = chunk.raw("usage").and_then(|raw| ChatUsage::read(raw.get().as_bytes())) {
            self.usage.absorb(&later);
            out.extend(self.usage.usage().map(Delta::Usage));
        }
        Ok(())
    }

    /// The provider closed the stream: appends [`Delta::End`] if that was a proper end and none was emitted before.
    pub fn close(&mut self, out: &mut Vec<Delta>) {
        if !self.ended && !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished) {
            self.ended = true;
            out.push(Delta::End);
        }
    }

    fn choice(&mut self, mut choice: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let index = u32::try_from(choice.u64("index")?.unwrap_or(0)).unwrap_or(u32::MAX);
        if index >= MAX_CHOICES {
            return Ok(());
        }
        let finish = choice.text("finish_reason")?;
        let delta = match choice.object("delta")? {
            Some(delta) => Some(delta),
            // A whole message where a delta belongs.
            None => choice.object("message")?,
        };
        let position = match self.choices.iter().position(|reading| reading.index == index) {
            Some(position) => position,
            None if delta.is_none() && finish.is_none() => return Ok(()),
            None => {
                self.choices.push(Reading { index, ..Reading::default() });
                self.choices.len() - 1
            }
        };
        let Some(reading) = self.choices.get_mut(position) else { return Ok(()) };
        if reading.finished {
            return Ok(());
        }
        if let Some(delta) = delta {
            reading.delta(delta, out)?;
        }
        if let Some(finish) = finish.and_then(|word| read_finish(&word, !reading.calls.is_empty())) {
            reading.finish(finish, out);
        }
        Ok(())
    }
}

impl Reading {
    fn delta(&mut self, mut delta: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let choice = self.index;
        let thinking = delta.string("reasoning_content")?.or(delta.string("reasoning")?);
        if let Some(text) = thinking.filter(|text| !text.is_empty()) {
            out.push(Delta::Thinking { choice, text });
        }
        // The text of these blocks came as `reasoning_content`; here are the signatures.
        for block in delta.objects("thinking_blocks")?.unwrap_or_default() {
            match thinking_block(block)? {
                Part::Thinking { signature: Some(signature), .. } => {
                    out.push(Delta::ThinkingSignature { choice, signature })
                }
                Part::RedactedThinking(data) => out.push(Delta::RedactedThinking { choice, data }),
                _ => {}
            }
        }
        if let Some(text) = content(&mut delta).filter(|text| !text.is_empty()) {
            out.push(Delta::Text { choice, text });
        }
        if let Some(text) = delta.string("refusal")?.filter(|text| !text.is_empty()) {
            out.push(Delta::Refusal { choice, text });
        }
        for call in delta.objects("tool_calls")?.unwrap_or_default() {
            self.call(call, out)?;
        }
        if let Some(mut function) = delta.object("function_call")? {
            // The older spelling has one call and no id.
            if self.calls.is_empty() {
                self.start(None, String::new(), function.string("name")?.unwrap_or_default(), None, out);
            }
            self.fragment(0, &mut function, out);
        }
        Ok(())
    }

    fn call(&mut self, mut call: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let index = call.u64("index")?;
        let id = call.string("id")?.unwrap_or_default();
        let signature = google_signature(&mut call)?;
        let mut function = call.object("function")?;
        let name = match &mut function {
            Some(function) => function.string("name")?.unwrap_or_default(),
            None => String::new(),
        };
        // By index; where there is none, a new id begins a new call and anything else goes on with the last one.
        let known = match index {
            Some(_) => self.calls.iter().position(|known| known.index == index),
            None if id.is_empty() => {
                self.calls.len().checked_sub(1).filter(|_| name.is_empty() || !self.last_is_whole())
            }
            None => self.calls.iter().position(|known| known.id == id),
        };
        let position = match known {
            Some(position) => position,
            None => {
                self.start(index, id, name, signature, out);
                self.calls.len() - 1
            }
        };
        if let Some(function) = &mut function {
            self.fragment(position, function, out);
        }
        Ok(())
    }

    /// Whether the last call already has arguments, so that a name without index or id begins another one.
    fn last_is_whole(&self) -> bool {
        self.calls.last().is_some_and(|call| call.has_arguments)
    }

    fn start(
        &mut self,
        index: Option<u64>,
        id: String,
        name: String,
        signature: Option<crate::translate::neutral::Signature>,
        out: &mut Vec<Delta>,
    ) {
        let call = number(self.calls.len());
        out.push(Delta::ToolStart { choice: self.index, call, id: id.clone(), name, signature });
        self.calls.push(Call { index, id, has_arguments: false });
    }

    fn fragment(&mut self, position: usize, function: &mut Object<'_>, out: &mut Vec<Delta>) {
        let Some(raw) = function.raw("arguments") else { return };
        let fragment = match first_byte(raw) {
            b'"' => as_text(raw).unwrap_or_default().into_owned(),
            _ => crate::translate::json::compact(raw.get()),
        };
        if let Some(call) = self.calls.get_mut(position).filter(|_| !fragment.is_empty()) {
            call.has_arguments = true;
            out.push(Delta::ToolArguments { choice: self.index, call: number(position), fragment });
        }
    }

    fn finish(&mut self, finish: Finish, out: &mut Vec<Delta>) {
        for (position, _) in self.calls.iter().enumerate().filter(|(_, call)| !call.has_arguments) {
            out.push(Delta::ToolArguments { choice: self.index, call: number(position), fragment: "{}".to_owned() });
        }
        self.finished = true;
        out.push(Delta::Finish { choice: self.index, finish });
    }
}

/// Calls are counted in memory, so their number fits.
fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn content(delta: &mut Object<'_>) -> Option<String> {
    let raw = delta.raw("content")?;
    if let Some(text) = as_text(raw) {
        return Some(text.into_owned());
    }
    let parts: Vec<Value> = serde_json::from_str(raw.get()).ok()?;
    Some(parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str())).collect())
}

/// Writes a client's events.
#[derive(Debug)]
pub struct Writer {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    show_reasoning: bool,
    legacy_functions: bool,
    usage: Option<Usage>,
    choices: Vec<Writing>,
}

/// What was written of one answer.
#[derive(Debug, Default)]
struct Writing {
    begun: bool,
    /// Thinking since the last signature, which its block repeats.
    thinking: String,
    blocks: u32,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [ChoiceEntry<'a>],
    /// `Some(None)` is null: the client asked for usage and this chunk has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<ChatUsage>>,
}

#[derive(Serialize)]
struct ChoiceEntry<'a> {
    index: u32,
    delta: DeltaEntry<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct DeltaEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallEntry<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionEntry<'a>>,
}

#[derive(Serialize, Default)]
struct CallEntry<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionEntry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize, Default)]
struct FunctionEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Writer {
    /// A writer for this call.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self {
            id: String::new(),
            created: context.now,
            model: String::new(),
            include_usage: context.include_usage,
            show_reasoning: context.show_reasoning != Some(false),
            legacy_functions: context.legacy_functions,
            usage: None,
            choices: Vec::new(),
        }
    }

    /// Writes one step. [`Delta::End`] writes the terminal events; [`Delta::Error`] is never passed (see [`Self::fail`]).
    ///
    /// # Errors
    /// `Internal` only, for a defect.
    pub fn write(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(choice) = delta.choice() {
            self.begin(choice, out)?;
        }
        match delta {
            Delta::Start { id, model, usage } => {
                self.id = ids::answer_id(&id, "chatcmpl-");
                self.model = model;
                self.usage = usage;
                self.begin(0, out)
            }
            Delta::Text { choice, text } => {
                self.chunk(choice, DeltaEntry { content: Some(&text), ..DeltaEntry::default() }, None, out)
            }
            Delta::Refusal { choice, text } => {
                self.chunk(choice, DeltaEntry { refusal: Some(Some(&text)), ..DeltaEntry::default() }, None, out)
            }
            Delta::Thinking { choice, text } if self.show_reasoning => {
                if let Some(writing) = self.choices.get_mut(choice as usize) {
                    writing.thinking.push_str(&text);
                }
                self.chunk(choice, DeltaEntry { reasoning_content: Some(&text), ..DeltaEntry::default() }, None, out)
            }
            Delta::ThinkingSignature { choice, signature } if self.show_reasoning => {
                let text = self.choices.get_mut(choice as usize).map(|w| std::mem::take(&mut w.thinking));
                self.block(choice, signed_block(&text.unwrap_or_default(), &signature), out)
            }
            Delta::RedactedThinking { choice, data } if self.show_reasoning => {
                self.block(choice, redacted_block(&data), out)
            }
            // The older spelling has room for one call, and one was asked for.
            Delta::ToolStart { call: 1.., .. } | Delta::ToolArguments { call: 1.., .. } if self.legacy_functions => {
                Ok(())
            }
            Delta::ToolStart { choice, name, .. } if self.legacy_functions => {
                self.function(choice, FunctionEntry { name: Some(&name), arguments: "" }, out)
            }
            Delta::ToolArguments { choice, fragment, .. } if self.legacy_functions => {
                self.function(choice, FunctionEntry { name: None, arguments: &fragment }, out)
            }
            Delta::ToolStart { choice, call, id, name, signature } => {
                let entry = CallEntry {
                    index: call,
                    id: Some(&id),
                    r#type: Some("function"),
                    function: FunctionEntry { name: Some(&name), arguments: "" },
                    extra_content: signature.as_ref().and_then(extra_content),
                };
                self.chunk(choice, DeltaEntry { tool_calls: Some([entry]), ..DeltaEntry::default() }, None, out)
            }
            Delta::ToolArguments { choice, call, fragment } => {
                let function = FunctionEntry { name: None, arguments: &fragment };
                let entry = CallEntry { index: call, function, ..CallEntry::default() };
                self.chunk(choice, DeltaEntry { tool_calls: Some([entry]), ..DeltaEntry::default() }, None, out)
            }
            Delta::Finish { choice, finish } => {
                self.chunk(choice, DeltaEntry::default(), Some(write_finish(&finish, self.legacy_functions)), out)
            }
            Delta::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            Delta::Ping => {
                sse::encode_comment("ping", out);
                Ok(())
            }
            Delta::End => self.end(out),
            Delta::Thinking { .. }
            | Delta::ThinkingSignature { .. }
            | Delta::RedactedThinking { .. }
            | Delta::Error { .. } => Ok(()),
        }
    }

    /// Writes the error event that ends the stream. No `[DONE]` follows it.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(&error::stream_event(fault, Format::Chat, "", 0));
    }

    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Writing::default);
        }
        if self.choices.get_mut(at).is_some_and(|writing| !std::mem::replace(&mut writing.begun, true)) {
            let role =
                DeltaEntry { role: Some("assistant"), content: Some(""), refusal: Some(None), ..DeltaEntry::default() };
            self.chunk(choice, role, None, out)?;
        }
        Ok(())
    }

    fn function(&self, choice: u32, function: FunctionEntry<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.chunk(choice, DeltaEntry { function_call: Some(function), ..DeltaEntry::default() }, None, out)
    }

    fn block(&mut self, choice: u32, mut block: Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let (Some(writing), Some(fields)) = (self.choices.get_mut(choice as usize), block.as_object_mut()) {
            // Clients that join deltas want lists of objects numbered.
            fields.insert("index".to_owned(), json!(writing.blocks));
            writing.blocks += 1;
        }
        self.chunk(choice, DeltaEntry { thinking_blocks: Some([block]), ..DeltaEntry::default() }, None, out)
    }

    fn chunk(
        &self,
        index: u32,
        delta: DeltaEntry<'_>,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let choice = ChoiceEntry { index, delta, logprobs: None, finish_reason };
        self.event(&[choice], self.include_usage.then_some(None), out)
    }

    fn event(
        &self,
        choices: &[ChoiceEntry<'_>],
        usage: Option<Option<ChatUsage>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        sse::encode(None, &to_vec(&chunk)?, out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            self.event(&[], Some(Some(usage::write_chat(&usage))), out)?;
        }
        out.extend_from_slice(sse::DONE);
        Ok(())
    }
}
