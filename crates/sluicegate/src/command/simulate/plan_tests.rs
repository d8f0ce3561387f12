use super::Plan;
use sluicegate_config::Config;
use sluicegate_flow::Mode;
use sluicegate_simulate::lab::{CLASSES, Concerns, Names};
use sluicegate_vocabulary::{Endpoint, Priority};
use std::time::Duration;

fn config(text: &str) -> Config {
    sluicegate_config::load(text, "sluicegate.yaml").unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_old_file_is_played_as_it_means() {
    let plan = Plan::new(
        &config(
            "gateway: { name: g, base_url: 'https://api.example.com/v1' }
rate_limits:
  global: { requests_per_minute: 10000, tokens_per_minute: 5000000, burst_multiplier: 1.5 }
  per_endpoint:
    /chat/completions: { rpm: 5000, priority: high }
    /embeddings: { rpm: 2500, priority: medium }",
        ),
        None,
    );
    let rules: Vec<(String, u64)> = plan.relay.ingress.iter().map(|rule| (rule.name(), rule.quota.set)).collect();
    let expected = [
        ("endpoint:/chat/completions requests_per_minute", 5000),
        ("endpoint:/embeddings requests_per_minute", 2500),
        ("overall:overall requests_per_minute", 10_000),
        ("overall:overall tokens_per_minute", 5_000_000),
    ];
    assert_eq!(rules, expected.map(|(name, set)| (name.to_owned(), set)));
    assert!(plan.relay.egress.is_empty());
    let of =
        |endpoint| plan.kinds.highest_of_endpoint.iter().find(|(own, _)| *own == endpoint).map(|(_, class)| *class);
    assert_eq!(of(Endpoint::ChatCompletions), Some(Priority::High));
    assert_eq!(of(Endpoint::Embeddings), Some(Priority::Normal));
    // Twice as many calls to the endpoint that may have twice as many: both would fill up at 7500 a minute, but the
    // tokens of all calls are gone before.
    let tokens = 5e6 / 60.0 / plan.kinds.mean_tokens();
    assert!((plan.capacity(SECOND).unwrap() - tokens.min(125.0)).abs() < 1e-6);
}

const FULL: &str = "
providers:
  one: { kind: openai_compatible, base_url: 'http://127.0.0.1:9/v1', limits: { requests_per_second: 50 } }
  two: { kind: openai_compatible, base_url: 'http://127.0.0.1:9/v1', limits: { concurrency: 7 } }
models:
  fast: { to: one/small, limits: { requests_per_minute: 600 } }
  smart: { to: two/large }
tenants:
  team: { limits: { requests_per_hour: 9000 } }
keys:
  - { name: web, value: sk-sg-0123456789abcdef0123456789abcdef, priority: high, tenant: team, mode: strict }
  - { name: batch, value: sk-sg-1123456789abcdef0123456789abcdef, priority: low, tenant: team, limits: { requests_per_minute: 60 } }
";

#[test]
fn every_limit_concerns_whom_it_concerns_in_the_relay() {
    let plan = Plan::new(&config(FULL), None);
    let of = |name: &str| {
        let mut all = plan.relay.ingress.iter().chain(&plan.relay.egress);
        all.find(|rule| rule.name() == name).map(|rule| rule.concerns.clone())
    };
    assert_eq!(of("key:batch requests_per_minute"), Some(Concerns::Keys(vec![1])));
    assert_eq!(of("tenant:team requests_per_hour"), Some(Concerns::Keys(vec![0, 1])));
    assert_eq!(of("model:fast requests_per_minute"), Some(Concerns::Models(vec![0])));
    assert_eq!(of("provider:one requests_per_second"), Some(Concerns::Models(vec![0])));
    assert_eq!(of("provider:two concurrency"), Some(Concerns::Models(vec![1])));
    assert_eq!(plan.relay.modes.get(&0), Some(&Mode::Strict));
    assert_eq!(plan.relay.modes.get(&1), Some(&Mode::Adaptive));
    assert_eq!(plan.kinds.highest_of_key, [Priority::High, Priority::Low]);
    assert_eq!(*plan.relay.waits.of(CLASSES[3]), 300 * SECOND);
    // Half the calls are of the key that may have one a second.
    assert!((plan.capacity(SECOND / 10).unwrap() - 2.0).abs() < 1e-9);
}

#[test]
fn replayed_calls_meet_the_limits_of_the_keys_and_models_they_name() {
    let names = Names { keys: vec!["unknown".into(), "batch".into()], models: vec!["two/other".into(), "fast".into()] };
    let plan = Plan::new(&config(FULL), Some(&names));
    let of = |name: &str| {
        let mut all = plan.relay.ingress.iter().chain(&plan.relay.egress);
        all.find(|rule| rule.name() == name).map(|rule| rule.concerns.clone())
    };
    assert_eq!(of("key:batch requests_per_minute"), Some(Concerns::Keys(vec![1])));
    assert_eq!(of("model:fast requests_per_minute"), Some(Concerns::Models(vec![1])));
    assert_eq!(of("provider:two concurrency"), Some(Concerns::Models(vec![0])));
    assert_eq!(of("provider:one requests_per_second"), Some(Concerns::Models(vec![1])));
}
