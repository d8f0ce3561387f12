//! Old and new, side by side.
//!
//! Providers have good and bad hours. If the new side's calls of one hour were compared with the old side's calls of
//! another, or with an average in which the hours weigh differently because the share has grown meanwhile, the hour
//! would be taken for the side. So calls are compared in small groups of the same time: one call of the new side and as
//! many of the old as there are to each new one. Only the difference inside a group is evidence; whatever changes from
//! group to group concerns both sides of each alike.
//!
//! Which calls make a group depends on their sides alone and never on how they went, so choosing them chooses no result.

use crate::assign::Arm;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Calls of either side that wait for the other. When there are more the oldest is left out: it is of another time than
/// whatever it would be compared with.
const WAITING: usize = 128;

/// Calls of either side before their ratio counts for much.
const SURE: u64 = 10;

/// Calls of the old side that may wait for more of the new side to come. Those beyond are taken with the next group: the
/// more of them there are, the surer is what it compares with.
const SPARE: usize = WAITING / 2;

/// A group, as one number for each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// The mean of the old side's calls.
    pub(super) old: f64,
    /// The new side's call.
    pub(super) new: f64,
    /// One call of the old side.
    pub(super) one_old: f64,
}

/// The calls that are in no group yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Pairing {
    old: VecDeque<f64>,
    new: VecDeque<f64>,
    old_calls: u64,
    new_calls: u64,
    /// The part of a call of the old side that the groups so far have left to the next one: one and a half to each new call
    /// are one and two in turn. Were it two each time, new calls would wait for old ones in vain.
    #[serde(default)]
    owed: f64,
}

impl Pairing {
    /// Adds a call; the group that it completes, if it does.
    pub(super) fn add(&mut self, arm: Arm, value: f64) -> Option<Pair> {
        let (waiting, calls) = match arm {
            Arm::Old => (&mut self.old, &mut self.old_calls),
            Arm::New => (&mut self.new, &mut self.new_calls),
        };
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back(value);
        *calls += 1;
        let one_old = *self.old.front()?;
        let new = self.new.pop_front()?;
        // As many as there are to each call of the new side, the ratio of the first few not taken at its word.
        let ratio = (self.old_calls + SURE) as f64 / (self.new_calls + SURE) as f64;
        let due = self.owed + ratio.max(1.0);
        let taken = (due as usize).max(self.old.len().saturating_sub(SPARE)).min(self.old.len());
        self.owed = (due - taken as f64).clamp(0.0, 1.0);
        let old = self.old.drain(..taken).sum::<f64>() / taken as f64;
        Some(Pair { old, new, one_old })
    }
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
