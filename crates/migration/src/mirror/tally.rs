//! All mirrored calls together: counts, and a bounded sample of the differences.

use super::{Answer, Comparison, Difference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Samples that are kept.
const KEPT: usize = 100;
/// Characters kept of either text of a sample.
const EXCERPT: usize = 400;

/// One call of which the answers differed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The call's id.
    pub call: String,
    /// In what.
    pub differences: Vec<Difference>,
    /// How the old side's answer begins.
    pub old: String,
    /// How the new side's begins.
    pub new: String,
}

/// A mean that is kept as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Mean {
    count: u64,
    sum: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.count += 1;
            self.sum += value;
        }
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// What mirrored calls have shown. Bounded, however many there were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    calls: u64,
    differing: u64,
    by_kind: BTreeMap<Difference, u64>,
    similarity: Mean,
    length: Mean,
    /// Logarithms, since ratios are averaged by multiplication.
    first_token: Mean,
    total: Mean,
    cost: Mean,
    samples: Vec<Sample>,
}

impl Tally {
    /// Adds a comparison of the call's two answers. `keep_text` keeps the beginnings of both texts with the sample, which
    /// are what the caller's call said; `draw` (0 to 1, below 1) decides by chance which samples stay once there is no
    /// room for more.
    pub fn add(&mut self, call: &str, answers: (&Answer, &Answer), seen: &Comparison, keep_text: bool, draw: f64) {
        self.calls += 1;
        self.similarity.add(seen.similarity);
        self.length.add(seen.length);
        self.first_token.add(seen.first_token.map(f64::ln));
        self.total.add(seen.total.map(f64::ln));
        self.cost.add(seen.cost.map(f64::ln));
        if seen.differences.is_empty() {
            return;
        }
        self.differing += 1;
        for difference in &seen.differences {
            *self.by_kind.entry(*difference).or_default() += 1;
        }
        // Reservoir sampling: the n-th difference takes a place with chance KEPT / n.
        let place = (draw.clamp(0.0, 1.0) * self.differing as f64) as usize;
        if self.samples.len() >= KEPT && place >= KEPT {
            return;
        }
        let excerpt = |answer: &Answer| {
            if keep_text { answer.text.chars().take(EXCERPT).collect() } else { String::new() }
        };
        let sample = Sample {
            call: call.chars().take(EXCERPT).collect(),
            differences: seen.differences.clone(),
            old: excerpt(answers.0),
            new: excerpt(answers.1),
        };
        if self.samples.len() < KEPT {
            self.samples.push(sample);
        } else if let Some(at) = self.samples.get_mut(place) {
            *at = sample;
        }
    }

    /// Calls compared.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls of which the answers differed in something that ought to be alike.
    #[must_use]
    pub const fn differing(&self) -> u64 {
        self.differing
    }

    /// How many differed in this.
    #[must_use]
    pub fn count(&self, difference: Difference) -> u64 {
        self.by_kind.get(&difference).copied().unwrap_or_default()
    }

    /// How alike the texts are on average, 0 to 1.
    #[must_use]
    pub fn similarity(&self) -> Option<f64> {
        self.similarity.get()
    }

    /// How many times as long the new side's texts are, on average.
    #[must_use]
    pub fn length(&self) -> Option<f64> {
        self.length.get()
    }

    /// How many times as long the new side took to its first token (geometric mean).
    #[must_use]
    pub fn first_token(&self) -> Option<f64> {
        self.first_token.get().map(f64::exp)
    }

    /// How many times as long it took in all (geometric mean).
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        self.total.get().map(f64::exp)
    }

    /// How many times as much it cost (geometric mean).
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        self.cost.get().map(f64::exp)
    }

    /// The kept samples, in no order.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}
