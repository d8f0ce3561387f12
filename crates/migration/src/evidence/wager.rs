//! Evidence as winnings.
//!
//! Somebody claims that a quantity is at most 0 on average and never below a known worst case. Bet against him: with
//! wealth 1 to begin with, stake a fixed share of what one has before every observation, which multiplies it by
//! `1 + stake x observation`. If he is right the wealth is a non-negative supermartingale, so by Ville's inequality the
//! chance that it **ever** reaches 1/α is at most α, however often and for whatever reason one looks. If he is wrong it
//! grows exponentially. That is the whole of sequential testing here; all intervals are sets of claims not yet refuted.
//!
//! The best stake depends on how wrong he is, so the wealth is divided among several fixed stakes. This costs at most the
//! logarithm of the best one's part, and has two virtues over adapting the stake: what is won does not depend on the
//! order of the observations, and nothing has to be learned first. The literature calls it the diversified Kelly bettor.
//!
//! Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", Journal of the Royal
//! Statistical Society B 86 (2024); Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
//! inference", Statistical Science 38 (2023).

use serde::{Deserialize, Serialize};

/// What is expected of the quantity beforehand, by which the wealth is divided among the stakes. It decides how soon what is
/// false is refuted, and nothing about how often what is true is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// That one side fails a few times as often. Where errors are rare and both sides have as many calls, the stake `s` grows
    /// fastest if the new side fails `(1 + s) / (1 - s)` times as often, so the division is a belief about that ratio:
    /// bell-shaped around a little over one half (three or four times as often), as the density of a Beta(5, 4) variable
    /// is, with a twentieth for differences so small that they have thousands of calls to be found.
    FewTimesAsOften,
    /// Nothing: every stake has some.
    Anything,
}

/// The stakes, as shares of the largest that can never lose everything, each with its part of the wealth under either
/// belief.
const STAKES: [(f64, f64, f64); 10] = [
    (0.005, 0.01, 0.01),
    (0.02, 0.015, 0.03),
    (0.06, 0.025, 0.05),
    (0.14, 0.01, 0.08),
    (0.27, 0.07, 0.1),
    (0.4, 0.19, 0.12),
    (0.53, 0.28, 0.15),
    (0.66, 0.26, 0.18),
    (0.79, 0.12, 0.18),
    (0.91, 0.02, 0.1),
];

/// What has been won against one claim, by each of the stakes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Wager {
    /// Natural logarithms of each stake's wealth.
    logs: [f64; STAKES.len()],
}

impl Wager {
    /// An observation that the claim says is at most 0 on average, and that can be `-worst` at worst (over 0), seen so
    /// many times.
    pub(super) fn bet(&mut self, observation: f64, worst: f64, times: f64) {
        let gain = observation / worst;
        for (log, (stake, ..)) in self.logs.iter_mut().zip(STAKES) {
            *log += times * (stake * gain).ln_1p();
        }
    }

    /// The natural logarithm of the wealth won so far, if it was divided by this belief.
    pub(super) fn log_wealth(&self, belief: Belief) -> f64 {
        let most = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.logs.iter().zip(STAKES).map(|(log, stake)| part(stake, belief) * (log - most).exp()).sum();
        most + sum.ln()
    }

    /// Whether the claim is refuted at this level: the wealth has reached 1/α.
    pub(super) fn refutes(&self, belief: Belief, alpha: f64) -> bool {
        self.log_wealth(belief) >= -alpha.ln()
    }
}

const fn part((_, few_times, anything): (f64, f64, f64), belief: Belief) -> f64 {
    match belief {
        Belief::FewTimesAsOften => few_times,
        Belief::Anything => anything,
    }
}

/// Whether `hits` of `n` refute, at `alpha`, that at most the share `claim` hits (over 0, below 1).
pub(super) fn more_than(claim: f64, hits: f64, n: f64, alpha: f64) -> bool {
    let mut wager = Wager::default();
    wager.bet(1.0 - claim, claim, hits);
    wager.bet(-claim, claim, n - hits);
    wager.refutes(Belief::Anything, alpha)
}

/// Whether `hits` of `n` refute, at `alpha`, that at least the share `claim` hits (over 0, below 1).
pub(super) fn fewer_than(claim: f64, hits: f64, n: f64, alpha: f64) -> bool {
    more_than(1.0 - claim, n - hits, n, alpha)
}

#[cfg(test)]
#[path = "wager_tests.rs"]
mod tests;
