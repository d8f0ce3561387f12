//! Alerts: a measured value, a threshold, and how long it must be crossed.
//!
//! The names come from the older format's `metrics:` list and are a promise of their own: what each one means, over which
//! time it is measured and in which unit is said here once, so that whoever measures and whoever explains agree.

use crate::units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// One alert. It is raised when the value has crossed the threshold for the whole of `hold`, and over when it has not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Alert {
    /// What is measured.
    #[serde(rename = "name")]
    pub metric: AlertMetric,
    /// The value at which it is raised.
    #[serde(rename = "alert_threshold")]
    pub threshold: Threshold,
    /// For how long it must be crossed without a break; 0 raises it at once.
    #[serde(rename = "for")]
    pub hold: Period,
}

/// A value that an alert may watch. Those over calls are over the calls that ended in the last 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertMetric {
    /// What is left of a limit, of each by itself, in percent: 100 when nothing is in use, 0 when it is used up.
    BucketFillPercentage,
    /// Calls that wait.
    QueueDepth,
    /// The wait in the queue that half of the calls stayed below, in milliseconds.
    QueueWaitP50Ms,
    /// The wait in the queue that 99 % of the calls stayed below, in milliseconds.
    QueueWaitP99Ms,
    /// Calls refused for a limit or for want of capacity, in percent of all calls.
    RefusalRate,
    /// Calls that failed, at a provider or here, and not by the client's fault, in percent of all calls.
    ErrorRate,
    /// Calls that are being answered.
    InFlight,
    /// The time to the first token that 95 % of the calls stayed below, in milliseconds.
    TtftP95Ms,
    /// The time to the end of the answer that 99 % of the calls stayed below, in milliseconds.
    LatencyP99Ms,
    /// Providers that get no ordinary calls because they fail.
    ProvidersDown,
    /// Keys of providers that were refused, or have no credit left.
    KeysDown,
    /// Accounts that have less than their `low_balance_usd`.
    AccountsLow,
}

impl AlertMetric {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 12] = [
        Self::BucketFillPercentage,
        Self::QueueDepth,
        Self::QueueWaitP50Ms,
        Self::QueueWaitP99Ms,
        Self::RefusalRate,
        Self::ErrorRate,
        Self::InFlight,
        Self::TtftP95Ms,
        Self::LatencyP99Ms,
        Self::ProvidersDown,
        Self::KeysDown,
        Self::AccountsLow,
    ];

    /// The word of the configuration file, of logs and of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BucketFillPercentage => "bucket_fill_percentage",
            Self::QueueDepth => "queue_depth",
            Self::QueueWaitP50Ms => "queue_wait_p50_ms",
            Self::QueueWaitP99Ms => "queue_wait_p99_ms",
            Self::RefusalRate => "refusal_rate",
            Self::ErrorRate => "error_rate",
            Self::InFlight => "in_flight",
            Self::TtftP95Ms => "ttft_p95_ms",
            Self::LatencyP99Ms => "latency_p99_ms",
            Self::ProvidersDown => "providers_down",
            Self::KeysDown => "keys_down",
            Self::AccountsLow => "accounts_low",
        }
    }

    /// Whether its value is a share, measured in percent from 0 to 100.
    #[must_use]
    pub const fn is_share(self) -> bool {
        matches!(self, Self::BucketFillPercentage | Self::RefusalRate | Self::ErrorRate)
    }
}

impl fmt::Display for AlertMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A side of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Which side raises the alert.
    pub op: Comparison,
    /// The number, in the metric's unit: 20 for `20%`.
    pub value: f64,
    /// Whether it was written with a percent sign.
    pub percent: bool,
}

/// Which side of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// All of them with their signs. A sign comes before those that it begins with.
    const SIGNS: [(&str, Self); 4] =
        [("<=", Self::AtMost), ("<", Self::Below), (">=", Self::AtLeast), (">", Self::Above)];

    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Threshold {
    /// Reads `<20%`, `> 2000`, `>=5%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (op, number) =
            Comparison::SIGNS.into_iter().find_map(|(sign, op)| Some((op, text.strip_prefix(sign)?.trim())))?;
        let (number, percent) = number.strip_suffix('%').map_or((number, false), |number| (number.trim_end(), true));
        let digits = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value = number.parse().ok().filter(|value: &f64| digits && value.is_finite())?;
        Some(Self { op, value, percent })
    }

    /// Whether a measured value, in the metric's unit, is on the side that raises the alert. What is no number is on
    /// neither side.
    #[must_use]
    pub fn is_crossed(&self, value: f64) -> bool {
        match self.op {
            Comparison::Below => value < self.value,
            Comparison::AtMost => value <= self.value,
            Comparison::Above => value > self.value,
            Comparison::AtLeast => value >= self.value,
        }
    }
}

/// As it would be written in a file.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.op.as_str(), self.value, if self.percent { "%" } else { "" })
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
