//! How each kind of provider wants to be addressed.
//!
//! A provider's kind decides at which path it has an endpoint and in which header it takes its key. These two tables stand
//! here as data; which endpoints it answers at all is the configuration's.

use http::HeaderName;
use http::header::AUTHORIZATION;
use sluicegate_vocabulary::{Endpoint, Format, ProviderKind};

/// The header a key goes in, and what stands before the key there.
pub(crate) fn key_header(kind: ProviderKind) -> (HeaderName, &'static str) {
    match kind {
        ProviderKind::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        ProviderKind::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
        ProviderKind::Azure => (HeaderName::from_static("api-key"), ""),
        _ => (AUTHORIZATION, "Bearer "),
    }
}

/// The path of an endpoint below a provider's base path, or `None` where its kind has none.
///
/// `model` is put into the path where the provider wants it there; `base` decides whether a version is missing.
pub(crate) fn path(
    kind: ProviderKind,
    endpoint: Endpoint,
    model: &str,
    base: &str,
    api_version: Option<&str>,
) -> Option<String> {
    match kind {
        ProviderKind::OpenAi | ProviderKind::OpenAiCompatible => openai_path(endpoint).map(str::to_owned),
        ProviderKind::DeepSeek => match endpoint {
            Endpoint::Completions => Some("/beta/completions".to_owned()),
            _ => openai_path(endpoint).map(str::to_owned),
        },
        ProviderKind::Azure => azure_path(endpoint, model, api_version),
        ProviderKind::Anthropic => anthropic_path(endpoint).map(|path| versioned(base, &["/v1"], "/v1", path)),
        ProviderKind::Gemini => {
            gemini_path(endpoint, model).map(|path| versioned(base, &["/v1", "/v1beta"], "/v1beta", &path))
        }
        ProviderKind::Simulated => openai_path(endpoint)
            .or_else(|| anthropic_path(endpoint))
            .map(|path| format!("/v1{path}"))
            .or_else(|| gemini_path(endpoint, model).map(|path| format!("/v1beta{path}"))),
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
