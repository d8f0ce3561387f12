use super::*;
use proptest::prelude::*;

fn rate(window: Window, amount: u64, multiplier: Option<f64>) -> Rate {
    Rate::new(RateKind::Requests, window, amount, multiplier, None)
}

#[test]
fn the_worst_minute_of_every_window_is_what_can_pass_in_it() {
    for (window, multiplier, expected) in [
        (Window::Second, None, 600),
        (Window::Second, Some(2.0), 620),
        (Window::Minute, None, 10),
        (Window::Minute, Some(1.5), 25),
        (Window::Hour, None, 10),
        (Window::Day, Some(3.0), 30),
    ] {
        assert_eq!(rate(window, 10, multiplier).worst_minute(), expected, "{window:?} {multiplier:?}");
    }
    assert_eq!(rate(Window::Hour, 120, Some(1.0)).worst_minute(), 122);
    assert_eq!(rate(Window::Hour, 120, Some(1.0)).worst_window(), 240);
}

#[test]
fn a_step_adds_its_share_of_the_window() {
    let step = |window| Rate::new(RateKind::Tokens, window, 3600, Some(1.0), Some(Period::from_millis(500)));
    assert_eq!(step(Window::Second).per_step(), Some(1800));
    assert_eq!(step(Window::Minute).per_step(), Some(30));
    assert_eq!(step(Window::Hour).per_step(), Some(1), "half a token is rounded up");
    assert_eq!(rate(Window::Minute, 10, Some(1.0)).per_step(), None);
}

#[test]
fn a_limit_is_written_with_the_fields_of_the_file() {
    let limit = Limit {
        rates: vec![rate(Window::Second, 5, Some(2.0)), rate(Window::Day, 100, None)],
        concurrency: Some(3),
        shadow: true,
    };
    assert_eq!(
        serde_json::to_string(&limit).unwrap(),
        r#"{"requests_per_second":5,"requests_per_second_bucket":10,"requests_per_day":100,"concurrency":3,"shadow":true}"#
    );
    assert_eq!(serde_json::to_string(&Limit::default()).unwrap(), "{}");
}

proptest! {
    #[test]
    fn no_arithmetic_on_a_rate_overflows(amount in 1..=u64::MAX, multiplier in proptest::option::of(0.001..1000.0f64), step in 1..60_000u64) {
        for window in [Window::Second, Window::Minute, Window::Hour, Window::Day] {
            let rate = Rate::new(RateKind::Requests, window, amount, multiplier, Some(Period::from_millis(step)));
            let _ = rate.per_step();
            prop_assert!(rate.worst_minute() >= rate.largest_call());
            prop_assert!(rate.worst_window() >= rate.amount);
        }
    }
}
