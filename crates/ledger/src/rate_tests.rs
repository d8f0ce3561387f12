use super::*;

#[test]
fn prints_what_it_reads() {
    for text in ["0", "3", "0.25", "0.000001", "15", "112.5", "0.0375"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}

#[test]
fn one_dollar_per_million_is_a_million_picos_a_token() {
    assert_eq!("1".parse(), Ok(Rate::from_picos(1_000_000)));
    assert_eq!("0.007".parse(), Ok(Rate::from_picos(7_000)));
}

#[test]
fn refuses_what_is_not_a_price() {
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", " 1", "1000001", "99999999999999999999", "NaN"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError), "{text:?}");
    }
}
