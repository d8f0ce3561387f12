//! Who speaks how.
//!
//! Three words are kept apart. A [`Dialect`] is a provider family's manners: how errors look, which header carries
//! the request id, where the key goes. A [`Format`] is the shape of one conversational body; two formats may belong
//! to one dialect, and translation happens between formats. An [`Endpoint`] is one entry of the HTTP surface.

use serde::{Deserialize, Serialize};

/// A provider family's manners: error shape, request-id header, credential header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI and everything that copies it.
    #[default]
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Dialect {
    /// The word used in metrics, logs and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// The shape of a conversational body. Translation goes from one of these to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic messages.
    Messages,
    /// Gemini generateContent.
    Generate,
}

impl Format {
    /// All formats, for tables and tests.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Generate];

    /// The family this format belongs to.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Responses => Dialect::OpenAi,
            Self::Messages => Dialect::Anthropic,
            Self::Generate => Dialect::Gemini,
        }
    }

    /// The word used in metrics, logs and file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Generate => "generate",
        }
    }
}

/// One entry of the HTTP surface that a caller uses with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`, the legacy text endpoint.
    Completions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/images/generations`
    Images,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent`
    Generate,
    /// `POST /v1beta/models/{model}:streamGenerateContent`
    GenerateStream,
    /// `POST /v1beta/models/{model}:countTokens`
    GeminiCountTokens,
    /// `POST /v1beta/models/{model}:embedContent`
    GeminiEmbed,
    /// `POST /v1beta/models/{model}:batchEmbedContents`
    GeminiBatchEmbed,
    /// `GET /v1/models` and `GET /v1/models/{id}`
    Models,
    /// `ANY /p/{provider}/...`
    Passthrough,
    /// `GET /v1/quota`: the caller's own limits.
    Quota,
    /// `GET /v1/key`: the caller's own key.
    Key,
    /// `GET /v1/usage`: what the caller's own key has used.
    Usage,
}

impl Endpoint {
    /// All endpoints, in the order metrics number them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Images,
        Self::Moderations,
        Self::Messages,
        Self::CountTokens,
        Self::Generate,
        Self::GenerateStream,
        Self::GeminiCountTokens,
        Self::GeminiEmbed,
        Self::GeminiBatchEmbed,
        Self::Models,
        Self::Passthrough,
        Self::Quota,
        Self::Key,
        Self::Usage,
    ];

    /// How many there are.
    pub const COUNT: usize = 18;

    /// The path without its version prefix, as the configuration's `per_endpoint` map and the metrics name it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::Images => "/images/generations",
            Self::Moderations => "/moderations",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::Generate => "/models:generateContent",
            Self::GenerateStream => "/models:streamGenerateContent",
            Self::GeminiCountTokens => "/models:countTokens",
            Self::GeminiEmbed => "/models:embedContent",
            Self::GeminiBatchEmbed => "/models:batchEmbedContents",
            Self::Models => "/models",
            Self::Passthrough => "/p",
            Self::Quota => "/quota",
            Self::Key => "/key",
            Self::Usage => "/usage",
        }
    }

    /// Whether it tells a caller of himself and of what there is, and asks no provider for anything.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Models | Self::Quota | Self::Key | Self::Usage)
    }

    /// The conversational format this endpoint speaks, or `None` where a body is only ever passed on.
    #[must_use]
    pub const fn format(self) -> Option<Format> {
        match self {
            Self::ChatCompletions => Some(Format::Chat),
            Self::Responses => Some(Format::Responses),
            Self::Messages => Some(Format::Messages),
            Self::Generate | Self::GenerateStream => Some(Format::Generate),
            _ => None,
        }
    }

    /// The family whose manners an answer on this endpoint keeps.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate
            | Self::GenerateStream
            | Self::GeminiCountTokens
            | Self::GeminiEmbed
            | Self::GeminiBatchEmbed => Dialect::Gemini,
            _ => Dialect::OpenAi,
        }
    }
}
