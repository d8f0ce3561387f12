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

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    /// What is known under a key, of at most `most` that are remembered.
    #[inline]
    pub(super) fn get(&mut self, key: &K, most: usize) -> Option<&V> {
        if !self.old.is_empty()
            && let Some(value) = self.old.remove(key)
        {
            self.put(*key, value, most);
        }
        self.young.get(key)
    }

    /// The same, made where nothing is known.
    #[inline]
    pub(super) fn get_or_default(&mut self, key: K, most: usize) -> &mut V {
        if self.is_full(most) && !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.put(key, value, most);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default())
    }

    fn is_full(&self, most: usize) -> bool {
        self.young.len() >= most.div_ceil(2).max(1)
    }

    fn put(&mut self, key: K, value: V, most: usize) {
        if self.is_full(most) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
