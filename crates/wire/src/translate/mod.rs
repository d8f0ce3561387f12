//! Translation between formats, through the neutral form.
//!
//! Four formats meet in twelve directions. Each format has a reader into [`neutral`] and a writer out of it, for
//! requests, for whole answers and for streams; what is common to all directions happens between the two: ids and
//! names are made to fit (`ids`), tool results are checked against their calls, and on the way back names are
//! restored. A request's [`Context`] is what the way back must know of the way there.
//!
//! Promises: nothing is lost silently (see [`notes`]); the joined steps of a translated stream say what the translated
//! buffered answer says; any cut of a stream's bytes gives the same output; a stream that broke off never looks
//! complete.
//!
//! What the halves may rely on:
//!
//! - A request reader leaves `id` of a call or result empty when its format has none; before a writer sees the prompt
//!   every call and result has a matching id that fits the writer's format, every result has been checked to answer a
//!   call of the turn before, and every name fits the writer's format.
//! - `arguments` is never empty: a reader writes `{}`, in a stream at the latest before the answer's finish.
//! - Usage in a stream is cumulative: a reader merges what its format splits, and each [`neutral::Delta::Usage`] replaces the one
//!   before.
//! - A stream begins with [`neutral::Delta::Start`] and ends with [`neutral::Delta::End`] or not at all; a reader emits `End` once.
//! - [`neutral::Finish::Failed`] never reaches a writer, nor does [`neutral::Delta::Error`].
//! - An id or model that the provider did not give is filled in before a writer sees it. Ids keep the prefix of the
//!   format they came from; a writer exchanges it.

pub mod chat;
pub mod effort;
pub mod field;
pub mod generate;
pub mod json;
pub mod media;
pub mod messages;
pub mod neutral;
pub mod notes;
pub mod responses;
pub mod schema;
pub mod seal;

use crate::quirks::Quirks;
pub use notes::{Notes, Policy};
use sluicegate_vocabulary::{Format, Usage};
use std::borrow::Cow;

/// What is to be translated into what.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The format the client speaks.
    pub client: Format,
    /// The format the provider speaks.
    pub upstream: Format,
    /// The provider's name of the model.
    pub model: &'a str,
    /// The name the client used.
    pub public_model: &'a str,
    /// Whether the answer is streamed, where the path says it and the body does not (Gemini).
    pub stream: Option<bool>,
    /// What the model can do.
    pub quirks: &'a Quirks,
    /// How much loss the caller accepts.
    pub policy: Policy,
    /// Seconds since the Unix epoch, for answers whose format has a creation time.
    pub now: u64,
    /// This call's id: ids that a provider failed to give are made from it.
    pub call_id: &'a str,
}

/// A request in the provider's format.
#[derive(Debug)]
pub struct Outbound {
    /// The body to send.
    pub body: Vec<u8>,
    /// What had to be left out, for `x-sluicegate-dropped`.
    pub dropped: Vec<Cow<'static, str>>,
    /// What the way back needs.
    pub context: Context,
    /// Whether the answer is streamed.
    pub stream: bool,
}

/// An answer in the client's format.
#[derive(Debug)]
pub struct Inbound {
    /// The body to return.
    pub body: Vec<u8>,
    /// Tokens used, if the provider said.
    pub usage: Option<Usage>,
}

/// What the way back must know of the way there. Owned, a few hundred bytes.
#[derive(Debug, Clone)]
pub struct Context {
    /// The format the client speaks.
    pub client: Format,
    /// The format the provider speaks.
    pub upstream: Format,
    /// The provider's name of the model: what an answer says whose provider named none.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a chat client asked for the usage chunk.
    pub include_usage: bool,
    /// Whether the client asked to see the thinking; `None` when it did not say.
    pub show_reasoning: Option<bool>,
    /// Seconds since the Unix epoch.
    pub now: u64,
    /// This call's id, without a format's prefix, for ids that the provider failed to give.
    pub call_id: String,
    /// Parts of the request that a Responses object repeats; set for Responses clients only.
    pub echo: Option<Box<responses::Echo>>,
}

/// What a request writer needs beside the prompt.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    /// What the model can do.
    pub quirks: &'a Quirks,
}
