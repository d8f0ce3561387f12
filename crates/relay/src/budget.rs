//! Memory for request bodies, bounded over all calls.
//!
//! One body is bounded by the configuration; many at once are bounded here. Bytes are taken as they arrive and given
//! back when the call is over. What does not fit is our own lack of capacity, and said so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of request bodies held at once over all calls.
const MOST: usize = 1 << 30;

/// What is left for all calls together.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    used: AtomicUsize,
}

/// One call's part, given back by its drop.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Takes so many bytes more; false when there are not so many left.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= MOST;
        if fits {
            self.bytes += bytes;
        } else {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
