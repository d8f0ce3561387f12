//! The last minute in numbers: how many calls, how many refused and why, how long they waited.
//!
//! Counters since the start are for Prometheus, which remembers. A person at a terminal and an alert ask about now, so a
//! slot is kept for each of the last sixty seconds and the sum of them is the answer. The memory is fixed, about a third
//! of a megabyte, and the slots are filled by the thread that writes the request log, from the same receipts: nothing is
//! added to the way of a call. That thread waits when the log's reader does not read, and these numbers wait with it.
//!
//! A call counts in the second in which its receipt arrives here, which is when it ended.

use crate::histogram::Histogram;
use sluicegate_relay::metrics::RefusedFor;
use sluicegate_vocabulary::{EndReason, Priority, Receipt};
use std::time::Duration;

/// Seconds that are remembered.
pub(crate) const SECONDS: usize = 60;
/// The classes, highest first, as they are shown.
pub(crate) const CLASSES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

/// What is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    /// Calls that ended.
    pub(crate) calls: u64,
    /// Of them refused by flow control, in the order of [`RefusedFor::ALL`].
    pub(crate) refused: [u64; 4],
    /// Of them ended in an error that was not the client's.
    pub(crate) errors: u64,
    /// Tokens taken from limits.
    pub(crate) reserved: u64,
    /// Tokens used by the calls that took some.
    pub(crate) used: u64,
    /// Waits of the calls that asked for admission, by class, highest first. Most are nothing.
    pub(crate) waits: [Histogram; 4],
    /// Times to the first token.
    pub(crate) first_token: Histogram,
    /// Times to the end of the calls that were answered.
    pub(crate) total: Histogram,
}

impl Sums {
    /// Refused by flow control, for whatever reason.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.iter().sum()
    }

    fn clear(&mut self) {
        self.calls = 0;
        self.refused = [0; 4];
        self.errors = 0;
        self.reserved = 0;
        self.used = 0;
        self.waits.iter_mut().chain([&mut self.first_token, &mut self.total]).for_each(Histogram::clear);
    }

    fn count(&mut self, receipt: &Receipt) {
        use EndReason::{Done, Internal, TimedOut, Truncated, UpstreamError};
        self.calls += 1;
        let refused = RefusedFor::of(receipt);
        if let Some(count) = refused.and_then(|reason| self.refused.get_mut(reason as usize)) {
            *count += 1;
        } else if matches!(receipt.end, UpstreamError | Truncated | TimedOut | Internal) {
            self.errors += 1;
        }
        if receipt.reserved > 0 {
            self.reserved += receipt.reserved;
            self.used += receipt.usage.total();
        }
        let asked = !receipt.attempts.is_empty() || refused.is_some();
        let class = CLASSES.iter().position(|class| *class == receipt.priority);
        if let Some(waits) = class.and_then(|class| self.waits.get_mut(class)).filter(|_| asked) {
            waits.add(receipt.times.queued);
        }
        if let Some(first) = receipt.times.first_token {
            self.first_token.add(first);
        }
        if receipt.end == Done {
            self.total.add(receipt.times.total);
        }
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.reserved += other.reserved;
        self.used += other.used;
        self.refused.iter_mut().zip(other.refused).for_each(|(mine, theirs)| *mine += theirs);
        self.waits.iter_mut().zip(&other.waits).for_each(|(mine, theirs)| mine.merge(theirs));
        self.first_token.merge(&other.first_token);
        self.total.merge(&other.total);
    }
}

/// The last minute.
#[derive(Debug, Clone)]
pub(crate) struct LastMinute {
    /// How long the minute is: less than 60 seconds right after the start.
    pub(crate) length: Duration,
    /// Everything in it.
    pub(crate) sums: Sums,
    /// Calls in each of its seconds, oldest first; the last is the second under way.
    pub(crate) calls: Vec<u64>,
    /// Refusals in each of its seconds.
    pub(crate) refusals: Vec<u64>,
}

impl LastMinute {
    /// A count as so many a second.
    pub(crate) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.length.as_secs_f64().max(1.0)
    }

    /// A part of all calls in percent; `None` when there were none.
    pub(crate) fn percent(&self, count: u64) -> Option<f64> {
        (self.sums.calls > 0).then(|| count as f64 * 100.0 / self.sums.calls as f64)
    }

    /// Waits of all classes together.
    pub(crate) fn waits(&self) -> Histogram {
        let mut all = Histogram::default();
        self.sums.waits.iter().for_each(|class| all.merge(class));
        all
    }
}

/// One slot for each of the last seconds. Times are since the start.
#[derive(Debug)]
pub(crate) struct Recent {
    slots: Vec<Sums>,
    /// The latest second that has a slot.
    second: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { slots: vec![Sums::default(); SECONDS], second: 0 }
    }
}

impl Recent {
    /// Counts calls that have ended about now.
    pub(crate) fn count(&mut self, now: Duration, receipts: &[Receipt]) {
        self.advance(now);
        if let Some(slot) = self.slots.get_mut(place(self.second)) {
            receipts.iter().for_each(|receipt| slot.count(receipt));
        }
    }

    /// The last minute as it is now.
    pub(crate) fn last_minute(&mut self, now: Duration) -> LastMinute {
        self.advance(now);
        let mut minute = LastMinute {
            length: now.min(Duration::from_secs(SECONDS as u64)),
            sums: Sums::default(),
            calls: Vec::with_capacity(SECONDS),
            refusals: Vec::with_capacity(SECONDS),
        };
        let oldest = self.second + 1;
        for slot in (oldest..oldest + SECONDS as u64).filter_map(|second| self.slots.get(place(second))) {
            minute.sums.add(slot);
            minute.calls.push(slot.calls);
            minute.refusals.push(slot.refusals());
        }
        minute
    }

    /// Makes the slots of seconds that have begun empty. A time that lies behind changes nothing.
    fn advance(&mut self, now: Duration) {
        let second = now.as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for gone in 0..passed {
            if let Some(slot) = self.slots.get_mut(place(second - gone)) {
                slot.clear();
            }
        }
        self.second = self.second.max(second);
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or(0)
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
