use super::*;

#[test]
fn only_the_first_call_under_a_key_is_charged() {
    let (repeats, tenant) = (Repeats::new(1000, 10), Arc::from("t"));
    assert_eq!(repeats.begin(0, &tenant, "k", 1), Repeat::First);
    assert_eq!(repeats.begin(0, &tenant, "k", 1), Repeat::Running);
    assert_eq!(repeats.begin(0, &tenant, "k", 2), Repeat::Different);
    repeats.end(&tenant, "k", Some(77));
    assert_eq!(repeats.begin(1, &tenant, "k", 1), Repeat::Charged(77));
    // What ended without a charge may be tried again, and what was charged stays charged.
    repeats.end(&tenant, "k", None);
    assert_eq!(repeats.begin(2, &tenant, "k", 1), Repeat::Charged(77));
    assert_eq!(repeats.begin(2, &tenant, "other", 1), Repeat::First);
    repeats.end(&tenant, "other", None);
    assert_eq!(repeats.begin(3, &tenant, "other", 1), Repeat::First);
    assert_eq!(repeats.begin(1000, &tenant, "k", 1), Repeat::First);
}

#[test]
fn tenants_do_not_meet_in_a_key() {
    let repeats = Repeats::new(1000, 10);
    assert_eq!(repeats.begin(0, &Arc::from("a"), "k", 1), Repeat::First);
    assert_eq!(repeats.begin(0, &Arc::from("b"), "k", 1), Repeat::First);
}

#[test]
fn no_more_keys_are_remembered_than_were_agreed() {
    let (repeats, tenant) = (Repeats::new(i64::MAX, 10), Arc::from("t"));
    for number in 0..1000 {
        assert_eq!(repeats.begin(0, &tenant, &number.to_string(), 1), Repeat::First);
    }
    let state = repeats.known.lock();
    assert!(state.keys.len() <= 10 && state.order.len() <= 10);
}
