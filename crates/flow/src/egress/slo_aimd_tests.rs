use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn law(initial: u32) -> SloAimd {
    SloAimd::new(SloAimdSettings { initial, ..SloAimdSettings::default() }, None, Nanos(0))
}

/// A window's samples, all at that second; the last of them closes the window.
fn second(law: &SloAimd, second: u64, first_token_ms: u64, in_flight: u32) {
    for i in 0..10 {
        law.sample(Nanos(second * SECOND + i), Duration::from_millis(first_token_ms), 0, in_flight);
    }
}

#[test]
fn it_grows_by_half_until_the_first_cut_and_then_by_a_quarter_of_the_root() {
    let law = law(100);
    second(&law, 1, 100, 100);
    assert_eq!(law.limit(), 150);
    second(&law, 2, 100, 150);
    assert_eq!(law.limit(), 225);
    second(&law, 3, 1500, 225);
    assert_eq!(law.limit(), 202);
    second(&law, 10, 100, 202);
    assert!((law.status().limit - (202.5 + 0.25 * 202.5_f64.sqrt())).abs() < 1e-9);
}

#[test]
fn a_small_limit_grows_by_one() {
    let last = SloAimdLast { limit: 10.0, slow_start: false };
    let law = SloAimd::new(SloAimdSettings::default(), Some(last), Nanos(0));
    assert_eq!(law.limit(), 7, "a remembered limit begins at seven tenths");
    second(&law, 1, 100, 7);
    assert_eq!(law.limit(), 8);
}

#[test]
fn a_remembered_limit_that_was_never_cut_is_no_reason_to_begin_lower() {
    let begun = |limit| {
        let last = SloAimdLast { limit, slow_start: true };
        SloAimd::new(SloAimdSettings { initial: 20, ..SloAimdSettings::default() }, Some(last), Nanos(0))
    };
    assert_eq!(begun(20.0).limit(), 20);
    assert_eq!(begun(200.0).limit(), 140);
    let law = begun(20.0);
    second(&law, 1, 100, 20);
    assert_eq!(law.limit(), 30, "it still grows by half");
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    let law = law(100);
    for at in 1..50 {
        second(&law, at, 100, 79);
    }
    assert_eq!(law.limit(), 100);
}

#[test]
fn it_is_cut_once_in_the_time_an_answer_takes() {
    let law = law(100);
    for at in 1..=3 {
        second(&law, at, 3200, 100);
    }
    assert_eq!(law.limit(), 90, "the median is above three seconds");
    second(&law, 5, 3200, 100);
    assert_eq!(law.limit(), 81);
}

#[test]
fn refusals_cut_deeper_and_need_no_samples() {
    let law = law(100);
    for i in 0..30 {
        law.refused(Nanos(SECOND + i), None, 100);
    }
    assert_eq!(law.limit(), 70);
    assert!(!law.status().slow_start);
}

#[test]
fn a_told_limit_is_kept_to() {
    let law = law(100);
    law.refused(Nanos(2 * SECOND), Some(3), 100);
    for at in 3..100 {
        second(&law, at, 10, law.limit());
    }
    assert_eq!(law.limit(), 3);
}

#[test]
fn a_slow_target_is_judged_by_few_samples() {
    let law = law(10);
    for at in [1, 3, 5] {
        law.sample(Nanos(at * SECOND), Duration::from_millis(100), 0, 10);
    }
    assert_eq!(law.limit(), 15);
}

#[test]
fn long_inputs_are_no_sign_of_a_full_target() {
    let settings = SloAimdSettings { per_input_token: Duration::from_micros(40), ..SloAimdSettings::default() };
    let law = SloAimd::new(settings, None, Nanos(0));
    for i in 0..10 {
        law.sample(Nanos(SECOND + i), Duration::from_secs(4), 100_000, 20);
    }
    assert_eq!(law.limit(), 30);
}

#[test]
fn a_veto_stops_the_rise_and_not_the_fall() {
    let law = law(100);
    law.veto(true);
    second(&law, 1, 100, 100);
    assert_eq!(law.limit(), 100);
    second(&law, 2, 1500, 100);
    assert_eq!(law.limit(), 90);
    law.veto(false);
    second(&law, 20, 100, 100);
    assert!(law.limit() > 90);
}

#[test]
fn after_the_breaker_it_begins_at_the_floor_and_grows_fast() {
    let law = law(100);
    second(&law, 1, 1500, 100);
    law.restart(Nanos(2 * SECOND));
    assert_eq!(law.limit(), 2);
    for at in 3..13 {
        second(&law, at, 100, law.limit());
    }
    assert!(law.limit() > 60, "{}", law.limit());
}

#[test]
fn the_threshold_is_a_fifth_of_the_promise_within_bounds() {
    let threshold = |seconds: f64| {
        let first_token = Duration::from_secs_f64(seconds);
        let settings = SloAimdSettings { first_token, ..SloAimdSettings::default() };
        SloAimd::new(settings, None, Nanos(0)).status().threshold.as_secs_f64()
    };
    for (promise, expected) in [(5.0, 1.0), (0.5, 0.3), (100.0, 2.0)] {
        assert!((threshold(promise) - expected).abs() < 1e-9);
    }
}

proptest! {
    #[test]
    fn it_stays_between_floor_and_ceiling_and_below_five_times_its_use(
        floor in 0_u32..50, ceiling in 0_u32..500, initial in 0_u32..1000, last in prop::option::of((0.0_f64..1e6, any::<bool>())),
        steps in prop::collection::vec((0_u64..2 * SECOND, 0_u8..8, 0_u64..10_000, 0_u32..1000), 1..300),
    ) {
        let settings = SloAimdSettings { floor, ceiling, initial, ..SloAimdSettings::default() };
        let last = last.map(|(limit, slow_start)| SloAimdLast { limit, slow_start });
        let law = SloAimd::new(settings, last, Nanos(0));
        let mut now = 0;
        for (pause, what, ms, in_flight) in steps {
            now += pause / 16;
            let before = law.limit();
            match what {
                0 => law.refused(Nanos(now), None, in_flight),
                1 => law.restart(Nanos(now)),
                2 => law.veto(ms % 2 == 0),
                _ => law.sample(Nanos(now), Duration::from_millis(ms), 0, in_flight),
            }
            let limit = law.limit();
            prop_assert!(limit >= floor.max(1));
            prop_assert!(limit <= ceiling.max(floor).max(1));
            prop_assert!(limit <= before.max(5000));
        }
    }
}
