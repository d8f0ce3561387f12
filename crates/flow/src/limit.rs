//! One limit with its level, for as long as anybody counts on it.
//!
//! A limit outlives the configuration it came from. [`Limit::reconfigure`] makes the limit of the new configuration
//! start from the level of the old one, and leaves at the old one a sign to the new: calls that began under the old
//! configuration still settle, and even still take, at the one true level. Nothing is counted in two places and
//! nothing falls between them. A limit and its successors are one thing to everybody else: they share an identity, and
//! with it who waits for them.

use crate::ask::{Ask, Pace};
pub use crate::meter::Gauge;
use crate::meter::{Closed, Demand, Hold, Meter, Refused, Shortfall};
use crate::quota::{Algorithm, Kind, Label, Quota};
use crate::refusal::Refusal;
use crate::time::{Nanos, nanos};
use sluicegate_vocabulary::Priority;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Tells limits apart. A limit keeps its own however often it is reconfigured, and no other limit of the process ever
/// has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitId(u64);

impl LimitId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The latest permit that came back is one part in so many of the average time for which permits are held.
const HELD_WEIGHT: u64 = 8;

/// How fast a limit lets calls go.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate {
    /// Requests or tokens in a second. Zero for a limit that admits nothing.
    pub per_second: f64,
}

impl Rate {
    /// How long so many units take; the longest time there is if that is for ever.
    #[must_use]
    pub fn time_for(self, units: u64) -> Duration {
        Duration::try_from_secs_f64(units as f64 / self.per_second).unwrap_or(Duration::MAX)
    }
}

/// A limit as a header or a quota page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitStatus {
    /// Which.
    pub id: LimitId,
    /// Whose.
    pub label: Label,
    /// Of what.
    pub kind: Kind,
    /// The length of time `set` is meant for; zero for permits.
    pub window: Duration,
    /// Requests or tokens in each window, or calls in flight, as configured.
    pub set: u64,
    /// The most that can be left: `set`, or a token bucket's capacity.
    pub capacity: u64,
    /// What can be taken now. Zero in debt.
    pub left: u64,
    /// `left` as a share of `capacity`, 0 to 1.
    pub fill: f64,
    /// How long until `left` is `capacity` again if nobody takes any. Zero for permits, where nobody knows.
    pub refills_in: Duration,
    /// Calls that wait for it.
    pub waiting: u32,
    /// Whether it only watches.
    pub shadow: bool,
    /// Calls it would have refused while it only watched.
    pub would_refuse: u64,
}

/// One limit with its level. Shared by every [`crate::LimitSet`] it is in.
///
/// What a decision looks at stands first, within one cache line: among a hundred thousand keys, waiting for memory is
/// what a decision costs.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Limit {
    /// How many calls wait for it, or [`MOVED`].
    waiting: AtomicU32,
    kind: Kind,
    meter: Meter,
    quota: Quota,
    /// Set right after `meter` is closed: where its level went.
    successor: OnceLock<Arc<Self>>,
    id: LimitId,
    label: Label,
    /// See [`Self::name`].
    name: Box<str>,
    would_refuse: AtomicU64,
    /// For how long permits have been held lately, in nanoseconds; 0 while none has come back.
    held: AtomicU64,
}

/// Stands for the number of those who wait once a successor counts them.
const MOVED: u32 = u32::MAX;

impl Limit {
    /// A limit of which nothing is in use. Permits count calls in flight and nothing else, whatever `kind` says, and
    /// calls in flight are counted by permits.
    #[must_use]
    pub fn new(label: Label, kind: Kind, quota: Quota) -> Arc<Self> {
        let kind = if quota.algorithm == Algorithm::Permits { Kind::Concurrency } else { kind };
        let quota = quota.for_kind(kind);
        Arc::new(Self::of(LimitId::next(), label, kind, quota, Meter::new(&quota)))
    }

    fn of(id: LimitId, label: Label, kind: Kind, quota: Quota, meter: Meter) -> Self {
        let mut name = format!("{}-{kind}", label.scope);
        if kind != Kind::Concurrency {
            name.push_str(&format!("-{}s", quota.window.as_secs().max(1)));
        }
        Self {
            waiting: AtomicU32::new(0),
            kind,
            meter,
            quota,
            successor: OnceLock::new(),
            id,
            label,
            name: name.into(),
            would_refuse: AtomicU64::new(0),
            held: AtomicU64::new(0),
        }
    }

    /// Which limit it is, whatever its quota.
    #[must_use]
    pub const fn id(&self) -> LimitId {
        self.id
    }

    /// Whose limit it is.
    #[must_use]
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// Its name among the limits of one caller: the sort of owner, what is counted, and in what time, such as
    /// `key-requests-60s`. The owner's own name stays out, since that may be any text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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

    /// How many calls wait for it.
    ///
    /// Who begins to wait says so first and then asks the limit once more; who gives something back looks here
    /// afterwards. Done in this order, either the waiter finds what was given back or the giver finds the waiter.
    #[must_use]
    #[inline]
    pub fn waiting(&self) -> u32 {
        match self.waiting.load(Ordering::SeqCst) {
            MOVED => self.successor.wait().waiting(),
            waiting => waiting,
        }
    }

    /// Has what a decision looks at fetched from memory. Nothing waits for that yet.
    #[inline]
    pub(crate) fn fetch(&self) {
        black_box(self.waiting.load(Ordering::Relaxed));
        self.meter.fetch();
    }

    /// So many more calls wait for it, or so many less.
    pub fn waiting_changed(&self, by: i32) {
        let counted = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| {
            (waiting != MOVED).then(|| waiting.saturating_add_signed(by).min(MOVED - 1))
        });
        if counted.is_err() {
            self.successor.wait().waiting_changed(by);
        }
    }

    /// At what pace it lets those go who wait: a window's even pace at `now`, a bucket's rate. `None` for permits, which
    /// come back when calls end. Whoever estimates a wait adds the time until the first can go.
    #[must_use]
    pub fn pace(&self, now: Nanos) -> Option<Rate> {
        self.at_newest(|meter| meter.pace(now)).1.map(|per_second| Rate { per_second })
    }

    /// The same limit under another quota, for the limit sets of a new configuration. Limit sets that hold the old one
    /// are counted here from now on too, by the new quota.
    ///
    /// Changing the quota is not an occasion to take more. A window goes on with what is in use: raised by 100, it has
    /// 100 more left; cut below what is in use, it admits nothing until enough has left. A bucket goes on with what is
    /// left, as far as that fits in: raised, it fills up at the new rate. Permits go on with what is in flight.
    #[must_use]
    pub fn reconfigure(self: &Arc<Self>, now: Nanos, quota: Quota) -> Arc<Self> {
        let quota = quota.for_kind(self.kind);
        let mut limit = self;
        loop {
            if limit.successor.get().is_none() && limit.quota == quota {
                return Arc::clone(limit);
            }
            if let Ok(level) = limit.meter.close(now) {
                let meter = Meter::resume(&quota, now, level);
                let mut next = Self::of(limit.id, limit.label.clone(), limit.kind, quota, meter);
                next.waiting = AtomicU32::new(limit.waiting.swap(MOVED, Ordering::SeqCst));
                next.would_refuse = AtomicU64::new(limit.would_refuse.load(Ordering::Relaxed));
                next.held = AtomicU64::new(limit.held.load(Ordering::Relaxed));
                return Arc::clone(limit.successor.get_or_init(|| Arc::new(next)));
            }
            limit = limit.successor.wait();
        }
    }

    /// Permits only: another number of them from now on, for limits that change all the time. What it is configured to be
    /// stays as it was. Whoever raises it lets those go who wait.
    pub fn resize(&self, permits: u64) {
        self.at_newest(|meter| meter.resize(permits));
    }

    /// How long it commonly takes until somebody gives a permit back: as long as permits have been held lately, divided
    /// by how many are held now. `None` for what comes back with time, and while no permit has come back yet.
    #[must_use]
    pub fn frees_in(&self) -> Option<Duration> {
        let held = self.latest().held.load(Ordering::Relaxed);
        if held == 0 {
            return None;
        }
        // Permits know no time.
        let Gauge { left, capacity, .. } = self.gauge(Nanos::ZERO);
        Some(Duration::from_nanos(held / capacity.saturating_sub(left).max(1)))
    }

    /// What is left at `now`, for headers.
    #[must_use]
    #[inline]
    pub fn gauge(&self, now: Nanos) -> Gauge {
        self.at_newest(|meter| meter.gauge(now)).1
    }

    /// All there is to know at `now`, for quota pages.
    #[must_use]
    pub fn status(&self, now: Nanos) -> LimitStatus {
        let (limit, gauge) = self.at_newest(|meter| meter.gauge(now));
        let Gauge { left, capacity, full_in } = gauge;
        let Quota { set, window, shadow, .. } = limit.quota;
        LimitStatus {
            id: limit.id(),
            label: limit.label().clone(),
            kind: limit.kind,
            window,
            set,
            capacity,
            left,
            fill: if capacity == 0 { 0.0 } else { left as f64 / capacity as f64 },
            refills_in: full_in,
            waiting: limit.waiting(),
            shadow,
            would_refuse: limit.would_refuse.load(Ordering::Relaxed),
        }
    }

    /// Whether nothing of it is in use and nobody waits for it.
    pub(crate) fn is_idle(&self, now: Nanos) -> bool {
        self.waiting() == 0 && self.at_newest(|meter| meter.is_idle(now)).1
    }

    /// Takes this limit's part of what is asked, or says why not and takes nothing.
    #[inline]
    pub(crate) fn take(self: &Arc<Self>, now: Nanos, ask: &Ask) -> Result<(), Refusal> {
        let demand = self.demand(ask);
        let (limit, short) = self.newest(|meter| match meter.take(now, &demand) {
            Ok(()) => Ok(None),
            Err(Refused::Short(short)) => Ok(Some(short)),
            Err(Refused::Closed) => Err(Closed),
        });
        match short {
            None => Ok(()),
            Some(_) if limit.quota.shadow => {
                limit.watch(now, &demand);
                Ok(())
            }
            Some(short) => Err(limit.refusal(demand.amount, short)),
        }
    }

    /// Charges a call it would have refused.
    #[cold]
    fn watch(&self, now: Nanos, demand: &Demand) {
        self.would_refuse.fetch_add(1, Ordering::Relaxed);
        self.at_newest(|meter| meter.force(now, demand));
    }

    /// How [`Self::take`] would refuse.
    pub(crate) fn would_refuse(self: &Arc<Self>, now: Nanos, ask: &Ask) -> Option<Refusal> {
        let demand = self.demand(ask);
        let (limit, short) = self.newest(|meter| meter.shortfall(now, &demand));
        short.filter(|_| !limit.quota.shadow).map(|short| limit.refusal(demand.amount, short))
    }

    /// Whether waiting can never help a call that asks this.
    pub(crate) fn never_fits(&self, ask: &Ask) -> bool {
        let limit = self.latest();
        let amount = ask.cost.of(limit.kind);
        !limit.quota.shadow
            && match limit.quota.algorithm {
                Algorithm::SlidingWindow => amount > limit.quota.set,
                Algorithm::TokenBucket { capacity, .. } => amount > 0 && (capacity == 0 || limit.quota.set == 0),
                Algorithm::Permits => limit.gauge(Nanos::ZERO).capacity == 0,
            }
    }

    #[inline]
    fn demand(&self, ask: &Ask) -> Demand {
        let hold = match ask.pace {
            Pace::Free => Hold::Free,
            Pace::Even if self.waiting() == 0 => Hold::BeyondHalf,
            Pace::Even => Hold::Always,
        };
        Demand { amount: ask.cost.of(self.kind), class: ask.class, hold }
    }

    #[cold]
    fn refusal(self: &Arc<Self>, needed: u64, short: Shortfall) -> Refusal {
        let Shortfall { left, wait, reason } = short;
        Refusal { limit: Arc::clone(self), reason, left, needed, retry_after: wait }
    }

    /// Gives back `amount` of what a call of this class took at `at`, as far as it still counts.
    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64, class: Priority) {
        self.at_newest(|meter| meter.refund(at, amount, class));
    }

    /// Gives back the permit that a call of this class has held for so long.
    #[inline]
    pub(crate) fn return_permit(&self, at: Nanos, class: Priority, held: Duration) {
        let limit = self.at_newest(|meter| meter.refund(at, 1, class)).0;
        // Of two who write at once one is forgotten, which an average can bear.
        let (before, latest) = (limit.held.load(Ordering::Relaxed), nanos(held).max(1));
        let mean = if before == 0 { latest } else { before - before / HELD_WEIGHT + latest / HELD_WEIGHT };
        limit.held.store(mean.max(1), Ordering::Relaxed);
    }

    /// Charges `amount` that was used beyond what was taken at `at`, whether or not it fits.
    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) {
        self.at_newest(|meter| meter.charge(now, at, amount));
    }

    /// The last successor.
    fn latest(&self) -> &Self {
        let mut limit = self;
        while let Some(next) = limit.successor.get() {
            limit = next;
        }
        limit
    }

    /// Does something at the meter that has the level: this one's, or that of the last successor.
    #[inline]
    fn at_newest<T>(&self, act: impl Fn(&Meter) -> Result<T, Closed>) -> (&Self, T) {
        match act(&self.meter) {
            Ok(done) => (self, done),
            Err(Closed) => {
                let (limit, done) = self.successor.wait().newest(act);
                (limit, done)
            }
        }
    }

    /// The same, for whoever wants to keep the limit.
    #[inline]
    fn newest<T>(self: &Arc<Self>, act: impl Fn(&Meter) -> Result<T, Closed>) -> (&Arc<Self>, T) {
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
