//! How many retries a target can bear.
//!
//! A retry helps when few calls fail and hurts when all do: then each call is sent several times to targets that are
//! failing already, and the load that keeps them down is our own. So retries are paid for from a bucket that successes
//! fill: a tenth of a retry for each call that succeeds at once. At a low failure rate there is always enough; when
//! everything fails the bucket is soon empty, and one retry a second is left to notice that things are better.
//!
//! **Promise.** In any stretch of time, tries are at most 1.1 for each call, plus one a second, plus a hundred that were
//! saved before.

use crate::egress::purse::{Purse, TRY};
use crate::time::Nanos;

/// The most that is saved.
const CAP: u64 = 100 * TRY;

/// The retries that a target's successes have earned.
#[derive(Debug)]
pub struct RetryBudget(Purse);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Purse::new(CAP))
    }
}

impl RetryBudget {
    /// A full budget: a hundred retries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call succeeded at its first try.
    #[inline]
    pub fn earn(&self) {
        self.0.earn(CAP);
    }

    /// Pays for one more try. After a timeout it costs twice as much: the target is likely busy still with the try
    /// before. `false` if it cannot be paid for.
    pub fn withdraw(&self, now: Nanos, after_timeout: bool) -> bool {
        self.0.withdraw(now, if after_timeout { 2 * TRY } else { TRY })
    }

    /// What is left, in retries.
    #[must_use]
    pub fn left(&self) -> f64 {
        self.0.left()
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
