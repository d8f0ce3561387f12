//! The cache as clients and providers see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Cache, Config, KeyHash, OnlyWhen, Period, ProviderKind, Size, Tenant};
use sluicegate_relay::Purge;
use sluicegate_vocabulary::{CacheUse, EndReason, Money};
use std::io::{Read, Write};
use std::time::Duration;
use support::*;

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";
const MORE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn streamed() -> Vec<Act> {
    vec![stream_head(), chunk(FIRST), chunk(MORE), chunk(LAST), chunk(USAGE), chunk(DONE), end()]
}

fn always() -> Cache {
    Cache { only_when: OnlyWhen::Always, ..Cache::default() }
}

fn cached(upstream: &Upstream, cache: Cache) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.cache = Some(cache);
    config
}

fn says(answer: &str, header: &str) -> bool {
    answer.split("\r\n\r\n").next().unwrap().lines().any(|line| line.eq_ignore_ascii_case(header))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The text that the events of a chat stream say together.
fn joined(answer: &str) -> String {
    let events = body(answer).lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    events
        .filter_map(|data| {
            let event: serde_json::Value = serde_json::from_str(data).unwrap();
            Some(event.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
        })
        .collect()
}

#[test]
fn what_was_answered_once_is_answered_again_without_asking_and_costs_nothing() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let relay = Running::new(cached(&upstream, always()));
    let first = relay.post(CHAT, "", r#"{"model":"up/m","messages":[{"role":"user","content":"hi"}],"seed":1}"#);
    let again =
        relay.post(CHAT, "", r#"{ "seed": 1, "messages":[{"content":"h\u0069","role":"user"}],  "model":"up/m"}"#);
    assert!(says(&first, "x-sluicegate-cache: miss") && !first.contains("\r\nage: "), "{first}");
    assert!(says(&again, "x-sluicegate-cache: hit") && says(&again, "age: 0"), "{again}");
    assert!(says(&again, "x-sluicegate-provider: up") && says(&again, "x-sluicegate-model: m"), "{again}");
    assert!(says(&again, "x-sluicegate-cost-usd: 0"), "{again}");
    assert_eq!(body(&again), ANSWER);
    upstream.request();
    assert!(upstream.is_left_alone());
    let receipts = relay.receipts(2);
    assert_eq!((receipts[0].cache, receipts[0].usage.total()), (CacheUse::Miss, 10));
    let hit = &receipts[1];
    assert_eq!(
        (hit.cache, hit.end, hit.usage.total(), hit.cost),
        (CacheUse::Hit, EndReason::Done, 0, Some(Money::ZERO))
    );
    assert!(hit.attempts.is_empty() && &*hit.model == "up/m");
    let metrics = relay.relay.metrics().encode().unwrap();
    assert!(metrics.contains("sluicegate_cache_total{result=\"hit\"} 1"), "{metrics}");
    assert!(metrics.contains("sluicegate_cache_total{result=\"miss\"} 1"), "{metrics}");
    assert!(metrics.contains("sluicegate_cache_entries 1"), "{metrics}");
}

#[test]
fn without_a_cache_nobody_hears_of_one() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER)]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    for _ in 0..2 {
        assert!(!relay.post(CHAT, "", &hi("up/m")).contains("x-sluicegate-cache"));
        upstream.request();
    }
    assert!(relay.receipts(2).iter().all(|receipt| receipt.cache == CacheUse::Off));
}

#[test]
fn a_stream_and_a_whole_answer_share_an_entry_both_ways() {
    let upstream = Upstream::new(vec![streamed(), json(200, ANSWER)]);
    let relay = Running::new(cached(&upstream, always()));
    let first = relay.post(CHAT, "", &hi_streamed("up/m"));
    assert_eq!(joined(&first), "hello");
    // A stream again: frame by frame as it was.
    let again = relay.post(CHAT, "", &hi_streamed("up/m"));
    assert!(says(&again, "x-sluicegate-cache: hit") && says(&again, "content-type: text/event-stream"), "{again}");
    assert_eq!(body(&again), [FIRST, MORE, LAST, DONE].concat());
    // Whole: with what was used, although the stream did not say it.
    let whole = relay.post(CHAT, "", &hi("up/m"));
    assert!(says(&whole, "x-sluicegate-cache: hit") && says(&whole, "content-type: application/json"), "{whole}");
    let whole: serde_json::Value = serde_json::from_str(body(&whole)).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "hello");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole["usage"]["prompt_tokens"], 7);
    // A stream whose client wants to know what was used.
    let wants =
        hi_streamed("up/m").replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let told = relay.post(CHAT, "", &wants);
    assert!(says(&told, "x-sluicegate-cache: hit") && told.contains("\"prompt_tokens\":7"), "{told}");
    assert_eq!(joined(&told), "hello");
    assert!(told.trim_end().ends_with("data: [DONE]"), "{told}");
    upstream.request();
    assert!(upstream.is_left_alone());
    // And the other way round.
    let other = |text: String| text.replace("\"hi\"", "\"you\"");
    relay.post(CHAT, "", &other(hi("up/m")));
    let stream = relay.post(CHAT, "", &other(hi_streamed("up/m")));
    assert!(says(&stream, "x-sluicegate-cache: hit") && says(&stream, "content-type: text/event-stream"), "{stream}");
    assert_eq!(joined(&stream), "hi");
    assert!(!stream.contains("prompt_tokens") && stream.contains("[DONE]"), "{stream}");
    upstream.request();
    assert!(upstream.is_left_alone());
}

#[test]
fn other_dialects_are_answered_from_the_cache_in_their_own_frames() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER)]);
    let relay = Running::new(cached(&upstream, always()));
    let messages = r#"{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let whole = relay.post("/v1/messages", "", messages);
    assert!(says(&whole, "x-sluicegate-cache: miss") && body(&whole).contains("\"type\":\"message\""), "{whole}");
    let stream = relay.post(
        "/v1/messages",
        "",
        &messages.replace('{', "{\"stream\":true,").replacen("{\"stream\":true,\"role", "{\"role", 1),
    );
    assert!(says(&stream, "x-sluicegate-cache: hit"), "{stream}");
    for event in ["event: message_start", "event: content_block_delta", "event: message_delta", "event: message_stop"] {
        assert!(stream.contains(event), "{stream}");
    }
    let generate = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    let whole = relay.post("/v1beta/models/up%2Fm:generateContent", "", generate);
    assert!(says(&whole, "x-sluicegate-cache: miss"), "{whole}");
    let events = relay.post("/v1beta/models/up%2Fm:streamGenerateContent?alt=sse", "", generate);
    assert!(says(&events, "x-sluicegate-cache: hit") && body(&events).starts_with("data: {"), "{events}");
    let array = relay.post("/v1beta/models/up%2Fm:streamGenerateContent", "", generate);
    assert!(says(&array, "x-sluicegate-cache: hit"), "{array}");
    let array: serde_json::Value = serde_json::from_str(body(&array)).unwrap();
    assert!(array.as_array().is_some_and(|events| !events.is_empty()), "{array}");
}

#[test]
fn tenants_do_not_meet_and_keys_of_one_tenant_do() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let mut config = cached(&upstream, always());
    for tenant in ["acme", "bolt"] {
        let tenant = Tenant {
            name: tenant.to_owned(),
            limits: Default::default(),
            budgets: Vec::new(),
            credits: None,
            mode: Default::default(),
            accept_lower_tier: false,
        };
        config.tenants.insert(tenant.name.clone(), tenant);
    }
    for (name, tenant) in
        [("a1", Some("acme")), ("a2", Some("acme")), ("b1", Some("bolt")), ("lone", None), ("acme", None)]
    {
        let mut key = key(name, &format!("sk-{name}"));
        key.hash = KeyHash::of(&format!("sk-{name}"));
        key.tenant = tenant.map(str::to_owned);
        config.keys.push(key);
    }
    let relay = Running::new(config);
    let mut ask = |name: &str| {
        let answer = relay.post(CHAT, &format!("authorization: Bearer sk-{name}\r\n"), &hi("up/m"));
        says(&answer, "x-sluicegate-cache: hit")
    };
    let hits: Vec<bool> = ["a1", "a1", "a2", "b1", "lone", "acme", "lone"].into_iter().map(&mut ask).collect();
    assert_eq!(hits, [false, true, true, false, false, false, true]);
}

#[test]
fn what_a_client_says_about_caching_is_honoured() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let relay = Running::new(cached(&upstream, always()));
    let ask = |headers: &str| {
        let answer = relay.post(CHAT, headers, &hi("up/m"));
        ["hit", "miss", "bypass"]
            .into_iter()
            .find(|word| says(&answer, &format!("x-sluicegate-cache: {word}")))
            .unwrap()
    };
    // Neither given nor kept.
    assert_eq!(ask("cache-control: no-store\r\n"), "bypass");
    assert_eq!(ask(""), "miss");
    assert_eq!(ask(""), "hit");
    // Not given, but kept anew.
    assert_eq!(ask("cache-control: foo, No-Cache\r\n"), "bypass");
    assert_eq!(ask("cache-control: max-age=0\r\n"), "bypass");
    assert_eq!(ask("cache-control: max-age=60\r\n"), "hit");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask("cache-control: max-age=1\r\n"), "miss");
    assert_eq!(ask("cache-control: max-age=1\r\n"), "hit");
}

#[test]
fn only_calls_that_sample_nothing_are_kept_unless_all_are() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let relay = Running::new(cached(&upstream, Cache::default()));
    let with = |more: &str| hi("up/m").replacen('{', &format!("{{{more},"), 1);
    let ask = |body: &str| {
        let answer = relay.post(CHAT, "", body);
        ["hit", "miss", "bypass"]
            .into_iter()
            .find(|word| says(&answer, &format!("x-sluicegate-cache: {word}")))
            .unwrap()
    };
    assert_eq!(ask(&hi("up/m")), "bypass");
    assert_eq!(ask(&with("\"temperature\":0.2")), "bypass");
    assert_eq!(ask(&with("\"temperature\":0.0")), "miss");
    assert_eq!(ask(&with("\"temperature\":0")), "hit");
    let embeddings = r#"{"model":"up/m","input":"hi"}"#;
    let first = relay.post("/v1/embeddings", "", embeddings);
    let again = relay.post("/v1/embeddings", "", embeddings);
    assert!(says(&first, "x-sluicegate-cache: miss") && says(&again, "x-sluicegate-cache: hit"), "{first}{again}");
    // What hangs on a conversation that the provider keeps is never kept here.
    let responses = r#"{"model":"up/m","input":"hi","temperature":0,"previous_response_id":"r"}"#;
    assert!(says(&relay.post("/v1/responses", "", responses), "x-sluicegate-cache: bypass"));
}

#[test]
fn only_whole_successful_answers_are_kept() {
    let refusal = r#"{"error":{"message":"bad","type":"invalid_request_error","code":null,"param":null}}"#;
    let cut = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(50)), Act::Close];
    let long = ANSWER.replace("\"hi\"", &format!("\"{}\"", "x".repeat(4096)));
    let upstream = Upstream::new(vec![
        json(400, refusal),
        json(500, "{}"),
        cut,
        json(200, &long),
        json(200, ANSWER),
        json(200, "{}"),
    ]);
    let relay = Running::new(cached(&upstream, Cache { max_answer: Size::from_bytes(2048), ..always() }));
    let answers: Vec<String> = [hi("up/m"), hi("up/m"), hi_streamed("up/m"), hi("up/m"), hi("up/m"), hi("up/m")]
        .iter()
        .map(|body| relay.post(CHAT, "", body))
        .collect();
    let hits: Vec<bool> = answers.iter().map(|answer| says(answer, "x-sluicegate-cache: hit")).collect();
    assert_eq!(hits, [false, false, false, false, false, true], "{answers:#?}");
    assert_eq!(body(&answers[5]), ANSWER);
}

#[test]
fn an_answer_is_no_good_when_its_time_is_over() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let relay = Running::new(cached(&upstream, Cache { ttl: Period::from_secs(1), ..always() }));
    let hits = |answer: String| says(&answer, "x-sluicegate-cache: hit");
    assert!(!hits(relay.post(CHAT, "", &hi("up/m"))));
    assert!(hits(relay.post(CHAT, "", &hi("up/m"))));
    std::thread::sleep(Duration::from_millis(1100));
    assert!(!hits(relay.post(CHAT, "", &hi("up/m"))));
    assert!(hits(relay.post(CHAT, "", &hi("up/m"))));
}

/// Sends without waiting for the answer.
fn begin(relay: &Running, body: &str) -> std::net::TcpStream {
    let mut stream = relay.connect();
    stream.write_all(post(CHAT, "", body).as_bytes()).unwrap();
    stream
}

fn read(mut stream: std::net::TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn late(answer: Vec<Act>) -> Vec<Act> {
    [vec![Act::Pause(Duration::from_millis(300))], answer].concat()
}

#[test]
fn of_identical_calls_at_once_one_is_sent_on() {
    let upstream = Upstream::new(vec![late(json(200, ANSWER))]);
    let relay = Running::new(cached(&upstream, always()));
    let calls: Vec<_> =
        (0..8).map(|at| begin(&relay, &if at % 2 == 0 { hi("up/m") } else { hi_streamed("up/m") })).collect();
    let answers: Vec<String> = calls.into_iter().map(read).collect();
    assert!(answers.iter().all(|answer| answer.contains("hi")), "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| says(answer, "x-sluicegate-cache: hit")).count(), 7);
    upstream.request();
    assert!(upstream.is_left_alone());
}

#[test]
fn when_the_first_of_identical_calls_fails_the_others_go_by_themselves() {
    let upstream = Upstream::new(vec![late(json(500, "{}")), json(200, ANSWER), json(200, ANSWER)]);
    let relay = Running::new(cached(&upstream, always()));
    let first = begin(&relay, &hi("up/m"));
    upstream.request();
    let others = [begin(&relay, &hi("up/m")), begin(&relay, &hi("up/m"))];
    assert!(read(first).starts_with("HTTP/1.1 502"));
    for other in others {
        let answer = read(other);
        assert!(answer.starts_with("HTTP/1.1 200") && says(&answer, "x-sluicegate-cache: miss"), "{answer}");
    }
}

#[test]
fn when_the_client_of_the_first_leaves_the_next_goes_in_its_place_for_all() {
    let (tell, closed) = std::sync::mpsc::channel();
    let upstream = Upstream::new(vec![vec![Act::AwaitClose(tell)], late(json(200, ANSWER))]);
    let relay = Running::new(cached(&upstream, always()));
    let first = begin(&relay, &hi("up/m"));
    upstream.request();
    let others: Vec<_> = (0..4).map(|_| begin(&relay, &hi("up/m"))).collect();
    std::thread::sleep(Duration::from_millis(100));
    drop(first);
    assert!(closed.recv_timeout(Duration::from_secs(5)).unwrap());
    let answers: Vec<String> = others.into_iter().map(read).collect();
    assert!(answers.iter().all(|answer| body(answer) == ANSWER), "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| says(answer, "x-sluicegate-cache: hit")).count(), 3);
    upstream.request();
    assert!(upstream.is_left_alone());
}

#[test]
fn nobody_waits_for_an_identical_call_longer_than_he_may() {
    let slow = [vec![Act::Pause(Duration::from_millis(1500))], json(200, ANSWER)].concat();
    let upstream = Upstream::new(vec![slow, json(200, ANSWER)]);
    let relay = Running::new(cached(&upstream, Cache { wait_for_same: Period::from_millis(100), ..always() }));
    let first = begin(&relay, &hi("up/m"));
    upstream.request();
    let second = read(begin(&relay, &hi("up/m")));
    assert!(says(&second, "x-sluicegate-cache: miss") && body(&second) == ANSWER, "{second}");
    assert_eq!(body(&read(first)), ANSWER);
}

#[test]
fn a_hit_takes_from_no_limit() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = cached(&upstream, always());
    config.limits.global = serde_limit(1);
    config.mode = sluicegate_vocabulary::Mode::Strict;
    let relay = Running::new(config);
    for _ in 0..5 {
        assert!(relay.post(CHAT, "", &hi("up/m")).starts_with("HTTP/1.1 200"));
    }
    let other = hi("up/m").replace("\"hi\"", "\"other\"");
    assert!(relay.post(CHAT, "", &other).starts_with("HTTP/1.1 429"));
}

fn serde_limit(requests: u64) -> sluicegate_config::Limit {
    let text = format!(
        "providers: {{ a: {{ kind: simulated }} }}\nrate_limits: {{ global: {{ requests_per_minute: {requests} }} }}"
    );
    sluicegate_config::load(&text, "test").unwrap().limits.global
}

#[test]
fn what_is_purged_is_asked_for_again() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 6]);
    let relay = Running::new(cached(&upstream, always()));
    let ask = |model: &str| says(&relay.post(CHAT, "", &hi(model)), "x-sluicegate-cache: hit");
    assert!(!ask("up/m") && !ask("up/n") && ask("up/m") && ask("up/n"));
    let report = relay.relay.cache().unwrap();
    assert_eq!(report.entries, 2);
    assert!(report.bytes > 2 * ANSWER.len() as u64 && report.bytes < report.max_bytes);
    let purge = Purge { model: Some("m".to_owned()), ..Purge::default() };
    assert_eq!(relay.relay.purge_cache(&purge), Some(1));
    assert!(!ask("up/m") && ask("up/n"));
    assert_eq!(relay.relay.purge_cache(&Purge { owner: Some("key:x".into()), model: None }), Some(0));
    assert_eq!(relay.relay.purge_cache(&Purge::default()), Some(2));
    assert!(!ask("up/m") && !ask("up/n"));
}

#[test]
fn what_is_kept_survives_a_reload_and_never_takes_more_than_its_memory() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 400]);
    let small = Cache { max_size: Size::from_bytes(64 << 10), max_answer: Size::from_bytes(4096), ..always() };
    let config = cached(&upstream, small);
    let relay = Running::new(config.clone());
    for at in 0..200 {
        relay.post(CHAT, "", &hi("up/m").replace("\"hi\"", &format!("\"{at}\"")));
    }
    let report = relay.relay.cache().unwrap();
    assert!(report.bytes <= 64 << 10 && report.entries > 10, "{report:?}");
    relay.relay.reload(config, Default::default()).unwrap();
    assert_eq!(relay.relay.cache().unwrap().entries, report.entries);
}

#[test]
fn a_workload_with_34_percent_repeats_has_34_percent_hits() {
    // 100 calls, 34 of which say what one before them said.
    let upstream = Upstream::new(vec![json(200, ANSWER); 66]);
    let relay = Running::new(cached(&upstream, always()));
    let mut fresh = 0u32;
    let (mut hits, mut calls) = (0u32, 0u32);
    while calls < 100 {
        let repeat = (calls + 1) * 34 / 100 > calls * 34 / 100;
        let said = if repeat { calls * 7 % fresh } else { fresh };
        fresh += u32::from(!repeat);
        let body = hi("up/m").replace("\"hi\"", &format!("\"question {said}\""));
        hits += u32::from(says(&relay.post(CHAT, "", &body), "x-sluicegate-cache: hit"));
        calls += 1;
    }
    assert_eq!((hits, fresh), (34, 66));
}
