//! What a sliding window and a token bucket have in common: the words in which they answer.
//!
//! A meter can be *closed*: when a limit is changed, its meter hands its level to a successor and from then on answers
//! [`Closed`] to everything, so that no charge can fall between the two. [`crate::Limit`] follows the trail; a meter
//! itself only needs to be certain that after closing it accepts nothing more.

use crate::bucket::TokenBucket;
use crate::limit::{Algorithm, Quota};
use crate::time::Nanos;
use crate::window::{Ring, SlidingWindow};
use std::time::Duration;

/// Why an amount was not taken, as of the moment of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// What could be taken at most; zero in debt.
    pub(crate) left: u64,
    /// How long until the same amount fits if nobody else takes any; `None` if it never can.
    pub(crate) wait: Option<Duration>,
}

/// This meter has a successor; ask that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// The answer to a request for some amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not enough left.
    Short(Shortfall),
    /// The meter has a successor.
    Closed,
}

impl From<Closed> for Refused {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// A meter's level for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// What can be taken now; zero in debt.
    pub(crate) left: u64,
    /// What can be taken when nothing is in use.
    pub(crate) capacity: u64,
    /// How long until nothing is in use if nobody takes any.
    pub(crate) full_in: Duration,
}

/// The level a closed meter leaves to its successor.
#[derive(Debug)]
pub(crate) struct Level {
    /// What is in use. A window goes on from this: it forgets within its own length whatever it is told.
    pub(crate) used: u64,
    /// What is left, negative in debt. A bucket goes on from this: were it told what is in use, a limit cut to a
    /// thousandth would have to pay back the old limit's use at a thousandth of the pace, for hours.
    pub(crate) left: i128,
    /// A window's whole memory, for a successor of the same length.
    pub(crate) ring: Option<Ring>,
}

/// One of the two ways to count.
#[derive(Debug)]
pub(crate) enum Meter {
    /// Boxed, since its counters would make every bucket twenty times as large.
    Window(Box<SlidingWindow>),
    Bucket(TokenBucket),
}

impl Meter {
    /// A meter with nothing in use.
    pub(crate) fn new(quota: &Quota) -> Self {
        match quota.algorithm {
            Algorithm::SlidingWindow => Self::Window(Box::new(SlidingWindow::new(quota.set, quota.window))),
            Algorithm::TokenBucket { capacity, refill_step } => {
                Self::Bucket(TokenBucket::new(quota.set, quota.window, capacity, refill_step))
            }
        }
    }

    /// A meter that goes on from the level its predecessor left.
    pub(crate) fn resume(quota: &Quota, now: Nanos, level: Level) -> Self {
        match quota.algorithm {
            Algorithm::SlidingWindow => {
                Self::Window(Box::new(SlidingWindow::resume(quota.set, quota.window, now, level)))
            }
            Algorithm::TokenBucket { capacity, refill_step } => {
                Self::Bucket(TokenBucket::resume(quota.set, quota.window, capacity, refill_step, now, &level))
            }
        }
    }

    /// Takes `amount`, or says what is missing and takes nothing.
    #[inline]
    pub(crate) fn take(&self, now: Nanos, amount: u64) -> Result<(), Refused> {
        match self {
            Self::Window(window) => window.take(now, amount),
            Self::Bucket(bucket) => bucket.take(now, amount),
        }
    }

    /// What [`Self::take`] would answer, taking nothing.
    pub(crate) fn shortfall(&self, now: Nanos, amount: u64) -> Result<Option<Shortfall>, Closed> {
        match self {
            Self::Window(window) => window.shortfall(now, amount),
            Self::Bucket(bucket) => bucket.shortfall(now, amount),
        }
    }

    /// Gives back `amount` of what was taken at `at`.
    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64) -> Result<(), Closed> {
        match self {
            Self::Window(window) => window.refund(at, amount),
            Self::Bucket(bucket) => bucket.refund(amount),
        }
    }

    /// Charges `amount` that was used beyond what was taken at `at`, whether or not it fits.
    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) -> Result<(), Closed> {
        match self {
            Self::Window(window) => window.charge(now, at, amount),
            Self::Bucket(bucket) => bucket.charge(now, amount),
        }
    }

    /// The level at `now`.
    pub(crate) fn gauge(&self, now: Nanos) -> Result<Gauge, Closed> {
        match self {
            Self::Window(window) => window.gauge(now),
            Self::Bucket(bucket) => bucket.gauge(now),
        }
    }

    /// Ends this meter and hands out its level; whoever closed it first has it.
    pub(crate) fn close(&self, now: Nanos) -> Result<Level, Closed> {
        match self {
            Self::Window(window) => window.close(now),
            Self::Bucket(bucket) => bucket.close(now),
        }
    }
}
