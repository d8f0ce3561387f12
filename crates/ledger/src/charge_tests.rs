use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn line() -> impl Strategy<Value = Line> {
    let class = prop::sample::select(Class::ALL.to_vec());
    (class, 0..1_000_000_000_u64, 0..100_000_000_000_u64).prop_map(|(class, quantity, unit)| Line {
        class,
        quantity,
        unit,
    })
}

proptest! {
    #[test]
    fn the_lines_of_a_bill_add_up_to_its_total(lines in vec(line(), 0..15)) {
        let exact: i128 = lines.iter().map(|line| i128::from(line.quantity) * i128::from(line.unit)).sum();
        prop_assume!(exact < i128::from(i64::MAX) * 1000);
        let charge = Charge::new(lines.into());
        prop_assert_eq!(i128::from(charge.total.nanos()) * 1000, exact + charge.rounding());
        prop_assert!((-499..=500).contains(&charge.rounding()));
        prop_assert_eq!(charge.times(Multiplier::ONE), charge.total);
    }
}

#[test]
fn a_bill_prints_its_arithmetic() {
    let tokens = |class, quantity, rate: &str| Line { class, quantity, unit: rate.parse::<Rate>().unwrap().picos() };
    let mut charge = Charge::new(SmallVec::from_slice(&[
        tokens(Class::Input, 100, "3"),
        tokens(Class::Output, 500, "15"),
        Line { class: Class::WebSearch, quantity: 2, unit: 10_000_000_000 },
    ]));
    assert_eq!(charge.to_string(), "100 input at 3 + 500 output at 15 + 2 web_search at 0.01 each = 0.0278");
    charge = Charge::default();
    assert_eq!(charge.to_string(), "0");
}

#[test]
fn a_markup_is_taken_of_the_exact_sum() {
    // 1,400 picos: the cost rounds to 1 nano-dollar, twice of it to 3 and not to 2.
    let charge = Charge::new(SmallVec::from_slice(&[Line { class: Class::Input, quantity: 1, unit: 1400 }]));
    assert_eq!(charge.total, Money::from_nanos(1));
    assert_eq!(charge.times("2".parse().unwrap()), Money::from_nanos(3));
    assert_eq!(charge.times("0".parse().unwrap()), Money::ZERO);
    assert_eq!("1.25".parse::<Multiplier>().unwrap().to_string(), "1.25");
    for text in ["", "-1", "4000.1", "1.0000001", "x"] {
        assert_eq!(text.parse::<Multiplier>(), Err(ParseMultiplierError), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_held_of_a_cost_is_never_less_than_what_is_billed_of_it(
        lines in vec(line(), 0..5), millionths in 0..5_000_000_u32,
    ) {
        let (charge, sold_at) = (Charge::new(lines.into()), Multiplier::from_millionths(millionths));
        prop_assume!(charge.total < Money::from_nanos(i64::MAX / 8));
        // A cost that was rounded down may hide half a nano-dollar, which a multiplier makes larger.
        let held = sold_at.of(charge.total + Money::from_nanos(1));
        prop_assert!(charge.times(sold_at) <= held);
    }
}
