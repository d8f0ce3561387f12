//! Writing streamed answers of Anthropic messages.
//!
//! The format closes one block before it opens the next, while another provider may mix fragments of several tool
//! calls, or text with them. So the answer is a list of items in the order in which they began, and one of them is
//! current: what belongs to it is written at once, what belongs to a later one waits. Text makes room as soon as
//! something follows it; a tool call when its arguments are one whole object, or when the answer ends.
//!
//! Arguments are checked before the answer is declared complete, so that no client is told to run a call it cannot
//! read.

use crate::error;
use crate::sse;
use crate::translate::json;
use crate::translate::messages::response::{bad_arguments, call_place, place, shows_thinking, usage_or_zero};
use crate::translate::messages::{stop_sequence, write_finish};
use crate::translate::neutral::{Delta, Finish, Signature};
use crate::translate::notes::broken;
use crate::translate::{Context, ids};
use crate::usage::MessagesUsage;
use serde::Serialize;
use sluicegate_vocabulary::{Fault, Format, Usage};

/// The most content that is kept while it waits or is checked, in bytes.
const MAX_HELD: usize = 32 << 20;

/// Writes a client's events.
#[derive(Debug)]
pub struct Writer {
    context: Context,
    usage: Option<Usage>,
    items: Vec<Item>,
    /// The item that is being written; its number is its block's index.
    current: usize,
    /// Whether the current item's block has been opened.
    open: bool,
    held: usize,
    finish: Option<Finish>,
}

/// One block of the answer, as far as it has come.
#[derive(Debug)]
struct Item {
    kind: Kind,
    /// Its text; for a call its arguments. What was written of text is forgotten, of arguments it is kept.
    text: String,
    /// How much of the text has been written.
    sent: usize,
}

#[derive(Debug)]
enum Kind {
    Text,
    /// Thinking, and what stands in the place of its signature.
    Thinking(Option<String>),
    Redacted,
    Call {
        number: u32,
        id: String,
        name: String,
        balance: Balance,
    },
}

/// Whether a JSON object, coming in pieces, is whole: a look at each byte once.
#[derive(Debug, Default, Clone, Copy)]
struct Balance {
    depth: u32,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl Balance {
    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: Skeleton<'a> },
    ContentBlockStart { index: u32, content_block: Block<'a> },
    ContentBlockDelta { index: u32, delta: BlockDelta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: MessageDelta<'a>, usage: MessagesUsage },
    MessageStop,
    Ping,
}

#[derive(Serialize)]
struct Skeleton<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    usage: MessagesUsage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: &'static str },
    Thinking { thinking: &'static str, signature: &'static str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Empty },
}

/// `{}`
#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are the format's")]
enum BlockDelta<'a> {
    TextDelta { text: &'a str },
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

impl Event<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        sse::encode(Some(self.name()), &json::to_vec(self)?, out);
        Ok(())
    }
}

impl Writer {
    /// A writer for this call.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            usage: None,
            items: Vec::new(),
            current: 0,
            open: false,
            held: 0,
            finish: None,
        }
    }

    /// Writes one step. [`Delta::End`] writes the terminal events; [`Delta::Error`] is never passed (see [`Self::fail`]).
    ///
    /// # Errors
    /// `UpstreamBroken` when the answer ends and a tool call has arguments that are not a JSON object, or when more has
    /// to wait than can be held.
    pub fn write(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        match delta {
            // A message holds one answer; more are never asked for.
            content if content.choice().is_some_and(|choice| choice > 0) => Ok(()),
            Delta::Start { id, model, usage } => {
                self.usage = usage;
                let message = Skeleton {
                    id: ids::answer_id(&id, "msg_"),
                    r#type: "message",
                    role: "assistant",
                    model: &model,
                    content: [],
                    stop_reason: None,
                    stop_sequence: None,
                    usage: usage_or_zero(usage),
                };
                Event::MessageStart { message }.write(out)
            }
            Delta::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            Delta::Finish { finish, .. } => {
                self.finish = Some(finish);
                Ok(())
            }
            Delta::Ping => Event::Ping.write(out),
            Delta::End => self.end(out),
            content => {
                self.add(content)?;
                self.flush(false, out)
            }
        }
    }

    /// Writes the error event that ends the stream.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(&error::stream_event(fault, Format::Messages, "", 0));
    }

    /// Puts content where it belongs among the items.
    fn add(&mut self, delta: Delta) -> Result<(), Fault> {
        let shows_thinking = shows_thinking(&self.context);
        match delta {
            Delta::Text { text, .. } | Delta::Refusal { text, .. } => {
                self.append(|kind| matches!(kind, Kind::Text), || Kind::Text, &text)
            }
            Delta::Thinking { text, .. } if shows_thinking => {
                self.append(|kind| matches!(kind, Kind::Thinking(None)), || Kind::Thinking(None), &text)
            }
            Delta::ThinkingSignature { signature, .. } if shows_thinking => {
                self.append(|kind| matches!(kind, Kind::Thinking(None)), || Kind::Thinking(None), "")?;
                if let Some(Item { kind: Kind::Thinking(sign), .. }) = self.items.last_mut() {
                    *sign = Some(place(Some(&signature), &self.context));
                }
                Ok(())
            }
            Delta::RedactedThinking { data, .. } if shows_thinking => self.append(|_| false, || Kind::Redacted, &data),
            Delta::ToolStart { call, id, name, signature, .. } => {
                if let Some(signature) = signature.filter(|_| shows_thinking) {
                    self.signature_of_call(&signature)?;
                }
                let kind = || Kind::Call { number: call, id, name, balance: Balance::default() };
                self.append(|_| false, kind, "")
            }
            Delta::ToolArguments { call, fragment, .. } => {
                self.hold(fragment.len())?;
                let wanted = |item: &&mut Item| matches!(item.kind, Kind::Call { number, .. } if number == call);
                // Arguments of a call that never began belong to nothing.
                if let Some(item) = self.items.iter_mut().rev().find(wanted) {
                    item.text.push_str(&fragment);
                    if let Kind::Call { balance, .. } = &mut item.kind {
                        balance.feed(&fragment);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A call's signature has no place of its own: it goes into a block of thinking before the call.
    fn signature_of_call(&mut self, signature: &Signature) -> Result<(), Fault> {
        self.append(|_| false, || Kind::Thinking(Some(call_place(signature))), "")
    }

    /// Adds text to the last item if it is of the right kind, else to a new one.
    fn append(
        &mut self,
        fits: impl FnOnce(&Kind) -> bool,
        new: impl FnOnce() -> Kind,
        text: &str,
    ) -> Result<(), Fault> {
        self.hold(text.len())?;
        match self.items.last_mut() {
            Some(last) if fits(&last.kind) => last.text.push_str(text),
            _ => self.items.push(Item { kind: new(), text: text.to_owned(), sent: 0 }),
        }
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.held = self.held.saturating_add(bytes);
        if self.held > MAX_HELD {
            return Err(broken("the provider mixed more content into one answer than can be put in order"));
        }
        Ok(())
    }

    /// Writes all whose turn has come.
    fn flush(&mut self, ending: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let is_last = self.current + 1 >= self.items.len();
            let Some(item) = self.items.get_mut(self.current) else { return Ok(()) };
            let index = u32::try_from(self.current).unwrap_or(u32::MAX);
            if !std::mem::replace(&mut self.open, true) {
                item.start(index, out)?;
            }
            self.held -= item.send(index, out)?;
            let makes_room = match &item.kind {
                Kind::Call { balance, .. } => balance.whole,
                _ => true,
            };
            if !ending && (is_last || !makes_room) {
                return Ok(());
            }
            item.stop(index, &self.context, out)?;
            self.current += 1;
            self.open = false;
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        for item in &self.items {
            // A call that was cut off by the cap on output is what Anthropic itself sends then.
            if let Kind::Call { name, .. } = &item.kind
                && finish != Finish::Length
                && !json::is_object(&item.text)
            {
                return Err(bad_arguments(name));
            }
        }
        self.flush(true, out)?;
        let delta = MessageDelta { stop_reason: write_finish(&finish), stop_sequence: stop_sequence(&finish) };
        Event::MessageDelta { delta, usage: usage_or_zero(self.usage) }.write(out)?;
        Event::MessageStop.write(out)
    }
}

impl Item {
    fn start(&self, index: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let content_block = match &self.kind {
            Kind::Text => Block::Text { text: "" },
            Kind::Thinking(_) => Block::Thinking { thinking: "", signature: "" },
            Kind::Redacted => Block::RedactedThinking { data: &self.text },
            Kind::Call { id, name, .. } => Block::ToolUse { id, name, input: Empty {} },
        };
        Event::ContentBlockStart { index, content_block }.write(out)
    }

    /// Writes what has not been written. Returns how many bytes need no longer be held.
    fn send(&mut self, index: u32, out: &mut Vec<u8>) -> Result<usize, Fault> {
        let fresh = self.text.get(self.sent..).unwrap_or_default();
        let delta = match &self.kind {
            _ if fresh.is_empty() => return Ok(0),
            Kind::Redacted => None,
            Kind::Text => Some(BlockDelta::TextDelta { text: fresh }),
            Kind::Thinking(_) => Some(BlockDelta::ThinkingDelta { thinking: fresh }),
            Kind::Call { .. } => Some(BlockDelta::InputJsonDelta { partial_json: fresh }),
        };
        if let Some(delta) = delta {
            Event::ContentBlockDelta { index, delta }.write(out)?;
        }
        if matches!(self.kind, Kind::Call { .. }) {
            self.sent = self.text.len();
            return Ok(0);
        }
        let freed = self.text.len();
        self.text.clear();
        Ok(freed)
    }

    fn stop(&self, index: u32, context: &Context, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Kind::Thinking(signature) = &self.kind {
            let unsigned;
            let signature = match signature {
                Some(signature) => signature,
                None => {
                    unsigned = place(None, context);
                    &unsigned
                }
            };
            Event::ContentBlockDelta { index, delta: BlockDelta::SignatureDelta { signature } }.write(out)?;
        }
        Event::ContentBlockStop { index }.write(out)
    }
}
