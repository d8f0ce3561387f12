//! Limits as numbers that mean one thing.
//!
//! The old fields say `rpm: 5000` and `burst_multiplier: 1.5`; what follows from them is a matter of definition, so it is
//! worked out once, here, and both the machinery that enforces it and the page that explains it read the result.

use crate::units::Period;
use serde::Serialize;
use sluicegate_vocabulary::{Endpoint, Priority};
use std::collections::BTreeMap;

/// Every limit of the old format.
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
        self.global == Limit::default() && self.endpoints.is_empty()
    }
}

/// A limit on requests, on tokens, on both or on neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limit {
    /// On requests.
    pub requests: Option<Rate>,
    /// On tokens, input and output together.
    pub tokens: Option<Rate>,
}

/// What the file says about one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointLimit {
    /// Its own limit; empty for an entry that is `disabled` or only sets the class.
    pub limit: Limit,
    /// The highest class of its calls.
    pub priority: Option<Priority>,
}

/// So many per minute, and how the minute is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The long-run rate. At least 1.
    pub per_minute: u64,
    /// What a burst may do.
    pub shape: Shape,
}

/// What a burst may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Never more than the rate in any 60 seconds.
    SlidingWindow,
    /// A bucket that refills at the rate.
    TokenBucket {
        /// What a full bucket holds.
        capacity: u64,
        /// Refill in steps of this length; continuously when absent.
        step: Option<Period>,
    },
}

impl Rate {
    /// A rate by the old format's fields: with a multiplier it is a bucket of rate times multiplier, without one an
    /// exact window.
    #[must_use]
    pub fn new(per_minute: u64, burst_multiplier: Option<f64>, step: Option<Period>) -> Self {
        let shape = burst_multiplier.map_or(Shape::SlidingWindow, |multiplier| Shape::TokenBucket {
            capacity: scaled(per_minute, multiplier),
            step,
        });
        Self { per_minute, shape }
    }

    /// The most that can pass in any 60 seconds: a full bucket and a minute's refill.
    #[must_use]
    pub const fn worst_minute(&self) -> u64 {
        match self.shape {
            Shape::SlidingWindow => self.per_minute,
            Shape::TokenBucket { capacity, .. } => capacity.saturating_add(self.per_minute),
        }
    }

    /// What one step of refill adds, rounded to the nearest; `None` for a window or continuous refill.
    #[must_use]
    pub fn per_step(&self) -> Option<u64> {
        match self.shape {
            Shape::TokenBucket { step: Some(step), .. } => {
                let product = u128::from(self.per_minute) * u128::from(step.millis());
                u64::try_from((product + 30_000) / 60_000).ok()
            }
            _ => None,
        }
    }
}

/// `rate × multiplier`, exact for multipliers of up to six decimals, rounded down, at least 1.
fn scaled(rate: u64, multiplier: f64) -> u64 {
    const MILLION: f64 = 1_000_000.0;
    // A file's multiplier is checked to be finite and between 0 and 1000, so the cast cannot lose its sign or size.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as-casts from float saturate, and NaN is 0"
    )]
    let millionths = (multiplier * MILLION).round() as u64;
    let product = u128::from(rate) * u128::from(millionths) / 1_000_000;
    u64::try_from(product).unwrap_or(u64::MAX).max(1)
}
