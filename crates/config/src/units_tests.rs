use super::*;

#[test]
fn prints_what_it_reads() {
    for text in ["0ms", "250ms", "30s", "90s", "2m", "1h", "14d"] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
    for text in ["0B", "500B", "64KiB", "32MiB", "10GiB", "7MB"] {
        assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
    }
}

#[test]
fn fractions_are_exact_or_refused() {
    assert_eq!("1.5m".parse(), Ok(Period::from_secs(90)));
    assert_eq!("0.5s".parse(), Ok(Period::from_millis(500)));
    assert_eq!("1.5KiB".parse(), Ok(Size::from_bytes(1536)));
    assert!("0.5ms".parse::<Period>().is_err());
    assert!("0.1B".parse::<Size>().is_err());
}

#[test]
fn a_number_without_a_unit_is_refused() {
    for text in
        ["", "30", "s", ".5s", "1.s", "1..2s", "-3s", "30 parsecs", "99999999999999999999d", "18446744073709551615d"]
    {
        assert!(text.parse::<Period>().is_err(), "{text:?}");
        assert!(text.parse::<Size>().is_err(), "{text:?}");
    }
}
