//! What a caller wants done when a limit is used up.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A caller's mode, strictest first so that `min` makes it stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Refuse at once, and reserve the most a call may use.
    Strict,
    /// Wait for room up to the deadline, and reserve what such calls have used lately.
    #[default]
    Adaptive,
    /// As adaptive; then fall back to a lower tier that the key has agreed to.
    Graceful,
}

impl Mode {
    /// Every mode, strictest first.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Adaptive, Self::Graceful];

    /// The word used in configuration, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Adaptive => "adaptive",
            Self::Graceful => "graceful",
        }
    }

    /// Whether a call that finds no room waits for it.
    #[must_use]
    pub const fn waits(self) -> bool {
        !matches!(self, Self::Strict)
    }
}

/// A word that names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mode: use strict, adaptive or graceful")]
pub struct ParseModeError;

/// Reads a mode in any case.
impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(text.trim())).ok_or(ParseModeError)
    }
}

#[cfg(test)]
#[path = "mode_tests.rs"]
mod tests;
