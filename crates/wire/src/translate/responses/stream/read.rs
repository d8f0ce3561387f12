//! Reading a provider's events.
//!
//! Servers that copy this format leave out what they find redundant: some send no deltas and only the finished item,
//! some only the finished response. So each item remembers what was read of it, and a later, more complete form adds
//! only what is missing.

use crate::translate::json::{Object, Side};
use crate::translate::neutral::{Delta, Part};
use crate::translate::responses::{output, response};
use crate::translate::upstream_fault;
use crate::usage;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub struct Reader {
    started: bool,
    ended: bool,
    calls: u32,
    items: Vec<Item>,
}

/// What was read of one output item.
#[derive(Debug)]
struct Item {
    index: u64,
    id: String,
    kind: Kind,
    done: bool,
}

#[derive(Debug)]
enum Kind {
    /// A message, and whether any of it was given on.
    Message { said: bool },
    /// A call, and whether any of its arguments were given on.
    Call { call: u32, said: bool },
    /// Reasoning.
    Reasoning { voice: Option<Voice>, paragraph: u64 },
    /// Something only built-in tools make.
    Other,
}

/// Reasoning is told as a summary or in clear; when both come, the first is given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Summary,
    Clear,
}

const CHOICE: u32 = 0;

impl Reader {
    /// Reads one event: its `event:` name if it had one, and its joined data. Steps are appended to `out`.
    ///
    /// # Errors
    /// `UpstreamBroken` for an event that is not of this format.
    pub fn read(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.ended || data.trim() == "[DONE]" {
            return Ok(());
        }
        let mut top = Object::answer(data.as_bytes())?;
        let named = top.string("type")?;
        let kind = named.as_deref().or(event).unwrap_or_default();
        match kind {
            "keepalive" | "ping" => out.push(Delta::Ping),
            "response.created" | "response.queued" | "response.in_progress" => {
                if let Some(mut response) = top.object("response")? {
                    self.start(Some(&mut response), out)?;
                }
            }
            "response.output_item.added" => self.added(&mut top, out)?,
            "response.output_item.done" => self.item_done(&mut top, out)?,
            "response.output_text.delta" => self.said(&mut top, out, |choice, text| Delta::Text { choice, text })?,
            "response.refusal.delta" => self.said(&mut top, out, |choice, text| Delta::Refusal { choice, text })?,
            "response.function_call_arguments.delta" => self.argued(&mut top, "delta", out)?,
            "response.function_call_arguments.done" => self.argued(&mut top, "arguments", out)?,
            "response.reasoning_summary_text.delta" => self.thought(&mut top, Voice::Summary, out)?,
            "response.reasoning_text.delta" => self.thought(&mut top, Voice::Clear, out)?,
            "response.completed" | "response.incomplete" => {
                if let Some(response) = top.object("response")? {
                    if response.has("error") {
                        self.fail(data, out);
                    } else {
                        self.end(response, out)?;
                    }
                }
            }
            "response.failed" | "error" => self.fail(data, out),
            _ if top.has("error") => self.fail(data, out),
            _ => {}
        }
        Ok(())
    }

    /// The provider closed the stream: appends [`Delta::End`] if that was a proper end and none was emitted before.
    /// Here it never is, because this format has a terminal event.
    pub fn close(&mut self, _out: &mut Vec<Delta>) {
        self.ended = true;
    }

    fn start(&mut self, response: Option<&mut Object<'_>>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let (mut id, mut model) = (None, None);
        if let Some(response) = response {
            id = response.string("id")?;
            model = response.string("model")?;
        }
        out.push(Delta::Start { id: id.unwrap_or_default(), model: model.unwrap_or_default(), usage: None });
        Ok(())
    }

    /// The error stands in the event, flat or nested, or in the failed response.
    fn fail(&mut self, data: &str, out: &mut Vec<Delta>) {
        self.ended = true;
        out.push(Delta::Error { fault: upstream_fault(data.as_bytes(), Format::Responses) });
    }

    /// The item that an event is about, begun with this kind if it was not announced. An event without an index is
    /// about the item with its id, or else the last one.
    fn item(&mut self, event: &mut Object<'_>, begin: impl FnOnce() -> Kind) -> Result<Option<&mut Item>, Fault> {
        let id = event.string("item_id")?;
        let at = match (event.u64("output_index")?, &id) {
            (Some(index), _) => self.items.iter().rposition(|item| item.index == index).ok_or(index),
            (None, Some(id)) => self.items.iter().rposition(|item| item.id == *id).ok_or(self.items.len() as u64),
            (None, None) => self.items.len().checked_sub(1).ok_or(0),
        };
        Ok(match at {
            Ok(at) => self.items.get_mut(at),
            Err(index) => {
                self.items.push(Item { index, id: id.unwrap_or_default(), kind: begin(), done: false });
                self.items.last_mut()
            }
        })
    }

    fn added(&mut self, event: &mut Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.start(None, out)?;
        let Some(mut added) = event.object("item")? else { return Ok(()) };
        let index = event.u64("output_index")?.unwrap_or(self.items.len() as u64);
        self.begin(index, &mut added, out)
    }

    /// Begins an item, once.
    fn begin(&mut self, index: u64, added: &mut Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.items.iter().rev().any(|item| item.index == index) {
            return Ok(());
        }
        let id = added.string("id")?.unwrap_or_default();
        let kind = match added.text("type")?.as_deref() {
            Some("message") => Kind::Message { said: false },
            Some("reasoning") => Kind::Reasoning { voice: None, paragraph: 0 },
            Some("function_call") => {
                let call = self.calls;
                self.calls += 1;
                out.push(Delta::ToolStart {
                    choice: CHOICE,
                    call,
                    id: added.string("call_id")?.unwrap_or_else(|| id.clone()),
                    name: added.string("name")?.unwrap_or_default(),
                    signature: None,
                });
                Kind::Call { call, said: false }
            }
            _ => Kind::Other,
        };
        self.items.push(Item { index, id, kind, done: false });
        Ok(())
    }

    fn said(
        &mut self,
        event: &mut Object<'_>,
        out: &mut Vec<Delta>,
        delta: impl FnOnce(u32, String) -> Delta,
    ) -> Result<(), Fault> {
        self.start(None, out)?;
        let Some(text) = event.string("delta")?.filter(|text| !text.is_empty()) else { return Ok(()) };
        let item = self.item(event, || Kind::Message { said: false })?;
        if let Some(Item { kind: Kind::Message { said }, .. }) = item {
            *said = true;
        }
        out.push(delta(CHOICE, text));
        Ok(())
    }

    /// Arguments, in pieces or whole; whole ones count only when no pieces came.
    fn argued(&mut self, event: &mut Object<'_>, key: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let Some(fragment) = event.string(key)?.filter(|text| !text.is_empty()) else { return Ok(()) };
        let whole = key == "arguments";
        let item = self.item(event, || Kind::Other)?;
        if let Some(Item { kind: Kind::Call { call, said }, .. }) = item
            && !(whole && *said)
        {
            *said = true;
            out.push(Delta::ToolArguments { choice: CHOICE, call: *call, fragment });
        }
        Ok(())
    }

    fn thought(&mut self, event: &mut Object<'_>, speaking: Voice, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.start(None, out)?;
        let Some(text) = event.string("delta")?.filter(|text| !text.is_empty()) else { return Ok(()) };
        let key = if speaking == Voice::Summary { "summary_index" } else { "content_index" };
        let index = event.u64(key)?;
        let item = self.item(event, || Kind::Reasoning { voice: None, paragraph: 0 })?;
        let Some(Item { kind: Kind::Reasoning { voice, paragraph }, .. }) = item else { return Ok(()) };
        let first = voice.is_none();
        if *voice.get_or_insert(speaking) != speaking {
            return Ok(());
        }
        let index = index.unwrap_or(*paragraph);
        let text = if !first && index != *paragraph { format!("{}{text}", output::PARAGRAPH) } else { text };
        *paragraph = index;
        out.push(Delta::Thinking { choice: CHOICE, text });
        Ok(())
    }

    fn item_done(&mut self, event: &mut Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.start(None, out)?;
        let index = event.u64("output_index")?;
        let Some(raw) = event.raw("item") else { return Ok(()) };
        let open = self.items.iter().rev().find(|item| !item.done).map(|item| item.index);
        let index = index.or(open).unwrap_or(self.items.len() as u64);
        self.whole(index, raw, out)
    }

    /// An item in its finished form: gives on what no earlier event did.
    fn whole(&mut self, index: u64, raw: &RawValue, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let parse = || Object::parse(raw, String::new(), Side::Upstream);
        let (Some(mut head), Some(body)) = (parse()?, parse()?) else { return Ok(()) };
        self.begin(index, &mut head, out)?;
        let Some(item) = self.items.iter_mut().rfind(|item| item.index == index) else { return Ok(()) };
        if std::mem::replace(&mut item.done, true) {
            return Ok(());
        }
        let mut parts = Vec::new();
        output::read_item(body, &mut parts)?;
        for part in parts {
            match (&item.kind, part) {
                (Kind::Message { said: false }, Part::Text(text)) => out.push(Delta::Text { choice: CHOICE, text }),
                (Kind::Message { said: false }, Part::Refusal(text)) => {
                    out.push(Delta::Refusal { choice: CHOICE, text });
                }
                (Kind::Call { call, said: false }, Part::ToolCall(whole)) => {
                    out.push(Delta::ToolArguments { choice: CHOICE, call: *call, fragment: whole.arguments });
                }
                (Kind::Reasoning { voice, .. }, Part::Thinking { text, signature }) => {
                    if voice.is_none() && !text.is_empty() {
                        out.push(Delta::Thinking { choice: CHOICE, text });
                    }
                    out.extend(signature.map(|signature| Delta::ThinkingSignature { choice: CHOICE, signature }));
                }
                (Kind::Reasoning { .. }, Part::RedactedThinking(data)) => {
                    out.push(Delta::RedactedThinking { choice: CHOICE, data });
                }
                _ => {}
            }
        }
        if let Kind::Call { said, .. } = &mut item.kind {
            *said = true;
        }
        Ok(())
    }

    fn end(&mut self, mut response: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.start(Some(&mut response), out)?;
        for (index, raw) in (0..).zip(response.list("output")?.unwrap_or_default()) {
            self.whole(index, raw, out)?;
        }
        for item in &self.items {
            if let Kind::Call { call, said: false } = item.kind {
                out.push(Delta::ToolArguments { choice: CHOICE, call, fragment: "{}".to_owned() });
            }
        }
        self.ended = true;
        let usage = response.raw("usage").and_then(|raw| usage::read_responses(raw.get()));
        out.extend(usage.map(Delta::Usage));
        out.push(Delta::Finish { choice: CHOICE, finish: response::finish(&mut response, self.calls > 0)? });
        out.push(Delta::End);
        Ok(())
    }
}
