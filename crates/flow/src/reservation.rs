//! What one call has taken from its limits, until it is known what it used.
//!
//! A reservation ends in exactly one of two ways, and the compiler sees to it that it does not end twice. *Settled*:
//! the call was sent, its request counts, and its tokens are corrected to what was really used, up or down. *Dropped*:
//! the call was never sent, and everything is given back.
//!
//! Giving back on drop needs no clock. It takes a charge off the place where it was put, and the reservation remembers
//! the time it was made; a window that has moved on since recognises that the charge no longer counts and drops the
//! refund, and a bucket's refund means the same at any time.

use crate::limit::Kind;
use crate::set::LimitSet;
use crate::time::Nanos;

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
        }
    }
}

/// A charge on every limit of a set. Dropped unsettled, it is given back.
#[derive(Debug)]
#[must_use = "dropping a reservation gives everything back"]
pub struct Reservation {
    /// `None` once settled.
    limits: Option<LimitSet>,
    cost: Cost,
    at: Nanos,
}

impl Reservation {
    #[inline]
    pub(crate) const fn new(limits: LimitSet, at: Nanos, cost: Cost) -> Self {
        Self { limits: Some(limits), cost, at }
    }

    /// What was reserved.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// When it was reserved.
    #[must_use]
    pub const fn at(&self) -> Nanos {
        self.at
    }

    /// The call was sent and used `tokens`, all in all. What it used beyond its reservation is charged even where it
    /// does not fit; what it did not use is given back as far as it still counts. The request stays charged.
    pub fn settle(mut self, now: Nanos, tokens: u64) {
        let Some(limits) = self.limits.take() else { return };
        let reserved = self.cost.tokens;
        for limit in limits.limits().iter().filter(|limit| limit.kind() == Kind::Tokens) {
            if tokens > reserved {
                limit.charge(now, self.at, tokens - reserved);
            } else if tokens < reserved {
                limit.refund(self.at, reserved - tokens);
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(limits) = self.limits.take() else { return };
        for limit in limits.limits() {
            limit.refund(self.at, self.cost.of(limit.kind()));
        }
    }
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
