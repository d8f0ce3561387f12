//! Providers that are known by name: where they are, and which variables their own SDKs read.
//!
//! One table serves three uses: `serve` without a file finds providers by their variables, a file may say `mistral: {}`
//! and nothing more, and the older format's `base_url` is recognised by its host.

use sluicegate_vocabulary::ProviderKind;

/// A provider that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name, and its vendor's in the price book.
    pub name: &'static str,
    /// Which adapter speaks to it.
    pub kind: ProviderKind,
    /// Variables that may hold its key, as the vendor's SDK looks them up: the first that is set counts.
    pub key_variables: &'static [&'static str],
    /// Variables that may hold its address.
    pub url_variables: &'static [&'static str],
    /// Its address; `None` where every customer has their own.
    pub base_url: Option<&'static str>,
    /// The host by which an address is recognised as its.
    pub host: Option<&'static str>,
}

/// Where Ollama listens unless told otherwise, with the version of its OpenAI-compatible surface.
pub const OLLAMA_URL: &str = "http://127.0.0.1:11434/v1";

/// All of them, in the order in which they are looked for.
pub const KNOWN: [Known; 11] = [
    Known {
        name: "openai",
        kind: ProviderKind::OpenAi,
        key_variables: &["OPENAI_API_KEY"],
        url_variables: &["OPENAI_BASE_URL"],
        base_url: Some("https://api.openai.com/v1"),
        host: Some("api.openai.com"),
    },
    Known {
        name: "anthropic",
        kind: ProviderKind::Anthropic,
        key_variables: &["ANTHROPIC_API_KEY"],
        url_variables: &["ANTHROPIC_BASE_URL"],
        base_url: Some("https://api.anthropic.com"),
        host: Some("api.anthropic.com"),
    },
    Known {
        name: "gemini",
        kind: ProviderKind::Gemini,
        // Google's SDK prefers GOOGLE_API_KEY when both are set.
        key_variables: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
        url_variables: &["GOOGLE_GEMINI_BASE_URL"],
        base_url: Some("https://generativelanguage.googleapis.com"),
        host: Some("generativelanguage.googleapis.com"),
    },
    Known {
        name: "deepseek",
        kind: ProviderKind::DeepSeek,
        key_variables: &["DEEPSEEK_API_KEY"],
        url_variables: &["DEEPSEEK_BASE_URL"],
        base_url: Some("https://api.deepseek.com/v1"),
        host: Some("api.deepseek.com"),
    },
    Known {
        name: "mistral",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &["MISTRAL_API_KEY"],
        url_variables: &[],
        base_url: Some("https://api.mistral.ai/v1"),
        host: Some("api.mistral.ai"),
    },
    Known {
        name: "groq",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &["GROQ_API_KEY"],
        url_variables: &[],
        base_url: Some("https://api.groq.com/openai/v1"),
        host: Some("api.groq.com"),
    },
    Known {
        name: "xai",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &["XAI_API_KEY"],
        url_variables: &[],
        base_url: Some("https://api.x.ai/v1"),
        host: Some("api.x.ai"),
    },
    Known {
        name: "openrouter",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &["OPENROUTER_API_KEY"],
        url_variables: &[],
        base_url: Some("https://openrouter.ai/api/v1"),
        host: Some("openrouter.ai"),
    },
    Known {
        name: "azure",
        kind: ProviderKind::Azure,
        key_variables: &["AZURE_OPENAI_API_KEY"],
        url_variables: &["AZURE_OPENAI_ENDPOINT"],
        base_url: None,
        host: None,
    },
    Known {
        name: "holysheep",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &["HOLYSHEEP_API_KEY"],
        url_variables: &[],
        base_url: Some("https://api.holysheep.ai/v1"),
        host: Some("api.holysheep.ai"),
    },
    Known {
        name: "ollama",
        kind: ProviderKind::OpenAiCompatible,
        key_variables: &[],
        url_variables: &[],
        base_url: Some(OLLAMA_URL),
        host: None,
    },
];

/// The known provider of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The known provider of a kind that has only one.
pub(crate) fn by_kind(kind: ProviderKind) -> Option<&'static Known> {
    let compatible = kind == ProviderKind::OpenAiCompatible;
    KNOWN.iter().find(|known| known.kind == kind && !compatible)
}

/// The known provider at that host.
pub(crate) fn by_host(host: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.host.is_some_and(|ours| ours.eq_ignore_ascii_case(host)))
}
