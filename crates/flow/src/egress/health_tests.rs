use super::*;
use AttemptResult::{AuthError, Broken, Cancelled, ClientError, Connect, Ok as Good, RateLimited, ServerError};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn hear(health: &Health, now: u64, result: AttemptResult) {
    health.record(result, None, false, Nanos(now), 1.0);
}

fn probe(health: &Health, now: u64, result: AttemptResult) -> bool {
    let took = health.take_probe(Nanos(now));
    if took {
        health.record(result, None, true, Nanos(now), 1.0);
        health.give_back_probe();
    }
    took
}

fn state(health: &Health) -> HealthState {
    health.status(Nanos(0)).state
}

#[test]
fn five_errors_in_a_row_put_a_key_aside_and_a_success_brings_it_back() {
    let health = Health::default();
    for result in [Connect, ServerError, Broken, ServerError, Good, ServerError, Connect, Broken, ServerError] {
        hear(&health, 0, result);
        assert_eq!(health.fitness(Nanos(0)), Fitness::Fit);
    }
    hear(&health, 0, ServerError);
    assert_eq!(state(&health), HealthState::Cooling { until: Nanos(SECOND), attempt: 0 });
    assert_eq!(health.fitness(Nanos(SECOND - 1)), Fitness::Aside(Nanos(SECOND)));
    hear(&health, 10, Good);
    assert_eq!(health.fitness(Nanos(10)), Fitness::Fit, "a call that was under way succeeded");
}

#[test]
fn a_key_that_fails_again_is_put_aside_for_longer() {
    let health = Health::default();
    for _ in 0..5 {
        hear(&health, 0, ServerError);
    }
    let mut now = 0;
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(!probe(&health, now + seconds * SECOND - 1, Good));
        now += seconds * SECOND;
        assert!(probe(&health, now, ServerError));
    }
    assert!(probe(&health, now + 60 * SECOND, Good));
    assert_eq!(state(&health), HealthState::Healthy);
}

#[test]
fn a_refused_key_is_probed_after_a_minute_ten_minutes_and_each_hour() {
    let health = Health::default();
    for _ in 0..20 {
        hear(&health, 0, AuthError);
    }
    let mut now = 0;
    for seconds in [60, 600, 3600, 3600, 3600] {
        assert!(!probe(&health, now + seconds * SECOND - 1, Good));
        now += seconds * SECOND;
        assert!(probe(&health, now, AuthError));
    }
    hear(&health, now, Good);
    assert!(matches!(state(&health), HealthState::Suspect { .. }), "a call that began before says nothing");
    assert!(probe(&health, now + 3600 * SECOND, Good));
    assert_eq!(state(&health), HealthState::Healthy);
}

#[test]
fn a_key_without_money_is_probed_each_ten_minutes_or_revived_by_hand() {
    let health = Health::default();
    let spent = |now: u64, probe: bool| {
        health.record(RateLimited, Some(Throttle::Billing), probe, Nanos(now), 1.0);
    };
    spent(0, false);
    assert_eq!(health.fitness(Nanos(600 * SECOND - 1)), Fitness::Out(Nanos(600 * SECOND)));
    assert!(health.take_probe(Nanos(600 * SECOND)));
    spent(600 * SECOND, true);
    assert_eq!(state(&health), HealthState::Dead { until: Nanos(1200 * SECOND) });
    health.revive();
    assert_eq!(health.fitness(Nanos(600 * SECOND)), Fitness::Fit);
}

#[test]
fn one_probe_is_under_way_at_a_time_and_a_silent_one_is_given_up() {
    let health = Health::default();
    hear(&health, 0, AuthError);
    assert!(health.take_probe(Nanos(60 * SECOND)));
    assert!(!health.take_probe(Nanos(60 * SECOND)));
    assert!(!health.take_probe(Nanos(119 * SECOND)));
    assert!(health.take_probe(Nanos(120 * SECOND)));
    health.give_back_probe();
    assert!(health.take_probe(Nanos(121 * SECOND)));
}

#[test]
fn a_probe_that_is_refused_as_too_much_is_not_sent_again_at_once() {
    for too_much in [RateLimited, AttemptResult::Overloaded] {
        let health = Health::default();
        hear(&health, 0, AuthError);
        assert!(probe(&health, 60 * SECOND, too_much));
        assert_eq!(state(&health), HealthState::Suspect { until: Nanos(120 * SECOND), attempt: 0 });
        health.revive();
        health.record(RateLimited, Some(Throttle::Billing), false, Nanos(0), 1.0);
        assert!(probe(&health, 600 * SECOND, too_much));
        assert_eq!(state(&health), HealthState::Dead { until: Nanos(1200 * SECOND) });
    }
}

#[test]
fn what_is_not_the_keys_affair_changes_nothing() {
    let health = Health::default();
    for result in [RateLimited, AttemptResult::Overloaded, ClientError, Cancelled].repeat(50) {
        hear(&health, 0, result);
    }
    let status = health.status(Nanos(0));
    assert_eq!((status.state, status.consecutive), (HealthState::Healthy, 0));
    assert!(!health.unwell.load(Ordering::Relaxed));
}

#[test]
fn errors_are_forgotten_after_a_while_of_successes() {
    let health = Health::default();
    for _ in 0..4 {
        hear(&health, 0, ServerError);
    }
    let before = health.error_rate(Nanos(0));
    assert!(before > 0.3);
    assert!((health.error_rate(Nanos(10 * SECOND)) - before / 2.0).abs() < 1e-9);
    for _ in 0..40 {
        hear(&health, 0, Good);
    }
    assert!(health.error_rate(Nanos(0)) < 1e-9);
    assert!(!health.unwell.load(Ordering::Relaxed), "and then it costs nothing more");
}

proptest! {
    /// Whatever happened, a key that works again is found out within an hour by probes alone.
    #[test]
    fn every_key_is_tried_again(
        steps in prop::collection::vec((0_u64..100 * SECOND, 0_usize..10, any::<bool>(), any::<bool>()), 0..100),
    ) {
        let health = Health::default();
        let mut now = 0;
        for (pause, result, billing, as_probe) in steps {
            now += pause;
            let probe = as_probe && health.take_probe(Nanos(now));
            let throttle = (billing && result % 3 == 1).then_some(Throttle::Billing);
            health.record(AttemptResult::ALL[result], throttle, probe, Nanos(now), 0.5);
            if probe {
                health.give_back_probe();
            }
            prop_assert!((0.0..=1.0).contains(&health.error_rate(Nanos(now))));
        }
        now += 3600 * SECOND;
        if health.fitness(Nanos(now)) != Fitness::Fit {
            prop_assert!(probe(&health, now, Good));
        }
        prop_assert_eq!(health.fitness(Nanos(now)), Fitness::Fit);
    }
}
