//! How long things take: counts of times, from which quantiles are read with certainty about both sides of them.
//!
//! That the true 95th percentile lies above 840 ms is the claim that more than 5 % of calls take longer than 840 ms, and
//! how many did is a count like any other. So the bounds of a quantile are the times at which that claim, or its
//! opposite, is no longer refuted; they hold at all times together because the count's wagers do (Howard and Ramdas,
//! "Sequential estimation of quantiles with applications to A/B testing and best-arm identification", Bernoulli 28, 2022,
//! do the same with another boundary).
//!
//! Times are kept as counts in classes 1 % wide. A bound is told as the outer edge of its class, so the coarseness makes
//! intervals wider and never wrong.

use super::wager::{fewer_than, more_than};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much longer one class reaches than the one before.
const WIDTH: f64 = 1.01;
/// Where the first class ends, in milliseconds; the last begins at about eleven days.
const FIRST_MS: f64 = 0.1;
const LAST_CLASS: u16 = 2_320;

/// Counts of times, at most a few thousand of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Spread {
    classes: BTreeMap<u16, u64>,
    n: u64,
}

fn class(ms: f64) -> u16 {
    if ms <= FIRST_MS { 0 } else { ((ms / FIRST_MS).ln() / WIDTH.ln()).ceil().clamp(0.0, f64::from(LAST_CLASS)) as u16 }
}

/// Where a class ends, in milliseconds.
fn edge(class: u16) -> f64 {
    FIRST_MS * WIDTH.powi(i32::from(class))
}

impl Spread {
    /// Adds a time in milliseconds.
    pub(super) fn add(&mut self, ms: f64) {
        *self.classes.entry(class(ms)).or_default() += 1;
        self.n += 1;
    }

    /// Whether there is one percent more than when this was last true, which is when looking again is worth its while.
    pub(super) fn has_grown(&self) -> bool {
        self.n.is_multiple_of((self.n / 100).max(1))
    }

    /// The quantile itself (0 to 1), in milliseconds, to about 1 %.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let rank = (q * self.n as f64).ceil().max(1.0);
        let mut below = 0.0;
        self.classes.iter().find_map(|(&class, &count)| {
            below += count as f64;
            (below >= rank).then(|| edge(class))
        })
    }

    /// Between which times the quantile lies: above the first with chance of error `lower`, below the second with
    /// `upper`, at all times together, in milliseconds.
    pub(super) fn bounds(&self, q: f64, lower: f64, upper: f64) -> (Option<f64>, Option<f64>) {
        let beyond = 1.0 - q;
        // How many must be longer for the one claim, and how few for the other: more of them only ever speak for it.
        let many = first(self.n, |longer| more_than(beyond, longer as f64, self.n as f64, lower));
        let few = first(self.n, |longer| !fewer_than(beyond, longer as f64, self.n as f64, upper));
        let (mut low, mut high) = (None, None);
        let mut longer = self.n;
        for (&class, &count) in &self.classes {
            // Everything from this class on is longer than where the class before it ends.
            if many.is_some_and(|many| longer >= many) {
                low = class.checked_sub(1).map(edge);
            }
            longer -= count;
            if few.is_none_or(|few| longer < few) {
                high = Some(edge(class));
                break;
            }
        }
        (low, high)
    }
}

/// The least number up to `n` of which this is true, if it is true of all from there on.
fn first(n: u64, is_true: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, n.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if is_true(middle) { high = middle } else { low = middle + 1 }
    }
    (low <= n).then_some(low)
}

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
