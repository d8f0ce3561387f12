//! Providers that fail, and what calls do about it, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Breaker, FallbackOn, ListedModel, ProviderKey, ProviderKind, Rate, RateKind, Window};
use sluicegate_vocabulary::{AttemptResult, EndReason};
use std::time::{Duration, Instant};
use support::*;

const FAILED: &str = r#"{"error":{"message":"x","type":"server_error"}}"#;
const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";

fn openai(upstream: &Upstream) -> sluicegate_config::Provider {
    provider("up", ProviderKind::OpenAi, upstream.address)
}

/// An answer with more headers.
fn with(status: u16, headers: &str, body: &str) -> Vec<Act> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}");
    vec![Act::Send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())]
}

fn keys(names: &[&str]) -> Vec<ProviderKey> {
    names.iter().map(|name| ProviderKey::new(name, "test", format!("secret-{name}").into())).collect()
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn results(relay: &Running) -> Vec<(String, AttemptResult)> {
    let receipt = relay.receipts(1).remove(0);
    receipt.attempts.iter().map(|attempt| (attempt.credential.to_string(), attempt.result)).collect()
}

#[test]
fn a_dead_provider_is_left_alone_after_five_failures_and_says_when_it_is_tried_again() {
    let upstream = Upstream::new((0..6).map(|_| json(500, FAILED)).collect());
    let mut up = openai(&upstream);
    up.breaker =
        Some(Breaker { recovery_timeout: Some(sluicegate_config::Period::from_secs(30)), ..Breaker::default() });
    let relay = Running::new(config(vec![up]));
    for _ in 0..5 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 502);
        upstream.request();
    }
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!(status(&answer), 503, "{answer}");
    assert_eq!(header(&answer, "x-sluicegate-refused-by"), Some("provider:breaker"));
    let seconds: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
    assert!((25..=31).contains(&seconds), "{answer}");
    assert!(upstream.is_left_alone());
    assert_eq!(relay.receipts(6).last().unwrap().end, EndReason::Refused);
    let report = relay.relay.standing().report();
    assert_eq!((&*report.providers[0].breaker.state, report.providers[0].breaker.history.len()), ("open", 1));
    relay.relay.standing().revive("up").unwrap();
    assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 502, "it is asked again");
}

#[test]
fn while_a_provider_is_isolated_its_fallback_answers_at_once_and_it_comes_back_by_itself() {
    let mut scripts: Vec<_> = (0..5).map(|_| json(500, FAILED)).collect();
    scripts.extend((0..20).map(|_| json(200, ANSWER)));
    let sick = Upstream::new(scripts);
    let good = Upstream::new((0..40).map(|_| json(200, ANSWER)).collect());
    let mut config = config(vec![openai(&sick), provider("other", ProviderKind::OpenAi, good.address)]);
    config.models.insert("m".into(), model("m", &["up/a", "other/b"]));
    let relay = Running::new(config);
    for _ in 0..5 {
        let answer = relay.post(CHAT, "", &hi("m"));
        assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("other")), "{answer}");
        assert_eq!(header(&answer, "x-sluicegate-attempts"), Some("2"));
    }
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!(header(&answer, "x-sluicegate-attempts"), Some("1"), "nobody asks the dead one: {answer}");
    let deadline = Instant::now() + Duration::from_secs(5);
    while !relay.post(CHAT, "", &hi("m")).contains("x-sluicegate-provider: up") {
        assert!(Instant::now() < deadline, "it never came back");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_refused_key_is_put_aside_and_the_call_goes_to_another() {
    let refused = json(401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#);
    let mut scripts = Vec::new();
    // Whichever key is drawn first is refused.
    scripts.push(refused);
    scripts.extend((0..10).map(|_| json(200, ANSWER)));
    let upstream = Upstream::new(scripts);
    let mut up = openai(&upstream);
    up.keys = keys(&["a", "b"]);
    let relay = Running::new(config(vec![up]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (200, Some("2")), "{answer}");
    let tries = results(&relay);
    assert_eq!((tries[0].1, tries[1].1), (AttemptResult::AuthError, AttemptResult::Ok));
    assert_ne!(tries[0].0, tries[1].0);
    let bad = &tries[0].0;
    for _ in 0..5 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
        assert_ne!(&results(&relay)[0].0, bad, "a suspect key got a call");
    }
    let report = relay.relay.standing().report();
    let key = report.providers[0].keys.iter().find(|key| key.name == **bad).unwrap();
    assert_eq!(key.state, "suspect");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tested = runtime.block_on(relay.relay.test_key("up", bad)).unwrap();
    assert_eq!((tested.result, tested.status), (AttemptResult::Ok, 200));
    let report = relay.relay.standing().report();
    assert!(report.providers[0].keys.iter().all(|key| key.state == "healthy"), "its test brings it back");
}

#[test]
fn an_exhausted_key_is_left_for_another_and_a_key_without_money_is_dead() {
    let quota = with(
        429,
        "retry-after: 60\r\n",
        r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#,
    );
    let broke = json(429, r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#);
    for (refusal, state) in [(quota, "throttled"), (broke, "dead")] {
        let mut scripts = vec![refusal];
        scripts.extend((0..6).map(|_| json(200, ANSWER)));
        let upstream = Upstream::new(scripts);
        let mut up = openai(&upstream);
        up.keys = keys(&["a", "b"]);
        let relay = Running::new(config(vec![up]));
        let began = Instant::now();
        let answer = relay.post(CHAT, "", &hi("up/m"));
        assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (200, Some("2")), "{answer}");
        let bad = results(&relay).remove(0).0;
        for _ in 0..5 {
            assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
            assert_ne!(results(&relay)[0].0, bad, "{state}: it got a call");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "somebody waited");
        let report = relay.relay.standing().report();
        let key = report.providers[0].keys.iter().find(|key| key.name == bad).unwrap();
        assert_eq!(key.state, state);
    }
}

#[test]
fn a_call_waits_for_the_providers_quota_rather_than_meet_a_429() {
    let told =
        "x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1s\r\n";
    let upstream = Upstream::new(vec![with(200, told, ANSWER), json(200, ANSWER), json(200, ANSWER)]);
    let mut config = config(vec![openai(&upstream)]);
    let mut strict = key("strict", "s");
    strict.mode = sluicegate_vocabulary::Mode::Strict;
    config.keys.extend([key("patient", "p"), strict]);
    let relay = Running::new(config);
    assert_eq!(status(&relay.post(CHAT, "x-api-key: p\r\n", &hi("up/m"))), 200);
    let refused = relay.post(CHAT, "x-api-key: s\r\n", &hi("up/m"));
    assert_eq!(
        (status(&refused), header(&refused, "x-sluicegate-refused-by")),
        (503, Some("provider:quota")),
        "{refused}"
    );
    let began = Instant::now();
    let answer = relay.post(CHAT, "x-api-key: p\r\n", &hi("up/m"));
    assert_eq!(status(&answer), 200, "{answer}");
    let waited = began.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    assert!(header(&answer, "x-sluicegate-queue-ms").unwrap().parse::<u64>().unwrap() >= 700, "{answer}");
    let late = relay.post(CHAT, "x-api-key: p\r\nx-deadline-ms: 100\r\n", &hi("up/m"));
    assert_eq!(status(&late), 504, "{late}");
    assert!(began.elapsed() < waited + Duration::from_millis(600), "it was told at once");
}

#[test]
fn who_waits_at_a_limit_stays_there_when_the_provider_refuses_a_call_without_saying_for_how_long() {
    let refused = json(429, r#"{"error":{"message":"Rate limit reached for requests","type":"requests"}}"#);
    let upstream = Upstream::new((0..51).map(|n| if n == 12 { refused.clone() } else { json(200, ANSWER) }).collect());
    let mut up = openai(&upstream);
    up.limits.rates = vec![Rate::new(RateKind::Requests, Window::Second, 20, None, None)];
    let relay = Running::new(config(vec![up]));
    let most_elsewhere = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..50).map(|_| scope.spawn(|| assert_ne!(status(&relay.post(CHAT, "", &hi("up/m"))), 504))).collect();
        let waiting = || {
            let report = relay.relay.standing().report();
            report.providers[0].models.iter().map(|model| model.waiting).sum::<u32>()
        };
        let mut most = 0;
        while !calls.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(5));
            most = most.max(waiting());
        }
        most
    });
    assert!(most_elsewhere <= 1, "{most_elsewhere} waited for the key instead");
    let receipts = relay.receipts(50);
    let tries = || receipts.iter().flat_map(|receipt| &receipt.attempts);
    assert_eq!(tries().filter(|attempt| attempt.result == AttemptResult::RateLimited).count(), 1);
    assert!(tries().filter(|attempt| attempt.result == AttemptResult::Ok).count() >= 49);
}

#[test]
fn with_several_keys_full_a_call_waits_for_whichever_is_free_first() {
    let slow = |ms| {
        let mut script = vec![Act::Pause(Duration::from_millis(ms))];
        script.extend(json(200, ANSWER));
        script
    };
    let upstream = Upstream::new(vec![slow(1500), slow(300), slow(0)]);
    let mut up = openai(&upstream);
    up.keys = keys(&["a", "b"]);
    for key in &mut up.keys {
        key.limits.concurrency = Some(1);
    }
    let relay = Running::new(config(vec![up]));
    let began = Instant::now();
    let took: Vec<Duration> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3)
            .map(|n| {
                std::thread::sleep(Duration::from_millis(if n == 0 { 0 } else { 60 }));
                scope.spawn(|| {
                    let answer = relay.post(CHAT, "", &hi("up/m"));
                    assert_eq!(status(&answer), 200, "{answer}");
                    began.elapsed()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(took[2] < Duration::from_millis(1200), "it waited for the slower of two: {took:?}");
    assert!(took[2] > Duration::from_millis(300), "{took:?}");
    let report = relay.relay.standing().report();
    assert_eq!(report.providers[0].in_flight, 0);
    assert!(report.providers[0].models.iter().all(|model| model.waiting == 0));
}

#[test]
fn a_request_too_long_for_one_model_goes_to_one_with_a_larger_window_where_the_route_says_so() {
    let long = r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    let small = Upstream::new(vec![json(400, long), json(400, long)]);
    let middle = Upstream::new(vec![]);
    let large = Upstream::new(vec![json(200, ANSWER)]);
    let listed = |id: &str, window| ListedModel {
        id: id.to_owned(),
        context_window: Some(window),
        max_output: None,
        deployment: None,
    };
    let with_window = |name: &str, upstream: &Upstream, window| {
        let mut provider = provider(name, ProviderKind::OpenAi, upstream.address);
        provider.models = vec![listed("m", window)];
        provider
    };
    let mut config = config(vec![
        with_window("s", &small, 8_000),
        with_window("t", &middle, 8_000),
        with_window("l", &large, 200_000),
    ]);
    let mut routed = model("m", &["s/m", "t/m", "l/m"]);
    config.models.insert("short".into(), model("short", &["s/m", "l/m"]));
    routed.fallback_on.push(FallbackOn::ContextLength);
    config.models.insert("m".into(), routed);
    let relay = Running::new(config);
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("l")), "{answer}");
    assert!(middle.is_left_alone(), "one no larger was asked");
    let answer = relay.post(CHAT, "", &hi("short"));
    assert_eq!(status(&answer), 400, "where it is not said, the caller is told: {answer}");
}

#[test]
fn when_everything_fails_the_clients_are_told_not_to_try_again_and_tries_are_within_the_budget() {
    let upstream = Upstream::new((0..400).map(|_| json(500, FAILED)).collect());
    let mut up = openai(&upstream);
    up.max_retries = 2;
    up.breaker = None;
    let relay = Running::new(config(vec![up]));
    let eight = || {
        let call = |_| {
            let answer = relay.post(CHAT, "", &hi("up/m"));
            assert_eq!(status(&answer), 502, "{answer}");
            assert_eq!(header(&answer, "x-should-retry"), Some("false"), "{answer}");
            header(&answer, "x-sluicegate-attempts").unwrap().parse::<u64>().unwrap()
        };
        (0..8).map(call).sum::<u64>()
    };
    let began = Instant::now();
    let tries: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(eight)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let most = 80 + 100 + 1 + began.elapsed().as_secs();
    assert!((80 + 100..=most).contains(&tries), "{tries} tries, {most} allowed");
}

#[test]
fn a_stream_that_breaks_after_its_first_byte_counts_against_its_provider_and_a_client_that_leaves_does_not() {
    let cut = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(20)), Act::Close];
    let upstream = Upstream::new((0..5).map(|_| cut.clone()).collect());
    let relay = Running::new(config(vec![openai(&upstream)]));
    for _ in 0..5 {
        assert!(relay.post(CHAT, "", &hi_streamed("up/m")).contains("data: {\"error\":"));
    }
    assert!(relay.receipts(5).iter().all(|receipt| receipt.attempts[0].result == AttemptResult::Broken));
    assert_eq!(relay.relay.standing().report().providers[0].breaker.state, "open");

    let endless = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(400))];
    let upstream = Upstream::new((0..6).map(|_| endless.clone()).collect());
    let relay = Running::new(config(vec![openai(&upstream)]));
    for _ in 0..6 {
        use std::io::{Read, Write};
        let mut client = relay.connect();
        client.write_all(post(CHAT, "", &hi_streamed("up/m")).as_bytes()).unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
    }
    relay.receipts(6);
    let report = relay.relay.standing().report();
    assert_eq!((&*report.providers[0].breaker.state, report.providers[0].breaker.failures), ("closed", 0));
    assert_eq!(report.providers[0].in_flight, 0);
}

#[test]
fn a_provider_that_is_overloaded_in_the_middle_of_its_answers_is_alive() {
    let error = "data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n";
    let cut = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(20)), chunk(error), Act::Close];
    let upstream = Upstream::new((0..6).map(|_| cut.clone()).collect());
    let relay = Running::new(config(vec![openai(&upstream)]));
    for _ in 0..6 {
        assert!(relay.post(CHAT, "", &hi_streamed("up/m")).contains("overloaded_error"));
    }
    assert!(relay.receipts(6).iter().all(|receipt| receipt.attempts[0].result == AttemptResult::Overloaded));
    let breaker = relay.relay.standing().report().providers[0].breaker.clone();
    assert_eq!((&*breaker.state, breaker.failures, breaker.consecutive), ("closed", 6, 0));
}

#[test]
fn what_a_stream_says_of_limits_before_it_begins_is_understood() {
    let error = "data: {\"error\":{\"message\":\"Your account reached max organization concurrency: 3\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    let upstream = Upstream::new(vec![vec![stream_head(), chunk(error), Act::Close]]);
    let relay = Running::new(config(vec![openai(&upstream)]));
    assert_eq!(status(&relay.post(CHAT, "", &hi_streamed("up/m"))), 429);
    let report = relay.relay.standing().report();
    let learned = report.providers[0].models.iter().find(|model| model.model == "m").unwrap().adaptive.clone();
    assert!(learned.is_some_and(|learned| learned.limit <= 3 && learned.threshold_ms.is_none()), "{report:?}");
    assert_eq!(report.providers[0].keys[0].state, "healthy", "it is no matter of quota");
}

#[test]
fn a_held_key_or_provider_gets_no_calls_and_what_is_known_survives_a_reload() {
    let upstream = Upstream::new((0..8).map(|_| json(200, ANSWER)).collect());
    let configured = || {
        let mut up = openai(&upstream);
        up.keys = keys(&["a", "b"]);
        config(vec![up])
    };
    let relay = Running::new(configured());
    let standing = relay.relay.standing();
    standing.set_role("up", "a", sluicegate_flow::egress::Role::Held).unwrap();
    relay.relay.reload(configured(), std::collections::HashMap::default()).unwrap();
    for _ in 0..4 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
        assert_eq!(results(&relay)[0].0, "b");
    }
    standing.hold("up", true).unwrap();
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-refused-by")), (503, Some("provider:held")), "{answer}");
    assert_eq!(standing.in_flight("up", None), Ok(0));
    assert!(standing.hold("nobody", true).is_err() && standing.revive_key("up", "nobody").is_err());
}

#[test]
fn retry_after_is_honoured_where_it_fits_and_passed_on_where_it_does_not() {
    let busy = |after: &str| with(503, &format!("retry-after: {after}\r\n"), FAILED);
    let upstream = Upstream::new(vec![busy("1"), json(200, ANSWER), busy("100")]);
    let mut up = openai(&upstream);
    up.max_retries = 2;
    let relay = Running::new(config(vec![up]));
    let began = Instant::now();
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(began.elapsed() >= Duration::from_secs(1), "sooner than was asked");
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!((status(&answer), header(&answer, "retry-after")), (503, Some("100")), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_call_that_goes_on_from_a_stored_response_uses_the_key_that_made_it() {
    let made = |n: usize| {
        let body = r#"{"id":"resp_N","object":"response","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}"#;
        json(200, &body.replace('N', &n.to_string()))
    };
    let upstream = Upstream::new((0..24).map(made).collect());
    let mut up = openai(&upstream);
    up.keys = keys(&["a", "b", "c", "d"]);
    let relay = Running::new(config(vec![up]));
    let call = |after: Option<usize>| {
        let previous = after.map(|n| format!(r#","previous_response_id":"resp_{n}""#)).unwrap_or_default();
        let answer = relay.post("/v1/responses", "", &format!(r#"{{"model":"up/m","input":"x"{previous}}}"#));
        assert_eq!(status(&answer), 200, "{answer}");
        results(&relay).remove(0).0
    };
    let makers: Vec<String> = (0..12).map(|_| call(None)).collect();
    assert!(makers.iter().any(|maker| *maker != makers[0]), "all calls used one key");
    for (n, maker) in makers.iter().enumerate() {
        assert_eq!(call(Some(n)), *maker, "response {n}");
    }
}

#[test]
fn where_the_model_asks_for_it_a_second_target_answers_for_one_that_is_late() {
    const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let streamed = |ms| {
        vec![
            Act::Pause(Duration::from_millis(ms)),
            stream_head(),
            chunk(FIRST),
            chunk(LAST),
            chunk("data: [DONE]\n\n"),
            end(),
        ]
    };
    let mut scripts: Vec<_> = (0..20).map(|_| streamed(40)).collect();
    scripts.extend([streamed(1900), streamed(1200)]);
    let late = Upstream::new(scripts);
    let other = Upstream::new((0..30).map(|_| streamed(0)).collect());
    let mut config = config(vec![openai(&late), provider("other", ProviderKind::OpenAi, other.address)]);
    let mut hedged = model("m", &["up/a", "other/b"]);
    hedged.hedge = true;
    config.models.insert("m".into(), hedged);
    config.models.insert("plain".into(), model("plain", &["up/a", "other/b"]));
    let relay = Running::new(config);
    for _ in 0..20 {
        assert_eq!(status(&relay.post(CHAT, "", &hi_streamed("up/a"))), 200);
        assert_eq!(status(&relay.post(CHAT, "", &hi_streamed("other/b"))), 200);
    }
    relay.receipts(40);
    let began = Instant::now();
    let answer = relay.post(CHAT, "", &hi_streamed("m"));
    assert!(began.elapsed() < Duration::from_millis(1000), "nobody else was asked: {answer}");
    assert!(answer.contains("[DONE]") && header(&answer, "x-sluicegate-provider") == Some("other"), "{answer}");
    let receipt = relay.receipts(1).remove(0);
    let tries: Vec<_> = receipt.attempts.iter().map(|attempt| (&*attempt.provider, attempt.result)).collect();
    assert_eq!(tries, [("up", AttemptResult::Cancelled), ("other", AttemptResult::Ok)]);
    let answer = relay.post(CHAT, "", &hi_streamed("plain"));
    assert_eq!(header(&answer, "x-sluicegate-attempts"), Some("1"), "it is off where it is not asked for: {answer}");
    let report = relay.relay.standing().report();
    assert!(report.providers.iter().all(|provider| provider.in_flight == 0));
}

#[test]
fn calls_at_once_are_limited_where_the_provider_says_that_there_are_too_many_and_where_it_is_configured() {
    let crowded = json(
        429,
        r#"{"error":{"message":"Your account reached max organization concurrency: 3, please try again","code":"rate_limit_exceeded"}}"#,
    );
    let upstream = Upstream::new(vec![crowded, json(200, ANSWER)]);
    let relay = Running::new(config(vec![openai(&upstream)]));
    assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 429);
    let report = relay.relay.standing().report();
    let learned = report.providers[0].models.iter().find(|model| model.model == "m").unwrap().adaptive.clone();
    assert!(learned.is_some_and(|learned| learned.limit <= 3), "nothing was learned: {report:?}");

    let slow = || {
        let mut script = vec![Act::Pause(Duration::from_millis(300))];
        script.extend(json(200, ANSWER));
        script
    };
    let upstream = Upstream::new((0..3).map(|_| slow()).collect());
    let mut up = openai(&upstream);
    let one = sluicegate_config::AdaptiveConcurrency { floor: 1, ceiling: 1, ..Default::default() };
    up.adaptive_concurrency = Some(one);
    let relay = Running::new(config(vec![up]));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200));
        }
    });
    assert!(began.elapsed() >= Duration::from_millis(900), "more than one at once");
}

#[test]
fn a_graceful_caller_who_agreed_steps_down_from_a_dead_provider_and_others_are_told() {
    let dead = Upstream::new((0..5).map(|_| json(500, FAILED)).collect());
    let lower = Upstream::new((0..4).map(|_| json(200, ANSWER)).collect());
    let mut up = openai(&dead);
    up.breaker =
        Some(Breaker { recovery_timeout: Some(sluicegate_config::Period::from_secs(30)), ..Breaker::default() });
    let mut config = config(vec![up, provider("low", ProviderKind::OpenAi, lower.address)]);
    let mut smart = model("smart", &["up/m"]);
    smart.lower_tier = Some("small".into());
    config.models.insert("smart".into(), smart);
    config.models.insert("small".into(), model("small", &["low/m"]));
    let mut graceful = key("graceful", "g");
    (graceful.mode, graceful.accept_lower_tier) = (sluicegate_vocabulary::Mode::Graceful, true);
    config.keys.extend([key("plain", "p"), graceful]);
    let relay = Running::new(config);
    for _ in 0..5 {
        assert_eq!(status(&relay.post(CHAT, "x-api-key: p\r\n", &hi("smart"))), 502);
    }
    let plain = relay.post(CHAT, "x-api-key: p\r\n", &hi("smart"));
    assert_eq!(status(&plain), 503, "nobody degrades without consent: {plain}");
    let down = relay.post(CHAT, "x-api-key: g\r\n", &hi("smart"));
    assert_eq!((status(&down), header(&down, "x-sluicegate-degraded-from")), (200, Some("smart")), "{down}");
}

#[test]
fn a_call_that_tries_a_key_which_was_put_aside_does_not_fail_for_it_while_another_works() {
    let failing = r#"{"error":{"message":"x","type":"server_error"}}"#;
    let mut scripts: Vec<_> = (0..7).map(|_| json(500, failing)).collect();
    scripts.extend((0..4).map(|_| json(200, ANSWER)));
    let upstream = Upstream::new(scripts);
    let mut up = openai(&upstream);
    up.keys = keys(&["a", "b"]);
    (up.breaker, up.max_retries) = (None, 2);
    let relay = Running::new(config(vec![up]));
    let standing = relay.relay.standing();
    standing.set_role("up", "b", sluicegate_flow::egress::Role::Held).unwrap();
    for _ in 0..2 {
        relay.post(CHAT, "", &hi("up/m"));
    }
    let aside = |key: &str| {
        let report = standing.report();
        report.providers[0].keys.iter().any(|known| known.name == key && known.state == "cooling")
    };
    assert!(aside("a"), "{:?}", standing.report());
    standing.set_role("up", "b", sluicegate_flow::egress::Role::Primary).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..3 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
    }
}

fn two(first: &Upstream, second: &Upstream) -> sluicegate_config::Config {
    let (a, b) =
        (provider("a", ProviderKind::OpenAi, first.address), provider("b", ProviderKind::OpenAi, second.address));
    let mut config = config(vec![a, b]);
    config.models.insert("m".into(), model("m", &["a/m", "b/m"]));
    config
}

fn state(relay: &Running, provider: &str) -> String {
    let report = relay.relay.standing().report();
    report.providers.iter().find(|known| known.name == *provider).unwrap().breaker.state.to_string()
}

#[test]
fn a_caller_is_told_that_his_request_is_too_long_where_no_longer_model_answers() {
    let long = r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    let small = Upstream::new(vec![json(400, long)]);
    let large = Upstream::new(vec![json(500, FAILED)]);
    let other = Upstream::new(vec![]);
    let with_window = |name: &str, upstream: &Upstream, window| {
        let mut provider = provider(name, ProviderKind::OpenAi, upstream.address);
        provider.models =
            vec![ListedModel { id: "m".into(), context_window: Some(window), max_output: None, deployment: None }];
        provider
    };
    let mut config = config(vec![
        with_window("s", &small, 8_000),
        with_window("l", &large, 200_000),
        with_window("t", &other, 8_000),
    ]);
    let mut routed = model("m", &["s/m", "l/m", "t/m"]);
    routed.fallback_on.push(FallbackOn::ContextLength);
    config.models.insert("m".into(), routed);
    let relay = Running::new(config);
    let left = || relay.relay.standing().report().providers.iter().map(|known| known.retries_left).collect::<Vec<_>>();
    let before = left();
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (400, Some("2")), "{answer}");
    assert!(answer.contains("context_length_exceeded"), "{answer}");
    assert!(other.is_left_alone());
    assert_eq!(left(), before, "a try was paid for at somebody whose model is no longer");
}

#[test]
fn a_graceful_caller_steps_down_twice_where_one_target_failed_and_others_have_no_room() {
    let spent = || {
        // One a minute: nothing comes back within any patience.
        let told = "x-ratelimit-limit-requests: 1\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 300s\r\n";
        // Were it asked again it would answer.
        Upstream::new(vec![with(200, told, ANSWER), with(200, told, ANSWER)])
    };
    let dead = Upstream::new(vec![json(500, FAILED)]);
    let (full, middle) = (spent(), spent());
    let low = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = two(&dead, &full);
    for (name, upstream) in [("mid", &middle), ("low", &low)] {
        config.providers.insert(name.into(), provider(name, ProviderKind::OpenAi, upstream.address));
    }
    for (name, targets, lower) in
        [("smart", &["a/m", "b/m"][..], Some("small")), ("small", &["mid/m"], Some("tiny")), ("tiny", &["low/m"], None)]
    {
        let mut model = model(name, targets);
        model.lower_tier = lower.map(Into::into);
        config.models.insert(name.into(), model);
    }
    let mut graceful = key("graceful", "g");
    (graceful.mode, graceful.accept_lower_tier) = (sluicegate_vocabulary::Mode::Graceful, true);
    config.keys.extend([key("plain", "p"), graceful]);
    let relay = Running::new(config);
    for (model, upstream) in [("b/m", &full), ("mid/m", &middle)] {
        assert_eq!(status(&relay.post(CHAT, "x-api-key: p\r\n", &hi(model))), 200);
        upstream.request();
    }
    relay.receipts(2);
    let answer = relay.post(CHAT, "x-api-key: g\r\n", &hi("smart"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("low")), "{answer}");
    assert_eq!(header(&answer, "x-sluicegate-degraded-from"), Some("smart"), "{answer}");
    assert!(full.is_left_alone() && middle.is_left_alone(), "who has no room is not asked");
    let receipt = relay.receipts(1).remove(0);
    let asked: Vec<_> = receipt.attempts.iter().map(|attempt| &*attempt.provider).collect();
    assert_eq!((asked.first(), asked.last()), (Some(&"a"), Some(&"low")), "{asked:?}");
    assert!(asked.iter().all(|name| matches!(*name, "a" | "low")), "{asked:?}");
}

#[test]
fn one_that_has_just_come_back_is_spared_only_as_long_as_another_answers() {
    let mut scripts: Vec<_> = (0..5).map(|_| json(500, FAILED)).collect();
    scripts.extend((0..40).map(|_| json(200, ANSWER)));
    let back = Upstream::new(scripts);
    let failing = Upstream::new((0..40).map(|_| json(500, FAILED)).collect());
    let relay = Running::new(two(&back, &failing));
    (0..5).for_each(|_| _ = relay.post(CHAT, "", &hi("a/m")));
    assert_eq!(state(&relay, "a"), "open");
    let deadline = Instant::now() + Duration::from_secs(5);
    while state(&relay, "a") != "closed" {
        assert!(Instant::now() < deadline, "it never came back");
        std::thread::sleep(Duration::from_millis(50));
        relay.post(CHAT, "", &hi("a/m"));
    }
    for _ in 0..10 {
        let answer = relay.post(CHAT, "", &hi("m"));
        assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("a")), "{answer}");
    }
}

#[test]
fn a_fallback_that_may_have_recovered_is_asked_when_the_one_before_it_fails() {
    let first = Upstream::new(vec![json(500, FAILED)]);
    let mut scripts: Vec<_> = (0..5).map(|_| json(500, FAILED)).collect();
    scripts.push(json(200, ANSWER));
    let second = Upstream::new(scripts);
    let relay = Running::new(two(&first, &second));
    (0..5).for_each(|_| _ = relay.post(CHAT, "", &hi("b/m")));
    assert_eq!(state(&relay, "b"), "open");
    std::thread::sleep(Duration::from_millis(1100));
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("b")), "{answer}");
}

#[test]
fn what_a_passthrough_call_is_refused_is_held_against_no_key_and_no_provider() {
    let refusals = [401, 403, 500, 500, 500, 500, 500, 500];
    let upstream = Upstream::new(refusals.into_iter().map(|status| json(status, FAILED)).collect());
    let relay = Running::new(config(vec![openai(&upstream)]));
    for refusal in refusals {
        assert_eq!(status(&relay.post("/p/up/v1/odd", "", "{}")), refusal);
    }
    relay.receipts(refusals.len());
    let report = relay.relay.standing().report();
    let known = &report.providers[0];
    assert_eq!((&*known.keys[0].state, &*known.breaker.state), ("healthy", "closed"));
    assert_eq!((known.breaker.consecutive, known.in_flight), (0, 0));
}

#[test]
fn a_key_that_may_not_use_one_model_is_passed_over_for_that_call_and_stays_in_use() {
    let forbidden = r#"{"error":{"message":"You do not have access to this model","code":"model_forbidden"}}"#;
    let upstream = Upstream::new(vec![json(403, forbidden), json(200, ANSWER)]);
    let mut up = openai(&upstream);
    up.keys = keys(&["a", "b"]);
    let relay = Running::new(config(vec![up]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (200, Some("2")), "{answer}");
    let report = relay.relay.standing().report();
    assert!(report.providers[0].keys.iter().all(|key| key.state == "healthy"), "{report:?}");
}

#[test]
fn a_client_is_not_told_to_try_again_after_several_tries_unless_he_is_told_when() {
    let crowded = json(
        429,
        r#"{"error":{"message":"Your account reached max organization concurrency: 3, please try again","code":"rate_limit_exceeded"}}"#,
    );
    let first = Upstream::new(vec![json(500, FAILED)]);
    let second = Upstream::new(vec![crowded]);
    let relay = Running::new(two(&first, &second));
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (429, Some("2")), "{answer}");
    assert_eq!(header(&answer, "x-should-retry"), Some("false"), "{answer}");
}
