//! How fast something comes, from what came lately: exponentially weighted means.
//!
//! Two questions are asked of them, and they want different answers while little has been seen. *How much does this
//! limit let through?* Then the best guess is wanted, from the little there is, and from times of contention only.
//! *How much will come before this call's turn?* At the beginning of a spike nobody knows that it will last, and
//! expecting it to would refuse calls that could have sat it out; in an overload that lasts, expecting too little lets
//! calls wait for nothing. So two means are kept, one that remembers for long and one that does not. While nobody has
//! had to be refused, the smaller one is believed: a spike must last before it counts. Once somebody has been, the
//! larger one and a margin on top, until the queue has been empty.
//!
//! **No length of time is built in.** How long is long is told by how patient those are who wait: where all waits are
//! ten times as short, the same happens in a tenth of the time.

use crate::time::Nanos;
use sluicegate_vocabulary::Priority;

/// The long memory is this many times the patience of the least patient class. After that long, two thirds are
/// forgotten.
const LONG: f64 = 2.5;
/// And so many times the short one.
const RATIO: f64 = 4.0;
/// This part of the long memory must have been seen before there is a best guess.
const TOO_EARLY: f64 = 0.01;
/// One call changes what is taken for the patience of its class by no more than this factor, so that single ones with
/// deadlines of a moment or of hours do not count.
const STEP: f64 = 1.03;
/// Of about so many calls the mean amount is taken.
const CALLS: f64 = 32.0;
/// The patience of the least patient class counts as no less than this part of the longest: who sets itself a deadline
/// of a moment must not make everybody else's wait be reckoned from a moment.
const SHORTEST: f64 = 1.0 / 32.0;
/// No memory is shorter. Seconds.
const FLOOR: f64 = 0.01;

/// How patient the calls of each class have been of late, which decides how far back is looked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    patience: [f64; 4],
    /// Seconds of the long memory.
    long: f64,
}

impl Memory {
    /// A call of this class may wait for so many seconds.
    pub(super) fn note(&mut self, class: Priority, seconds: f64) {
        let Some(patience) = self.patience.get_mut(class as usize) else { return };
        let before = *patience;
        *patience = if before > 0.0 { seconds.clamp(before / STEP, before * STEP) } else { seconds };
        if before != *patience {
            let known = self.patience.into_iter().filter(|&seconds| seconds > 0.0);
            let (shortest, longest) =
                known.fold((f64::MAX, 0.0), |(least, most), seconds| (seconds.min(least), seconds.max(most)));
            self.long = LONG * shortest.max(longest * SHORTEST);
        }
    }

    fn long(&self) -> f64 {
        self.long.max(FLOOR)
    }
}

/// What comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    /// In a second, by the short memory and by the long one.
    short: f64,
    long: f64,
    /// The amount that a call has, on the average; zero if none has come.
    each: f64,
    last: Nanos,
}

impl Arrivals {
    pub(super) fn add(&mut self, now: Nanos, memory: &Memory, amount: u64) {
        let amount = amount as f64;
        let (short, long) = self.at(now, memory);
        self.long = long + amount / memory.long();
        self.short = short + amount * RATIO / memory.long();
        self.each += if self.each > 0.0 { (amount - self.each) / CALLS } else { amount };
        self.last = self.last.max(now);
    }

    fn at(&self, now: Nanos, memory: &Memory) -> (f64, f64) {
        let left = f64::exp(-self.last.until(now).as_secs_f64() / memory.long());
        // To the fourth power.
        (self.short * left * left * left * left, self.long * left)
    }

    /// What is likely to come, at least.
    pub(super) fn coming(&self, now: Nanos, memory: &Memory) -> Coming {
        let (short, long) = self.at(now, memory);
        Coming { per_second: short.min(long), each: 0.0 }
    }

    /// What may come at most.
    pub(super) fn may_come(&self, now: Nanos, memory: &Memory) -> Coming {
        let (short, long) = self.at(now, memory);
        Coming { per_second: short.max(long), each: self.each }
    }

    /// No less than that, for less work.
    pub(super) fn at_most_coming(&self) -> Coming {
        Coming { per_second: self.short.max(self.long), each: self.each }
    }

    /// What has come in a second, by the long memory.
    pub(super) fn mean(&self, now: Nanos, memory: &Memory) -> f64 {
        self.at(now, memory).1
    }
}

/// What comes of one flow in a second, by the long memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    per_second: f64,
    last: Nanos,
}

impl Mean {
    pub(super) fn add(&mut self, now: Nanos, memory: &Memory, amount: u64) {
        // Most flows have one call at a time, and an exponential costs more than the rest of it.
        let before = if self.per_second == 0.0 { 0.0 } else { self.at(now, memory) };
        self.per_second = before + amount as f64 / memory.long();
        self.last = self.last.max(now);
    }

    pub(super) fn at(&self, now: Nanos, memory: &Memory) -> f64 {
        self.per_second * f64::exp(-self.last.until(now).as_secs_f64() / memory.long())
    }
}

/// After so many times the memory nothing is left of what was before.
const SETTLED: f64 = 8.0;
/// So many calls more or less may just have come.
const GRAIN: f64 = 2.0;

/// By how many standard deviations more is expected than is likely, were calls to come at random.
const CAUTION: f64 = 2.5;

/// What is expected to come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Coming {
    per_second: f64,
    /// In calls of this amount; zero where no margin is wanted.
    each: f64,
}

impl Coming {
    /// How much in so many seconds.
    pub(super) fn within(&self, seconds: f64) -> f64 {
        let likely = self.per_second * seconds;
        likely + CAUTION * (likely * self.each).sqrt()
    }
}

/// What is let through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Throughput {
    per_second: f64,
    /// The largest amount that a call has had, forgotten as the rest is.
    largest: f64,
    last: Nanos,
    /// For how many seconds of contention it has been watched.
    seen: f64,
    /// No more than that was let through in a second when the last call went, if enough had been seen to say.
    at_most: Option<f64>,
}

impl Throughput {
    /// Somebody waits again: the time since was none of contention.
    pub(super) fn resume(&mut self, now: Nanos) {
        self.last = self.last.max(now);
    }

    pub(super) fn add(&mut self, now: Nanos, memory: &Memory, amount: u64) {
        let (since, memory) = (self.last.until(now).as_secs_f64(), memory.long());
        self.seen = (self.seen + since).min(10.0 * memory);
        let left = f64::exp(-since / memory);
        self.per_second = self.per_second * left + amount as f64 / memory;
        self.largest = (self.largest * left).max(amount as f64);
        self.last = self.last.max(now);
        let likely = (self.seen >= TOO_EARLY * memory).then(|| (self.per_second, self.weight(self.seen, memory)));
        self.at_most = likely.map(|(sum, weight)| (sum + GRAIN * self.largest / memory) / weight);
    }

    /// What would be there by now, if one a second had come.
    fn weight(&self, seen: f64, memory: f64) -> f64 {
        if seen > SETTLED * memory { 1.0 } else { -f64::exp_m1(-seen / memory) }
    }

    /// The most that has been let through in a second when calls last went, a call or two more included that may just
    /// have come; if enough has been seen to say. Asked for each call that comes, and therefore kept.
    pub(super) const fn at_most(&self) -> Option<f64> {
        self.at_most
    }

    /// What is let through in a second, if enough has been seen to say.
    pub(super) fn per_second(&self, now: Nanos, memory: &Memory) -> Option<f64> {
        let (since, memory) = (self.last.until(now).as_secs_f64(), memory.long());
        let seen = self.seen + since;
        let left = || self.per_second * f64::exp(-since / memory) / self.weight(seen, memory);
        (seen >= TOO_EARLY * memory).then(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn patience(seconds: f64) -> Memory {
        let mut memory = Memory::default();
        memory.note(Priority::Normal, seconds);
        memory
    }

    fn tenths(from: u64, to: u64) -> impl Iterator<Item = Nanos> {
        (from * 10..to * 10).map(|tick| Nanos(tick * SECOND / 10))
    }

    #[test]
    fn throughput_is_known_early_and_through_pauses() {
        let (mut rate, memory) = (Throughput::default(), patience(8.0));
        rate.resume(Nanos(0));
        assert_eq!(rate.per_second(Nanos(0), &memory), None);
        for (from, to) in [(0, 1), (1, 30)] {
            tenths(from, to).for_each(|now| rate.add(now, &memory, 5));
            let known = rate.per_second(Nanos(to * SECOND), &memory).unwrap();
            assert!((known / 50.0 - 1.0).abs() < 0.1, "{known} after {to} s");
        }
        let hour = Nanos(3_600 * SECOND);
        rate.resume(hour);
        assert!((rate.per_second(hour, &memory).unwrap() / 50.0 - 1.0).abs() < 0.1);
        assert!(rate.per_second(hour.after(Duration::from_secs(100)), &memory).unwrap() < 2.0);
    }

    #[test]
    fn arrivals_are_believed_only_when_they_last() {
        let (mut rate, mut mean, memory) = (Arrivals::default(), Mean::default(), patience(8.0));
        tenths(0, 8).for_each(|now| rate.add(now, &memory, 5));
        tenths(0, 8).for_each(|now| mean.add(now, &memory, 5));
        let spike = Nanos(8 * SECOND);
        let likely = rate.coming(spike, &memory).per_second;
        assert!((12.0..20.0).contains(&likely), "{likely} of 50");
        assert_eq!(rate.mean(spike, &memory), mean.at(spike, &memory));
        let most = rate.may_come(spike, &memory).per_second;
        assert!((38.0..50.0).contains(&most), "{most} of 50");
        tenths(8, 100).for_each(|now| rate.add(now, &memory, 5));
        let lasting = Nanos(100 * SECOND);
        for coming in [rate.coming(lasting, &memory), rate.may_come(lasting, &memory)] {
            assert!((47.0..52.0).contains(&coming.per_second), "{} of 50", coming.per_second);
            assert!(rate.at_most_coming().within(3.0) >= coming.within(3.0));
        }
        assert!((rate.each - 5.0).abs() < 1e-6);
    }

    #[test]
    fn memory_is_as_long_as_the_waits() {
        for scale in [1, 10, 1_000] {
            let (mut rate, memory) = (Arrivals::default(), patience(8.0 / scale as f64));
            tenths(0, 8).for_each(|now| rate.add(Nanos(now.0 / scale), &memory, 5));
            let coming = rate.coming(Nanos(8 * SECOND / scale), &memory).per_second / scale as f64;
            assert!((16.3..16.6).contains(&coming), "{coming} at {scale}");
        }
    }

    #[test]
    fn deadlines_that_are_out_of_the_way_hardly_change_the_memory() {
        let mut memory = patience(30.0);
        let before = memory.long();
        for strange in [0.0, 0.001, 1e9] {
            (0..4).for_each(|_| memory.note(Priority::Normal, strange));
            assert!((0.85..1.2).contains(&(memory.long() / before)), "{strange}");
            (0..4).for_each(|_| memory.note(Priority::Normal, 30.0));
        }
        (0..400).for_each(|_| memory.note(Priority::High, 0.001));
        assert!((memory.long() / before / SHORTEST - 1.0).abs() < 0.1);
        (0..400).for_each(|_| memory.note(Priority::High, 60.0));
        assert!((memory.long() / before - 1.0).abs() < 0.1, "and it comes back");
        assert!(Memory::default().long() > 0.0);
    }
}
