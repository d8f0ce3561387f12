//! Calls that a client repeats under one `Idempotency-Key`.
//!
//! A client that did not see an answer sends its call again with the same key. Whoever comes first under a key is charged;
//! a repeat while he is still being served is told so, and a repeat after it is known for what it is and not charged
//! again. A key belongs to its tenant, is remembered for a while, and only so many are.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What is known about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nobody came under it before: this call is the one to be charged. It has to be ended.
    First,
    /// The same call is being served.
    Running,
    /// The same call was charged, under this number.
    Charged(u64),
    /// Another call came under it: a different body.
    Different,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// A hash of the request.
    body: u64,
    charged: Option<u64>,
    until_ms: i64,
}

type Key = (Arc<str>, Box<str>);

/// The keys that are remembered. Only calls that carry one come by here.
#[derive(Debug)]
pub struct Repeats {
    keep_ms: i64,
    most: usize,
    known: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: HashMap<Key, Known>,
    /// The order in which keys came, and until when each is kept.
    order: VecDeque<(Key, i64)>,
}

impl Repeats {
    /// Remembers keys for so long, and at most so many; beyond that the oldest is forgotten.
    #[must_use]
    pub fn new(keep_ms: i64, most: usize) -> Self {
        Self { keep_ms, most: most.max(1), known: Mutex::default() }
    }

    /// A call came under a key. `body` is a hash of its request.
    pub fn begin(&self, now_ms: i64, tenant: &Arc<str>, key: &str, body: u64) -> Repeat {
        let mut state = self.known.lock();
        state.forget(now_ms, self.most);
        let key = (Arc::clone(tenant), key.into());
        match state.keys.get(&key) {
            Some(known) if known.body != body => Repeat::Different,
            Some(Known { charged: Some(call), .. }) => Repeat::Charged(*call),
            Some(_) => Repeat::Running,
            None => {
                let until_ms = now_ms.saturating_add(self.keep_ms);
                state.keys.insert(key.clone(), Known { body, charged: None, until_ms });
                state.order.push_back((key, until_ms));
                Repeat::First
            }
        }
    }

    /// The first call under a key ended: charged under its number, or not charged, and then the next one is the first.
    pub fn end(&self, tenant: &Arc<str>, key: &str, charged: Option<u64>) {
        let key = (Arc::clone(tenant), key.into());
        let mut state = self.known.lock();
        match (charged, state.keys.get_mut(&key)) {
            (Some(call), Some(known)) => known.charged = Some(call),
            (None, Some(Known { charged: None, .. })) => {
                state.keys.remove(&key);
            }
            _ => {}
        }
    }
}

impl State {
    fn forget(&mut self, now_ms: i64, most: usize) {
        while let Some((key, until_ms)) = self.order.front() {
            if *until_ms > now_ms && self.order.len() < most {
                break;
            }
            // A key that ended without a charge and came again stands in the line twice.
            if self.keys.get(key).is_some_and(|known| known.until_ms == *until_ms) {
                self.keys.remove(key);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "repeat_tests.rs"]
mod tests;
