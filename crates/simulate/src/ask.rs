//! What a request asks for, whatever format it came in.
//!
//! Each format's module reads its own body and fills one of these; everything that decides what to answer looks only
//! here. So the same conversation gets the same words, calls and counts in every dialect, which is what makes the
//! simulator useful as a judge of translations.

use std::borrow::Cow;

use serde_json::Value;

use crate::picture::Picture;
use crate::seed::Digest;
use crate::tokens;

/// A tool that may be called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON schema of its arguments; `None` for a tool that takes free text.
    pub(crate) schema: Option<Value>,
}

/// Whether tools may, must or must not be called.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Choice {
    #[default]
    Auto,
    Never,
    Required,
    Named(String),
}

/// The form the text must have.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Output {
    #[default]
    Text,
    JsonObject,
    Schema(Value),
}

/// One request, understood.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    /// Text of the last user message, where markers are looked for.
    pub(crate) user: Cow<'a, str>,
    /// Results of tools, if the conversation ends with them.
    pub(crate) results: Vec<String>,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// Whether more than one tool may be called at once.
    pub(crate) parallel: bool,
    pub(crate) output: Output,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) thinking: bool,
    /// The beginning of the answer, which goes on with it.
    pub(crate) begun: Cow<'a, str>,
    pub(crate) digest: Digest,
    pub(crate) input_tokens: u64,
    /// Digest and tokens of the prompt up to each place where a cache could cut it.
    pub(crate) prefixes: Vec<(u64, u64)>,
    /// Whether what is written to the cache is kept for an hour.
    pub(crate) long_cache: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(seed: u64, model: Cow<'a, str>) -> Self {
        Self {
            model,
            stream: false,
            user: Cow::Borrowed(""),
            results: Vec::new(),
            pictures: Vec::new(),
            tools: Vec::new(),
            choice: Choice::Auto,
            parallel: true,
            output: Output::Text,
            max_tokens: None,
            stop: Vec::new(),
            thinking: false,
            begun: Cow::Borrowed(""),
            digest: Digest::new(seed),
            input_tokens: tokens::PER_REQUEST,
            prefixes: Vec::new(),
            long_cache: false,
        }
    }

    /// Counts one message in.
    pub(crate) fn message(&mut self) {
        self.input_tokens += tokens::PER_MESSAGE;
    }

    /// Counts text in, of whatever role.
    pub(crate) fn text(&mut self, text: &str) {
        self.digest.absorb(text.as_bytes());
        self.input_tokens += tokens::count(text);
    }

    /// Counts the beginning of the answer in. It changes nothing about what the answer is.
    pub(crate) fn begin(&mut self, text: &'a str) {
        self.begun = Cow::Borrowed(text);
        self.input_tokens += tokens::count(text);
    }

    /// Counts a tool in.
    pub(crate) fn tool(&mut self, name: &str, description: Option<&str>, schema: Option<Value>) {
        self.text(name);
        self.text(description.unwrap_or_default());
        if let Some(schema) = &schema {
            self.text(&schema.to_string());
        }
        self.tools.push(Tool { name: name.to_owned(), schema });
    }

    /// Counts a picture in.
    pub(crate) fn picture(&mut self, picture: Picture) {
        self.digest = self.digest.with(picture.digest);
        self.input_tokens += tokens::image(picture.size);
        self.pictures.push(picture);
    }

    /// Marks a place where `control` (Anthropic's `cache_control`) says that the cache shall cut.
    pub(crate) fn breakpoint(&mut self, control: Option<&Value>) {
        if let Some(control) = control.filter(|control| control.is_object()) {
            self.long_cache |= control["ttl"] == "1h";
            self.cut();
        }
    }

    /// Marks a place where a prompt cache could cut.
    pub(crate) fn cut(&mut self) {
        self.prefixes.push((self.digest.value(), self.input_tokens));
    }
}
