use super::*;
use crate::egress::breaker::BreakerSettings;
use proptest::prelude::*;
use sluicegate_vocabulary::AttemptResult;

fn group(n: usize) -> Breakers {
    Breakers::new((0..n).map(|_| Arc::new(Breaker::new(BreakerSettings::default()))))
}

fn call(group: &Breakers, index: usize, now: Nanos, good: bool) -> bool {
    let Ok(pass) = group.admit(&group.members()[index], now) else { return false };
    let result = if good { AttemptResult::Ok } else { AttemptResult::ServerError };
    group.members()[index].record(pass, result, now, None, 1.0);
    true
}

/// Three of four fail, but never five one after another: too low a rate, not dead.
fn make_poor(group: &Breakers, index: usize) {
    for i in 0..40 {
        call(group, index, Nanos(0), i % 4 == 0);
    }
    assert!(!group.members()[index].is_closed());
}

fn make_dead(group: &Breakers, index: usize) {
    for _ in 0..5 {
        call(group, index, Nanos(0), false);
    }
}

#[test]
fn one_of_two_is_out_for_its_rate_while_the_other_is_well() {
    let group = group(2);
    make_poor(&group, 0);
    assert!(!call(&group, 0, Nanos(1), true));
    assert!(call(&group, 1, Nanos(1), true));
    make_dead(&group, 1);
    assert!(call(&group, 0, Nanos(2), true), "the other died");
    assert!(!call(&group, 1, Nanos(2), true));
}

#[test]
fn a_last_target_that_is_dead_is_out() {
    let group = group(1);
    make_poor(&group, 0);
    assert!(call(&group, 0, Nanos(1), true));
    for _ in 0..5 {
        assert!(call(&group, 0, Nanos(1), false));
    }
    assert!(!call(&group, 0, Nanos(2), true));
}

#[test]
fn a_target_that_comes_twice_in_a_route_counts_once() {
    let one = Arc::new(Breaker::new(BreakerSettings::default()));
    assert_eq!(Breakers::new([Arc::clone(&one), Arc::clone(&one)]).members().len(), 1);
}

proptest! {
    /// However poor the members, as long as none of them is dead somebody can be called.
    #[test]
    fn last_target_never_ejected_on_rate(
        n in 1_usize..6,
        calls in prop::collection::vec((0_usize..6, 0_u64..400_000_000), 100..600),
    ) {
        let group = group(n);
        let (mut now, mut turns) = (0, [0_usize; 6]);
        for (index, pause) in calls {
            let index = index % n;
            now += pause / 16;
            prop_assert!((0..n).any(|i| group.admit(&group.members()[i], Nanos(now)).is_ok()));
            if let Ok(pass) = group.admit(&group.members()[index], Nanos(now)) {
                turns[index] += 1;
                let result =
                    if turns[index].is_multiple_of(4) { AttemptResult::Ok } else { AttemptResult::ServerError };
                group.members()[index].record(pass, result, Nanos(now), None, 1.0);
            }
        }
    }
}
