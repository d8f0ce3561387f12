use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;

type Numbers = Probe<(u64, u64), u64>;

proptest! {
    /// With keys that share their place as often as they do not.
    #[test]
    fn it_is_a_map(steps in vec((0..8_u8, 0..400_u64, 1..5_u64), 0..600)) {
        let (mut probe, mut map) = (Numbers::default(), HashMap::new());
        for (number, (action, key, part)) in (0_u64..).zip(steps) {
            let key = (key << 54, 0);
            match action {
                0 => {
                    probe.retain(|value| *value % part > 0);
                    map.retain(|_, value| *value % part > 0);
                }
                1..4 => prop_assert_eq!(probe.get_mut(key), map.get_mut(&key)),
                _ => prop_assert_eq!(probe.get_or_insert(key, number), map.entry(key).or_insert(number)),
            }
            prop_assert_eq!(probe.len(), map.len());
            prop_assert!(4 * probe.len() <= 3 * probe.places.len());
        }
        for (&key, value) in &mut map {
            prop_assert_eq!(probe.get_mut(key), Some(value));
        }
    }
}

#[test]
fn a_map_that_was_large_gives_its_room_back() {
    let mut probe = Numbers::default();
    for key in 0..1000 {
        probe.get_or_insert((key, 0), key);
    }
    probe.retain(|value| *value < 3);
    assert_eq!((probe.len(), probe.places.len()), (3, 8));
    probe.retain(|_| false);
    assert_eq!((probe.len(), probe.places.capacity(), probe.get_mut((1, 0))), (0, 0, None));
}

#[test]
fn an_entry_of_a_set_takes_one_cache_line() {
    assert_eq!(size_of::<Place<(u64, u64), [std::num::NonZeroU64; 6]>>(), 64);
}
