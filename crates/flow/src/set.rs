//! All the limits of one caller, taken together or not at all.
//!
//! Which limits concern a caller is worked out once; for each call the set is only walked. It is walked in the order
//! given, which should be from the narrowest to the broadest: a caller over its own limit is then turned away before it
//! touches what it shares with others. Limits that only watch come last, so that they count what the others admit.
//!
//! **Promise.** A refused call has charged nothing anywhere. For the moment between taking from the first limit and
//! being refused by the last, another call may see less than there is and be refused in turn; never can more be
//! admitted than there is.

use crate::ask::Ask;
use crate::limit::{Limit, LimitStatus};
use crate::refusal::Refusal;
use crate::reservation::Reservation;
use crate::time::Nanos;
use std::hint::black_box;
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
            if !distinct.iter().any(|earlier| earlier.id() == limit.id()) {
                distinct.push(limit);
            }
        }
        distinct.sort_by_key(|limit| limit.quota().shadow);
        Self(distinct.into())
    }

    /// The limits, in order.
    #[must_use]
    pub fn limits(&self) -> &[Arc<Limit>] {
        &self.0
    }

    /// Has it fetched from memory. Nothing waits for that yet.
    #[inline]
    pub(crate) fn fetch(&self) {
        black_box(Arc::strong_count(&self.0));
        black_box(self.0.last().map(Arc::as_ptr));
    }

    /// Whether calls wait for any of these limits. Whoever comes then has to wait behind them.
    #[must_use]
    #[inline]
    pub fn is_contended(&self) -> bool {
        self.0.iter().any(|limit| limit.waiting() > 0)
    }

    /// Takes what is asked from every limit, or from none. Does not look who waits.
    ///
    /// # Errors
    /// The limit that refuses; if several do, the one for which waiting takes longest.
    #[inline]
    pub fn reserve(&self, now: Nanos, ask: Ask) -> Result<Reservation, Refusal> {
        for (taken, limit) in self.0.iter().enumerate() {
            if let Err(refusal) = limit.take(now, &ask) {
                return Err(self.refuse(taken, refusal, now, &ask));
            }
        }
        Ok(Reservation::new(self.clone(), now, &ask))
    }

    /// Gives back what was taken, and finds the refusal that stands longest: this one or another limit's.
    #[cold]
    fn refuse(&self, taken: usize, first: Refusal, now: Nanos, ask: &Ask) -> Refusal {
        for limit in self.0.iter().take(taken) {
            limit.refund(now, ask.cost.of(limit.kind()), ask.class);
        }
        let others = self.0.iter().enumerate().filter(|&(number, _)| number != taken);
        let refusals = others.filter_map(|(_, limit)| limit.would_refuse(now, ask));
        refusals.fold(first, |longest, next| if next.stands_for() > longest.stands_for() { next } else { longest })
    }

    /// How [`Self::reserve`] would refuse, taking nothing.
    #[must_use]
    pub fn would_refuse(&self, now: Nanos, ask: &Ask) -> Option<Refusal> {
        self.0.iter().filter_map(|limit| limit.would_refuse(now, ask)).max_by_key(Refusal::stands_for)
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
