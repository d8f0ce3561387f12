use super::*;

const WATCH: Duration = Duration::from_secs(20);
const TICKS: usize = 20;

/// What is seen for so many seconds of something asked twenty times a second, where it is asked.
fn asked(seconds: usize, is_asked: impl Fn(f64) -> bool, mut has_room: impl FnMut(f64) -> bool) -> Seen {
    let mut seen = Seen::default();
    for at in (1..=seconds * TICKS).map(|tick| tick as f64 / TICKS as f64).filter(|at| is_asked(*at)) {
        if has_room(at) { seen.passed(at, 0.5, 10) } else { seen.refused(at) }
    }
    seen
}

/// On a machine that does not stand still.
const fn always(_: f64) -> bool {
    true
}

/// A bucket of 240 a minute that holds so many.
fn bucket(mut level: f64) -> impl FnMut(f64) -> bool {
    let mut since = 0.0;
    move |at| {
        level += (at - since) * 4.0;
        since = at;
        let has_room = level >= 1.0;
        level -= if has_room { 1.0 } else { 0.0 };
        has_room
    }
}

/// A window of so many a minute.
fn window(limit: usize) -> impl FnMut(f64) -> bool {
    let mut taken: Vec<f64> = Vec::new();
    move |at| {
        taken.retain(|then| *then > at - 60.0);
        let has_room = taken.len() < limit;
        taken.extend(has_room.then_some(at));
        has_room
    }
}

fn is_240(pace: Option<Pace>) {
    let pace = pace.expect("enough was seen");
    assert!((pace.calls / 240.0 - 1.0).abs() < 0.03 && (pace.tokens / pace.calls - 10.0).abs() < 1e-9, "{pace:?}");
}

#[test]
fn a_bucket_has_its_pace_however_long_nobody_asked() {
    is_240(asked(20, always, bucket(0.0)).steady(0.0, 20.0).map(|(pace, _)| pace));
    for still in [9.0..11.0, 17.0..19.0] {
        let seen = asked(20, |at| !still.contains(&at), bucket(0.0));
        is_240(seen.steady(0.0, 20.0).map(|(pace, _)| pace));
    }
    // What a bucket gathered at first comes out at once, and is no pace.
    let seen = asked(60, |at| at > 5.0, bucket(0.0));
    assert_eq!(seen.steady(0.0, 20.0), None);
    is_240(seen.steady(0.0, 60.0).map(|(pace, _)| pace));
}

#[test]
fn a_full_bucket_is_known_within_the_watch_and_a_window_when_it_is_over() {
    // Both let the same through until they are empty.
    let emptied = |full: &Seen| full.0.iter().find(|event| event.passed.is_none()).expect("a refusal").at;
    let full = asked(90, always, bucket(240.0));
    is_240(full.pace(emptied(&full), emptied(&full) + 25.0, Unit::Calls, WATCH));

    let whole = asked(90, always, window(240));
    let since = emptied(&whole);
    for until in [since + 25.0, since + 55.0] {
        assert_eq!(whole.pace(since, until, Unit::Calls, WATCH), None, "{until}");
    }
    is_240(whole.pace(since, since + 70.0, Unit::Calls, WATCH));
}

/// A machine that stands still when a call has begun lets it arrive when there is more room.
#[test]
fn a_call_that_was_held_up_tells_no_pace() {
    let mut seen = asked(20, |at| at < 17.0, bucket(0.0));
    (0..11).for_each(|call| seen.passed(16.92 + f64::from(call) / 500.0, 3.5, 10));
    seen.passed(16.951, 3.5, 10);
    is_240(seen.steady(0.0, 17.0).map(|(pace, _)| pace));
}

/// What a window lets through comes again a minute later at the pace at which it was asked for.
#[test]
fn an_echo_is_no_pace() {
    let slowly_at_first = |at: f64| at > 54.0 || ((at * TICKS as f64) as usize).is_multiple_of(4);
    let seen = asked(120, slowly_at_first, window(265));
    let pace = seen.pace(53.5, 115.0, Unit::Calls, WATCH).expect("a minute was seen");
    assert!((pace.calls / 265.0 - 1.0).abs() < 0.01, "{pace:?}");
}

#[test]
fn what_is_seen_for_a_moment_is_not_believed() {
    let seen = asked(30, always, bucket(60.0));
    assert_eq!(seen.pace(4.0, 9.0, Unit::Calls, WATCH), None);
}
