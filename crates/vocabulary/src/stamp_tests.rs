use super::*;

fn written(millis: u64) -> String {
    let mut out = String::new();
    Stamp::default().write(&mut out, millis);
    out
}

#[test]
fn known_moments_are_written_as_the_calendar_has_them() {
    let known = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
        (1_763_700_224_123, "2025-11-21T04:43:44.123Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ];
    for (millis, text) in known {
        assert_eq!(written(millis), text);
    }
}

#[test]
fn a_kept_second_is_not_printed_for_another() {
    let mut stamp = Stamp::default();
    let mut out = String::new();
    for millis in [1_763_700_224_123, 1_763_700_224_999, 1_763_700_225_000, 1_763_700_224_000] {
        stamp.write(&mut out, millis);
        out.push('\n');
    }
    assert_eq!(
        out,
        "2025-11-21T04:43:44.123Z\n2025-11-21T04:43:44.999Z\n2025-11-21T04:43:45.000Z\n2025-11-21T04:43:44.000Z\n"
    );
}

#[test]
fn the_time_alone_leaves_what_was_written_before() {
    let mut out = String::from("at ");
    Stamp::default().write_time(&mut out, 1_763_700_224_123);
    assert_eq!(out, "at 04:43:44");
}

#[test]
fn a_clock_gone_wild_does_not_panic() {
    assert!(written(u64::MAX).starts_with("9999-12-31T23:59:59."));
}
