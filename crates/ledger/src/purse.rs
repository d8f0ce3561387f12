//! One signed number from which threads take without a lock, down to a floor and never below it.
//!
//! What may still be spent is one number: the balance less all that is held. So a hold is one compare-and-swap, whatever
//! the number of accounts, and no two holds can spend the same money.

use std::sync::atomic::{AtomicI64, Ordering};

/// The atomic operations a [`Purse`] is made of, so that a model checker's atomic can stand in for the real one.
pub(crate) trait Word {
    fn new(value: i64) -> Self;
    fn get(&self) -> i64;
    fn replace(&self, old: i64, new: i64) -> Result<i64, i64>;
}

impl Word for AtomicI64 {
    fn new(value: i64) -> Self {
        Self::new(value)
    }

    #[inline]
    fn get(&self) -> i64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn replace(&self, old: i64, new: i64) -> Result<i64, i64> {
        self.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// A number that may be taken from.
#[derive(Debug)]
pub(crate) struct Purse<W>(W);

impl<W: Word> Purse<W> {
    pub(crate) fn new(value: i64) -> Self {
        Self(W::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> i64 {
        self.0.get()
    }

    /// Takes an amount that is not negative if that leaves no less than the floor. Otherwise takes nothing and tells
    /// what there was above the floor.
    #[inline]
    pub(crate) fn take(&self, amount: i64, floor: i64) -> Result<(), i64> {
        let mut value = self.0.get();
        loop {
            match value.checked_sub(amount) {
                // What costs nothing may be taken from an empty purse too.
                Some(left) if left >= floor || amount == 0 => match self.0.replace(value, left) {
                    Ok(_) => return Ok(()),
                    Err(now) => value = now,
                },
                _ => return Err(value.saturating_sub(floor)),
            }
        }
    }

    /// Changes the number by an amount of either sign, whatever it is, and tells the new one.
    #[inline]
    pub(crate) fn add(&self, amount: i64) -> i64 {
        let mut value = self.0.get();
        loop {
            let new = value.saturating_add(amount);
            match self.0.replace(value, new) {
                Ok(_) => return new,
                Err(now) => value = now,
            }
        }
    }
}

#[cfg(test)]
#[path = "purse_tests.rs"]
mod tests;
