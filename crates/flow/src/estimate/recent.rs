//! A bounded map that forgets what has not been used for long.
//!
//! Two halves: what is used goes to the young one; when that is full it becomes the old one, and what was in the old one
//! and has not been used since is forgotten. So everything used lately is there, nothing is moved but what is used, and
//! there is no list to keep in order.

use crate::hash::NumberMap;
use std::hash::Hash;
use std::mem;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: NumberMap<K, V>,
    old: NumberMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: NumberMap::default(), old: NumberMap::default() }
    }
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// What is known under a key, of at most `most` that are remembered; `make` makes it where nothing is known.
    #[inline]
    pub(super) fn get_or_insert_with(&mut self, key: K, most: usize, make: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= most.div_ceil(2).max(1) && !self.young.contains_key(&key) {
            let known = self.old.remove(&key);
            self.old = mem::take(&mut self.young);
            self.young.extend(known.map(|value| (key, value)));
        }
        let Self { young, old } = self;
        young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(make))
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
