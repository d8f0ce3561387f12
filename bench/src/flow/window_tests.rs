use super::{Event, least, longest_gap, most, saturated, surely_most};
use std::time::Duration;

fn events(millis: &[u64]) -> Vec<Event> {
    millis.iter().map(|&at| Event { at: Duration::from_millis(at), amount: 1 }).collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_fullest_stretch_is_found_wherever_it_begins() {
    let events = events(&[0, 900, 950, 1000, 1899, 1900]);
    assert_eq!(most(&events, SECOND), (4, Duration::from_millis(1899)));
}

#[test]
fn of_events_that_came_late_only_those_count_that_surely_lie_in_one_stretch() {
    let spans: Vec<_> = [(990, 1010), (0, 20), (30, 30), (1020, 1020), (950, 999)]
        .map(|(from, to)| Duration::from_millis(from)..Duration::from_millis(to))
        .to_vec();
    // The one that came at 1010 may have come at 990 or after the second was over.
    assert_eq!(surely_most(&spans, SECOND), 4);
    assert_eq!(surely_most(&spans[..3], SECOND), 2);
    assert_eq!(surely_most(&[], SECOND), 0);
}

#[test]
fn events_a_whole_window_apart_are_not_in_one_stretch() {
    assert_eq!(most(&events(&[0, 1000]), SECOND).0, 1);
    assert_eq!(most(&events(&[0, 999]), SECOND).0, 2);
}

#[test]
fn the_emptiest_stretch_begins_right_after_an_event() {
    let even = events(&[0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
    let until = Duration::from_millis(2000);
    assert_eq!(least(&even, SECOND, Duration::ZERO, until), Some(4));
    let hole = events(&[0, 250, 500, 750, 1000, 1750, 2000]);
    assert_eq!(least(&hole, SECOND, Duration::ZERO, until), Some(2));
    assert_eq!(least(&hole, SECOND, Duration::from_millis(1001), until), None);
}

#[test]
fn a_stretch_that_runs_dry_is_the_emptiest() {
    let dry = events(&[0, 250, 500]);
    assert_eq!(least(&dry, SECOND, Duration::ZERO, Duration::from_secs(5)), Some(0));
    let gap = longest_gap(&dry, Duration::ZERO, Duration::from_secs(5));
    assert_eq!(gap, Some(Duration::from_millis(4500)));
}

#[test]
fn a_window_is_saturated_once_it_is_full_and_the_first_burst_has_left() {
    let even = events(&[0, 0, 500, 1000, 1020, 1500, 1510]);
    let at = |enough| saturated(&even, SECOND, enough, Duration::ZERO);
    assert_eq!(at(2), Some(Duration::from_millis(1020)));
    assert_eq!(at(4), Some(Duration::from_millis(1500)));
    assert_eq!(at(6), None);
}
