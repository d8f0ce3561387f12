use super::*;
use crate::metric::{Limit, Metric, Percentile};
use sluicegate_vocabulary::Money;
use std::time::Duration;

/// Both sides answer this many calls, told by the side and the number of the call.
fn seen(guard: Guard, calls: u32, observation: impl Fn(Arm, u32) -> Observation) -> Evidence {
    let mut evidence = Evidence::new(&[guard]);
    for i in 0..calls {
        for arm in [Arm::Old, Arm::New] {
            evidence.observe(arm, &observation(arm, i));
        }
    }
    evidence
}

/// A limit of this metric by which a side ten times as bad is worse, and one as it was is not.
fn limits(metric: Metric) -> [Limit; 2] {
    let most = match metric {
        Metric::FirstToken(_) | Metric::Total(_) => 500.0,
        Metric::Cost => 0.05,
        _ => 0.3,
    };
    [Limit::MaxIncrease(0.2), Limit::Max(most)]
}

#[test]
fn every_metric_gets_worse_better_and_is_undecided() {
    for metric in Metric::all() {
        for limit in limits(metric) {
            let verdict = |calls: u32, bad: bool| {
                seen(Guard::new(metric, limit), calls, |arm, i| {
                    let bad = bad && arm == Arm::New;
                    let hit = bad && i % 10 != 0;
                    let factor = if bad { 10.0 } else { 1.0 };
                    let time = Duration::from_secs_f64(factor * (0.2 + f64::from(i % 10) / 100.0));
                    Observation {
                        failed: hit,
                        empty: Some(hit),
                        truncated: Some(hit),
                        tool_calls_valid: Some(!hit),
                        first_token: Some(time),
                        total: Some(time),
                        cost: Some(Money::from_nanos((factor * 1e7) as i64)),
                    }
                })
                .verdict()
            };
            assert_eq!(verdict(1, false), Verdict::Undecided, "{metric} {limit:?}");
            assert_eq!(verdict(3_000, true), Verdict::Worse, "{metric} {limit:?}");
            assert_eq!(verdict(3_000, false), Verdict::BetterOrEqual, "{metric} {limit:?}");
        }
    }
}

#[test]
fn an_hour_that_is_bad_for_both_sides_is_held_against_neither() {
    // The old side has most of its calls in the good hour and the new side in the bad one, as when the share grows
    // meanwhile. Pooled, the new side would fail three times as often.
    let mut random = fastrand::Rng::with_seed(4);
    let mut evidence = Evidence::new(&[Guard::new(Metric::Errors, Limit::MaxIncrease(0.0))]);
    for (share, rate) in [(0.05, 0.01), (0.5, 0.10)] {
        for _ in 0..8_000 {
            let arm = if random.f64() < share { Arm::New } else { Arm::Old };
            evidence.observe(arm, &Observation { failed: random.f64() < rate, ..Observation::default() });
            assert_ne!(evidence.verdict(), Verdict::Worse);
        }
    }
}

#[test]
fn a_single_huge_cost_decides_nothing() {
    let guard = Guard::new(Metric::Cost, Limit::MaxIncrease(0.6));
    let evidence = seen(guard, 300, |arm, i| {
        let nanos = if arm == Arm::New && i == 50 { i64::MAX } else { 1_000_000 };
        Observation { cost: Some(Money::from_nanos(nanos)), ..Observation::default() }
    });
    assert_eq!(evidence.verdict(), Verdict::BetterOrEqual);
}

#[test]
fn evidence_is_bounded_and_survives_being_written_down() {
    let mut random = fastrand::Rng::with_seed(6);
    let guards: Vec<Guard> = Metric::all().map(|metric| Guard::new(metric, Limit::MaxIncrease(0.1))).collect();
    let mut evidence = Evidence::new(&guards);
    for _ in 0..3_000 {
        let arm = if random.f64() < 0.2 { Arm::New } else { Arm::Old };
        let time = Some(Duration::from_secs_f64(random.f64() * 1e4));
        let (failed, cost) = (random.bool(), Some(Money::from_nanos(random.i64(0..i64::MAX))));
        evidence.observe(arm, &Observation { failed, first_token: time, total: time, cost, ..Observation::default() });
    }
    let saved = serde_json::to_string(&evidence).unwrap();
    assert!(saved.len() < 400_000, "{} bytes", saved.len());
    let restored: Evidence = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored.verdicts(), evidence.verdicts());
    assert_eq!(restored.calls(Arm::New), evidence.calls(Arm::New));
}

#[test]
fn without_guards_nothing_is_decided() {
    assert_eq!(Evidence::new(&[]).verdict(), Verdict::Undecided);
    let one = Evidence::new(&[Guard::new(Metric::Total(Percentile::P50), Limit::Max(100.0))]);
    assert_eq!(one.verdict(), Verdict::Undecided);
}
