//! What is known about the new side, at any time.
//!
//! [`Evidence`] takes what calls of both sides were like and says of each guard whether the new side is within its limit
//! (better or equal), beyond it (worse), or whether that is not decided. It may be asked after every call: all statements
//! hold **at all times together** with the confidence they name. That is what makes it right to roll back at the first
//! moment at which something is certain, which an ordinary test, made for one look at the end, would turn into a roll-back
//! of nearly every migration sooner or later.
//!
//! The method is testing by betting (`wager`), with exact, non-asymptotic guarantees:
//!
//! | what | how | source |
//! |---|---|---|
//! | difference of proportions, ratio of means | betting on the differences within blocks of the same time (`gap`, `pairing`) | Waudby-Smith and Ramdas 2024 |
//! | one proportion, one mean against a bound | the same against a constant | the same |
//! | quantiles | bounds from the count of calls beyond each time (`spread`), both sides' bounds combined | Howard and Ramdas 2022 |
//!
//! Several guards share the chance of a false alarm: with confidence 95 % the chance that any of them ever calls a good
//! new side worse is at most 5 %. Calling a bad one good needs *every* guard to be wrong, so nothing is divided there.
//! The intervals told are the same statements, so a verdict and its interval never disagree.
//!
//! What is assumed: that calls of the two sides differ in nothing but the side. With one caller deciding over hundreds of
//! calls (sticky by key, few keys) they may differ in the caller, and no statistic can tell.

mod gap;
mod pairing;
mod spread;
mod wager;
mod watch;

use crate::assign::Arm;
use crate::metric::{Guard, Observation};
use crate::reading::Reading;
use serde::{Deserialize, Serialize};
use watch::Watch;

/// What is said about the new side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Certainly within the limit.
    BetterOrEqual,
    /// Certainly beyond it.
    Worse,
    /// Neither is certain yet.
    Undecided,
}

impl Verdict {
    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BetterOrEqual => "better_or_equal",
            Self::Worse => "worse",
            Self::Undecided => "undecided",
        }
    }
}

/// Everything known about both sides. Bounded: a few kilobytes for each guard, however many calls there were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    watches: Vec<Watch>,
    old_calls: u64,
    new_calls: u64,
}

impl Evidence {
    /// Nothing known yet about what these guards watch.
    #[must_use]
    pub fn new(guards: &[Guard]) -> Self {
        let watches = guards.iter().map(|guard| Watch::new(*guard, guards.len())).collect();
        Self { watches, old_calls: 0, new_calls: 0 }
    }

    /// Adds a call of one side. Calls must come in the order in which they were assigned or ended, not sorted by how they
    /// went.
    pub fn observe(&mut self, arm: Arm, seen: &Observation) {
        match arm {
            Arm::Old => self.old_calls += 1,
            Arm::New => self.new_calls += 1,
        }
        self.watches.iter_mut().for_each(|watch| watch.observe(arm, seen));
    }

    /// Calls of this side.
    #[must_use]
    pub const fn calls(&self, arm: Arm) -> u64 {
        match arm {
            Arm::Old => self.old_calls,
            Arm::New => self.new_calls,
        }
    }

    /// The guards it was made for.
    pub fn guards(&self) -> impl Iterator<Item = Guard> {
        self.watches.iter().map(Watch::guard)
    }

    /// What is known, guard by guard, in their order.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.watches.iter().map(Watch::reading).collect()
    }

    /// The verdict of each guard, without the numbers: what is asked after every call.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.watches.iter().map(Watch::verdict).collect()
    }

    /// One verdict for all guards: worse when any is, better or equal when all are. Without guards nothing is decided.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut all_good = !self.watches.is_empty();
        for watch in &self.watches {
            match watch.verdict() {
                Verdict::Worse => return Verdict::Worse,
                Verdict::Undecided => all_good = false,
                Verdict::BetterOrEqual => {}
            }
        }
        if all_good { Verdict::BetterOrEqual } else { Verdict::Undecided }
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
