use super::*;
use crate::recent::Recent;
use proptest::prelude::*;
use sluicegate_config::{Period, Threshold};
use sluicegate_flow::{Limit, Nanos, Quota, Scope};

fn alert(metric: AlertMetric, threshold: &str, hold: u64) -> Alert {
    Alert { metric, threshold: Threshold::parse(threshold).unwrap(), hold: Period::from_secs(hold) }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Limits of 100 requests a minute of keys with these names.
fn limits<const N: usize>(names: [&str; N]) -> [LimitStatus; N] {
    let limit = |name| Limit::new(Label::new(Scope::Key, name), Kind::Requests, Quota::window(100, seconds(60)));
    names.map(|name| limit(name).status(Nanos(1)))
}

/// The same with so much left of each.
fn left<const N: usize>(limits: &[LimitStatus; N], left: [u64; N]) -> [LimitStatus; N] {
    std::array::from_fn(|at| LimitStatus { left: left[at], fill: left[at] as f64 / 100.0, ..limits[at].clone() })
}

/// Looks at limits with so much left each, and at so many calls waiting.
fn look(rules: &mut Evaluator, now: u64, limits: &[LimitStatus], waiting: u64) -> Vec<Change> {
    let minute = Recent::default().last_minute(seconds(now));
    rules.look(
        seconds(now),
        &Measured { limits: limits.iter(), waiting, in_flight: 0, down: Down::default(), low: 0, minute: &minute },
    )
}

fn rules(alerts: &[Alert]) -> Evaluator {
    let mut rules = Evaluator::default();
    assert!(rules.configure(alerts).is_empty());
    rules
}

#[test]
fn the_worst_limit_that_has_been_low_for_long_enough_is_named() {
    let mut rules = rules(&[alert(AlertMetric::BucketFillPercentage, "<20%", 10)]);
    let abc = limits(["a", "b", "c"]);
    assert!(look(&mut rules, 0, &left(&abc, [10, 15, 90]), 0).is_empty());
    // `b` is worse later but has not been low for long; `a` has.
    assert!(look(&mut rules, 5, &left(&abc, [10, 50, 90]), 0).is_empty());
    let changes = look(&mut rules, 10, &left(&abc, [12, 2, 90]), 0);
    let [Change::Raised(raised)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(raised.limit.as_ref().unwrap().to_string(), "key:a requests per 60 s");
    assert_eq!((raised.since, raised.value), (seconds(0), 12.0));
    assert!(look(&mut rules, 20, &left(&abc, [12, 2, 90]), 0).is_empty());
    let named = rules.rules().next().unwrap().1.unwrap().limit.clone().unwrap().to_string();
    assert_eq!(named, "key:b requests per 60 s");
}

#[test]
fn two_limits_that_are_low_in_turn_are_not_one_that_stays_low() {
    let mut rules = rules(&[alert(AlertMetric::BucketFillPercentage, "<20%", 10)]);
    let two = limits(["a", "b"]);
    for now in 0..60 {
        let fills = if now / 8 % 2 == 0 { [0, 100] } else { [100, 0] };
        assert!(look(&mut rules, now, &left(&two, fills), 0).is_empty(), "{now}");
    }
}

#[test]
fn a_value_that_nobody_can_know_crosses_nothing() {
    let slow = ["<1000000", "<=0", ">0", ">=0"];
    for metric in [AlertMetric::QueueWaitP99Ms, AlertMetric::RefusalRate, AlertMetric::TtftP95Ms] {
        let mut rules = rules(&slow.map(|threshold| alert(metric, threshold, 0)));
        assert!(look(&mut rules, 100, &[], 0).is_empty(), "{metric}");
    }
}

#[test]
fn a_reload_keeps_the_state_of_rules_that_stay_and_ends_those_that_go() {
    let [deep, deeper] = [alert(AlertMetric::QueueDepth, ">5", 0), alert(AlertMetric::QueueDepth, ">5", 30)];
    let mut rules = rules(&[deep, deeper]);
    assert_eq!(look(&mut rules, 0, &[], 9).len(), 1);
    let over = rules.configure(&[deeper, alert(AlertMetric::QueueDepth, ">50", 0)]);
    assert!(matches!(over.as_slice(), [Change::Over(raised)] if raised.alert == deep), "{over:?}");
    let changes = look(&mut rules, 30, &[], 9);
    assert!(matches!(changes.as_slice(), [Change::Raised(raised)] if raised.since == seconds(0)), "{changes:?}");
}

#[test]
fn the_order_of_rules_is_that_of_the_configuration_after_a_reload_too() {
    let all = [">1", ">2", ">3", ">4"].map(|threshold| alert(AlertMetric::QueueDepth, threshold, 0));
    let mut rules = rules(&all);
    let turned = [all[3], all[0], all[2]];
    rules.configure(&turned);
    let order: Vec<Alert> = rules.rules().map(|(alert, _)| *alert).collect();
    assert_eq!(order, turned);
}

proptest! {
    #[test]
    fn an_alert_is_raised_exactly_when_its_value_was_crossed_at_every_look_for_its_whole_time(
        looks in prop::collection::vec((1_u64..4, 0_u64..10), 1..60),
        hold in 0_u64..12,
    ) {
        let mut rules = rules(&[alert(AlertMetric::QueueDepth, ">=5", hold)]);
        let (mut now, mut raised) = (0, false);
        let mut crossed_since = None;
        for (gap, waiting) in looks {
            now += gap;
            crossed_since = if waiting >= 5 { crossed_since.or(Some(now)) } else { None };
            let expected = crossed_since.is_some_and(|since| now - since >= hold);
            let changes = look(&mut rules, now, &[], waiting);
            match (raised, expected) {
                (false, true) => {
                    prop_assert!(matches!(changes.as_slice(), [Change::Raised(is)] if Some(is.since) == crossed_since.map(seconds)));
                }
                (true, false) => prop_assert!(matches!(changes.as_slice(), [Change::Over(_)])),
                _ => prop_assert!(changes.is_empty()),
            }
            raised = expected;
            prop_assert_eq!(rules.rules().filter(|(_, raised)| raised.is_some()).count(), usize::from(expected));
        }
    }

    #[test]
    fn the_limit_named_was_itself_low_for_the_whole_time(
        looks in prop::collection::vec(prop::array::uniform3(prop::bool::ANY), 1..20),
        hold in 0_u64..5,
    ) {
        let mut rules = rules(&[alert(AlertMetric::BucketFillPercentage, "<20%", hold)]);
        let names = ["a", "b", "c"];
        let limits = limits(names);
        for now in 0..looks.len() {
            let fills = looks[now].map(|low| if low { 5 } else { 95 });
            look(&mut rules, now as u64, &left(&limits, fills), 0);
            let from = now.checked_sub(hold as usize);
            let low: Vec<&str> = (0..3)
                .filter(|at| from.is_some_and(|from| looks[from..=now].iter().all(|look| look[*at])))
                .map(|at| names[at])
                .collect();
            let named = rules.rules().next().unwrap().1.and_then(|raised| raised.limit.clone());
            match named {
                None => prop_assert!(low.is_empty()),
                Some(limit) => {
                    let limit = limit.to_string();
                    let is_named = low.iter().any(|name| limit == format!("key:{name} requests per 60 s"));
                    prop_assert!(is_named, "{limit} of {low:?}");
                }
            }
        }
    }
}

#[test]
fn providers_that_fail_and_keys_that_are_refused_raise_alerts_of_their_own() {
    let key = |state: &str| {
        serde_json::json!({
            "name": state, "role": "primary", "state": state, "group": "g", "headroom": null, "retry_in_ms": null,
            "error_rate": 0.0, "consecutive": 0, "in_flight": 0, "calls": 0
        })
    };
    let keys = ["healthy", "suspect", "dead"].map(key);
    let report = serde_json::json!({ "providers": [{
        "name": "p", "held": false, "retries_left": 100.0, "in_flight": 0, "models": [], "keys": keys,
        "breaker": { "state": "open", "retry_in_ms": 5, "results": 0, "failures": 0, "consecutive": 0, "opened": 1,
            "closed": 0, "history": [] }
    }] });
    let down = Down::of(&serde_json::from_value(report).unwrap());
    assert_eq!((down.providers, down.keys), (1, 2));
    let minute = Recent::default().last_minute(seconds(1));
    let limits: [LimitStatus; 0] = [];
    let measured = Measured { limits: limits.iter(), waiting: 0, in_flight: 0, down, low: 3, minute: &minute };
    assert_eq!(measured.value(AlertMetric::ProvidersDown), Some(1.0));
    assert_eq!(measured.value(AlertMetric::KeysDown), Some(2.0));
    assert_eq!(measured.value(AlertMetric::AccountsLow), Some(3.0));
}
