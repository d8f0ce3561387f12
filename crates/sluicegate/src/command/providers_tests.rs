use super::*;
use serde_json::json;

pub(crate) fn page() -> ProvidersPage {
    let key = |name: &str, role: &str, state: &str, retry: Option<u64>| {
        json!({
            "name": name, "role": role, "state": state, "group": name, "headroom": 0.14, "retry_in_ms": retry,
            "error_rate": 0.008, "consecutive": 0, "in_flight": 20, "calls": 12345
        })
    };
    let model = json!({
        "model": "gpt-4.1", "waiting": 3, "first_token_p50_ms": 310, "first_token_p95_ms": 900,
        "adaptive": { "limit": 40, "in_flight": 12, "threshold_ms": 1000, "slow_start": false, "cut_ago_ms": 5000 },
        "quotas": [{ "group": "org-a", "share": 0.8, "held_ms": 1500, "headroom": 0.14, "requests": [84, 600],
            "tokens": [112000, 1200000], "input_tokens": null, "output_tokens": null }]
    });
    let change = json!({ "ago_ms": 61000, "state": "open", "cause": "failures in a row" });
    serde_json::from_value(json!({
        "schema": ProvidersPage::SCHEMA, "config": "3f9c2a",
        "providers": [{
            "name": "openai", "held": false, "in_flight": 40, "retries_left": 12.4,
            "breaker": { "state": "open", "retry_in_ms": 12000, "results": 40, "failures": 30, "consecutive": 5,
                "opened": 2, "closed": 1, "history": [change] },
            "keys": [key("org-a", "primary", "throttled", Some(31000)), key("spare", "standby", "healthy", None)],
            "models": [model]
        }],
        "failovers": [{ "model": "fast", "left": 12.6, "most": 100.0 }, { "model": "assistant", "left": 2000.0, "most": 2000.0 }]
    }))
    .unwrap()
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_table_says_who_gets_calls_and_why_not() {
    let wanted = "\
PROVIDER/KEY  STATE      IN FLIGHT  ERRORS  HEADROOM
openai        open              40     75%         -  tried again in 12 s · 5 failures in a row · 12 retries left · 3 waiting for its quota
  org-a       throttled         20      1%       14%  refills in 31 s · 12 345 calls
  spare       healthy           20      1%       14%  standby · 12 345 calls

MODEL      EXTRA TRIES LEFT
fast       13 of 100
assistant  2000 of 2000
";
    assert_eq!(plain(&table(&page())), wanted);
}

#[test]
fn all_that_is_known_of_a_provider_is_shown() {
    let text = plain(&whole(&page()));
    for line in [
        "    first token  p50 310 ms · p95 900 ms",
        "    at once      12 of 40 · cut when first tokens take longer than 1.0 s",
        "    waiting      3 for its quota",
        "    quota        org-a: requests 84 of 600 left · tokens 112 000 of 1 200 000 left · nothing goes for 1.5 s · 80% of it taken for ours",
        "  open · 30 of 40 results in the last 10 s were failures · opened 2 times",
        "      61 s ago  open       failures in a row",
        "  12.4 of 100 left",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}

#[test]
fn a_target_is_a_provider_or_one_of_its_keys() {
    assert_eq!(path("openai"), "/admin/api/providers/openai");
    assert_eq!(path("my lab/a?b"), "/admin/api/providers/my%20lab/keys/a%3Fb");
    assert!(key_of("openai").is_err());
    assert_eq!(key_of("openai/org-a").unwrap(), "org-a");
}
