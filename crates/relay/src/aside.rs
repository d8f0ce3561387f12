//! Calls that wait for something that is no limit of ours: for whichever of a provider's keys has room first.
//!
//! They stand in no queue of the scheduler's, but they are calls that wait like any other: they hold a body in memory, an
//! operator wants to see them, and there must not be too many. So each is told here for as long as it waits, and takes a
//! place in the one room that there is for waiting ([`Room::step_aside`](crate::room::Room::step_aside)).

use parking_lot::Mutex;
use sluicegate_flow::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The book of them.
#[derive(Debug, Default)]
pub(crate) struct Aside(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// When each arrived, in the order of their arrival.
    arrived: [BTreeMap<u64, Nanos>; 4],
    bytes: u64,
    flows: HashMap<u64, usize>,
    shed: [u64; 4],
    newest: u64,
}

/// One that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    number: u64,
    class: Priority,
    flow: u64,
    pub(crate) bytes: u64,
}

/// What is known of the calls of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfClass {
    pub(crate) waiting: u64,
    /// How long the first of them has waited.
    pub(crate) oldest: Duration,
    /// Those that waited in vain, or could not wait, since the start.
    pub(crate) shed: u64,
}

impl Aside {
    /// One more waits, whose body has so many bytes.
    pub(crate) fn enter(&self, now: Nanos, class: Priority, flow: u64, bytes: u64) -> Waiting {
        let mut book = self.0.lock();
        book.bytes = book.bytes.saturating_add(bytes);
        book.newest += 1;
        let number = book.newest;
        *book.flows.entry(flow).or_default() += 1;
        if let Some(arrived) = book.arrived.get_mut(class as usize) {
            arrived.insert(number, now);
        }
        Waiting { number, class, flow, bytes }
    }

    /// It waits no more.
    pub(crate) fn leave(&self, waiting: &Waiting) {
        let mut book = self.0.lock();
        book.bytes = book.bytes.saturating_sub(waiting.bytes);
        if let Some(arrived) = book.arrived.get_mut(waiting.class as usize) {
            arrived.remove(&waiting.number);
        }
        if let Some(of_flow) = book.flows.get_mut(&waiting.flow) {
            *of_flow -= 1;
            if *of_flow == 0 {
                book.flows.remove(&waiting.flow);
            }
        }
    }

    /// One waited in vain, or could not wait.
    pub(crate) fn shed(&self, class: Priority) {
        if let Some(shed) = self.0.lock().shed.get_mut(class as usize) {
            *shed += 1;
        }
    }

    /// How many calls of a caller wait.
    pub(crate) fn of_flow(&self, flow: u64) -> usize {
        self.0.lock().flows.get(&flow).copied().unwrap_or_default()
    }

    pub(crate) fn of_class(&self, now: Nanos, class: Priority) -> OfClass {
        let book = self.0.lock();
        let arrived = book.arrived.get(class as usize);
        OfClass {
            waiting: arrived.map_or(0, |arrived| arrived.len() as u64),
            oldest: arrived.and_then(|it| it.values().next()).map_or(Duration::ZERO, |first| first.until(now)),
            shed: book.shed.get(class as usize).copied().unwrap_or_default(),
        }
    }

    /// Bytes of all their bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }
}

#[cfg(test)]
#[path = "aside_tests.rs"]
mod tests;
