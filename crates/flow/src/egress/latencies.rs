//! How long a target takes: for first tokens, or for whole answers.
//!
//! Whether a retry can still answer in time, and when a call is later than nearly all others, are questions about the
//! distribution of the last minute, not about an average. It is kept in two histograms of half a minute each, one
//! filling and one full, with sixteen bins for each doubling of the time: an answer is exact to a sixteenth, the bin of a
//! time is found without a logarithm, old samples disappear by themselves, and the size is fixed. What a target took
//! before it fell silent is kept beside them, since that is when somebody wants to know it.

use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use std::time::Duration;

/// Bins in each doubling: 2 to this power.
const FINE: u32 = 4;
/// The finest difference that is told, in nanoseconds: a sixteenth of a millisecond. The first bin holds sixteen of it.
const UNIT: u64 = 62_500;
/// Up to an hour and a little more.
const BINS: usize = 353;
/// How long one histogram fills.
const HALF: u64 = 30_000_000_000;
/// Fewer samples than these say nothing.
const ENOUGH: u32 = 20;

/// The times of the last half to whole minute of one target and model, and those of the last minute that had enough.
#[derive(Debug, Default)]
pub struct Latencies(Mutex<Halves>);

#[derive(Debug)]
struct Halves {
    filling: [u32; BINS],
    full: [u32; BINS],
    /// Both together, when they last were enough.
    usual: [u32; BINS],
    /// The number of the half minute that is filling.
    number: u64,
}

impl Default for Halves {
    fn default() -> Self {
        Self { filling: [0; BINS], full: [0; BINS], usual: [0; BINS], number: 0 }
    }
}

impl Latencies {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One took so long from the sending of its request.
    pub fn record(&self, now: Nanos, took: Duration) {
        let bin = bin(took);
        let mut halves = self.0.lock();
        halves.turn(now);
        if let Some(count) = halves.filling.get_mut(bin) {
            *count = count.saturating_add(1);
        }
    }

    /// The time within which so large a part (0 to 1) came, rounded up by at most a sixteenth; `None` with fewer than twenty
    /// samples.
    #[must_use]
    pub fn within(&self, now: Nanos, part: f64) -> Option<Duration> {
        let mut halves = self.0.lock();
        halves.turn(now);
        quantile(&halves.both(), part)
    }

    /// The same of the last minute that had twenty samples, however long ago that is.
    #[must_use]
    pub fn usually_within(&self, now: Nanos, part: f64) -> Option<Duration> {
        self.within(now, part).or_else(|| quantile(&self.0.lock().usual, part))
    }
}

fn quantile(bins: &[u32; BINS], part: f64) -> Option<Duration> {
    let all = bins.iter().copied().fold(0, u32::saturating_add);
    if all < ENOUGH {
        return None;
    }
    let wanted = (f64::from(all) * part.clamp(0.0, 1.0)).ceil().max(1.0) as u32;
    let mut counted: u32 = 0;
    let bin = bins.iter().position(|count| {
        counted = counted.saturating_add(*count);
        counted >= wanted
    })?;
    Some(end(bin))
}

/// Where a time is counted. The first bin holds what is less than a millisecond, the last all that is longest.
fn bin(took: Duration) -> usize {
    let units = nanos(took) / UNIT;
    let Some(doublings) = units.checked_ilog2().and_then(|power| power.checked_sub(FINE)) else { return 0 };
    let within = (units >> doublings) as usize - (1 << FINE);
    (1 + ((doublings as usize) << FINE) + within).min(BINS - 1)
}

/// The time at which a bin ends.
fn end(bin: usize) -> Duration {
    let Some(place) = bin.checked_sub(1) else { return Duration::from_nanos(UNIT << FINE) };
    let units = ((1 << FINE) + (place as u64 & ((1 << FINE) - 1)) + 1) << (place >> FINE);
    Duration::from_nanos(units * UNIT)
}

impl Halves {
    fn both(&self) -> [u32; BINS] {
        let mut both = self.filling;
        both.iter_mut().zip(&self.full).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
        both
    }

    /// Forgets what is older than a minute, or keeps it as what was usual.
    fn turn(&mut self, now: Nanos) {
        let number = now.0 / HALF;
        if number <= self.number {
            return;
        }
        let both = self.both();
        if both.iter().copied().fold(0, u32::saturating_add) >= ENOUGH {
            self.usual = both;
        }
        self.full = if number == self.number + 1 { self.filling } else { [0; BINS] };
        self.filling = [0; BINS];
        self.number = number;
    }
}

#[cfg(test)]
#[path = "latencies_tests.rs"]
mod tests;
