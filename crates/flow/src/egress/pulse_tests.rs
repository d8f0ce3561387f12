use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// The expectations with which the AWS SDKs test their own.
#[test]
fn the_curve_is_that_of_the_sdks() {
    let expected = [
        7.0,
        9.64893600966,
        10.000030849917364,
        10.453284520772092,
        13.408697022224185,
        21.26626835427364,
        36.425998516920465,
    ];
    for (second, expected) in expected.into_iter().enumerate() {
        assert!((cubic(10.0, second as f64) - expected).abs() < 1e-9, "after {second} s");
    }
}

/// Sends as much as it may until `end`, in steps of a millisecond; how many went in the last second.
fn flood(pulse: &mut Pulse, from: u64, end: u64) -> usize {
    let mut went = Vec::new();
    for now in (from..end).step_by(1_000_000) {
        if pulse.wait(Nanos(now)).is_zero() {
            pulse.sent(Nanos(now));
            went.push(now);
        }
    }
    went.iter().filter(|&&at| at + SECOND >= end).count()
}

#[test]
fn before_the_first_refusal_nothing_is_held_back() {
    let mut pulse = Pulse::new(Nanos(0));
    assert_eq!(flood(&mut pulse, 0, SECOND), 1000);
    assert_eq!(pulse.rate(Nanos(SECOND)), None);
}

#[test]
fn a_refusal_cuts_the_rate_to_seven_tenths_of_what_was_sent() {
    let mut pulse = Pulse::new(Nanos(0));
    for now in (0..10 * SECOND).step_by(SECOND as usize / 100) {
        pulse.sent(Nanos(now));
    }
    pulse.refused(Nanos(10 * SECOND), true);
    pulse.refused(Nanos(10 * SECOND + 1), true);
    let rate = pulse.rate(Nanos(10 * SECOND)).unwrap();
    assert!((69.0..71.0).contains(&rate), "{rate}");
}

#[test]
fn one_refusal_alone_cuts_nothing_and_a_second_soon_after_does() {
    let cut = |refusals: &[(u64, bool)]| {
        let mut pulse = Pulse::new(Nanos(0));
        for now in (0..10 * SECOND).step_by(SECOND as usize / 100) {
            pulse.sent(Nanos(now));
        }
        let now = |tenths: u64| Nanos(10 * SECOND + tenths * SECOND / 10);
        refusals.iter().for_each(|&(tenths, again)| pulse.refused(now(tenths), again));
        pulse.rate(now(refusals.last().unwrap().0)).is_some()
    };
    for alone in [&[(0, false)][..], &[(0, false), (1, false), (9, false)], &[(0, false), (100, false), (200, false)]] {
        assert!(!cut(alone), "{alone:?}");
    }
    for more in [&[(0, false), (1, true)][..], &[(0, false), (10, false)], &[(0, false), (5, false), (12, false)]] {
        assert!(cut(more), "{more:?}");
    }
}

#[test]
fn after_too_steep_a_rise_each_second_brings_at_most_a_tenth_more() {
    let mut pulse = Pulse::new(Nanos(0));
    for now in (0..5 * SECOND).step_by(SECOND as usize / 100) {
        pulse.sent(Nanos(now));
    }
    pulse.too_steep(Nanos(5 * SECOND));
    let mut before = flood(&mut pulse, 5 * SECOND, 6 * SECOND);
    for second in 6..20 {
        let went = flood(&mut pulse, second * SECOND, (second + 1) * SECOND);
        assert!(went as f64 <= before as f64 * 1.1 + 2.0, "{before} then {went}");
        before = went;
    }
    assert!(before > 150);
}

#[test]
fn long_after_the_last_refusal_the_search_is_over() {
    let mut pulse = Pulse::new(Nanos(0));
    pulse.too_steep(Nanos(0));
    assert!(pulse.rate(Nanos(599 * SECOND)).is_some());
    assert_eq!(pulse.rate(Nanos(601 * SECOND)), None);
}

proptest! {
    #[test]
    fn who_waits_as_told_may_go(steps in prop::collection::vec((0_u64..2 * SECOND, 0_u8..4), 1..200)) {
        let mut pulse = Pulse::new(Nanos(0));
        let mut now = 0;
        for (pause, what) in steps {
            now += pause / 8;
            match what {
                0 => pulse.refused(Nanos(now), pause % 2 == 0),
                1 => pulse.too_steep(Nanos(now)),
                _ => {
                    let wait = pulse.wait(Nanos(now));
                    prop_assert!(wait <= Duration::from_secs(3));
                    now += nanos(wait);
                    prop_assert!(pulse.wait(Nanos(now)) <= Duration::from_millis(1));
                    pulse.sent(Nanos(now));
                }
            }
        }
    }
}
