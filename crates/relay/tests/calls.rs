//! One call's way, as a client and a provider see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{FallbackOn, ProviderKind};
use sluicegate_vocabulary::{AttemptResult, EndReason, FaultKind};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;
use support::*;

const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn openai(upstream: &Upstream) -> sluicegate_config::Config {
    config(vec![provider("up", ProviderKind::OpenAi, upstream.address)])
}

#[test]
fn the_body_goes_on_unchanged_but_for_the_model() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = openai(&upstream);
    config.models.insert("fast".into(), model("fast", &["up/gpt-x"]));
    let relay = Running::new(config);
    let body =
        r#"{ "odd" : 1.10e5, "model" : "fast", "messages":[{"role":"user","content":"hi"}],"zz":[9007199254740993] }"#;
    let answer = relay.post(CHAT, "authorization: Bearer client-secret\r\n", body);
    let seen = upstream.request();
    assert!(seen.ends_with(&body.replace("\"fast\"", "\"gpt-x\"")), "{seen}");
    assert!(seen.contains("authorization: Bearer provider-secret\r\n") && !seen.contains("client-secret"), "{seen}");
    assert!(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{seen}");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(ANSWER), "{answer}");
    assert!(
        answer.contains("x-sluicegate-provider: up\r\n") && answer.contains("x-sluicegate-model: gpt-x\r\n"),
        "{answer}"
    );
    let receipt = relay.receipts(1).remove(0);
    assert_eq!((receipt.end, receipt.usage.total(), &*receipt.model), (EndReason::Done, 10, "fast"));
}

#[test]
fn usage_is_known_for_a_stream_that_did_not_ask_for_it_and_hidden_from_its_client() {
    let upstream =
        Upstream::new(vec![vec![stream_head(), chunk(FIRST), chunk(LAST), chunk(USAGE), chunk(DONE), end()]]);
    let relay = Running::new(openai(&upstream));
    let answer = relay.post(CHAT, "", &hi_streamed("up/m"));
    assert!(upstream.request().contains("\"include_usage\":true"));
    assert!(answer.contains("\"content\":\"he\"") && answer.contains("[DONE]"), "{answer}");
    assert!(!answer.contains("prompt_tokens"), "{answer}");
    let receipt = relay.receipts(1).remove(0);
    assert_eq!((receipt.end, receipt.usage.total_input(), receipt.usage.total_output()), (EndReason::Done, 7, 3));
    assert!(receipt.times.first_token.is_some());
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_event_and_never_looks_complete() {
    let cut = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(50)), Act::Close];
    let short = vec![stream_head(), chunk(FIRST), end(), Act::Close];
    let upstream = Upstream::new(vec![cut, short]);
    let relay = Running::new(openai(&upstream));
    for _ in 0..2 {
        let answer = relay.post(CHAT, "", &hi_streamed("up/m"));
        assert!(answer.contains("\"content\":\"he\"") && answer.contains("data: {\"error\":"), "{answer}");
        assert!(!answer.contains("[DONE]") && !answer.contains("\"finish_reason\":\"stop\""), "{answer}");
    }
    assert!(relay.receipts(2).iter().all(|receipt| receipt.end == EndReason::Truncated));
}

#[test]
fn a_stream_that_falls_silent_ends_with_an_error_event() {
    let upstream = Upstream::new(vec![vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_secs(4))]]);
    let relay = Running::new(openai(&upstream));
    let answer = relay.post(CHAT, "", &hi_streamed("up/m"));
    assert!(answer.contains("data: {\"error\":") && !answer.contains("[DONE]"), "{answer}");
    assert_eq!(relay.receipts(1)[0].end, EndReason::TimedOut);
}

#[test]
fn an_empty_or_broken_stream_is_an_error_response_and_not_a_200() {
    let empty = vec![stream_head(), end()];
    let comments = vec![stream_head(), chunk(": keep-alive\n\n"), end()];
    let error =
        vec![stream_head(), chunk("data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n"), end()];
    let upstream = Upstream::new(vec![empty, comments, error]);
    let relay = Running::new(openai(&upstream));
    for case in ["empty", "comments", "error"] {
        let answer = relay.post(CHAT, "", &hi_streamed("up/m"));
        assert!(answer.starts_with("HTTP/1.1 50"), "{case}: {answer}");
    }
    assert!(relay.receipts(3).iter().all(|receipt| receipt.end == EndReason::UpstreamError));
}

#[test]
fn a_client_that_goes_away_ends_the_call_upstream_at_once() {
    let (tell, closed) = mpsc::channel();
    let whole = vec![Act::AwaitClose(tell.clone())];
    let streamed = vec![stream_head(), chunk(FIRST), Act::AwaitClose(tell)];
    let upstream = Upstream::new(vec![whole, streamed]);
    let relay = Running::new(openai(&upstream));
    let mut client = relay.connect();
    client.write_all(post(CHAT, "", &hi("up/m")).as_bytes()).unwrap();
    upstream.request();
    drop(client);
    assert!(closed.recv_timeout(Duration::from_secs(6)).unwrap());
    let mut client = relay.connect();
    client.write_all(post(CHAT, "", &hi_streamed("up/m")).as_bytes()).unwrap();
    let mut piece = [0; 64];
    client.read_exact(&mut piece).unwrap();
    drop(client);
    assert!(closed.recv_timeout(Duration::from_secs(6)).unwrap());
    let receipts = relay.receipts(2);
    assert!(receipts.iter().all(|receipt| receipt.end == EndReason::ClientGone), "{receipts:#?}");
    assert_eq!(receipts[0].attempts[0].result, AttemptResult::Cancelled);
}

#[test]
fn a_fallback_answers_when_the_first_choice_cannot() {
    let broken = Upstream::new(vec![json(503, r#"{"error":{"message":"x"}}"#), json(200, "  \n"), vec![Act::Close]]);
    let good = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER), json(200, ANSWER)]);
    let mut config = config(vec![
        provider("a", ProviderKind::OpenAi, broken.address),
        provider("b", ProviderKind::OpenAi, good.address),
    ]);
    let mut routed = model("m", &["a/m1", "b/m2"]);
    routed.fallback_on = vec![FallbackOn::Connect, FallbackOn::ServerError];
    config.models.insert("m".into(), routed);
    let relay = Running::new(config);
    for (case, first) in
        [("503", AttemptResult::Overloaded), ("empty 200", AttemptResult::Broken), ("reset", AttemptResult::Connect)]
    {
        let answer = relay.post(CHAT, "", &hi("m"));
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("x-sluicegate-provider: b\r\n"),
            "{case}: {answer}"
        );
        assert!(answer.contains("x-sluicegate-attempts: 2\r\n"), "{case}: {answer}");
        let receipt = relay.receipts(1).remove(0);
        let results: Vec<_> = receipt.attempts.iter().map(|attempt| attempt.result).collect();
        assert_eq!(results, [first, AttemptResult::Ok], "{case}");
    }
}

#[test]
fn what_the_caller_did_wrong_is_told_at_once_and_asked_nobody_else() {
    let body =
        r#"{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":null}}"#;
    let first = Upstream::new(vec![json(400, body)]);
    let second = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = config(vec![
        provider("a", ProviderKind::OpenAi, first.address),
        provider("b", ProviderKind::OpenAi, second.address),
    ]);
    config.models.insert("m".into(), model("m", &["a/m1", "b/m2"]));
    let relay = Running::new(config);
    let answer = relay.post(CHAT, "", &hi("m"));
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with(body), "{answer}");
    assert!(second.is_left_alone());
    assert_eq!(relay.receipts(1)[0].end, EndReason::ClientError);
}

#[test]
fn a_refused_provider_key_is_never_a_401_to_the_client() {
    let upstream =
        Upstream::new(vec![json(401, r#"{"error":{"message":"Incorrect API key provided: provider-secret"}}"#)]);
    let relay = Running::new(openai(&upstream));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(!answer.contains("provider-secret"), "{answer}");
}

#[test]
fn tries_are_repeated_as_often_as_configured() {
    let fail = || json(500, r#"{"error":{"message":"x"}}"#);
    let upstream = Upstream::new(vec![fail(), fail(), json(200, ANSWER)]);
    let mut up = provider("up", ProviderKind::OpenAi, upstream.address);
    up.max_retries = 2;
    let relay = Running::new(config(vec![up]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-sluicegate-attempts: 3\r\n"), "{answer}");
}

#[test]
fn a_deadline_that_passes_is_a_504() {
    let upstream = Upstream::new(vec![vec![Act::Pause(Duration::from_secs(3))]]);
    let relay = Running::new(openai(&upstream));
    let answer = relay.post(CHAT, "x-deadline-ms: 150\r\n", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert_eq!(relay.receipts(1)[0].end, EndReason::TimedOut);
}

#[test]
fn every_form_of_key_is_accepted_and_none_reaches_the_provider() {
    let forms = [
        ("authorization: Bearer  sk-sg-one \r\n", ""),
        ("x-api-key: sk-sg-one\r\n", ""),
        ("x-goog-api-key: sk-sg-one\r\n", ""),
        ("api-key: sk-sg-one\r\n", ""),
        ("", "?key=sk-sg-one"),
    ];
    let upstream = Upstream::new(forms.iter().map(|_| json(200, ANSWER)).collect());
    let mut config = openai(&upstream);
    config.keys.push(key("team", "sk-sg-one"));
    let relay = Running::new(config);
    for (headers, query) in forms {
        let answer = relay.post(&format!("{CHAT}{query}"), headers, &hi("up/m"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{headers}{query}: {answer}");
        assert!(!upstream.request().contains("sk-sg-one"));
    }
    assert!(relay.receipts(forms.len()).iter().all(|receipt| receipt.key.as_deref() == Some("team")));
}

#[test]
fn a_wrong_or_missing_key_is_a_401_in_the_dialect_and_leaves_the_connection_usable() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = openai(&upstream);
    config.keys.push(key("team", "sk-sg-one"));
    let relay = Running::new(config);
    let keep = |text: String| text.replace("connection: close\r\n", "");
    let mut client = relay.connect();
    client.write_all(keep(post(CHAT, "authorization: Bearer wrong\r\n", &hi("up/m"))).as_bytes()).unwrap();
    let mut piece = vec![0; 4096];
    let n = client.read(&mut piece).unwrap();
    let answer = String::from_utf8_lossy(&piece[..n]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"code\":\"invalid_api_key\""), "{answer}");
    client.write_all(post(CHAT, "authorization: Bearer sk-sg-one\r\n", &hi("up/m")).as_bytes()).unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    let answer = relay.post("/v1/messages", "", "{}");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"authentication_error\""), "{answer}");
    let answer = relay.post("/v1beta/models/m:generateContent", "", "{}");
    assert!(answer.contains("\"UNAUTHENTICATED\"") || answer.contains("\"status\":\"INVALID_ARGUMENT\""), "{answer}");
}

#[test]
fn hostile_requests_get_a_clear_4xx() {
    let upstream = Upstream::new(vec![]);
    let mut config = openai(&upstream);
    config.server.max_body = sluicegate_config::Size::from_bytes(4096);
    let relay = Running::new(config);
    let deep = format!(r#"{{"model":"up/m","messages":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"model":"up/m","messages":"{}"}}"#, "x".repeat(5000));
    let cases: [(&str, &str, &str, &str); 9] = [
        (CHAT, "", "{\"model\":\"up/m\"", "400"),
        (CHAT, "", "[]", "400"),
        (CHAT, "", r#"{"model":1,"messages":[]}"#, "400"),
        (CHAT, "", r#"{"model":"a","model":"b","messages":[]}"#, "400"),
        (CHAT, "", &deep, "400"),
        (CHAT, "", &long, "413"),
        (CHAT, "content-type: multipart/form-data; boundary=x\r\n", "{}", "415"),
        (CHAT, "content-encoding: gzip\r\n", "{}", "415"),
        ("/v1/nothing", "", "{}", "404"),
    ];
    for (path, headers, body, status) in cases {
        let answer = relay.post(path, headers, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers} {body:.60}: {answer}");
        assert!(answer.contains("{\"error\":{"), "{answer}");
    }
    let answer = relay.raw(b"GET /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: POST\r\n"), "{answer}");
    let answer = relay.post(&format!("/v1/models?x={}", "y".repeat(20_000)), "", "");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer = relay.post("/v1/embeddings", "", r#"{"model":"gpt","input":"x"}"#);
    assert!(answer.starts_with("HTTP/1.1"), "{answer}");
    assert!(relay.receipts(12).iter().all(|receipt| receipt.attempts.is_empty() || receipt.endpoint.is_some()));
}

#[test]
fn smuggling_forms_are_refused() {
    let upstream = Upstream::new(vec![]);
    let relay = Running::new(openai(&upstream));
    for request in [
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: +2\r\n\r\n{}",
        "POST /v1/chat/completions HTTP/1.0\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length : 2\r\n\r\n{}",
    ] {
        let answer = relay.raw(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    assert!(upstream.is_left_alone());
}

#[test]
fn an_unknown_model_is_a_404_with_the_nearest_name() {
    let upstream = Upstream::new(vec![]);
    let mut config = config(vec![
        provider("a", ProviderKind::OpenAi, upstream.address),
        provider("b", ProviderKind::OpenAi, upstream.address),
    ]);
    config.models.insert("fast".into(), model("fast", &["a/m1"]));
    let relay = Running::new(config);
    let answer = relay.post(CHAT, "", &hi("fsat"));
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("fast"), "{answer}");
    assert_eq!(relay.receipts(1)[0].fault, Some(FaultKind::UnknownModel));
}

#[test]
fn passthrough_is_recorded_like_any_call_and_changes_nothing() {
    let body = r#"{"purpose":"x"}"#;
    let upstream = Upstream::new(vec![json(201, "{\"id\":\"file-1\"}")]);
    let mut config = openai(&upstream);
    config.keys.push(key("team", "k"));
    let relay = Running::new(config);
    let answer = relay.post("/p/up/v1/files?a=b&key=k", "x-mine: 1\r\n", body);
    assert!(answer.starts_with("HTTP/1.1 201") && answer.ends_with("{\"id\":\"file-1\"}"), "{answer}");
    let seen = upstream.request();
    assert!(seen.starts_with("POST /v1/files?a=b HTTP/1.1\r\n") && seen.ends_with(body), "{seen}");
    assert!(seen.contains("x-mine: 1\r\n"), "{seen}");
    let receipt = relay.receipts(1).remove(0);
    assert_eq!((receipt.end, receipt.attempts.len(), receipt.status), (EndReason::Done, 1, 201));
}

#[test]
fn a_drain_lets_streams_finish_and_ends_the_rest_with_an_error_event() {
    let slow =
        vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(300)), chunk(LAST), chunk(DONE), end()];
    let endless = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_secs(8))];
    let upstream = Upstream::new(vec![slow, endless]);
    let mut up = provider("up", ProviderKind::OpenAi, upstream.address);
    up.timeouts.stream_idle = sluicegate_config::Period::from_secs(30);
    let relay = Running::new(config(vec![up]));
    let streams: Vec<_> = (0..2)
        .map(|_| {
            let mut client = relay.connect();
            client.write_all(post(CHAT, "", &hi_streamed("up/m")).as_bytes()).unwrap();
            upstream.request();
            std::thread::sleep(Duration::from_millis(50));
            std::thread::spawn(move || {
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer);
                String::from_utf8_lossy(&answer).into_owned()
            })
        })
        .collect();
    relay.relay.drain(Duration::from_millis(1500));
    let answers: Vec<String> = streams.into_iter().map(|stream| stream.join().unwrap()).collect();
    assert!(answers[0].contains("[DONE]"), "{}", answers[0]);
    assert!(answers[1].contains("data: {\"error\":") && !answers[1].contains("[DONE]"), "{}", answers[1]);
    assert!(std::net::TcpStream::connect(relay.address).is_err(), "a drained relay still accepts");
    let ends: Vec<_> = relay.receipts(2).iter().map(|receipt| receipt.end).collect();
    assert_eq!(ends, [EndReason::Done, EndReason::Shutdown]);
}

#[test]
fn a_reload_is_whole_and_leaves_calls_under_way_alone() {
    let old = Upstream::new(vec![vec![Act::Pause(Duration::from_millis(400)), json(200, ANSWER).remove(0)]]);
    let new = Upstream::new(vec![json(200, ANSWER)]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, old.address)]));
    let mut client = relay.connect();
    client.write_all(post(CHAT, "", &hi("up/m")).as_bytes()).unwrap();
    old.request();
    let before = relay.relay.version();
    let next = config(vec![provider("up", ProviderKind::OpenAi, new.address)]);
    relay.relay.reload(next, std::collections::HashMap::default()).unwrap();
    let mut broken = config(vec![provider("up", ProviderKind::OpenAi, old.address)]);
    broken.providers.get_mut("up").unwrap().base_url = Some("nonsense".into());
    assert!(relay.relay.reload(broken, std::collections::HashMap::default()).is_err());
    assert_ne!(relay.relay.version(), before);
    assert!(relay.post(CHAT, "", &hi("up/m")).starts_with("HTTP/1.1 200"));
    new.request();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn tokens_are_estimated_where_the_provider_does_not_count() {
    let upstream = Upstream::new(vec![]);
    let relay = Running::new(openai(&upstream));
    let body = r#"{"model":"up/m","messages":[{"role":"user","content":"How long is this sentence, do you think?"}]}"#;
    let answer = relay.post("/v1/messages/count_tokens", "", body);
    assert!(answer.contains("x-sluicegate-estimated: true\r\n"), "{answer}");
    let tokens: u64 = answer.rsplit_once("\"input_tokens\":").unwrap().1.trim_end_matches('}').parse().unwrap();
    assert!((8..=24).contains(&tokens), "{tokens}");
    assert!(upstream.is_left_alone());
    assert_eq!(relay.receipts(1)[0].end, EndReason::Done);
}

#[test]
fn a_whole_answer_that_is_cut_or_no_json_is_an_error_and_not_a_200() {
    let cut = vec![
        Act::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"x\",\"mess".to_vec()),
        Act::Close,
    ];
    let bodies = ["{\"id\": nonsense}", "<html></html>", "data: {\"id\":1}\n\n", r#"{"error":{"message":"no"}}"#];
    let mut scripts = vec![cut];
    scripts.extend(bodies.iter().map(|body| json(200, body)));
    let upstream = Upstream::new(scripts);
    let relay = Running::new(openai(&upstream));
    for _ in 0..=bodies.len() {
        let answer = relay.post(CHAT, "", &hi("up/m"));
        assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
        assert!(answer.contains("x-sluicegate-attempts: 1\r\n"), "{answer}");
    }
    assert!(relay.receipts(bodies.len() + 1).iter().all(|receipt| receipt.end == EndReason::UpstreamError));
}

#[test]
fn an_answer_without_a_body_is_done_and_not_abandoned() {
    let upstream = Upstream::new(vec![vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())]]);
    let relay = Running::new(openai(&upstream));
    let answer = relay.raw(b"HEAD /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = relay.post("/p/up/files/x", "", "");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(relay.receipts(2).iter().all(|receipt| receipt.end == EndReason::Done));
}

#[test]
fn a_stream_is_over_with_its_closing_mark_whatever_the_connection_does() {
    let lingering = vec![stream_head(), chunk(FIRST), chunk(LAST), chunk(DONE), Act::Pause(Duration::from_secs(5))];
    let reset = vec![stream_head(), chunk(FIRST), chunk(LAST), chunk(DONE), Act::Close];
    let upstream = Upstream::new(vec![lingering, reset.clone(), reset]);
    let relay = Running::new(openai(&upstream));
    let begun = std::time::Instant::now();
    assert!(relay.post(CHAT, "", &hi_streamed("up/m")).contains("[DONE]"));
    assert!(begun.elapsed() < Duration::from_secs(1), "waited for the provider's connection");
    assert!(relay.post(CHAT, "", &hi_streamed("up/m")).contains("[DONE]"));
    let body = r#"{"model":"up/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = relay.post("/v1/messages", "", body);
    assert!(answer.contains("message_stop") && !answer.contains("event: error"), "{answer}");
    assert!(relay.receipts(3).iter().all(|receipt| receipt.end == EndReason::Done));
}

#[test]
fn after_the_deadline_nobody_else_is_asked_and_nobody_is_blamed() {
    let slow = Upstream::new(vec![vec![Act::Pause(Duration::from_secs(3))]]);
    let other = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = config(vec![
        provider("a", ProviderKind::OpenAi, slow.address),
        provider("b", ProviderKind::OpenAi, other.address),
    ]);
    config.models.insert("m".into(), model("m", &["a/m1", "b/m2"]));
    let relay = Running::new(config);
    let answer = relay.post(CHAT, "x-deadline-ms: 100\r\n", &hi("m"));
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("X-Deadline-Ms"), "{answer}");
    assert!(other.is_left_alone());
    let receipt = relay.receipts(1).remove(0);
    assert_eq!((receipt.attempts.len(), receipt.attempts[0].result), (1, AttemptResult::Cancelled));
}

#[test]
fn a_stream_that_was_left_or_broke_is_not_free() {
    let cut = vec![stream_head(), chunk(FIRST), chunk(FIRST), chunk(FIRST), Act::Close];
    let upstream = Upstream::new(vec![cut]);
    let relay = Running::new(openai(&upstream));
    relay.post(CHAT, "", &hi_streamed("up/m"));
    let usage = relay.receipts(1).remove(0).usage;
    assert_eq!(usage.source, sluicegate_vocabulary::UsageSource::Estimated);
    assert!(usage.total_output() >= 3 && usage.total_input() > 0, "{usage:?}");
}

#[test]
fn what_a_passthrough_did_is_read_from_its_status_and_it_is_not_done_twice() {
    let failed = json(500, "{\"error\":\"x\"}");
    let upstream = Upstream::new(vec![failed, json(200, ANSWER), vec![Act::Close], json(200, ANSWER)]);
    let mut up = provider("up", ProviderKind::OpenAi, upstream.address);
    up.max_retries = 2;
    let relay = Running::new(config(vec![up]));
    let call = |path: &str, status: &str| {
        let answer = relay.post(path, "", "{}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        relay.receipts(1).remove(0)
    };
    let receipts =
        [call("/p/up/v1/files", "500"), call("/p/up/v1/chat/completions", "200"), call("/p/up/v1/batches", "502")];
    assert_eq!(
        (receipts[0].end, receipts[0].attempts[0].result),
        (EndReason::UpstreamError, AttemptResult::ServerError)
    );
    assert_eq!((receipts[1].end, receipts[1].usage.total()), (EndReason::Done, 10));
    assert_eq!(receipts[2].attempts.len(), 1, "a request that may have arrived was sent again");
}
