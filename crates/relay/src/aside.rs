//! Calls that wait for something that is no limit of ours: for whichever of a provider's keys has room first.
//!
//! They stand in no queue of the scheduler's, but they are calls that wait like any other: they hold a body in memory, an
//! operator wants to see them, and there must not be too many. So each is counted here for as long as it waits, and all
//! of them together may be as many, and hold as many bytes, as those that wait for limits.

use parking_lot::Mutex;
use sluicegate_flow::{Bounds, Nanos};
use sluicegate_vocabulary::Priority;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The count of them.
#[derive(Debug)]
pub(crate) struct Aside(Mutex<Book>);

#[derive(Debug)]
struct Book {
    bounds: Bounds,
    /// When each arrived, in the order of their arrival.
    arrived: [BTreeMap<u64, Nanos>; 4],
    calls: u64,
    bytes: u64,
    flows: HashMap<u64, usize>,
    shed: [u64; 4],
    newest: u64,
}

/// One that waits; it does so until this is dropped.
#[derive(Debug)]
#[must_use = "it is counted only as long as this lives"]
pub(crate) struct Counted<'a> {
    aside: &'a Aside,
    number: u64,
    class: Priority,
    flow: u64,
    bytes: u64,
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
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self(Mutex::new(Book {
            bounds,
            arrived: Default::default(),
            calls: 0,
            bytes: 0,
            flows: HashMap::new(),
            shed: [0; 4],
            newest: 0,
        }))
    }

    /// Other bounds. Nobody who waits is sent away.
    pub(crate) fn reconfigure(&self, bounds: Bounds) {
        self.0.lock().bounds = bounds;
    }

    /// One more waits, whose body has so many bytes; `None` where too many do.
    pub(crate) fn enter(&self, now: Nanos, class: Priority, flow: u64, bytes: u64) -> Option<Counted<'_>> {
        let mut book = self.0.lock();
        let after = (book.calls + 1, book.bytes.saturating_add(bytes));
        if after.0 > book.bounds.calls || after.1 > book.bounds.bytes {
            return None;
        }
        (book.calls, book.bytes) = after;
        book.newest += 1;
        let number = book.newest;
        *book.flows.entry(flow).or_default() += 1;
        if let Some(arrived) = book.arrived.get_mut(class as usize) {
            arrived.insert(number, now);
        }
        Some(Counted { aside: self, number, class, flow, bytes })
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

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut book = self.aside.0.lock();
        book.calls -= 1;
        book.bytes -= self.bytes;
        if let Some(arrived) = book.arrived.get_mut(self.class as usize) {
            arrived.remove(&self.number);
        }
        if let Some(of_flow) = book.flows.get_mut(&self.flow) {
            *of_flow -= 1;
            if *of_flow == 0 {
                book.flows.remove(&self.flow);
            }
        }
    }
}

#[cfg(test)]
#[path = "aside_tests.rs"]
mod tests;
