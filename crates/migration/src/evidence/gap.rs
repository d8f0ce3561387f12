//! How far the new side's mean is from the old side's: by difference or by ratio.
//!
//! For each claim on a fixed scale ("the new side's error rate is at most 1 point above the old one's", "at most 2 points
//! above", ...) there are two wagers, one that it is more and one that it is less. A claim is a point of the scale; the
//! interval is what lies between the highest claim refuted from below and the lowest refuted from above, so it covers the
//! truth at all times at once, with the chance it was asked for. The limit that a guard sets is a point of the scale
//! itself, so the interval and the verdict never contradict each other.
//!
//! Values lie between 0 and 1, and within a block both means do, so a difference is never below -1 and no wager can be
//! lost for good. Nothing is assumed of how values are spread, and only of the mean *within* a block that the claim holds
//! for it: rates may change from block to block as they like.

use super::pairing::Pair;
use super::wager::{Belief, Wager};
use serde::{Deserialize, Serialize};

/// How the two means are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scale {
    /// New minus old.
    Difference,
    /// New over old.
    Ratio,
}

impl Scale {
    /// What is expected of a new side that is worse. Of one that is better nothing is: there the calls without errors win,
    /// and they are bet on by all stakes.
    const fn belief(self) -> Belief {
        match self {
            Self::Difference => Belief::FewTimesAsOften,
            Self::Ratio => Belief::Anything,
        }
    }
}

/// Points of the scale of differences, each also with a minus.
const DIFFERENCES: [f64; 27] = [
    0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08,
    0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8,
];
/// Points of the scale of ratios, as changes upwards.
const INCREASES: [f64; 24] = [
    0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.4, 1.7, 2.0, 2.5, 3.0,
    4.0, 6.0, 9.0,
];
/// And downwards.
const DECREASES: [f64; 15] = [0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9];

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Claim {
    at: f64,
    /// That the gap is above `at`: refutes "at most".
    above: Wager,
    /// That it is below: refutes "at least".
    below: Wager,
}

/// Everything known about the gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Gap {
    scale: Scale,
    claims: Vec<Claim>,
    /// Blocks in which both sides were 0. They say the same to every claim of differences and are by far the most, so
    /// they are only counted.
    zeros: u64,
    blocks: u64,
    old: f64,
    new: f64,
}

impl Gap {
    /// A scale with this limit among its points.
    pub(super) fn new(scale: Scale, limit: f64) -> Self {
        let mut points: Vec<f64> = match scale {
            Scale::Difference => {
                DIFFERENCES.iter().flat_map(|&at| [at, -at]).chain([0.0, limit.clamp(-0.95, 0.95)]).collect()
            }
            Scale::Ratio => INCREASES
                .iter()
                .map(|up| 1.0 + up)
                .chain(DECREASES.iter().map(|down| 1.0 - down))
                .chain([1.0, limit.max(0.01)])
                .collect(),
        };
        points.sort_by(f64::total_cmp);
        points.dedup();
        let claims =
            points.into_iter().map(|at| Claim { at, above: Wager::default(), below: Wager::default() }).collect();
        Self { scale, claims, zeros: 0, blocks: 0, old: 0.0, new: 0.0 }
    }

    /// Adds a block, its means between 0 and 1.
    pub(super) fn add(&mut self, pair: Pair) {
        self.blocks += 1;
        self.old += pair.old;
        self.new += pair.new;
        if pair.old == 0.0 && pair.new == 0.0 {
            self.zeros += 1;
            return;
        }
        let scale = self.scale;
        self.claims.iter_mut().for_each(|claim| claim.bet(scale, pair.old, pair.new, 1.0));
    }

    /// The mean of the blocks on each side, old and new.
    pub(super) fn means(&self) -> Option<(f64, f64)> {
        (self.blocks > 0).then(|| (self.old / self.blocks as f64, self.new / self.blocks as f64))
    }

    /// Between which points the gap lies: above the first with chance of error `lower`, below the second with `upper`,
    /// at all times together. `None` where nothing is refuted.
    pub(super) fn interval(&self, lower: f64, upper: f64) -> (Option<f64>, Option<f64>) {
        // From the outside inwards and not further than the first claim that stands.
        let refuted = |claim: &&Claim, above: bool| {
            let claim = self.settled(**claim);
            if above {
                claim.above.refutes(self.scale.belief(), lower)
            } else {
                claim.below.refutes(Belief::Anything, upper)
            }
        };
        let low = self.claims.iter().take_while(|claim| refuted(claim, true)).last();
        let high = self.claims.iter().rev().take_while(|claim| refuted(claim, false)).last();
        (low.map(|claim| claim.at), high.map(|claim| claim.at))
    }

    /// Whether the gap is certainly above this point of the scale (a chance of `alpha` to say so ever, where it is not).
    pub(super) fn is_above(&self, at: f64, alpha: f64) -> bool {
        self.claim(at).is_some_and(|claim| claim.above.refutes(self.scale.belief(), alpha))
    }

    /// Whether it is certainly below it.
    pub(super) fn is_below(&self, at: f64, alpha: f64) -> bool {
        self.claim(at).is_some_and(|claim| claim.below.refutes(Belief::Anything, alpha))
    }

    fn claim(&self, at: f64) -> Option<Claim> {
        self.claims.iter().find(|claim| claim.at == at).map(|claim| self.settled(*claim))
    }

    /// With the blocks that were only counted.
    fn settled(&self, mut claim: Claim) -> Claim {
        if self.zeros > 0 {
            claim.bet(self.scale, 0.0, 0.0, self.zeros as f64);
        }
        claim
    }
}

impl Claim {
    fn bet(&mut self, scale: Scale, old: f64, new: f64, times: f64) {
        let (beyond, worst_above, worst_below) = match scale {
            Scale::Difference => (new - old - self.at, 1.0 + self.at, 1.0 - self.at),
            Scale::Ratio => (new - self.at * old, self.at, 1.0),
        };
        self.above.bet(beyond, worst_above, times);
        self.below.bet(-beyond, worst_below, times);
    }
}

#[cfg(test)]
#[path = "gap_tests.rs"]
mod tests;
