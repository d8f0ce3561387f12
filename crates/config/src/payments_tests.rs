use super::*;

fn currency(text: &str) -> Currency {
    Currency::try_from(text.to_owned()).unwrap()
}

#[test]
fn amounts_are_counted_in_the_smallest_unit_of_their_currency() {
    assert_eq!(currency("cny").smallest("9.9"), Ok(990));
    assert_eq!(currency("JPY").smallest("990"), Ok(990));
    assert_eq!(currency("KWD").smallest("1.005"), Ok(1005));
    for (of, text) in [("CNY", "9.901"), ("JPY", "9.9"), ("CNY", "0"), ("CNY", "-1"), ("CNY", ""), ("CNY", ".5")] {
        assert_eq!(currency(of).smallest(text), Err(CurrencyError::NotAnAmount), "{text} {of}");
    }
    assert!(Currency::try_from("YUAN".to_owned()).is_err());
    assert_eq!(currency("CNY").written(5), "0.05");
    assert_eq!(currency("JPY").written(5), "5");
}

#[test]
fn a_rate_is_applied_to_the_nano_dollar() {
    let payments =
        Payments { credit: BTreeMap::from([(currency("CNY"), "0.14".parse().unwrap())]), ..Payments::default() };
    assert_eq!(payments.credit(&currency("CNY"), 990), Some("1.386".parse().unwrap()));
    assert_eq!(payments.credit(&currency("USD"), 990), None);
    assert_eq!(payments.credit(&currency("CNY"), u64::MAX), None);
}
