//! The two sides of a move of traffic.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One of the two sides of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Where traffic came from.
    Old,
    /// Where it goes.
    New,
}

impl Arm {
    /// The word used in headers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// The side that a call was given, whoever answered it in the end.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The migration's name.
    pub migration: Arc<str>,
    /// The side.
    pub arm: Arm,
}
