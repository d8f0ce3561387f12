use super::*;
use crate::ask::Cost;
use crate::quota::{Algorithm, Kind, Label, Quota, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn limit(name: &str, kind: Kind, quota: Quota) -> Arc<Limit> {
    Limit::new(Label::new(Scope::Key, name), kind, quota)
}

fn ask(cost: Cost) -> Ask {
    Ask { cost, ..Ask::default() }
}

fn quota() -> impl Strategy<Value = Quota> {
    let windows = prop_oneof![Just(Duration::from_secs(1)), Just(MINUTE), Just(MINUTE * 60)];
    (1..100_u64, windows, 0..300_u64, prop_oneof![Just(None), Just(Some(Duration::from_millis(50)))]).prop_map(
        |(set, window, capacity, refill_step)| Quota {
            set,
            window,
            algorithm: match capacity {
                0..100 => Algorithm::SlidingWindow,
                _ => Algorithm::TokenBucket { capacity: (set * capacity / 200).max(1), refill_step },
            },
            shadow: false,
        },
    )
}

fn limits() -> impl Strategy<Value = LimitSet> {
    let kind = prop_oneof![Just(Kind::Requests), Just(Kind::Tokens)];
    vec((kind, quota()), 0..6).prop_map(|quotas| {
        let numbered = quotas.into_iter().enumerate();
        LimitSet::new(numbered.map(|(number, (kind, quota))| limit(&number.to_string(), kind, quota)))
    })
}

fn cost() -> impl Strategy<Value = Cost> {
    (0..4_u64, prop_oneof![0..10_u64, 0..150_u64]).prop_map(|(requests, tokens)| Cost { requests, tokens })
}

/// Calls one after another, each reserved and at once settled with some use or given back.
fn traffic() -> impl Strategy<Value = Vec<(u64, Cost, Option<u64>)>> {
    let gap = prop_oneof![3 => Just(0), 2 => 0..SECOND, 1 => 0..100 * SECOND];
    vec((gap, cost(), proptest::option::weighted(0.8, 0..200_u64)), 0..60)
}

fn run(limits: &LimitSet, traffic: Vec<(u64, Cost, Option<u64>)>) -> Nanos {
    let mut now = 0;
    for (gap, cost, used) in traffic {
        now += gap;
        if let (Ok(reservation), Some(used)) = (limits.reserve(Nanos(now), ask(cost)), used) {
            reservation.settle(Nanos(now), used);
        }
    }
    Nanos(now)
}

proptest! {
    #[test]
    fn reject_leaves_no_trace(limits in limits(), traffic in traffic(), cost in cost(), later in 0..100 * SECOND) {
        let now = run(&limits, traffic);
        let before = limits.status(now);
        if limits.reserve(now, ask(cost)).is_err() {
            prop_assert_eq!(limits.status(now), before);
        }
        // Nor does it leave anything that would only show later.
        let (twin, later) = (limits.status(now), Nanos(now.0 + later));
        let after = limits.status(later);
        for (twin, after) in twin.iter().zip(&after) {
            prop_assert!(after.left >= twin.left);
        }
    }

    /// With no other traffic the same call is admitted after exactly the stated time, and not before.
    #[test]
    fn retry_after_is_true(limits in limits(), traffic in traffic(), cost in cost()) {
        let now = run(&limits, traffic);
        if let Err(refusal) = limits.reserve(now, ask(cost)) {
            if refusal.never_fits() {
                prop_assert!(limits.reserve(Nanos(now.0 + 1_000_000 * SECOND), ask(cost)).is_err());
            } else {
                prop_assert!(refusal.retry_after > Some(Duration::ZERO));
                let then = now.after(refusal.retry_after.expect("fits"));
                prop_assert!(limits.reserve(Nanos(then.0 - 1), ask(cost)).is_err());
                prop_assert!(limits.reserve(then, ask(cost)).is_ok());
            }
        }
    }

    #[test]
    fn a_reservation_dropped_leaves_no_trace(limits in limits(), traffic in traffic(), cost in cost()) {
        let now = run(&limits, traffic);
        let before: Vec<u64> = limits.status(now).iter().map(|status| status.left).collect();
        drop(limits.reserve(now, ask(cost)));
        let after: Vec<u64> = limits.status(now).iter().map(|status| status.left).collect();
        prop_assert_eq!(before, after);
    }
}

#[test]
fn the_refusal_that_stands_longest_is_the_one_reported() {
    let quick = limit("quick", Kind::Requests, Quota::bucket(60, MINUTE, 1.0, None));
    let slow = limit("slow", Kind::Tokens, Quota::window(100, MINUTE));
    let limits = LimitSet::new([quick, slow]);
    limits.reserve(Nanos(0), ask(Cost { requests: 60, tokens: 100 })).expect("empty").settle(Nanos(0), 100);

    let refusal = limits.reserve(Nanos(0), ask(Cost { requests: 1, tokens: 1 })).expect_err("both are used up");
    assert_eq!((&*refusal.label().name, refusal.retry_after), ("slow", Some(Duration::from_secs(61))));
    let refusal = limits.reserve(Nanos(0), ask(Cost { requests: 1, tokens: 101 })).expect_err("can never fit");
    assert!(refusal.never_fits() && &*refusal.label().name == "slow");
    let refusal = limits.reserve(Nanos(0), ask(Cost { requests: 1, tokens: 0 })).expect_err("no requests left");
    assert_eq!((&*refusal.label().name, refusal.retry_after), ("quick", Some(Duration::from_secs(1))));
}

#[test]
fn a_limit_named_twice_counts_once() {
    let only = limit("only", Kind::Requests, Quota::window(10, MINUTE));
    let limits = LimitSet::new([Arc::clone(&only), only]);
    limits.reserve(Nanos(0), ask(Cost { requests: 10, tokens: 0 })).expect("fits once").settle(Nanos(0), 0);
    assert_eq!(limits.status(Nanos(0)).len(), 1);
}

#[test]
fn no_limits_refuse_nothing() {
    let cost = Cost { requests: u64::MAX, tokens: u64::MAX };
    assert!(LimitSet::default().reserve(Nanos(0), ask(cost)).is_ok());
}

/// A client over its own limit who never stops asking takes nothing from the limit it shares.
#[test]
fn a_refused_hammerer_does_not_starve_others() {
    let shared = limit("shared", Kind::Requests, Quota::window(100, MINUTE));
    let own = limit("own", Kind::Requests, Quota::window(5, MINUTE));
    let (hammerer, other) = (LimitSet::new([own, Arc::clone(&shared)]), LimitSet::new([shared]));
    let one = Cost { requests: 1, tokens: 10 };
    let mut admitted = 0;
    for moment in 0..10_000 {
        if let Ok(reservation) = hammerer.reserve(Nanos(moment), ask(one)) {
            reservation.settle(Nanos(moment), 10);
            admitted += 1;
        }
    }
    assert_eq!((admitted, other.status(Nanos(10_000))[0].left), (5, 95));
}
