//! A map that forgets what nobody has.
//!
//! A limit's level must stand in one place only. If the map forgot a limit while somebody held it, the next to ask would
//! be given a fresh one, and the limit would count twice. So a value is forgotten only when the map's is the only
//! handle on it. The map lies behind a lock, and a handle can only be had from the map or from another handle: what is
//! alone under the lock stays alone until the lock is released.

use std::collections::HashMap;
use std::hash::Hash;

/// A value that is shared by handles.
pub(crate) trait Handle {
    /// Whether there is no other handle on it.
    fn is_alone(&self) -> bool;
}

/// Values, each for as long as anybody has a handle on it or it is worth keeping.
#[derive(Debug)]
pub(crate) struct Kept<K, V>(HashMap<K, V>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Handle> Kept<K, V> {
    /// What is kept, if it is.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// What is kept, or else a new one.
    pub(crate) fn get_or(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(make)
    }

    /// Forgets what nobody has and what is not worth keeping either.
    pub(crate) fn forget(&mut self, is_worthless: impl Fn(&V) -> bool) {
        self.0.retain(|_, value| !(value.is_alone() && is_worthless(value)));
        give_back_memory(&mut self.0);
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }
}

/// Lets go of the room of a map that was much larger.
pub(crate) fn give_back_memory<K: Eq + Hash, V, S: std::hash::BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > 64 + 4 * map.len() {
        map.shrink_to(2 * map.len());
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
