use super::*;

#[test]
fn prints_what_it_reads() {
    for text in ["0", "12", "0.0243", "-1.5", "0.000000001", "9223372036.854775807"] {
        assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
    }
}

#[test]
fn every_size_of_amount_is_printed_as_its_digits_say() {
    let nanos = (0..63).flat_map(|bits| [1_i64 << bits, (1 << bits) - 1, 10_i64.pow(bits / 4) * 7]);
    for nanos in nanos.flat_map(|nanos| [nanos, -nanos]).chain([i64::MIN, i64::MAX]) {
        let digits = format!("{:010}", nanos.unsigned_abs());
        let (whole, part) = digits.split_at(digits.len() - 9);
        let all = format!("{}{whole}.{part}", if nanos < 0 { "-" } else { "" });
        assert_eq!(Money::from_nanos(nanos).to_string(), all.trim_end_matches('0').trim_end_matches('.'));
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
