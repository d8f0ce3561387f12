use super::*;

#[test]
fn only_the_first_call_under_a_key_is_charged() {
    let (repeats, client) = (Repeats::new(1000, 10, 100), Arc::from("c"));
    assert_eq!(repeats.begin(0, &client, "k", 1), Repeat::First);
    assert_eq!(repeats.begin(0, &client, "k", 1), Repeat::Running);
    assert_eq!(repeats.begin(0, &client, "k", 2), Repeat::Different);
    repeats.end(&client, "k", Some((77, 1)));
    assert_eq!(repeats.begin(1, &client, "k", 1), Repeat::Served(77));
    // What ended without an answer may be tried again, and what was answered stays answered.
    repeats.end(&client, "k", None);
    repeats.end(&client, "k", Some((78, 1)));
    assert_eq!(repeats.begin(2, &client, "k", 1), Repeat::Served(77));
    assert_eq!(repeats.begin(2, &client, "other", 1), Repeat::First);
    repeats.end(&client, "other", None);
    assert_eq!(repeats.begin(3, &client, "other", 1), Repeat::First);
    assert_eq!(repeats.begin(1000, &client, "k", 1), Repeat::First);
}

#[test]
fn clients_do_not_meet_in_a_key() {
    let repeats = Repeats::<()>::new(1000, 10, 100);
    assert_eq!(repeats.begin(0, &Arc::from("a"), "k", 1), Repeat::First);
    assert_eq!(repeats.begin(0, &Arc::from("b"), "k", 1), Repeat::First);
}

#[test]
fn no_more_keys_and_bytes_are_remembered_than_were_agreed() {
    let (repeats, client) = (Repeats::new(i64::MAX, 10, 50), Arc::from("c"));
    for number in 0..1000 {
        let key = number.to_string();
        assert_eq!(repeats.begin(0, &client, &key, 1), Repeat::First);
        repeats.end(&client, &key, Some(((), 7)));
        let state = repeats.known.lock();
        assert!(state.keys.len() <= 10 && state.order.len() <= 10 && state.bytes <= 50);
        assert_eq!(state.bytes, state.keys.values().map(|known| known.bytes).sum::<usize>());
    }
    // The latest are still known.
    assert_eq!(repeats.begin(0, &client, "999", 1), Repeat::Served(()));
}
