//! Calls that find no room: who waits, who is refused, and what each is told. Over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod support;

use sluicegate_config::{Config, ProviderKind};
use sluicegate_config::{Keepalive, Limit, ModelRule, Period, Rate, RateKind, Window};
use sluicegate_vocabulary::{EndReason, FaultKind, Mode};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::{
    ANSWER, Act, CHAT, Running, Upstream, chunk, config, end, hi, hi_streamed, json, key, model, post, provider,
    stream_head,
};

fn rate(kind: RateKind, window: Window, amount: u64) -> Limit {
    Limit { rates: vec![Rate::new(kind, window, amount, None, None)], ..Limit::default() }
}

fn concurrency(most: u64) -> Limit {
    Limit { concurrency: Some(most), ..Limit::default() }
}

fn one_provider(upstream: &Upstream) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.models = [("m".to_owned(), model("m", &["up/big"]))].into();
    config
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Waits until something is so, at most five seconds.
fn until(so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !so() {
        assert!(Instant::now() < deadline, "it did not come to be so");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An answer that comes only after a while.
fn slow(after: Duration) -> Vec<Act> {
    [vec![Act::Pause(after)], json(200, ANSWER)].concat()
}

#[test]
fn a_strict_caller_over_his_limit_is_refused_at_once_and_told_everything() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = one_provider(&upstream);
    config.mode = Mode::Strict;
    config.limits.global = rate(RateKind::Requests, Window::Minute, 2);
    let running = Running::new(config);
    let first = running.post(CHAT, "", &hi("m"));
    assert_eq!(header(&first, "x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(header(&first, "x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(header(&first, "ratelimit-policy"), Some("\"overall-requests-60s\";q=2;w=60"));
    assert_eq!(header(&first, "x-sluicegate-queue-ms"), Some("0"));
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    let began = Instant::now();
    let refused = running.post(CHAT, "", &hi("m"));
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(status(&refused), 429, "{refused}");
    assert_eq!(header(&refused, "x-sluicegate-refused-by"), Some("overall:requests_per_minute"));
    let after: u64 = header(&refused, "retry-after-ms").unwrap().parse().unwrap();
    assert!((58_000..=68_000).contains(&after), "{after}");
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), Some("0"));
    assert!(refused.contains("2 requests per minute"), "{refused}");
    let receipts = running.receipts(3);
    let refused = receipts.iter().find(|receipt| receipt.end == EndReason::Refused).unwrap();
    assert_eq!(refused.refused_by.as_deref(), Some("overall:requests_per_minute"));
}

#[test]
fn an_adaptive_caller_waits_for_his_turn() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 5]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Second, 2);
    let running = Running::new(config);
    let began = Instant::now();
    let waits: Vec<u64> = (0..5)
        .map(|_| {
            let answer = running.post(CHAT, "", &hi("m"));
            assert_eq!(status(&answer), 200, "{answer}");
            header(&answer, "x-sluicegate-queue-ms").unwrap().parse().unwrap()
        })
        .collect();
    assert!(began.elapsed() > Duration::from_millis(1400), "{:?}", began.elapsed());
    assert!(waits.iter().sum::<u64>() > 1000, "{waits:?}");
    let receipts = running.receipts(5);
    assert!(receipts.iter().any(|receipt| receipt.times.queued > Duration::from_millis(200)));
}

#[test]
fn a_wait_that_cannot_fit_the_deadline_is_refused_at_once() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Minute, 1);
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    let began = Instant::now();
    let refused = running.post(CHAT, "x-deadline-ms: 3000\r\n", &hi("m"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(status(&refused), 429, "{refused}");
    assert!(refused.contains("within the 3.0 s"), "{refused}");
}

#[test]
fn an_sdk_that_waits_less_than_its_class_is_refused_by_its_own_time() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Second, 1);
    config.limits.global.rates.push(Rate::new(RateKind::Requests, Window::Minute, 4, None, None));
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    let began = Instant::now();
    let refused = running.post(CHAT, "x-stainless-timeout: 0.2\r\n", &hi("m"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(status(&refused), 429, "{refused}");
}

#[test]
fn a_provider_with_all_its_places_taken_is_waited_for() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(400)); 4]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = concurrency(2);
    let running = Running::new(config);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = running.post(CHAT, "", &hi("m"));
                assert_eq!(status(&answer), 200);
                assert!(header(&answer, "x-sluicegate-queue-ms").is_some(), "{answer}");
            });
        }
    });
    let took = began.elapsed();
    assert!((Duration::from_millis(750)..Duration::from_millis(1500)).contains(&took), "{took:?}");
    let flow = running.relay.flow();
    assert!(flow.limits.iter().all(|limit| limit.level.left == limit.level.capacity), "{flow:?}");
}

#[test]
fn each_of_a_providers_keys_has_its_own_places() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(400)); 2]);
    let mut config = one_provider(&upstream);
    let keys = &mut config.providers.get_mut("up").unwrap().keys;
    keys[0].limits = concurrency(1);
    let mut second = keys[0].clone();
    second.name = "second".to_owned();
    second.secret = "another-secret".into();
    keys.push(second);
    let running = Running::new(config);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200));
        }
    });
    assert!(began.elapsed() < Duration::from_millis(750), "{:?}", began.elapsed());
    let used: std::collections::BTreeSet<_> =
        running.receipts(2).iter().map(|receipt| receipt.attempts[0].credential.to_string()).collect();
    assert_eq!(used.len(), 2, "{used:?}");
}

#[test]
fn a_deadline_at_a_full_provider_is_504_and_a_strict_caller_there_503() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(800)); 3]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    config.keys = vec![key("patient", "sk-patient"), key("strict", "sk-strict")];
    config.keys[1].mode = Mode::Strict;
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| running.post(CHAT, "x-api-key: sk-patient\r\n", &hi("m")));
        upstream.request();
        let strict = running.post(CHAT, "x-api-key: sk-strict\r\n", &hi("m"));
        assert_eq!(status(&strict), 503, "{strict}");
        assert_eq!(header(&strict, "x-sluicegate-refused-by"), Some("provider:concurrency"));
        let late = running.post(CHAT, "x-api-key: sk-patient\r\nx-deadline-ms: 200\r\n", &hi("m"));
        assert_eq!(status(&late), 504, "{late}");
    });
}

#[test]
fn what_can_never_fit_is_refused_for_good() {
    let upstream = Upstream::new(vec![]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 100);
    let running = Running::new(config);
    let refused =
        running.post(CHAT, "", r#"{"model":"m","max_tokens":5000,"messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(status(&refused), 400, "{refused}");
    assert_eq!(header(&refused, "x-should-retry"), Some("false"));
    assert_eq!(running.receipts(1)[0].fault, Some(FaultKind::NeverFits));
}

#[test]
fn what_calls_have_used_lately_is_what_the_next_ones_reserve() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 52]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 100_000);
    let mut egress = config.clone();
    egress.providers.get_mut("up").unwrap().limits = std::mem::take(&mut egress.limits.global);
    for config in [config, egress] {
        learns(config);
    }
}

fn learns(config: Config) {
    let running = Running::new(config);
    for _ in 0..26 {
        assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    }
    let reserved: Vec<u64> = running.receipts(26).iter().map(|receipt| receipt.reserved).collect();
    assert!(reserved[0] > 4_000, "nothing was known yet: {reserved:?}");
    assert!(reserved[25] < 40, "the answers had three tokens: {reserved:?}");
}

#[test]
fn a_guess_of_the_answers_length_never_refuses_for_good() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = one_provider(&upstream);
    config.mode = Mode::Strict;
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 300);
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(600)); 2]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| running.post(CHAT, "", &hi("m")));
        upstream.request();
        let mut leaving = running.connect();
        leaving.write_all(post(CHAT, "", &hi("m")).as_bytes()).unwrap();
        let waiting = || running.relay.flow().callers.first().map_or(0, |caller| caller.waiting);
        until(|| waiting() == 1);
        drop(leaving);
        until(|| waiting() == 0);
        let flow = running.relay.flow();
        assert_eq!((flow.callers[0].in_flight, flow.callers[0].waiting), (1, 0), "{flow:?}");
    });
    let receipts = running.receipts(2);
    assert_eq!(receipts[1].end, EndReason::ClientGone);
    assert!(receipts[1].attempts.is_empty());
    assert!(running.relay.flow().callers.is_empty());
}

#[test]
fn tokens_beyond_the_reservation_are_charged_while_the_stream_runs() {
    let pieces: Vec<Act> = (0..40)
        .map(|_| chunk("data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":0}]}\n\n"))
        .chain([Act::Pause(Duration::from_millis(600))])
        .chain([chunk("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":40,\"total_tokens\":45}}\n\n"), chunk("data: [DONE]\n\n"), end()])
        .collect();
    let upstream = Upstream::new(vec![[vec![stream_head()], pieces].concat()]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 10_000);
    let running = Running::new(config);
    let left = || running.relay.flow().limits[0].level.left;
    let body = r#"{"model":"m","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
    thread::scope(|scope| {
        let call = scope.spawn(|| running.post(CHAT, "", body));
        thread::sleep(Duration::from_millis(300));
        assert!((9_600..9_760).contains(&left()), "{}", left());
        assert_eq!(status(&call.join().unwrap()), 200);
    });
    running.receipts(1);
    assert_eq!(left(), 9_955, "what was really used stands, no more and no less");
}

#[test]
fn a_graceful_caller_who_agreed_steps_down_and_others_do_not() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 4]);
    let mut config = one_provider(&upstream);
    let mut small = model("small", &["up/little"]);
    small.builtin = false;
    let big = config.models.get_mut("m").unwrap();
    big.limits = rate(RateKind::Requests, Window::Minute, 1);
    big.lower_tier = Some("small".to_owned());
    config.models.insert("small".to_owned(), small);
    config.keys = vec![key("yes", "sk-yes"), key("no", "sk-no")];
    config.keys[0].mode = Mode::Graceful;
    config.keys[0].accept_lower_tier = true;
    config.keys[1].mode = Mode::Graceful;
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "x-api-key: sk-yes\r\n", &hi("m"))), 200);
    assert!(upstream.request().contains("\"big\""));
    let down = running.post(CHAT, "x-api-key: sk-yes\r\nx-deadline-ms: 2000\r\n", &hi("m"));
    assert_eq!(status(&down), 200, "{down}");
    assert_eq!(header(&down, "x-sluicegate-degraded-from"), Some("m"));
    assert!(upstream.request().contains("\"little\""));
    let refused = running.post(CHAT, "x-api-key: sk-no\r\nx-deadline-ms: 2000\r\n", &hi("m"));
    assert_eq!(status(&refused), 429, "{refused}");
    assert!(upstream.is_left_alone());
    let receipts = running.receipts(3);
    assert_eq!(receipts[1].degraded_from.as_deref(), Some("m"));
}

#[test]
fn nobody_steps_down_for_a_limit_that_holds_at_the_lower_tier_too() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = one_provider(&upstream);
    config.models.get_mut("m").unwrap().lower_tier = Some("small".to_owned());
    config.models.insert("small".to_owned(), model("small", &["up/little"]));
    config.models.get_mut("m").unwrap().limits = rate(RateKind::Requests, Window::Minute, 100);
    config.keys = vec![key("spent", "sk-spent"), key("other", "sk-other")];
    for key in &mut config.keys {
        key.mode = Mode::Graceful;
        key.accept_lower_tier = true;
    }
    config.keys[0].limits = rate(RateKind::Requests, Window::Minute, 1);
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "x-api-key: sk-spent\r\n", &hi("m"))), 200);
    let refused = running.post(CHAT, "x-api-key: sk-spent\r\nx-deadline-ms: 2000\r\n", &hi("m"));
    assert_eq!(status(&refused), 429, "{refused}");
    assert_eq!(header(&refused, "x-sluicegate-degraded-from"), None);
    let other = running.post(CHAT, "x-api-key: sk-other\r\n", &hi("m"));
    assert_eq!(header(&other, "x-sluicegate-degraded-from"), None, "what one key has spent is no lack of the model's");
}

#[test]
fn a_call_that_steps_down_does_not_wait_for_itself() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(1500)); 2]);
    let elsewhere = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = config(vec![
        provider("up", ProviderKind::OpenAi, upstream.address),
        provider("elsewhere", ProviderKind::OpenAi, elsewhere.address),
    ]);
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    let mut big = model("m", &["up/big"]);
    big.lower_tier = Some("small".to_owned());
    config.models = [("m".to_owned(), big), ("small".to_owned(), model("small", &["elsewhere/little"]))].into();
    config.keys = vec![key("busy", "sk-busy"), key("yes", "sk-yes")];
    config.keys[1].mode = Mode::Graceful;
    config.keys[1].accept_lower_tier = true;
    config.keys[1].limits = concurrency(1);
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| running.post(CHAT, "x-api-key: sk-busy\r\n", &hi("m")));
        upstream.request();
        let answer = running.post(CHAT, "x-api-key: sk-yes\r\nx-deadline-ms: 800\r\n", &hi("m"));
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(header(&answer, "x-sluicegate-degraded-from"), Some("m"));
    });
}

#[test]
fn a_model_that_has_room_again_is_gone_back_to_while_calls_go_on() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 80]);
    let mut config = one_provider(&upstream);
    let big = config.models.get_mut("m").unwrap();
    big.limits = rate(RateKind::Requests, Window::Minute, 2);
    big.limits.rates[0].window = Window::Second;
    big.lower_tier = Some("small".to_owned());
    config.models.insert("small".to_owned(), model("small", &["up/little"]));
    config.keys = vec![key("yes", "sk-yes")];
    config.keys[0].mode = Mode::Graceful;
    config.keys[0].accept_lower_tier = true;
    let running = Running::new(config);
    let call = || running.post(CHAT, "x-api-key: sk-yes\r\nx-deadline-ms: 200\r\n", &hi("m"));
    let down = |answer: &str| header(answer, "x-sluicegate-degraded-from").is_some();
    assert!((0..4).map(|_| call()).any(|answer| down(&answer)));
    let back = (0..35).any(|_| {
        thread::sleep(Duration::from_secs(1));
        !down(&call())
    });
    assert!(back, "it stays at the lower tier for good");
}

#[test]
fn no_step_down_leads_to_a_provider_that_the_key_may_not_use() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let elsewhere = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = config(vec![
        provider("up", ProviderKind::OpenAi, upstream.address),
        provider("elsewhere", ProviderKind::OpenAi, elsewhere.address),
    ]);
    let mut big = model("m", &["up/big"]);
    big.limits = rate(RateKind::Requests, Window::Minute, 1);
    big.lower_tier = Some("small".to_owned());
    config.models = [("m".to_owned(), big), ("small".to_owned(), model("small", &["elsewhere/little"]))].into();
    config.keys = vec![key("bound", "sk-bound")];
    config.keys[0].mode = Mode::Graceful;
    config.keys[0].accept_lower_tier = true;
    config.keys[0].models = Some(vec![ModelRule::parse("up/*")]);
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "x-api-key: sk-bound\r\n", &hi("m"))), 200);
    let refused = running.post(CHAT, "x-api-key: sk-bound\r\nx-deadline-ms: 2000\r\n", &hi("m"));
    assert_eq!(status(&refused), 429, "{refused}");
    assert!(elsewhere.is_left_alone());
}

#[test]
fn an_answer_without_usage_keeps_what_was_reserved_at_the_provider() {
    let silent = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}"#;
    let upstream = Upstream::new(vec![json(200, silent)]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = rate(RateKind::Tokens, Window::Minute, 10_000);
    let running = Running::new(config);
    let body = r#"{"model":"m","max_tokens":500,"messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(status(&running.post(CHAT, "", body)), 200);
    assert!(running.receipts(1)[0].reserved > 500);
    let left = running.relay.flow().limits[0].level.left;
    assert!((9_400..9_500).contains(&left), "{left}");
}

#[test]
fn a_stream_beyond_its_reservation_is_charged_at_the_provider_too() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":0}]}\n\n";
    let pieces = (0..40).map(|_| chunk(piece)).chain([Act::Pause(Duration::from_millis(500))]);
    let last = [chunk("data: [DONE]\n\n"), end()];
    let upstream = Upstream::new(vec![std::iter::once(stream_head()).chain(pieces).chain(last).collect()]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = rate(RateKind::Tokens, Window::Minute, 10_000);
    let running = Running::new(config);
    let body = r#"{"model":"m","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
    thread::scope(|scope| {
        let call = scope.spawn(|| running.post(CHAT, "", body));
        thread::sleep(Duration::from_millis(250));
        let left = running.relay.flow().limits[0].level.left;
        assert!((9_600..9_760).contains(&left), "{left}");
        assert_eq!(status(&call.join().unwrap()), 200);
    });
}

#[test]
fn a_passthrough_call_reserves_by_the_size_of_its_body() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 1_000);
    for (kind, length, about) in
        [("application/json", 1_000, 290), ("text/plain", 1_000, 0), ("application/json", 9_999, 1_000)]
    {
        let running = Running::new(config.clone());
        let body = format!("{{\"input\":\"{}\"}}", "x".repeat(length));
        let answer = running.post("/p/up/v1/anything", &format!("content-type: {kind}\r\n"), &body);
        assert_eq!(status(&answer), 200, "a guess refuses nobody for good: {answer}");
        let reserved = running.receipts(1)[0].reserved;
        assert!(reserved.abs_diff(about) < 10, "{kind} {length}: {reserved}");
        assert_eq!(running.relay.flow().limits[0].level.left, 990, "what was really used stands");
    }
}

#[test]
fn asking_how_long_a_prompt_is_takes_no_tokens() {
    let upstream = Upstream::new(vec![json(200, r#"{"input_tokens":9}"#)]);
    let mut config = config(vec![provider("up", ProviderKind::Anthropic, upstream.address)]);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 10_000);
    let running = Running::new(config);
    let answer = running.post("/v1/messages/count_tokens", "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-estimated")), (200, None), "{answer}");
    running.receipts(1);
    assert_eq!(running.relay.flow().limits[0].level.left, 10_000);
}

#[test]
fn a_call_too_large_for_one_of_a_providers_keys_waits_for_another() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(400)); 2]);
    let mut config = one_provider(&upstream);
    let keys = &mut config.providers.get_mut("up").unwrap().keys;
    let mut large = keys[0].clone();
    keys[0].limits = rate(RateKind::Tokens, Window::Minute, 100);
    large.name = "large".to_owned();
    large.secret = "another-secret".into();
    large.limits = concurrency(1);
    keys.push(large);
    let running = Running::new(config);
    let body = r#"{"model":"m","max_tokens":500,"messages":[{"role":"user","content":"hi"}]}"#;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(status(&running.post(CHAT, "", body)), 200));
        }
    });
}

#[test]
fn only_waiting_counts_as_waiting() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Second, 1);
    let running = Running::new(config);
    let whole = post(CHAT, "", &hi("m"));
    let (head, body) = whole.split_at(whole.len() - 5);
    let mut stream = running.connect();
    stream.write_all(head.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let queued: u64 = header(&answer, "x-sluicegate-queue-ms").unwrap().parse().unwrap();
    assert!((300..1300).contains(&queued), "{queued}");
}

#[test]
fn a_strict_caller_behind_others_is_told_a_time_that_is_true() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 700]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Minute, 20);
    config.keys = vec![key("patient", "sk-patient"), key("strict", "sk-strict")];
    config.keys[1].mode = Mode::Strict;
    let running = Running::new(config);
    for _ in 0..20 {
        assert_eq!(status(&running.post(CHAT, "x-api-key: sk-strict\r\n", &hi("m"))), 200);
    }
    thread::scope(|scope| {
        let mut waiting = running.connect();
        let request = post(CHAT, "x-api-key: sk-patient\r\nx-deadline-ms: 600000\r\n", &hi("m"));
        waiting.write_all(request.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(200));
        let refused = scope.spawn(|| running.post(CHAT, "x-api-key: sk-strict\r\n", &hi("m"))).join().unwrap();
        assert_eq!(status(&refused), 429, "{refused}");
        let after: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
        assert!(after > 50, "{refused}");
    });
}

#[test]
fn a_graceful_caller_steps_down_from_a_full_provider_too_and_stays_there_for_a_while() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(900)), json(200, ANSWER), json(200, ANSWER)]);
    let mut config = one_provider(&upstream);
    let address = upstream.address;
    config.providers.insert("other".to_owned(), provider("other", ProviderKind::OpenAi, address));
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    config.models.get_mut("m").unwrap().lower_tier = Some("small".to_owned());
    config.models.insert("small".to_owned(), model("small", &["other/little"]));
    config.keys = vec![key("yes", "sk-yes")];
    config.keys[0].mode = Mode::Graceful;
    config.keys[0].accept_lower_tier = true;
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(status(&running.post(CHAT, "x-api-key: sk-yes\r\n", &hi("m"))), 200));
        upstream.request();
        let down = running.post(CHAT, "x-api-key: sk-yes\r\nx-deadline-ms: 300\r\n", &hi("m"));
        assert_eq!(status(&down), 200, "{down}");
        assert_eq!(header(&down, "x-sluicegate-degraded-from"), Some("m"));
        assert_eq!(header(&down, "x-sluicegate-provider"), Some("other"));
    });
    // The step holds for the next call as well, although there is room again.
    let next = running.post(CHAT, "x-api-key: sk-yes\r\n", &hi("m"));
    assert_eq!(header(&next, "x-sluicegate-provider"), Some("other"), "{next}");
}

#[test]
fn a_waiting_stream_is_kept_alive_and_then_answered() {
    let stream = vec![
        stream_head(),
        chunk("data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":0}]}\n\n"),
        chunk("data: [DONE]\n\n"),
        end(),
    ];
    let upstream = Upstream::new(vec![slow(Duration::from_millis(900)), stream]);
    let mut config = one_provider(&upstream);
    config.server.stream_keepalive = Keepalive::Every(Period::from_millis(200));
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    config.limits.global = rate(RateKind::Requests, Window::Minute, 100);
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| running.post(CHAT, "", &hi("m")));
        upstream.request();
        let answer = running.post(CHAT, "", &hi_streamed("m"));
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.matches(": waiting").count() >= 2, "{answer}");
        assert!(header(&answer, "x-request-id").is_some() && header(&answer, "x-accel-buffering") == Some("no"));
        assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), Some("98"), "{answer}");
        assert_eq!(header(&answer, "ratelimit-policy"), Some("\"overall-requests-60s\";q=100;w=60"));
        assert!(header(&answer, "x-sluicegate-config").is_some(), "{answer}");
        assert!(answer.contains("\"content\":\"x\"") && answer.contains("[DONE]"), "{answer}");
    });
    let receipts = running.receipts(2);
    assert!(receipts.iter().all(|receipt| receipt.end == EndReason::Done), "{receipts:#?}");
}

#[test]
fn a_waiting_stream_that_is_refused_ends_with_an_error_event() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(1500))]);
    let mut config = one_provider(&upstream);
    config.server.stream_keepalive = Keepalive::Every(Period::from_millis(100));
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    let running = Running::new(config);
    thread::scope(|scope| {
        scope.spawn(|| running.post(CHAT, "", &hi("m")));
        upstream.request();
        let answer = running.post(CHAT, "x-deadline-ms: 500\r\n", &hi_streamed("m"));
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.contains("data: {\"error\""), "{answer}");
    });
    let receipts = running.receipts(2);
    assert!(receipts.iter().any(|receipt| receipt.fault == Some(FaultKind::Timeout)), "{receipts:#?}");
}

#[test]
fn a_reload_neither_drops_who_waits_nor_hands_out_a_burst() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Requests, Window::Second, 1);
    let running = Running::new(config.clone());
    assert_eq!(status(&running.post(CHAT, "", &hi("m"))), 200);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| running.post(CHAT, "", &hi("m")))).collect();
        thread::sleep(Duration::from_millis(200));
        config.limits.global = rate(RateKind::Requests, Window::Second, 2);
        let began = Instant::now();
        running.relay.reload(config.clone(), std::collections::HashMap::new()).unwrap();
        for call in waiting {
            let answer = call.join().unwrap();
            assert_eq!(status(&answer), 200);
        }
        assert!(began.elapsed() < Duration::from_millis(2600), "{:?}", began.elapsed());
    });
}

#[test]
fn the_quota_page_shows_the_callers_own_limits_and_takes_from_none() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = one_provider(&upstream);
    config.limits.global = rate(RateKind::Tokens, Window::Minute, 10_000);
    config.keys = vec![key("web", "sk-web"), key("other", "sk-other")];
    config.keys[0].limits = rate(RateKind::Requests, Window::Minute, 60);
    config.keys[1].limits = rate(RateKind::Requests, Window::Minute, 7);
    let running = Running::new(config);
    assert_eq!(status(&running.post(CHAT, "x-api-key: sk-web\r\n", &hi("m"))), 200);
    let page = || {
        let raw =
            running.raw(b"GET /v1/quota HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: sk-web\r\nconnection: close\r\n\r\n");
        assert_eq!(status(&raw), 200, "{raw}");
        let body: serde_json::Value = serde_json::from_str(raw.split_once("\r\n\r\n").unwrap().1).unwrap();
        body
    };
    let (first, second) = (page(), page());
    assert_eq!(first["limits"][0]["remaining"], second["limits"][0]["remaining"]);
    assert_eq!(first["key"], "web");
    assert_eq!(first["limits"][0]["name"], "key:web");
    assert_eq!((&first["limits"][0]["limit"], &first["limits"][0]["remaining"]), (&60.into(), &59.into()));
    assert_eq!(first["limits"][1]["remaining"], 9_990);
    assert_eq!(first["limits"].as_array().unwrap().len(), 2);
    assert_eq!((&first["in_flight"], &first["waiting"]), (&0.into(), &0.into()), "the page itself is not counted");
}

#[test]
fn classes_share_a_full_provider_and_the_lowest_is_not_starved() {
    let upstream = Upstream::new(vec![slow(Duration::from_millis(50)); 40]);
    let mut config = one_provider(&upstream);
    config.providers.get_mut("up").unwrap().limits = concurrency(1);
    config.keys = vec![key("bulk", "sk-bulk")];
    config.keys[0].priority = sluicegate_vocabulary::Priority::Critical;
    let running = Running::new(config);
    let (done, ended) = mpsc::channel();
    thread::scope(|scope| {
        for index in 0..24 {
            let (running, done) = (&running, done.clone());
            let class = if index % 2 == 0 { "critical" } else { "low" };
            scope.spawn(move || {
                let answer = running.post(CHAT, &format!("x-api-key: sk-bulk\r\nx-priority: {class}\r\n"), &hi("m"));
                assert_eq!(status(&answer), 200, "{answer}");
                done.send(class).unwrap();
            });
        }
    });
    drop(done);
    let order: Vec<&str> = ended.iter().collect();
    let low_early = order.iter().take(12).filter(|class| **class == "low").count();
    assert!((1..=4).contains(&low_early), "{order:?}");
}

#[test]
fn a_connection_is_usable_after_a_refusal() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let mut config = one_provider(&upstream);
    config.mode = Mode::Strict;
    config.limits.global = rate(RateKind::Requests, Window::Second, 1);
    let running = Running::new(config);
    let mut stream = running.connect();
    let request = post(CHAT, "", &hi("m")).replace("connection: close\r\n", "");
    let mut statuses = Vec::new();
    for pause in [0, 0, 1100] {
        thread::sleep(Duration::from_millis(pause));
        stream.write_all(request.as_bytes()).unwrap();
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).unwrap();
        statuses.push(status(&String::from_utf8_lossy(&piece[..read])));
    }
    assert_eq!(statuses, [200, 429, 200]);
}
