use super::*;
use crate::testing::World;

const ADAPTIVE: &str = "mode: adaptive · a call that finds no room waits its turn, up to its deadline";
const CLASSES: &str = "classes: critical 53 %, 10s · high 27 %, 10s · normal 13 %, 30s · low 7 %, 5m (share while all wait, longest wait)";
const QUEUE: &str = "queue: 10 000 calls, 1GiB of request bodies; beyond that 503";

fn lines(text: &str) -> Vec<String> {
    let loaded = World::with(&[("OPENAI_API_KEY", "k")]).load(text).unwrap();
    loaded.meaning.iter().map(|line| format!("{}: {}", line.subject, line.text)).collect()
}

#[test]
fn the_worst_minute_is_said() {
    let text = include_str!("../tests/good/experience_a.yaml");
    assert_eq!(
        lines(text),
        [
            "global: 3 000 req/min · bucket 4 500 · +5 per 100 ms · worst minute 7 500",
            "global: 400 000 tok/min · bucket 600 000 · +667 per 100 ms · worst minute 1 000 000",
            "/chat/completions: 2 000 req/min · bucket 3 000 · +3.33 per 100 ms · worst minute 5 000",
            "/chat/completions: 300 000 tok/min · bucket 450 000 · +500 per 100 ms · worst minute 750 000",
            "/chat/completions: priority high",
            "/embeddings: 3 000 req/min · bucket 4 500 · +5 per 100 ms · worst minute 7 500",
            "/embeddings: 400 000 tok/min · bucket 600 000 · +667 per 100 ms · worst minute 1 000 000",
            "/embeddings: priority low",
            "/images/generations: no limit of its own (line 18)",
            "provider default: left alone after 5 failures in a row, or when under 50% of 20 or more in 10s succeed · for 30s · then 3 trial calls at once",
            ADAPTIVE,
            CLASSES,
            QUEUE,
            "alert: bucket_fill_percentage <20%",
            "alert: queue_wait_p99_ms >2000 for 2m",
        ]
    );
}

#[test]
fn a_window_is_said_to_be_one() {
    assert_eq!(
        lines("rate_limits: { global: { rpm: 1000 } }"),
        [
            "global: 1 000 req/min · never more in any 60 s",
            "per endpoint: no limits of their own; the global ones apply",
            ADAPTIVE,
            CLASSES,
            QUEUE,
        ]
    );
    assert_eq!(lines(""), ["global: no limit"]);
}

#[test]
fn thousands_are_grouped() {
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
        assert_eq!(grouped(number), text);
    }
}

#[test]
fn what_is_configured_is_counted() {
    let text = "providers: { a: { kind: simulated }, b: { kind: simulated } }\nmodels: { m: { to: a/x } }";
    assert_eq!(World::default().load(text).unwrap().config.summary(), "2 providers (2 simulated) · 1 model · 0 keys");
}

#[test]
fn every_owner_says_its_worst_minute_and_what_differs_from_the_usual() {
    let text = "
providers:
  openai:
    max_concurrency: 200
    limits: { requests_per_second: 50 }
    model_limits: { gpt-4.1: { tokens_per_day: 9000000, shadow: true } }
    keys: [{ name: org, env: OPENAI_API_KEY, limits: { requests_per_hour: 9000 } }]
models:
  smart: { to: openai/gpt-4.1, limits: { requests_per_second: 5, burst_multiplier: 2 }, lower_tier: fast }
  fast: { to: openai/gpt-4.1-mini }
mode: strict
tenants:
  acme: { mode: graceful, limits: { requests_per_day: 1000, burst_multiplier: 1.5 } }
keys:
  - { name: a, sha256: '0000000000000000000000000000000000000000000000000000000000000001', tenant: acme,
      accept_lower_tier: true, limits: { concurrency: 20 } }
";
    assert_eq!(
        lines(text),
        [
            "global: no limit",
            "tenant acme: 1 000 req/day · bucket 1 500 · refilled continuously · worst day 2 500",
            "tenant acme: mode graceful",
            "key a: 20 at once",
            "key a: accepts a lower tier",
            "model smart: 5 req/s · bucket 10 · refilled continuously · worst minute 310",
            "model smart: falls back to fast for keys that accept it",
            "provider openai: 50 req/s · never more in any second · worst minute 3 000",
            "provider openai: 200 at once",
            "provider openai, key org: 9 000 req/h · never more in any hour",
            "openai/gpt-4.1: 9 000 000 tok/day · never more in any 24 h · shadow: counted, nothing refused",
            "mode: strict · a call that finds no room is refused at once",
            CLASSES,
            QUEUE,
        ]
    );
}

#[test]
fn keys_that_are_alike_share_their_lines() {
    let key = |n: usize, rpm: usize| format!("  - {{ name: k{n}, sha256: '{n:064}', limits: {{ rpm: {rpm} }} }}\n");
    let text: String = (0..2000).map(|n| key(n, if n == 1 { 7 } else { 5 })).collect();
    let said = lines(&format!("keys:\n{text}"));
    assert_eq!(
        said[1..3],
        ["1 999 keys (k0, ...): 5 req/min · never more in any 60 s", "key k1: 7 req/min · never more in any 60 s"]
    );
}

#[test]
fn what_a_step_adds_is_never_said_to_be_nothing() {
    for (amount, step, expected) in [
        (100, 50, "0.08"),
        (3000, 100, "5"),
        (10_000, 50, "8.33"),
        (120, 50, "0.1"),
        (400_000, 100, "667"),
        (6_000_000, 1000, "100 000"),
        (1, 1, "less than 0.01"),
    ] {
        let step = Period::from_millis(step);
        let rate = Rate::new(RateKind::Requests, Window::Minute, amount, Some(1.0), Some(step));
        assert_eq!(per_step(&rate, step), expected, "{amount}");
    }
}
