use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const USUAL: Learned = Learned { p75: 300, p95: 900 };

#[test]
fn strict_reserves_the_most_there_can_be() {
    let strict = |max_tokens, cap| reserve_output(Mode::Strict, max_tokens, cap, Some(USUAL));
    assert_eq!(strict(Some(5000), Some(8192)), 5000);
    assert_eq!(strict(Some(50_000), Some(8192)), 8192);
    assert_eq!(strict(None, Some(8192)), 8192);
    assert_eq!(strict(None, None), UNKNOWN_OUTPUT);
}

#[test]
fn the_others_reserve_what_is_usual_but_never_more_than_there_can_be() {
    for (mode, usual) in [(Mode::Adaptive, 900), (Mode::Graceful, 300)] {
        assert_eq!(reserve_output(mode, Some(5000), Some(8192), Some(USUAL)), usual);
        assert_eq!(reserve_output(mode, None, None, Some(USUAL)), usual);
        assert_eq!(reserve_output(mode, Some(16), None, Some(USUAL)), 16);
        assert_eq!(reserve_output(mode, None, Some(100), Some(USUAL)), 100);
    }
}

#[test]
fn while_nothing_is_learned_the_others_reserve_what_is_asked_for_or_a_moderate_answer() {
    for mode in [Mode::Adaptive, Mode::Graceful] {
        assert_eq!(reserve_output(mode, Some(5000), Some(8192), None), 5000);
        assert_eq!(reserve_output(mode, None, Some(128_000), None), UNKNOWN_OUTPUT);
        assert_eq!(reserve_output(mode, None, Some(100), None), 100);
        assert_eq!(reserve_output(mode, None, None, None), UNKNOWN_OUTPUT);
    }
}

#[test]
fn models_and_keys_are_learned_apart() {
    let estimates = Estimates::new(1000);
    assert_eq!(estimates.of(1, 1).estimate(3500), (1000, None));
    for _ in 0..200 {
        estimates.of(7, 1).learn((1000, 500), Some(100));
    }
    let (input, output) = estimates.of(7, 1).estimate(1000);
    assert!((495..=505).contains(&input), "{input}");
    assert_eq!(output.map(|learned| learned.p95), Some(103));
    assert_eq!(estimates.of(7, 2).estimate(3500), (1000, None));
    // Another key asks the same model, and is answered in its own way.
    assert_eq!(estimates.of(8, 1).estimate(1000), (input, None));
}

#[test]
fn an_answer_that_was_cut_off_says_nothing_of_their_length() {
    let estimates = Estimates::new(1000);
    for _ in 0..200 {
        estimates.of(7, 1).learn((1000, 500), None);
    }
    let (input, output) = estimates.of(7, 1).estimate(1000);
    assert!((495..=505).contains(&input) && output.is_none(), "{input} {output:?}");
}

#[test]
fn what_is_in_use_is_remembered_among_any_number_of_others() {
    let estimates = Estimates::new(1000);
    for other in 0..20_000 {
        estimates.of(0, 1).learn((1000, 500), Some(100));
        estimates.of(1, other).learn((1000, 500), Some(100));
    }
    assert!(estimates.of(0, 1).estimate(1000).1.is_some());
    let pairs: usize = estimates.pairs.iter().map(|part| part.lock().len()).sum();
    let models: usize = estimates.models.iter().map(|part| part.lock().len()).sum();
    assert!(pairs <= 1024 && models <= 1024, "{pairs} {models}");
}

proptest! {
    /// Whatever the sizes of the inputs, the estimates of many of them together come close to what they are.
    #[test]
    fn the_ratio_converges(ratio in 0.02..1.9_f64, sizes in vec(100..200_000_u64, 300)) {
        let mut calibration = Calibration::default();
        sizes.iter().for_each(|&bytes| calibration.learn(bytes, (bytes as f64 * ratio).ceil() as u64));
        prop_assert!((calibration.ratio() / ratio - 1.0).abs() < 0.1, "{} for {ratio}", calibration.ratio());
    }

    #[test]
    fn the_ratio_stays_within_bounds_whatever_is_reported(reports in vec((any::<u64>(), any::<u64>()), 0..200)) {
        let mut calibration = Calibration::default();
        reports.into_iter().for_each(|(bytes, tokens)| calibration.learn(bytes, tokens));
        prop_assert!((1.0 / 64.0..=2.0).contains(&calibration.ratio()));
        prop_assert!(calibration.tokens(6400) >= 100);
    }
}

/// Around a short input there are tokens that belong to no byte of it. They do not spoil the ratio of the long ones.
#[test]
fn short_inputs_do_not_spoil_the_ratio_of_long_ones() {
    let mut calibration = Calibration::default();
    for call in 0..1000 {
        let bytes = if call % 10 == 0 { 40_000 } else { 20 };
        calibration.learn(bytes, bytes / 4 + 9);
    }
    assert!((calibration.ratio() - 0.25).abs() < 0.02, "{}", calibration.ratio());
}
