//! The sliding window: never more than the limit in any stretch of the window's length.
//!
//! Counting in fixed minutes lets twice the limit through around the turn of a minute, and so, nearly, does the popular
//! weighted sum of two fixed windows. An exact log of every admission does not, but its memory grows with the limit.
//! This one cuts the window into 60 sub-buckets and counts the running one *and* the 60 before it, each whole. What is
//! counted therefore always reaches back at least one window, wherever in its sub-bucket an admission fell.
//!
//! **Promises.** In any stretch as long as the window at most the limit is admitted. The price is at most a 61st of
//! sustained throughput. What is refunded comes off the sub-bucket it was charged to and is dropped once that has left
//! the window: the charge no longer counts, so giving it back would mint. What was used beyond a reservation is charged
//! whatever the limit says; new calls then wait until it has left the window. A time older than the newest seen counts
//! as the newest.
//!
//! The counters lie behind a mutex that is held for a few nanoseconds and never across anything else.

use crate::meter::{Closed, Gauge, Level, Refused, Shortfall};
use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use std::time::Duration;

/// How many whole sub-buckets a window is cut into.
const PARTS: u64 = 60;
/// Those and the running one.
const SLOTS: usize = PARTS as usize + 1;

/// At most `limit` in any stretch of a window.
#[derive(Debug)]
pub(crate) struct SlidingWindow {
    limit: u64,
    /// `None` once closed.
    ring: Mutex<Option<Ring>>,
}

/// The counters of a window. A sub-bucket is named by its number since the start of the clock; sub-bucket `i` lies in
/// slot `i % SLOTS` and counts until the running one is `i + SLOTS`.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    slots: [u64; SLOTS],
    /// Everything in `slots`.
    sum: u128,
    /// The length of a sub-bucket in nanoseconds, rounded up so that 60 of them are never shorter than the window.
    width: u64,
    /// The running sub-bucket.
    head: u64,
    /// Charges made before this time are not recognisable here: the ring began then, perhaps with the mere total of
    /// another meter.
    since: Nanos,
}

impl SlidingWindow {
    /// An empty window.
    pub(crate) fn new(limit: u64, window: Duration) -> Self {
        Self { limit, ring: Mutex::new(Some(Ring::new(window, Nanos::ZERO, 0))) }
    }

    /// A window that goes on from a predecessor's level: sub-bucket by sub-bucket if that was a window as long, else
    /// with all that is in use in the running one. After a bucket no more is left than the bucket had left.
    pub(crate) fn resume(limit: u64, window: Duration, now: Nanos, level: Level) -> Self {
        let ring = match level.ring {
            Some(ring) if ring.width == width_of(window) => ring,
            Some(_) => Ring::new(window, now, level.used),
            None => {
                let missing = u64::try_from(i128::from(limit) - level.left).unwrap_or(0);
                Ring::new(window, now, level.used.max(missing))
            }
        };
        Self { limit, ring: Mutex::new(Some(ring)) }
    }

    #[inline]
    pub(crate) fn take(&self, now: Nanos, amount: u64) -> Result<(), Refused> {
        let mut guard = self.ring.lock();
        let ring = guard.as_mut().ok_or(Closed)?;
        ring.advance(now);
        if ring.sum + u128::from(amount) <= u128::from(self.limit) {
            ring.add(ring.head, amount);
            Ok(())
        } else {
            Err(Refused::Short(ring.shortfall(now, amount, self.limit)))
        }
    }

    pub(crate) fn shortfall(&self, now: Nanos, amount: u64) -> Result<Option<Shortfall>, Closed> {
        let mut guard = self.ring.lock();
        let ring = guard.as_mut().ok_or(Closed)?;
        ring.advance(now);
        let fits = ring.sum + u128::from(amount) <= u128::from(self.limit);
        Ok((!fits).then(|| ring.shortfall(now, amount, self.limit)))
    }

    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64) -> Result<(), Closed> {
        self.ring.lock().as_mut().ok_or(Closed)?.remove(at, amount);
        Ok(())
    }

    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) -> Result<(), Closed> {
        let mut guard = self.ring.lock();
        let ring = guard.as_mut().ok_or(Closed)?;
        ring.advance(now);
        let charged = ring.living(at).unwrap_or(ring.head);
        ring.add(charged, amount);
        Ok(())
    }

    pub(crate) fn gauge(&self, now: Nanos) -> Result<Gauge, Closed> {
        let mut guard = self.ring.lock();
        let ring = guard.as_mut().ok_or(Closed)?;
        ring.advance(now);
        Ok(Gauge { left: ring.left(self.limit), capacity: self.limit, full_in: now.until(ring.empty_at()) })
    }

    pub(crate) fn close(&self, now: Nanos) -> Result<Level, Closed> {
        let mut ring = self.ring.lock().take().ok_or(Closed)?;
        ring.advance(now);
        let used = u64::try_from(ring.sum).unwrap_or(u64::MAX);
        Ok(Level { used, left: i128::from(self.limit) - i128::from(used), ring: Some(ring) })
    }
}

impl Ring {
    fn new(window: Duration, now: Nanos, used: u64) -> Self {
        let width = width_of(window);
        let head = now.0 / width;
        let mut ring = Self { slots: [0; SLOTS], sum: 0, width, head, since: now };
        ring.add(head, used);
        ring
    }

    /// Lets go of what has left the window by `now`.
    #[inline]
    fn advance(&mut self, now: Nanos) {
        let running = now.0 / self.width;
        if running <= self.head {
            return;
        }
        if running - self.head > PARTS {
            self.slots = [0; SLOTS];
            self.sum = 0;
        } else {
            for index in self.head + 1..=running {
                let slot = self.slot(index);
                let gone = std::mem::take(slot);
                self.sum -= u128::from(gone);
            }
        }
        self.head = running;
    }

    /// Adds to a sub-bucket that counts.
    #[inline]
    fn add(&mut self, index: u64, amount: u64) {
        let slot = self.slot(index);
        let before = *slot;
        *slot = before.saturating_add(amount);
        let added = *slot - before;
        self.sum += u128::from(added);
    }

    /// Takes off `amount` that was charged at `at`, if that still counts.
    ///
    /// A charge whose time was older than the newest seen lies in a later sub-bucket than its time says, so what is
    /// missing in its own is looked for in the later ones. That never shortens the time for which a charge counts.
    fn remove(&mut self, at: Nanos, amount: u64) {
        let Some(first) = self.living(at) else { return };
        let mut missing = amount;
        for index in first..=self.head {
            let slot = self.slot(index);
            let off = missing.min(*slot);
            *slot -= off;
            self.sum -= u128::from(off);
            missing -= off;
            if missing == 0 {
                return;
            }
        }
    }

    /// The sub-bucket of a charge made at `at`, if it still counts.
    fn living(&self, at: Nanos) -> Option<u64> {
        let index = at.0 / self.width;
        (at >= self.since && index <= self.head && self.head - index <= PARTS).then_some(index)
    }

    fn left(&self, limit: u64) -> u64 {
        u64::try_from(u128::from(limit).saturating_sub(self.sum)).unwrap_or(u64::MAX)
    }

    /// What is missing for `amount`, and when enough of the oldest will have left.
    fn shortfall(&mut self, now: Nanos, amount: u64, limit: u64) -> Shortfall {
        let left = self.left(limit);
        if amount > limit {
            return Shortfall { left, wait: None };
        }
        let mut staying = self.sum;
        let mut last = self.head;
        for index in self.head.saturating_sub(PARTS)..=self.head {
            staying -= u128::from(*self.slot(index));
            if staying + u128::from(amount) <= u128::from(limit) {
                last = index;
                break;
            }
        }
        Shortfall { left, wait: Some(now.until(self.leaves_at(last))) }
    }

    /// When the last that is in use will have left; the past if nothing is.
    fn empty_at(&mut self) -> Nanos {
        let newest = (self.head.saturating_sub(PARTS)..=self.head).rev().find(|&index| *self.slot(index) > 0);
        newest.map_or(Nanos::ZERO, |index| self.leaves_at(index))
    }

    /// The first moment at which a sub-bucket no longer counts.
    fn leaves_at(&self, index: u64) -> Nanos {
        Nanos(index.saturating_add(PARTS + 1).saturating_mul(self.width))
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder by the array's length lies within the array")]
    #[inline]
    fn slot(&mut self, index: u64) -> &mut u64 {
        &mut self.slots[(index % SLOTS as u64) as usize]
    }
}

fn width_of(window: Duration) -> u64 {
    nanos(window).div_ceil(PARTS).max(1)
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
