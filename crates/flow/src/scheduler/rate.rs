//! How fast something comes, from what came lately.
//!
//! An exponentially weighted mean whose clock runs only while somebody waits. Between two times of contention calls go
//! past the scheduler unseen; taking that silence for a lull would forget everything each time.

use crate::time::Nanos;
use std::time::Duration;

/// What came this long ago counts for a third.
const MEMORY: f64 = 10.0;
/// Before this much has been seen there is no saying. Seconds.
const TOO_EARLY: f64 = 0.25;

/// A rate per second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    sum: f64,
    seen: f64,
    last: Nanos,
}

impl Rate {
    /// The clock runs again.
    pub(super) fn resume(&mut self, now: Nanos) {
        self.last = self.last.max(now);
    }

    pub(super) fn add(&mut self, now: Nanos, amount: u64) {
        self.sum = self.decayed(now) + amount as f64;
        self.seen = (self.seen + self.last.until(now).as_secs_f64()).min(10.0 * MEMORY);
        self.last = self.last.max(now);
    }

    /// What comes in a second, if enough has been seen to say.
    pub(super) fn per_second(&self, now: Nanos) -> Option<f64> {
        let seen = self.seen + self.last.until(now).as_secs_f64();
        // What a memory of this age would hold, if one a second had come.
        let weight = MEMORY * -f64::exp_m1(-seen / MEMORY);
        (seen >= TOO_EARLY).then(|| self.decayed(now) / weight)
    }

    fn decayed(&self, now: Nanos) -> f64 {
        let passed: Duration = self.last.until(now);
        self.sum * f64::exp(-passed.as_secs_f64() / MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(rate: &mut Rate, from: u64, to: u64) {
        for tick in from * 10..to * 10 {
            rate.add(Nanos(tick * 100_000_000), 5);
        }
    }

    #[test]
    fn a_steady_rate_is_known_early_and_stays() {
        let mut rate = Rate::default();
        rate.resume(Nanos(0));
        assert_eq!(rate.per_second(Nanos(0)), None);
        for seconds in [1, 5, 60] {
            ticks(&mut rate, seconds - 1, seconds);
            ticks(&mut rate, seconds, seconds + 30);
            let known = rate.per_second(Nanos((seconds + 30) * 1_000_000_000)).unwrap();
            assert!((known / 50.0 - 1.0).abs() < 0.1, "{known}");
            rate = Rate { last: Nanos(seconds * 1_000_000_000), ..Rate::default() };
        }
    }

    #[test]
    fn a_pause_without_contention_is_not_a_lull() {
        let mut rate = Rate::default();
        rate.resume(Nanos(0));
        ticks(&mut rate, 0, 30);
        let hour = Nanos(3_600 * 1_000_000_000);
        rate.resume(hour);
        assert!((rate.per_second(hour).unwrap() / 50.0 - 1.0).abs() < 0.1);
        assert!(rate.per_second(hour.after(Duration::from_secs(40))).unwrap() < 2.0);
    }
}
