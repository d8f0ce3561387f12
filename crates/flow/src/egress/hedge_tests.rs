use super::*;
use proptest::prelude::*;

fn times(ms: u64, late_ms: u64) -> Latencies {
    let times = Latencies::new();
    for i in 0..100 {
        times.record(Nanos(0), Duration::from_millis(if i < 90 { ms } else { late_ms }));
    }
    times
}

fn hedging<'a>(own: &'a Latencies, other: &'a Latencies) -> Hedging<'a> {
    Hedging { own, other, other_headroom: 1.0, other_closed: true, may_be_doubled: true, queued: false }
}

#[test]
fn a_second_target_is_asked_when_nearly_all_would_have_answered() {
    let (own, other) = (times(200, 2000), times(200, 2000));
    let delay = hedging(&own, &other).delay(Nanos(0)).unwrap().as_secs_f64();
    assert!((2.0..2.21).contains(&delay), "{delay}");
}

#[test]
fn nobody_is_asked_twice_where_it_costs_others() {
    let (own, other) = (times(200, 2000), times(200, 2000));
    let good = hedging(&own, &other);
    for bad in [
        Hedging { queued: true, ..good },
        Hedging { other_closed: false, ..good },
        Hedging { other_headroom: 0.29, ..good },
        Hedging { may_be_doubled: false, ..good },
        Hedging { other: &Latencies::new(), ..good },
        Hedging { own: &Latencies::new(), ..good },
    ] {
        assert_eq!(bad.delay(Nanos(0)), None);
    }
}

#[test]
fn when_the_other_is_slow_too_it_is_left_alone() {
    let (own, other) = (times(200, 400), times(3000, 5000));
    assert_eq!(hedging(&own, &other).delay(Nanos(0)), None);
}

#[test]
fn hedge_le_2pct() {
    let budget = HedgeBudget::new();
    let hedges = (0..10_000).filter(|_| {
        budget.earn();
        budget.withdraw()
    });
    assert!((200..=201).contains(&hedges.count()));
}

proptest! {
    #[test]
    fn in_any_stretch_second_calls_are_one_in_fifty_and_one(late in prop::collection::vec(any::<bool>(), 1..2000)) {
        let budget = HedgeBudget::new();
        let (mut calls, mut seconds) = (0, 0);
        for late in late {
            calls += 1;
            budget.earn();
            seconds += u32::from(late && budget.withdraw());
            prop_assert!(seconds <= calls / 50 + 1);
        }
    }
}
