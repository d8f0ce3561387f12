use super::*;
use crate::egress::{Breaker, BreakerSettings, BreakerState};
use crate::time::Nanos;
use proptest::prelude::*;
use sluicegate_vocabulary::AttemptResult;
use std::sync::Arc;

const MOST: Duration = Duration::from_secs(300);

/// A target that was isolated and is well again, but takes `takes` for an answer where another takes `beside`. Calls
/// come all the time. Returns in how long it is let back, and the longest that a client waited before the other was
/// asked; `None` if it is not let back in six hours.
fn let_back(takes: Duration, beside: Duration, usual: Option<Duration>, draw: f64) -> (Option<Duration>, Duration) {
    let breaker = Arc::new(Breaker::new(BreakerSettings::default()));
    for _ in 0..5 {
        let pass = breaker.admit(Nanos(0)).unwrap();
        let _ = breaker.record(pass, AttemptResult::Timeout, Nanos(0), None, draw);
    }
    let (mut now, mut longest) = (Nanos(0), Duration::ZERO);
    while now < Nanos(0).after(Duration::from_secs(6 * 3600)) {
        let Ok(mut pass) = breaker.admit(now) else {
            now = now.after(Duration::from_millis(50));
            continue;
        };
        let alone = trial_patience(usual, breaker.failed_probes(), MOST);
        longest = longest.max(alone);
        if takes <= alone + beside {
            now = now.after(takes);
            let _ = breaker.heard(&mut pass, now);
        } else {
            now = now.after(alone + beside);
            let _ = breaker.record(pass, AttemptResult::Timeout, now, None, draw);
        }
        if breaker.status(now).state == BreakerState::Closed {
            return (Some(Nanos(0).until(now)), longest);
        }
    }
    (None, longest)
}

#[test]
fn a_target_that_takes_a_minute_comes_back_beside_one_that_takes_a_moment() {
    let minute = Duration::from_secs(60);
    let (back, _) = let_back(minute, Duration::from_millis(300), None, 0.5);
    assert!(back.is_some_and(|back| back < 10 * minute), "{back:?}");
    // Where it is known how long it takes, the first trials succeed: three of them, and a second of being left alone.
    let (back, _) = let_back(minute, Duration::from_millis(300), Some(minute), 1.0);
    assert!(back.is_some_and(|back| back < 3 * minute + Duration::from_secs(2)), "{back:?}");
}

#[test]
fn a_target_that_stays_silent_is_not_let_back_and_costs_each_client_a_bounded_wait() {
    let (back, longest) = let_back(Duration::from_secs(100_000), Duration::from_secs(1), None, 0.5);
    assert_eq!((back, longest), (None, MOST));
}

proptest! {
    #[test]
    fn whoever_answers_in_time_is_let_back_however_slow_beside_others(
        takes in 1_u64..300_000, beside in 1_u64..300_000, usual in prop::option::of(1_u64..300_000), draw in 0.0_f64..1.0,
    ) {
        let ms = Duration::from_millis;
        let (back, longest) = let_back(ms(takes), ms(beside), usual.map(ms), draw);
        prop_assert!(back.is_some());
        prop_assert!(longest <= MOST);
    }
}
