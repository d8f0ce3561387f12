use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// Never more than the bound, and whatever is among the half as many that were used last is there.
    #[test]
    fn what_was_used_lately_is_there_and_no_more_than_the_bound(uses in vec((0..40_u64, any::<bool>()), 1..400), most in 1..30_usize) {
        let mut recent = Recent::<u64, u64>::default();
        let mut order: Vec<u64> = Vec::new();
        for (key, make) in uses {
            let lately = order.iter().rev().take(most.div_ceil(2)).any(|used| *used == key);
            if make {
                *recent.get_or_default(key, most) += 1;
            }
            let found = recent.get(&key, most).is_some();
            prop_assert!(found || !lately && !make);
            order.retain(|used| *used != key);
            if found {
                order.push(key);
            }
            prop_assert!(recent.young.len() + recent.old.len() <= most + 1);
        }
    }
}
