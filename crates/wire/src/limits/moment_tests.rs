use super::*;
use proptest::prelude::*;

const fn at(ms: u64) -> impl Fn() -> u64 {
    move || ms
}

#[test]
fn gos_durations_are_read() {
    let known = [
        ("120ms", 120.0),
        ("1ms", 1.0),
        ("0s", 0.0),
        ("17ms", 17.0),
        ("50.529s", 50_529.0),
        ("6m0s", 360_000.0),
        ("1h2m3s", 3_723_000.0),
        ("1h2m3.5s", 3_723_500.0),
        ("250µs", 0.25),
        ("250us", 0.25),
        ("500000ns", 0.5),
        ("2m59.56s", 179_560.0),
        ("0", 0.0),
    ];
    for (text, ms) in known {
        let read = wait(text, at(0)).unwrap().as_secs_f64() * 1000.0;
        assert!((read - ms).abs() < 1e-6, "{text}: {read}");
    }
}

#[test]
fn bare_numbers_are_seconds_or_count_from_1970() {
    assert_eq!(wait("6", at(0)), Some(Duration::from_secs(6)));
    assert_eq!(wait(" 33011.5 ", at(0)), Some(Duration::from_millis(33_011_500)));
    assert_eq!(wait("1795255205", at(1_795_255_200_000)), Some(Duration::from_secs(5)));
    assert_eq!(wait("1795255205000", at(1_795_255_200_000)), Some(Duration::from_secs(5)));
}

#[test]
fn moments_are_counted_from_now() {
    let now = 1_795_255_200_000; // 2026-11-21T10:00:00Z
    assert_eq!(wait("2026-11-21T10:00:05Z", at(now)), Some(Duration::from_secs(5)));
    assert_eq!(wait("2026-11-21T10:00:05.25Z", at(now)), Some(Duration::from_millis(5250)));
    assert_eq!(wait("2026-11-21T11:00:05+01:00", at(now)), Some(Duration::from_secs(5)));
    assert_eq!(wait("2026-11-21T07:30:05.123456-02:30", at(now)), Some(Duration::from_millis(5123)));
    assert_eq!(wait("2026-11-21T09:00:00Z", at(now)), Some(Duration::ZERO), "it has passed");
}

#[test]
fn what_is_no_time_is_none() {
    for text in [
        "",
        "s",
        "-1",
        "-1s",
        "-5",
        "1x",
        "1.2.3s",
        "inf",
        "nan",
        "soon",
        "5 s",
        "1h-2m",
        "2026-11-21",
        "2026-13-01T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T10:00:05",
        "2026-11-21T10:00:05Zjunk",
        "999999999999999999999h",
        "é",
        "1é",
    ] {
        assert_eq!(wait(text, at(0)), None, "{text}");
    }
}

#[test]
fn dates_of_http_are_read() {
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(http_date("Sat, 21 Nov 2026 10:00:00 GMT"), Some(1_795_255_200));
    assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in ".{0,40}") {
        let _ = (wait(&text, at(1)), http_date(&text), rfc3339(&text));
    }

    #[test]
    fn near_misses_do_not_panic(text in "[0-9a-zµ:.+TZ, -]{0,30}") {
        let _ = (wait(&text, at(1)), http_date(&text), rfc3339(&text));
    }
}
