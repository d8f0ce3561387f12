use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);
const WINDOW: u64 = 60_000_000_000;
const PART: u64 = WINDOW / PARTS;

/// Gaps that a client would choose who wants to find an edge.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        2 => 1..PART,
        2 => (0..3 * PARTS, 0..3_u64).prop_map(|(parts, off)| (parts * PART + off).saturating_sub(1)),
        1 => (0..3_u64).prop_map(|off| WINDOW + off - 1),
        1 => (0..3_u64).prop_map(|off| WINDOW + PART + off - 1),
        1 => 0..4 * WINDOW,
    ]
}

fn pace() -> impl Strategy<Value = Hold> {
    prop_oneof![Just(Hold::Free), Just(Hold::BeyondHalf), Just(Hold::Always)]
}

fn trace() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec((gap(), prop_oneof![Just(1_u64), 0..20_u64, 80..101_u64]), 1..200)
}

/// The most admitted in any stretch of a window's length, both ends included.
fn worst_stretch(admitted: &[(u64, u64)]) -> u64 {
    let stretch = |from: u64| admitted.iter().filter(move |(at, _)| (from..=from + WINDOW).contains(at));
    admitted.iter().map(|&(from, _)| stretch(from).map(|(_, amount)| amount).sum()).max().unwrap_or(0)
}

fn wait(refused: Refused) -> Duration {
    match refused {
        Refused::Short(short) => short.wait.expect("fits some time"),
        Refused::Closed => panic!("closed"),
    }
}

/// Puts all charges into their sub-buckets: a charge of nothing changes nothing else.
fn sort_in(window: &SlidingWindow, now: Nanos) {
    window.charge(now, now, 0).expect("open");
}

proptest! {
    #[test]
    fn window_never_exceeds_limit(trace in trace(), paces in vec(pace(), 200), start in 0..2 * WINDOW) {
        let window = SlidingWindow::new(100, MINUTE);
        let (mut now, mut admitted) = (start, Vec::new());
        for ((gap, amount), pace) in trace.into_iter().zip(paces) {
            now += gap;
            if window.take(Nanos(now), amount, pace).is_ok() {
                admitted.push((now, amount));
            }
        }
        prop_assert!(worst_stretch(&admitted) <= 100);
    }

    #[test]
    fn clock_step_back_safe(trace in trace(), pace in pace(), back in vec(0..3 * WINDOW, 200)) {
        let window = SlidingWindow::new(100, MINUTE);
        let (mut newest, mut admitted) = (0, Vec::new());
        for ((gap, amount), back) in trace.into_iter().zip(back) {
            let now = (newest + gap).saturating_sub(back);
            newest = newest.max(now);
            if window.take(Nanos(now), amount, pace).is_ok() {
                admitted.push((newest, amount));
            }
        }
        prop_assert!(worst_stretch(&admitted) <= 100);
    }

    #[test]
    fn retry_after_is_true_and_no_longer_than_needed(trace in trace(), debt in 0..300_u64, amount in 1..=100_u64) {
        let window = SlidingWindow::new(100, MINUTE);
        let mut now = 0;
        for (gap, amount) in trace {
            now += gap;
            let _ = window.take(Nanos(now), amount, Hold::Free);
        }
        window.charge(Nanos(now), Nanos(now), debt).expect("open");
        if let Err(refused) = window.take(Nanos(now), amount, Hold::Free) {
            let then = Nanos(now).after(wait(refused));
            prop_assert!(window.shortfall(Nanos(then.0 - 1), amount, Hold::Free).expect("open").is_some(), "an earlier time would do");
            prop_assert_eq!(window.take(then, amount, Hold::Free), Ok(()));
        }
    }

    /// For the pace, "no longer than needed" within a millisecond: credits are fractions.
    #[test]
    fn retry_after_of_the_pace_is_true(
        trace in trace(), paces in vec(pace(), 200), debt in 0..40_u64, back in 0..40_u64, amount in 1..=100_u64, waited in any::<bool>(),
    ) {
        let window = SlidingWindow::new(100, MINUTE);
        let hold = if waited { Hold::Always } else { Hold::BeyondHalf };
        let mut now = 0;
        for ((gap, amount), pace) in trace.into_iter().zip(paces) {
            now += gap;
            let _ = window.take(Nanos(now), amount, pace);
        }
        window.charge(Nanos(now), Nanos(now), debt).expect("open");
        window.refund(Nanos(now), back).expect("open");
        if let Err(refused) = window.take(Nanos(now), amount, hold) {
            let then = Nanos(now).after(wait(refused));
            if then.0 > now + 1_000_000 {
                let early = window.shortfall(Nanos(then.0 - 1_000_000), amount, hold).expect("open");
                prop_assert!(early.is_some(), "an earlier time would do");
            }
            prop_assert_eq!(window.take(then, amount, hold), Ok(()));
        }
    }

    /// Against a window that puts every charge into its sub-bucket at once: the same answers.
    #[test]
    fn it_does_not_matter_when_charges_are_sorted_in(
        steps in vec((gap(), 0..40_u64, 0..9_u8, pace(), any::<prop::sample::Index>()), 1..200), late in vec(0..2 * PART, 200),
    ) {
        let (window, sorted) = (SlidingWindow::new(200, MINUTE), SlidingWindow::new(200, MINUTE));
        let (mut now, mut takes) = (WINDOW, vec![Nanos(0)]);
        for ((gap, amount, action, hold, of), late) in steps.into_iter().zip(late) {
            now += gap;
            let (at, earlier) = (Nanos(now - late), takes[of.index(takes.len())]);
            match action {
                0 => prop_assert_eq!(window.refund(earlier, amount), sorted.refund(earlier, amount)),
                1 => prop_assert_eq!(window.charge(at, earlier, amount), sorted.charge(at, earlier, amount)),
                2 => prop_assert_eq!(window.shortfall(at, amount, hold), sorted.shortfall(at, amount, hold)),
                3 => prop_assert_eq!(window.gauge(at), sorted.gauge(at)),
                _ => {
                    sort_in(&sorted, at);
                    let taken = window.take(at, amount, hold);
                    prop_assert_eq!(taken, sorted.take(at, amount, hold));
                    takes.extend(taken.is_ok().then_some(at));
                }
            }
            sort_in(&sorted, Nanos(0));
        }
        prop_assert_eq!(window.is_idle(Nanos(now)), sorted.is_idle(Nanos(now)));
        prop_assert_eq!(window.pace(Nanos(now)), sorted.pace(Nanos(now)));
        prop_assert_eq!(window.gauge(Nanos(now)), sorted.gauge(Nanos(now)));
    }

    /// Against a log of every charge: the level is the limit less what the log says still counts, whatever mixture of
    /// charges, overages and refunds there was, and however late they came.
    #[test]
    fn level_agrees_with_a_log_of_every_charge(
        steps in vec((gap(), 0..60_u64, 0..3_u8, any::<prop::sample::Index>()), 1..150),
    ) {
        let window = SlidingWindow::new(100, MINUTE);
        let mut now = 0;
        let counts = |part: u64, now: u64| part + PARTS >= now / PART;
        // When each was taken and how much of it is still charged; what was charged on top, and in which sub-bucket.
        let mut takes: Vec<(u64, u64)> = Vec::new();
        let mut overages: Vec<(u64, u64)> = Vec::new();
        for (gap, amount, action, which) in steps {
            now += gap;
            if action == 0 && window.take(Nanos(now), amount, Hold::Free).is_ok() {
                takes.push((now, amount));
            } else if action > 0 && !takes.is_empty() {
                let taken = which.index(takes.len());
                let (at, charged) = &mut takes[taken];
                if action == 1 {
                    let back = amount.min(*charged);
                    *charged -= back;
                    window.refund(Nanos(*at), back).expect("open");
                } else {
                    let part = *at / PART;
                    overages.push((if counts(part, now) { part } else { now / PART }, amount));
                    window.charge(Nanos(now), Nanos(*at), amount).expect("open");
                }
            }
            let log = takes.iter().map(|&(at, charged)| (at / PART, charged)).chain(overages.iter().copied());
            let used: u64 = log.filter(|&(part, _)| counts(part, now)).map(|(_, amount)| amount).sum();
            prop_assert_eq!(window.gauge(Nanos(now)).expect("open").left, 100_u64.saturating_sub(used));
        }
    }

    #[test]
    fn any_input_is_answered(
        limit in any::<u64>(), length in any::<u64>(),
        steps in vec((any::<u64>(), any::<u64>(), any::<u64>(), 0..6_u8), 1..50),
    ) {
        let window = SlidingWindow::new(limit, Duration::from_nanos(length));
        for (now, at, amount, action) in steps {
            match action {
                0 => drop(window.take(Nanos(now), amount, Hold::Free)),
                1 => drop(window.refund(Nanos(at), amount)),
                4 => drop(window.take(Nanos(now), amount, Hold::BeyondHalf)),
                5 => prop_assert!(window.pace(Nanos(now)).expect("open") >= 0.0),
                2 => drop(window.charge(Nanos(now), Nanos(at), amount)),
                _ => prop_assert!(window.gauge(Nanos(now)).expect("open").left <= limit),
            }
        }
    }
}

/// The attack on fixed windows: everything at once, just before and just after every possible edge.
#[test]
fn bursts_around_every_phase_never_exceed_limit() {
    for phase in 0..2 * PARTS {
        for nudge in [-1_i64, 0, 1] {
            let window = SlidingWindow::new(100, MINUTE);
            let mut admitted = Vec::new();
            for burst in 0..6 {
                let at = (phase * PART + burst * WINDOW / 2).saturating_add_signed(nudge);
                for _ in 0..150 {
                    if window.take(Nanos(at), 1, Hold::Free).is_ok() {
                        admitted.push((at, 1));
                    }
                }
            }
            assert_eq!(worst_stretch(&admitted), 100, "phase {phase}, nudge {nudge}");
        }
    }
}

#[test]
fn a_greedy_client_loses_no_more_than_the_running_sub_bucket() {
    let window = SlidingWindow::new(100, MINUTE);
    // Seven attempts in each sub-bucket, for ten times 101 of them.
    let attempts = (0..7 * 10 * SLOTS as u64).map(|attempt| attempt * PART / 7);
    assert_eq!(attempts.filter(|&now| window.take(Nanos(now), 1, Hold::Free).is_ok()).count(), 10 * 100);
}

#[test]
fn refund_after_the_window_rolled_changes_nothing() {
    let window = SlidingWindow::new(100, MINUTE);
    let (charged, rolled) = (Nanos(0), Nanos(WINDOW + PART));
    window.take(charged, 100, Hold::Free).expect("empty");
    window.take(rolled, 70, Hold::Free).expect("the first has left");
    window.refund(charged, 100).expect("open");
    assert_eq!(window.gauge(rolled).expect("open").left, 30);
}

#[test]
fn refund_finds_a_charge_whose_time_came_late() {
    let window = SlidingWindow::new(100, MINUTE);
    let (early, late) = (Nanos(5 * PART), Nanos(9 * PART));
    window.take(late, 10, Hold::Free).expect("empty");
    window.take(early, 20, Hold::Free).expect("room");
    window.refund(early, 20).expect("open");
    assert_eq!(window.gauge(late).expect("open").left, 90);
}

#[test]
fn more_than_the_limit_never_fits() {
    let window = SlidingWindow::new(100, MINUTE);
    assert_eq!(
        window.take(Nanos(0), 101, Hold::Free),
        Err(Refused::Short(Shortfall { left: 100, wait: None, reason: Reason::NeverFits }))
    );
    assert_eq!(window.take(Nanos(0), 100, Hold::Free), Ok(()));
}

#[test]
fn limit_of_zero_admits_nothing() {
    let window = SlidingWindow::new(0, MINUTE);
    assert_eq!(
        window.take(Nanos(0), 1, Hold::Free),
        Err(Refused::Short(Shortfall { left: 0, wait: None, reason: Reason::NeverFits }))
    );
}

#[test]
fn full_again_when_the_last_charge_has_left() {
    let window = SlidingWindow::new(100, MINUTE);
    assert_eq!(window.gauge(Nanos(7)).expect("open").full_in, Duration::ZERO);
    window.take(Nanos(0), 10, Hold::Free).expect("empty");
    window.take(Nanos(3 * PART + 1), 10, Hold::Free).expect("room");
    let gauge = window.gauge(Nanos(4 * PART)).expect("open");
    assert_eq!((gauge.left, gauge.full_in), (80, Duration::from_nanos(PARTS * PART)));
    assert_eq!(window.gauge(Nanos((PARTS + 4) * PART - 1)).expect("open").left, 90);
    assert_eq!(window.gauge(Nanos((PARTS + 4) * PART)).expect("open").left, 100);
}

#[test]
fn sub_buckets_of_odd_windows_cover_the_whole_window() {
    for nanos in [1, 99, 100, 101, 1_000_000_000, 999_999_999] {
        assert!(width_of(Duration::from_nanos(nanos)) * PARTS >= nanos);
    }
}

#[test]
fn closed_window_answers_nothing_more() {
    let window = SlidingWindow::new(100, MINUTE);
    window.take(Nanos(0), 10, Hold::Free).expect("empty");
    assert_eq!(window.close(Nanos(0)).expect("first").left, 90);
    assert_eq!(window.take(Nanos(0), 1, Hold::Free), Err(Refused::Closed));
    assert_eq!(window.refund(Nanos(0), 1), Err(Closed));
    assert_eq!(window.charge(Nanos(0), Nanos(0), 1), Err(Closed));
    assert!(window.close(Nanos(0)).is_err());
}
