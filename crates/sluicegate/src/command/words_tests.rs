use super::*;

#[test]
fn times_come_in_the_unit_that_fits() {
    let told = [0.0, 0.04, 9.94, 12.4, 999.4, 1500.0, 12_300.0, 150_000.0, 8_000_000.0].map(brief);
    assert_eq!(told, ["0", "0.0 ms", "9.9 ms", "12 ms", "999 ms", "1.5 s", "12 s", "2 min", "2 h"]);
    assert_eq!([5, 65, 3700, 90_000].map(lasting), ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]);
}

#[test]
fn thousands_stand_apart() {
    assert_eq!([0, 999, 1000, 120_000, 1_234_567].map(grouped), ["0", "999", "1 000", "120 000", "1 234 567"]);
    assert_eq!([5, 2048, 3 << 20].map(bytes), ["5 B", "2 KiB", "3.0 MiB"]);
}

pub(crate) fn limit(name: &str, capacity: u64, left: u64) -> FlowLimit {
    let (scope, owner) = name.split_once(':').unwrap();
    FlowLimit {
        name: name.to_owned(),
        scope: scope.to_owned(),
        owner: owner.to_owned(),
        counts: "requests".to_owned(),
        window_seconds: Some(60.0),
        set: capacity,
        capacity,
        left,
        fill_percent: left as f64 * 100.0 / capacity as f64,
        refills_in_ms: Some(12_300),
        waiting: 0,
        oldest_wait_ms: 0,
        shadow: false,
        would_refuse: 0,
    }
}

#[test]
fn a_limit_says_whose_it_is_and_what_it_counts() {
    let mut one = limit("key:web", 600, 388);
    assert_eq!((owner(&one), &*amount(&one)), ("key:web", "212/600"));
    assert_eq!(owner(&limit("overall:overall", 1, 1)), "overall");
    let mut told = |window| {
        one.window_seconds = window;
        counts(&one)
    };
    let windows = [Some(1.0), Some(60.0), Some(3600.0), Some(86_400.0), Some(15.0), None].map(&mut told);
    assert_eq!(
        windows,
        ["requests/second", "requests/minute", "requests/hour", "requests/day", "requests/15 s", "requests"]
    );
}

#[test]
fn what_allows_nothing_is_used_up_and_nothing_is_used_more_than_that() {
    let shares = [limit("key:a", 100, 25), limit("key:a", 0, 0), limit("key:a", 100, 700)].map(|limit| used(&limit));
    assert_eq!(shares, [0.75, 1.0, 0.0]);
}

#[test]
fn a_bar_is_as_long_as_its_share() {
    for (share, full) in [(0.0, 0), (0.04, 0), (0.5, 5), (1.0, 10), (7.0, 10), (f64::NAN, 0)] {
        let (there, missing) = bar(share, 10);
        assert_eq!((there.chars().count(), missing.chars().count()), (full, 10 - full), "{share}");
    }
}

#[test]
fn what_others_have_named_neither_overflows_nor_steers_the_terminal() {
    assert_eq!(fitted("key:backend", 11), "key:backend");
    assert_eq!(fitted("key:backend", 8), "key:bac…");
    assert_eq!(fitted("a\u{1b}[2J", 9), "a\u{fffd}[2J");
}
