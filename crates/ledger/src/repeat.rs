//! Calls that a client repeats under one `Idempotency-Key`.
//!
//! A client that did not see an answer sends its call again with the same key. Whoever comes first under a key is served and
//! charged; a repeat while he is still being served is told so, and a repeat after it gets what the first was given and is
//! not charged again. A first that ended without anything worth keeping leaves its key free. A key belongs to its client, is
//! remembered for a while, and only so many are, with answers of so many bytes: beyond that the oldest is forgotten.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

/// What is known about a key. `A` is what a repeat is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat<A> {
    /// Nobody came under it before: this call is the one to be charged. It has to be ended.
    First,
    /// The same call is being served.
    Running,
    /// The same call was served, and this is kept of it.
    Served(A),
    /// Another call came under it: a different request.
    Different,
}

#[derive(Debug)]
struct Known<A> {
    /// A hash of the request.
    request: u64,
    served: Option<A>,
    bytes: usize,
    until_ms: i64,
}

/// The keys that are remembered. Only calls that carry one come by here.
#[derive(Debug)]
pub struct Repeats<A> {
    keep_ms: i64,
    most: usize,
    most_bytes: usize,
    known: Mutex<State<A>>,
}

#[derive(Debug)]
struct State<A> {
    keys: HashMap<u128, Known<A>>,
    bytes: usize,
    /// The order in which keys came, and until when each is kept.
    order: VecDeque<(u128, i64)>,
}

impl<A: Clone> Repeats<A> {
    /// Remembers keys for so long, at most so many, and with at most so many bytes of what is kept for repeats.
    #[must_use]
    pub fn new(keep_ms: i64, most: usize, most_bytes: usize) -> Self {
        let known = State { keys: HashMap::new(), bytes: 0, order: VecDeque::new() };
        Self { keep_ms, most: most.max(1), most_bytes, known: Mutex::new(known) }
    }

    /// A call came under a key. `key` is a hash of whose it is and what it says, `request` one of the call.
    pub fn begin(&self, now_ms: i64, key: u128, request: u64) -> Repeat<A> {
        let mut state = self.known.lock();
        while state.order.len() >= self.most || state.order.front().is_some_and(|(_, until_ms)| *until_ms <= now_ms) {
            state.forget_oldest();
        }
        match state.keys.get(&key) {
            Some(known) if known.request != request => Repeat::Different,
            Some(Known { served: Some(answer), .. }) => Repeat::Served(answer.clone()),
            Some(_) => Repeat::Running,
            None => {
                let until_ms = now_ms.saturating_add(self.keep_ms);
                state.keys.insert(key, Known { request, served: None, bytes: 0, until_ms });
                state.order.push_back((key, until_ms));
                Repeat::First
            }
        }
    }

    /// A call under a key was served before this memory began. Said of the oldest first, before any call comes.
    pub fn served_before(&self, at_ms: i64, key: u128, request: u64, served: A) {
        let mut state = self.known.lock();
        while state.order.len() >= self.most {
            state.forget_oldest();
        }
        let until_ms = at_ms.saturating_add(self.keep_ms);
        state.keys.insert(key, Known { request, served: Some(served), bytes: 0, until_ms });
        state.order.push_back((key, until_ms));
    }

    /// The first call under a key ended: with what repeats of it are given, of so many bytes; or with nothing worth keeping,
    /// and then the next one is the first.
    pub fn end(&self, key: u128, served: Option<(A, usize)>) {
        let mut state = self.known.lock();
        match (served, state.keys.get_mut(&key)) {
            (Some((answer, bytes)), Some(known)) if known.served.is_none() => {
                (known.served, known.bytes) = (Some(answer), bytes);
                state.bytes += bytes;
                while state.bytes > self.most_bytes && !state.order.is_empty() {
                    state.forget_oldest();
                }
            }
            (None, Some(Known { served: None, .. })) => {
                state.keys.remove(&key);
            }
            _ => {}
        }
    }
}

impl<A> State<A> {
    fn forget_oldest(&mut self) {
        let Some((key, until_ms)) = self.order.pop_front() else { return };
        // A key that was left free and came again stands in the line twice.
        if self.keys.get(&key).is_some_and(|known| known.until_ms == until_ms) {
            let bytes = self.keys.remove(&key).map_or(0, |known| known.bytes);
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
#[path = "repeat_tests.rs"]
mod tests;
