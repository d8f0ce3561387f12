//! One number that threads change without a lock, until it is closed.
//!
//! A token bucket's level and a count of permits each fit one number, so taking is one compare-and-swap. When a limit
//! is changed, its number is handed to a successor: whoever closes it learns the last value, and nothing replaces the
//! mark that stands in its place, so no update that began before can succeed after.
//!
//! The orderings are sequentially consistent for one reason: who gives a permit back looks for waiters afterwards, and
//! who begins to wait looks for a permit afterwards. One of them must see the other, or the waiter sleeps beside a free
//! permit. On x86 this costs nothing over weaker orderings.

use crate::meter::Closed;
use std::sync::atomic::{AtomicU64, Ordering};

/// The atomic operations an [`Atom`] is made of, so that a model checker's atomic can stand in for the real one.
pub(crate) trait Word {
    fn new(value: u64) -> Self;
    fn get(&self) -> u64;
    fn replace(&self, old: u64, new: u64) -> Result<u64, u64>;
    fn swap(&self, new: u64) -> u64;
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::SeqCst)
    }

    #[inline]
    fn swap(&self, new: u64) -> u64 {
        self.swap(new, Ordering::SeqCst)
    }
}

/// Stands where the number stood once it is closed.
const CLOSED: u64 = u64::MAX;
/// The largest number.
pub(crate) const LARGEST: u64 = CLOSED - 1;

/// A number up to [`LARGEST`], until it is closed.
#[derive(Debug)]
pub(crate) struct Atom<W>(W);

impl<W: Word> Atom<W> {
    pub(crate) fn new(value: u64) -> Self {
        Self(W::new(value.min(LARGEST)))
    }

    #[inline]
    pub(crate) fn get(&self) -> Result<u64, Closed> {
        let value = self.0.get();
        if value == CLOSED { Err(Closed) } else { Ok(value) }
    }

    /// Changes the number to what `next` makes of it; `false` and no change if `next` declines.
    #[inline]
    pub(crate) fn update(&self, next: impl Fn(u64) -> Option<u64>) -> Result<bool, Closed> {
        let mut seen = self.get()?;
        loop {
            let Some(wanted) = next(seen) else { return Ok(false) };
            match self.0.replace(seen, wanted.min(LARGEST)) {
                Ok(_) => return Ok(true),
                Err(CLOSED) => return Err(Closed),
                Err(newer) => seen = newer,
            }
        }
    }

    /// Ends it; the one who does so learns the last value.
    pub(crate) fn close(&self) -> Result<u64, Closed> {
        let last = self.0.swap(CLOSED);
        if last == CLOSED { Err(Closed) } else { Ok(last) }
    }
}

#[cfg(test)]
#[path = "atom_tests.rs"]
mod tests;
