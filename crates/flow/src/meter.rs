//! What a sliding window, a token bucket and a count of permits have in common: the words in which they answer.
//!
//! A meter can be *closed*: when a limit is changed, its meter hands its level to a successor and from then on answers
//! [`Closed`] to everything, so that no charge can fall between the two. [`crate::Limit`] follows the trail; a meter
//! itself only needs to be certain that after closing it accepts nothing more.

use crate::bucket::TokenBucket;
use crate::permits::{Flight, Permits};
use crate::quota::{Algorithm, Quota};
use crate::refusal::Reason;
use crate::time::Nanos;
use crate::window::{Ring, SlidingWindow};
use sluicegate_vocabulary::Priority;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What is asked of one meter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) amount: u64,
    pub(crate) class: Priority,
    pub(crate) hold: Hold,
}

/// From when on a call is held to a window's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Never.
    Free,
    /// When more than half of the window is in use.
    BeyondHalf,
    /// At once: others wait already.
    Always,
}

/// Why an amount was not taken, as of the moment of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// What could be taken at most; zero in debt.
    pub(crate) left: u64,
    /// How long until the same is admitted if nobody else takes any; `None` if it never is, or if that depends on when
    /// others end.
    pub(crate) wait: Option<Duration>,
    pub(crate) reason: Reason,
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

/// A limit's level for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// What can be taken now; zero in debt.
    pub left: u64,
    /// What can be taken when nothing is in use.
    pub capacity: u64,
    /// How long until nothing is in use if nobody takes any. Zero for permits, where nobody knows.
    pub full_in: Duration,
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
    /// The permits that are held.
    pub(crate) flight: Flight,
}

/// One of the three ways to count.
#[derive(Debug)]
pub(crate) enum Meter {
    Window(SlidingWindow),
    Bucket(TokenBucket),
    Permits(Permits<AtomicU64>),
}

impl Meter {
    /// A meter with nothing in use.
    pub(crate) fn new(quota: &Quota) -> Self {
        match quota.algorithm {
            Algorithm::SlidingWindow => Self::Window(SlidingWindow::new(quota.set, quota.window)),
            Algorithm::TokenBucket { capacity, refill_step } => {
                Self::Bucket(TokenBucket::new(quota.set, quota.window, capacity, refill_step))
            }
            Algorithm::Permits => Self::Permits(Permits::new(quota.set)),
        }
    }

    /// A meter that goes on from the level its predecessor left.
    pub(crate) fn resume(quota: &Quota, now: Nanos, level: Level) -> Self {
        match quota.algorithm {
            Algorithm::SlidingWindow => Self::Window(SlidingWindow::resume(quota.set, quota.window, now, level)),
            Algorithm::TokenBucket { capacity, refill_step } => {
                Self::Bucket(TokenBucket::resume(quota.set, quota.window, capacity, refill_step, now, &level))
            }
            Algorithm::Permits => Self::Permits(Permits::resume(quota.set, level.flight)),
        }
    }

    /// Has what a decision changes fetched from memory, beyond the first cache line. Nothing waits for that yet.
    #[inline]
    pub(crate) fn fetch(&self) {
        if let Self::Window(window) = self {
            window.fetch();
        }
    }

    /// Takes what is asked, or says what is missing and takes nothing.
    #[inline]
    pub(crate) fn take(&self, now: Nanos, demand: &Demand) -> Result<(), Refused> {
        match self {
            Self::Window(window) => window.take(now, demand.amount, demand.hold),
            Self::Bucket(bucket) => bucket.take(now, demand.amount),
            Self::Permits(permits) => permits.take(demand.class),
        }
    }

    /// Another number of permits from now on, without a successor. Others cannot.
    pub(crate) fn resize(&self, permits: u64) -> Result<(), Closed> {
        match self {
            Self::Permits(own) => own.resize(permits),
            Self::Window(_) | Self::Bucket(_) => Ok(()),
        }
    }

    /// Takes what is asked, whether or not it is there.
    pub(crate) fn force(&self, now: Nanos, demand: &Demand) -> Result<(), Closed> {
        match self {
            Self::Permits(permits) => permits.force(demand.class),
            Self::Window(_) | Self::Bucket(_) => self.charge(now, now, demand.amount),
        }
    }

    /// What [`Self::take`] would answer, taking nothing.
    pub(crate) fn shortfall(&self, now: Nanos, demand: &Demand) -> Result<Option<Shortfall>, Closed> {
        match self {
            Self::Window(window) => window.shortfall(now, demand.amount, demand.hold),
            Self::Bucket(bucket) => bucket.shortfall(now, demand.amount),
            Self::Permits(permits) => permits.shortfall(demand.class),
        }
    }

    /// Gives back `amount` of what a call of this class took at `at`. A permit is given back whole.
    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64, class: Priority) -> Result<(), Closed> {
        match self {
            Self::Window(window) => window.refund(at, amount),
            Self::Bucket(bucket) => bucket.refund(amount),
            Self::Permits(permits) => permits.refund(class),
        }
    }

    /// Charges `amount` that was used beyond what was taken at `at`, whether or not it fits. Nothing is in flight twice,
    /// so permits do not change.
    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) -> Result<(), Closed> {
        match self {
            Self::Window(window) => window.charge(now, at, amount),
            Self::Bucket(bucket) => bucket.charge(now, amount),
            Self::Permits(_) => Ok(()),
        }
    }

    /// The level at `now`.
    pub(crate) fn gauge(&self, now: Nanos) -> Result<Gauge, Closed> {
        match self {
            Self::Window(window) => window.gauge(now),
            Self::Bucket(bucket) => bucket.gauge(now),
            Self::Permits(permits) => permits.gauge(),
        }
    }

    /// Whether it is as if it had never been used.
    pub(crate) fn is_idle(&self, now: Nanos) -> Result<bool, Closed> {
        match self {
            Self::Window(window) => window.is_idle(now),
            Self::Bucket(bucket) => bucket.is_idle(now),
            Self::Permits(permits) => permits.is_idle(),
        }
    }

    /// At what pace it lets those go who wait, in units a second; `None` if that depends on when others end.
    pub(crate) fn pace(&self, now: Nanos) -> Result<Option<f64>, Closed> {
        match self {
            Self::Window(window) => window.pace(now).map(Some),
            Self::Bucket(bucket) => bucket.pace().map(Some),
            Self::Permits(_) => Ok(None),
        }
    }

    /// Ends this meter and hands out its level; whoever closed it first has it.
    pub(crate) fn close(&self, now: Nanos) -> Result<Level, Closed> {
        match self {
            Self::Window(window) => window.close(now),
            Self::Bucket(bucket) => bucket.close(now),
            Self::Permits(permits) => permits.close(),
        }
    }
}
