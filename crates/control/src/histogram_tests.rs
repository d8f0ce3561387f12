use super::*;
use proptest::prelude::*;

#[test]
fn buckets_follow_each_other_without_a_gap() {
    let mut last = 0;
    for units in 0..100_000_u64 {
        let at = index(units);
        assert!(at == last || at == last + 1, "{units}: {at} after {last}");
        last = at;
    }
}

#[test]
fn nothing_has_no_quantile_and_what_is_too_short_to_tell_is_nothing() {
    let mut times = Histogram::default();
    assert_eq!(times.quantile(0.5), None);
    times.add(Duration::from_micros(63));
    assert_eq!(times.quantile(0.99), Some(Duration::ZERO));
}

#[test]
fn the_longest_times_have_a_place_too() {
    let mut times = Histogram::default();
    times.add(Duration::MAX);
    times.add(Duration::from_secs(7000));
    assert_eq!(times.count(), 2);
    assert!(times.quantile(0.1).unwrap() > Duration::from_secs(6500));
}

proptest! {
    #[test]
    fn a_quantile_is_within_seven_percent_of_the_true_one(
        millis in prop::collection::vec(1_u64..600_000, 1..200),
        share in 0.01_f64..=1.0,
    ) {
        let mut halves = [Histogram::default(), Histogram::default()];
        for (at, ms) in millis.iter().enumerate() {
            halves[at % 2].add(Duration::from_millis(*ms));
        }
        let [mut times, other] = halves;
        times.merge(&other);
        let mut sorted = millis.clone();
        sorted.sort_unstable();
        let rank = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        let truth = sorted[rank - 1] as f64;
        let told = times.quantile(share).unwrap().as_secs_f64() * 1000.0;
        prop_assert!((told - truth).abs() <= truth * 0.07, "{told} for {truth}");
    }
}
