//! What one event says, format by format, with as little parsing as its format allows.

use crate::probe::{Name, says};
use crate::usage::{GenerateUsage, Tally};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Dialect, Endpoint};
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

/// The forms of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Chat and text completions: unnamed chunks, `[DONE]`.
    Chat,
    /// Named events with a closing one.
    Responses,
    /// Named events with a closing one.
    Messages,
    /// Unnamed chunks, the last with a finish reason.
    Generate,
    /// Named events with a closing one.
    Images,
}

/// What an event says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing of note.
    Ordinary,
    /// The provider is alive.
    Ping,
    /// Something of note.
    Seen {
        /// The model said something.
        token: bool,
        /// An answer has its finish reason.
        finished: bool,
        /// The closing mark.
        closed: bool,
        /// A chat chunk with usage and no choices.
        usage_only: bool,
    },
    /// The provider's error.
    Error,
    /// Not JSON.
    Broken,
}

impl Finding {
    const NOTHING: Self = Self::Seen { token: false, finished: false, closed: false, usage_only: false };
    pub(super) const TOKEN: Self = Self::Seen { token: true, finished: false, closed: false, usage_only: false };
    const CLOSED: Self = Self::Seen { token: true, finished: true, closed: true, usage_only: false };
}

impl Kind {
    pub(super) const fn of(endpoint: Endpoint) -> Option<Self> {
        Some(match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions => Self::Chat,
            Endpoint::Responses => Self::Responses,
            Endpoint::Messages => Self::Messages,
            Endpoint::Generate | Endpoint::GenerateStream => Self::Generate,
            Endpoint::Images => Self::Images,
            _ => return None,
        })
    }

    pub(super) const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Responses | Self::Images => Dialect::OpenAi,
            Self::Messages => Dialect::Anthropic,
            Self::Generate => Dialect::Gemini,
        }
    }

    /// Looks at the data of an event in passing. A chat chunk that must be parsed is left to [`Kind::look`], so that it
    /// is parsed once.
    pub(super) fn glance(self, name: Option<&[u8]>, data: &[u8], want_token: bool, tally: &mut Tally) -> Finding {
        match self {
            Self::Chat if want_token || !has_braces(data) || tells(data) || tally.cited_in(data) => Finding::NOTHING,
            Self::Chat => Finding::Ordinary,
            _ => self.look(name, data, want_token, tally),
        }
    }

    /// Looks at the data of an event. `want_token`: whether the first token is still awaited.
    pub(super) fn look(self, name: Option<&[u8]>, data: &[u8], want_token: bool, tally: &mut Tally) -> Finding {
        if data.starts_with(b"[DONE]") {
            // Only chat streams end so; elsewhere it is a compatible server's ornament.
            return if self == Self::Chat { Finding::CLOSED } else { Finding::Ping };
        }
        match self {
            Self::Chat => chat(data, want_token, tally),
            Self::Generate => generate(data, tally),
            Self::Responses | Self::Messages | Self::Images => self.named(name, data, tally),
        }
    }

    /// Events that say by their name what they are.
    fn named(self, name: Option<&[u8]>, data: &[u8], tally: &mut Tally) -> Finding {
        if !has_braces(data) {
            return Finding::Broken;
        }
        let typed;
        let name = match name {
            Some(name) => name,
            None => match parse::<Typed<'_>>(data) {
                Parsed::Read(event) if event.r#type.is_none() && event.error.0 => return Finding::Error,
                Parsed::Read(event) => {
                    typed = event.r#type.unwrap_or_default();
                    typed.as_bytes()
                }
                Parsed::OtherJson => return Finding::Ordinary,
                Parsed::NotJson => return Finding::Broken,
            },
        };
        let (finding, tells_usage) = match (self, name) {
            (_, b"error") | (Self::Responses, b"response.failed") => (Finding::Error, true),
            (Self::Responses, b"response.completed" | b"response.incomplete") => (Finding::CLOSED, true),
            (Self::Responses, name) if name.ends_with(b".delta") => (Finding::TOKEN, false),
            (Self::Responses, b"response.web_search_call.completed") => {
                tally.saw_search();
                (Finding::Ordinary, false)
            }
            (Self::Messages, b"ping") => (Finding::Ping, false),
            (Self::Messages, b"message_start" | b"message_delta") => (Finding::NOTHING, true),
            (Self::Messages, b"content_block_delta") => (Finding::TOKEN, false),
            (Self::Messages, b"content_block_start") => {
                if SERVER_TOOL.find(data).is_some() && WEB_SEARCH.find(data).is_some() {
                    tally.saw_search();
                }
                (Finding::Ordinary, false)
            }
            (Self::Messages, b"message_stop") => (Finding::CLOSED, false),
            (Self::Images, name) if name.ends_with(b".completed") => (Finding::CLOSED, true),
            (Self::Images, name) if name.ends_with(b".partial_image") => (Finding::TOKEN, false),
            _ => (Finding::Ordinary, false),
        };
        if tells_usage {
            if !is_json(data) {
                return Finding::Broken;
            }
            tally.observe(data);
        }
        finding
    }
}

static USAGE: Name = LazyLock::new(|| Finder::new(b"\"usage\""));
static FINISH: Name = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
static ERROR: Name = LazyLock::new(|| Finder::new(b"\"error\""));
static SERVER_TOOL: Name = LazyLock::new(|| Finder::new(b"\"server_tool_use\""));
static WEB_SEARCH: Name = LazyLock::new(|| Finder::new(b"\"web_search\""));

/// Whether a chat chunk has a word that matters.
fn tells(data: &[u8]) -> bool {
    says(data, &FINISH) || says(data, &USAGE) || says(data, &ERROR)
}

/// A chat chunk is parsed only while the first token is awaited, and when a probe finds a word that matters.
fn chat(data: &[u8], want_token: bool, tally: &mut Tally) -> Finding {
    if !has_braces(data) {
        return Finding::Broken;
    }
    if !want_token && !tells(data) && !tally.cited_in(data) {
        return Finding::Ordinary;
    }
    let chunk = match parse::<Chunk>(data) {
        Parsed::Read(chunk) => chunk,
        Parsed::OtherJson => return Finding::Ordinary,
        Parsed::NotJson => return Finding::Broken,
    };
    if chunk.error.0 {
        return Finding::Error;
    }
    if says(data, &USAGE) {
        tally.observe(data);
    }
    tally.note_citations(data);
    let choices = chunk.choices.as_deref();
    Finding::Seen {
        token: choices.is_some_and(|choices| choices.iter().any(Choice::says_something)),
        finished: choices.is_some_and(|choices| choices.iter().any(|choice| choice.finish_reason.0)),
        closed: false,
        usage_only: chunk.usage.0 && choices.is_some_and(<[Choice]>::is_empty),
    }
}

/// Gemini's chunks are few and nearly all carry usage, so each is parsed.
fn generate(data: &[u8], tally: &mut Tally) -> Finding {
    let mut seen = (false, false);
    let mut note = |chunk: GenerateChunk<'_>| {
        if chunk.error.0 {
            return false;
        }
        let said = chunk.usage_metadata.and_then(|raw| GenerateUsage::read(raw.get().as_bytes()));
        if let Some(said) = said {
            tally.absorb_generate(&said);
        }
        for candidate in chunk.candidates.unwrap_or_default() {
            if let Some(grounding) = candidate.grounding_metadata {
                tally.grounded(grounding.get().as_bytes());
            }
            seen.0 |= candidate.content.is_some_and(|content| content.parts.0);
            seen.1 |= candidate.finish_reason.0;
        }
        seen.1 |= chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.0);
        true
    };
    let parsed = match data.first() {
        Some(b'{') => match parse::<GenerateChunk<'_>>(data) {
            Parsed::Read(chunk) => note(chunk),
            Parsed::OtherJson => return Finding::Ordinary,
            Parsed::NotJson => return Finding::Broken,
        },
        // Without `alt=sse` the stream is one array.
        _ => match parse::<Vec<GenerateChunk<'_>>>(data) {
            Parsed::Read(chunks) => chunks.into_iter().all(note),
            Parsed::OtherJson | Parsed::NotJson => return Finding::Broken,
        },
    };
    if !parsed {
        return Finding::Error;
    }
    Finding::Seen { token: seen.0, finished: seen.1, closed: false, usage_only: false }
}

/// The cheap half of being a JSON object. What is cut off inside fails it almost always.
fn has_braces(data: &[u8]) -> bool {
    data.first() == Some(&b'{') && data.last() == Some(&b'}')
}

/// Whether the text is JSON from beginning to end.
pub(super) fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// The result of reading leniently.
enum Parsed<T> {
    Read(T),
    /// JSON in which the members we know have types we do not.
    OtherJson,
    NotJson,
}

fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Parsed<T> {
    match serde_json::from_slice(data) {
        Ok(value) => Parsed::Read(value),
        Err(_) if is_json(data) => Parsed::OtherJson,
        Err(_) => Parsed::NotJson,
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(default)]
    error: Filled,
}

/// A chunk of chat or text completions.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    error: Filled,
    #[serde(default)]
    usage: Filled,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    finish_reason: Filled,
    /// Text completions.
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    delta: Option<Delta>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Delta {
    content: Filled,
    reasoning_content: Filled,
    reasoning: Filled,
    refusal: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
}

impl Choice {
    fn says_something(&self) -> bool {
        let spoken = |delta: &Delta| {
            [
                delta.content,
                delta.reasoning_content,
                delta.reasoning,
                delta.refusal,
                delta.tool_calls,
                delta.function_call,
                delta.audio,
            ]
            .contains(&Filled(true))
        };
        self.text.0 || self.delta.as_ref().is_some_and(spoken)
    }
}

/// A chunk of Gemini's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerateChunk<'a> {
    #[serde(default)]
    error: Filled,
    #[serde(default, borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default, borrow)]
    grounding_metadata: Option<&'a RawValue>,
    #[serde(default)]
    finish_reason: Filled,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Filled,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Filled,
}

/// Whether a member says anything, whatever its type: null, false and the empty text, list and object do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Filled(bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fill)
    }
}

struct Fill;

impl<'de> Visitor<'de> for Fill {
    type Value = Filled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E>(self) -> Result<Filled, E> {
        Ok(Filled(false))
    }
    fn visit_bool<E>(self, v: bool) -> Result<Filled, E> {
        Ok(Filled(v))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Filled, E> {
        Ok(Filled(true))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Filled, E> {
        Ok(Filled(true))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Filled, E> {
        Ok(Filled(true))
    }
    fn visit_str<E>(self, v: &str) -> Result<Filled, E> {
        Ok(Filled(!v.is_empty()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Filled, A::Error> {
        let mut filled = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            filled = true;
        }
        Ok(Filled(filled))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
        let mut filled = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            filled = true;
        }
        Ok(Filled(filled))
    }
}
