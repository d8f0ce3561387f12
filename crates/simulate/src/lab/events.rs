//! The virtual clock and what is going to happen on it.
//!
//! Time in the laboratory passes from one event to the next, so an hour of traffic takes as long as its decisions take
//! to compute. What is due at the same moment happens in the order in which it was planned; nothing depends on how a
//! heap happens to arrange equals, and so the same seed gives the same run.
//!
//! **Promise.** Time never goes back: an event planned for the past happens now.

use sluicegate_flow::Nanos;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come, in order of time.
#[derive(Debug)]
pub(crate) struct Events<E> {
    heap: BinaryHeap<Reverse<Planned<E>>>,
    now: Nanos,
    planned: u64,
}

/// An event in its place in time; its own order means nothing.
#[derive(Debug, Clone, Copy)]
struct Planned<E> {
    at: Nanos,
    number: u64,
    event: E,
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> Events<E> {
    /// Nothing planned, at the start of the clock.
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), now: Nanos::ZERO, planned: 0 }
    }

    /// Plans an event; one for the past happens now, after what is planned for now already.
    pub(crate) fn plan(&mut self, at: Nanos, event: E) {
        self.planned += 1;
        self.heap.push(Reverse(Planned { at: at.max(self.now), number: self.planned, event }));
    }

    /// The time.
    pub(crate) const fn now(&self) -> Nanos {
        self.now
    }

    /// Lets time pass to the next event; `None` when nothing is planned any more.
    pub(crate) fn next(&mut self) -> Option<(Nanos, E)> {
        let Reverse(planned) = self.heap.pop()?;
        self.now = planned.at;
        Some((planned.at, planned.event))
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
