//! Who waits for any of a provider's keys, in order.
//!
//! A call whose keys are all short, each of something else (a quota of the provider's, a limit of the key's own), waits
//! for whichever has room first. No queue of a single limit can hold it, so such calls wait here, at the pool of keys
//! they want one of. Only whoever is next looks for a key; when it has gone it calls the next one. The order is that of
//! every other queue: classes by weight, keys of clients evenly, calls of one in turn.
//!
//! **Promises.** Nobody overtakes those who wait: a newcomer who finds somebody here waits behind him. Whoever leaves, for
//! whatever reason, calls the next one. How many wait is bounded where they are counted with all others that wait
//! ([`Room::step_aside`](crate::room::Room::step_aside)).

use parking_lot::Mutex;
use sluicegate_flow::{FairQueue, Nanos, Place, Priority};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What the newest interval weighs in the pace.
const WEIGHT: f64 = 0.2;

/// The queue at one pool.
#[derive(Debug)]
pub(crate) struct Turnstile {
    waiting: AtomicU32,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    queue: FairQueue,
    bells: HashMap<u64, Arc<Notify>>,
    newest: u64,
    /// When somebody went last, while others waited.
    went: Option<Nanos>,
    /// Cost that goes in a second, as far as it is known.
    pace: Option<f64>,
}

/// A call that comes to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) class: Priority,
    /// Whose it is.
    pub(crate) flow: u64,
    /// What it counts for when shares are compared: its tokens.
    pub(crate) cost: u64,
}

/// A place in the queue, given up by its drop.
#[derive(Debug)]
pub(crate) struct InLine<'a> {
    turnstile: &'a Turnstile,
    place: Place,
    bell: Arc<Notify>,
    since: Nanos,
    /// Set when it goes.
    went: Option<Nanos>,
}

impl Turnstile {
    pub(crate) fn new() -> Self {
        let line =
            Line { queue: FairQueue::new([1, 2, 4, 8]), bells: HashMap::new(), newest: 0, went: None, pace: None };
        Self { waiting: AtomicU32::new(0), line: Mutex::new(line) }
    }

    /// How many wait.
    #[inline]
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whoever is next looks again.
    pub(crate) fn call_next(&self) {
        let line = self.line.lock();
        if let Some(next) = line.queue.next() {
            line.call(next.order);
        }
    }

    /// Takes a place.
    pub(crate) fn enter(&self, now: Nanos, weights: [u32; 4], call: Call) -> InLine<'_> {
        let Call { class, flow, cost, .. } = call;
        let mut line = self.line.lock();
        line.queue.set_weights(weights);
        let before = line.queue.next();
        line.newest += 1;
        let place = Place { class, flow, order: line.newest, cost, amount: 1 };
        line.queue.push(now, place);
        let bell = Arc::new(Notify::new());
        line.bells.insert(place.order, Arc::clone(&bell));
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Whoever was next and is no more stops looking.
        if let Some(before) = before.filter(|_| line.is_next(place.order)) {
            line.call(before.order);
        }
        if before.is_none() {
            line.went = None;
        }
        InLine { turnstile: self, place, bell, since: now, went: None }
    }
}

impl Line {
    fn is_next(&self, order: u64) -> bool {
        self.queue.next().is_some_and(|next| next.order == order)
    }

    fn call(&self, order: u64) {
        if let Some(bell) = self.bells.get(&order) {
            bell.notify_one();
        }
    }

    fn count(&mut self, now: Nanos, cost: u64) {
        if let Some(went) = self.went.replace(now) {
            let pace = cost.max(1) as f64 / went.until(now).as_secs_f64().max(1e-6);
            self.pace = Some(self.pace.map_or(pace, |before| before + (pace - before) * WEIGHT));
        }
    }
}

impl InLine<'_> {
    /// Whether it is this one's turn.
    pub(crate) fn is_next(&self) -> bool {
        self.turnstile.line.lock().is_next(self.place.order)
    }

    /// Waits until whose turn it is may have changed.
    pub(crate) async fn called(&self) {
        self.bell.notified().await;
    }

    /// How long it will wait at least, by who is served before it and at what pace; `None` if nobody knows.
    pub(crate) fn expected(&self, now: Nanos) -> Option<Duration> {
        const CLASSES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];
        let line = self.turnstile.line.lock();
        let Place { class, flow, cost, .. } = self.place;
        let own = line.queue.ahead(now, class, flow).cost;
        let others = CLASSES
            .into_iter()
            .filter(|other| *other != class)
            .map(|other| line.queue.allowance(now, other, class, own).min(line.queue.backlog(other).cost));
        let ahead = own.saturating_sub(cost).saturating_add(others.fold(0, u64::saturating_add));
        Duration::try_from_secs_f64(ahead as f64 / line.pace?).ok()
    }

    /// It goes.
    pub(crate) fn goes(mut self, now: Nanos) {
        self.went = Some(now);
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut line = self.turnstile.line.lock();
        let Place { class, flow, order, cost, .. } = self.place;
        match self.went {
            Some(now) => {
                line.count(now, cost);
                line.queue.serve(now, class, flow, order);
            }
            None => drop(line.queue.remove(self.since, class, flow, order)),
        }
        line.bells.remove(&order);
        self.turnstile.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(next) = line.queue.next() {
            line.call(next.order);
        }
    }
}

#[cfg(test)]
#[path = "turnstile_tests.rs"]
mod tests;
