use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// Never more than the bound, and whatever is among the half as many that were used last is there.
    #[test]
    fn what_was_used_lately_is_there_and_no_more_than_the_bound(uses in vec(0..40_u64, 1..400), most in 1..30_usize) {
        let mut recent = Recent::<u64, u64>::default();
        let mut order: Vec<u64> = Vec::new();
        for key in uses {
            let lately = order.iter().rev().take(most.div_ceil(2)).any(|used| *used == key);
            let mut made = false;
            let known = *recent.get_or_insert_with(key, most, || { made = true; key });
            prop_assert!(known == key && !(made && lately));
            order.retain(|used| *used != key);
            order.push(key);
            prop_assert!(recent.len() <= most + 1);
        }
    }
}
