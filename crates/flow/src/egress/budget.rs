//! How many retries a target can bear.
//!
//! A retry helps when few calls fail and hurts when all do: then each call is sent several times to targets that are
//! failing already, and the load that keeps them down is our own. So retries are paid for from a bucket that successes
//! fill: a tenth of a retry for each call that succeeds at once. At a low failure rate there is always enough; when
//! everything fails the bucket is soon empty, and one retry a second is left to notice that things are better.
//!
//! **Promise.** In any stretch of time, tries are at most 1.1 for each call, plus one a second, plus a hundred that were
//! saved before.

use crate::time::Nanos;
use std::sync::atomic::{AtomicU64, Ordering};

/// Thousandths of a retry.
const RETRY: u64 = 1000;
const AFTER_TIMEOUT: u64 = 2000;
const EARNED: u64 = 100;
const CAP: u64 = 100_000;
/// One retry in so many nanoseconds goes although the budget is spent.
const FLOOR: u64 = 1_000_000_000;

/// The retries that a target's successes have earned.
#[derive(Debug)]
pub struct RetryBudget {
    /// In thousandths of a retry.
    left: AtomicU64,
    /// When a retry may go although nothing is left.
    floor_at: AtomicU64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: AtomicU64::new(CAP), floor_at: AtomicU64::new(0) }
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
        let mut left = self.left.load(Ordering::Relaxed);
        while left < CAP {
            let more = (left + EARNED).min(CAP);
            match self.left.compare_exchange_weak(left, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => left = newer,
            }
        }
    }

    /// Pays for one more try. After a timeout it costs twice as much: the target is likely busy still with the try
    /// before. `false` if it cannot be paid for.
    pub fn withdraw(&self, now: Nanos, after_timeout: bool) -> bool {
        let price = if after_timeout { AFTER_TIMEOUT } else { RETRY };
        let paid = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price));
        let next = now.0.saturating_add(FLOOR);
        paid.is_ok()
            || self
                .floor_at
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (at <= now.0).then_some(next))
                .is_ok()
    }

    /// What is left, in retries.
    #[must_use]
    pub fn left(&self) -> f64 {
        self.left.load(Ordering::Relaxed) as f64 / RETRY as f64
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
