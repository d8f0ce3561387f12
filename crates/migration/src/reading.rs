//! What is known for one guard, in numbers and in words.

use crate::evidence::Verdict;
use crate::metric::{Guard, Limit, Metric, Sort};
use serde::{Deserialize, Serialize};

/// What a metric's values are amounts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Shares of calls, 0 to 1. Changes are differences.
    Share,
    /// Milliseconds. Changes are parts of the old side's value.
    Millis,
    /// Dollars. Changes are parts of the old side's value.
    Dollars,
}

impl Amount {
    pub(crate) const fn of(metric: Metric) -> Self {
        match metric.sort() {
            Sort::Proportion => Self::Share,
            Sort::Time(_) => Self::Millis,
            Sort::Mean => Self::Dollars,
        }
    }

    /// A value of this amount: `0.8 %`, `840 ms`, `$0.0041`.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1} %", value * 100.0),
            Self::Millis if value >= 10_000.0 => format!("{:.1} s", value / 1_000.0),
            Self::Millis => format!("{value:.0} ms"),
            Self::Dollars if value >= 1.0 => format!("${value:.2}"),
            Self::Dollars => format!("${value:.4}"),
        }
    }

    /// A change of it: `+0.3 pp`, `+8 %`.
    #[must_use]
    pub fn change(self, change: f64) -> String {
        match self {
            Self::Share => format!("{} pp", signed(change * 100.0, 1)),
            Self::Millis | Self::Dollars => format!("{} %", signed(change * 100.0, 0)),
        }
    }
}

/// With a sign that people use, and no minus before a zero.
fn signed(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if zero || number >= 0.0 { '+' } else { '−' };
    format!("{sign}{text}")
}

/// What is known for one guard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reading {
    /// The guard.
    pub guard: Guard,
    /// What its values are amounts of.
    pub amount: Amount,
    /// Calls of the old side that had a value.
    pub old_calls: u64,
    /// Calls of the new side that had one.
    pub new_calls: u64,
    /// The old side's value.
    pub old: Option<f64>,
    /// The new side's value.
    pub new: Option<f64>,
    /// By how much the new side differs, where that is what the limit concerns.
    pub change: Option<f64>,
    /// What the limit concerns is certainly above this; `None` while nothing is certain.
    pub low: Option<f64>,
    /// And below this.
    pub high: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
}

impl Reading {
    /// The interval: `−0.6 … +1.2`; nothing stands at an end that is not known.
    #[must_use]
    pub fn interval(&self) -> String {
        let end = |end: Option<f64>| match (end, self.guard.limit) {
            (None, _) => String::new(),
            (Some(end), Limit::MaxIncrease(_)) => {
                let told = self.amount.change(end);
                told.trim_end_matches(" pp").trim_end_matches(" %").to_owned()
            }
            (Some(end), Limit::Max(_)) => self.amount.value(end),
        };
        format!("{} … {}", end(self.low), end(self.high)).trim().to_owned()
    }

    /// The limit: `+1 pp`, `+25 %`, `2 %`.
    #[must_use]
    pub fn limit(&self) -> String {
        match (self.guard.limit, self.amount) {
            (Limit::MaxIncrease(by), Amount::Share) => format!("+{} pp", rounded(by * 100.0)),
            (Limit::MaxIncrease(by), _) => format!("+{} %", rounded(by * 100.0)),
            (Limit::Max(at), Amount::Share) => format!("{} %", rounded(at * 100.0)),
            (Limit::Max(at), amount) => amount.value(at),
        }
    }

    /// One sentence for the log: what is compared, how sure one is, and what follows.
    #[must_use]
    pub fn sentence(&self) -> String {
        let title = self.guard.metric.title();
        let confidence = rounded(self.guard.confidence * 100.0);
        let value = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), |value| self.amount.value(value));
        let measured = match self.guard.limit {
            Limit::MaxIncrease(_) => format!(
                "{title} {} instead of {}, a change of {}",
                value(self.new),
                value(self.old),
                self.change.map_or_else(|| "unknown size".to_owned(), |change| self.amount.change(change)),
            ),
            Limit::Max(_) => format!("{title} {}", value(self.new)),
        };
        let follows = match self.verdict {
            Verdict::Worse => "certainly beyond the limit of",
            Verdict::BetterOrEqual => "certainly within the limit of",
            Verdict::Undecided => "not decided against the limit of",
        };
        let interval = match (self.low, self.high) {
            (None, None) => "too few for an interval".to_owned(),
            _ => format!("{confidence} % interval {}", self.interval()),
        };
        format!(
            "{measured} ({interval}, {} new and {} old calls): {follows} {}",
            self.new_calls,
            self.old_calls,
            self.limit()
        )
    }
}

/// Without decimals that say nothing.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
