use super::*;
use AttemptResult::{
    AuthError, Broken, Cancelled, ClientError, Ok as Good, Overloaded, RateLimited, ServerError, Timeout,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new(BreakerSettings::default()))
}

fn call(breaker: &Arc<Breaker>, now: u64, result: AttemptResult) -> bool {
    let Ok(pass) = breaker.admit(Nanos(now)) else { return false };
    breaker.record(pass, result, Nanos(now), None, 1.0);
    true
}

/// Opens it at `now` by failures one after another.
fn kill(breaker: &Arc<Breaker>, now: u64) {
    while call(breaker, now, ServerError) {}
}

fn state(breaker: &Breaker, now: u64) -> BreakerState {
    breaker.status(Nanos(now)).state
}

#[test]
fn a_dead_target_meets_five_calls_and_those_in_flight() {
    let breaker = breaker();
    let in_flight: Vec<_> = (0..10).map(|_| breaker.admit(Nanos(0)).unwrap()).collect();
    for _ in 0..5 {
        assert!(call(&breaker, 1, Broken));
    }
    assert!(!call(&breaker, 2, Good));
    let before = breaker.status(Nanos(3));
    for pass in in_flight {
        breaker.record(pass, ServerError, Nanos(3), None, 1.0);
    }
    assert_eq!(breaker.status(Nanos(3)), before, "calls that began before it opened do not count again");
    assert_eq!(before.history.len(), 1);
    assert_eq!(before.history[0].cause, Cause::Consecutive);
}

#[test]
fn half_of_twenty_failing_is_borne_and_more_than_half_is_not() {
    for (bad_of_ten, stays) in [(5, true), (6, false)] {
        let breaker = breaker();
        for round in 0..10 {
            for call_ in 0..10 {
                // Spread so that never five fail one after another.
                let bad = if bad_of_ten == 5 { call_ % 2 == 1 } else { call_ % 5 < 3 };
                call(&breaker, round * SECOND / 10, if bad { Timeout } else { Good });
            }
        }
        assert_eq!(breaker.is_closed(), stays, "{bad_of_ten} of ten");
    }
}

#[test]
fn too_few_results_are_not_judged_and_old_ones_are_forgotten() {
    let breaker = breaker();
    for result in [ServerError, ServerError, Good].repeat(6) {
        assert!(call(&breaker, 0, result));
    }
    // Eighteen results ago in time: the window has moved on.
    for result in [ServerError, ServerError, Good].repeat(6) {
        assert!(call(&breaker, 10 * SECOND, result));
    }
    let status = breaker.status(Nanos(10 * SECOND));
    assert_eq!((status.results, status.failures, status.state), (18, 12, BreakerState::Closed));
}

#[test]
fn a_target_that_is_overloaded_for_most_calls_is_out_for_its_rate_and_never_dead() {
    let breaker = breaker();
    for _ in 0..19 {
        assert!(call(&breaker, 0, Overloaded), "however many one after another");
    }
    assert!(call(&breaker, 0, Overloaded));
    let isolated = breaker.admit(Nanos(1)).unwrap_err();
    assert!(isolated.on_rate, "so the last of a group is asked all the same");
}

#[test]
fn what_is_not_the_targets_fault_does_not_open_it() {
    let breaker = breaker();
    for result in [RateLimited, ClientError, AuthError, Cancelled].repeat(100) {
        assert!(call(&breaker, 0, result));
    }
    assert_eq!(breaker.status(Nanos(0)).results, 0);
}

#[test]
fn three_successes_in_a_row_close_it_and_the_load_comes_back_slowly() {
    let breaker = breaker();
    kill(&breaker, 0);
    assert!(!call(&breaker, SECOND - 1, Good));
    let back = SECOND + (1 << 24);
    for _ in 0..3 {
        assert_ne!(state(&breaker, back), BreakerState::Closed);
        assert!(call(&breaker, back, Good));
    }
    assert_eq!(state(&breaker, back), BreakerState::Closed);
    assert!((breaker.share(Nanos(back)) - 0.1).abs() < 1e-9);
    assert!((breaker.share(Nanos(back + 5 * SECOND)) - 0.55).abs() < 1e-9);
    assert!((breaker.share(Nanos(back + 10 * SECOND)) - 1.0).abs() < 1e-9);
    let states: Vec<_> = breaker.status(Nanos(back)).history.iter().map(|change| change.state).collect();
    assert_eq!(states, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
}

#[test]
fn who_fails_some_calls_is_asked_less_and_has_its_share_again_when_they_are_forgotten() {
    for (bad_of_fifty, share) in [(4, 1.0), (10, 0.4), (20, 0.2)] {
        let breaker = breaker();
        for call_ in 0..50 {
            call(&breaker, 0, if call_ < bad_of_fifty * 2 && call_ % 2 == 1 { Overloaded } else { Good });
        }
        assert!(breaker.is_closed());
        assert!((breaker.share(Nanos(SECOND)) - share).abs() < 1e-3, "{bad_of_fifty} of 50");
        assert!((breaker.share(Nanos(10 * SECOND)) - 1.0).abs() < 1e-9, "nothing was heard of it since");
        (0..50).for_each(|_| assert!(call(&breaker, 11 * SECOND, Good)));
        assert!((breaker.share(Nanos(11 * SECOND)) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn who_fails_all_calls_and_is_asked_all_the_same_keeps_a_tenth_of_them() {
    let never = BreakerSettings { consecutive: u32::MAX, success_rate: 0.0, ..BreakerSettings::default() };
    let breaker = Arc::new(Breaker::new(never));
    for calls in 0..100 {
        let whole = (breaker.share(Nanos(0)) - 1.0).abs() < 1e-9;
        assert_eq!(whole, calls < 20, "too few are not judged: {calls}");
        assert!(call(&breaker, 0, ServerError));
    }
    assert!((breaker.share(Nanos(0)) - 0.1).abs() < 1e-9);
}

#[test]
fn each_failed_probe_doubles_the_time_up_to_a_minute() {
    let breaker = breaker();
    kill(&breaker, 0);
    let mut now = 0;
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(!call(&breaker, now + seconds * SECOND - 1, Good), "still open before {seconds} s");
        now += seconds * SECOND + (1 << 24);
        assert!(call(&breaker, now, ServerError));
    }
}

#[test]
fn a_probe_told_to_slow_down_has_not_shown_that_the_target_is_back() {
    let breaker = breaker();
    kill(&breaker, 0);
    assert!(call(&breaker, 2 * SECOND, RateLimited));
    assert_eq!(state(&breaker, 2 * SECOND), BreakerState::Open);
}

#[test]
fn a_target_that_asks_for_longer_is_left_alone_for_longer_but_not_for_ever() {
    for (asked, waits) in [(0, 1), (90, 90), (100_000, 300)] {
        let breaker = breaker();
        for _ in 0..5 {
            let pass = breaker.admit(Nanos(0)).unwrap();
            breaker.record(pass, ServerError, Nanos(0), Some(Duration::from_secs(asked)), 1.0);
        }
        assert!(breaker.admit(Nanos(waits * SECOND - 1)).is_err());
        assert!(breaker.admit(Nanos(waits * SECOND + (1 << 24))).is_ok());
    }
}

#[test]
fn probes_never_exceed_configured() {
    for most in [1, 4] {
        let settings = BreakerSettings { probes: most, ..BreakerSettings::default() };
        let breaker = Arc::new(Breaker::new(settings));
        kill(&breaker, 0);
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                std::thread::spawn(move || {
                    (0..125).filter_map(|_| breaker.admit(Nanos(2 * SECOND)).ok()).collect::<Vec<_>>()
                })
            })
            .collect();
        let out: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        assert_eq!(out.len() as u32, most, "of a thousand callers");
        assert!(out.iter().all(Pass::is_probe));
    }
}

#[test]
fn a_cancelled_probe_gives_its_place_back_and_records_nothing() {
    let breaker = breaker();
    kill(&breaker, 0);
    let before = breaker.status(Nanos(2 * SECOND));
    for give_up in 0..5 {
        let probe = breaker.admit(Nanos(2 * SECOND)).unwrap();
        assert!(breaker.admit(Nanos(2 * SECOND)).is_err());
        match give_up % 2 {
            0 => drop(probe),
            _ => assert_eq!(breaker.record(probe, Cancelled, Nanos(2 * SECOND), None, 1.0), None),
        }
    }
    let after = breaker.status(Nanos(2 * SECOND));
    assert_eq!(
        (after.results, after.failures, after.consecutive),
        (before.results, before.failures, before.consecutive)
    );
    assert!(breaker.admit(Nanos(2 * SECOND)).is_ok());
}

#[test]
fn a_probe_is_judged_by_its_first_event_and_once_more_if_it_breaks_off() {
    let breaker = breaker();
    kill(&breaker, 0);
    let mut first = breaker.admit(Nanos(2 * SECOND)).unwrap();
    assert_eq!(breaker.heard(&mut first, Nanos(2 * SECOND)), None);
    let mut second = breaker.admit(Nanos(2 * SECOND)).expect("the first has given its place back");
    assert_eq!(breaker.heard(&mut second, Nanos(2 * SECOND)), None);
    breaker.record(second, Good, Nanos(2 * SECOND), None, 1.0);
    assert_eq!(
        state(&breaker, 2 * SECOND),
        BreakerState::HalfOpen,
        "one call is one success, however often it is told"
    );
    let opened = breaker.record(first, Broken, Nanos(3 * SECOND), None, 1.0).unwrap();
    assert_eq!((opened.state, opened.cause), (BreakerState::Open, Cause::ProbeFailed));
}

#[test]
fn three_probes_that_were_heard_of_close_it_and_say_so() {
    let breaker = breaker();
    kill(&breaker, 0);
    let changes: Vec<_> = (0..3)
        .map(|_| {
            let mut probe = breaker.admit(Nanos(2 * SECOND)).unwrap();
            let change = breaker.heard(&mut probe, Nanos(2 * SECOND));
            assert!(breaker.heard(&mut probe, Nanos(2 * SECOND)).is_none(), "it was no probe any more");
            change.map(|change| change.state)
        })
        .collect();
    assert_eq!(changes, [None, None, Some(BreakerState::Closed)]);
}

#[test]
fn other_settings_hold_from_the_next_result_on_and_an_operator_closes_it_at_once() {
    let breaker = breaker();
    breaker.reconfigure(BreakerSettings::default().with_failures(2).with_open_for(Duration::from_secs(30)));
    call(&breaker, 0, ServerError);
    call(&breaker, 0, ServerError);
    assert!(breaker.admit(Nanos(29 * SECOND)).is_err());
    breaker.close(Nanos(29 * SECOND));
    assert!(call(&breaker, 29 * SECOND, ServerError), "and what was counted is forgotten");
    assert!(breaker.is_closed());
}

#[test]
fn a_probe_that_is_never_heard_of_does_not_keep_the_target_out_for_ever() {
    let breaker = breaker();
    kill(&breaker, 0);
    let silent = breaker.admit(Nanos(2 * SECOND)).unwrap();
    assert!(breaker.admit(Nanos(61 * SECOND)).is_err());
    let second = breaker.admit(Nanos(63 * SECOND)).unwrap();
    breaker.record(silent, Good, Nanos(64 * SECOND), None, 1.0);
    assert!(breaker.admit(Nanos(64 * SECOND)).is_err(), "the silent one has no place left to give back");
    breaker.record(second, Good, Nanos(64 * SECOND), None, 1.0);
    assert!(breaker.admit(Nanos(64 * SECOND)).is_ok());
}

#[test]
fn a_target_whose_answers_take_longer_than_a_probe_holds_its_place_comes_back() {
    let breaker = breaker();
    kill(&breaker, 0);
    let mut out = std::collections::VecDeque::new();
    for minute in 0..4 {
        out.push_back(breaker.admit(Nanos((2 + 61 * minute) * SECOND)).unwrap());
        if minute > 0 {
            let late = out.pop_front().unwrap();
            breaker.record(late, Good, Nanos((32 + 61 * minute) * SECOND), None, 1.0);
        }
    }
    assert_eq!(state(&breaker, 300 * SECOND), BreakerState::Closed);
}

#[test]
fn a_late_failure_opens_it_for_longer_and_those_of_the_same_opening_say_nothing_more() {
    let breaker = breaker();
    kill(&breaker, 0);
    let hung: Vec<_> = (0..3).map(|minute| breaker.admit(Nanos((2 + 61 * minute) * SECOND)).unwrap()).collect();
    for pass in hung {
        breaker.record(pass, Timeout, Nanos(200 * SECOND), None, 1.0);
    }
    let until = breaker.admit(Nanos(200 * SECOND)).unwrap_err().until.unwrap();
    assert_eq!(Nanos(200 * SECOND).until(until).as_secs(), 2, "twice the first time, once");
}

#[test]
fn a_trial_whose_answer_began_well_and_ended_in_overload_has_not_shown_that_the_target_is_back() {
    let breaker = breaker();
    kill(&breaker, 0);
    let mut trial = breaker.admit(Nanos(2 * SECOND)).unwrap();
    breaker.heard(&mut trial, Nanos(2 * SECOND));
    breaker.record(trial, Overloaded, Nanos(3 * SECOND), None, 1.0);
    assert_eq!(state(&breaker, 3 * SECOND), BreakerState::Open);
}

#[test]
fn old_settings_say_how_many_failures_how_many_seconds_how_many_trials() {
    let settings = BreakerSettings::default().with_failures(2).with_open_for(Duration::from_secs(30)).with_trials(10);
    let breaker = Arc::new(Breaker::new(settings));
    for at in 0..2 {
        let pass = breaker.admit(Nanos(at)).unwrap();
        breaker.record(pass, ServerError, Nanos(at), None, 0.0);
    }
    assert!(breaker.admit(Nanos(30 * SECOND)).is_err());
    let trials: Vec<_> = (0..20).filter_map(|_| breaker.admit(Nanos(30 * SECOND + (1 << 25))).ok()).collect();
    assert_eq!(trials.len(), 10);
}

#[test]
fn the_history_is_bounded() {
    let breaker = breaker();
    kill(&breaker, 0);
    for round in 1..100 {
        call(&breaker, round * 61 * SECOND, ServerError);
    }
    assert_eq!(breaker.status(Nanos(0)).history.len(), Breaker::HISTORY);
}

proptest! {
    /// The same results in the same order, all at once or spread over nine seconds.
    #[test]
    fn same_failures_bursty_or_spread_give_the_same_decision(bad in prop::collection::vec(prop::bool::weighted(0.5), 1..80)) {
        let decided = |step: u64| {
            let breaker = breaker();
            bad.iter().enumerate().position(|(i, &bad)| {
                call(&breaker, 50 * SECOND + i as u64 * step, if bad { ServerError } else { Good });
                !breaker.is_closed()
            })
        };
        let burst = decided(0);
        prop_assert_eq!(burst, decided(8 * SECOND / bad.len() as u64));
        prop_assert_eq!(burst, decided(1));
    }

    /// Against a model that keeps every result with its time.
    #[test]
    fn opens_exactly_when_a_model_with_a_perfect_memory_does(
        calls in prop::collection::vec((0_u64..3 * SECOND, prop::bool::weighted(0.45)), 1..200),
    ) {
        let breaker = breaker();
        let (mut now, mut memory): (u64, Vec<(u64, bool)>) = (0, Vec::new());
        for (pause, bad) in calls {
            now += pause / 8;
            call(&breaker, now, if bad { ServerError } else { Good });
            memory.push((now / SECOND, bad));
            let recent: Vec<_> = memory.iter().filter(|(second, _)| second + 10 > now / SECOND).collect();
            let failures = recent.iter().filter(|(_, bad)| *bad).count();
            let in_a_row = memory.iter().rev().take_while(|(_, bad)| *bad).count();
            let opens = in_a_row >= 5 || (recent.len() >= 20 && failures * 2 > recent.len());
            prop_assert_eq!(!breaker.is_closed(), opens);
            if opens {
                break;
            }
        }
    }

    /// Whatever happens, it never panics, is not open longer than it may be, and holds no probe when nobody does.
    #[test]
    fn a_target_that_is_back_is_found_within_the_longest_back_off(
        steps in prop::collection::vec((0_u64..5 * SECOND, 0_usize..10, 0.0_f64..1.0), 0..120),
    ) {
        let breaker = breaker();
        let mut now = 0;
        for (pause, result, draw) in steps {
            now += pause;
            if let Ok(pass) = breaker.admit(Nanos(now)) {
                breaker.record(pass, AttemptResult::ALL[result], Nanos(now), None, draw);
            }
        }
        now += 61 * SECOND;
        for _ in 0..3 {
            prop_assert!(call(&breaker, now, Good));
        }
        prop_assert!(breaker.is_closed());
    }
}

#[test]
fn while_it_is_tried_again_it_may_be_asked_if_no_probe_is_out() {
    let breaker = breaker();
    for _ in 0..5 {
        call(&breaker, 0, ServerError);
    }
    assert!(!breaker.may_be_asked(Nanos(0)));
    let later = Nanos(2 * SECOND);
    assert!(breaker.may_be_asked(later));
    let probe = breaker.admit(later).unwrap();
    assert!(!breaker.may_be_asked(later), "a probe is out");
    drop(probe);
    assert!(breaker.may_be_asked(later));
}
