//! Maps keyed by numbers of our own making.
//!
//! Keys, models and sets of limits are numbered by the process itself, so nobody outside can choose numbers that
//! collide, and the standard library's protection against that would be most of the cost of a look-up.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// A map from such numbers.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// One multiplication for each number, which brings the low bits into the high ones, and a rotation, since maps use
/// both.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Parts of a map, each behind its own lock, so that threads seldom meet. Each part begins a cache line of its own.
#[derive(Debug)]
pub(crate) struct Shards<T>(Box<[Line<T>]>);

#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

impl<T: Default> Shards<T> {
    /// So many parts: a power of two.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count.next_power_of_two()).map(|_| Line(T::default())).collect())
    }
}

impl<T> Shards<T> {
    /// The part a key belongs to.
    #[expect(clippy::indexing_slicing, reason = "a remainder by the length lies within; there is always one part")]
    #[inline]
    pub(crate) fn of(&self, key: &impl Hash) -> &T {
        // From the middle: maps use the lowest and the highest bits.
        let hash = BuildHasherDefault::<NumberHasher>::default().hash_one(key) >> 32;
        &self.0[hash as usize & (self.0.len() - 1)].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|line| &line.0)
    }
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
