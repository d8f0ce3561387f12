//! Keys, models, rate limits, drawn faults and the prompt cache.

use std::time::{Duration, Instant};

use http::HeaderValue;
use serde_json::{Value, json};
use sluicegate_simulate::{Faults, Options};

use crate::client::{FORMATS, Sim, eventually, plain, post, read, spoken, start};
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_key_is_accepted_in_any_form_and_refused_in_each_providers_words() {
    let sim = start(Options { require_key: Some("right".to_owned()), ..plain() });
    for (format, none, wrong, word) in [
        ("chat", 401, 401, "invalid_api_key"),
        ("responses", 401, 401, "invalid_api_key"),
        ("messages", 401, 401, "authentication_error"),
        ("generate", 403, 400, "API_KEY_INVALID"),
    ] {
        assert_eq!(sim.say(format, true, "hi").await.status, none);
        for (name, value) in [("authorization", "Bearer "), ("x-api-key", ""), ("x-goog-api-key", ""), ("api-key", "")]
        {
            let (path, body) = spoken(format, false, "hi");
            for (key, status) in [("right", 200), ("wrong", wrong)] {
                let mut request = post(&path, &body);
                request.headers_mut().insert(name, HeaderValue::try_from(format!("{value}{key}")).unwrap());
                let got = sim.send(request).await.unwrap();
                assert_eq!(got.status, status, "{format} {name}");
                assert!(status == 200 || got.text().contains(word), "{}", got.text());
            }
        }
    }
    let body = json!({ "contents": [{ "parts": [{ "text": "hi" }] }] });
    assert_eq!(sim.post("/v1beta/models/m:generateContent?key=right", &body).await.status, 200);
}

#[tokio::test]
async fn listed_models_are_the_only_ones_if_any_are_listed() {
    let sim = start(Options { models: vec!["m".to_owned(), "a/b".to_owned()], ..plain() });
    assert_eq!(sim.say("chat", false, "hi").await.status, 200);
    let body = json!({ "model": "z", "messages": [{ "role": "user", "content": "hi" }] });
    let got = sim.post("/v1/chat/completions", &body).await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["code"].clone()), (404, json!("model_not_found")));
    assert_eq!(sim.get("/v1/models").await.json()["data"][1]["id"], "a/b");
    assert_eq!(sim.get("/v1/models/a%2Fb").await.json()["id"], "a/b");
    assert_eq!(sim.get("/v1/models/z").await.status, 404);
}

#[tokio::test]
async fn requests_over_the_limit_are_refused_with_the_providers_headers() {
    let sim = start(Options { requests_per_minute: Some(2), tokens_per_minute: Some(100_000), ..plain() });
    let first = sim.say("chat", false, "hi").await;
    assert_eq!(first.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(first.header("x-ratelimit-remaining-requests"), "1");
    assert!(
        first.header("x-ratelimit-reset-requests").starts_with("30")
            || first.header("x-ratelimit-reset-requests").starts_with("29.")
    );
    assert_eq!(sim.say("chat", false, "hi").await.status, 200);
    let over = sim.say("chat", true, "hi").await;
    assert_eq!((over.status.as_u16(), over.json()["error"]["type"].clone()), (429, json!("requests")));
    assert_eq!((over.header("retry-after"), over.header("x-ratelimit-remaining-requests")), ("30", "0"));
    let anthropic = sim.say("messages", false, "hi").await;
    assert_eq!((anthropic.status.as_u16(), anthropic.header("retry-after")), (429, "30"));
    assert_eq!(anthropic.header("anthropic-ratelimit-requests-remaining"), "0");
    assert!(anthropic.header("anthropic-ratelimit-tokens-reset").ends_with('Z'));
    let gemini = sim.say("generate", false, "hi").await;
    assert!(gemini.status == 429 && gemini.text().contains("retryDelay") && gemini.header("retry-after").is_empty());
    let mut other = post("/v1/chat/completions", &spoken("chat", false, "hi").1);
    other.headers_mut().insert("authorization", HeaderValue::from_static("Bearer other"));
    assert_eq!(sim.send(other).await.unwrap().status, 200, "another key has its own limit");
}

/// A call that is under way and stays so until it is aborted.
async fn under_way(sim: &Sim, format: &str, stream: bool, text: &str) -> JoinHandle<()> {
    let before = sim.handle.stats().in_flight;
    let mut connection = sim.connect().await;
    let (path, body) = spoken(format, stream, text);
    let call = tokio::spawn(async move {
        let answer = connection.send_request(post(&path, &body)).await.unwrap();
        read(answer).await;
    });
    assert!(eventually(|| sim.handle.stats().in_flight > before).await, "{format}");
    call
}

#[tokio::test]
async fn calls_over_those_allowed_at_once_are_refused_in_each_providers_words() {
    let sim = start(Options { concurrency: Some(2), requests_per_minute: Some(100), ..plain() });
    let held = [
        under_way(&sim, "chat", true, "[[sim:stall=600s]]").await,
        under_way(&sim, "generate", false, "[[sim:slow-headers=600s]]").await,
    ];
    for (format, words) in [
        ("chat", "max organization concurrency: 2,"),
        ("responses", "max organization concurrency: 2,"),
        ("messages", "Number of concurrent connections has exceeded your rate limit."),
        ("generate", "Quota exceeded for concurrent requests."),
    ] {
        for stream in [false, true] {
            let over = sim.say(format, stream, "hi").await;
            assert_eq!(over.status, 429, "{format}");
            assert!(over.text().contains(words), "{format}: {}", over.text());
            assert_eq!(over.header("retry-after"), "", "nobody knows when a place will be free");
        }
    }
    assert_eq!(sim.say("chat", false, "hi").await.header("x-ratelimit-limit-requests"), "100");
    let (path, body) = spoken("chat", false, "hi");
    let mut other = post(&path, &body);
    other.headers_mut().insert("authorization", HeaderValue::from_static("Bearer other"));
    assert_eq!(sim.send(other).await.unwrap().status, 200, "another key has its own");
    held.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_place_is_free_when_the_answer_has_ended_or_its_client_has_gone() {
    let sim = start(Options { concurrency: Some(1), ..plain() });
    for format in FORMATS {
        for stream in [false, true] {
            // A client that has seen the end of an answer may ask again at once, whatever the answer was.
            for _ in 0..5 {
                assert_eq!(sim.say(format, stream, "hi").await.status, 200, "{format}");
                assert_eq!(sim.say(format, stream, "[[sim:status=500]]").await.status, 500, "{format}");
            }
            // The head has not come yet; the answer stands still in its middle.
            for text in ["[[sim:slow-headers=600s]]", "[[sim:stall=600s]]"] {
                let left = under_way(&sim, format, stream, text).await;
                assert_eq!(sim.say(format, stream, "hi").await.status, 429, "{format}: {text}");
                left.abort();
                assert!(eventually(|| sim.handle.stats().in_flight == 0).await, "{format}: {text}");
                assert_eq!(sim.say(format, stream, "hi").await.status, 200, "{format}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_output_that_a_request_allows_counts_against_its_tokens() {
    let sim = start(Options { tokens_per_minute: Some(1000), ..plain() });
    let body = json!({ "model": "m", "max_tokens": 2000, "messages": [{ "role": "user", "content": "hi" }] });
    let got = sim.post("/v1/chat/completions", &body).await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["type"].clone()), (429, json!("tokens")));
    assert_eq!(got.header("x-ratelimit-remaining-tokens"), "1000");
}

#[tokio::test]
async fn drawn_errors_come_as_often_as_asked_and_the_same_again() {
    let run = async |seed| {
        let sim = start(Options { seed, error_rate: 0.3, ..plain() });
        let mut statuses = Vec::new();
        for _ in 0..100 {
            statuses.push(sim.say("messages", false, "hi").await.status.as_u16());
        }
        statuses
    };
    let statuses = run(5).await;
    let failed = statuses.iter().filter(|status| **status != 200).count();
    assert!((15..45).contains(&failed), "{failed}");
    assert!(statuses.iter().all(|status| [200, 500, 529].contains(status)));
    assert_eq!(statuses, run(5).await);
    assert_ne!(statuses, run(6).await);
}

#[tokio::test]
async fn every_drawn_fault_strikes() {
    let with = |faults: Faults| start(Options { faults, ..plain() });
    let base = Faults {
        stall_for: Duration::from_millis(150),
        slow_headers_for: Duration::from_millis(150),
        ..Faults::default()
    };
    assert!(with(Faults { reset: 1.0, ..base }).try_say("chat", false, "hi").await.is_err());
    assert_eq!(with(Faults { truncate: 1.0, ..base }).say("chat", true, "hi").await.events().len(), 3);
    assert!(with(Faults { error_in_stream: 1.0, ..base }).say("chat", true, "hi").await.text().contains("overloaded"));
    assert_eq!(with(Faults { empty: 1.0, ..base }).say("chat", true, "hi").await.text(), "");
    let malformed = with(Faults { malformed: 1.0, ..base }).say("chat", false, "hi").await;
    assert!(serde_json::from_str::<Value>(&malformed.text()).is_err());
    for faults in [Faults { stall: 1.0, ..base }, Faults { slow_headers: 1.0, ..base }] {
        let sim = with(faults);
        let start = Instant::now();
        sim.say("chat", true, "hi").await;
        assert!(start.elapsed() >= Duration::from_millis(145));
    }
}

#[tokio::test]
async fn drawn_rate_limits_and_overloads_are_the_providers_own() {
    let limited = start(Options { faults: Faults { rate_limited: 1.0, ..Faults::default() }, ..plain() });
    let overloaded = start(Options { faults: Faults { overloaded: 1.0, ..Faults::default() }, ..plain() });
    for (format, place, limit, wait, full, word) in [
        ("chat", "/error/code", "rate_limit_exceeded", "1", 503, "server_is_overloaded"),
        ("responses", "/error/code", "rate_limit_exceeded", "1", 503, "server_is_overloaded"),
        ("messages", "/error/type", "rate_limit_error", "1", 529, "overloaded_error"),
        ("generate", "/error/status", "RESOURCE_EXHAUSTED", "", 503, "UNAVAILABLE"),
    ] {
        for stream in [false, true] {
            let got = limited.say(format, stream, "hi").await;
            assert_eq!((got.status.as_u16(), got.header("retry-after")), (429, wait), "{format}");
            assert_eq!(got.json().pointer(place), Some(&json!(limit)), "{format}");
            let got = overloaded.say(format, stream, "hi").await;
            assert_eq!((got.status.as_u16(), got.header("retry-after")), (full, ""), "{format}");
            assert_eq!(got.json().pointer(place), Some(&json!(word)), "{format}");
        }
    }
    assert_eq!(limited.say("chat", false, "hi").await.header("retry-after-ms"), "1000");
    assert!(limited.say("generate", false, "hi").await.text().contains(r#""retryDelay":"1s""#));
    assert_eq!(limited.say("chat", false, "[[sim:status=401]]").await.status, 401, "a marker's status stands");
}

#[tokio::test]
async fn shares_that_make_one_together_leave_no_request_whole() {
    let faults = Faults { rate_limited: 0.3, overloaded: 0.2, ..Faults::default() };
    let sim = start(Options { error_rate: 0.5, faults, ..plain() });
    let mut limited = 0;
    for _ in 0..100 {
        let status = sim.say("messages", false, "hi").await.status.as_u16();
        assert!([429, 500, 529].contains(&status), "{status}");
        limited += u32::from(status == 429);
    }
    assert!((15..45).contains(&limited), "{limited}");
}

#[tokio::test]
async fn latency_and_pace_of_the_options_hold() {
    let sim = start(Options {
        latency: Duration::from_millis(50),
        ttft: Duration::from_millis(50),
        tokens_per_second: 200,
        answer_tokens: Some(21),
        ..plain()
    });
    for stream in [false, true] {
        let start = Instant::now();
        let got = sim.say("chat", stream, "hi").await;
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(195) && took < Duration::from_millis(900), "{took:?}");
        assert_eq!(got.usage().unwrap().1, 21);
    }
}

#[tokio::test]
async fn a_repeated_prompt_is_read_from_the_cache() {
    let sim = start(Options { prompt_cache: true, ..plain() });
    let cached = async |format: &str, place: &str| {
        sim.say(format, false, "the same words").await.json().pointer(place).unwrap().as_u64()
    };
    let place = "/usage/prompt_tokens_details/cached_tokens";
    assert_eq!(cached("chat", place).await, Some(0));
    assert_eq!(cached("chat", place).await, Some(9));
    let system =
        json!([{ "type": "text", "text": "long rules", "cache_control": { "type": "ephemeral", "ttl": "1h" } }]);
    let body =
        json!({ "model": "m", "max_tokens": 9, "system": system, "messages": [{ "role": "user", "content": "hi" }] });
    let first = sim.post("/v1/messages", &body).await.json()["usage"].clone();
    let second = sim.post("/v1/messages", &body).await.json()["usage"].clone();
    assert_eq!((&first["cache_creation_input_tokens"], &first["cache_read_input_tokens"]), (&json!(8), &json!(0)));
    assert_eq!(first["cache_creation"]["ephemeral_1h_input_tokens"], 8);
    assert_eq!((&second["cache_creation_input_tokens"], &second["cache_read_input_tokens"]), (&json!(0), &json!(8)));
    assert_eq!(first["input_tokens"], second["input_tokens"]);
}
