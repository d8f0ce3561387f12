//! Writing a client's events.
//!
//! A call is given on as soon as its arguments are a whole object, and in the order the calls began. Calls that are
//! still open when something else arrives are looked at again only if they have grown, so that a provider which sends
//! one character at a time costs no more than its text.

use crate::error;
use crate::sse;
use crate::translate::Context;
use crate::translate::generate::part::{self, Body, Candidate, Content, Piece};
use crate::translate::generate::response::bad_arguments;
use crate::translate::json::{is_object, to_vec};
use crate::translate::neutral::{Delta, Finish, ToolCall};
use crate::usage;
use sluicegate_vocabulary::{Fault, Format, Usage};
use std::collections::{BTreeMap, VecDeque};

/// Writes a client's events.
#[derive(Debug)]
pub struct Writer {
    id: String,
    model: String,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
}

/// What is held back of one answer.
#[derive(Debug, Default)]
struct Choice {
    /// Calls not yet given on, from call number `first`.
    held: VecDeque<Held>,
    first: u32,
    finish: Option<Finish>,
}

#[derive(Debug)]
struct Held {
    call: ToolCall,
    /// How long the arguments were when they were last found incomplete.
    looked_at: usize,
}

impl Choice {
    /// The next held call if its arguments are whole.
    fn next_whole(&mut self) -> Option<ToolCall> {
        let held = self.held.front_mut()?;
        if held.looked_at == held.call.arguments.len() {
            return None;
        }
        held.looked_at = held.call.arguments.len();
        if !is_object(&held.call.arguments) {
            return None;
        }
        self.first += 1;
        self.held.pop_front().map(|held| held.call)
    }
}

impl Writer {
    /// A writer for this call.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self { id: context.call_id.clone(), model: context.model.clone(), choices: BTreeMap::new(), usage: None }
    }

    /// Writes one step. [`Delta::End`] writes the terminal events; [`Delta::Error`] is never passed (see [`Self::fail`]).
    ///
    /// # Errors
    /// `UpstreamBroken` for a call whose arguments are not a JSON object, unless the answer was cut off inside them.
    pub fn write(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        match delta {
            Delta::Start { id, model, usage } => {
                self.id = id;
                self.model = model;
                self.usage = usage;
                Ok(())
            }
            Delta::Text { choice, text } | Delta::Refusal { choice, text } => {
                self.release(choice, out)?;
                self.emit(choice, Piece::text(&text), out)
            }
            Delta::Thinking { choice, text } => {
                self.release(choice, out)?;
                self.emit(choice, Piece::thought(&text, None), out)
            }
            Delta::ThinkingSignature { choice, signature } => {
                self.emit(choice, Piece::thought("", Some(&signature)), out)
            }
            Delta::RedactedThinking { choice, data } => {
                self.release(choice, out)?;
                self.emit(choice, Piece::redacted(&data), out)
            }
            Delta::ToolStart { choice, id, name, signature, .. } => {
                self.release(choice, out)?;
                let call = ToolCall { id, name, arguments: String::new(), signature };
                self.choice(choice).held.push_back(Held { call, looked_at: 0 });
                Ok(())
            }
            Delta::ToolArguments { choice, call, fragment } => {
                let state = self.choice(choice);
                let at = call.checked_sub(state.first).map(|at| at as usize);
                if let Some(held) = at.and_then(|at| state.held.get_mut(at)) {
                    held.call.arguments.push_str(&fragment);
                }
                Ok(())
            }
            Delta::Finish { choice, finish } => {
                self.settle(choice, &finish, out)?;
                self.choice(choice).finish = Some(finish);
                Ok(())
            }
            Delta::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            // Official clients read every line as JSON, a comment too.
            Delta::Ping => Ok(()),
            Delta::Error { fault } => {
                self.fail(&fault, out);
                Ok(())
            }
            Delta::End => self.end(out),
        }
    }

    /// Writes the error event that ends the stream.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(&error::stream_event(fault, Format::Generate, "", 0));
    }

    fn choice(&mut self, choice: u32) -> &mut Choice {
        self.choices.entry(choice).or_default()
    }

    /// Gives on the held calls that are whole.
    fn release(&mut self, choice: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        while let Some(call) = self.choice(choice).next_whole() {
            if let Some(piece) = Piece::call(&call) {
                self.emit(choice, piece, out)?;
            }
        }
        Ok(())
    }

    /// Gives on all held calls: the answer is over.
    fn settle(&mut self, choice: u32, finish: &Finish, out: &mut Vec<u8>) -> Result<(), Fault> {
        for held in std::mem::take(&mut self.choice(choice).held) {
            match Piece::call(&held.call) {
                Some(piece) => self.emit(choice, piece, out)?,
                None if *finish == Finish::Length => {}
                None => return Err(bad_arguments(&held.call.name)),
            }
        }
        Ok(())
    }

    fn emit(&self, index: u32, piece: Piece<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let content = Content { parts: vec![piece], role: "model" };
        self.body(vec![Candidate { content, finish_reason: None, index }], None, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.choice(0);
        let candidates = self
            .choices
            .iter()
            .map(|(index, choice)| Candidate {
                content: Content { parts: vec![Piece::text("")], role: "model" },
                finish_reason: Some(part::reason(choice.finish.as_ref())),
                index: *index,
            })
            .collect();
        self.body(candidates, self.usage.as_ref(), out)
    }

    fn body(&self, candidates: Vec<Candidate<'_>>, usage: Option<&Usage>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let body = Body {
            candidates,
            usage_metadata: usage.map(usage::write_generate),
            model_version: &self.model,
            response_id: &self.id,
        };
        sse::encode_gemini(&to_vec(&body)?, out);
        Ok(())
    }
}
