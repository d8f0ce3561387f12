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

/// The stakes, as shares of the largest that can never lose everything, each with its part of the wealth. Small stakes win
/// against claims that are nearly true and have thousands of calls to do it; large ones have to be quick, so they get more.
const STAKES: [(f64, f64); 9] = [
    (0.004, 0.01),
    (0.012, 0.03),
    (0.035, 0.04),
    (0.09, 0.06),
    (0.21, 0.1),
    (0.41, 0.17),
    (0.6, 0.24),
    (0.76, 0.25),
    (0.9, 0.1),
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
        for (log, (stake, _)) in self.logs.iter_mut().zip(STAKES) {
            *log += times * (stake * gain).ln_1p();
        }
    }

    /// The natural logarithm of the wealth won so far.
    pub(super) fn log_wealth(&self) -> f64 {
        let most = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.logs.iter().zip(STAKES).map(|(log, (_, part))| part * (log - most).exp()).sum();
        most + sum.ln()
    }

    /// Whether the claim is refuted at this level: the wealth has reached 1/α.
    pub(super) fn refutes(&self, alpha: f64) -> bool {
        self.log_wealth() >= -alpha.ln()
    }
}

/// Whether `hits` of `n` refute, at `alpha`, that at most the share `claim` hits (over 0, below 1).
pub(super) fn more_than(claim: f64, hits: f64, n: f64, alpha: f64) -> bool {
    let mut wager = Wager::default();
    wager.bet(1.0 - claim, claim, hits);
    wager.bet(-claim, claim, n - hits);
    wager.refutes(alpha)
}

/// Whether `hits` of `n` refute, at `alpha`, that at least the share `claim` hits (over 0, below 1).
pub(super) fn fewer_than(claim: f64, hits: f64, n: f64, alpha: f64) -> bool {
    more_than(1.0 - claim, n - hits, n, alpha)
}

#[cfg(test)]
#[path = "wager_tests.rs"]
mod tests;
