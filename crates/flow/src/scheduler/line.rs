//! Those who wait for one limit.
//!
//! Most of them wait in a [`FairQueue`]. A few may stand before it: *claimants*, who have had their turn here and at
//! every other limit of theirs at which others wait, and now only need all of them to have room in the same moment.
//! While a claimant stands, nobody of the queue is served. Otherwise the room at one of its limits would always be
//! gone by the time there is some at the other, and it would never go.

use super::fair::{FairQueue, Place, pick};
use super::rate::{Arrivals, Coming, Throughput};
use crate::ask::Ask;
use crate::limit::Limit;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A claimant may hold up a limit at least this long.
const SHORTEST_CLAIM: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Line {
    pub(super) limit: Arc<Limit>,
    pub(super) queue: FairQueue,
    pub(super) claims: BTreeSet<u64>,
    /// When there may be room again; `None` if that depends on when others end, or nobody waits.
    pub(super) wake: Option<Nanos>,
    /// When it is looked at next, if nothing happens before.
    pub(super) timer: Option<Nanos>,
    /// Classes that refuse newcomers because they would wait too long, until nobody of the class waits.
    pub(super) shedding: [bool; 4],
    /// Whether the one that was next had to stay because of its class, so that others may go before it.
    pub(super) capped: bool,
    arrivals: [Arrivals; 4],
    served: Throughput,
    /// The one copy of a provider's count that all who wait here take from, if it is one.
    quota: Option<usize>,
}

impl Line {
    pub(super) fn new(limit: Arc<Limit>, weights: [u32; 4]) -> Self {
        Self {
            limit,
            queue: FairQueue::new(weights),
            claims: BTreeSet::new(),
            wake: None,
            timer: None,
            shedding: [false; 4],
            capped: false,
            arrivals: Default::default(),
            served: Throughput::default(),
            quota: None,
        }
    }

    /// A newcomer was refused because it would wait too long.
    pub(super) fn begin_shedding(&mut self, class: Priority) {
        let waits = self.queue.backlog(class).calls > 0;
        if let Some(shedding) = self.shedding.get_mut(class as usize) {
            *shedding = waits;
        }
    }

    pub(super) fn is_shedding(&self, class: Priority) -> bool {
        *pick(&self.shedding, class)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.claims.is_empty()
    }

    /// Somebody comes to wait, no longer than `patience`, who takes from that copy of a provider's count.
    pub(super) fn push(&mut self, now: Nanos, place: Place, patience: Duration, quota: Option<usize>) {
        if self.is_empty() {
            self.served.resume(now);
            self.quota = quota;
        } else if self.quota != quota {
            self.quota = None;
        }
        self.queue.note_patience(place.class, patience);
        self.queue.push(now, place);
        if let Some(arrivals) = self.arrivals.get_mut(place.class as usize) {
            arrivals.add(now, self.queue.memory(), place.amount);
        }
        self.limit.waiting_changed(1);
    }

    /// Whether all who wait here take from that copy of a provider's count.
    pub(super) fn is_all_of(&self, quota: usize) -> bool {
        self.quota == Some(quota)
    }

    /// Somebody with a claim comes to stand before the queue.
    pub(super) fn claim(&mut self, id: u64) {
        if self.claims.insert(id) {
            self.limit.waiting_changed(1);
        }
    }

    /// A claim is fulfilled or given up.
    pub(super) fn release_claim(&mut self, id: u64) {
        if self.claims.remove(&id) {
            self.limit.waiting_changed(-1);
        }
    }

    /// Takes one out of the queue. Whether it has had its turn decides whether its class and flow are charged for it.
    pub(super) fn take(&mut self, now: Nanos, class: Priority, flow: u64, id: u64, turn: bool) {
        let place = if turn { self.queue.serve(now, class, flow, id) } else { self.queue.remove(now, class, flow, id) };
        if place.is_some() {
            self.limit.waiting_changed(-1);
            if self.queue.backlog(class).calls == 0
                && let Some(shedding) = self.shedding.get_mut(class as usize)
            {
                *shedding = false;
            }
        }
    }

    /// What comes of each class while a call of this one waits.
    pub(super) fn coming(&self, now: Nanos, class: Priority) -> [Coming; 4] {
        let memory = self.queue.memory();
        let expect = if self.is_shedding(class) { Arrivals::may_come } else { Arrivals::coming };
        self.arrivals.map(|arrivals| expect(&arrivals, now, memory))
    }

    /// No less than that, for less work.
    pub(super) fn at_most_coming(&self) -> [Coming; 4] {
        self.arrivals.map(|arrivals| arrivals.at_most_coming())
    }

    /// What has come of a class in a second.
    pub(super) fn came(&self, now: Nanos, class: Priority) -> f64 {
        pick(&self.arrivals, class).mean(now, self.queue.memory())
    }

    /// Notes that the limit has been taken from.
    pub(super) fn count_served(&mut self, now: Nanos, ask: &Ask) {
        self.served.add(now, self.queue.memory(), ask.cost.of(self.limit.kind()));
    }

    /// How much this limit lets through in a second; `None` while nobody knows. What it could let through is believed no
    /// further than what it has let through while calls waited for it: a machine that pauses, or others who take from a
    /// limit beside it, keep it from its pace.
    pub(super) fn pace(&self, now: Nanos) -> Option<f64> {
        let able = self.limit.pace(now).map(|pace| pace.per_second);
        let able = able.map(|able| self.served.at_most().map_or(able, |seen| able.min(seen)));
        able.or_else(|| self.served.per_second(now, self.queue.memory())).filter(|&pace| pace > 0.0)
    }

    /// How long this limit needs to make room for as much as this call takes.
    pub(super) fn own_time(&self, now: Nanos, ask: &Ask) -> Option<Duration> {
        let amount = ask.cost.of(self.limit.kind()).max(1) as f64;
        self.pace(now).map(|pace| seconds(amount / pace))
    }

    /// How long a claimant may hold this limit up: for as long as making room for its own call takes. So whoever
    /// waits behind it waits at most as if it had taken twice what it takes.
    pub(super) fn patience(&self, now: Nanos, ask: &Ask) -> Duration {
        self.own_time(now, ask).map_or(SHORTEST_CLAIM, |own| own.max(SHORTEST_CLAIM))
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
