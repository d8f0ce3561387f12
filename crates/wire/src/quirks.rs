//! What each model can do, as data.
//!
//! Capability depends on the model, not on the provider: one Claude refuses `temperature`, another a forced tool, a
//! third a thinking budget. So there is a table of patterns on model ids, each entry with the fields in which its
//! models differ from what the entries above it say. It is a bundled file, and an operator can add to it without a new
//! binary, because models appear faster than releases.
//!
//! An entry applies where one of its `models` patterns fits the provider's name of the model, upper and lower case
//! alike (`*` stands for any text, `?` for one character), and where `providers`, if it is given, lists the
//! provider's kind. Later entries win, field by field. `why` is for people.

use crate::resume::Continues;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;

/// The table that comes with the binary.
const BUNDLED: &str = include_str!("../data/quirks.json");

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// It cannot be told.
    None,
    /// OpenAI's `reasoning_effort`.
    Effort,
    /// Anthropic's `thinking: enabled` with a budget of tokens; Gemini's `thinkingBudget`.
    Budget,
    /// Anthropic's `thinking: adaptive` with `output_config.effort`.
    Adaptive,
    /// Anthropic's `thinking: between_tools` with `output_config.effort`.
    BetweenTools,
    /// Gemini's `thinkingLevel`.
    Level,
    /// DeepSeek's `thinking: enabled | disabled` beside `reasoning_effort`.
    Switch,
}

/// The name of the cap on output in chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensParam {
    /// `max_tokens`, which every OpenAI-compatible server knows.
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

/// What one model can do and how it wants to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Quirks {
    /// `temperature`, `top_p` and `top_k` are accepted.
    pub sampling_params: bool,
    /// `temperature` and `top_p` may be sent together.
    pub temperature_with_top_p: bool,
    /// The highest temperature accepted.
    pub temperature_max: f64,
    /// A tool may be forced (`required`, or a named one).
    pub forced_tool_choice: bool,
    /// The last message may be the assistant's, to be continued.
    pub prefill: bool,
    /// How it is asked to go on with the beginning of an answer of its own. Never where it takes no prefill.
    pub continues: Continues,
    /// How it is told to think.
    pub thinking: Thinking,
    /// Thinking may be turned off explicitly.
    pub disable_thinking: bool,
    /// The efforts it knows, from least to most; empty when it has none.
    pub efforts: Vec<String>,
    /// The name of the cap on output.
    pub max_tokens_param: MaxTokensParam,
    /// The cap sent where the format needs one and the caller gave none. Tokens.
    pub default_max_output: u64,
    /// The highest cap accepted. Tokens.
    pub max_output: Option<u64>,
    /// System messages may stand inside the conversation.
    pub mid_system: bool,
    /// Output can be bound to a JSON schema.
    pub json_schema: bool,
    /// Images may be given by address.
    pub url_images: bool,
    /// Instructions go in a `developer` message rather than a `system` message.
    pub developer_role: bool,
    /// Function tools are accepted on chat completions while the model reasons.
    pub chat_tools_with_reasoning: bool,
    /// A streamed chat completion can be asked for usage with `stream_options`.
    pub stream_usage: bool,
    /// Thinking must be sent back as `reasoning_content` with the turns that called tools.
    pub reasoning_history: bool,
    /// Function calls carry a thought signature that must come back (Gemini 3 and later).
    pub thought_signatures: bool,
    /// JSON schemas are taken whole (`parametersJsonSchema`, `responseJsonSchema`) rather than as the OpenAPI subset.
    pub whole_schemas: bool,
    /// It searches the web for every answer, once, and bills it so.
    pub searches: bool,
    /// The `anthropic-version` to send.
    pub anthropic_version: String,
}

impl Default for Quirks {
    /// A plain OpenAI-compatible model that does what it is told.
    fn default() -> Self {
        Self {
            sampling_params: true,
            temperature_with_top_p: true,
            temperature_max: 2.0,
            forced_tool_choice: true,
            prefill: true,
            continues: Continues::No,
            thinking: Thinking::None,
            disable_thinking: true,
            efforts: Vec::new(),
            max_tokens_param: MaxTokensParam::MaxTokens,
            default_max_output: 32_000,
            max_output: None,
            mid_system: false,
            json_schema: true,
            url_images: true,
            developer_role: false,
            chat_tools_with_reasoning: true,
            stream_usage: true,
            reasoning_history: false,
            thought_signatures: false,
            whole_schemas: true,
            searches: false,
            anthropic_version: "2023-06-01".to_owned(),
        }
    }
}

/// One entry of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    models: Vec<String>,
    providers: Option<Vec<String>>,
    #[serde(rename = "why")]
    _why: Option<String>,
    sampling_params: Option<bool>,
    temperature_with_top_p: Option<bool>,
    temperature_max: Option<f64>,
    forced_tool_choice: Option<bool>,
    prefill: Option<bool>,
    continues: Option<Continues>,
    thinking: Option<Thinking>,
    disable_thinking: Option<bool>,
    efforts: Option<Vec<String>>,
    max_tokens_param: Option<MaxTokensParam>,
    default_max_output: Option<u64>,
    max_output: Option<u64>,
    mid_system: Option<bool>,
    json_schema: Option<bool>,
    url_images: Option<bool>,
    developer_role: Option<bool>,
    chat_tools_with_reasoning: Option<bool>,
    stream_usage: Option<bool>,
    reasoning_history: Option<bool>,
    thought_signatures: Option<bool>,
    whole_schemas: Option<bool>,
    searches: Option<bool>,
    anthropic_version: Option<String>,
}

impl Entry {
    fn fits(&self, provider: &str, model: &str) -> bool {
        self.providers.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == provider))
            && self.models.iter().any(|pattern| matches(pattern, model))
    }

    fn apply(&self, quirks: &mut Quirks) {
        /// Takes over each field that the entry gives.
        macro_rules! take {
            ($($field:ident),*) => { $(if let Some(value) = &self.$field { quirks.$field.clone_from(value); })* };
        }
        take!(
            sampling_params,
            temperature_with_top_p,
            temperature_max,
            forced_tool_choice,
            prefill,
            continues,
            thinking,
            disable_thinking,
            efforts,
            max_tokens_param,
            default_max_output,
            mid_system,
            json_schema,
            url_images,
            developer_role,
            chat_tools_with_reasoning,
            stream_usage,
            reasoning_history,
            thought_signatures,
            whole_schemas,
            searches,
            anthropic_version
        );
        quirks.max_output = self.max_output.or(quirks.max_output);
        if !quirks.prefill {
            quirks.continues = Continues::No;
        }
    }
}

/// Quirks by pattern on the model's id.
#[derive(Debug, Clone, Default)]
pub struct Table {
    entries: Vec<Entry>,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Which entry, counted from 1, and the models it names; `None` when the file as a whole cannot be read.
    pub entry: Option<(usize, String)>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some((number, models)) => write!(f, "entry {number} ({models}): {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for TableError {}

impl Table {
    /// The table that comes with the binary.
    #[must_use]
    pub fn bundled() -> Self {
        // A test reads the bundled file, so the fallback is never met.
        Self::parse(BUNDLED).unwrap_or_default()
    }

    /// The bundled table with an operator's entries behind it, so that theirs win.
    ///
    /// # Errors
    /// The first entry that cannot be read.
    pub fn bundled_and(text: &str) -> Result<Self, TableError> {
        let mut table = Self::bundled();
        table.entries.extend(Self::parse(text)?.entries);
        Ok(table)
    }

    /// A table from its JSON text: a list of entries.
    ///
    /// # Errors
    /// The first entry that cannot be read.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let raw: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|e| TableError { entry: None, message: format!("the file is not a JSON list of entries: {e}") })?;
        let mut entries = Vec::with_capacity(raw.len());
        for (number, raw) in (1..).zip(raw) {
            entries.push(entry(number, raw)?);
        }
        Ok(Self { entries })
    }

    /// What this model can do. `provider` is the provider's kind, as the configuration spells it.
    #[must_use]
    pub fn for_model(&self, provider: &str, model: &str) -> Quirks {
        let mut quirks = Quirks::default();
        for entry in self.entries.iter().filter(|entry| entry.fits(provider, model)) {
            entry.apply(&mut quirks);
        }
        quirks
    }
}

fn entry(number: usize, raw: &RawValue) -> Result<Entry, TableError> {
    /// Only what names the entry in a message.
    #[derive(Deserialize)]
    struct Named {
        models: Vec<String>,
    }
    let names = serde_json::from_str::<Named>(raw.get()).map(|named| named.models.join(", "));
    let wrong = |message: String| TableError {
        entry: Some((number, names.unwrap_or_else(|_| "no `models`".to_owned()))),
        message,
    };
    match serde_json::from_str::<Entry>(raw.get()) {
        Err(e) => Err(wrong(e.to_string())),
        Ok(entry) if entry.models.is_empty() => Err(wrong("`models` names no pattern".to_owned())),
        Ok(entry) if entry.temperature_max.is_some_and(|most| !(0.0..=2.0).contains(&most)) => {
            Err(wrong("`temperature_max` must lie between 0 and 2".to_owned()))
        }
        Ok(entry) if entry.max_output == Some(0) || entry.default_max_output == Some(0) => {
            Err(wrong("`max_output` and `default_max_output` must be 1 or more".to_owned()))
        }
        Ok(entry) => Ok(entry),
    }
}

/// Whether the pattern fits the whole text. Linear but for one step back at each `*`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stood, and up to where it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, swallowed)) => {
                    *swallowed += 1;
                    p = *at + 1;
                    t = *swallowed;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
#[path = "quirks_tests.rs"]
mod tests;
