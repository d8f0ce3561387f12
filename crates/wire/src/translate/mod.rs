//! Translation between formats, through the neutral form.
//!
//! Four formats meet in twelve directions. Each format has a reader into [`neutral`] and a writer out of it, for
//! requests, for whole answers and for streams; what is common to all directions happens between the two: ids and
//! names are made to fit ([`ids`]), tool results are checked against their calls, and on the way back names are
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
pub mod check;
pub mod deltas;
pub mod effort;
pub mod emulate;
pub mod field;
pub mod generate;
pub mod ids;
pub mod json;
pub mod media;
pub mod messages;
pub mod neutral;
pub mod notes;
pub mod pairing;
pub mod responses;
pub mod schema;
pub mod seal;
mod stream;
pub mod way_back;

use crate::error;
use crate::quirks::Quirks;
use crate::sse::Decoder;
pub use crate::tap::StreamEnd;
use neutral::{Answer, Delta, Prompt};
pub use notes::{Notes, Policy};
use sluicegate_vocabulary::{Fault, Format, Usage};
use std::borrow::Cow;
pub use stream::StreamTranslator;

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
    /// Function names that were replaced on the way there.
    pub names: ids::Names,
    /// Whether the schema of the answer was asked for as a forced tool.
    pub emulated_schema: bool,
    /// Whether a chat client named its tools `functions` and reads calls as `function_call`.
    pub legacy_functions: bool,
    /// Parts of the request that a Responses object repeats; set for Responses clients only.
    pub echo: Option<Box<responses::Echo>>,
}

impl Context {
    /// The way back of a streamed request that went out in the client's own format: for making a stream of a whole
    /// answer, when a provider sent one although a stream was asked for.
    #[must_use]
    pub fn unchanged(format: Format, model: &str, include_usage: bool, now: u64, call_id: &str) -> Self {
        Self {
            client: format,
            upstream: format,
            model: model.to_owned(),
            stream: true,
            include_usage,
            show_reasoning: None,
            now,
            call_id: call_id.to_owned(),
            names: ids::Names::default(),
            emulated_schema: false,
            legacy_functions: false,
            echo: None,
        }
    }
}

/// What a request writer needs beside the prompt.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    /// What the model can do.
    pub quirks: &'a Quirks,
}

/// Translates a request into the provider's format.
///
/// # Errors
/// The client's mistakes, and what the provider's format or model cannot say, each with the path of the field.
pub fn request(body: &[u8], job: &Job<'_>) -> Result<Outbound, Fault> {
    let mut notes = Notes::new(job.policy, job.client);
    let mut prompt = read_request(body, job, &mut notes)?;
    prompt.source = Some(job.client);
    check::request(&prompt, job.upstream, &notes)?;
    let echo = (job.client == Format::Responses).then(|| Box::new(responses::Echo::of(&prompt)));
    pairing::pair(&mut prompt, job.upstream, &notes)?;
    let names = ids::Names::fit(&mut prompt, job.upstream);
    let emulated_schema = emulate::schema(&mut prompt, job.upstream, job.quirks, &mut notes)?;
    let body = write_request(&prompt, job, &mut notes)?;
    let context = Context {
        client: job.client,
        upstream: job.upstream,
        model: job.model.to_owned(),
        stream: prompt.stream,
        include_usage: prompt.include_usage,
        show_reasoning: prompt.show_reasoning,
        now: job.now,
        call_id: job.call_id.to_owned(),
        names,
        emulated_schema,
        legacy_functions: prompt.legacy_functions,
        echo,
    };
    Ok(Outbound { body, dropped: notes.into_dropped(), context, stream: prompt.stream })
}

/// Translates a whole answer into the client's format.
///
/// # Errors
/// `UpstreamBroken` when the provider's answer cannot be read, or the provider's own error where it stands in a body
/// with a good status.
pub fn response(body: &[u8], context: &Context) -> Result<Inbound, Fault> {
    write_answer(read_answer(body, context.upstream)?, context)
}

/// Translates a stream that the provider sent although a whole answer was asked for.
///
/// # Errors
/// As [`response`], and `UpstreamBroken` when the stream is truncated.
pub fn response_from_stream(bytes: &[u8], context: &Context) -> Result<Inbound, Fault> {
    whole_of_stream(bytes, context, None)
}

/// The same for a stream that may not say what was used, where that is known all the same.
///
/// # Errors
/// As [`response_from_stream`].
pub fn whole_of_stream(bytes: &[u8], context: &Context, used: Option<Usage>) -> Result<Inbound, Fault> {
    let mut reader = stream::Reader::of(context.upstream);
    let mut decoder = Decoder::new();
    let mut steps = Vec::new();
    decoder.push(bytes);
    while let Some(event) = decoder.next()? {
        reader.read(event, &mut steps)?;
    }
    if let Some(event) = decoder.finish()? {
        reader.read(event, &mut steps)?;
    }
    reader.close(&mut steps);
    for step in &steps {
        match step {
            Delta::Error { fault } => return Err(fault.clone()),
            Delta::End => {
                let mut answer = deltas::join(steps);
                answer.usage = answer.usage.or(used);
                return write_answer(answer, context);
            }
            _ => {}
        }
    }
    Err(notes::broken("the provider's answer ended before it was complete"))
}

fn write_answer(mut answer: Answer, context: &Context) -> Result<Inbound, Fault> {
    way_back::answer(&mut answer, context)?;
    let body = match context.client {
        Format::Chat => chat::response::write(&answer, context),
        Format::Responses => responses::response::write(&answer, context),
        Format::Messages => messages::response::write(&answer, context),
        Format::Generate => generate::response::write(&answer, context),
    }?;
    Ok(Inbound { body, usage: answer.usage })
}

fn read_request(body: &[u8], job: &Job<'_>, notes: &mut Notes) -> Result<Prompt, Fault> {
    match job.client {
        Format::Chat => chat::request::read(body, job.stream, notes),
        Format::Responses => responses::request::read(body, job.stream, notes),
        Format::Messages => messages::request::read(body, job.stream, notes),
        Format::Generate => generate::request::read(body, job.stream, notes),
    }
}

fn write_request(prompt: &Prompt, job: &Job<'_>, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    let target = Target { model: job.model, quirks: job.quirks };
    match job.upstream {
        Format::Chat => chat::request::write(prompt, &target, notes),
        Format::Responses => responses::request::write(prompt, &target, notes),
        Format::Messages => messages::request::write(prompt, &target, notes),
        Format::Generate => generate::request::write(prompt, &target, notes),
    }
}

fn read_answer(body: &[u8], format: Format) -> Result<Answer, Fault> {
    match format {
        Format::Chat => chat::response::read(body),
        Format::Responses => responses::response::read(body),
        Format::Messages => messages::response::read(body),
        Format::Generate => generate::response::read(body),
    }
}

/// The fault that a provider's error says, where it stands in a body or an event instead of an answer.
fn upstream_fault(body: &[u8], format: Format) -> Fault {
    error::read_event(body, format.dialect()).into_fault("that was chosen")
}

#[cfg(test)]
mod tests;
