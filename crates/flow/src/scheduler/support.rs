//! A small world for the scheduler's tests: a virtual clock, calls that arrive, hold permits for a while and end.

use super::*;
use crate::ask::{Cost, Pace};
use crate::egress::{Charge, Levels, Sent, Shadow, Throttle};
use crate::quota::{Kind, Label, Quota, Scope};
use crate::reservation::Reservation;
use crate::time::nanos;

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const LOW: Priority = Priority::Low;
pub(super) const NORMAL: Priority = Priority::Normal;
pub(super) const HIGH: Priority = Priority::High;
pub(super) const CRITICAL: Priority = Priority::Critical;

pub(super) fn limit(name: &str, kind: Kind, quota: Quota) -> Arc<Limit> {
    Limit::new(Label::new(Scope::Provider, name), kind, quota)
}

/// So many requests a second, with a burst of one.
pub(super) fn per_second(name: &str, set: u64) -> Arc<Limit> {
    limit(name, Kind::Requests, Quota::bucket(set, Duration::from_secs(1), 1.0 / set as f64, None))
}

pub(super) fn tokens_per_second(name: &str, set: u64, burst: f64) -> Arc<Limit> {
    limit(name, Kind::Tokens, Quota::bucket(set, Duration::from_secs(1), burst, None))
}

pub(super) fn permits(name: &str, set: u64) -> Arc<Limit> {
    limit(name, Kind::Concurrency, Quota::concurrency(set))
}

pub(super) fn patience(class: Priority) -> Duration {
    Duration::from_secs(match class {
        Priority::Critical | Priority::High => 10,
        Priority::Normal => 30,
        Priority::Low => 300,
    })
}

/// A call before it arrives.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) class: Priority,
    pub(super) flow: u64,
    pub(super) tokens: u64,
    pub(super) bytes: u64,
    pub(super) patience: Duration,
    pub(super) set: LimitSet,
    /// How long it holds its permits.
    pub(super) takes: Duration,
    /// What its provider counts.
    pub(super) quota: Option<Arc<Shadow>>,
}

impl Call {
    pub(super) fn new(class: Priority, limits: &[&Arc<Limit>]) -> Self {
        Self {
            class,
            flow: class as u64,
            tokens: 100,
            bytes: 1_000,
            patience: patience(class),
            set: LimitSet::new(limits.iter().map(|&limit| Arc::clone(limit))),
            takes: Duration::ZERO,
            quota: None,
        }
    }

    pub(super) fn of(self, flow: u64) -> Self {
        Self { flow, ..self }
    }

    pub(super) fn tokens(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    pub(super) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) fn takes(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    pub(super) fn from(self, quota: &Arc<Shadow>) -> Self {
        Self { quota: Some(Arc::clone(quota)), ..self }
    }
}

/// How a call ended, at its number in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Waiting,
    Went { at: Nanos, waited: Duration },
    Shed { at: Nanos, waited: Duration, why: &'static str },
    Cancelled,
}

pub(super) struct World {
    pub(super) now: Nanos,
    pub(super) scheduler: Scheduler<usize>,
    pub(super) calls: Vec<Call>,
    pub(super) ends: Vec<End>,
    pub(super) ids: Vec<Option<WaiterId>>,
    /// Each second the machine stands still for so long, and what was to happen happens after it.
    pub(super) pause: Duration,
    /// Each of so many that go is one too many for its provider, which names no wait.
    pub(super) refuses_each: Option<usize>,
    /// Calls under way, with when they end.
    flying: BTreeMap<(Nanos, usize), (Reservation, Option<Sent>)>,
}

impl World {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            now: Nanos(1_000 * SECOND),
            scheduler: Scheduler::new(bounds),
            calls: Vec::new(),
            ends: Vec::new(),
            ids: Vec::new(),
            pause: Duration::ZERO,
            refuses_each: None,
            flying: BTreeMap::new(),
        }
    }

    /// The provider's count from which the calls so far take, or a new one.
    pub(super) fn quota(&self) -> Arc<Shadow> {
        let known = self.calls.iter().find_map(|call| call.quota.clone());
        known.unwrap_or_else(|| Arc::new(Shadow::new(1.0)))
    }

    /// When the machine runs again, or now.
    fn running(&self, at: Nanos) -> Nanos {
        let (second, within) = (at.0 / SECOND, at.0 % SECOND);
        Nanos(second * SECOND + within.max(nanos(self.pause)))
    }

    /// A call arrives now; what comes of it at once is its end so far.
    pub(super) fn arrive(&mut self, call: Call) -> usize {
        let number = self.calls.len();
        let Call { class, flow, tokens, bytes, patience, set, quota, .. } = call.clone();
        let debit = quota.map(|quota| Debit { quota, charge: Charge { requests: 1, ..Charge::default() } });
        let ask = Ask { cost: Cost { requests: 1, tokens }, class, pace: Pace::Even };
        let (deadline, lead) = (self.now.after(patience), Duration::ZERO);
        let waiter = Waiter { flow, ask, bytes, arrived: self.now, deadline, lead, set, debit, item: number };
        self.calls.push(call);
        self.ends.push(End::Waiting);
        let mut out = Vec::new();
        let id = self.scheduler.enqueue(self.now, waiter, &mut out);
        self.ids.push(id);
        self.note(out);
        assert_eq!(id.is_some(), self.ends[number] == End::Waiting);
        number
    }

    pub(super) fn cancel(&mut self, number: usize) {
        let Some(id) = self.ids[number] else { return };
        let item = self.scheduler.cancel(self.now, id);
        assert_eq!(item.is_some(), self.ends[number] == End::Waiting);
        if item.is_some() {
            self.ends[number] = End::Cancelled;
        }
    }

    /// Time passes, and everything that falls due by `until` happens.
    pub(super) fn pass(&mut self, until: Nanos) {
        let until = self.running(until);
        loop {
            let end = self.flying.keys().next().map(|&(at, _)| at);
            let Some(next) = end.into_iter().chain(self.scheduler.next_at()).min().filter(|&next| next <= until) else {
                break;
            };
            self.now = self.running(self.now.max(next));
            let mut out = Vec::new();
            if let Some(ended) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (number, (reservation, sent)) = (ended.key().1, ended.remove());
                let opened = self.answered(number, sent);
                let set = reservation.limits().clone();
                let tokens = reservation.cost().tokens;
                reservation.settle(self.now, tokens);
                for limit in set.limits().iter().filter(|limit| opened || limit.waiting() > 0) {
                    self.scheduler.release(self.now, limit.id(), &mut out);
                }
            }
            self.scheduler.pump(self.now, &mut out);
            self.note(out);
        }
        self.now = self.now.max(until);
    }

    pub(super) fn pass_for(&mut self, while_: Duration) {
        self.pass(self.now.after(while_));
    }

    /// The provider has answered; whether that shows that others may go.
    fn answered(&self, number: usize, sent: Option<Sent>) -> bool {
        let (Some(quota), Some(sent)) = (&self.calls[number].quota, sent) else { return false };
        if self.refuses_each.is_some_and(|each| (self.went() + 1).is_multiple_of(each)) {
            let throttle = Throttle::QuotaRequests { reset: None };
            quota.refused(self.now, &sent, throttle, &Levels::default(), 0.5);
            return false;
        }
        quota.succeeded(&sent)
    }

    pub(super) fn note(&mut self, out: Vec<Outcome<usize>>) {
        let at = self.now;
        for outcome in out {
            let (number, end) = match outcome {
                Outcome::Admitted { item, reservation, sent, waited } => {
                    self.flying.insert((at.after(self.calls[item].takes), item), (reservation, sent));
                    (item, End::Went { at, waited })
                }
                Outcome::Shed { item, why, waited } => {
                    let why = match why {
                        Shed::Deadline { refusal } if waited.is_zero() => {
                            assert!(refusal.retry_after.is_some_and(|wait| wait >= self.calls[item].patience));
                            "early"
                        }
                        Shed::Deadline { .. } => "late",
                        Shed::QueueFull { .. } => "full",
                        Shed::PushedOut { .. } => "pushed out",
                        Shed::NeverFits { .. } => "never fits",
                    };
                    (item, End::Shed { at, waited, why })
                }
            };
            assert_eq!(self.ends[number], End::Waiting, "one outcome each");
            if let End::Went { waited, .. } = end {
                assert!(waited <= self.calls[number].patience, "dispatched after its deadline");
            }
            self.ends[number] = end;
        }
    }

    pub(super) fn count(&self, of: impl Fn(&Call, &End) -> bool) -> usize {
        self.calls.iter().zip(&self.ends).filter(|(call, end)| of(call, end)).count()
    }

    pub(super) fn went(&self) -> usize {
        self.count(|_, end| matches!(end, End::Went { .. }))
    }

    pub(super) fn shed(&self, reason: &str) -> usize {
        self.count(|_, end| matches!(end, End::Shed { why, .. } if *why == reason))
    }

    pub(super) fn waiting(&self) -> usize {
        self.count(|_, end| *end == End::Waiting)
    }

    /// The calls that went, in the order in which they did.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut went: Vec<(Nanos, usize)> = Vec::new();
        for (number, end) in self.ends.iter().enumerate() {
            if let End::Went { at, .. } = end {
                went.push((*at, number));
            }
        }
        went.sort();
        went.into_iter().map(|(_, number)| number).collect()
    }
}

/// Numbers that look random and are the same each time.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64 + 0.5) / (1_u64 << 31) as f64
    }

    /// The time to the next of so many a second, at random.
    pub(super) fn gap(&mut self, per_second: f64) -> Duration {
        Duration::from_secs_f64(-self.unit().ln() / per_second)
    }
}
