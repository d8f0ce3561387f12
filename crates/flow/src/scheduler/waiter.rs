//! What goes into the scheduler, what comes out, and what bounds it.

use crate::ask::Ask;
use crate::egress::{Charge, Sent, Shadow};
use crate::limit::LimitId;
use crate::quota::{Kind, Label};
use crate::refusal::Refusal;
use crate::reservation::Reservation;
use crate::set::LimitSet;
use crate::time::Nanos;
use std::sync::Arc;
use std::time::Duration;

/// How much may wait, and by which weights it is served. Arrays are in the order low, normal, high, critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that may wait, all together.
    pub calls: u64,
    /// Bytes that they may hold, all together.
    pub bytes: u64,
    /// The part of both, in percent, out of which a class is not pushed. A class may take more while there is room.
    pub class_share: [u32; 4],
    /// How much a class is served, by cost, beside the others that wait.
    pub weights: [u32; 4],
}

impl Default for Bounds {
    fn default() -> Self {
        Self { calls: 10_000, bytes: 1 << 30, class_share: [20, 30, 30, 50], weights: [1, 2, 4, 8] }
    }
}

/// A call that found no room.
#[derive(Debug)]
pub struct Waiter<T> {
    /// Whose call it is: calls of one flow are served in order, flows of one class evenly. Commonly the key.
    pub flow: u64,
    /// What it asks, with its class.
    pub ask: Ask,
    /// The memory it holds while it waits.
    pub bytes: u64,
    /// When it came. Only for how long it has waited; its place is the order in which it was enqueued.
    pub arrived: Nanos,
    /// When it must have its first byte.
    pub deadline: Nanos,
    /// How long it commonly takes from dispatch to the first byte; zero if that is not known. It is never dispatched
    /// later than this before its deadline.
    pub lead: Duration,
    /// The limits it has to pass.
    pub set: LimitSet,
    /// What it takes when it goes, beside its limits.
    pub debit: Option<Debit>,
    /// What is handed back with the outcome.
    pub item: T,
}

impl<T> Waiter<T> {
    /// The last moment at which dispatching it makes sense.
    pub(super) fn latest(&self) -> Nanos {
        Nanos(self.deadline.0.saturating_sub(crate::time::nanos(self.lead)))
    }

    /// How long it may wait, all in all.
    pub(super) fn patience(&self) -> Duration {
        self.arrived.until(self.latest())
    }

    /// What it counts for when shares are compared.
    pub(super) fn cost(&self) -> u64 {
        super::cost_of(&self.ask)
    }
}

/// What a call takes from our copy of a provider's own count.
///
/// Where all that wait at a limit take from the same copy, that is done when their turn comes, and while the copy says
/// that nothing may go they keep their places. Where they take from several, nobody is held up by a count that is none
/// of his: they go, and find out afterwards.
#[derive(Debug, Clone)]
pub struct Debit {
    /// The copy.
    pub quota: Arc<Shadow>,
    /// What is taken.
    pub charge: Charge,
}

impl Debit {
    /// Tells copies apart.
    pub(super) fn whose(&self) -> usize {
        Arc::as_ptr(&self.quota).addr()
    }
}

/// Names a waiter while it waits. Never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub(super) u64);

/// How waiting ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It goes, now.
    Admitted {
        /// The waiter's item.
        item: T,
        /// What it has taken from all its limits.
        reservation: Reservation,
        /// Its place among all that was sent, if its [`Debit`] was taken.
        sent: Option<Sent>,
        /// How long after its arrival.
        waited: Duration,
    },
    /// It does not go.
    Shed {
        /// The waiter's item.
        item: T,
        /// Why not.
        why: Shed,
        /// How long after its arrival.
        waited: Duration,
    },
}

/// Why a call will not be served. The refusal names the limit at which it waited, or would have, and its `retry_after`
/// is how long it would have had to wait there, by what waits now.
#[derive(Debug, Clone)]
pub enum Shed {
    /// It cannot be served before its deadline, or that has passed.
    Deadline {
        /// The limit that kept it waiting.
        refusal: Refusal,
    },
    /// There is no room to wait.
    QueueFull {
        /// The limit that it would have waited for.
        refusal: Refusal,
    },
    /// It had to make room for another.
    PushedOut {
        /// The limit that kept it waiting.
        refusal: Refusal,
    },
    /// It asks for more than the limit ever has.
    NeverFits {
        /// The limit.
        refusal: Refusal,
    },
}

impl Shed {
    /// The limit that is to blame.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        match self {
            Self::Deadline { refusal }
            | Self::QueueFull { refusal }
            | Self::PushedOut { refusal }
            | Self::NeverFits { refusal } => refusal,
        }
    }
}

/// How many calls ended without being served, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sheds {
    /// Refused at once, since they could not have been served in time.
    pub early: u64,
    /// Their deadline passed while they waited.
    pub late: u64,
    /// Refused at once, since there was no room to wait.
    pub queue_full: u64,
    /// Sent away to make room.
    pub pushed_out: u64,
    /// Asked for more than their limit ever has.
    pub never_fits: u64,
}

/// The scheduler at a moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// Calls that wait, by class: low, normal, high, critical.
    pub waiting: [u64; 4],
    /// How long ago the one of them arrived that has waited longest; zero where nobody waits.
    pub oldest: [Duration; 4],
    /// Bytes that they hold.
    pub bytes: u64,
    /// Every limit at which somebody waits.
    pub limits: Vec<LimitWait>,
    /// Calls that were let go after waiting, by class: low, normal, high, critical.
    pub admitted: [u64; 4],
    /// Calls that were not, by class: low, normal, high, critical.
    pub sheds: [Sheds; 4],
}

/// Who waits at one limit.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitWait {
    /// Which limit.
    pub id: LimitId,
    /// Whose.
    pub label: Label,
    /// Of what.
    pub kind: Kind,
    /// How many wait for it.
    pub waiting: u64,
    /// How long ago the one that has waited longest arrived.
    pub oldest: Duration,
    /// Whether calls are being refused here because they would wait too long, by class: low, normal, high, critical.
    pub shedding: [bool; 4],
}
