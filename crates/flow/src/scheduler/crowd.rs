//! Those who wait, found by number in one step.
//!
//! Numbers grow, so that the smaller one came first, and none is ever used again. The lower bits of a number say where
//! its owner stands, so nothing has to be searched, and who comes stands where somebody has left: no room is asked for
//! or given back while as many go as come.

use slab::Slab;

/// The bits of a number that say where.
const PLACE_BITS: u32 = 24;
/// There are no more places than that.
pub(super) const MOST: usize = 1 << PLACE_BITS;

/// Things by numbers that are given out here.
#[derive(Debug)]
pub(super) struct Crowd<W> {
    /// Each with its number.
    places: Slab<(u64, W)>,
    /// How many there have been.
    come: u64,
}

impl<W> Default for Crowd<W> {
    fn default() -> Self {
        Self { places: Slab::new(), come: 0 }
    }
}

impl<W> Crowd<W> {
    /// A number greater than all that have been given out, and smaller than all that will be.
    pub(super) const fn newest(&self) -> u64 {
        (self.come + 1) << PLACE_BITS
    }

    /// Lets somebody in and says by what number. There must be fewer than [`MOST`].
    #[inline]
    pub(super) fn insert(&mut self, comer: W) -> u64 {
        self.come += 1;
        let place = self.places.vacant_entry();
        let number = self.come << PLACE_BITS | place.key() as u64;
        place.insert((number, comer));
        number
    }

    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&W> {
        self.places.get(place(number)).filter(|(own, _)| *own == number).map(|(_, there)| there)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut W> {
        self.places.get_mut(place(number)).filter(|(own, _)| *own == number).map(|(_, there)| there)
    }

    #[inline]
    pub(super) fn remove(&mut self, number: u64) -> Option<W> {
        self.get(number)?;
        self.places.try_remove(place(number)).map(|(_, there)| there)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &W)> {
        self.places.iter().map(|(_, (number, there))| (*number, there))
    }
}

const fn place(number: u64) -> usize {
    number as usize & (MOST - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map_whose_numbers_grow_and_are_never_used_again(steps in vec((any::<bool>(), 0_usize..20), 0..200)) {
            let (mut crowd, mut map, mut gone) = (Crowd::default(), BTreeMap::new(), Vec::new());
            for (step, (comes, which)) in steps.into_iter().enumerate() {
                if comes {
                    let newest = crowd.newest();
                    prop_assert!(map.keys().chain(&gone).all(|number| *number < newest));
                    let number = crowd.insert(step);
                    prop_assert!(number >= newest);
                    prop_assert!(map.insert(number, step).is_none() && !gone.contains(&number));
                } else if let Some(&number) = map.keys().nth(which) {
                    prop_assert_eq!(crowd.remove(number), map.remove(&number));
                    gone.push(number);
                }
                prop_assert!(map.iter().all(|(number, there)| crowd.get(*number) == Some(there)));
                prop_assert!(gone.iter().all(|number| crowd.get(*number).is_none() && crowd.get_mut(*number).is_none()));
                prop_assert!(gone.iter().all(|number| crowd.remove(*number).is_none()));
                prop_assert_eq!(crowd.len(), map.len());
                let all: BTreeMap<_, _> = crowd.iter().map(|(number, there)| (number, *there)).collect();
                prop_assert_eq!(&all, &map);
            }
        }
    }
}
