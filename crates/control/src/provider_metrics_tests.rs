use super::*;
use serde_json::json;

fn text(report: &ProvidersReport) -> String {
    let mut registry = Registry::with_prefix("sluicegate");
    register(&mut registry, report);
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &registry).unwrap();
    text
}

fn report(models: usize) -> ProvidersReport {
    let quota = json!({
        "group": "org", "share": 1.0, "held_ms": null, "headroom": 0.25, "requests": [150, 600], "tokens": null,
        "input_tokens": null, "output_tokens": null
    });
    let adaptive =
        json!({ "limit": 12, "in_flight": 3, "threshold_ms": 1000, "slow_start": false, "cut_ago_ms": null });
    let model = |at: usize| {
        json!({
            "model": format!("m{at:03}"), "waiting": 2, "first_token_p50_ms": 90, "first_token_p95_ms": 400,
            "adaptive": adaptive, "quotas": [quota]
        })
    };
    let key = json!({
        "name": "org-a", "role": "primary", "state": "suspect", "group": "org", "headroom": 0.25, "retry_in_ms": 900,
        "error_rate": 0.5, "consecutive": 3, "in_flight": 4, "calls": 99
    });
    let breaker = json!({
        "state": "half open", "retry_in_ms": null, "results": 10, "failures": 6, "consecutive": 5, "opened": 3,
        "closed": 2, "history": []
    });
    let provider = json!({
        "name": "openai", "held": true, "breaker": breaker, "retries_left": 41.5, "in_flight": 4, "keys": [key],
        "models": (0..models).map(model).collect::<Vec<_>>()
    });
    serde_json::from_value(
        json!({ "providers": [provider], "failovers": [{ "model": "day", "left": 71.5, "most": 240.0 }] }),
    )
    .unwrap()
}

#[test]
fn providers_keys_and_models_are_told() {
    let text = text(&report(1));
    for line in [
        r#"sluicegate_breaker_state{provider="openai",state="half_open"} 1"#,
        r#"sluicegate_breaker_state{provider="openai",state="closed"} 0"#,
        r#"sluicegate_breaker_transitions_total{provider="openai",state="open"} 3"#,
        r#"sluicegate_breaker_transitions_total{provider="openai",state="closed"} 2"#,
        r#"sluicegate_provider_held{provider="openai"} 1"#,
        r#"sluicegate_retry_budget{provider="openai"} 41.5"#,
        r#"sluicegate_failover_budget{model="day"} 71.5"#,
        r#"sluicegate_failover_budget_most{model="day"} 240.0"#,
        r#"sluicegate_provider_key_state{provider="openai",key="org-a",state="suspect"} 1"#,
        r#"sluicegate_provider_key_state{provider="openai",key="org-a",state="healthy"} 0"#,
        r#"sluicegate_provider_key_in_flight{provider="openai",key="org-a"} 4"#,
        r#"sluicegate_provider_key_error_ratios{provider="openai",key="org-a"} 0.5"#,
        r#"sluicegate_provider_key_headroom_ratios{provider="openai",key="org-a"} 0.25"#,
        r#"sluicegate_adaptive_limit{provider="openai",model="m000"} 12"#,
        r#"sluicegate_quota_waiting_calls{provider="openai",model="m000"} 2"#,
        r#"sluicegate_quota_headroom_ratios{provider="openai",account="org",model="m000"} 0.25"#,
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}

#[test]
fn models_that_clients_make_up_do_not_make_series_without_end() {
    let told = text(&report(5000));
    assert_eq!(told.lines().filter(|line| line.starts_with("sluicegate_adaptive_limit{")).count(), MOST);
}
