use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

#[test]
fn what_is_saved_grows_with_the_calls_and_shrinks_with_them() {
    let budget = FailoverBudget::new();
    let second = |from: u64, calls: u64| {
        for call in 0..calls {
            budget.earn(Nanos(from * SECOND + call * SECOND / calls));
        }
    };
    (0..30).for_each(|at| second(at, 2000));
    assert!((budget.left() - 2000.0).abs() < 1e-9, "a tenth of ten seconds: {}", budget.left());
    (30..50).for_each(|at| second(at, 10));
    assert!((budget.left() - 100.0).abs() < 1e-9, "{}", budget.left());
    (50..70).for_each(|at| second(at, 2000));
    second(1000, 1);
    assert!((budget.left() - 100.0).abs() < 1e-9, "what was long ago is no matter: {}", budget.left());
}

#[test]
fn as_many_calls_as_are_in_flight_at_a_busy_target_may_go_elsewhere_at_once() {
    let budget = FailoverBudget::new();
    for call in 0..30 * 2000_u64 {
        budget.earn(Nanos(call * SECOND / 2000));
    }
    // Three in five of 2,000 a second, each given 300 ms.
    assert!((0..360).all(|_| budget.withdraw(Nanos(30 * SECOND))));
}

/// Ten minutes in which every try fails and every call would like to go to two others.
#[test]
fn retry_amplification_le_1_1_over_all_candidates() {
    for calls_per_second in [1_u64, 50, 2000] {
        let budget = FailoverBudget::new();
        let (mut calls, mut tries) = (0, 0);
        for now in (0..600 * SECOND).step_by((SECOND / calls_per_second) as usize) {
            calls += 1;
            tries += 1 + (0..2).filter(|_| budget.withdraw(Nanos(now))).count() as u64;
        }
        assert!(tries <= calls + calls / 10 + 600 + 100, "{tries} tries for {calls} calls");
        assert!(tries >= calls + 600.min(calls), "the floor lets one a second go");
    }
}

proptest! {
    #[test]
    fn extra_tries_stay_within_a_tenth_a_second_and_a_hundred(
        steps in prop::collection::vec((0_u64..SECOND, 0_u8..3, 1_u64..200), 1..500),
    ) {
        let budget = FailoverBudget::new();
        let (mut now, mut calls, mut extra) = (0, 0_u64, 0_u64);
        for (pause, what, times) in steps {
            now += pause;
            for _ in 0..times {
                if what == 0 {
                    extra += u64::from(budget.withdraw(Nanos(now)));
                } else {
                    calls += 1;
                    budget.earn(Nanos(now));
                }
            }
            prop_assert!(extra <= calls / 10 + now / SECOND + 1 + 100);
        }
    }
}
