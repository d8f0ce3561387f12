use super::*;
use proptest::prelude::*;

fn text(number: u64) -> String {
    let mut out = b"before ".to_vec();
    digits(&mut out, number);
    out.push(b' ');
    Decimal::new(number).write(&mut out);
    let out = String::from_utf8(out).unwrap();
    let (text, again) = out.strip_prefix("before ").unwrap().split_once(' ').unwrap();
    assert_eq!(text, again);
    text.to_owned()
}

#[test]
fn every_half_of_four_digits_is_right() {
    for half in 0..10_000 {
        assert_eq!(text(half), half.to_string());
        assert_eq!(text(half * 10_000 + 9_999 - half), (half * 10_000 + 9_999 - half).to_string());
    }
}

#[test]
fn numbers_around_a_power_of_ten_are_right() {
    for power in 0..20 {
        let power = 10_u64.pow(power);
        for number in [power - 1, power, power + 1] {
            assert_eq!(text(number), number.to_string());
        }
    }
    assert_eq!(text(u64::MAX), u64::MAX.to_string());
}

proptest! {
    #[test]
    fn any_number_is_written_as_everybody_writes_it(number in prop_oneof![0..TOO_LONG, any::<u64>()]) {
        prop_assert_eq!(text(number), number.to_string());
    }
}
