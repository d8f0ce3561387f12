//! Who is asked instead of a provider that fails, is late or is silent, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{FallbackOn, Period, ProviderKey, ProviderKind, Rate, RateKind, Window};
use sluicegate_flow::egress::Role;
use sluicegate_vocabulary::{AttemptResult, EndReason, Mode};
use std::io::Write;
use std::time::{Duration, Instant};
use support::*;

const FAILED: &str = r#"{"error":{"message":"x","type":"server_error"}}"#;
const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";

fn openai(upstream: &Upstream) -> sluicegate_config::Provider {
    provider("up", ProviderKind::OpenAi, upstream.address)
}

fn keys(names: &[&str], secret: &str) -> Vec<ProviderKey> {
    names.iter().map(|name| ProviderKey::new(name, "test", format!("{secret}-{name}").into())).collect()
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Calls to `m` go to `up` first, and then to `other`.
fn two(up: sluicegate_config::Provider, other: &Upstream) -> sluicegate_config::Config {
    let mut config = config(vec![up, provider("other", ProviderKind::OpenAi, other.address)]);
    config.models.insert("m".into(), model("m", &["up/a", "other/b"]));
    config
}

/// `calls` at the same time. Says for each its status, who answered and the number of tries.
fn at_once(relay: &Running, calls: usize) -> Vec<(u16, String, u64)> {
    let call = || {
        let answer = relay.post(CHAT, "", &hi("m"));
        let told = |name| header(&answer, name).unwrap_or_default().to_owned();
        (status(&answer), told("x-sluicegate-provider"), told("x-sluicegate-attempts").parse().unwrap_or(0))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..calls).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_call_under_way_at_a_provider_that_falls_silent_goes_to_one_that_answers() {
    // More than the provider's own budget would pay for: a hundred retries, two for each after a timeout.
    const CALLS: usize = 80;
    let silent = Upstream::new((0..CALLS).map(|_| vec![Act::Pause(Duration::from_secs(3)), Act::Close]).collect());
    let good = Upstream::new((0..CALLS).map(|_| json(200, ANSWER)).collect());
    let mut sick = openai(&silent);
    sick.timeouts.first_byte = Period::from_millis(400);
    let relay = Running::new(two(sick, &good));
    let told = at_once(&relay, CALLS);
    assert!(told.iter().all(|(status, by, _)| (*status, &**by) == (200, "other")), "{told:?}");
    assert!(told.iter().filter(|(.., tries)| *tries == 2).count() > 60, "{told:?}");
}

#[test]
fn when_all_candidates_fail_their_calls_are_tried_within_one_budget() {
    let failing = || Upstream::new((0..400).map(|_| json(500, FAILED)).collect());
    let (one, another) = (failing(), failing());
    let mut config = two(openai(&one), &another);
    for provider in config.providers.values_mut() {
        (provider.breaker, provider.max_retries) = (None, 2);
    }
    let relay = Running::new(config);
    let began = Instant::now();
    let told: Vec<_> = (0..4).flat_map(|_| at_once(&relay, 30)).collect();
    assert!(told.iter().all(|(status, ..)| *status == 502), "{told:?}");
    let tries: u64 = told.iter().map(|(.., tries)| tries).sum();
    let most = 120 + 100 + 1 + began.elapsed().as_secs();
    assert!((120 + 100..=most).contains(&tries), "{tries} tries, {most} allowed");
}

/// A stream that begins so much later.
fn streamed(ms: u64) -> Vec<Act> {
    const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let pause = Act::Pause(Duration::from_millis(ms));
    vec![pause, stream_head(), chunk(FIRST), chunk(LAST), chunk("data: [DONE]\n\n"), end()]
}

/// A relay that knows how fast both usually are, and after that has a model whose calls are doubled.
fn hedged(late: &Upstream, other: &Upstream, fallback_on: Option<FallbackOn>) -> Running {
    let mut config = two(openai(late), other);
    let hedged = config.models.get_mut("m").unwrap();
    hedged.hedge = true;
    hedged.fallback_on = fallback_on.map_or_else(|| hedged.fallback_on.clone(), |on| vec![on]);
    let relay = Running::new(config);
    for _ in 0..20 {
        for (model, upstream) in [("up/a", late), ("other/b", other)] {
            assert_eq!(status(&relay.post(CHAT, "", &hi_streamed(model))), 200);
            upstream.request();
        }
    }
    relay.receipts(40);
    relay
}

fn usually(ms: u64, then: Vec<Act>) -> Upstream {
    Upstream::new((0..20).map(|_| streamed(ms)).chain([then]).collect())
}

#[test]
fn both_calls_are_in_the_receipt_of_a_client_that_leaves_before_either_has_answered() {
    let (late, other) = (usually(20, streamed(3000)), usually(0, streamed(3000)));
    let relay = hedged(&late, &other, None);
    let mut client = relay.connect();
    client.write_all(post(CHAT, "", &hi_streamed("m")).as_bytes()).unwrap();
    late.request();
    other.request();
    drop(client);
    let receipt = relay.receipts(1).remove(0);
    assert_eq!(receipt.end, EndReason::ClientGone);
    let told: Vec<_> = receipt.attempts.iter().map(|attempt| (&*attempt.provider, attempt.result)).collect();
    assert_eq!(told, [("up", AttemptResult::Cancelled), ("other", AttemptResult::Cancelled)]);
    let report = relay.relay.standing().report();
    assert!(report.providers.iter().all(|provider| provider.in_flight == 0), "{report:?}");
}

#[test]
fn nobody_is_asked_second_where_the_model_does_not_go_on_after_a_timeout() {
    let (late, other) = (usually(20, streamed(800)), usually(0, streamed(0)));
    let relay = hedged(&late, &other, Some(FallbackOn::RateLimited));
    let answer = relay.post(CHAT, "", &hi_streamed("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("up")), "{answer}");
    assert!(other.is_left_alone());
}

#[test]
fn a_trial_call_that_meets_silence_is_answered_by_another_and_counts_against_its_provider() {
    let mut scripts: Vec<_> = (0..5).map(|_| json(500, FAILED)).collect();
    scripts.push(vec![Act::Pause(Duration::from_secs(20)), Act::Close]);
    let silent = Upstream::new(scripts);
    let good = Upstream::new((0..20).map(|_| json(200, ANSWER)).collect());
    let mut up = openai(&silent);
    up.timeouts.first_byte = Period::from_secs(15);
    let relay = Running::new(two(up, &good));
    for _ in 0..5 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/a"))), 502);
    }
    relay.receipts(5);
    std::thread::sleep(Duration::from_millis(1100));
    let began = Instant::now();
    let answer = relay.post(CHAT, "", &hi("m"));
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("other")), "{answer}");
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&began.elapsed()), "{:?}", began.elapsed());
    let receipt = relay.receipts(1).remove(0);
    let told: Vec<_> = receipt.attempts.iter().map(|attempt| (&*attempt.provider, attempt.result)).collect();
    assert_eq!(told, [("up", AttemptResult::Timeout), ("other", AttemptResult::Ok)]);
    let report = relay.relay.standing().report();
    let up = report.providers.iter().find(|provider| provider.name == "up").unwrap();
    assert_eq!((&*up.breaker.state, up.breaker.opened, up.in_flight), ("open", 2, 0));
}

#[test]
fn a_held_key_stays_held_when_its_secret_is_replaced_until_the_configuration_says_otherwise() {
    let upstream = Upstream::new((0..8).map(|_| json(200, ANSWER)).collect());
    let configured = |secret: &str, standby: bool| {
        let mut up = openai(&upstream);
        up.keys = keys(&["a", "b"], secret);
        if standby {
            up.keys[0].role = sluicegate_config::KeyRole::Standby;
        }
        config(vec![up])
    };
    let relay = Running::new(configured("old", false));
    let standing = relay.relay.standing();
    let role = || standing.report().providers[0].keys[0].role.to_string();
    standing.set_role("up", "a", Role::Held).unwrap();
    let reload = |config| relay.relay.reload(config, std::collections::HashMap::default()).unwrap();
    reload(configured("new", false));
    assert_eq!(role(), "held");
    for _ in 0..4 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
        assert!(upstream.request().contains("new-b"));
    }
    reload(configured("newer", true));
    assert_eq!(role(), "standby");
}

#[test]
fn a_key_that_was_forbidden_something_is_asked_whether_it_is_still_taken() {
    let forbidden = r#"{"error":{"message":"You do not have access to this model","code":"model_forbidden"}}"#;
    for (said, becomes) in [(json(401, "{}"), "suspect"), (json(200, r#"{"data":[]}"#), "healthy")] {
        let upstream = Upstream::new(vec![json(403, forbidden), json(200, ANSWER), said]);
        let mut up = openai(&upstream);
        up.keys = keys(&["a", "b"], "secret");
        let relay = Running::new(config(vec![up]));
        let answer = relay.post(CHAT, "", &hi("up/m"));
        assert_eq!((status(&answer), header(&answer, "x-sluicegate-attempts")), (200, Some("2")), "{answer}");
        let refused = upstream.request();
        upstream.request();
        let states = || {
            let report = relay.relay.standing().report();
            report.providers[0].keys.iter().map(|key| (key.name.clone(), key.state.to_string())).collect::<Vec<_>>()
        };
        assert!(states().iter().all(|(_, state)| state == "healthy"), "one call is not enough: {:?}", states());
        let tending = relay.relay.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(tending.tend());
        let asked = upstream.request();
        assert!(asked.starts_with("GET ") && asked.contains("/models"), "{asked}");
        let name = if refused.contains("secret-a") { "a" } else { "b" };
        assert!(asked.contains(&format!("secret-{name}")), "{asked}");
        let deadline = Instant::now() + Duration::from_secs(3);
        let is_so = || states().iter().all(|(key, state)| state == if key == name { becomes } else { "healthy" });
        while !is_so() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(is_so(), "{:?}", states());
        runtime.shutdown_background();
    }
}

#[test]
fn a_call_that_waits_for_a_providers_quota_is_seen_among_those_that_wait_and_counts_its_bytes() {
    let told =
        "x-ratelimit-limit-requests: 30\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 2s\r\n";
    let head = format!("HTTP/1.1 200 X\r\ncontent-type: application/json\r\n{told}");
    let spent = vec![Act::Send(format!("{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len()).into_bytes())];
    let upstream = Upstream::new(vec![spent, json(200, ANSWER)]);
    let relay = Running::new(config(vec![openai(&upstream)]));
    assert_eq!(status(&relay.post(CHAT, "", &hi("up/m"))), 200);
    let waiting = || {
        let report = relay.relay.flow();
        let calls: u64 = report.waiting.iter().map(|class| class.waiting).sum();
        (calls, report.waiting_bytes, report.callers.iter().map(|caller| caller.waiting).sum::<usize>())
    };
    assert_eq!(waiting(), (0, 0, 0));
    std::thread::scope(|scope| {
        let call = scope.spawn(|| relay.post(CHAT, "", &hi("up/m")));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(waiting(), (1, hi("up/m").len() as u64, 1));
        assert_eq!(status(&call.join().unwrap()), 200);
    });
    assert_eq!(waiting(), (0, 0, 0));
}

#[test]
fn a_provider_that_usually_takes_long_is_waited_for_as_long_when_it_is_tried() {
    let slow = |ms| [vec![Act::Pause(Duration::from_millis(ms))], json(200, ANSWER)].concat();
    let mut scripts: Vec<_> = (0..20).map(|_| slow(3500)).collect();
    scripts.extend((0..5).map(|_| json(500, FAILED)));
    scripts.push(slow(2500));
    let upstream = Upstream::new(scripts);
    let quick = Upstream::new((0..50).map(|_| json(200, ANSWER)).collect());
    let mut up = openai(&upstream);
    up.timeouts.first_byte = Period::from_secs(15);
    let relay = Running::new(two(up, &quick));
    std::thread::scope(|scope| {
        (0..20).for_each(|_| drop(scope.spawn(|| assert_eq!(status(&relay.post(CHAT, "", &hi("up/a"))), 200))));
    });
    for _ in 0..5 {
        assert_eq!(status(&relay.post(CHAT, "", &hi("up/a"))), 502);
    }
    // Until it is tried, the other answers at the first try.
    let until = Instant::now() + Duration::from_secs(10);
    let answer = loop {
        let answer = relay.post(CHAT, "", &hi("m"));
        let untried = header(&answer, "x-sluicegate-provider") == Some("other")
            && header(&answer, "x-sluicegate-attempts") == Some("1");
        if !untried || Instant::now() > until {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(250));
    };
    // Two seconds is all that one of which nothing is known would have had.
    assert_eq!((status(&answer), header(&answer, "x-sluicegate-provider")), (200, Some("up")), "{answer}");
}

#[test]
fn what_a_second_call_was_paid_with_is_given_back_where_it_finds_no_room() {
    // The budget begins with one second call, and some calls later it has not earned another.
    let late = Upstream::new((0..20).map(|_| streamed(20)).chain([streamed(1500), streamed(1500)]).collect());
    let busy = [vec![Act::Pause(Duration::from_millis(1800))], json(200, ANSWER)].concat();
    let other = Upstream::new((0..20).map(|_| streamed(0)).chain([busy, streamed(0)]).collect());
    let mut config = two(openai(&late), &other);
    config.models.get_mut("m").unwrap().hedge = true;
    config.providers.get_mut("other").unwrap().limits.concurrency = Some(1);
    let relay = Running::new(config);
    for _ in 0..20 {
        assert_eq!(status(&relay.post(CHAT, "", &hi_streamed("up/a"))), 200);
        assert_eq!(status(&relay.post(CHAT, "", &hi_streamed("other/b"))), 200);
    }
    std::thread::scope(|scope| {
        let occupied = scope.spawn(|| relay.post(CHAT, "", &hi("other/b")));
        std::thread::sleep(Duration::from_millis(300));
        let answer = relay.post(CHAT, "", &hi_streamed("m"));
        assert_eq!(header(&answer, "x-sluicegate-provider"), Some("up"), "the other has no room: {answer}");
        assert_eq!(status(&occupied.join().unwrap()), 200);
    });
    let answer = relay.post(CHAT, "", &hi_streamed("m"));
    assert_eq!(header(&answer, "x-sluicegate-provider"), Some("other"), "it was paid for twice: {answer}");
}

#[test]
fn no_degrade_without_consent() {
    let one_a_minute = || {
        let told = "x-ratelimit-limit-requests: 1\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 300s\r\n";
        let head = format!(
            "HTTP/1.1 200 X\r\ncontent-type: application/json\r\n{told}content-length: {}\r\n\r\n",
            ANSWER.len()
        );
        vec![Act::Send([head.as_bytes(), ANSWER.as_bytes()].concat())]
    };
    for (mode, accepts) in
        [(Mode::Graceful, false), (Mode::Adaptive, true), (Mode::Strict, true), (Mode::Graceful, true)]
    {
        let upstream = Upstream::new(vec![one_a_minute()]);
        let low = Upstream::new(vec![json(200, ANSWER)]);
        let mut config = two(openai(&upstream), &low);
        let mut smart = model("smart", &["up/a"]);
        smart.lower_tier = Some("small".into());
        config.models.insert("smart".into(), smart);
        config.models.insert("small".into(), model("small", &["other/b"]));
        let mut caller = key("caller", "k");
        (caller.mode, caller.accept_lower_tier) = (mode, accepts);
        config.keys.push(caller);
        let relay = Running::new(config);
        assert_eq!(status(&relay.post(CHAT, "x-api-key: k\r\n", &hi("smart"))), 200);
        let answer = relay.post(CHAT, "x-api-key: k\r\nx-deadline-ms: 1000\r\n", &hi("smart"));
        let from = header(&answer, "x-sluicegate-degraded-from");
        if mode == Mode::Graceful && accepts {
            assert_eq!((status(&answer), from), (200, Some("smart")), "{answer}");
        } else {
            assert!(matches!(status(&answer), 503 | 504) && from.is_none(), "{mode:?} {accepts}: {answer}");
            assert!(low.is_left_alone(), "{mode:?} {accepts}");
        }
    }
}

#[test]
fn a_graceful_caller_goes_down_level_by_level_and_no_further_than_there_are_levels() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let mut config = config(vec![openai(&upstream)]);
    for (name, target, lower) in
        [("smart", "up/a", Some("small")), ("small", "up/b", Some("tiny")), ("tiny", "up/c", None)]
    {
        let mut model = model(name, &[target]);
        model.lower_tier = lower.map(Into::into);
        model.limits.rates = vec![Rate::new(RateKind::Requests, Window::Minute, 1, None, None)];
        config.models.insert(name.into(), model);
    }
    let mut graceful = key("graceful", "g");
    (graceful.mode, graceful.accept_lower_tier) = (Mode::Graceful, true);
    config.keys.push(graceful);
    let relay = Running::new(config);
    for (level, asked) in [(None, "\"a\""), (Some("smart"), "\"b\""), (Some("smart"), "\"c\"")] {
        let answer = relay.post(CHAT, "x-api-key: g\r\nx-deadline-ms: 2000\r\n", &hi("smart"));
        assert_eq!((status(&answer), header(&answer, "x-sluicegate-degraded-from")), (200, level), "{answer}");
        let request = upstream.request();
        assert!(request.contains(asked), "{asked}: {request}");
    }
    let answer = relay.post(CHAT, "x-api-key: g\r\nx-deadline-ms: 2000\r\n", &hi("smart"));
    assert_eq!(status(&answer), 429, "{answer}");
    assert!(upstream.is_left_alone());
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// What waits is counted by the body that came. A second one in the provider's format would be counted by nobody.
#[test]
fn a_call_that_waits_holds_one_body_and_no_translation_of_it() {
    const CALLS: u64 = 16;
    const SIZE: u64 = 6 << 20;
    // The allocator gives back what is freed only if it is told so before the program begins.
    const TELL: &str = "MALLOC_MMAP_THRESHOLD_";
    if std::env::var_os(TELL).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "a_call_that_waits_holds_one_body_and_no_translation_of_it"]).env(TELL, "65536");
        let output = alone.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    // However long it takes until all of them wait, none has waited too long.
    const LONG: Duration = Duration::from_secs(600);
    let busy = Upstream::new(vec![vec![Act::Pause(LONG), Act::Close]]);
    let mut up = provider("up", ProviderKind::Anthropic, busy.address);
    up.limits.concurrency = Some(1);
    up.timeouts.first_byte = Period::from_secs(LONG.as_secs());
    let relay = Running::new(config(vec![up]));
    let send = |body: &str| {
        let mut client = relay.connect();
        client.write_all(post(CHAT, "x-deadline-ms: 600000\r\n", body).as_bytes()).unwrap();
        client
    };
    let _first = send(&hi("up/m"));
    busy.request();
    let body = hi("up/m").replace("hi", &"x".repeat(usize::try_from(SIZE).unwrap()));
    let before = resident();
    let clients: Vec<_> = (0..CALLS).map(|_| send(&body)).collect();
    let waiting = || relay.relay.flow().waiting.iter().map(|class| class.waiting).sum::<u64>();
    let until = Instant::now() + LONG / 2;
    while waiting() < CALLS && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(waiting(), CALLS);
    assert_eq!(relay.relay.flow().waiting_bytes, CALLS * body.len() as u64);
    let held = resident().saturating_sub(before);
    assert!(held < CALLS * SIZE * 3 / 2, "{} MB for {} MB of bodies", held >> 20, (CALLS * SIZE) >> 20);
    drop(clients);
}
