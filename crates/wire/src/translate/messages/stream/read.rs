//! Reading streamed answers of Anthropic messages.
//!
//! The reader holds back why the answer ended until `message_stop`, because a stream that breaks off before it is
//! truncated, whatever it said already.

use crate::translate::json::{self, Object};
use crate::translate::messages::read_finish;
use crate::translate::neutral::{Delta, Finish, Part};
use crate::translate::seal;
use crate::usage::MessagesUsage;
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub struct Reader {
    started: bool,
    ended: bool,
    usage: MessagesUsage,
    finish: Option<Finish>,
    /// Calls begun so far.
    calls: u32,
    block: Reading,
}

/// The block that is open.
#[derive(Debug, Default)]
enum Reading {
    #[default]
    None,
    /// Text or thinking.
    Plain,
    /// A tool call: its number, and whether any of its arguments have come.
    Call { number: u32, any: bool },
}

impl Reader {
    /// Reads one event: its `event:` name if it had one, and its joined data. Steps are appended to `out`.
    ///
    /// # Errors
    /// `UpstreamBroken` for an event that is not of this format.
    pub fn read(&mut self, _event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let data = data.trim();
        if self.ended || data == "[DONE]" {
            return Ok(());
        }
        let mut event = Object::answer(data.as_bytes())?;
        match event.text("type")?.as_deref() {
            Some("message_start") => {
                let Some(mut message) = event.object("message")? else { return Ok(()) };
                self.started = true;
                self.absorb(&mut message);
                let id = message.string("id")?.unwrap_or_default();
                let model = message.string("model")?.unwrap_or_default();
                out.push(Delta::Start { id, model, usage: self.usage.usage() });
            }
            Some("content_block_start") => self.open(event, out)?,
            Some("content_block_delta") => self.delta(event, out)?,
            Some("content_block_stop") => self.close_block(out),
            Some("message_delta") => {
                if let Some(mut delta) = event.object("delta")? {
                    let stop = delta.string("stop_sequence")?;
                    if let Some(word) = delta.text("stop_reason")? {
                        self.finish = Some(read_finish(&word, stop));
                    }
                }
                self.absorb(&mut event);
            }
            Some("message_stop") => {
                self.close_block(out);
                out.push(Delta::Finish { choice: 0, finish: self.finish.take().unwrap_or(Finish::Stop) });
                out.extend(self.usage.usage().map(Delta::Usage));
                out.push(Delta::End);
                self.ended = true;
            }
            Some("ping") => out.push(Delta::Ping),
            Some("error") => {
                let fault = crate::translate::upstream_fault(data.as_bytes(), Format::Messages);
                out.push(Delta::Error { fault });
            }
            _ if event.has("error") => {
                let fault = crate::translate::upstream_fault(data.as_bytes(), Format::Messages);
                out.push(Delta::Error { fault });
            }
            _ => {}
        }
        Ok(())
    }

    /// The provider closed the stream. Only `message_stop` is a proper end, so nothing is added.
    pub fn close(&mut self, _out: &mut Vec<Delta>) {}

    fn absorb(&mut self, holder: &mut Object<'_>) {
        if let Some(later) = holder.raw("usage").and_then(|raw| MessagesUsage::read(raw.get().as_bytes())) {
            self.usage.absorb(&later);
        }
    }

    fn open(&mut self, mut event: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.close_block(out);
        let Some(mut block) = event.object("content_block")? else { return Ok(()) };
        match block.text("type")?.as_deref() {
            Some("tool_use") => {
                let number = self.calls;
                self.calls += 1;
                let id = block.string("id")?.unwrap_or_default();
                let name = block.string("name")?.unwrap_or_default();
                out.push(Delta::ToolStart { choice: 0, call: number, id, name, signature: None });
                // Some compatible servers send the whole input at once.
                let whole = block.raw("input").map(|raw| json::compact(raw.get())).filter(|input| input != "{}");
                let any = whole.is_some();
                out.extend(whole.map(|fragment| Delta::ToolArguments { choice: 0, call: number, fragment }));
                self.block = Reading::Call { number, any };
            }
            Some("redacted_thinking") => {
                let data = block.string("data")?.unwrap_or_default();
                out.push(Delta::RedactedThinking { choice: 0, data });
            }
            Some(kind @ ("text" | "thinking")) => {
                self.block = Reading::Plain;
                let text = block.string(kind)?.unwrap_or_default();
                if !text.is_empty() {
                    out.push(match kind {
                        "text" => Delta::Text { choice: 0, text },
                        _ => Delta::Thinking { choice: 0, text },
                    });
                }
            }
            // A tool that Anthropic runs itself: the text around it tells what came of it.
            _ => self.block = Reading::None,
        }
        Ok(())
    }

    fn delta(&mut self, mut event: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let Some(mut delta) = event.object("delta")? else { return Ok(()) };
        match delta.text("type")?.as_deref() {
            Some("text_delta") => {
                let text = delta.string("text")?.filter(|text| !text.is_empty());
                out.extend(text.map(|text| Delta::Text { choice: 0, text }));
            }
            Some("thinking_delta") => {
                let text = delta.string("thinking")?.filter(|text| !text.is_empty());
                out.extend(text.map(|text| Delta::Thinking { choice: 0, text }));
            }
            Some("signature_delta") => {
                let text = delta.string("signature")?.unwrap_or_default();
                if let Part::Thinking { signature: Some(signature), .. } =
                    seal::thinking(String::new(), &text, Format::Messages)
                {
                    out.push(Delta::ThinkingSignature { choice: 0, signature });
                }
            }
            Some("input_json_delta") => {
                let fragment = delta.string("partial_json")?.filter(|fragment| !fragment.is_empty());
                if let (Some(fragment), Reading::Call { number, any }) = (fragment, &mut self.block) {
                    *any = true;
                    out.push(Delta::ToolArguments { choice: 0, call: *number, fragment });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close_block(&mut self, out: &mut Vec<Delta>) {
        if let Reading::Call { number, any: false } = self.block {
            out.push(Delta::ToolArguments { choice: 0, call: number, fragment: "{}".to_owned() });
        }
        self.block = Reading::None;
    }
}
