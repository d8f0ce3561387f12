use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// Ten minutes in which every try fails and every call would like to be tried three times.
#[test]
fn retry_amplification_le_1_1() {
    for calls_per_second in [1_u64, 50, 2000] {
        let budget = RetryBudget::new();
        let (mut calls, mut tries) = (0, 0);
        for now in (0..600 * SECOND).step_by((SECOND / calls_per_second) as usize) {
            calls += 1;
            tries += 1 + (0..2).filter(|_| budget.withdraw(Nanos(now), false)).count() as u64;
        }
        assert!(tries <= calls + calls / 10 + 600 + 100, "{tries} tries for {calls} calls");
        assert!(tries >= calls + 600.min(calls), "the floor lets one a second go");
    }
}

#[test]
fn when_one_in_twenty_fails_all_of_them_are_tried_again() {
    let budget = RetryBudget::new();
    for call in 0..10_000_u64 {
        // Without the floor's help: no time passes.
        if call % 20 == 0 {
            assert!(budget.withdraw(Nanos(0), false));
        } else {
            budget.earn();
        }
    }
}

#[test]
fn after_the_trouble_the_budget_fills_again() {
    let budget = RetryBudget::new();
    while budget.left() > 0.0 {
        budget.withdraw(Nanos(0), false);
    }
    for _ in 0..10_000 {
        budget.earn();
    }
    assert!((budget.left() - 100.0).abs() < 1e-9);
}

#[test]
fn a_retry_after_a_timeout_costs_two() {
    let budget = RetryBudget::new();
    assert!(budget.withdraw(Nanos(0), true));
    assert!((budget.left() - 98.0).abs() < 1e-9);
}

#[test]
fn threads_together_never_overdraw() {
    let budget = std::sync::Arc::new(RetryBudget::new());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let budget = std::sync::Arc::clone(&budget);
            std::thread::spawn(move || (0..100).filter(|_| budget.withdraw(Nanos(5), false)).count())
        })
        .collect();
    let went: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(went, 101, "a hundred, and one for this second");
}

proptest! {
    #[test]
    fn tries_stay_within_a_tenth_a_second_and_a_hundred(steps in prop::collection::vec((0_u64..SECOND, 0_u8..3), 1..2000)) {
        let budget = RetryBudget::new();
        let (mut now, mut calls, mut retries) = (0, 0_u64, 0_u64);
        for (pause, what) in steps {
            now += pause / 64;
            match what {
                0 => { calls += 1; budget.earn(); }
                1 => retries += u64::from(budget.withdraw(Nanos(now), false)),
                _ => retries += u64::from(budget.withdraw(Nanos(now), true)),
            }
            prop_assert!(retries <= calls / 10 + now / SECOND + 1 + 100);
        }
    }
}
