//! How many tries beyond the first the candidates for a call can bear together.
//!
//! A [`RetryBudget`](crate::egress::RetryBudget) holds back calls that are sent again to a target that has just failed:
//! its own successes pay for them, so the worse it does the less it is asked. A failover is another matter. The one who
//! is asked instead has not failed, and a call that he answers is answered; to make it depend on how well the failing
//! one does would let calls fail that somebody could answer. What has to be bounded is the sum: when all candidates fail,
//! going from one to the next is the same storm by another way.
//!
//! So all candidates that stand in for each other share this budget, which every extra try of their calls takes one from,
//! be it here or there, and every call that succeeds at its first try pays a tenth into, whoever answered. What can be
//! saved is a hundred tries, or a tenth of the calls of some ten seconds if that is more: as many calls as there are in
//! flight fail at once when a busy target dies, and each of them wants to go elsewhere.
//!
//! **Promise.** In any stretch of time, extra tries are at most a tenth of the calls in it and in the twenty seconds before,
//! plus one a second, plus a hundred.

use crate::egress::purse::{EARNED, Purse, TRY};
use crate::time::Nanos;
use std::sync::atomic::{AtomicU64, Ordering};

/// What may always be saved.
const LEAST: u64 = 100 * TRY;
/// In what stretches calls are counted, in nanoseconds.
const STRETCH: u64 = 10_000_000_000;
const COUNT_BITS: u32 = 40;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The extra tries that the calls to a group of candidates have earned.
#[derive(Debug)]
pub struct FailoverBudget {
    purse: Purse,
    /// The most that may be saved now.
    most: AtomicU64,
    /// The stretch under way, and the calls that succeeded in it.
    stretch: AtomicU64,
}

impl Default for FailoverBudget {
    fn default() -> Self {
        Self { purse: Purse::new(LEAST), most: AtomicU64::new(LEAST), stretch: AtomicU64::new(0) }
    }
}

impl FailoverBudget {
    /// A hundred tries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call succeeded at its first try.
    #[inline]
    pub fn earn(&self, now: Nanos) {
        let stretch = now.0 / STRETCH;
        let seen = self.stretch.load(Ordering::Relaxed);
        if seen >> COUNT_BITS == stretch & (u64::MAX >> COUNT_BITS) {
            self.stretch.fetch_add(1, Ordering::Relaxed);
        } else {
            self.turn(seen, stretch);
        }
        self.purse.earn(self.most.load(Ordering::Relaxed));
    }

    /// Another stretch begins. What may be saved follows from how many calls succeeded in the one before.
    #[cold]
    fn turn(&self, seen: u64, stretch: u64) {
        let number = stretch & (u64::MAX >> COUNT_BITS);
        if self.stretch.compare_exchange(seen, number << COUNT_BITS | 1, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let follows = (seen >> COUNT_BITS) + 1 == number;
        let most = if follows { (seen & COUNT).saturating_mul(EARNED).max(LEAST) } else { LEAST };
        self.most.store(most, Ordering::Relaxed);
        self.purse.cap(most);
    }

    /// Pays for one more try of a call. `false` if it cannot be paid for.
    pub fn withdraw(&self, now: Nanos) -> bool {
        self.purse.withdraw(now, TRY)
    }

    /// What is left, in tries.
    #[must_use]
    pub fn left(&self) -> f64 {
        self.purse.left()
    }

    /// The most that may be saved at present, in tries.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.most.load(Ordering::Relaxed) as f64 / TRY as f64
    }
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
