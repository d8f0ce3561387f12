use super::*;
use proptest::prelude::*;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn calendar(per: Per, zone: &str) -> Calendar {
    Calendar { zone: TimeZone::get(zone).unwrap(), ..Calendar::utc(per) }
}

#[test]
fn periods_are_those_of_the_zones_own_calendar() {
    let cases = [
        (Per::Hour, "Asia/Kolkata", "2026-11-21T10:10:00Z", "2026-11-21T09:30:00Z", "2026-11-21T10:30:00Z"),
        (Per::Day, "UTC", "2026-11-21T10:10:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
        (Per::Day, "Asia/Shanghai", "2026-11-21T17:00:00Z", "2026-11-21T16:00:00Z", "2026-11-22T16:00:00Z"),
        // Twenty-five hours, and twenty-three.
        (Per::Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        (Per::Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        (Per::Week, "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Per::Month, "America/New_York", "2026-11-30T23:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        (Per::Month, "UTC", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
    ];
    for (per, zone, at, start, end) in cases {
        let expected = Span { start_ms: ms(start), end_ms: ms(end) };
        assert_eq!(calendar(per, zone).period(ms(at)), expected, "{per:?} {zone} {at}");
    }
    assert_eq!(Calendar::utc(Per::Total).period(0), Span::EVER);
}

#[test]
fn a_week_begins_on_the_day_that_was_set() {
    let sunday = Calendar { week_starts: Weekday::Sunday, ..Calendar::utc(Per::Week) };
    assert_eq!(sunday.period(ms("2026-11-22T00:00:00Z")).start_ms, ms("2026-11-22T00:00:00Z"));
    assert_eq!(sunday.period(ms("2026-11-21T23:59:59Z")).end_ms, ms("2026-11-22T00:00:00Z"));
}

proptest! {
    #[test]
    fn periods_follow_one_another_without_gap_or_overlap(
        at in -2_000_000_000_000..4_000_000_000_000_i64,
        per in prop::sample::select(vec![Per::Hour, Per::Day, Per::Week, Per::Month]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Shanghai"]),
    ) {
        let calendar = calendar(per, zone);
        let span = calendar.period(at);
        prop_assert!(span.start_ms <= at && at < span.end_ms);
        prop_assert_eq!(calendar.period(span.end_ms - 1), span);
        if per != Per::Hour {
            prop_assert_eq!(calendar.period(span.start_ms), span);
            prop_assert_eq!(calendar.period(span.end_ms).start_ms, span.end_ms);
        }
    }

    #[test]
    fn no_moment_is_too_far(at: i64) {
        let span = Calendar::utc(Per::Month).period(at);
        prop_assert!(span.start_ms <= at);
    }
}
