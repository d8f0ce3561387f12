//! How fast something comes, from what came lately: exponentially weighted means.
//!
//! Two questions are asked of them, and they want different answers while little has been seen. *How much does this
//! limit let through?* Then the best guess is wanted, from the little there is, and from times of contention only.
//! *How much will come of the other classes?* Then as little as has been seen is assumed: at the beginning of a spike
//! nobody knows that it will last, and expecting it to would refuse calls that could have waited it out.

use crate::time::Nanos;

/// What came this many seconds ago counts for a third.
const MEMORY: f64 = 20.0;
/// Before this much has been seen there is no best guess. Seconds.
const TOO_EARLY: f64 = 0.25;

/// An amount that fades.
#[derive(Debug, Clone, Copy, Default)]
struct Fading {
    sum: f64,
    last: Nanos,
}

impl Fading {
    fn at(&self, now: Nanos) -> f64 {
        self.sum * f64::exp(-self.last.until(now).as_secs_f64() / MEMORY)
    }

    fn add(&mut self, now: Nanos, amount: f64) {
        self.sum = self.at(now) + amount;
        self.last = self.last.max(now);
    }
}

/// What comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    amount: Fading,
    calls: f64,
}

impl Arrivals {
    pub(super) fn add(&mut self, now: Nanos, amount: u64) {
        let left = self.amount.at(now) / self.amount.sum.max(f64::MIN_POSITIVE);
        self.amount.add(now, amount as f64);
        self.calls = self.calls * left + 1.0;
    }

    /// What comes in a second, at least.
    pub(super) fn coming(&self, now: Nanos) -> Coming {
        Coming { per_second: self.amount.at(now) / MEMORY, each: self.each() }
    }

    /// No less than that, for less work.
    pub(super) fn at_most_coming(&self) -> Coming {
        Coming { per_second: self.amount.sum / MEMORY, each: self.each() }
    }

    /// The amount that a call has, on the average; zero if none has come.
    fn each(&self) -> f64 {
        if self.calls > 0.0 { self.amount.sum / self.calls } else { 0.0 }
    }
}

/// By how many standard deviations more is expected than is likely, were calls to come at random.
const CAUTION: f64 = 2.5;

/// What is expected to come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Coming {
    pub(super) per_second: f64,
    /// In calls of this amount.
    pub(super) each: f64,
}

impl Coming {
    /// How much may come in so many seconds.
    pub(super) fn within(&self, seconds: f64) -> f64 {
        let likely = self.per_second * seconds;
        likely + CAUTION * (likely * self.each).sqrt()
    }
}

/// What is let through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Throughput {
    amount: Fading,
    /// For how many seconds of contention it has been watched.
    seen: f64,
}

impl Throughput {
    /// Somebody waits again: the time since was none of contention.
    pub(super) fn resume(&mut self, now: Nanos) {
        self.amount.last = self.amount.last.max(now);
    }

    pub(super) fn add(&mut self, now: Nanos, amount: u64) {
        self.seen = (self.seen + self.amount.last.until(now).as_secs_f64()).min(10.0 * MEMORY);
        self.amount.add(now, amount as f64);
    }

    /// What is let through in a second, if enough has been seen to say.
    pub(super) fn per_second(&self, now: Nanos) -> Option<f64> {
        let seen = self.seen + self.amount.last.until(now).as_secs_f64();
        // What would be there by now, if one a second had come.
        let weight = MEMORY * -f64::exp_m1(-seen / MEMORY);
        (seen >= TOO_EARLY).then(|| self.amount.at(now) / weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn tenths(from: u64, to: u64) -> impl Iterator<Item = Nanos> {
        (from * 10..to * 10).map(|tick| Nanos(tick * SECOND / 10))
    }

    #[test]
    fn throughput_is_known_early_and_through_pauses() {
        let mut rate = Throughput::default();
        rate.resume(Nanos(0));
        assert_eq!(rate.per_second(Nanos(0)), None);
        for (from, to) in [(0, 1), (1, 30)] {
            tenths(from, to).for_each(|now| rate.add(now, 5));
            let known = rate.per_second(Nanos(to * SECOND)).unwrap();
            assert!((known / 50.0 - 1.0).abs() < 0.1, "{known} after {to} s");
        }
        let hour = Nanos(3_600 * SECOND);
        rate.resume(hour);
        assert!((rate.per_second(hour).unwrap() / 50.0 - 1.0).abs() < 0.1);
        assert!(rate.per_second(hour.after(Duration::from_secs(100))).unwrap() < 2.0);
    }

    #[test]
    fn arrivals_are_believed_only_when_they_last() {
        let mut rate = Arrivals::default();
        tenths(0, 8).for_each(|now| rate.add(now, 5));
        let spike = rate.coming(Nanos(8 * SECOND)).per_second;
        assert!((12.0..20.0).contains(&spike), "{spike} of 50");
        tenths(8, 100).for_each(|now| rate.add(now, 5));
        let lasting = rate.coming(Nanos(100 * SECOND)).per_second;
        assert!((48.0..51.0).contains(&lasting), "{lasting} of 50");
        assert!(rate.at_most_coming().per_second >= lasting);
        assert!((rate.coming(Nanos(100 * SECOND)).each - 5.0).abs() < 1e-6);
    }
}
