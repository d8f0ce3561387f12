//! A few things in the order of their keys, of which there is commonly one.
//!
//! Most callers have one call waiting at a time. A tree for each of them would take an allocation and half a kilobyte to
//! hold it, and among ten thousand callers fetching those from memory is most of what a queue costs. So the first stands
//! in place and only what comes after it needs room elsewhere, of which nothing is here until there is some. That is kept sorted: what comes is commonly the last, what
//! goes commonly the first or the last.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Run<K, V> {
    first: Option<(K, V)>,
    /// All greater than the first; empty if there is none.
    #[expect(clippy::box_collection, reason = "a quarter of the size, which counts in ten thousand of them")]
    rest: Option<Box<VecDeque<(K, V)>>>,
}

impl<K, V> Default for Run<K, V> {
    fn default() -> Self {
        Self { first: None, rest: None }
    }
}

impl<K: Ord + Copy, V> Run<K, V> {
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(super) const fn first(&self) -> Option<&(K, V)> {
        self.first.as_ref()
    }

    pub(super) fn last(&self) -> Option<&(K, V)> {
        self.rest.as_ref().and_then(|rest| rest.back()).or(self.first.as_ref())
    }

    /// Puts something in. No other may have the same key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let Some(first) = &mut self.first else {
            self.first = Some((key, value));
            return;
        };
        let rest = self.rest.get_or_insert_default();
        if key < first.0 {
            rest.push_front(std::mem::replace(first, (key, value)));
        } else if rest.back().is_none_or(|last| last.0 < key) {
            rest.push_back((key, value));
        } else {
            let (Ok(at) | Err(at)) = place(rest, key);
            rest.insert(at, (key, value));
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let rest = self.rest.as_mut();
        let removed = match &self.first {
            Some((first, _)) if *first == key => {
                std::mem::replace(&mut self.first, rest.and_then(|rest| rest.pop_front()))
            }
            _ => rest.and_then(|rest| rest.remove(place(rest, key).ok()?)),
        };
        removed.map(|(_, value)| value)
    }
}

fn place<K: Ord + Copy, V>(sorted: &VecDeque<(K, V)>, key: K) -> Result<usize, usize> {
    sorted.binary_search_by(|(other, _)| other.cmp(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in vec((any::<bool>(), 0_u8..24), 0..200)) {
            let (mut run, mut map) = (Run::default(), BTreeMap::new());
            for (number, (put, key)) in steps.into_iter().enumerate() {
                if !put {
                    prop_assert_eq!(run.remove(key), map.remove(&key));
                } else if map.insert(key, number).is_none() {
                    run.insert(key, number);
                } else {
                    prop_assert!(run.remove(key).is_some());
                    run.insert(key, number);
                }
                prop_assert_eq!(run.first().map(|(key, value)| (key, value)), map.first_key_value());
                prop_assert_eq!(run.last().map(|(key, value)| (key, value)), map.last_key_value());
                prop_assert_eq!((run.len(), run.is_empty()), (map.len(), map.is_empty()));
            }
        }
    }
}
