//! Those who wait for one limit.
//!
//! Most of them wait in a [`FairQueue`]. A few may stand before it: *claimants*, who have had their turn here and at
//! every other limit of theirs at which others wait, and now only need all of them to have room in the same moment.
//! While a claimant stands, nobody of the queue is served. Otherwise the room at one of its limits would always be
//! gone by the time there is some at the other, and it would never go.

use super::fair::{CLASSES, FairQueue, Place, pick};
use super::rate::Rate;
use crate::ask::Ask;
use crate::limit::Limit;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Arrivals of other classes are expected to be by this much more than they were lately. Expecting too few would let
/// calls in that then miss their deadline.
const CAUTION: f64 = 1.15;
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
    arrivals: [Rate; 4],
    served: Rate,
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
            arrivals: [Rate::default(); 4],
            served: Rate::default(),
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

    /// Somebody comes to wait.
    pub(super) fn push(&mut self, now: Nanos, place: Place) {
        if self.is_empty() {
            self.served.resume(now);
            self.arrivals.iter_mut().for_each(|rate| rate.resume(now));
        }
        if let Some(rate) = self.arrivals.get_mut(place.class as usize) {
            rate.add(now, place.amount);
        }
        self.queue.push(now, place);
        self.limit.waiting_changed(1);
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

    /// Notes that the limit has been taken from.
    pub(super) fn count_served(&mut self, now: Nanos, ask: &Ask) {
        self.served.add(now, ask.cost.of(self.limit.kind()));
    }

    /// How much this limit lets through in a second; `None` while nobody knows.
    pub(super) fn pace(&self, now: Nanos) -> Option<f64> {
        self.limit
            .pace(now)
            .map(|pace| pace.per_second)
            .or_else(|| self.served.per_second(now))
            .filter(|&pace| pace > 0.0)
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

    /// How long a new call of this flow would wait for its turn here and for room; zero while nobody knows the pace.
    /// With `ask.cost` zero, how long until all that waits of the flow has gone.
    ///
    /// While the class is served what stands before the call, every other class is served what waits of it and what
    /// will have come by then, but no more than its weight allows. How much will have come depends on how long it
    /// takes; the time is found by starting from the longest possible and going down.
    pub(super) fn expected(&self, now: Nanos, flow: u64, ask: &Ask, cost: u64) -> Duration {
        let Some(pace) = self.pace(now) else { return Duration::ZERO };
        let amount = ask.cost.of(self.limit.kind());
        let own_ratio = ratio(cost, amount).or_else(|| self.mean_ratio()).unwrap_or(1.0);
        let of_class = |class: Priority| {
            let backlog = self.queue.backlog(class);
            ratio(backlog.cost, backlog.amount).unwrap_or(own_ratio)
        };
        let ahead = self.queue.ahead(now, ask.class, flow);
        let mine = ahead as f64 * of_class(ask.class) + amount as f64;
        let others: Vec<(f64, f64, f64)> = CLASSES
            .into_iter()
            .filter(|&class| class != ask.class)
            .map(|class| {
                let allowed = self.queue.allowance(now, class, ask.class, ahead.saturating_add(cost));
                let waiting = self.queue.backlog(class).amount as f64;
                let coming = pick(&self.arrivals, class).per_second(now).unwrap_or(0.0) * CAUTION;
                (allowed as f64 * of_class(class), waiting, coming)
            })
            .collect();
        let mut time = (mine + others.iter().map(|&(allowed, _, _)| allowed).sum::<f64>()) / pace;
        for _ in 0..16 {
            let theirs = others.iter().map(|&(allowed, waiting, coming)| allowed.min(waiting + coming * time));
            time = (mine + theirs.sum::<f64>()) / pace;
        }
        // Until there is room at all may take longer than making room for one call.
        let first = self.wake.map_or(0.0, |wake| now.until(wake).as_secs_f64());
        seconds(time + (first - amount as f64 / pace).max(0.0))
    }

    fn mean_ratio(&self) -> Option<f64> {
        let all = CLASSES.map(|class| self.queue.backlog(class));
        ratio(all.iter().map(|class| class.cost).sum(), all.iter().map(|class| class.amount).sum())
    }
}

/// How much of the limit goes with a unit of cost.
fn ratio(cost: u64, amount: u64) -> Option<f64> {
    (cost > 0).then(|| amount as f64 / cost as f64)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
