//! The four classes of calls.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A call's class, lowest first so that `min` lowers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Bulk work on spare capacity.
    Low,
    /// What most calls are.
    #[default]
    Normal,
    /// A person is waiting.
    High,
    /// The last to be refused.
    Critical,
}

impl Priority {
    /// The word used in headers, configuration and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A word that names no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a priority: use critical, high, normal or low")]
pub struct ParsePriorityError;

/// Reads a class in any case; `medium` is the old configuration's word for `normal`.
impl FromStr for Priority {
    type Err = ParsePriorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            ("critical", Self::Critical),
            ("high", Self::High),
            ("normal", Self::Normal),
            ("medium", Self::Normal),
            ("low", Self::Low),
        ]
        .into_iter()
        .find_map(|(word, class)| word.eq_ignore_ascii_case(text.trim()).then_some(class))
        .ok_or(ParsePriorityError)
    }
}
