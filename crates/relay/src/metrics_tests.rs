use super::*;

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
