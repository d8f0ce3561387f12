//! What the simulator has seen, for tests: `GET /sim/requests` and [`crate::Handle::stats`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::quota::Permit;

/// Counts since the start. A call is in flight until its last byte was handed over or the client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Calls that came in, `GET /sim/requests` aside.
    pub requests: u64,
    /// Calls being answered now.
    pub in_flight: u64,
    /// Calls whose client left before the answer was complete.
    pub cancelled: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    cancelled: AtomicU64,
}

impl Counters {
    /// Counts a call in, and out again when the guard goes.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let serial = self.requests.fetch_add(1, Relaxed) + 1;
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { counters: Arc::clone(self), serial, permit: None, done: false }
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
        }
    }
}

/// One call in flight. Dropped before [`InFlight::done`], it counts as cancelled.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Arc<Counters>,
    /// The call's number since the start, from 1.
    pub(crate) serial: u64,
    /// Its place among the calls at once of its key.
    pub(crate) permit: Option<Permit>,
    done: bool,
}

impl InFlight {
    /// The answer is complete, as far as it was meant to be. Its place is free before the client can know of the end, so
    /// that the next call of a client that waits for one finds it.
    pub(crate) fn done(&mut self) {
        self.done = true;
        self.permit = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Relaxed);
        if !self.done {
            self.counters.cancelled.fetch_add(1, Relaxed);
        }
    }
}
