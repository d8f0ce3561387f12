use super::*;
use crate::ask::{Cost, Pace};
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
    let quotas = vec((kind, quota(), proptest::bool::weighted(0.2)), 0..6);
    quotas.prop_map(|quotas| {
        let numbered = quotas.into_iter().enumerate();
        LimitSet::new(numbered.map(|(number, (kind, quota, held))| {
            let quota = if held { Quota::concurrency(quota.set % 3) } else { quota };
            limit(&number.to_string(), kind, quota)
        }))
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
            match refusal.retry_after {
                None if refusal.never_fits() => {
                    prop_assert!(limits.reserve(Nanos(now.0 + 1_000_000 * SECOND), ask(cost)).is_err());
                }
                None => prop_assert_eq!(refusal.kind(), Kind::Concurrency),
                Some(wait) => {
                    prop_assert!(wait > Duration::ZERO);
                    let then = now.after(wait);
                    prop_assert!(limits.reserve(Nanos(then.0 - 1), ask(cost)).is_err());
                    let then = limits.reserve(then, ask(cost));
                    prop_assert!(then.is_ok() || then.is_err_and(|refusal| refusal.kind() == Kind::Concurrency));
                }
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
    assert_eq!((&*refusal.label().name, refusal.retry_after), ("slow", Some(Duration::from_millis(60_600))));
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

#[test]
fn a_limit_in_shadow_refuses_nobody_and_counts_whom_it_would_have() {
    let watched = limit("watched", Kind::Requests, Quota::window(3, MINUTE).in_shadow());
    let held = limit("held", Kind::Concurrency, Quota::concurrency(2).in_shadow());
    let real = limit("real", Kind::Requests, Quota::window(5, MINUTE));
    let limits = LimitSet::new([watched, held, real]);
    let one = ask(Cost { requests: 1, tokens: 10 });
    let mut open: Vec<Reservation> = (0..8).map_while(|_| limits.reserve(Nanos(0), one).ok()).collect();
    assert_eq!(open.len(), 5, "the real limit refuses, and those it refuses are not counted by the others");
    let seen = |name: &str| {
        let of = |status: &LimitStatus| &*status.label.name == name;
        let status = limits.status(Nanos(0)).into_iter().find(of).expect("in the set");
        (status.shadow, status.left, status.would_refuse)
    };
    assert_eq!([seen("watched"), seen("held"), seen("real")], [(true, 0, 2), (true, 0, 3), (false, 0, 0)]);
    open.truncate(1);
    assert_eq!([seen("watched").1, seen("held").1, seen("real").1], [2, 1, 4]);
}

#[test]
fn a_set_is_contended_while_anybody_waits_for_any_of_its_limits() {
    let (one, other) = (limit("one", Kind::Requests, quota_of(3)), limit("other", Kind::Requests, quota_of(3)));
    let limits = LimitSet::new([one, Arc::clone(&other)]);
    assert!(!limits.is_contended());
    let successor = other.reconfigure(Nanos(0), quota_of(4));
    successor.waiting_changed(2);
    assert!(limits.is_contended());
    assert_eq!((other.waiting(), other.id(), successor.status(Nanos(0)).waiting), (2, successor.id(), 2));
    other.waiting_changed(-2);
    assert!(!limits.is_contended());
}

fn quota_of(set: u64) -> Quota {
    Quota::window(set, MINUTE)
}

/// A limit in the broad half of a set that refuses takes no turn of the pace from the narrow half.
#[test]
fn a_call_refused_elsewhere_leaves_the_pace() {
    let paced = limit("paced", Kind::Requests, quota_of(100));
    let full = limit("full", Kind::Tokens, quota_of(10));
    let even = |tokens| Ask { pace: Pace::Even, ..ask(Cost { requests: 1, tokens }) };
    let (both, alone) = (LimitSet::new([Arc::clone(&paced), full]), LimitSet::new([paced]));
    while let Ok(reservation) = alone.reserve(Nanos(0), even(0)) {
        reservation.settle(Nanos(0), 0);
    }
    let due = Nanos(0).after(alone.reserve(Nanos(0), even(0)).expect_err("paced").retry_after.expect("some time"));
    for _ in 0..10 {
        assert!(both.reserve(due, even(11)).is_err());
    }
    assert!(alone.reserve(due, even(0)).is_ok());
}
