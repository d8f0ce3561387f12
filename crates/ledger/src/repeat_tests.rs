use super::*;

const KEY: u128 = 7;

#[test]
fn only_the_first_call_under_a_key_is_charged() {
    let repeats = Repeats::new(1000, 10, 100);
    assert_eq!(repeats.begin(0, KEY, 1), Repeat::First);
    assert_eq!(repeats.begin(0, KEY, 1), Repeat::Running);
    assert_eq!(repeats.begin(0, KEY, 2), Repeat::Different);
    repeats.end(KEY, Some((77, 1)));
    assert_eq!(repeats.begin(1, KEY, 1), Repeat::Served(77));
    // What ended without an answer may be tried again, and what was answered stays answered.
    repeats.end(KEY, None);
    repeats.end(KEY, Some((78, 1)));
    assert_eq!(repeats.begin(2, KEY, 1), Repeat::Served(77));
    assert_eq!(repeats.begin(2, 8, 1), Repeat::First);
    repeats.end(8, None);
    assert_eq!(repeats.begin(3, 8, 1), Repeat::First);
    assert_eq!(repeats.begin(1000, KEY, 1), Repeat::First);
}

#[test]
fn what_was_served_before_is_not_charged_once_more_until_its_time_is_over() {
    let repeats = Repeats::new(1000, 2, 100);
    repeats.served_before(1, 7, 1, "gone");
    repeats.served_before(2, 8, 1, "gone");
    repeats.served_before(3, 9, 1, "gone");
    assert_eq!(repeats.begin(900, 9, 1), Repeat::Served("gone"));
    assert_eq!(repeats.begin(900, 9, 2), Repeat::Different);
    // The oldest were forgotten for want of room, and this one when its time is over.
    assert_eq!(repeats.begin(900, 7, 1), Repeat::First);
    assert_eq!(repeats.begin(1003, 9, 1), Repeat::First);
}

#[test]
fn no_more_keys_and_bytes_are_remembered_than_were_agreed() {
    let repeats = Repeats::new(i64::MAX, 10, 50);
    for number in 0..1000 {
        assert_eq!(repeats.begin(0, number, 1), Repeat::First);
        repeats.end(number, Some(((), 7)));
        let state = repeats.known.lock();
        assert!(state.keys.len() <= 10 && state.order.len() <= 10 && state.bytes <= 50);
        assert_eq!(state.bytes, state.keys.values().map(|known| known.bytes).sum::<usize>());
    }
    // The latest are still known.
    assert_eq!(repeats.begin(0, 999, 1), Repeat::Served(()));
}
