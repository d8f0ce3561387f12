//! One limit: whose it is, what it counts, how much in what time, and by which algorithm.
//!
//! The sliding window is the default, because "600 a minute" means to most people that no minute sees more than 600.
//! The token bucket is for those who want a burst on top and say so.
//!
//! A limit outlives the configuration it came from. [`Limit::reconfigure`] makes the limit of the new configuration
//! start from the level of the old one, and leaves at the old one a sign to the new: calls that began under the old
//! configuration still settle, and even still take, at the one true level. Nothing is counted in two places and
//! nothing falls between them.

use crate::meter::{Closed, Gauge, Meter, Refused, Shortfall};
use crate::refusal::Refusal;
use crate::time::Nanos;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One key.
    Key,
    /// One endpoint, such as `/chat/completions`.
    Endpoint,
    /// One model, by the name clients use.
    Model,
    /// One tenant.
    Tenant,
    /// The whole relay.
    Overall,
    /// One provider.
    Provider,
    /// One credential at a provider.
    Credential,
}

impl Scope {
    /// The word used in headers, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Endpoint => "endpoint",
            Self::Model => "model",
            Self::Tenant => "tenant",
            Self::Overall => "overall",
            Self::Provider => "provider",
            Self::Credential => "credential",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names a limit's owner. Prints as `endpoint:/chat/completions`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// What sort of owner.
    pub scope: Scope,
    /// Which one: the key's name, the endpoint's path, the model's name. Clients may see it, so it must not be a secret.
    pub name: Arc<str>,
}

impl Label {
    /// Names an owner.
    #[must_use]
    pub fn new(scope: Scope, name: impl Into<Arc<str>>) -> Self {
        Self { scope, name: name.into() }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope, self.name)
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Calls.
    Requests,
    /// Input and output tokens together.
    Tokens,
}

impl Kind {
    /// The word used in headers, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// At most the set amount in any stretch of the window's length. What can never fit is refused for good.
    SlidingWindow,
    /// The set amount flows in evenly over each window, and up to `capacity` collects while it is not used. A call
    /// larger than the capacity is admitted when the bucket is full, and leaves it in debt.
    TokenBucket {
        /// The most that collects.
        capacity: u64,
        /// Flow in steps this long instead of continuously.
        refill_step: Option<Duration>,
    },
}

/// How much in what time, and how it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests or tokens in each window. Zero admits nothing.
    pub set: u64,
    /// The length of time `set` is meant for.
    pub window: Duration,
    /// How it is counted.
    pub algorithm: Algorithm,
}

impl Quota {
    /// At most `set` in any stretch as long as `window`.
    #[must_use]
    pub const fn window(set: u64, window: Duration) -> Self {
        Self { set, window, algorithm: Algorithm::SlidingWindow }
    }

    /// `set` in each `window` on the average, with a capacity of `set` times `burst_multiplier` rounded down, but at
    /// least one; filled continuously, or in steps of `refill_step`.
    #[must_use]
    pub fn bucket(set: u64, window: Duration, burst_multiplier: f64, refill_step: Option<Duration>) -> Self {
        // A millionth on top, because 50 times 1.14 is 56.999... in binary and everybody means 57.
        let capacity = (set as f64 * burst_multiplier + 1e-6) as u64;
        Self { set, window, algorithm: Algorithm::TokenBucket { capacity: capacity.max(1), refill_step } }
    }
}

/// A limit as a header or a quota page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitStatus {
    /// Whose.
    pub label: Label,
    /// Of what.
    pub kind: Kind,
    /// The length of time `set` is meant for.
    pub window: Duration,
    /// Requests or tokens in each window, as configured.
    pub set: u64,
    /// The most that can be left: `set`, or a token bucket's capacity.
    pub capacity: u64,
    /// What can be taken now. Zero in debt.
    pub left: u64,
    /// `left` as a share of `capacity`, 0 to 1.
    pub fill: f64,
    /// How long until `left` is `capacity` again if nobody takes any.
    pub refills_in: Duration,
}

/// One limit with its level. Shared by every [`crate::LimitSet`] it is in.
#[derive(Debug)]
pub struct Limit {
    label: Label,
    kind: Kind,
    quota: Quota,
    meter: Meter,
    /// Set right after `meter` is closed: where its level went.
    successor: OnceLock<Arc<Self>>,
}

impl Limit {
    /// A limit of which nothing is in use.
    #[must_use]
    pub fn new(label: Label, kind: Kind, quota: Quota) -> Arc<Self> {
        Arc::new(Self { label, kind, quota, meter: Meter::new(&quota), successor: OnceLock::new() })
    }

    /// Whose limit it is.
    #[must_use]
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// What it counts.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How much in what time.
    #[must_use]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The same limit under another quota, for the limit sets of a new configuration. Limit sets that hold the old one
    /// are counted here from now on too, by the new quota.
    ///
    /// Changing the quota is not an occasion to take more. A window goes on with what is in use: raised by 100, it has
    /// 100 more left; cut below what is in use, it admits nothing until enough has left. A bucket goes on with what is
    /// left, as far as that fits in: raised, it fills up at the new rate.
    #[must_use]
    pub fn reconfigure(self: &Arc<Self>, now: Nanos, quota: Quota) -> Arc<Self> {
        let mut limit = self;
        loop {
            if limit.successor.get().is_none() && limit.quota == quota {
                return Arc::clone(limit);
            }
            if let Ok(level) = limit.meter.close(now) {
                let meter = Meter::resume(&quota, now, level);
                let (label, kind) = (limit.label.clone(), limit.kind);
                let next = Arc::new(Self { label, kind, quota, meter, successor: OnceLock::new() });
                return Arc::clone(limit.successor.get_or_init(|| next));
            }
            limit = limit.successor.wait();
        }
    }

    /// The level at `now`, for headers and quota pages.
    #[must_use]
    pub fn status(&self, now: Nanos) -> LimitStatus {
        let (limit, gauge) = self.at_newest(|meter| meter.gauge(now));
        let Gauge { left, capacity, full_in } = gauge;
        let fill = if capacity == 0 { 0.0 } else { left as f64 / capacity as f64 };
        let Quota { set, window, .. } = limit.quota;
        let label = limit.label.clone();
        LimitStatus { label, kind: limit.kind, window, set, capacity, left, fill, refills_in: full_in }
    }

    /// Takes `amount`, or says why not and takes nothing.
    #[inline]
    pub(crate) fn take(&self, now: Nanos, amount: u64) -> Result<(), Refusal> {
        let (limit, short) = self.at_newest(|meter| match meter.take(now, amount) {
            Ok(()) => Ok(None),
            Err(Refused::Short(short)) => Ok(Some(short)),
            Err(Refused::Closed) => Err(Closed),
        });
        short.map_or(Ok(()), |short| Err(limit.refusal(amount, short)))
    }

    /// How [`Self::take`] would refuse.
    pub(crate) fn would_refuse(&self, now: Nanos, amount: u64) -> Option<Refusal> {
        let (limit, short) = self.at_newest(|meter| meter.shortfall(now, amount));
        short.map(|short| limit.refusal(amount, short))
    }

    #[cold]
    fn refusal(&self, needed: u64, short: Shortfall) -> Refusal {
        Refusal {
            label: self.label.clone(),
            kind: self.kind,
            set: self.quota.set,
            window: self.quota.window,
            left: short.left,
            needed,
            retry_after: short.wait.unwrap_or_default(),
            never_fits: short.wait.is_none(),
        }
    }

    /// Gives back `amount` of what was taken at `at`, as far as it still counts.
    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64) {
        self.at_newest(|meter| meter.refund(at, amount));
    }

    /// Charges `amount` that was used beyond what was taken at `at`, whether or not it fits.
    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) {
        self.at_newest(|meter| meter.charge(now, at, amount));
    }

    /// Does something at the meter that has the level: this one's, or that of the last successor.
    #[inline]
    fn at_newest<T>(&self, act: impl Fn(&Meter) -> Result<T, Closed>) -> (&Self, T) {
        let mut limit = self;
        loop {
            match act(&limit.meter) {
                Ok(done) => return (limit, done),
                Err(Closed) => limit = limit.successor.wait(),
            }
        }
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
