//! The token bucket: a steady rate, with a burst on top.
//!
//! It is kept as the generic cell rate algorithm keeps it: not a level and the time of the last refill, but one number,
//! the *theoretical arrival time* at which the bucket will be full again. Taking moves it forward, refunding moves it
//! back, waiting does nothing; a time that has passed means full. One number fits one atomic, so a decision is one
//! compare-and-swap and there is nothing to keep in step.
//!
//! The number counts sixteenths of a nanosecond, and one token is a whole number of them, rounded up. So `n` times one
//! token costs exactly as much as `n` tokens at once, what is taken can be given back without a remainder, and the rate
//! errs by less than a ten-thousandth below its setting up to a hundred million tokens a minute.
//!
//! **Promises.** Over any stretch of time, what is taken less what is given back is at most the capacity and what was
//! refilled in that stretch; with stepwise refill, one step's tokens more. (What is given back may have been taken
//! before the stretch: one number cannot tell whether the refill had made up for it already, and a full bucket between
//! the two would have lost it.) A call larger than the whole bucket is admitted when the bucket is full and leaves it
//! in debt; otherwise such a call could never be admitted at all. What was used beyond a reservation is charged
//! whatever the level says. A refund never lifts the level over the capacity.

use crate::atom::{Atom, LARGEST};
use crate::meter::{Closed, Gauge, Level, Refused, Shortfall};
use crate::permits::Flight;
use crate::refusal::Reason;
use crate::time::{Nanos, nanos};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Ticks in a nanosecond.
const TICKS: u64 = 16;
/// No bucket takes longer to fill than this many ticks (9 years), which leaves room to add to the time.
const LONGEST: u64 = 1 << 62;

/// A bucket that holds `capacity` tokens and refills at a steady rate.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    refill: Refill,
    /// The theoretical arrival time, in ticks.
    arrival: Atom<AtomicU64>,
}

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy)]
struct Refill {
    /// Ticks for one token to arrive.
    token: u64,
    /// The most tokens the bucket holds; zero admits nothing.
    capacity: u64,
    /// Tokens arrive in steps of this many nanoseconds; 1 is continuous.
    step: u64,
}

impl TokenBucket {
    /// A full bucket that gains `set` tokens in each `window`.
    pub(crate) fn new(set: u64, window: Duration, capacity: u64, step: Option<Duration>) -> Self {
        Self { refill: Refill::new(set, window, capacity, step), arrival: Atom::new(0) }
    }

    /// A bucket that goes on with the tokens its predecessor had left, as far as they fit in.
    pub(crate) fn resume(
        set: u64,
        window: Duration,
        capacity: u64,
        step: Option<Duration>,
        now: Nanos,
        level: &Level,
    ) -> Self {
        let refill = Refill::new(set, window, capacity, step);
        let missing = u64::try_from(i128::from(refill.capacity) - level.left).unwrap_or(0);
        let arrival = refill.ticks(now).saturating_add(refill.cost(missing)).min(LARGEST);
        Self { refill, arrival: Atom::new(arrival) }
    }

    #[inline]
    pub(crate) fn take(&self, now: Nanos, amount: u64) -> Result<(), Refused> {
        let (refill, time) = (&self.refill, self.refill.ticks(now));
        let admitted = self.arrival.update(|arrival| {
            let full = arrival.max(time);
            refill.admits(full, time, amount).then(|| full.saturating_add(refill.cost(amount)))
        })?;
        if admitted {
            return Ok(());
        }
        // If somebody gave enough back since, the refusal stands, and coming back at once helps.
        let given_back = Shortfall { left: amount, wait: Some(Duration::ZERO), reason: Reason::Exhausted };
        Err(Refused::Short(self.shortfall(now, amount)?.unwrap_or(given_back)))
    }

    pub(crate) fn shortfall(&self, now: Nanos, amount: u64) -> Result<Option<Shortfall>, Closed> {
        let (refill, time) = (&self.refill, self.refill.ticks(now));
        let full = self.arrival.get()?.max(time);
        if refill.admits(full, time, amount) {
            return Ok(None);
        }
        let wait = (refill.capacity > 0).then(|| {
            let admitted_at = full.saturating_sub(refill.spare(amount));
            now.until(refill.moment(admitted_at))
        });
        let reason = if wait.is_some() { Reason::Exhausted } else { Reason::NeverFits };
        Ok(Some(Shortfall { left: refill.left(full - time), wait, reason }))
    }

    #[inline]
    pub(crate) fn refund(&self, amount: u64) -> Result<(), Closed> {
        let back = self.refill.cost(amount);
        self.arrival.update(|arrival| Some(arrival.saturating_sub(back))).map(|_| ())
    }

    #[inline]
    pub(crate) fn charge(&self, now: Nanos, amount: u64) -> Result<(), Closed> {
        let (time, more) = (self.refill.ticks(now), self.refill.cost(amount));
        // From `time` on: added to a time that has passed, the charge would be lost in a full bucket.
        self.arrival.update(|arrival| Some(arrival.max(time).saturating_add(more))).map(|_| ())
    }

    pub(crate) fn gauge(&self, now: Nanos) -> Result<Gauge, Closed> {
        let (refill, time) = (&self.refill, self.refill.ticks(now));
        let full = self.arrival.get()?.max(time);
        let full_in = if full > time { now.until(refill.moment(full)) } else { Duration::ZERO };
        Ok(Gauge { left: refill.left(full - time), capacity: refill.capacity, full_in })
    }

    pub(crate) fn is_idle(&self, now: Nanos) -> Result<bool, Closed> {
        Ok(self.arrival.get()? <= self.refill.ticks(now))
    }

    /// Tokens that arrive in a second.
    pub(crate) fn pace(&self) -> Result<f64, Closed> {
        self.arrival.get()?;
        Ok(if self.refill.capacity == 0 { 0.0 } else { 1e9 * TICKS as f64 / self.refill.token as f64 })
    }

    pub(crate) fn close(&self, now: Nanos) -> Result<Level, Closed> {
        let time = self.refill.ticks(now);
        let used = self.arrival.close()?.saturating_sub(time).div_ceil(self.refill.token);
        Ok(Level {
            used,
            left: i128::from(self.refill.capacity) - i128::from(used),
            ring: None,
            flight: Flight::default(),
        })
    }
}

impl Refill {
    fn new(set: u64, window: Duration, capacity: u64, step: Option<Duration>) -> Self {
        let ticks = u128::from(nanos(window)) * u128::from(TICKS);
        let token = ticks.div_ceil(u128::from(set.max(1))).clamp(1, u128::from(LONGEST)) as u64;
        let capacity = if set == 0 { 0 } else { capacity.min(LONGEST / token) };
        Self { token, capacity, step: step.map_or(1, nanos).max(1) }
    }

    /// The time in ticks, standing still between steps.
    #[inline]
    const fn ticks(&self, now: Nanos) -> u64 {
        let stepped = if self.step == 1 { now.0 } else { now.0 - now.0 % self.step };
        stepped.saturating_mul(TICKS)
    }

    /// The first moment at which [`Self::ticks`] is at least this.
    const fn moment(&self, ticks: u64) -> Nanos {
        let exact = ticks.div_ceil(TICKS);
        Nanos(exact.div_ceil(self.step).saturating_mul(self.step))
    }

    #[inline]
    const fn cost(&self, amount: u64) -> u64 {
        amount.saturating_mul(self.token)
    }

    /// Whether a bucket that is full at `full` admits `amount` at `time`: it holds as much, or it is full.
    #[inline]
    const fn admits(&self, full: u64, time: u64, amount: u64) -> bool {
        full <= time.saturating_add(self.spare(amount)) && (self.capacity > 0 || amount == 0)
    }

    /// How far from full, in ticks, a bucket may be and still admit `amount`.
    #[inline]
    const fn spare(&self, amount: u64) -> u64 {
        self.cost(self.capacity.saturating_sub(amount))
    }

    /// Whole tokens left when the bucket is `behind` ticks away from full.
    const fn left(&self, behind: u64) -> u64 {
        self.capacity.saturating_sub(behind.div_ceil(self.token))
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
