//! What each model can do, as data.
//!
//! Capability depends on the model, not on the provider: one Claude refuses `temperature`, another a forced tool, a
//! third a thinking budget. So there is a table of patterns on model ids, each entry with the fields in which its
//! models differ from what the entries above it say. It is a bundled file, and an operator can load another one
//! without a new binary, because models appear faster than releases.

use serde::Deserialize;

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
            anthropic_version: "2023-06-01".to_owned(),
        }
    }
}
