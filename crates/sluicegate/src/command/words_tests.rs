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

#[test]
fn windows_have_names() {
    let told = [Some(1.0), Some(60.0), Some(3600.0), Some(86_400.0), Some(15.0), None].map(window);
    assert_eq!(told, ["second", "minute", "hour", "day", "15 s", "at once"]);
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
