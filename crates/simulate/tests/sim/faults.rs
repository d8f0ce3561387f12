//! Faults ordered from beside, and those that only a proxy or a network makes.

use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use serde_json::{Value, json};
use sluicegate_simulate::{Options, Rule, Settings};

use crate::client::{FORMATS, plain, post, spoken, start};

const PLACE: &str = "/_simulate/faults";

fn control() -> Options {
    Options { control: true, ..plain() }
}

async fn status(sim: &crate::client::Sim, key: &'static str) -> u16 {
    let (path, body) = spoken("chat", false, "hi");
    let mut request = post(&path, &body);
    request.headers_mut().insert("x-api-key", HeaderValue::from_static(key));
    sim.send(request).await.unwrap().status.as_u16()
}

#[tokio::test]
async fn one_key_fails_and_the_others_do_not() {
    let sim = start(control());
    let orders = json!({ "rules": [{ "key": "sk-a", "orders": "[[sim:bad-key]]" }] });
    assert_eq!(sim.post(PLACE, &orders).await.status, 200);
    assert_eq!([status(&sim, "sk-a").await, status(&sim, "sk-b").await], [401, 200]);
    assert_eq!(sim.get(PLACE).await.json()["rules"][0]["struck"], 1);
    let mut heal = post(PLACE, &Value::Null);
    *heal.method_mut() = Method::DELETE;
    assert_eq!(sim.send(heal).await.unwrap().status, 200);
    assert_eq!(status(&sim, "sk-a").await, 200);
}

#[tokio::test]
async fn limits_come_and_go_while_it_runs() {
    let sim = start(control());
    sim.handle.order(Settings { requests_per_minute: Some(1), ..Settings::default() }).unwrap();
    assert_eq!([status(&sim, "k").await, status(&sim, "k").await], [200, 429]);
    let none_at_once = json!({ "concurrency": 0 });
    assert_eq!(sim.post(PLACE, &none_at_once).await.status, 200);
    assert_eq!([status(&sim, "k").await, status(&sim, "other").await], [429, 429]);
    sim.handle.order(Settings::default()).unwrap();
    assert_eq!(status(&sim, "k").await, 200);
}

#[tokio::test]
async fn what_is_misspelt_or_not_allowed_is_refused_and_changes_nothing() {
    let sim = start(control());
    for wrong in
        [json!({ "rule": [] }), json!({ "rules": [{ "orders": "[[sim:explode]]" }] }), json!({ "rules": [{}] })]
    {
        let got = sim.post(PLACE, &wrong).await;
        assert!(got.status == 400 && got.text().contains("error"), "{}", got.text());
    }
    let mut page = post(PLACE, &json!({ "rules": [{ "orders": "[[sim:reset]]" }] }));
    page.headers_mut().insert("origin", HeaderValue::from_static("http://elsewhere"));
    assert_eq!(sim.send(page).await.unwrap().status, 403);
    assert_eq!(start(plain()).get(PLACE).await.status, 403, "nobody said that it may be controlled");
    assert_eq!(status(&sim, "k").await, 200);
}

#[tokio::test]
async fn a_message_overrules_what_was_ordered_from_beside() {
    let sim = start(plain());
    sim.handle.order(Settings { rules: vec![Rule::always("[[sim:status=500]]")], ..Settings::default() }).unwrap();
    assert_eq!(sim.say("chat", false, "hi").await.status, 500);
    assert_eq!(sim.say("chat", false, "[[sim:status=503]]").await.status, 503);
}

#[tokio::test]
async fn every_kind_of_too_much_has_the_providers_words_and_headers() {
    let sim = start(plain());
    for (format, kind, status, words, header) in [
        ("chat", "requests", 429, "\"type\":\"requests\"", ("x-ratelimit-remaining-requests", "0")),
        ("chat", "tokens", 429, "tokens per min", ("x-ratelimit-remaining-tokens", "0")),
        ("chat", "concurrency", 429, "concurrency: 3", ("retry-after", "")),
        ("chat", "slope", 429, "slow_down", ("retry-after", "1")),
        ("responses", "billing", 429, "insufficient_quota", ("retry-after", "")),
        ("chat", "overloaded", 503, "server_is_overloaded", ("retry-after", "")),
        ("messages", "requests", 429, "rate_limit_error", ("anthropic-ratelimit-requests-remaining", "0")),
        ("messages", "tokens", 429, "input tokens per minute", ("anthropic-ratelimit-tokens-remaining", "0")),
        ("messages", "slope", 429, "ramp_limit_exceeded", ("retry-after", "1")),
        ("messages", "billing", 400, "credit balance is too low", ("retry-after", "")),
        ("messages", "overloaded", 529, "overloaded_error", ("retry-after", "")),
        ("generate", "requests", 429, "\"retryDelay\":\"1s\"", ("retry-after", "")),
        ("generate", "tokens", 429, "GenerateContentInputTokensPerModelPerMinute", ("retry-after", "")),
        ("chat", "day", 429, "requests per day", ("retry-after", "4320")),
        ("generate", "day", 429, "PerDay", ("retry-after", "")),
        ("generate", "billing", 402, "prepaid", ("retry-after", "")),
        ("generate", "overloaded", 503, "UNAVAILABLE", ("retry-after", "")),
    ] {
        for stream in [false, true] {
            let got = sim.say(format, stream, &format!("[[sim:throttle={kind}]]")).await;
            assert_eq!(got.status, status, "{format} {kind}");
            assert!(got.text().contains(words), "{format} {kind}: {}", got.text());
            assert_eq!(got.header(header.0), header.1, "{format} {kind}");
        }
    }
}

#[tokio::test]
async fn keys_models_and_lengths_are_refused_in_the_providers_words() {
    let sim = start(plain());
    for (format, key, length) in [
        ("chat", "invalid_api_key", "context_length_exceeded"),
        ("responses", "invalid_api_key", "context_length_exceeded"),
        ("messages", "authentication_error", "prompt is too long"),
        ("generate", "API_KEY_INVALID", "exceeds the maximum number of tokens"),
    ] {
        let got = sim.say(format, true, "[[sim:bad-key]]").await;
        assert!(got.text().contains(key), "{format}: {}", got.text());
        let got = sim.say(format, true, "[[sim:context-length]]").await;
        assert!(got.status == 400 && got.text().contains(length), "{format}: {}", got.text());
        assert_eq!(sim.say(format, true, "[[sim:no-model]]").await.status, 404, "{format}");
    }
}

#[tokio::test]
async fn a_proxy_answers_in_the_providers_place() {
    let sim = start(plain());
    for format in FORMATS {
        for stream in [false, true] {
            for (markers, status) in [("[[sim:page]]", 200), ("[[sim:page]][[sim:status=502]]", 502)] {
                let got = sim.say(format, stream, markers).await;
                assert_eq!((got.status.as_u16(), got.header("content-type")), (status, "text/html"), "{format}");
                assert!(got.text().starts_with("<html>"), "{format}");
            }
        }
        let got = sim.say(format, true, "[[sim:content-type=text/plain]]").await;
        assert_eq!(got.header("content-type"), "text/plain");
    }
}

#[tokio::test]
async fn a_body_is_cut_in_the_middle_or_held_open_after_its_end() {
    let sim = start(plain());
    for format in FORMATS {
        let got = sim.say(format, true, "[[sim:cut=3]]").await;
        assert_eq!((got.events().len(), got.broken), (3, true), "{format}");
        assert!(sim.say(format, false, "[[sim:cut]]").await.broken, "{format}");
        let begun = Instant::now();
        let got = sim.say(format, true, "[[sim:linger=150ms]]").await;
        assert!(!got.broken && begun.elapsed() >= Duration::from_millis(145), "{format}");
    }
}
