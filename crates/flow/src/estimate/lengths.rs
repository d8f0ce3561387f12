//! How long answers are.
//!
//! The lengths of the last 128 answers, each rounded up by at most an eighth, and how often each occurs. That answers
//! for any quantile in constant time, forgets at once what is no longer so, and takes a third of a kilobyte. The walk
//! over the classes is made for every eighth answer, since it costs more than the rest of an estimate. A sketch
//! of all answers ever given would be of the same size and never forget; one that decays loses its rarest entries
//! first, and the rare long answers are what a high quantile is made of.

/// How many answers are remembered.
const REMEMBERED: usize = 128;
/// From how many on they tell something.
const ENOUGH: u64 = 20;
/// After how many answers the quantiles are worked out anew.
const RENEWED: u64 = 8;
/// Steps between a power of two and the next, as a power of two.
const STEPS: u32 = 3;
/// Lengths from here on count as the longest step below: two million tokens.
const LONGEST: u64 = 1 << 21;
/// As many classes as there are steps up to the longest.
const CLASSES: usize = class_of(LONGEST - 1) as usize + 1;
const _: () = assert!(CLASSES.is_multiple_of(8), "the walk goes by eights");

/// What most answers stay below, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// What 75 of 100 are not longer than.
    pub p75: u64,
    /// What 95 of 100 are not longer than.
    pub p95: u64,
}

/// The lengths of the latest answers.
#[derive(Debug, Clone)]
pub struct Lengths {
    /// The classes of the remembered ones, in a ring.
    latest: [u8; REMEMBERED],
    /// How many of them are of each class.
    counts: [u8; CLASSES],
    /// How many answers there have been.
    seen: u64,
    learned: Option<Learned>,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { latest: [0; REMEMBERED], counts: [0; CLASSES], seen: 0, learned: None }
    }
}

impl Lengths {
    /// An answer of so many tokens has ended.
    pub fn learn(&mut self, tokens: u64) {
        let class = class_of(tokens.min(LONGEST - 1));
        let Some(place) = self.latest.get_mut((self.seen % REMEMBERED as u64) as usize) else { return };
        let forgotten = std::mem::replace(place, class);
        if self.seen >= REMEMBERED as u64 {
            self.count(forgotten, |count| count.saturating_sub(1));
        }
        self.count(class, |count| count.saturating_add(1));
        self.seen += 1;
        if self.seen == ENOUGH || (self.seen > ENOUGH && self.seen.is_multiple_of(RENEWED)) {
            self.learned = Some(self.quantiles());
        }
    }

    /// What most answers stay below, by the last 128 of some moment in the last eight answers; `None` while there have
    /// been fewer than 20.
    #[must_use]
    pub const fn learned(&self) -> Option<Learned> {
        self.learned
    }

    /// The lengths that so many of 100 remembered answers do not exceed, rounded up to the longest of their class. Found
    /// in one walk from the longest down, past eight classes at a time where there are none of them.
    fn quantiles(&self) -> Learned {
        let remembered = self.seen.min(REMEMBERED as u64);
        let may_be_longer = |percent: u64| remembered - (remembered * percent).div_ceil(100);
        let (beyond_95, beyond_75) = (may_be_longer(95), may_be_longer(75));
        let (mut seen, mut p95) = (0, None);
        let eights = self.counts.as_chunks::<8>().0.iter().enumerate().rev().filter(|(_, eight)| **eight != [0; 8]);
        let classes =
            eights.flat_map(|(at, eight)| eight.iter().enumerate().rev().map(move |(of, count)| (8 * at + of, count)));
        for (class, &count) in classes.filter(|(_, count)| **count > 0) {
            seen += u64::from(count);
            if seen > beyond_95 {
                let length = longest_of(class as u8);
                let p95 = *p95.get_or_insert(length);
                if seen > beyond_75 {
                    return Learned { p75: length, p95 };
                }
            }
        }
        Learned { p75: 0, p95: 0 }
    }

    fn count(&mut self, class: u8, change: impl Fn(u8) -> u8) {
        if let Some(count) = self.counts.get_mut(usize::from(class)) {
            *count = change(*count);
        }
    }
}

/// Small numbers are a class each; from there on eight classes lie between a power of two and the next.
const fn class_of(tokens: u64) -> u8 {
    let power = match tokens.checked_ilog2() {
        Some(power) if power > STEPS => power - STEPS,
        _ => 0,
    };
    // What is left of the highest bits is between 8 and 15, or the number itself.
    (((power as u64) << STEPS) + (tokens >> power)) as u8
}

/// The largest number of a class.
const fn longest_of(class: u8) -> u64 {
    let power = (class >> STEPS).saturating_sub(1);
    let highest = class as u64 - ((power as u64) << STEPS);
    ((highest + 1) << power) - 1
}

#[cfg(test)]
#[path = "lengths_tests.rs"]
mod tests;
