//! Receipts on their way to the request log and to the figures of the last minute.
//!
//! A worker puts its receipts into a buffer of its own; the log's thread empties all buffers a few times a second and
//! writes the lines in one go. So a call pays for a push into a vector, and no wake-up. When the log cannot keep up
//! the buffer is full, further receipts are dropped from the log, and a metric says how many. They have been counted
//! all the same.

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use sluicegate_vocabulary::Receipt;

/// Receipts one worker holds at most.
const CAPACITY: usize = 16_384;

/// One worker's receipts.
#[derive(Debug)]
pub(crate) struct Receipts {
    kept: Mutex<Vec<Receipt>>,
    dropped: Counter,
}

impl Receipts {
    pub(crate) fn new(dropped: Counter) -> Self {
        Self { kept: Mutex::default(), dropped }
    }

    pub(crate) fn push(&self, receipt: Receipt) {
        let mut kept = self.kept.lock();
        if kept.len() < CAPACITY {
            kept.push(receipt);
        } else {
            drop(kept);
            self.dropped.inc();
        }
    }

    /// Takes everything there is, in the order it came.
    pub(crate) fn take(&self) -> Vec<Receipt> {
        let mut kept = self.kept.lock();
        let room = Vec::with_capacity(kept.len());
        std::mem::replace(&mut *kept, room)
    }
}
