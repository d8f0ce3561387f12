use super::{Offered, Part, Shape, Spacing, Traffic};
use crate::lab::call::Call;
use proptest::prelude::*;
use std::time::Duration;

fn drawn(traffic: &Traffic, seed: u64) -> Vec<Call> {
    let offered = Offered::Generated(traffic.clone());
    let mut source = offered.start(seed);
    std::iter::from_fn(|| source.next()).collect()
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (0.1..50.0).prop_map(|rate| Shape::Steady { rate }),
        (0.1..20.0, 1.0..5.0, 1.0..10.0, 10.0..60.0).prop_map(|(base, factor, length, every)| Shape::Spike {
            base,
            factor,
            length: secs(length),
            every: secs(every)
        }),
        (0.1..20.0, 0.0..1.0, 10.0..100.0).prop_map(|(mean, swing, period)| Shape::Diurnal {
            mean,
            swing,
            period: secs(period)
        }),
        (1..50_u32, 1.0..20.0).prop_map(|(calls, window)| Shape::Edge { calls, window: secs(window) }),
        (1..50_u32).prop_map(|clients| Shape::Closed { clients, think: Duration::ZERO }),
    ]
}

proptest! {
    #[test]
    fn traffic_comes_in_order_within_its_time_and_the_same_under_a_seed(
        parts in prop::collection::vec((any_shape(), 1.0..60.0), 1..4),
        even in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let parts = parts.into_iter().map(|(shape, length)| Part { shape, length: secs(length) }).collect();
        let spacing = if even { Spacing::Even } else { Spacing::Poisson };
        let traffic = Traffic { parts, spacing, ..Traffic::new(Shape::Steady { rate: 1.0 }, Duration::ZERO) };
        let calls = drawn(&traffic, seed);
        prop_assert!(calls.is_sorted_by_key(|call| call.at));
        prop_assert!(calls.last().is_none_or(|last| u128::from(last.at.0) <= traffic.length().as_nanos()));
        prop_assert_eq!(calls, drawn(&traffic, seed));
    }
}

/// Calls that arrive from one second to another.
fn between(calls: &[Call], from: f64, to: f64) -> f64 {
    calls.iter().filter(|call| (from..to).contains(&(call.at.0 as f64 / 1e9))).count() as f64
}

#[test]
fn a_spike_is_as_high_and_as_long_as_it_is_set() {
    let shape = Shape::Spike { base: 30.0, factor: 3.4, length: secs(8.0), every: secs(120.0) };
    let calls = drawn(&Traffic { spacing: Spacing::Even, ..Traffic::new(shape, secs(240.0)) }, 1);
    assert!((between(&calls, 60.0, 68.0) - 816.0).abs() <= 2.0);
    assert!((between(&calls, 180.0, 188.0) - 816.0).abs() <= 2.0);
    assert!((between(&calls, 0.0, 60.0) - 1800.0).abs() <= 2.0);
    assert!((between(&calls, 68.0, 180.0) - 3360.0).abs() <= 2.0);
}

#[test]
fn the_mean_of_a_day_is_its_mean() {
    let shape = Shape::Diurnal { mean: 10.0, swing: 0.8, period: secs(600.0) };
    let calls = drawn(&Traffic::new(shape, secs(6000.0)), 7);
    // Sixty thousand Poisson calls deviate by 245; the middle of the day is nine times as busy as its ends.
    assert!((calls.len() as f64 - 60_000.0).abs() < 1000.0, "{}", calls.len());
    assert!(between(&calls, 270.0, 330.0) > 6.0 * (between(&calls, 0.0, 30.0) + between(&calls, 570.0, 600.0)));
}

#[test]
fn the_edge_is_hammered_from_both_sides() {
    let shape = Shape::Edge { calls: 10, window: secs(60.0) };
    let calls = drawn(&Traffic::new(shape, secs(130.0)), 1);
    assert_eq!(calls.len(), 40);
    assert!((between(&calls, 59.4, 60.0) - 10.0).abs() < 0.5);
    assert!((between(&calls, 60.0, 60.6) - 10.0).abs() < 0.5);
}

#[test]
fn classes_and_keys_come_in_their_shares() {
    let calls = drawn(&Traffic::new(Shape::Steady { rate: 100.0 }, secs(1000.0)), 3);
    let share =
        |wanted: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| wanted(call)).count() as f64 / calls.len() as f64;
    for (class, expected) in [("critical", 0.1), ("high", 0.2), ("normal", 0.4), ("low", 0.3)] {
        let share = share(&|call| call.class.as_str() == class);
        assert!((share - expected).abs() < 0.01, "{class}: {share}");
    }
    // Of 20 keys called in proportion to 1/n, the first makes 1/H(20) = 27.8 % of the calls.
    assert!((share(&|call| call.key == 0) - 0.278).abs() < 0.01);
    assert!((share(&|call| call.key == 19) - 0.0139).abs() < 0.003);
}
