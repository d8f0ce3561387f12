//! What a provider is: which manners it has, not which company runs it.

use crate::dialect::Dialect;
use serde::{Deserialize, Serialize};

/// What a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenAI itself.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// DeepSeek: OpenAI's shape with oddities of its own.
    #[serde(rename = "deepseek")]
    DeepSeek,
    /// OpenAI's models on Azure: deployments behind a resource's own address.
    Azure,
    /// Anything that copies OpenAI's chat completions.
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
    /// The built-in simulated provider: it costs nothing and never leaves the machine.
    Simulated,
}

impl ProviderKind {
    /// All kinds, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Gemini,
        Self::DeepSeek,
        Self::Azure,
        Self::OpenAiCompatible,
        Self::Simulated,
    ];

    /// The word of the configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::DeepSeek => "deepseek",
            Self::Azure => "azure",
            Self::OpenAiCompatible => "openai_compatible",
            Self::Simulated => "simulated",
        }
    }

    /// A sentence on what it is, for the schema of the configuration.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI itself.",
            Self::Anthropic => "Anthropic.",
            Self::Gemini => "Google's Gemini API.",
            Self::DeepSeek => "DeepSeek.",
            Self::Azure => "Azure OpenAI: deployments behind a resource's own address.",
            Self::OpenAiCompatible => "Anything that copies OpenAI's chat completions.",
            Self::Simulated => "The built-in simulated provider: costs nothing, leaves the machine never.",
        }
    }

    /// Whose manners its errors and headers follow when the endpoint does not tell.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Anthropic => Dialect::Anthropic,
            Self::Gemini => Dialect::Gemini,
            _ => Dialect::OpenAi,
        }
    }

    /// Whether it refuses calls without a key.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        !matches!(self, Self::OpenAiCompatible | Self::Simulated)
    }
}
