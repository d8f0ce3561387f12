//! What one call has taken from its limits, until it is known what it used.
//!
//! A reservation ends in exactly one of two ways, and the compiler sees to it that it does not end twice. *Settled*:
//! the call was sent, its request counts, and its tokens are corrected to what was really used, up or down. *Dropped*:
//! the call was never sent, and everything is given back. Permits come back either way. Meanwhile a stream that turns
//! out longer than was reserved for it is topped up, so that what it uses is charged when it uses it.
//!
//! Giving back on drop needs no clock. It takes a charge off the place where it was put, and the reservation remembers
//! the time it was made; a window that has moved on since recognises that the charge no longer counts and drops the
//! refund, and a bucket's refund means the same at any time.

use crate::ask::{Ask, Cost};
use crate::quota::Kind;
use crate::set::LimitSet;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;

/// A charge on every limit of a set. Dropped unsettled, it is given back.
#[derive(Debug)]
#[must_use = "dropping a reservation gives everything back"]
pub struct Reservation {
    limits: LimitSet,
    /// What is charged, top-ups included.
    cost: Cost,
    at: Nanos,
    class: Priority,
    settled: bool,
}

impl Reservation {
    #[inline]
    pub(crate) const fn new(limits: LimitSet, at: Nanos, ask: &Ask) -> Self {
        Self { limits, cost: ask.cost, at, class: ask.class, settled: false }
    }

    /// The limits it is held in.
    #[must_use]
    pub const fn limits(&self) -> &LimitSet {
        &self.limits
    }

    /// What is reserved, top-ups included.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// When it was reserved.
    #[must_use]
    pub const fn at(&self) -> Nanos {
        self.at
    }

    /// The call is under way and needs `tokens` more than are reserved. They are charged even where they do not fit.
    pub fn top_up(&mut self, now: Nanos, tokens: u64) {
        self.charge(now, tokens);
        self.cost.tokens = self.cost.tokens.saturating_add(tokens);
    }

    /// The call was sent and used `tokens`, all in all. What it used beyond its reservation is charged even where it
    /// does not fit; what it did not use is given back as far as it still counts. The request stays charged, permits
    /// are given back.
    pub fn settle(self, now: Nanos, tokens: u64) {
        self.settle_then(now, tokens, |_| ());
    }

    /// The same for whoever does something with the limits after that.
    #[inline]
    pub fn settle_then(mut self, now: Nanos, tokens: u64, then: impl FnOnce(&LimitSet)) {
        self.settled = true;
        let reserved = self.cost.tokens;
        if tokens > reserved {
            self.charge(now, tokens - reserved);
        }
        for limit in self.limits.limits() {
            match limit.kind() {
                Kind::Tokens if tokens < reserved => limit.refund(self.at, reserved - tokens, self.class),
                Kind::Concurrency => limit.return_permit(self.at, self.class, self.at.until(now)),
                Kind::Tokens | Kind::Requests => {}
            }
        }
        then(&self.limits);
    }

    fn charge(&self, now: Nanos, tokens: u64) {
        for limit in self.limits.limits().iter().filter(|limit| limit.kind() == Kind::Tokens) {
            limit.charge(now, self.at, tokens);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        for limit in self.limits.limits() {
            limit.refund(self.at, self.cost.of(limit.kind()), self.class);
        }
    }
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
