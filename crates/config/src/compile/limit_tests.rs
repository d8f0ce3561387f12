use super::*;
use crate::testing::{World, printed};
use proptest::prelude::*;

fn key_limits(limits: &str) -> Limit {
    let text = format!("keys: [{{ name: a, sha256: '{}', limits: {limits} }}]", "0".repeat(64));
    let loaded = World::default().load(&text).map_err(|found| printed(&found)).unwrap();
    loaded.config.keys[0].limits.clone()
}

fn codes(text: &str) -> Vec<&'static str> {
    let found = match World::default().load(text) {
        Ok(loaded) => loaded.diagnostics,
        Err(found) => found,
    };
    found.iter().map(|diagnostic| diagnostic.code).filter(|code| *code != "N201").collect()
}

#[test]
fn every_window_is_compiled_in_order_with_one_burst_for_all() {
    let limit = key_limits(
        "{ tokens_per_day: 90000, tpm: 8000, requests_per_day: 40, requests_per_hour: 30, rpm: 20, requests_per_second: 10,
           tokens_per_hour: 80000, concurrency: 5, burst_multiplier: 1.5, refill_rate_ms: 50, shadow: true }",
    );
    let fields: Vec<_> = limit.rates.iter().map(|rate| (rate.field(), rate.amount, rate.largest_call())).collect();
    assert_eq!(
        fields,
        [
            ("requests_per_second", 10, 15),
            ("requests_per_minute", 20, 30),
            ("requests_per_hour", 30, 45),
            ("requests_per_day", 40, 60),
            ("tokens_per_minute", 8000, 12_000),
            ("tokens_per_hour", 80_000, 120_000),
            ("tokens_per_day", 90_000, 135_000),
        ]
    );
    assert!(limit.rates.iter().all(|rate| matches!(rate.shape, Shape::TokenBucket { step: Some(_), .. })));
    assert_eq!((limit.concurrency, limit.shadow), (Some(5), true));
}

#[test]
fn without_a_burst_every_window_is_exact() {
    let limit = key_limits("{ requests_per_second: 5, requests_per_day: 100 }");
    assert!(limit.rates.iter().all(|rate| rate.shape == Shape::SlidingWindow));
    assert_eq!((limit.concurrency, limit.shadow), (None, false));
    assert!(key_limits("{}").is_empty() && key_limits("~").is_empty());
}

#[test]
fn endpoints_inherit_the_burst_and_nothing_else() {
    let text = "rate_limits: { global: { rpm: 100, burst_multiplier: 2, shadow: true, concurrency: 9 },
                per_endpoint: { /v1/embeddings: { requests_per_second: 3 } } }";
    let limits = World::default().load(text).unwrap().config.limits;
    let own = &limits.endpoints[&Endpoint::Embeddings].limit;
    assert_eq!(own.rate(RateKind::Requests, Window::Second).unwrap().largest_call(), 6);
    assert_eq!((own.rates.len(), own.concurrency, own.shadow), (1, None, false));
}

#[test]
fn a_provider_has_limits_as_a_whole_by_key_and_by_model() {
    let text = "providers: { lab: { kind: simulated, max_concurrency: 7, limits: { rpm: 60 },
                model_limits: { sim-small: { tpm: 9000 } },
                keys: [{ name: k, value: x, limits: { requests_per_day: 4 } }] } }\nmodels: { m: { to: lab/sim-small } }";
    let config = World::default().load(text).map_err(|found| printed(&found)).unwrap().config;
    let lab = &config.providers["lab"];
    assert_eq!((lab.limits.concurrency, lab.limits.rates[0].amount), (Some(7), 60));
    assert_eq!(lab.keys[0].limits.rates[0].field(), "requests_per_day");
    assert_eq!(lab.model_limits["sim-small"].rates[0].amount, 9000);
}

#[test]
fn a_limit_above_a_wider_one_is_said_once_and_one_in_shadow_is_no_bound() {
    let owned = |global: &str, tenant: &str, key: &str| {
        format!(
            "rate_limits: {{ global: {global} }}\ntenants: {{ t: {{ limits: {tenant} }} }}
keys: [{{ name: a, tenant: t, sha256: '{}', limits: {key} }}]",
            "0".repeat(64)
        )
    };
    for (global, tenant, key, expected) in [
        ("{ rpm: 10 }", "{ rpm: 10 }", "{ rpm: 10 }", &[][..]),
        ("{ rpm: 10 }", "{ rpm: 9 }", "{ rpm: 11 }", &["W114"]),
        ("{ rpm: 10 }", "{ rpm: 20 }", "{ rpm: 15 }", &["W114", "W114"]),
        ("{ rpm: 10, shadow: true }", "{ rpm: 20 }", "{ rpm: 15 }", &[]),
        ("{ rpm: 10 }", "{ requests_per_hour: 20 }", "{ concurrency: 15 }", &[]),
        ("{ concurrency: 10 }", "{}", "{ concurrency: 15 }", &["W114"]),
    ] {
        assert_eq!(codes(&owned(global, tenant, key)), expected, "{global} {tenant} {key}");
    }
}

#[test]
fn a_token_limit_below_one_call_is_warned_of_where_calls_generate() {
    for (text, expected) in [
        ("rate_limits: { global: { tpm: 1999 } }", &["W115"][..]),
        ("rate_limits: { global: { tpm: 2000 } }", &[]),
        ("rate_limits: { global: { tpm: 1000, burst_multiplier: 2 } }", &[]),
        ("rate_limits: { global: { tpm: 1999, shadow: true } }", &[]),
        ("rate_limits: { per_endpoint: { /embeddings: { tpm: 10 } } }", &[]),
        ("rate_limits: { per_endpoint: { /messages: { tokens_per_hour: 10 } } }", &["W115"]),
    ] {
        assert_eq!(codes(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_numbers_are_compiled_or_refused_with_a_place(
        second in prop_oneof![0..100u64, any::<u64>()], minute in 0..100u64, hour in 0..100u64, calls in 0..2_000_000u64, burst in -1.0..2000.0f64,
    ) {
        let text = format!(
            "rate_limits: {{ global: {{ requests_per_second: {second}, rpm: {minute}, requests_per_hour: {hour}, \
             concurrency: {calls}, burst_multiplier: {burst} }} }}"
        );
        match World::default().load(&text) {
            Ok(loaded) => {
                let global = loaded.config.limits.global;
                prop_assert!(second <= minute && minute <= hour && global.concurrency == Some(calls));
            }
            Err(found) => prop_assert!(found.iter().all(|diagnostic| diagnostic.position.is_some())),
        }
    }
}
