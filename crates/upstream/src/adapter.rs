//! How each kind of provider wants to be addressed.
//!
//! A provider kind differs from another in three tables: which endpoints it answers natively, at which path, and in
//! which header it takes its key. They stand here as data; nothing else in the relay asks what kind a provider is.

use http::HeaderName;
use http::header::AUTHORIZATION;
use sluicegate_vocabulary::{Dialect, Endpoint, Format};

/// The kinds of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// OpenAI itself.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// DeepSeek, OpenAI's shape with its own oddities.
    DeepSeek,
    /// OpenAI models on Azure.
    Azure,
    /// Anything that copies OpenAI's chat completions.
    OpenAiCompatible,
    /// Our simulator, which speaks everything.
    Simulated,
}

impl Kind {
    /// The word the configuration uses.
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

    /// Whose manners its errors and headers follow when the endpoint does not tell.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Anthropic => Dialect::Anthropic,
            Self::Gemini => Dialect::Gemini,
            _ => Dialect::OpenAi,
        }
    }

    /// What it answers natively when the configuration does not say otherwise.
    #[must_use]
    pub fn speaks(self) -> Speaks {
        use Endpoint as E;
        const GEMINI: [Endpoint; 5] =
            [E::Generate, E::GenerateStream, E::GeminiCountTokens, E::GeminiEmbed, E::GeminiBatchEmbed];
        match self {
            Self::OpenAi => Speaks::of(&[
                E::ChatCompletions,
                E::Completions,
                E::Responses,
                E::Embeddings,
                E::Images,
                E::Moderations,
            ]),
            Self::Azure => Speaks::of(&[E::ChatCompletions, E::Completions, E::Responses, E::Embeddings, E::Images]),
            Self::DeepSeek => Speaks::of(&[E::ChatCompletions, E::Completions]),
            Self::OpenAiCompatible => Speaks::of(&[E::ChatCompletions, E::Completions, E::Embeddings]),
            Self::Anthropic => Speaks::of(&[E::Messages, E::CountTokens]),
            Self::Gemini => Speaks::of(&GEMINI),
            Self::Simulated => Speaks::of(&[
                E::ChatCompletions,
                E::Completions,
                E::Responses,
                E::Embeddings,
                E::Images,
                E::Moderations,
                E::Messages,
                E::CountTokens,
            ])
            .and(&GEMINI),
        }
    }

    /// The header its key goes in, and what stands before the key there.
    pub(crate) fn key_header(self) -> (HeaderName, &'static str) {
        match self {
            Self::Anthropic => (HeaderName::from_static("x-api-key"), ""),
            Self::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
            Self::Azure => (HeaderName::from_static("api-key"), ""),
            _ => (AUTHORIZATION, "Bearer "),
        }
    }

    /// The path of an endpoint below the provider's base path, or `None` where it has none.
    ///
    /// `model` is put into the path where the provider wants it there; `base` decides whether a version is missing.
    pub(crate) fn path(self, endpoint: Endpoint, model: &str, base: &str, api_version: Option<&str>) -> Option<String> {
        match self {
            Self::OpenAi | Self::OpenAiCompatible => openai_path(endpoint).map(str::to_owned),
            Self::DeepSeek => match endpoint {
                Endpoint::Completions => Some("/beta/completions".to_owned()),
                _ => openai_path(endpoint).map(str::to_owned),
            },
            Self::Azure => azure_path(endpoint, model, api_version),
            Self::Anthropic => anthropic_path(endpoint).map(|path| versioned(base, &["/v1"], "/v1", path)),
            Self::Gemini => {
                gemini_path(endpoint, model).map(|path| versioned(base, &["/v1", "/v1beta"], "/v1beta", &path))
            }
            Self::Simulated => openai_path(endpoint)
                .or_else(|| anthropic_path(endpoint))
                .map(|path| format!("/v1{path}"))
                .or_else(|| gemini_path(endpoint, model).map(|path| format!("/v1beta{path}"))),
        }
    }
}

fn versioned(base: &str, present: &[&str], missing: &str, path: &str) -> String {
    if present.iter().any(|version| base.ends_with(version)) { path.to_owned() } else { format!("{missing}{path}") }
}

const fn openai_path(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Responses
        | Endpoint::Embeddings
        | Endpoint::Images
        | Endpoint::Moderations
        | Endpoint::Models => Some(endpoint.path()),
        _ => None,
    }
}

const fn anthropic_path(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Messages | Endpoint::CountTokens | Endpoint::Models => Some(endpoint.path()),
        _ => None,
    }
}

fn gemini_path(endpoint: Endpoint, model: &str) -> Option<String> {
    let model = escape(model);
    Some(match endpoint {
        Endpoint::Generate => format!("/models/{model}:generateContent"),
        // Without `alt=sse` the answer is one JSON array, which cannot be read as it grows.
        Endpoint::GenerateStream => format!("/models/{model}:streamGenerateContent?alt=sse"),
        Endpoint::GeminiCountTokens => format!("/models/{model}:countTokens"),
        Endpoint::GeminiEmbed => format!("/models/{model}:embedContent"),
        Endpoint::GeminiBatchEmbed => format!("/models/{model}:batchEmbedContents"),
        Endpoint::Models => "/models".to_owned(),
        _ => return None,
    })
}

fn azure_path(endpoint: Endpoint, deployment: &str, api_version: Option<&str>) -> Option<String> {
    let path = openai_path(endpoint)?;
    match (endpoint, api_version) {
        (Endpoint::Responses | Endpoint::Models, Some(version)) => {
            Some(format!("/openai/v1{path}?api-version={}", escape(version)))
        }
        (_, Some(version)) => {
            Some(format!("/openai/deployments/{}{path}?api-version={}", escape(deployment), escape(version)))
        }
        (_, None) => Some(format!("/openai/v1{path}")),
    }
}

/// Percent-encodes what may not stand in a path segment. Slashes and colons stay: model ids contain them.
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@!$,".contains(&byte) {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// A set of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Speaks(u32);

impl Speaks {
    /// The set of these endpoints.
    #[must_use]
    pub fn of(endpoints: &[Endpoint]) -> Self {
        Self::default().and(endpoints)
    }

    /// This set and these endpoints.
    #[must_use]
    pub fn and(self, endpoints: &[Endpoint]) -> Self {
        Self(endpoints.iter().fold(self.0, |set, endpoint| set | bit(*endpoint)))
    }

    /// Whether an endpoint is in the set.
    #[must_use]
    pub const fn contains(self, endpoint: Endpoint) -> bool {
        self.0 & bit(endpoint) != 0
    }

    /// The format to translate to for a provider that speaks these endpoints, when it does not speak the client's:
    /// chat completions where possible, since most of what exists can be said in it.
    #[must_use]
    pub fn preferred_format(self) -> Option<Format> {
        [
            (Endpoint::ChatCompletions, Format::Chat),
            (Endpoint::Responses, Format::Responses),
            (Endpoint::Messages, Format::Messages),
            (Endpoint::Generate, Format::Generate),
        ]
        .into_iter()
        .find_map(|(endpoint, format)| self.contains(endpoint).then_some(format))
    }
}

const fn bit(endpoint: Endpoint) -> u32 {
    1 << endpoint as u32
}

#[cfg(test)]
#[path = "adapter_tests.rs"]
mod tests;
