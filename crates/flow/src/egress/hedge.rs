//! Asking a second target when the first is late.
//!
//! The few calls that take far longer than nearly all others often meet an accident of one target, and the same call at
//! another would be answered at once. Asking there too, after most calls would have had their first token, cuts the
//! longest waits for little extra load. With language models that load is dear: the input is read twice and counts
//! twice against quotas. So this is off unless the operator turns it on, and held to one call in fifty by a budget of
//! its own.
//!
//! It only helps against accidents. When every target is slow a second call makes it worse, so the other target must be
//! one that usually answers within the time that has passed already, have quota to spare, and nobody may be waiting.
//!
//! **Promise.** In any stretch, second calls are at most one in fifty calls, and one.

use crate::egress::latencies::Latencies;
use crate::time::Nanos;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Thousandths of a second call: what each call earns, what one costs, and the most that is saved.
const EARNED: u32 = 20;
const PRICE: u32 = 1000;
/// The part of calls that have their first token before a second target is asked.
const NEARLY_ALL: f64 = 0.95;
/// The part of a quota that must be left at the other target.
const LEFT: f64 = 0.3;

/// What must hold for a second target to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Hedging<'a> {
    /// First-token times of the target that was asked.
    pub own: &'a Latencies,
    /// First-token times of the other target.
    pub other: &'a Latencies,
    /// What is left of the other target's quota, 0 to 1 (see [`crate::egress::Shadow::headroom`]).
    pub other_headroom: f64,
    /// The other target's breaker is closed.
    pub other_closed: bool,
    /// The call is streamed, calls no tools, and may be made twice.
    pub may_be_doubled: bool,
    /// Calls of its class are waiting.
    pub queued: bool,
}

impl Hedging<'_> {
    /// How long after sending the second target is asked if no first token has come; `None` for not at all.
    #[must_use]
    pub fn delay(&self, now: Nanos) -> Option<Duration> {
        if !self.may_be_doubled || self.queued || !self.other_closed || self.other_headroom < LEFT {
            return None;
        }
        let late = self.own.within(now, NEARLY_ALL)?;
        let usual = self.other.within(now, 0.5)?;
        (usual <= late).then_some(late)
    }
}

/// The second calls that a pool's calls have earned.
#[derive(Debug)]
pub struct HedgeBudget(AtomicU32);

impl Default for HedgeBudget {
    fn default() -> Self {
        Self(AtomicU32::new(PRICE))
    }
}

impl HedgeBudget {
    /// One second call.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call was made.
    #[inline]
    pub fn earn(&self) {
        let more = |left: u32| (left < PRICE).then(|| (left + EARNED).min(PRICE));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// One that was paid for was not made.
    pub fn give_back(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some((left + PRICE).min(PRICE)));
    }

    /// Pays for a second call; `false` if it cannot be paid for.
    pub fn withdraw(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(PRICE)).is_ok()
    }
}

#[cfg(test)]
#[path = "hedge_tests.rs"]
mod tests;
