//! What a provider says was used, in every form it is said, and back.
//!
//! Each family counts differently. OpenAI puts cached tokens inside the prompt and thinking inside the completion;
//! Anthropic puts caches beside the input; Gemini puts caches inside the prompt and thinking beside the candidates;
//! copies of OpenAI's format do any of these. A price applied to overlapping counts bills twice or not at all, so
//! everything is mapped to [`Usage`], whose classes are disjoint.
//!
//! Two rules hold for streams. Counts are *cumulative*: a later figure replaces an earlier one, field by field, and a
//! figure that is absent or null replaces nothing. Counts are never summed. The forms in this module
//! ([`ChatUsage`] and its kin) therefore keep what was said field by field ([`ChatUsage::absorb`]), and only
//! [`ChatUsage::usage`] turns the whole into classes.
//!
//! Reading is lenient: a count that is a float, a string or negative, or an object where a list was expected, is
//! treated as not said. It never fails an answer.

mod beside;
mod forms;
mod read;

pub use beside::cites;
pub use forms::{ChatUsage, GenerateUsage, MessagesUsage, ResponsesUsage};

use crate::outline;
use crate::peek::MAX_DEPTH;
use crate::scan::Scanner;
use beside::Beside;
use forms::Form;
use read::{Unread, list, members, object, once};
use sluicegate_vocabulary::{Endpoint, Format, Usage};

/// Reads the `usage` object of chat completions, legacy completions or embeddings. `None` if it says nothing.
#[must_use]
pub fn read_chat(json: &str) -> Option<Usage> {
    ChatUsage::read(json.as_bytes())?.usage()
}

/// Reads the `usage` object of Responses or images. `None` if it says nothing.
#[must_use]
pub fn read_responses(json: &str) -> Option<Usage> {
    ResponsesUsage::read(json.as_bytes())?.usage()
}

/// Reads the `usage` object of Anthropic messages. `None` if it says nothing.
#[must_use]
pub fn read_messages(json: &str) -> Option<Usage> {
    MessagesUsage::read(json.as_bytes())?.usage()
}

/// Reads Gemini's `usageMetadata` object. `None` if it says nothing.
#[must_use]
pub fn read_generate(json: &str) -> Option<Usage> {
    GenerateUsage::read(json.as_bytes())?.usage()
}

/// The `usage` object of chat completions, to be serialised.
#[must_use]
pub fn write_chat(usage: &Usage) -> ChatUsage {
    usage.into()
}

/// The `usage` object of Responses, to be serialised.
#[must_use]
pub fn write_responses(usage: &Usage) -> ResponsesUsage {
    usage.into()
}

/// The `usage` object of Anthropic messages, to be serialised.
#[must_use]
pub fn write_messages(usage: &Usage) -> MessagesUsage {
    usage.into()
}

/// Gemini's `usageMetadata` object, to be serialised.
#[must_use]
pub fn write_generate(usage: &Usage) -> GenerateUsage {
    usage.into()
}

/// The usage in a whole answer of this endpoint, as a provider of the endpoint's own format sent it.
///
/// `None` when the body reports none, is not JSON, or the endpoint counts nothing (model lists, token counting).
/// On [`Endpoint::Passthrough`] the form is recognised by its field names.
#[must_use]
pub fn from_body(endpoint: Endpoint, body: &[u8]) -> Option<Usage> {
    let mut tally = Tally::for_endpoint(endpoint)?;
    let usage = look(body, Some(endpoint)).and_then(|look| look.usage);
    usage.or_else(|| {
        tally.observe(body);
        tally.usage()
    })
}

/// What the relay must know of an answer that goes on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look<'a> {
    /// Its member `error`.
    pub error: Option<&'a [u8]>,
    /// Its member `object`.
    pub object: Option<&'a [u8]>,
    /// What its member `usage` or `usageMetadata` says.
    pub usage: Option<Usage>,
}

/// Looks at the top level of an answer, and into its usage if it is one of this endpoint's own format. `None` where it
/// is not one whole object; only the usage is looked at more closely than for where it ends.
#[must_use]
pub fn look(body: &[u8], endpoint: Option<Endpoint>) -> Option<Look<'_>> {
    let mut look = Look::default();
    let mut tally = endpoint.and_then(Tally::for_endpoint);
    outline::walk(body, |name, walk| {
        match name {
            b"error" => look.error = Some(walk.value()?),
            b"object" => look.object = Some(walk.value()?),
            b"service_tier" | b"output" | b"data" | b"candidates" => {
                let value = walk.value()?;
                if let Some(tally) = &mut tally {
                    tally.beside.member(name, value);
                }
            }
            // Read where it stands, since seeking its end first would be the same work once more.
            b"usage" | b"usageMetadata" => match tally.as_mut().and_then(|tally| tally.take(walk.rest())) {
                Some(length) => walk.pass(length),
                None => walk.value().map(drop)?,
            },
            _ => walk.value().map(drop)?,
        }
        Some(())
    })?;
    look.usage = tally.and_then(|tally| tally.usage());
    Some(look)
}

/// What a stream, or an answer, has said of its usage so far.
#[derive(Debug, Clone)]
pub struct Tally {
    said: Said,
    /// What is told elsewhere than among the counts.
    beside: Beside,
}

/// The counts, in the form in which they come.
#[derive(Debug, Clone)]
enum Said {
    /// Chat completions and what looks like them.
    Chat(ChatUsage),
    /// Responses.
    Responses(ResponsesUsage),
    /// Images, whose counts look like those of Responses.
    Pictures(ResponsesUsage),
    /// Anthropic messages.
    Messages(MessagesUsage),
    /// Gemini.
    Generate(GenerateUsage),
    /// Not known beforehand: recognised by the names of the fields.
    Any(Box<AnyUsage>),
}

/// The forms side by side, for bodies whose format is not known beforehand.
#[derive(Debug, Clone, Default)]
struct AnyUsage {
    chat: ChatUsage,
    responses: ResponsesUsage,
    messages: MessagesUsage,
    generate: GenerateUsage,
}

impl Tally {
    /// Nothing said yet, in this format.
    #[must_use]
    pub fn for_format(format: Format) -> Self {
        Self::new(match format {
            Format::Chat => Said::Chat(ChatUsage::default()),
            Format::Responses => Said::Responses(ResponsesUsage::default()),
            Format::Messages => Said::Messages(MessagesUsage::default()),
            Format::Generate => Said::Generate(GenerateUsage::default()),
        })
    }

    fn new(said: Said) -> Self {
        Self { said, beside: Beside::default() }
    }

    /// Nothing said yet, on this endpoint; `None` for an endpoint that counts nothing.
    #[must_use]
    pub fn for_endpoint(endpoint: Endpoint) -> Option<Self> {
        Some(match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => Self::for_format(Format::Chat),
            Endpoint::Responses => Self::for_format(Format::Responses),
            Endpoint::Images => Self::new(Said::Pictures(ResponsesUsage::default())),
            Endpoint::Messages => Self::for_format(Format::Messages),
            Endpoint::Generate | Endpoint::GenerateStream | Endpoint::GeminiEmbed | Endpoint::GeminiBatchEmbed => {
                Self::for_format(Format::Generate)
            }
            Endpoint::Passthrough | Endpoint::Moderations => Self::new(Said::Any(Box::default())),
            Endpoint::CountTokens | Endpoint::GeminiCountTokens => return None,
            Endpoint::Models | Endpoint::Quota | Endpoint::Key | Endpoint::Usage => return None,
        })
    }

    /// Takes in one event, or a whole body, as JSON text. Text that is not JSON says nothing.
    pub fn observe(&mut self, json: &[u8]) {
        let beside = &mut self.beside;
        match &mut self.said {
            Said::Chat(form) => observe(form, beside, json),
            Said::Responses(form) | Said::Pictures(form) => observe(form, beside, json),
            Said::Messages(form) => observe(form, beside, json),
            Said::Generate(form) => observe(form, beside, json),
            Said::Any(any) => {
                observe(&mut any.chat, beside, json);
                observe(&mut any.responses, beside, json);
                observe(&mut any.messages, beside, json);
                observe(&mut any.generate, beside, json);
            }
        }
    }

    /// Takes in Gemini's usage object itself.
    pub(crate) fn absorb_generate(&mut self, said: &GenerateUsage) {
        if let Said::Generate(form) = &mut self.said {
            form.absorb(said);
        }
    }

    /// Takes in Gemini's grounding of one candidate.
    pub(crate) fn grounded(&mut self, grounding: &[u8]) {
        self.beside.grounded(grounding);
    }

    /// From now on looks out for citations.
    pub(crate) const fn citing(&mut self) {
        self.beside.citing = true;
    }

    /// Whether this says for the first time that pages of the web are cited, and somebody wants to know.
    pub(crate) fn cited_in(&self, json: &[u8]) -> bool {
        self.beside.citing && self.beside.web_searches == 0 && cites(json)
    }

    /// Takes note of pages of the web that are cited, if somebody wants to know.
    pub(crate) fn note_citations(&mut self, json: &[u8]) {
        if self.cited_in(json) {
            self.beside.web_searches = 1;
        }
    }

    /// A search was seen, of which the usage may yet tell.
    pub(crate) const fn saw_search(&mut self) {
        self.beside.seen += 1;
    }

    /// Searches that were told or seen so far.
    pub(crate) fn searches_seen(&self) -> u64 {
        self.beside.seen.max(self.beside.add_to(Usage::default()).web_searches)
    }

    /// Takes in a usage object itself, which is followed by something else. Its length, or `None` if it is none.
    fn take(&mut self, json: &[u8]) -> Option<usize> {
        match &mut self.said {
            Said::Chat(form) => take(form, json),
            Said::Responses(form) | Said::Pictures(form) => take(form, json),
            Said::Messages(form) => take(form, json),
            Said::Generate(form) => take(form, json),
            Said::Any(any) => {
                let chat = take(&mut any.chat, json);
                let responses = take(&mut any.responses, json);
                let messages = take(&mut any.messages, json);
                let generate = take(&mut any.generate, json);
                chat.or(responses).or(messages).or(generate)
            }
        }
    }

    /// What was used as far as is known; `None` if nothing was said.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let counted = match &self.said {
            Said::Chat(form) => form.usage(),
            Said::Responses(form) => form.usage(),
            // What is not told in tokens is billed by the piece.
            Said::Pictures(form) => return form.of_pictures().or_else(|| self.beside.pictures()),
            Said::Messages(form) => form.usage(),
            Said::Generate(form) => form.usage(),
            // Anthropic and Responses share the names of their sums; only Anthropic names its caches beside them.
            Said::Any(any) if any.messages.names_caches() => any.messages.usage(),
            Said::Any(any) => any.generate.usage().or_else(|| any.chat.usage()).or_else(|| any.responses.usage()),
        };
        counted.map(|usage| self.beside.add_to(usage))
    }
}

/// Where events and bodies carry usage. A form finds nothing it knows in a place that is another format's, so one
/// list of places serves all.
struct Envelope<T> {
    /// Groq's closing chunk.
    x_groq: Option<T>,
    /// Responses' closing event.
    response: Option<T>,
    /// Anthropic's `message_start`.
    message: Option<T>,
    /// Chat's closing chunk, bodies of most formats, Anthropic's `message_delta`.
    usage: Option<T>,
    /// Gemini.
    usage_metadata: Option<T>,
}

impl<T: Form> Envelope<T> {
    /// Takes the next value of a text, which must be an object.
    fn take(scanner: &mut Scanner<'_>, beside: &mut Beside) -> Result<Self, Unread> {
        let mut places = [const { None }; 5];
        members(scanner, |scanner, name| {
            let [x_groq, response, message, usage, usage_metadata] = &mut places;
            match name {
                b"x_groq" => once(x_groq, object(scanner, |scanner| inner(scanner, beside))?.flatten()),
                b"response" => once(response, object(scanner, |scanner| inner(scanner, beside))?.flatten()),
                b"message" => once(message, object(scanner, |scanner| inner(scanner, beside))?.flatten()),
                b"usage" => once(usage, object(scanner, T::take)?),
                b"usageMetadata" => once(usage_metadata, object(scanner, T::take)?),
                name => beside.take(name, scanner),
            }
        })?;
        let [x_groq, response, message, usage, usage_metadata] = places.map(Option::flatten);
        Ok(Self { x_groq, response, message, usage, usage_metadata })
    }
}

/// The usage of an object inside an event.
fn inner<T: Form>(scanner: &mut Scanner<'_>, beside: &mut Beside) -> Result<Option<T>, Unread> {
    let mut usage = None;
    members(scanner, |scanner, name| match name {
        b"usage" => once(&mut usage, object(scanner, T::take)?),
        name => beside.take(name, scanner),
    })?;
    Ok(usage.flatten())
}

fn take<T: Form>(form: &mut T, json: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let said = T::take(&mut scanner).ok()?;
    form.merge(&said);
    Some(scanner.position())
}

fn observe<T: Form>(form: &mut T, beside: &mut Beside, json: &[u8]) {
    let mut told = beside.clone();
    // Gemini without `alt=sse` answers a stream as one array.
    let envelopes = read::whole(json, |scanner| match json.trim_ascii_start().first() {
        Some(b'[') => list(scanner, |scanner| Envelope::<T>::take(scanner, &mut told).map(Some)),
        _ => Envelope::take(scanner, &mut told).map(|envelope| vec![envelope]),
    });
    let Ok(envelopes) = envelopes else { return };
    *beside = told;
    for envelope in envelopes {
        let Envelope { x_groq, response, message, usage, usage_metadata } = envelope;
        for said in [x_groq, response, message, usage, usage_metadata].into_iter().flatten() {
            form.merge(&said);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
