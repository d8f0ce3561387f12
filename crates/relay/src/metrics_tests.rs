use super::*;
use sluicegate_vocabulary::FaultKind;

fn receipt(endpoint: Option<Endpoint>, end: EndReason) -> Receipt {
    Receipt { endpoint, end, ..Receipt::default() }
}

fn calls(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode().unwrap();
    let mut lines: Vec<String> =
        text.lines().filter(|line| line.starts_with("sluicegate_calls_total{")).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_series_begins_with_the_first_call_it_counts() {
    let metrics = Metrics::new("test");
    let route = RouteMetrics::new("fast");
    assert!(calls(&metrics).is_empty());
    for _ in 0..2 {
        metrics.count_routed(&receipt(None, EndReason::Done), Endpoint::Messages, &route);
    }
    metrics.count_routed(&receipt(None, EndReason::Truncated), Endpoint::Messages, &route);
    assert_eq!(
        calls(&metrics),
        [
            r#"sluicegate_calls_total{endpoint="/messages",model="fast",outcome="done"} 2"#,
            r#"sluicegate_calls_total{endpoint="/messages",model="fast",outcome="truncated"} 1"#,
        ]
    );
}

#[test]
fn calls_that_led_nowhere_are_counted_too() {
    let metrics = Metrics::new("test");
    metrics.count(&receipt(None, EndReason::Refused), None, None);
    metrics.count(&receipt(Some(Endpoint::Messages), EndReason::Refused), None, None);
    assert_eq!(
        calls(&metrics),
        [
            r#"sluicegate_calls_total{endpoint="/messages",model="other",outcome="refused"} 1"#,
            r#"sluicegate_calls_total{endpoint="unknown",model="other",outcome="refused"} 1"#,
        ]
    );
}

#[test]
fn refusals_are_counted_by_reason_and_by_whose_limit() {
    let metrics = Metrics::new("test");
    let refused = |fault, by: &'static str| Receipt {
        fault: Some(fault),
        refused_by: (!by.is_empty()).then(|| by.into()),
        ..receipt(None, EndReason::Refused)
    };
    for (fault, by) in [
        (FaultKind::LimitTokens, "key:tokens_per_minute"),
        (FaultKind::LimitRequests, "key:requests_per_minute"),
        (FaultKind::Overloaded, "provider:requests_per_minute"),
        (FaultKind::Timeout, "provider:requests_per_minute"),
        // Shutting down, a provider's time limit and a caller's own are no refusals of flow control.
        (FaultKind::Overloaded, ""),
        (FaultKind::Timeout, ""),
        (FaultKind::Timeout, "deadline"),
        (FaultKind::UnknownModel, ""),
    ] {
        metrics.count(&refused(fault, by), None, None);
    }
    let text = metrics.encode().unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| line.starts_with("sluicegate_refusals_total{")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"sluicegate_refusals_total{reason="deadline",scope="provider"} 1"#,
            r#"sluicegate_refusals_total{reason="limit",scope="key"} 2"#,
            r#"sluicegate_refusals_total{reason="queue_full",scope="provider"} 1"#,
        ]
    );
}

#[test]
fn only_calls_that_reserved_tell_of_tokens_and_only_those_that_waited_of_waits() {
    let metrics = Metrics::new("test");
    metrics.count(&receipt(None, EndReason::Done), None, None);
    assert!(!metrics.encode().unwrap().contains("queue_wait_seconds_count{"));
    let mut call = receipt(None, EndReason::Done);
    call.reserved = 100;
    call.usage.output = 40;
    call.times.queued = std::time::Duration::from_millis(300);
    metrics.count(&call, None, None);
    let text = metrics.encode().unwrap();
    for line in [
        "sluicegate_reserved_tokens_total 100",
        "sluicegate_used_tokens_total 40",
        r#"sluicegate_queue_wait_seconds_count{class="normal"} 1"#,
    ] {
        assert!(text.contains(line), "{text}");
    }
}
