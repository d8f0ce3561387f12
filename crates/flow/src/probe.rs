//! A map that is found by one step to memory.
//!
//! The standard library's map keeps a byte for each entry in one place and the entries in another, which is quick to
//! search and two trips to memory where the map is large and any entry may be next. Here an entry stands where the hash
//! says, or soon after it, and begins a cache line. What is never needed is left out: single entries are not removed,
//! only all that are not to be kept, and then what is left is placed anew.
//!
//! **Promises.** At most three quarters of the places are taken, and the room of many that were forgotten is given back.

use crate::hash::NumberHasher;
use std::hash::{BuildHasher, BuildHasherDefault, Hash};

/// Values by keys made of numbers of our own: see [`crate::hash`].
#[derive(Debug)]
pub(crate) struct Probe<K, V> {
    /// As many as a power of two, or none.
    places: Vec<Place<K, V>>,
    taken: usize,
}

#[derive(Debug)]
#[repr(align(64))]
struct Place<K, V>(Option<(K, V)>);

impl<K, V> Default for Probe<K, V> {
    fn default() -> Self {
        Self { places: Vec::new(), taken: 0 }
    }
}

impl<K: Copy + Eq + Hash, V> Probe<K, V> {
    /// What is there by this key.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let at = self.find(key)?;
        self.places.get_mut(at)?.0.as_mut().map(|(_, value)| value)
    }

    /// Puts a value in, unless there is one by this key; the one that is there then.
    #[expect(clippy::indexing_slicing, reason = "what is found lies within, and there is room for one more")]
    pub(crate) fn get_or_insert(&mut self, key: K, value: V) -> &mut V {
        if 4 * (self.taken + 1) > 3 * self.places.len() {
            self.place_anew(self.taken + 1);
        }
        let at = self.find(key).unwrap_or_default();
        let place = &mut self.places[at].0;
        self.taken += usize::from(place.is_none());
        &mut place.get_or_insert((key, value)).1
    }

    /// Forgets what is not worth keeping.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        let before = self.taken;
        for place in &mut self.places {
            if place.0.as_mut().is_some_and(|(_, value)| !keep(value)) {
                place.0 = None;
                self.taken -= 1;
            }
        }
        if self.taken < before {
            self.place_anew(self.taken);
        }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.taken
    }

    /// Where a key is or would be; `None` while there are no places.
    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        let last = self.places.len().checked_sub(1)?;
        let mut at = BuildHasherDefault::<NumberHasher>::default().hash_one(key) as usize & last;
        while self.places.get(at)?.0.as_ref().is_some_and(|(other, _)| *other != key) {
            at = (at + 1) & last;
        }
        Some(at)
    }

    /// Places everything anew, with room for so many.
    fn place_anew(&mut self, count: usize) {
        let room = if count == 0 { 0 } else { (count * 4 / 3 + 1).next_power_of_two() };
        let places = (0..room).map(|_| Place(None)).collect();
        for (key, value) in std::mem::replace(&mut self.places, places).into_iter().filter_map(|place| place.0) {
            if let Some(place) = self.find(key).and_then(|at| self.places.get_mut(at)) {
                place.0 = Some((key, value));
            }
        }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
