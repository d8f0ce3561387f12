//! Permits: how many calls may be in flight at once.
//!
//! How many are, all in all and of the two lower classes, is packed into one number, so that one compare-and-swap takes
//! a permit under all three bounds. The limit is not part of it: cut below what is in flight, nobody is admitted until
//! enough have ended, and nothing needs to be drained.
//!
//! The lower classes are bounded by what they occupy, not kept off the last free permits: a relay that is always full
//! would hand every freed permit to whoever may use the last one, and the lower classes would starve.
//!
//! **Promises.** In flight are at most the limit, or as many as were when it was cut. Of the low class at most 90 % of
//! the permits, of low and normal together at most 95 %, rounded up: where there are few permits, keeping one free would
//! cost the lower classes more than it gives the upper ones. A permit given back twice takes none from others.

use crate::atom::{Atom, Word};
use crate::meter::{Closed, Gauge, Level, Refused, Shortfall};
use crate::refusal::Reason;
use sluicegate_vocabulary::Priority;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits for each of the three counts.
const BITS: u32 = 21;
/// The most that a count can hold, and the largest limit.
const MOST: u64 = (1 << BITS) - 1;

/// At most `limit` in flight.
#[derive(Debug)]
pub(crate) struct Permits<W> {
    limit: AtomicU64,
    flight: Atom<W>,
}

/// What is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flight {
    total: u64,
    normal: u64,
    low: u64,
}

impl<W: Word> Permits<W> {
    pub(crate) fn new(limit: u64) -> Self {
        Self::resume(limit, Flight::default())
    }

    /// Permits of which some are held already.
    pub(crate) fn resume(limit: u64, flight: Flight) -> Self {
        Self { limit: AtomicU64::new(limit.min(MOST)), flight: Atom::new(flight.packed()) }
    }

    /// Another limit from now on. Whoever asked while it changed may have been judged by either.
    pub(crate) fn resize(&self, limit: u64) -> Result<(), Closed> {
        self.limit.store(limit.min(MOST), Ordering::SeqCst);
        self.flight.get().map(|_| ())
    }

    #[inline]
    fn limit(&self) -> u64 {
        self.limit.load(Ordering::SeqCst)
    }

    #[inline]
    pub(crate) fn take(&self, class: Priority) -> Result<(), Refused> {
        let admitted = self.flight.update(|word| {
            let flight = Flight::unpacked(word);
            self.refuses(flight, class).is_none().then(|| flight.with(class).packed())
        })?;
        if admitted {
            return Ok(());
        }
        // If somebody gave one back since, the refusal stands, and asking again helps.
        let given_back = Shortfall { left: 0, wait: None, reason: Reason::Exhausted };
        Err(Refused::Short(self.shortfall(class)?.unwrap_or(given_back)))
    }

    /// Takes one whether or not there is one.
    pub(crate) fn force(&self, class: Priority) -> Result<(), Closed> {
        self.flight.update(|word| Some(Flight::unpacked(word).with(class).packed())).map(|_| ())
    }

    pub(crate) fn shortfall(&self, class: Priority) -> Result<Option<Shortfall>, Closed> {
        Ok(self.refuses(Flight::unpacked(self.flight.get()?), class))
    }

    #[inline]
    pub(crate) fn refund(&self, class: Priority) -> Result<(), Closed> {
        self.flight.update(|word| Some(Flight::unpacked(word).without(class).packed())).map(|_| ())
    }

    pub(crate) fn gauge(&self) -> Result<Gauge, Closed> {
        let limit = self.limit();
        let left = limit.saturating_sub(Flight::unpacked(self.flight.get()?).total);
        Ok(Gauge { left, capacity: limit, full_in: std::time::Duration::ZERO })
    }

    pub(crate) fn is_idle(&self) -> Result<bool, Closed> {
        Ok(self.flight.get()? == 0)
    }

    pub(crate) fn close(&self) -> Result<Level, Closed> {
        let flight = Flight::unpacked(self.flight.close()?);
        Ok(Level { used: flight.total, left: i128::from(self.limit()) - i128::from(flight.total), ring: None, flight })
    }

    #[inline]
    fn refuses(&self, flight: Flight, class: Priority) -> Option<Shortfall> {
        let limit = self.limit();
        let free = limit.saturating_sub(flight.total);
        let share = |percent: u64, held: u64| (limit * percent).div_ceil(100).saturating_sub(held);
        let lower = || share(95, flight.low + flight.normal);
        let left = match class {
            Priority::Critical | Priority::High => free,
            Priority::Normal => free.min(lower()),
            Priority::Low => free.min(lower()).min(share(90, flight.low)),
        };
        let reason = match (limit, free) {
            (0, _) => Reason::NeverFits,
            (_, 0) => Reason::Exhausted,
            _ => Reason::Class,
        };
        (left == 0).then_some(Shortfall { left, wait: None, reason })
    }
}

impl Flight {
    #[inline]
    const fn packed(self) -> u64 {
        self.total << (2 * BITS) | self.normal << BITS | self.low
    }

    #[inline]
    const fn unpacked(word: u64) -> Self {
        Self { total: word >> (2 * BITS) & MOST, normal: word >> BITS & MOST, low: word & MOST }
    }

    /// One more. Beyond two million, which no machine holds, calls go uncounted.
    #[inline]
    fn with(self, class: Priority) -> Self {
        self.counted(class, |count| (count + 1).min(MOST))
    }

    #[inline]
    fn without(self, class: Priority) -> Self {
        self.counted(class, |count| count.saturating_sub(1))
    }

    #[inline]
    fn counted(self, class: Priority, change: impl Fn(u64) -> u64) -> Self {
        Self {
            total: change(self.total),
            normal: if class == Priority::Normal { change(self.normal) } else { self.normal },
            low: if class == Priority::Low { change(self.low) } else { self.low },
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
