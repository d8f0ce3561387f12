use super::*;

#[test]
fn prints_what_it_reads() {
    for text in ["0", "12", "0.0243", "-1.5", "0.000000001", "9223372036.854775807"] {
        assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
    }
}

#[test]
fn refuses_what_is_not_an_amount() {
    for text in ["", ".", "1.", ".5", "1e3", "+1", "0.0000000001", "9223372037", "1 ", "--1"] {
        assert_eq!(text.parse::<Money>(), Err(ParseMoneyError), "{text:?}");
    }
}

#[test]
fn picos_round_half_up_once() {
    assert_eq!(Money::from_picos(499), Money::ZERO);
    assert_eq!(Money::from_picos(500), Money::from_nanos(1));
    assert_eq!(Money::from_picos(-500), Money::ZERO);
    assert_eq!(Money::from_picos(i128::MAX / 2), Money::from_nanos(i64::MAX));
}
