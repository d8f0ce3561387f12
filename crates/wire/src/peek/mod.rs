//! A look into a request body without building it.
//!
//! The relay needs few things of a body: which model, whether to stream, how much output at most, how much input, and
//! in which tier.
//! Parsing a document for that would cost more than all else the relay does, and writing it anew would change bytes
//! that a provider caches by. So one pass finds where these values stand, checks that the *whole* body is JSON, and
//! leaves the bytes alone; [`crate::splice`] exchanges the model in place later.
//!
//! The check is strict because two parsers must not disagree: a body that we read one way and the provider another
//! way could name two models. So a key that we read may stand once only, however it is spelled (`"mod\u0065l"` is
//! `"model"`), and what is not JSON, not UTF-8 or nests too deep is refused with the offset of the fault. What we do not
//! read is not judged: a wrong type there is the provider's to refuse, in its own words.

use crate::scan::{Flaw, Kind, Quoted, Refusal, Scanner, Value, digits, unquote};
use sluicegate_vocabulary::{Endpoint, Fault, FaultKind};
use std::borrow::Cow;
use std::ops::Range;

/// Nesting depth allowed by default.
pub const MAX_DEPTH: usize = 128;

/// Longest model name in bytes: names are compared, logged and counted.
const MAX_MODEL: usize = 512;

/// What a body says, as far as the relay must know. Offsets point into the body that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The answer is wanted as a stream.
    pub stream: bool,
    /// The client asked for a usage chunk at the end of its stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Most output tokens the client allows, if it says.
    pub max_output: Option<u64>,
    /// How many answers the client wants (`n`), if it says a whole number.
    pub choices: Option<u64>,
    /// Bytes of `messages`, `input`, `prompt` or `contents` as they stand in the body; 0 if absent.
    pub input_bytes: usize,
    /// The string that names a service tier, quotes included.
    pub(crate) tier: Option<Range<usize>>,
    /// The offset just after the opening brace.
    pub(crate) inside: usize,
    /// The object has no members.
    pub(crate) empty: bool,
    /// The model belongs into the body here, not into the path.
    pub(crate) model_in_body: bool,
    /// The model string, quotes included.
    pub(crate) model: Option<Range<usize>>,
    pub(crate) stream_options: Option<StreamOptions>,
}

/// Where `stream_options` stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamOptions {
    /// It is null.
    Null(Range<usize>),
    /// An object without `include_usage`: the offset just after its brace, and whether it has no members.
    Without { inside: usize, empty: bool },
    /// An object with it: where the value of `include_usage` stands.
    With(Range<usize>),
}

impl Head {
    /// The model the body names, or `None` if it names none. `body` must be the bytes that were looked at.
    #[must_use]
    pub fn model<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        let quoted = body.get(self.model.clone()?)?;
        unquote(quoted)
    }

    /// The service tier the body names, or `None` if it names none. `body` must be the bytes that were looked at.
    #[must_use]
    pub fn service_tier<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        unquote(body.get(self.tier.clone()?)?)
    }
}

/// What a key of the top level means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Model,
    Stream,
    StreamOptions,
    MaxOutput,
    /// The newer name of [`Field::MaxOutput`]; it wins.
    MaxCompletion,
    Choices,
    Tier,
    GenerationConfig,
    Input(Shape),
}

impl Field {
    /// A bit of its own for each, to notice duplicates.
    const fn bit(self) -> u16 {
        match self {
            Self::Model => 1,
            Self::Stream => 1 << 1,
            Self::StreamOptions => 1 << 2,
            Self::MaxOutput => 1 << 3,
            Self::MaxCompletion => 1 << 4,
            Self::GenerationConfig => 1 << 5,
            Self::Input(_) => 1 << 6,
            Self::Choices => 1 << 7,
            Self::Tier => 1 << 8,
        }
    }
}

/// What an endpoint's input must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Any,
    Array,
    Text,
    TextOrArray,
}

/// What an endpoint's body holds for us.
struct Layout {
    /// The keys we read.
    fields: &'static [(&'static str, Field)],
    /// Those without which the request means nothing here.
    required: &'static [(&'static str, Field)],
    /// The model belongs into the body.
    model_in_body: bool,
}

const MODEL: (&str, Field) = ("model", Field::Model);
const STREAM: (&str, Field) = ("stream", Field::Stream);
const STREAM_OPTIONS: (&str, Field) = ("stream_options", Field::StreamOptions);
const MAX_TOKENS: (&str, Field) = ("max_tokens", Field::MaxOutput);
const MAX_COMPLETION: (&str, Field) = ("max_completion_tokens", Field::MaxCompletion);
const CHOICES: (&str, Field) = ("n", Field::Choices);
const TIER: (&str, Field) = ("service_tier", Field::Tier);
const MESSAGES: (&str, Field) = ("messages", Field::Input(Shape::Array));
const INPUT: (&str, Field) = ("input", Field::Input(Shape::TextOrArray));
const CONTENTS: (&str, Field) = ("contents", Field::Input(Shape::Any));

const CHAT: Layout = Layout {
    fields: &[MODEL, MESSAGES, STREAM, STREAM_OPTIONS, MAX_TOKENS, MAX_COMPLETION, CHOICES, TIER],
    required: &[MODEL, MESSAGES],
    model_in_body: true,
};
const COMPLETIONS: Layout = Layout {
    fields: &[MODEL, ("prompt", Field::Input(Shape::Any)), STREAM, STREAM_OPTIONS, MAX_TOKENS, CHOICES],
    required: &[MODEL],
    model_in_body: true,
};
// A stored prompt may stand in for the input, so only the model is needed.
const RESPONSES: Layout = Layout {
    fields: &[MODEL, INPUT, STREAM, ("max_output_tokens", Field::MaxOutput), TIER],
    required: &[MODEL],
    model_in_body: true,
};
const EMBEDDINGS: Layout = Layout { fields: &[MODEL, INPUT], required: &[MODEL, INPUT], model_in_body: true };
const IMAGES: Layout =
    Layout { fields: &[MODEL, ("prompt", Field::Input(Shape::Text)), STREAM], required: &[], model_in_body: true };
const MODERATIONS: Layout =
    Layout { fields: &[MODEL, ("input", Field::Input(Shape::Any))], required: &[], model_in_body: true };
const ANTHROPIC: Layout =
    Layout { fields: &[MODEL, MESSAGES, STREAM, MAX_TOKENS, TIER], required: &[MODEL, MESSAGES], model_in_body: true };
const COUNT_TOKENS: Layout = Layout { fields: &[MODEL, MESSAGES], required: &[MODEL, MESSAGES], model_in_body: true };
const GENERATE: Layout = Layout {
    fields: &[
        CONTENTS,
        ("generationConfig", Field::GenerationConfig),
        ("generation_config", Field::GenerationConfig),
        ("serviceTier", Field::Tier),
        TIER,
    ],
    required: &[],
    model_in_body: false,
};
const GEMINI_OTHER: Layout = Layout {
    fields: &[CONTENTS, ("content", Field::Input(Shape::Any)), ("requests", Field::Input(Shape::Any))],
    required: &[],
    model_in_body: false,
};
// Whatever the provider's own endpoint is: its rules are the provider's.
const OTHER: Layout = Layout { fields: &[MODEL, STREAM], required: &[], model_in_body: true };

const fn layout(endpoint: Endpoint) -> &'static Layout {
    match endpoint {
        Endpoint::ChatCompletions => &CHAT,
        Endpoint::Completions => &COMPLETIONS,
        Endpoint::Responses => &RESPONSES,
        Endpoint::Embeddings => &EMBEDDINGS,
        Endpoint::Images => &IMAGES,
        Endpoint::Moderations => &MODERATIONS,
        Endpoint::Messages => &ANTHROPIC,
        Endpoint::CountTokens => &COUNT_TOKENS,
        Endpoint::Generate | Endpoint::GenerateStream => &GENERATE,
        Endpoint::GeminiCountTokens | Endpoint::GeminiEmbed | Endpoint::GeminiBatchEmbed => &GEMINI_OTHER,
        Endpoint::Models | Endpoint::Passthrough | Endpoint::Quota | Endpoint::Key | Endpoint::Usage => &OTHER,
    }
}

/// Looks into the body of a request to this endpoint. `max_depth` bounds the nesting of brackets ([`MAX_DEPTH`] is
/// the usual value).
///
/// # Errors
///
/// [`FaultKind::BadRequest`] with a sentence and, where a field is at fault, its name: the body is not JSON or not an
/// object, nests too deep, names a field twice that we read, gives it a type it cannot have, or lacks one that the
/// endpoint needs.
pub fn peek(body: &[u8], endpoint: Endpoint, max_depth: usize) -> Result<Head, Fault> {
    let layout = layout(endpoint);
    let mut look = Look {
        body,
        head: Head {
            stream: endpoint == Endpoint::GenerateStream,
            include_usage: false,
            max_output: None,
            choices: None,
            input_bytes: 0,
            tier: None,
            inside: 0,
            empty: true,
            model_in_body: layout.model_in_body,
            model: None,
            stream_options: None,
        },
        max_completion: None,
        seen: 0,
    };
    let mut scanner = Scanner::new(body, max_depth);
    look.whole(&mut scanner, layout).map_err(|stop| stop.into_fault(max_depth))?;
    for (name, field) in layout.required {
        if look.seen & field.bit() == 0 {
            return Err(bad(name, format!("`{name}` is required and is missing")));
        }
    }
    look.head.max_output = look.max_completion.or(look.head.max_output);
    Ok(look.head)
}

/// Why a look ended early: not JSON, or JSON that says something it may not.
enum Stop {
    Json(Refusal),
    Fault(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Json(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    fn into_fault(self, max_depth: usize) -> Fault {
        let (flaw, at) = match self {
            Self::Fault(fault) => return fault,
            Self::Json(refusal) => refusal,
        };
        let sentence = match flaw {
            Flaw::Truncated => format!("the body is not complete JSON: it ends at byte {at} inside a value"),
            Flaw::Unexpected => format!("the body is not valid JSON: unexpected character at byte {at}"),
            Flaw::Trailing => format!("the body is not valid JSON: more text follows the value at byte {at}"),
            Flaw::TooDeep => format!("the body nests deeper than {max_depth} levels at byte {at}"),
            Flaw::Control => {
                format!("the body is not valid JSON: a control character in a string at byte {at} must be escaped")
            }
            Flaw::NotUtf8 => format!("the body is not valid UTF-8 at byte {at}"),
            Flaw::LoneSurrogate => {
                format!("the body is not valid Unicode: the escape at byte {at} is half of a surrogate pair")
            }
        };
        Fault::new(FaultKind::BadRequest, sentence)
    }
}

fn bad(param: &'static str, sentence: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::BadRequest, sentence).param(param)
}

/// The meaning of a key, however it is spelled.
#[inline]
fn field(layout: &Layout, scanner: &Scanner<'_>, key: &Quoted) -> Option<(&'static str, Field)> {
    let name = scanner.name(key)?;
    layout.fields.iter().find(|(known, _)| known.as_bytes() == &*name).copied()
}

/// A look under way.
struct Look<'a> {
    body: &'a [u8],
    head: Head,
    max_completion: Option<u64>,
    /// The bits of the fields met.
    seen: u16,
}

impl Look<'_> {
    fn whole(&mut self, scanner: &mut Scanner<'_>, layout: &Layout) -> Result<(), Stop> {
        if self.body.trim_ascii().is_empty() {
            return Err(Fault::new(FaultKind::BadRequest, "the body is empty; a JSON object is needed").into());
        }
        if scanner.kind()? != Kind::Object {
            scanner.value()?;
            scanner.end()?;
            return Err(Fault::new(FaultKind::BadRequest, "the body must be a JSON object").into());
        }
        self.head.inside = scanner.position() + 1;
        scanner.object(|scanner, key| {
            self.head.empty = false;
            match field(layout, scanner, &key) {
                Some((name, field)) => self.member(scanner, name, field),
                None => scanner.value().map(drop).map_err(Stop::Json),
            }
        })?;
        Ok(scanner.end()?)
    }

    fn member(&mut self, scanner: &mut Scanner<'_>, name: &'static str, field: Field) -> Result<(), Stop> {
        if self.seen & field.bit() != 0 {
            return Err(bad(name, format!("`{name}` is given twice; which one is meant is not clear")).into());
        }
        if field == Field::StreamOptions {
            self.seen |= field.bit();
            return self.stream_options(scanner);
        }
        if field == Field::GenerationConfig {
            self.seen |= field.bit();
            return self.generation_config(scanner, name);
        }
        let value = scanner.value()?;
        // A null is an absence, except that it may not hide a second mention.
        self.seen |= field.bit();
        match field {
            Field::Model => self.model(value)?,
            Field::Stream => {
                self.head.stream = match value.kind {
                    Kind::True => true,
                    Kind::False | Kind::Null => false,
                    _ => return Err(bad(name, "`stream` must be true or false").into()),
                }
            }
            Field::MaxOutput => self.head.max_output = self.count(name, &value)?,
            Field::MaxCompletion => self.max_completion = self.count(name, &value)?,
            // Whether it is allowed is the provider's to say.
            Field::Choices => self.head.choices = self.count(name, &value).ok().flatten(),
            Field::Tier => self.head.tier = (value.kind == Kind::String).then_some(value.span),
            Field::Input(shape) => {
                self.input(name, shape, &value)?;
                self.head.input_bytes = value.span.len();
            }
            Field::StreamOptions | Field::GenerationConfig => {}
        }
        Ok(())
    }

    fn model(&mut self, value: Value) -> Result<(), Fault> {
        if value.kind != Kind::String {
            return Err(bad("model", "`model` must be a string"));
        }
        if value.span.len() > MAX_MODEL + 2 {
            return Err(bad("model", format!("`model` is longer than {MAX_MODEL} bytes")));
        }
        self.head.model = Some(value.span);
        match self.head.model(self.body) {
            Some(name) if name.trim().is_empty() => Err(bad("model", "`model` must not be empty")),
            Some(name) if name.chars().any(char::is_control) => {
                Err(bad("model", "`model` must not contain control characters"))
            }
            Some(_) => Ok(()),
            None => Err(bad("model", "`model` is not a valid string")),
        }
    }

    fn input(&self, name: &'static str, shape: Shape, value: &Value) -> Result<(), Fault> {
        let (fits, what) = match shape {
            Shape::Any => (true, ""),
            Shape::Array => (value.kind == Kind::Array, "an array"),
            Shape::Text => (value.kind == Kind::String, "a string"),
            Shape::TextOrArray => (matches!(value.kind, Kind::String | Kind::Array), "a string or an array"),
        };
        if fits { Ok(()) } else { Err(bad(name, format!("`{name}` must be {what}"))) }
    }

    /// A count of tokens: a whole number, also when it is written as a float. Null says nothing.
    fn count(&self, name: &'static str, value: &Value) -> Result<Option<u64>, Fault> {
        let text = self.body.get(value.span.clone()).unwrap_or_default();
        match value.kind {
            Kind::Null => Ok(None),
            Kind::Number => digits(text)
                .or_else(|| whole(text))
                .map(Some)
                .ok_or_else(|| bad(name, format!("`{name}` must be a whole number that is not negative"))),
            _ => Err(bad(name, format!("`{name}` must be a whole number"))),
        }
    }

    fn stream_options(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        match scanner.kind()? {
            Kind::Object => {}
            Kind::Null => {
                self.head.stream_options = Some(StreamOptions::Null(scanner.value()?.span));
                return Ok(());
            }
            _ => return Err(bad("stream_options", "`stream_options` must be an object").into()),
        }
        let inside = scanner.position() + 1;
        let mut empty = true;
        let mut found: Option<Value> = None;
        scanner.object(|scanner, key| {
            empty = false;
            let name = scanner.name(&key);
            let value = scanner.value()?;
            if name.as_deref() != Some(b"include_usage") {
                return Ok(());
            }
            let param = "stream_options.include_usage";
            if found.is_some() {
                return Err(bad(param, format!("`{param}` is given twice; which one is meant is not clear")).into());
            }
            if !matches!(value.kind, Kind::True | Kind::False | Kind::Null) {
                return Err(bad(param, format!("`{param}` must be true or false")).into());
            }
            found = Some(value);
            Ok::<(), Stop>(())
        })?;
        self.head.include_usage = found.as_ref().is_some_and(|value| value.kind == Kind::True);
        self.head.stream_options = Some(match found {
            Some(value) => StreamOptions::With(value.span),
            None => StreamOptions::Without { inside, empty },
        });
        Ok(())
    }

    fn generation_config(&mut self, scanner: &mut Scanner<'_>, name: &'static str) -> Result<(), Stop> {
        match scanner.kind()? {
            Kind::Object => {}
            Kind::Null => return scanner.value().map(drop).map_err(Stop::Json),
            _ => return Err(bad(name, format!("`{name}` must be an object")).into()),
        }
        let mut found = false;
        scanner.object(|scanner, key| {
            let name = scanner.name(&key);
            let value = scanner.value()?;
            if !matches!(name.as_deref(), Some(b"maxOutputTokens" | b"max_output_tokens")) {
                return Ok(());
            }
            let param = "generationConfig.maxOutputTokens";
            if std::mem::replace(&mut found, true) {
                return Err(bad(param, format!("`{param}` is given twice; which one is meant is not clear")).into());
            }
            self.head.max_output = self.count(param, &value)?;
            Ok::<(), Stop>(())
        })
    }
}

/// A whole number that is not negative, however it is written.
fn whole(number: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(number).ok()?;
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && (0.0..1e18).contains(&float)).then_some(float as u64)
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
