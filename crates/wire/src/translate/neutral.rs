//! The neutral form between two formats.
//!
//! Four formats translate into each other, twelve directions in all. Writing each by hand would repeat every rule
//! about tools, images and thinking six times over, so each format has one reader into the types below and one writer
//! out of them, for requests, for whole answers and for streams. What a format can say that these types cannot is
//! reported by its reader; what these types hold that a format cannot say is refused or reported by its writer. So
//! nothing is lost silently, and a rule stands in one place.
//!
//! The types keep JSON that is only carried (schemas, tool arguments) as text, in the order and with the number
//! spelling it came with.

use serde_json::value::RawValue;
use sluicegate_vocabulary::{Format, Usage};

/// A request, whichever format it came in.
#[derive(Debug, Default)]
pub struct Prompt {
    /// The format it was read from: a few rules ask where something came from.
    pub source: Option<Format>,
    /// Instructions that stand before the conversation, in order.
    pub system: Vec<String>,
    /// The conversation.
    pub turns: Vec<Turn>,
    /// Function tools, in order.
    pub tools: Vec<Tool>,
    /// Which tool must or may be used; `None` when the caller did not say.
    pub tool_choice: Option<ToolChoice>,
    /// `Some(false)`: at most one tool call in an answer.
    pub parallel_tool_calls: Option<bool>,
    /// Cap on output tokens, thinking included where the format counts so.
    pub max_output: Option<u64>,
    /// Stop strings.
    pub stop: Vec<String>,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// How many answers; `None` and `Some(1)` are the same.
    pub answers: Option<u32>,
    /// Log probabilities wanted: `Some(n)` with the number of alternatives.
    pub logprobs: Option<u32>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// Whether the caller asked to see the thinking (summaries, thoughts).
    pub show_reasoning: Option<bool>,
    /// The shape of the output.
    pub output: Output,
    /// OpenAI's `verbosity`, carried between chat and Responses.
    pub verbosity: Option<String>,
    /// Stream the answer.
    pub stream: bool,
    /// Whether a chat client asked for the usage chunk.
    pub include_usage: bool,
    /// The tools came in chat's older spelling, `functions`, and the answer must call them in it.
    pub legacy_functions: bool,
    /// The end user's opaque id (`user`, `safety_identifier`, `metadata.user_id`).
    pub user: Option<String>,
    /// OpenAI's service tier or Anthropic's, carried only within a family.
    pub service_tier: Option<String>,
    /// The caller's own labels, which a Responses object repeats.
    pub metadata: Option<Box<RawValue>>,
}

/// Sampling parameters, each absent unless the caller sent it. Numbers keep their spelling.
#[derive(Debug, Default, Clone)]
pub struct Sampling {
    /// `temperature`
    pub temperature: Option<f64>,
    /// `top_p`
    pub top_p: Option<f64>,
    /// `top_k`
    pub top_k: Option<u64>,
    /// `seed`
    pub seed: Option<i64>,
    /// `presence_penalty`
    pub presence_penalty: Option<f64>,
    /// `frequency_penalty`
    pub frequency_penalty: Option<f64>,
    /// `logit_bias`, as it came
    pub logit_bias: Option<Box<RawValue>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An instruction in the middle of the conversation.
    System,
    /// The caller. Tool results are parts of user turns.
    User,
    /// The model.
    Assistant,
}

/// One turn of the conversation. Readers merge adjacent turns only where their own format means them as one.
#[derive(Debug)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// OpenAI's participant `name`.
    pub name: Option<String>,
    /// What is said.
    pub parts: Vec<Part>,
}

/// One piece of a turn or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture; `detail` is OpenAI's.
    Image {
        /// Where it is.
        source: Media,
        /// `low`, `high`, `auto` and so on.
        detail: Option<String>,
    },
    /// Sound.
    Audio {
        /// Where it is.
        source: Media,
    },
    /// A document such as a PDF.
    Document {
        /// Where it is.
        source: Media,
        /// Its title or file name.
        name: Option<String>,
    },
    /// The model calls a function.
    ToolCall(ToolCall),
    /// A function's answer.
    ToolResult(ToolResult),
    /// Thinking in clear, with the signature its provider checks.
    Thinking {
        /// The text; may be empty.
        text: String,
        /// The provider's signature (Anthropic) or encrypted content (Responses) or thought signature (Gemini).
        signature: Option<Signature>,
    },
    /// Thinking that its provider encrypted whole.
    RedactedThinking(String),
    /// The model declined, in OpenAI's refusal part.
    Refusal(String),
}

/// A signature over thinking, valid only with the provider family that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The format it came from.
    pub from: Format,
    /// The opaque text.
    pub text: String,
}

/// Where the bytes of a medium are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// In the request, base64 without line breaks.
    Base64 {
        /// MIME type without parameters, lower case.
        mime: String,
        /// The base64 text.
        data: String,
    },
    /// At an address.
    Url {
        /// The address.
        url: String,
        /// MIME type where the format tells it.
        mime: Option<String>,
    },
    /// Plain text carried as a document.
    Text(String),
    /// A provider's file id, meaningful only with that provider.
    File(String),
}

/// A call of a function by the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The id that its result will name; empty when the format has none (Gemini).
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments as JSON text, normally an object.
    pub arguments: String,
    /// Gemini's thought signature, echoed with the call.
    pub signature: Option<Signature>,
}

/// A function's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The call it answers; empty when the format has none.
    pub id: String,
    /// The function's name where the format tells it (Gemini).
    pub name: Option<String>,
    /// What it answered: text, images, documents.
    pub parts: Vec<Part>,
    /// The function failed.
    pub is_error: bool,
}

/// A function the model may call.
#[derive(Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON schema of its arguments.
    pub schema: Option<Box<RawValue>>,
    /// Arguments must match the schema exactly.
    pub strict: Option<bool>,
}

/// Which tool the model must or may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
    /// One of these; `required` says whether one must be used.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// One must be used.
        required: bool,
    },
}

/// How much to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all.
    Disabled,
    /// An effort: `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    Effort(String),
    /// At most this many tokens.
    Budget(u64),
    /// As the model sees fit.
    Adaptive,
}

/// The shape of the output.
#[derive(Debug, Default)]
pub enum Output {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON after a schema.
    JsonSchema {
        /// The schema's name, where the format has one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Box<RawValue>,
        /// Whether the output must match exactly.
        strict: Option<bool>,
    },
}

/// A whole answer, whichever format it came in.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// The provider's id of it, prefix and all; empty when it gave none.
    pub id: String,
    /// The model as the provider names it.
    pub model: String,
    /// Seconds since the Unix epoch, where the provider tells.
    pub created: Option<u64>,
    /// One entry for each answer asked for.
    pub choices: Vec<Choice>,
    /// Tokens used, if reported.
    pub usage: Option<Usage>,
}

/// One answer.
#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    /// What the model said.
    pub parts: Vec<Part>,
    /// Why it ended; `None` when the provider did not say.
    pub finish: Option<Finish>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// A stop string was met; which, if known.
    StopSequence(Option<String>),
    /// The cap on output, or the context window, was reached.
    Length,
    /// The model wants its tools run.
    ToolCalls,
    /// A filter or the model itself declined.
    Filtered,
    /// The provider paused a long turn; send it back to go on.
    Paused,
    /// The provider broke its own answer off for a reason that is an error (Gemini's `MALFORMED_*` and the like).
    Failed(String),
}

/// One step of a streamed answer. The joined steps say what the buffered [`Answer`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// The answer begins. Comes once, first.
    Start {
        /// The provider's id of it.
        id: String,
        /// The model as the provider names it.
        model: String,
        /// What is known of usage so far (Anthropic tells input up front).
        usage: Option<Usage>,
    },
    /// More text.
    Text {
        /// Which answer.
        choice: u32,
        /// The piece, never empty.
        text: String,
    },
    /// More refusal text.
    Refusal {
        /// Which answer.
        choice: u32,
        /// The piece, never empty.
        text: String,
    },
    /// More thinking.
    Thinking {
        /// Which answer.
        choice: u32,
        /// The piece, never empty.
        text: String,
    },
    /// The signature of the thinking that just ended.
    ThinkingSignature {
        /// Which answer.
        choice: u32,
        /// The signature.
        signature: Signature,
    },
    /// A block of encrypted thinking, whole.
    RedactedThinking {
        /// Which answer.
        choice: u32,
        /// The opaque data.
        data: String,
    },
    /// A tool call begins.
    ToolStart {
        /// Which answer.
        choice: u32,
        /// 0, 1, 2 ... among this answer's calls, dense, in order of first appearance.
        call: u32,
        /// Its id; empty when the provider gave none.
        id: String,
        /// The function.
        name: String,
        /// Gemini's thought signature.
        signature: Option<Signature>,
    },
    /// More of a tool call's arguments. Calls may interleave.
    ToolArguments {
        /// Which answer.
        choice: u32,
        /// Which of its calls.
        call: u32,
        /// The piece of JSON text, never empty.
        fragment: String,
    },
    /// An answer ended. Comes once for each choice.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Usage as known now; later ones replace earlier ones.
    Usage(Usage),
    /// The provider is alive and has nothing to say.
    Ping,
    /// The provider sent an error inside the stream. Nothing follows.
    Error {
        /// The provider's words, safe to pass on.
        fault: sluicegate_vocabulary::Fault,
    },
    /// The provider's own mark that the stream is complete. Without it the stream is truncated.
    End,
}

impl Delta {
    /// Which answer the step belongs to; `None` for steps of the stream as a whole.
    #[must_use]
    pub const fn choice(&self) -> Option<u32> {
        match self {
            Self::Text { choice, .. }
            | Self::Refusal { choice, .. }
            | Self::Thinking { choice, .. }
            | Self::ThinkingSignature { choice, .. }
            | Self::RedactedThinking { choice, .. }
            | Self::ToolStart { choice, .. }
            | Self::ToolArguments { choice, .. }
            | Self::Finish { choice, .. } => Some(*choice),
            Self::Start { .. } | Self::Usage(_) | Self::Ping | Self::Error { .. } | Self::End => None,
        }
    }
}
