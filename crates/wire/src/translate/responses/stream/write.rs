//! Writing a client's events.
//!
//! Reasoning and messages are written one after the other. Calls may interleave: each stays open until the answer ends,
//! since only then is it certain that no argument follows. The items gathered for the last event are the ones a whole
//! answer would hold.

use crate::error;
use crate::sse;
use crate::translate::Context;
use crate::translate::json::to_vec;
use crate::translate::neutral::{Delta, Finish, Signature};
use crate::translate::notes::broken;
use crate::translate::responses::object::{
    Head, Item, Piece, Response, State, Status, Summary, add_summary, ended, seal_call, seal_redacted, seal_thinking,
};
use serde::Serialize;
use sluicegate_vocabulary::{Fault, Format, Usage};

/// Writes a client's events.
#[derive(Debug)]
pub struct Writer {
    context: Box<Context>,
    head: Option<Box<Head>>,
    /// The number the next event gets.
    sequence: u64,
    items: Vec<Item>,
    open: Open,
    /// For each call of the answer, its item.
    calls: Vec<usize>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

/// The last item, if more of it may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Reasoning,
    Message,
}

/// What all events have.
#[derive(Serialize)]
struct Event<'a, T: Serialize> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Whole<'a> {
    response: Response<'a>,
}

#[derive(Serialize)]
struct OfItem<'a> {
    output_index: usize,
    item: &'a Item,
}

/// An event inside an item; which members are there depends on the event.
#[derive(Serialize, Default)]
struct Inside<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a Piece>,
    #[serde(rename = "part", skip_serializing_if = "Option::is_none")]
    paragraph: Option<&'a Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

/// Numbers an event and appends it.
fn emit<T: Serialize>(sequence: &mut u64, kind: &'static str, body: &T, out: &mut Vec<u8>) -> Result<(), Fault> {
    let data = to_vec(&Event { r#type: kind, sequence_number: *sequence, body })?;
    *sequence += 1;
    sse::encode(Some(kind), &data, out);
    Ok(())
}

impl Writer {
    /// A writer for this call.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self {
            context: Box::new(context.clone()),
            head: None,
            sequence: 0,
            items: Vec::new(),
            open: Open::Nothing,
            calls: Vec::new(),
            finish: None,
            usage: None,
        }
    }

    /// Writes one step. [`Delta::End`] writes the terminal events; [`Delta::Error`] is never passed (see [`Self::fail`]).
    ///
    /// # Errors
    /// A step that the promises about streams exclude.
    pub fn write(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        // A Responses client cannot ask for more than one answer.
        if delta.choice().is_some_and(|choice| choice > 0) {
            return Ok(());
        }
        match delta {
            Delta::Start { id, model, usage } => self.start(&id, &model, usage, out),
            Delta::Text { text, .. } => self.text(&text, out),
            Delta::Refusal { text, .. } => self.refusal(&text, out),
            Delta::Thinking { text, .. } => self.thinking(&text, out),
            Delta::ThinkingSignature { signature, .. } => self.signature(&signature, out),
            Delta::RedactedThinking { data, .. } => {
                self.close(out)?;
                self.sealed(seal_redacted(&data), out)
            }
            Delta::ToolStart { call, id, name, signature, .. } => self.call(call, id, name, signature, out),
            Delta::ToolArguments { call, fragment, .. } => self.arguments(call, &fragment, out),
            Delta::Finish { finish, .. } => {
                self.finish = Some(finish);
                Ok(())
            }
            Delta::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            Delta::Ping => {
                sse::encode_comment("ping", out);
                Ok(())
            }
            Delta::Error { fault } => {
                self.fail(&fault, out);
                Ok(())
            }
            Delta::End => self.end(out),
        }
    }

    /// Writes the error event that ends the stream.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        let Some(head) = &self.head else {
            out.extend_from_slice(&error::stream_event(fault, Format::Responses, "", self.sequence));
            self.sequence += 1;
            return;
        };
        for item in &mut self.items {
            item.set_status(Status::Incomplete);
        }
        let state = State { status: Status::Failed, reason: None, fault: Some(fault), usage: self.usage.as_ref() };
        let response = Response::new(head, &self.items, state);
        // An event that cannot be serialized leaves the stream without its end, which clients take for the error it is.
        let _ = emit(&mut self.sequence, "response.failed", &Whole { response }, out);
    }

    fn start(&mut self, id: &str, model: &str, usage: Option<Usage>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.usage = usage;
        let head = Head::new(id, model, None, &self.context);
        for kind in ["response.created", "response.in_progress"] {
            let response = Response::new(&head, &[], State::BEGUN);
            emit(&mut self.sequence, kind, &Whole { response }, out)?;
        }
        self.head = Some(Box::new(head));
        Ok(())
    }

    fn response_id(&self) -> Result<&str, Fault> {
        self.head.as_ref().map(|head| head.id.as_str()).ok_or_else(|| broken("the provider's stream has no beginning"))
    }

    /// Adds an item and announces it.
    fn add(&mut self, item: Item, out: &mut Vec<u8>) -> Result<(), Fault> {
        let body = OfItem { output_index: self.items.len(), item: &item };
        emit(&mut self.sequence, "response.output_item.added", &body, out)?;
        self.items.push(item);
        Ok(())
    }

    /// Tells that an item is whole.
    fn done(&mut self, index: usize, status: Status, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(item) = self.items.get_mut(index) else { return Ok(()) };
        item.set_status(status);
        emit(&mut self.sequence, "response.output_item.done", &OfItem { output_index: index, item }, out)
    }

    /// Opens a message unless one is open.
    fn message(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.open != Open::Message {
            self.close(out)?;
            let item = Item::message(self.response_id()?, self.items.len());
            self.add(item, out)?;
            self.open = Open::Message;
        }
        Ok(())
    }

    fn text(&mut self, more: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.message(out)?;
        let output_index = self.items.len().saturating_sub(1);
        if !matches!(self.items.last(), Some(Item::Message { content, .. }) if matches!(content.last(), Some(Piece::OutputText { .. })))
        {
            self.close_piece(out)?;
            self.open_piece(Piece::text(""), out)?;
        }
        let Some(Item::Message { id, content, .. }) = self.items.last_mut() else { return Ok(()) };
        let content_index = Some(content.len().saturating_sub(1));
        if let Some(Piece::OutputText { text, .. }) = content.last_mut() {
            text.push_str(more);
        }
        let body = Inside {
            item_id: id,
            output_index,
            content_index,
            delta: Some(more),
            logprobs: Some([]),
            ..Inside::default()
        };
        emit(&mut self.sequence, "response.output_text.delta", &body, out)
    }

    fn refusal(&mut self, more: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.message(out)?;
        let output_index = self.items.len().saturating_sub(1);
        if !matches!(self.items.last(), Some(Item::Message { content, .. }) if matches!(content.last(), Some(Piece::Refusal { .. })))
        {
            self.close_piece(out)?;
            self.open_piece(Piece::Refusal { refusal: String::new() }, out)?;
        }
        let Some(Item::Message { id, content, .. }) = self.items.last_mut() else { return Ok(()) };
        let content_index = Some(content.len().saturating_sub(1));
        if let Some(Piece::Refusal { refusal }) = content.last_mut() {
            refusal.push_str(more);
        }
        let body = Inside { item_id: id, output_index, content_index, delta: Some(more), ..Inside::default() };
        emit(&mut self.sequence, "response.refusal.delta", &body, out)
    }

    fn open_piece(&mut self, piece: Piece, out: &mut Vec<u8>) -> Result<(), Fault> {
        let output_index = self.items.len().saturating_sub(1);
        let Some(Item::Message { id, content, .. }) = self.items.last_mut() else { return Ok(()) };
        let content_index = Some(content.len());
        let body = Inside { item_id: id, output_index, content_index, part: Some(&piece), ..Inside::default() };
        emit(&mut self.sequence, "response.content_part.added", &body, out)?;
        content.push(piece);
        Ok(())
    }

    /// Tells that the last part of the open message is whole.
    fn close_piece(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let output_index = self.items.len().saturating_sub(1);
        let Some(Item::Message { id, content, .. }) = self.items.last() else { return Ok(()) };
        let Some(piece) = content.last() else { return Ok(()) };
        let inside = || Inside {
            item_id: id,
            output_index,
            content_index: Some(content.len().saturating_sub(1)),
            ..Inside::default()
        };
        match piece {
            Piece::OutputText { text, .. } => {
                let body = Inside { text: Some(text), logprobs: Some([]), ..inside() };
                emit(&mut self.sequence, "response.output_text.done", &body, out)?;
            }
            Piece::Refusal { refusal } => {
                let body = Inside { refusal: Some(refusal), ..inside() };
                emit(&mut self.sequence, "response.refusal.done", &body, out)?;
            }
        }
        emit(&mut self.sequence, "response.content_part.done", &Inside { part: Some(piece), ..inside() }, out)
    }

    fn thinking(&mut self, more: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.reasoning(out)?;
        let output_index = self.items.len().saturating_sub(1);
        let Some(Item::Reasoning { id, summary, .. }) = self.items.last_mut() else { return Ok(()) };
        let inside = || Inside { item_id: id, output_index, summary_index: Some(0), ..Inside::default() };
        if summary.is_empty() {
            let empty = Summary::SummaryText { text: String::new() };
            let body = Inside { paragraph: Some(&empty), ..inside() };
            emit(&mut self.sequence, "response.reasoning_summary_part.added", &body, out)?;
        }
        add_summary(summary, more);
        emit(
            &mut self.sequence,
            "response.reasoning_summary_text.delta",
            &Inside { delta: Some(more), ..inside() },
            out,
        )
    }

    /// Opens a reasoning item unless one is open.
    fn reasoning(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.open != Open::Reasoning {
            self.close(out)?;
            let item = Item::reasoning(self.response_id()?, self.items.len());
            self.add(item, out)?;
            self.open = Open::Reasoning;
        }
        Ok(())
    }

    /// A signature ends the thinking before it, or stands alone.
    fn signature(&mut self, signature: &Signature, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.reasoning(out)?;
        if let Some(Item::Reasoning { encrypted_content, .. }) = self.items.last_mut() {
            *encrypted_content = Some(seal_thinking(signature));
        }
        self.close(out)
    }

    /// A reasoning item that holds nothing but an opaque text.
    fn sealed(&mut self, opaque: String, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut item = Item::reasoning(self.response_id()?, self.items.len());
        if let Item::Reasoning { encrypted_content, .. } = &mut item {
            *encrypted_content = Some(opaque);
        }
        let index = self.items.len();
        self.add(item, out)?;
        self.done(index, Status::Completed, out)
    }

    fn call(
        &mut self,
        call: u32,
        id: String,
        name: String,
        signature: Option<Signature>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.close(out)?;
        if let Some(signature) = signature {
            self.sealed(seal_call(&signature), out)?;
        }
        if call as usize != self.calls.len() {
            return Err(broken("the provider's tool calls are not in order"));
        }
        self.calls.push(self.items.len());
        let item = Item::call(self.response_id()?, self.items.len(), id, name);
        self.add(item, out)
    }

    fn arguments(&mut self, call: u32, fragment: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(&output_index) = self.calls.get(call as usize) else { return Ok(()) };
        let Some(Item::FunctionCall { id, arguments, .. }) = self.items.get_mut(output_index) else { return Ok(()) };
        arguments.push_str(fragment);
        let body = Inside { item_id: id, output_index, delta: Some(fragment), ..Inside::default() };
        emit(&mut self.sequence, "response.function_call_arguments.delta", &body, out)
    }

    /// Closes the open reasoning or message. Calls stay open.
    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.close_as(Status::Completed, out)
    }

    fn close_as(&mut self, status: Status, out: &mut Vec<u8>) -> Result<(), Fault> {
        let index = self.items.len().saturating_sub(1);
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return Ok(()),
            Open::Message => self.close_piece(out)?,
            Open::Reasoning => self.close_summary(index, out)?,
        }
        self.done(index, status, out)
    }

    fn close_summary(&mut self, output_index: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(Item::Reasoning { id, summary, .. }) = self.items.get(output_index) else { return Ok(()) };
        let Some(paragraph @ Summary::SummaryText { text }) = summary.last() else { return Ok(()) };
        let inside = || Inside { item_id: id, output_index, summary_index: Some(0), ..Inside::default() };
        let body = Inside { text: Some(text), ..inside() };
        emit(&mut self.sequence, "response.reasoning_summary_text.done", &body, out)?;
        let body = Inside { paragraph: Some(paragraph), ..inside() };
        emit(&mut self.sequence, "response.reasoning_summary_part.done", &body, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let usage = self.usage.take();
        let state = ended(self.finish.as_ref(), usage.as_ref());
        let last = self.items.len().saturating_sub(1);
        let status_of = |index| match state.status {
            Status::Completed => Status::Completed,
            _ if index == last => Status::Incomplete,
            _ => Status::Completed,
        };
        self.close_as(status_of(last), out)?;
        for output_index in std::mem::take(&mut self.calls) {
            if let Some(Item::FunctionCall { id, name, arguments, .. }) = self.items.get(output_index) {
                let body = Inside {
                    item_id: id,
                    output_index,
                    name: Some(name),
                    arguments: Some(arguments),
                    ..Inside::default()
                };
                emit(&mut self.sequence, "response.function_call_arguments.done", &body, out)?;
            }
            self.done(output_index, status_of(output_index), out)?;
        }
        let head = self.head.as_ref().ok_or_else(|| broken("the provider's stream has no beginning"))?;
        let kind = if state.status == Status::Completed { "response.completed" } else { "response.incomplete" };
        emit(&mut self.sequence, kind, &Whole { response: Response::new(head, &self.items, state) }, out)
    }
}
