//! What is done about a provider that fails, slows or runs dry, as the relay runs it.
//!
//! None of this has to be written: the defaults are meant for everybody. They stand here, once, and the machinery that
//! acts on them lives in `sluicegate-flow`.

use crate::units::{Period, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a provider that fails is left alone, and how it is found out that it is back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Breaker {
    /// So many failures one after another isolate it. At least 1.
    pub failure_threshold: u32,
    /// Below this share of successes within ten seconds it is isolated too. 0 for never.
    pub success_rate: Share,
    /// Fewer results than this within ten seconds are no share to judge. At least 1.
    pub min_requests: u32,
    /// How long it is left alone each time. `None`: a second at first, twice as long after each trial call that failed,
    /// a minute at most, each drawn at random from the upper half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_timeout: Option<Period>,
    /// So many trial calls at once while it is found out whether it is back. At least 1.
    pub half_open_max_requests: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            success_rate: Share::from_percent(50),
            min_requests: 20,
            recovery_timeout: None,
            half_open_max_requests: 1,
        }
    }
}

/// A limit on calls at once that follows how fast a provider is, for each of its models by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AdaptiveConcurrency {
    /// Never fewer at once than this. At least 1.
    pub floor: u32,
    /// Never more at once than this. At least the floor.
    pub ceiling: u32,
    /// How long a first token may take: the limit is lowered when they take longer than a fifth of this, which is held
    /// between 300 ms and 2 s.
    pub first_token_target: Period,
}

impl Default for AdaptiveConcurrency {
    fn default() -> Self {
        Self { floor: 2, ceiling: 10_000, first_token_target: Period::from_secs(5) }
    }
}

/// What a key of a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Used.
    #[default]
    Primary,
    /// Used when no primary key can be, or after it was promoted.
    Standby,
}

impl KeyRole {
    /// The word of the configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}
