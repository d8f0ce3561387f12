//! Limits as numbers that mean one thing.
//!
//! A file says `requests_per_minute: 5000` and `burst_multiplier: 1.5`; what follows from them is a matter of definition,
//! so it is worked out once, here, and both the machinery that enforces it and the page that explains it read the result.
//! Every owner of limits (the relay as a whole, an endpoint, a tenant, a key, a model, a provider, one of its keys) has
//! the same kind of [`Limit`], so that whoever has understood one has understood all.

use crate::units::Period;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use sluicegate_vocabulary::{Endpoint, Priority};
use std::collections::BTreeMap;
use std::time::Duration;

/// The limits over all calls and by endpoint. Those of tenants, keys, models and providers are with their owners.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Over all calls.
    pub global: Limit,
    /// One endpoint's own, beside the global ones. An endpoint that is not here has none of its own.
    pub endpoints: BTreeMap<Endpoint, EndpointLimit>,
}

impl Limits {
    /// Whether nothing is limited and no class is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.global.is_empty() && self.endpoints.is_empty()
    }
}

/// What the file says about one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointLimit {
    /// Its own limit; empty for an entry that is `disabled` or only sets the class.
    pub limit: Limit,
    /// The highest class of its calls.
    pub priority: Option<Priority>,
}

/// Everything that one owner's calls are held to, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limit {
    /// So many in each length of time: requests before tokens, short windows before long, each pair at most once.
    pub rates: Vec<Rate>,
    /// So many calls at once. At least 1.
    pub concurrency: Option<u64>,
    /// Count and report, and refuse nothing.
    pub shadow: bool,
}

impl Limit {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rates.is_empty() && self.concurrency.is_none()
    }

    /// What is allowed of one kind in windows of one length, if that is limited.
    #[must_use]
    pub fn rate(&self, kind: RateKind, window: Window) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.kind == kind && rate.window == window)
    }
}

/// So many in a length of time, and how that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What is counted.
    pub kind: RateKind,
    /// In what time.
    pub window: Window,
    /// How many in each window. At least 1.
    pub amount: u64,
    /// What a burst may do.
    pub shape: Shape,
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateKind {
    /// Calls.
    Requests,
    /// Tokens, input and output together.
    Tokens,
}

impl RateKind {
    /// The word of the file and of messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// The length of time that a rate is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, from any moment on; not a date.
    Day,
}

impl Window {
    /// The word of the file and of messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }

    /// Its length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

/// What a burst may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Never more than the amount in any window, wherever it begins.
    SlidingWindow,
    /// A bucket that refills at the rate.
    TokenBucket {
        /// What a full bucket holds. At least 1.
        capacity: u64,
        /// Refill in steps of this length; continuously when absent.
        step: Option<Period>,
    },
}

impl Rate {
    /// A rate by the file's fields: with a multiplier it is a bucket of amount times multiplier, without one an exact
    /// window.
    #[must_use]
    pub fn new(
        kind: RateKind,
        window: Window,
        amount: u64,
        burst_multiplier: Option<f64>,
        step: Option<Period>,
    ) -> Self {
        let shape = burst_multiplier.map_or(Shape::SlidingWindow, |multiplier| Shape::TokenBucket {
            capacity: scaled(amount, multiplier),
            step,
        });
        Self { kind, window, amount, shape }
    }

    /// The field of the file that sets it: `requests_per_minute`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match (self.kind, self.window) {
            (RateKind::Requests, Window::Second) => "requests_per_second",
            (RateKind::Requests, Window::Minute) => "requests_per_minute",
            (RateKind::Requests, Window::Hour) => "requests_per_hour",
            (RateKind::Requests, Window::Day) => "requests_per_day",
            (RateKind::Tokens, Window::Second) => "tokens_per_second",
            (RateKind::Tokens, Window::Minute) => "tokens_per_minute",
            (RateKind::Tokens, Window::Hour) => "tokens_per_hour",
            (RateKind::Tokens, Window::Day) => "tokens_per_day",
        }
    }

    /// The most that can ever pass in one window: with a bucket, a full one and a window's refill.
    #[must_use]
    pub const fn worst_window(&self) -> u64 {
        match self.shape {
            Shape::SlidingWindow => self.amount,
            Shape::TokenBucket { capacity, .. } => capacity.saturating_add(self.amount),
        }
    }

    /// The most that can ever pass in any 60 seconds. For windows longer than that it is the whole window's, which may
    /// all come in its first minute.
    #[must_use]
    pub const fn worst_minute(&self) -> u64 {
        match (self.window, self.shape) {
            (Window::Second, Shape::SlidingWindow) => self.amount.saturating_mul(60),
            (Window::Second, Shape::TokenBucket { capacity, .. }) => {
                capacity.saturating_add(self.amount.saturating_mul(60))
            }
            (Window::Minute, _) => self.worst_window(),
            (Window::Hour | Window::Day, Shape::SlidingWindow) => self.amount,
            (Window::Hour | Window::Day, Shape::TokenBucket { capacity, .. }) => {
                capacity.saturating_add(self.amount.saturating_mul(60) / self.window.seconds())
            }
        }
    }

    /// The most that one call may take: the amount, or what a full bucket holds.
    #[must_use]
    pub const fn largest_call(&self) -> u64 {
        match self.shape {
            Shape::SlidingWindow => self.amount,
            Shape::TokenBucket { capacity, .. } => capacity,
        }
    }

    /// What one step of refill adds, rounded to the nearest; `None` for a window or continuous refill.
    #[must_use]
    pub fn per_step(&self) -> Option<u64> {
        match self.shape {
            Shape::TokenBucket { step: Some(step), .. } => {
                let product = u128::from(self.amount) * u128::from(step.millis());
                let window = u128::from(self.window.seconds()) * 1000;
                u64::try_from((product + window / 2) / window).ok()
            }
            _ => None,
        }
    }
}

/// A limit in the file's own words, with what follows from them beside: `requests_per_minute_bucket`.
impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        for rate in &self.rates {
            fields.serialize_entry(rate.field(), &rate.amount)?;
            if let Shape::TokenBucket { capacity, .. } = rate.shape {
                fields.serialize_entry(&format_args!("{}_bucket", rate.field()), &capacity)?;
            }
        }
        let step = self.rates.iter().find_map(|rate| match rate.shape {
            Shape::TokenBucket { step, .. } => step,
            Shape::SlidingWindow => None,
        });
        if let Some(step) = step {
            fields.serialize_entry("refill_rate_ms", &step.millis())?;
        }
        if let Some(concurrency) = self.concurrency {
            fields.serialize_entry("concurrency", &concurrency)?;
        }
        if self.shadow {
            fields.serialize_entry("shadow", &true)?;
        }
        fields.end()
    }
}

/// `amount × multiplier`, exact for multipliers of up to six decimals, rounded down, at least 1.
fn scaled(amount: u64, multiplier: f64) -> u64 {
    const MILLION: f64 = 1_000_000.0;
    // A file's multiplier is checked to be finite and between 0 and 1000, so the cast cannot lose its sign or size.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as-casts from float saturate, and NaN is 0"
    )]
    let millionths = (multiplier * MILLION).round() as u64;
    let product = u128::from(amount) * u128::from(millionths) / 1_000_000;
    u64::try_from(product).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
