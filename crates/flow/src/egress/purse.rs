//! What pays for tries beyond the first.
//!
//! A purse holds thousandths of a try. Each call that succeeds at once pays a tenth of one into it, each extra try takes
//! one or more out. When it is empty one extra try a second goes all the same: somebody has to notice that things are
//! better, and with nothing tried nothing is earned.

use crate::time::Nanos;
use std::sync::atomic::{AtomicU64, Ordering};

/// One try.
pub(super) const TRY: u64 = 1000;
/// What a call earns that succeeds at once.
pub(super) const EARNED: u64 = 100;
/// One try in so many nanoseconds goes although nothing is left.
const FLOOR: u64 = 1_000_000_000;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Purse {
    left: AtomicU64,
    /// When a try may go although nothing is left.
    floor_at: AtomicU64,
}

impl Purse {
    pub(super) const fn new(left: u64) -> Self {
        Self { left: AtomicU64::new(left), floor_at: AtomicU64::new(0) }
    }

    /// A call succeeded at once. Nothing is saved beyond `most`.
    #[inline]
    pub(super) fn earn(&self, most: u64) {
        let mut left = self.left.load(Ordering::Relaxed);
        while left < most {
            let more = (left + EARNED).min(most);
            match self.left.compare_exchange_weak(left, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => left = newer,
            }
        }
    }

    /// What is saved beyond `most` is lost.
    pub(super) fn cap(&self, most: u64) {
        self.left.fetch_min(most, Ordering::Relaxed);
    }

    /// Pays for a try. `false` if it cannot be paid for.
    pub(super) fn withdraw(&self, now: Nanos, price: u64) -> bool {
        let paid = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price));
        let next = now.0.saturating_add(FLOOR);
        paid.is_ok()
            || self
                .floor_at
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (at <= now.0).then_some(next))
                .is_ok()
    }

    /// What is left, in tries.
    pub(super) fn left(&self) -> f64 {
        self.left.load(Ordering::Relaxed) as f64 / TRY as f64
    }
}
