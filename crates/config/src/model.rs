//! Public names of models and where they lead.

use crate::books::Budget;
use crate::limits::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One public name: what it leads to and what happens when that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The name clients send.
    pub name: String,
    /// Where calls go, by weight. Never empty; a single target has weight 1.
    pub to: Vec<WeightedTarget>,
    /// What is tried next, in order.
    pub fallbacks: Vec<Target>,
    /// Failures that lead to the fallbacks.
    pub fallback_on: Vec<FallbackOn>,
    /// How strict a translation between formats is.
    pub translation: Translation,
    /// What calls by this name are held to.
    pub limits: Limit,
    /// What may be spent on calls by this name.
    #[serde(rename = "budget", skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// How good it is, if the file says.
    pub tier: Option<Tier>,
    /// The public name that a call falls back to when its key accepts a lower tier. It exists, and following it from
    /// name to name comes to an end.
    pub lower_tier: Option<String>,
    /// Whether a second target is asked too where the first is late with its first token.
    pub hedge: bool,
    /// What is done about a stream of text that breaks after some of it was sent.
    pub resume: Resume,
    /// Whether this is one of the short names that come with the program, not one of the file's.
    pub builtin: bool,
}

impl Model {
    /// A name that leads to targets by weight, about which nothing else was said.
    #[must_use]
    pub fn new(name: &str, to: Vec<WeightedTarget>) -> Self {
        Self {
            name: name.to_owned(),
            to,
            fallbacks: Vec::new(),
            fallback_on: FallbackOn::DEFAULT.to_vec(),
            translation: Translation::Default,
            limits: Limit::default(),
            budgets: Vec::new(),
            tier: None,
            lower_tier: None,
            hedge: false,
            resume: Resume::Never,
            builtin: false,
        }
    }
}

/// What is done about a stream of text that breaks after some of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// It ends with an error event.
    #[default]
    Never,
    /// The same model is asked to go on with it, where it can be; if not, it ends with an error event.
    Continue,
}

/// A provider and its own id of a model, written `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The provider's name in this configuration.
    pub provider: String,
    /// The provider's id of the model; may contain slashes.
    pub model: String,
}

impl Target {
    /// Splits at the first slash. `None` without a slash or with an empty side.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.trim().split_once('/')?;
        (!provider.is_empty() && !model.is_empty())
            .then(|| Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A target and its share of the calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightedTarget {
    /// Where to.
    pub model: Target,
    /// Its share, relative to the sum of the list. At least one of a list is above 0.
    pub weight: u32,
}

/// How good a model is, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Good enough, and cheap.
    Economy,
    /// In between.
    Standard,
    /// The best.
    Premium,
}

impl Tier {
    /// The word of the configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Economy => "economy",
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }
}

/// A failure that may lead to a fallback. Refusals that would be the same elsewhere (400, 401, 403) are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackOn {
    /// The provider cannot be reached.
    Connect,
    /// No first byte in time.
    Timeout,
    /// A 5xx, 529 included.
    ServerError,
    /// A 429.
    RateLimited,
    /// The request is longer than the model's context window: goes to a fallback whose window is larger.
    ContextLength,
}

impl FallbackOn {
    /// What leads to a fallback when the file does not say.
    pub const DEFAULT: [Self; 4] = [Self::Connect, Self::Timeout, Self::ServerError, Self::RateLimited];
}

/// How strict a translation between formats is about what the other side cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Translation {
    /// Refuse what changes the meaning, drop and report what does not.
    #[default]
    Default,
    /// Refuse whatever cannot be expressed.
    Strict,
    /// Drop and report whatever cannot be expressed.
    Lenient,
}
