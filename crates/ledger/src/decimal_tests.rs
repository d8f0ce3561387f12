use super::*;
use proptest::prelude::*;

#[test]
fn every_spelling_of_a_figure_is_the_same_figure() {
    for text in ["0.0000025", "2.5e-06", "2.5E-6", "25e-7", "2.4999999999999998e-06", "0.00000250000"] {
        assert_eq!(scaled(text, 12), Some(2_500_000), "{text}");
    }
    assert_eq!(scaled("3", 6), Some(3_000_000));
    assert_eq!(scaled("0e999", 6), Some(0));
    assert_eq!(scaled("1e-60", 12), Some(0));
}

#[test]
fn what_is_no_amount_is_refused() {
    for text in
        ["", "-1", "+1", ".5", "1e", "e5", "1.2.3", "0x1", "NaN", "1e99", "99999999999999999999", "1e2147483647"]
    {
        assert_eq!(scaled(text, 6), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in ".{0,40}", scale in 0..13_i32) {
        let _ = scaled(&text, scale);
    }

    #[test]
    fn whole_numbers_are_themselves(number in 0..u64::from(u32::MAX)) {
        prop_assert_eq!(scaled(&number.to_string(), 0), Some(number));
        prop_assert_eq!(scaled(&format!("{number}e3"), 0), Some(number * 1000));
    }
}
