//! Times by their size, in a fixed amount of memory.
//!
//! Eight buckets to every doubling: a quantile of half a millisecond or more is within 7 % of the true one, closer than anybody
//! needs who looks at a screen, and adding one is an index and an increment.

use std::time::Duration;

/// Buckets to a doubling, as a power of two.
const FINE: u32 = 3;
const PER_DOUBLING: usize = 1 << FINE;
/// What is shorter than this is not told apart, in microseconds as a power of two.
const UNIT: u32 = 6;
/// Enough for two hours; longer times count as that.
const BUCKETS: usize = PER_DOUBLING * 25;

/// Counts of times.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: [u32; BUCKETS],
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// Adds one time.
    pub(crate) fn add(&mut self, time: Duration) {
        let units = u64::try_from(time.as_micros()).unwrap_or(u64::MAX) >> UNIT;
        if let Some(bucket) = self.buckets.get_mut(index(units).min(BUCKETS - 1)) {
            *bucket = bucket.saturating_add(1);
            self.count += 1;
        }
    }

    /// Adds all times of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
    }

    /// How many times it holds.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        if self.count > 0 {
            *self = Self::default();
        }
    }

    /// The time that a share (0 to 1) of all stayed at or below; `None` when it holds none.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as-casts from float saturate; the rank lies between 1 and the count"
        )]
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut below = 0;
        let found = self.buckets.iter().position(|bucket| {
            below += u64::from(*bucket);
            below >= rank
        });
        found.map(middle)
    }
}

/// The bucket of a number of units.
fn index(units: u64) -> usize {
    let doublings = units.checked_ilog2().unwrap_or(0).saturating_sub(FINE);
    let within = units >> doublings;
    doublings as usize * PER_DOUBLING + usize::try_from(within).unwrap_or(usize::MAX)
}

/// The middle of a bucket; nothing for what was too short to tell.
fn middle(bucket: usize) -> Duration {
    let doublings = (bucket / PER_DOUBLING).saturating_sub(1);
    let least = (bucket - doublings * PER_DOUBLING) as u64;
    let micros = |units: u64| (units << doublings) << UNIT;
    Duration::from_micros(if bucket == 0 { 0 } else { micros(least).midpoint(micros(least + 1)) })
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
