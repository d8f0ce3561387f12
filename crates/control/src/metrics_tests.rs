use super::*;
use crate::flow::tests::limit;
use sluicegate_config::{AlertMetric, Period, Threshold};
use sluicegate_relay::ClassReport;
use sluicegate_vocabulary::Priority;

fn text(report: FlowReport, rules: &Evaluator) -> String {
    measured(report, &ProvidersReport::default(), 0, rules, "3f9c2a").unwrap()
}

#[test]
fn limits_waiting_and_the_configuration_are_told() {
    let mut shadow = limit(Scope::Endpoint, "/embeddings", 50, 0);
    shadow.level.shadow = true;
    shadow.level.would_refuse = 3;
    let report = FlowReport {
        limits: vec![limit(Scope::Key, "we\"b", 12, 4), shadow],
        waiting: vec![ClassReport {
            class: Priority::Low,
            waiting: 4,
            oldest: std::time::Duration::from_millis(1500),
            shed: 2,
        }],
        waiting_bytes: 77,
        callers: Vec::new(),
    };
    let text = text(report, &Evaluator::default());
    for line in [
        r#"sluicegate_bucket_fill_percentage{scope="key",owner="we\"b",counts="requests",window="60s"} 12.0"#,
        r#"sluicegate_limit_left{scope="key",owner="we\"b",counts="requests",window="60s"} 12"#,
        r#"sluicegate_limit_capacity{scope="key",owner="we\"b",counts="requests",window="60s"} 100"#,
        r#"sluicegate_limit_would_refuse_total{scope="endpoint",owner="/embeddings",counts="requests",window="60s"} 3"#,
        r#"sluicegate_waiting_calls{class="low"} 4"#,
        r#"sluicegate_oldest_wait_seconds{class="low"} 1.5"#,
        "sluicegate_waiting_bytes 77",
        r#"sluicegate_shed_total{class="low"} 2"#,
        "sluicegate_limits_unlisted 0",
        r#"sluicegate_config_info{version="3f9c2a"} 1"#,
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    let watching = text.lines().filter(|line| line.starts_with("sluicegate_limit_would_refuse_total{")).count();
    assert_eq!((watching, text.contains("# EOF")), (1, false));
}

#[test]
fn of_many_keys_only_the_fullest_are_listed() {
    let keys = (0..MOST as u64 + 50).map(|at| limit(Scope::Key, &format!("k{at}"), at.min(100), 0));
    let others = (0..MOST as u64 + 50).map(|at| limit(Scope::Model, &format!("m{at}"), 100, 0));
    let text =
        text(FlowReport { limits: keys.chain(others).collect(), ..FlowReport::default() }, &Evaluator::default());
    let listed = |scope: &str| {
        text.lines().filter(|line| line.starts_with(&format!("sluicegate_limit_left{{scope=\"{scope}\""))).count()
    };
    assert_eq!((listed("key"), listed("model")), (MOST, MOST + 50));
    assert!(text.contains("sluicegate_limits_unlisted 50") && text.contains("owner=\"k0\""));
}

#[test]
fn an_alert_is_one_while_it_is_raised() {
    let mut rules = Evaluator::default();
    let alert = |threshold: &str| Alert {
        metric: AlertMetric::QueueDepth,
        threshold: Threshold::parse(threshold).unwrap(),
        hold: Period::from_secs(0),
    };
    rules.configure(&[alert(">5"), alert(">500")]);
    let minute = crate::recent::Recent::default().last_minute(std::time::Duration::ZERO);
    let levels: [LimitStatus; 0] = [];
    let measured = crate::alerts::Measured {
        limits: levels.iter(),
        waiting: 9,
        in_flight: 0,
        down: Default::default(),
        low: 0,
        minute: &minute,
    };
    rules.look(std::time::Duration::ZERO, &measured);
    let text = text(FlowReport::default(), &rules);
    assert!(text.contains(r#"sluicegate_alert_firing{metric="queue_depth",threshold=">5"} 1"#), "{text}");
    assert!(text.contains(r#"sluicegate_alert_firing{metric="queue_depth",threshold=">500"} 0"#), "{text}");
}
