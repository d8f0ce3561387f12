use super::*;

fn pair(old: f64, new: f64) -> Pair {
    Pair { old, new, one_old: old }
}

#[test]
fn the_interval_closes_around_the_truth_and_agrees_with_the_limit() {
    let mut gap = Gap::new(Scale::Difference, 0.033);
    // 10 % against 2 %, without chance.
    for i in 0..4_000 {
        let old = f64::from(u8::from(i % 50 == 0));
        let new = f64::from(u8::from(i % 10 == 5));
        gap.add(pair(old, new));
    }
    let (low, high) = gap.interval(0.025, 0.025);
    let (low, high) = (low.unwrap(), high.unwrap());
    assert!((0.06..0.08).contains(&low) && (0.08..0.13).contains(&high), "{low} {high}");
    assert!(gap.is_above(0.033, 0.025) && !gap.is_below(0.033, 0.025));
    let (old, new) = gap.means().unwrap();
    assert!((old - 0.02).abs() < 1e-9 && (new - 0.1).abs() < 1e-9);
}

#[test]
fn blocks_without_anything_in_them_are_counted_as_if_they_had_been_bet_on() {
    let (mut counted, mut bet) = (Gap::new(Scale::Difference, 0.01), Gap::new(Scale::Difference, 0.01));
    for i in 0..500 {
        let new = f64::from(u8::from(i % 20 == 0));
        counted.add(pair(0.0, new));
        // Not quite zero, so that it is bet on.
        bet.add(pair(1e-12, new));
    }
    let (a, b) = (counted.interval(0.025, 0.025), bet.interval(0.025, 0.025));
    assert_eq!(a, b);
    assert!(a.0.is_some());
}

#[test]
fn ratios_are_found_whatever_the_scale_of_the_values() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut gap = Gap::new(Scale::Ratio, 1.6);
    for _ in 0..4_000 {
        gap.add(pair(0.1 * random.f64(), 0.2 * random.f64()));
    }
    let (low, high) = gap.interval(0.025, 0.025);
    assert!(
        low.is_some_and(|low| (1.6..2.0).contains(&low)) && high.is_some_and(|high| (2.0..2.6).contains(&high)),
        "{low:?} {high:?}"
    );
    assert!(gap.is_above(1.6, 0.025));
}

#[test]
fn nothing_is_certain_of_nothing() {
    let gap = Gap::new(Scale::Difference, 0.0);
    assert_eq!(gap.interval(0.025, 0.025), (None, None));
    assert!(!gap.is_above(0.0, 0.025) && !gap.is_below(0.0, 0.025) && gap.means().is_none());
}
