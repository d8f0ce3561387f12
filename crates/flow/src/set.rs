//! All the limits of one caller, taken together or not at all.
//!
//! Which limits concern a caller is worked out once, when its key is compiled into a snapshot; for each call the set is
//! only walked. It is walked in the order given, which should be from the narrowest to the broadest: a caller over its
//! own limit is then turned away before it touches what it shares with others.
//!
//! **Promise.** A refused call has charged nothing anywhere. For the moment between taking from the first limit and
//! being refused by the last, another call may see less than there is and be refused in turn; never can more be
//! admitted than there is.

use crate::limit::{Limit, LimitStatus};
use crate::refusal::Refusal;
use crate::reservation::{Cost, Reservation};
use crate::time::Nanos;
use std::sync::Arc;

/// The limits that concern one caller. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LimitSet(Arc<[Arc<Limit>]>);

impl LimitSet {
    /// Compiles a set, to be walked in this order. A limit that comes twice counts once.
    #[must_use]
    pub fn new(limits: impl IntoIterator<Item = Arc<Limit>>) -> Self {
        let mut distinct: Vec<Arc<Limit>> = Vec::new();
        for limit in limits {
            if !distinct.iter().any(|earlier| Arc::ptr_eq(earlier, &limit)) {
                distinct.push(limit);
            }
        }
        Self(distinct.into())
    }

    /// The limits, in order.
    #[must_use]
    pub fn limits(&self) -> &[Arc<Limit>] {
        &self.0
    }

    /// Takes `cost` from every limit, or from none.
    ///
    /// # Errors
    /// The limit that refuses; if several do, the one for which waiting takes longest.
    pub fn reserve(&self, now: Nanos, cost: Cost) -> Result<Reservation, Refusal> {
        for (taken, limit) in self.0.iter().enumerate() {
            if let Err(refusal) = limit.take(now, cost.of(limit.kind())) {
                for earlier in self.0.iter().take(taken) {
                    earlier.refund(now, cost.of(earlier.kind()));
                }
                return Err(self.longest(refusal, now, cost));
            }
        }
        Ok(Reservation::new(self.clone(), now, cost))
    }

    /// The refusal that stands longest, this one or another limit's.
    #[cold]
    fn longest(&self, first: Refusal, now: Nanos, cost: Cost) -> Refusal {
        let all = self.0.iter().filter_map(|limit| limit.would_refuse(now, cost.of(limit.kind())));
        all.fold(first, |longest, next| if next.stands_for() > longest.stands_for() { next } else { longest })
    }

    /// Every limit's level at `now`, in order.
    #[must_use]
    pub fn status(&self, now: Nanos) -> Vec<LimitStatus> {
        self.0.iter().map(|limit| limit.status(now)).collect()
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
