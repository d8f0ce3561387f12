//! What is watched, and how far it may go.

use serde::{Deserialize, Serialize};
use sluicegate_vocabulary::Money;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A quantity that calls of either side have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// Share of calls that failed.
    Errors,
    /// Share of successful answers with nothing in them.
    Empty,
    /// Share of answers that broke off.
    Truncated,
    /// Share of answers with tool calls of which one is not valid.
    InvalidToolCalls,
    /// A percentile of the time to the first token.
    FirstToken(Percentile),
    /// A percentile of the whole time.
    Total(Percentile),
    /// Mean cost of a call.
    Cost,
}

/// Which percentile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Percentile {
    /// The median.
    P50,
    /// 19 of 20 are faster.
    P95,
    /// 99 of 100 are faster.
    P99,
}

impl Percentile {
    pub(crate) const fn quantile(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }
}

/// How values of a metric are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Proportion,
    Time(Percentile),
    Mean,
}

/// Every metric with its name in configurations and what people call it.
const NAMES: [(Metric, &str, &str); 11] = [
    (Metric::Errors, "error_rate", "error rate"),
    (Metric::Empty, "empty_response_rate", "empty replies"),
    (Metric::Truncated, "truncated_rate", "truncated replies"),
    (Metric::InvalidToolCalls, "invalid_tool_call_rate", "invalid tool calls"),
    (Metric::FirstToken(Percentile::P50), "ttft_p50", "first token p50"),
    (Metric::FirstToken(Percentile::P95), "ttft_p95", "first token p95"),
    (Metric::FirstToken(Percentile::P99), "ttft_p99", "first token p99"),
    (Metric::Total(Percentile::P50), "total_p50", "total time p50"),
    (Metric::Total(Percentile::P95), "total_p95", "total time p95"),
    (Metric::Total(Percentile::P99), "total_p99", "total time p99"),
    (Metric::Cost, "cost_per_request", "cost per request"),
];

impl Metric {
    /// All metrics.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(metric, _, _)| *metric)
    }

    /// The name in configurations, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(metric, _, _)| *metric == self).map_or("", |(_, name, _)| name)
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        NAMES.iter().find(|(metric, _, _)| *metric == self).map_or("", |(_, _, title)| title)
    }

    pub(crate) const fn sort(self) -> Sort {
        match self {
            Self::Errors | Self::Empty | Self::Truncated | Self::InvalidToolCalls => Sort::Proportion,
            Self::FirstToken(percentile) | Self::Total(percentile) => Sort::Time(percentile),
            Self::Cost => Sort::Mean,
        }
    }

    /// The value of one call, as far as it has one: 1 or 0 for what did or did not happen, milliseconds, dollars.
    pub(crate) fn of(self, seen: &Observation) -> Option<f64> {
        let happened = |it: bool| if it { 1.0 } else { 0.0 };
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        match self {
            Self::Errors => Some(happened(seen.failed)),
            Self::Empty => seen.empty.map(happened),
            Self::Truncated => seen.truncated.map(happened),
            Self::InvalidToolCalls => seen.tool_calls_valid.map(|valid| happened(!valid)),
            Self::FirstToken(_) => seen.first_token.map(millis),
            Self::Total(_) => seen.total.map(millis),
            Self::Cost => seen.cost.map(|cost| cost.nanos().max(0) as f64 / 1e9),
        }
    }
}

/// A name that no metric has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no metric is called `{0}`; known are {list}", list = NAMES.map(|(_, name, _)| name).join(", "))]
pub struct MetricError(String);

impl FromStr for Metric {
    type Err = MetricError;
    fn from_str(text: &str) -> Result<Self, MetricError> {
        let found = NAMES.iter().find(|(_, name, _)| *name == text).map(|(metric, _, _)| *metric);
        found.ok_or_else(|| MetricError(text.chars().take(60).collect()))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Metric {
    type Error = MetricError;
    fn try_from(text: String) -> Result<Self, MetricError> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.as_str().to_owned()
    }
}

/// How far a metric may go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So much more than the old side at most: added for shares (0.01 is one percentage point), as a part of the old
    /// side's value for times and costs (0.25 is 25 %).
    MaxIncrease(f64),
    /// At most this, whatever the old side has: a share, milliseconds or dollars.
    Max(f64),
}

/// A metric that must not get worse than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// What.
    pub metric: Metric,
    /// How far.
    pub limit: Limit,
    /// How sure, such as 0.95. The chance that *any* guard of a migration ever calls a new side worse that is within all
    /// its limits is at most one minus this, however often one looks.
    pub confidence: f64,
}

/// A guard that could never decide anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A confidence no interval has.
    #[error("the confidence of {0} lies between 50 % and 99.99 %")]
    Confidence(Metric),
    /// A share that everything, or nothing, keeps to.
    #[error("the limit of {0} is a share: write it between 0 and 95 percentage points, and an upper bound above 0 %")]
    Share(Metric),
    /// A limit below what can be.
    #[error("the limit of {0} must be a positive number, and an increase at most 800 %")]
    Amount(Metric),
}

impl Guard {
    /// A guard at 95 % confidence.
    #[must_use]
    pub const fn new(metric: Metric, limit: Limit) -> Self {
        Self { metric, limit, confidence: 0.95 }
    }

    /// The guards of a migration that names none: error rate at most 1 point more than before and at most 5 %, first
    /// tokens' 95th percentile at most 25 % later, empty answers at most 2 %.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new(Metric::Errors, Limit::MaxIncrease(0.01)),
            Self::new(Metric::Errors, Limit::Max(0.05)),
            Self::new(Metric::FirstToken(Percentile::P95), Limit::MaxIncrease(0.25)),
            Self::new(Metric::Empty, Limit::Max(0.02)),
        ]
    }

    /// Whether it can decide anything.
    ///
    /// # Errors
    /// When its limit or its confidence is out of range.
    pub fn check(&self) -> Result<(), GuardError> {
        if !(0.5..=0.9999).contains(&self.confidence) {
            return Err(GuardError::Confidence(self.metric));
        }
        let share = self.metric.sort() == Sort::Proportion;
        match self.limit {
            Limit::MaxIncrease(by) if share => {
                (0.0..=0.95).contains(&by).then_some(()).ok_or(GuardError::Share(self.metric))
            }
            Limit::Max(at) if share => {
                (0.0001..=0.95).contains(&at).then_some(()).ok_or(GuardError::Share(self.metric))
            }
            Limit::MaxIncrease(by) => (0.0..=8.0).contains(&by).then_some(()).ok_or(GuardError::Amount(self.metric)),
            Limit::Max(at) => (at > 0.0 && at.is_finite()).then_some(()).ok_or(GuardError::Amount(self.metric)),
        }
    }
}

/// What one call says about the side it went to. A call of the new side that failed there and was answered by the old one
/// is a failure of the new side, and says nothing about the old one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observation {
    /// It failed, by the provider's fault: refused, timed out, broken. A client that left or asked for nonsense is none.
    pub failed: bool,
    /// Whether the answer had nothing in it; `None` where there was no answer.
    pub empty: Option<bool>,
    /// Whether the answer broke off; `None` where there was no answer.
    pub truncated: Option<bool>,
    /// Whether all tool calls name a known tool and carry valid JSON; `None` where there were none.
    pub tool_calls_valid: Option<bool>,
    /// Time to the first token.
    pub first_token: Option<Duration>,
    /// Time to the end of a complete answer.
    pub total: Option<Duration>,
    /// What it cost; `None` where nothing is known of that.
    pub cost: Option<Money>,
}

impl Observation {
    /// A failure.
    #[must_use]
    pub fn failure() -> Self {
        Self { failed: true, ..Self::default() }
    }
}

#[cfg(test)]
#[path = "metric_tests.rs"]
mod tests;
