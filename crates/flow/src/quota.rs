//! What a limit says: whose it is, what it counts, how much in what time, and by which algorithm.
//!
//! The sliding window is the default, because "600 a minute" means to most people that no minute sees more than 600.
//! The token bucket is for those who want a burst on top and say so. Permits count what is in flight: they come back
//! when a call ends, not when time passes.

use std::fmt;
use std::sync::Arc;
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
    /// Calls in flight.
    Concurrency,
}

impl Kind {
    /// The word used in headers, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Concurrency => "concurrency",
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
    /// At most the set amount in flight: held until a call is settled or dropped. Calls of the low class hold at most
    /// 90 % of the permits, those of low and normal together at most 95 %, so that the upper classes always find some.
    Permits,
}

/// How much in what time, and how it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests or tokens in each window, or calls in flight. Zero admits nothing.
    pub set: u64,
    /// The length of time `set` is meant for; zero for permits.
    pub window: Duration,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// Only watch: charge everybody, refuse nobody, and count who would have been refused.
    pub shadow: bool,
}

impl Quota {
    /// At most `set` in any stretch as long as `window`.
    #[must_use]
    pub const fn window(set: u64, window: Duration) -> Self {
        Self { set, window, algorithm: Algorithm::SlidingWindow, shadow: false }
    }

    /// `set` in each `window` on the average, with a capacity of `set` times `burst_multiplier` rounded down, but at
    /// least one; filled continuously, or in steps of `refill_step`.
    #[must_use]
    pub fn bucket(set: u64, window: Duration, burst_multiplier: f64, refill_step: Option<Duration>) -> Self {
        // A millionth on top, because 50 times 1.14 is 56.999... in binary and everybody means 57.
        let capacity = (set as f64 * burst_multiplier + 1e-6) as u64;
        let algorithm = Algorithm::TokenBucket { capacity: capacity.max(1), refill_step };
        Self { set, window, algorithm, shadow: false }
    }

    /// At most `set` calls in flight.
    #[must_use]
    pub const fn concurrency(set: u64) -> Self {
        Self { set, window: Duration::ZERO, algorithm: Algorithm::Permits, shadow: false }
    }

    /// The quota as a limit of this kind counts it: permits for what is in flight and for nothing else.
    pub(crate) fn for_kind(self, kind: Kind) -> Self {
        let algorithm = match (kind, self.algorithm) {
            (Kind::Concurrency, _) => Algorithm::Permits,
            (_, Algorithm::Permits) => Algorithm::SlidingWindow,
            (_, algorithm) => algorithm,
        };
        Self { algorithm, ..self }
    }

    /// The same, refusing nobody.
    #[must_use]
    pub const fn in_shadow(self) -> Self {
        Self { shadow: true, ..self }
    }
}
