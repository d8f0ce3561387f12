//! Receipts on their way to the request log and to the figures of the last minute.
//!
//! A worker puts its receipts into a buffer of its own; the log's thread empties all buffers a few times a second and
//! writes the lines in one go. So a call pays for a push into a vector, and no wake-up. When the log cannot keep up
//! the buffer is full, further receipts are dropped from the log, and a metric says how many. They have been counted
//! all the same.
//!
//! What has been logged comes back, and the worker drops one for each that it puts in. Memory freed by another thread
//! than the one that took it costs the allocator several times as much, and both threads wait for each other's caches.

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use sluicegate_vocabulary::Receipt;

/// Receipts one worker holds at most.
const CAPACITY: usize = 16_384;

/// One worker's receipts.
#[derive(Debug)]
pub(crate) struct Receipts {
    kept: Mutex<Kept>,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Kept {
    new: Vec<Receipt>,
    /// Logged, and to be dropped here.
    old: Vec<Receipt>,
}

impl Receipts {
    pub(crate) fn new(dropped: Counter) -> Self {
        Self { kept: Mutex::default(), dropped }
    }

    pub(crate) fn push(&self, receipt: Receipt) {
        let mut kept = self.kept.lock();
        let old = kept.old.pop();
        let full = kept.new.len() >= CAPACITY;
        if !full {
            kept.new.push(receipt);
        }
        drop(kept);
        drop(old);
        if full {
            self.dropped.inc();
        }
    }

    /// Takes everything there is, in the order it came.
    pub(crate) fn take(&self) -> Vec<Receipt> {
        let mut kept = self.kept.lock();
        let room = Vec::with_capacity(kept.new.len());
        std::mem::replace(&mut kept.new, room)
    }

    /// Takes back what has been logged.
    pub(crate) fn give_back(&self, old: Vec<Receipt>) {
        let rest = std::mem::replace(&mut self.kept.lock().old, old);
        // Outside the lock. There is much of it only when the worker has little to do.
        drop(rest);
    }
}

#[cfg(test)]
#[path = "receipts_tests.rs"]
mod tests;
