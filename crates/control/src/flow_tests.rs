use super::*;
use crate::recent::Recent;
use serde_json::{Value, json};
use sluicegate_config::{AlertMetric, Period, Threshold};
use sluicegate_flow::{Label, Limit, Nanos, Quota};
use sluicegate_vocabulary::{EndReason, FaultKind, Priority, Receipt};

/// Some limit of which so many percent are left, and for which so many wait.
pub(crate) fn limit(scope: Scope, name: &str, left: u64, waiting: u32) -> LimitReport {
    let limit = Limit::new(Label::new(scope, name), Kind::Requests, Quota::window(100, Duration::from_secs(60)));
    let level = limit.status(Nanos(1));
    let level = LimitStatus { left, fill: left as f64 / 100.0, refills_in: Duration::from_micros(1500), ..level };
    LimitReport { level, waiting, oldest: Duration::from_millis(u64::from(waiting) * 10) }
}

#[test]
fn a_limit_has_exactly_these_fields() {
    let told = serde_json::to_value(level(&limit(Scope::Key, "web", 25, 4))).unwrap();
    assert_eq!(
        told,
        json!({
            "name": "key:web", "scope": "key", "owner": "web", "counts": "requests", "window_seconds": 60.0,
            "set": 100, "capacity": 100, "left": 25, "fill_percent": 25.0, "refills_in_ms": 2,
            "waiting": 4, "oldest_wait_ms": 40, "shadow": false, "would_refuse": 0,
        })
    );
}

#[test]
fn a_limit_on_concurrency_has_neither_window_nor_refill() {
    let limit = Limit::new(Label::new(Scope::Provider, "lab"), Kind::Concurrency, Quota::concurrency(20));
    let report = LimitReport { level: limit.status(Nanos(1)), waiting: 0, oldest: Duration::ZERO };
    let told = serde_json::to_value(level(&report)).unwrap();
    assert_eq!((&told["window_seconds"], &told["refills_in_ms"]), (&Value::Null, &Value::Null));
    assert_eq!((&told["counts"], &told["left"]), (&"concurrency".into(), &20.into()));
}

#[test]
fn the_fullest_come_first_then_those_for_which_most_wait() {
    let limits = vec![
        limit(Scope::Key, "roomy", 90, 0),
        limit(Scope::Key, "b", 0, 2),
        limit(Scope::Key, "c", 0, 9),
        limit(Scope::Key, "a", 0, 2),
    ];
    let names: Vec<String> = fullest(limits, 3).map(|limit| limit.level.label.name.to_string()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

#[test]
fn the_last_minute_has_exactly_these_fields() {
    let mut recent = Recent::default();
    let mut slow = Receipt { end: EndReason::Done, priority: Priority::High, reserved: 90, ..Receipt::default() };
    slow.times.total = Duration::from_millis(800);
    let refused =
        Receipt { fault: Some(FaultKind::LimitTokens), refused_by: Some("key:x".into()), ..Receipt::default() };
    recent.count(Duration::from_secs(30), &[slow, refused]);
    let mut told = serde_json::to_value(told(&recent.last_minute(Duration::from_secs(40)))).unwrap();
    let by_second = told["calls_by_second"].take();
    assert_eq!((by_second.as_array().map(Vec::len), &by_second[49]), (Some(60), &2.into()));
    assert_eq!(told["refusals_by_second"].take()[49], 1);
    let latency = told["latency_p99_ms"].take().as_f64().unwrap();
    assert!((latency - 800.0).abs() < 56.0, "{latency}");
    let idle = |class: &str| json!({ "class": class, "calls": 0, "p50_ms": null, "p99_ms": null });
    assert_eq!(
        told,
        json!({
            "seconds": 40.0, "calls": 2, "calls_per_second": 0.1,
            "refusals": { "limit": 1, "never_fits": 0, "queue_full": 0, "deadline": 0 },
            "errors": 0,
            "waits": [
                idle("critical"),
                idle("high"),
                { "class": "normal", "calls": 1, "p50_ms": 0.0, "p99_ms": 0.0 },
                idle("low"),
            ],
            "ttft_p95_ms": null, "latency_p99_ms": null, "tokens_reserved": 90, "tokens_used": 0,
            "calls_by_second": null, "refusals_by_second": null,
        })
    );
}

#[test]
fn callers_with_most_under_way_come_first_and_the_list_is_bounded() {
    let many = (0..300).map(|at| CallerReport { key: format!("k{at:03}").into(), in_flight: at / 2, waiting: 0 });
    let told = callers(many.collect());
    assert_eq!((told.len(), &*told[0].key, &*told[1].key), (CALLERS, "k298", "k299"));
}

#[test]
fn an_alert_that_is_raised_says_since_when_how_much_and_whose() {
    let figures = Figures::default();
    let mut rules = Evaluator::default();
    let threshold = Threshold::parse("<20%").unwrap();
    let hold = Period::from_secs(0);
    rules.configure(&[Alert { metric: AlertMetric::BucketFillPercentage, threshold, hold }]);
    let quiet = serde_json::to_value(alerts(&rules, &figures)).unwrap();
    assert_eq!(
        quiet,
        json!([{
            "metric": "bucket_fill_percentage", "threshold": "<20%", "for_seconds": 0.0,
            "firing": false, "since": null, "value": null, "limit": null,
        }])
    );
    let minute = Recent::default().last_minute(Duration::ZERO);
    let levels = [limit(Scope::Key, "web", 7, 0).level];
    let measured = crate::alerts::Measured {
        limits: levels.iter(),
        waiting: 0,
        in_flight: 0,
        down: Default::default(),
        low: 0,
        minute: &minute,
    };
    rules.look(Duration::ZERO, &measured);
    let raised = serde_json::to_value(alerts(&rules, &figures)).unwrap();
    assert_eq!((&raised[0]["firing"], &raised[0]["value"]), (&true.into(), &7.0.into()));
    assert_eq!(raised[0]["limit"], "key:web requests per 60 s");
    assert_eq!(raised[0]["since"].as_str().map(str::len), Some("2026-11-21T05:21:39Z".len()));
}
