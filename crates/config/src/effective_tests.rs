use crate::testing::World;

const FILE: &str = "\
gateway: { base_url: 'https://api.example.com/v1', api_key_env: K, timeout_ms: 30000 }
server:
  connect_timeout: 3s
providers:
  openai:
    keys:
      - { name: a, env: K }
      - name: b
        env: L
  mistral:
    api_key_env: K
rate_limits:
  global: { rpm: 100, burst_multiplier: 2 }
  per_endpoint:
    /embeddings:
      rpm: 50
models:
  fast:
    to:
      - { model: openai/x, weight: 1 }
keys:
  - name: web
    value_env: W
";

#[test]
fn every_value_says_where_it_came_from() {
    let loaded = World::with(&[("K", "secret-k"), ("L", "secret-l"), ("W", "secret-w")]).load(FILE).unwrap();
    let shown: Vec<String> =
        loaded.settings.iter().map(|setting| format!("{}={} {}", setting.path, setting.value, setting.from)).collect();
    for expected in [
        "server.connect_timeout=3s sluicegate.yaml:3",
        "server.max_body=32MiB default",
        "providers.default.base_url=https://api.example.com/v1 sluicegate.yaml:1",
        "providers.default.first_byte_timeout=30s sluicegate.yaml:1",
        "providers.default.connect_timeout=3s sluicegate.yaml:3",
        "providers.default.keys.0.source=env K sluicegate.yaml:1",
        "providers.openai.keys.1.name=b sluicegate.yaml:8",
        "providers.openai.keys.1.source=env L sluicegate.yaml:8",
        "providers.mistral.keys.0.source=env K sluicegate.yaml:11",
        "providers.openai.base_url=https://api.openai.com/v1 default",
        "rate_limits.global.requests_per_minute=100 sluicegate.yaml:13",
        "rate_limits.global.requests_per_minute_bucket=200 sluicegate.yaml:13",
        "rate_limits.per_endpoint./embeddings.requests_per_minute=50 sluicegate.yaml:16",
        "rate_limits.per_endpoint./embeddings.requests_per_minute_bucket=100 sluicegate.yaml:13",
        "models.fast.to.0.model=openai/x sluicegate.yaml:20",
        "models.fast.fallback_on=[connect, timeout, server_error, rate_limited] default",
        "keys.0.name=web sluicegate.yaml:22",
        "keys.0.priority=normal sluicegate.yaml:22",
    ] {
        assert!(shown.iter().any(|line| line == expected), "{expected}\n{}", shown.join("\n"));
    }
    assert!(!shown.join("\n").contains("secret-"), "a secret is shown");
}

const FLOW: &str = "\
mode: strict
rate_limits:
  global:
    requests_per_second: 10
    burst_multiplier: 2
  per_endpoint:
    /v1/embeddings:
      requests_per_hour: 50
tenants:
  acme:
    mode: graceful
  other: {}
keys:
  - name: a
    value_env: A
    tenant: acme
    limits:
      tpm: 9000
      burst_multiplier: 1
  - name: b
    value_env: B
    tenant: other
    accept_lower_tier: true
providers:
  lab:
    kind: simulated
    max_concurrency: 4
metrics:
  - name: queue_depth
    alert_threshold: \">=5\"
    for: 2m
priorities:
  classes:
    low: { weight: 1 }
";

#[test]
fn what_is_inherited_says_from_where() {
    let loaded = World::with(&[("A", "secret-a"), ("B", "secret-b")]).load(FLOW).unwrap();
    let shown: Vec<String> =
        loaded.settings.iter().map(|setting| format!("{}={} {}", setting.path, setting.value, setting.from)).collect();
    for expected in [
        "mode=strict sluicegate.yaml:1",
        "rate_limits.global.requests_per_second=10 sluicegate.yaml:4",
        "rate_limits.global.requests_per_second_bucket=20 sluicegate.yaml:5",
        "rate_limits.per_endpoint./embeddings.requests_per_hour=50 sluicegate.yaml:8",
        "rate_limits.per_endpoint./embeddings.requests_per_hour_bucket=100 sluicegate.yaml:5",
        "tenants.acme.mode=graceful sluicegate.yaml:11",
        "tenants.other.mode=strict sluicegate.yaml:1",
        "tenants.other.accept_lower_tier=false default",
        "keys.0.mode=graceful sluicegate.yaml:11",
        "keys.0.accept_lower_tier=false default",
        "keys.0.limits.tokens_per_minute=9000 sluicegate.yaml:18",
        "keys.0.limits.tokens_per_minute_bucket=9000 sluicegate.yaml:19",
        "keys.1.mode=strict sluicegate.yaml:1",
        "keys.1.accept_lower_tier=true sluicegate.yaml:23",
        "providers.lab.limits.concurrency=4 sluicegate.yaml:27",
        "metrics.0.name=queue_depth sluicegate.yaml:29",
        "metrics.0.alert_threshold=>=5 sluicegate.yaml:30",
        "metrics.0.for=2m sluicegate.yaml:31",
        "priorities.classes.low.weight=1 sluicegate.yaml:34",
        "priorities.classes.critical.max_wait=10s default",
        "priorities.max_queue=10000 default",
        "server.stream_keepalive=off default",
    ] {
        assert!(shown.iter().any(|line| line == expected), "{expected}\n{}", shown.join("\n"));
    }
}
