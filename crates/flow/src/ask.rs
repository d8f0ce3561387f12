//! What a call asks of its limits.

use crate::quota::Kind;
use sluicegate_vocabulary::Priority;

/// What a call takes from limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Requests: 1 for a call, more for a batch sent as one.
    pub requests: u64,
    /// Input and output tokens together, estimated. An estimate of zero is admitted unless the limit is in debt.
    pub tokens: u64,
}

impl Cost {
    /// The part that a limit of this kind counts.
    #[must_use]
    pub const fn of(self, kind: Kind) -> u64 {
        match kind {
            Kind::Requests => self.requests,
            Kind::Tokens => self.tokens,
            Kind::Concurrency => 1,
        }
    }
}

/// How a call takes what a sliding window has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pace {
    /// Whatever is left may be taken at once.
    #[default]
    Free,
    /// While at most half of the window is in use and nobody waits for it, at once; otherwise as evenly as the window
    /// allows, so that a saturated limit lets calls go all the time instead of all at once and then none.
    Even,
}

/// A call that asks to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// What it takes.
    pub cost: Cost,
    /// Its class, which decides how many of the permits it may be among.
    pub class: Priority,
    /// Whether it takes what is left at once.
    pub pace: Pace,
}
