use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_cost_is_told_as_money_is_printed(nanos in prop_oneof![0..3_000_000_000_i64, any::<i64>()]) {
        let amount = Money::from_nanos(nanos);
        let mut told = Vec::new();
        write_dollars(&mut told, amount);
        prop_assert_eq!(String::from_utf8(told).unwrap(), amount.to_string());
    }
}
