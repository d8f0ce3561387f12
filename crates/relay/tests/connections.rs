//! Connections to providers, as far as a configuration and a client see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Period, Provider, ProviderKind, UseHttp2};
use sluicegate_vocabulary::{AttemptResult, EndReason};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;

/// An HTTP/2 provider that refuses the first so many streams, and counts what it answers.
fn refusing(first: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let seen = Arc::new(AtomicUsize::new(0));
            while let Ok((tcp, _)) = listener.accept().await {
                let (seen, answered) = (Arc::clone(&seen), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(tcp).await.unwrap();
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        if seen.fetch_add(1, Ordering::Relaxed) < first {
                            respond.send_reset(h2::Reason::REFUSED_STREAM);
                            continue;
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                        let head = http::Response::builder().header("content-type", "application/json");
                        let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
                        body.send_data(ANSWER.into(), true).unwrap();
                    }
                });
            }
        });
    });
    (address, answered)
}

fn http2(address: SocketAddr) -> Provider {
    let mut up = provider("up", ProviderKind::OpenAi, address);
    up.connections.http2 = UseHttp2::Always;
    up.max_retries = 0;
    up
}

#[test]
fn a_call_that_was_given_back_unprocessed_is_sent_again_at_nobodys_expense() {
    let (address, answered) = refusing(1);
    let relay = Running::new(config(vec![http2(address)]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(ANSWER), "{answer}");
    assert!(answer.contains("x-sluicegate-attempts: 2\r\n"), "{answer}");
    assert_eq!(answered.load(Ordering::Relaxed), 1);
    let receipt = relay.receipts(1).remove(0);
    let results: Vec<_> = receipt.attempts.iter().map(|attempt| attempt.result).collect();
    assert_eq!((receipt.end, results), (EndReason::Done, vec![AttemptResult::Connect, AttemptResult::Ok]));
}

#[test]
fn a_provider_that_gives_everything_back_is_not_asked_for_ever() {
    let (address, answered) = refusing(usize::MAX);
    let relay = Running::new(config(vec![http2(address)]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(answered.load(Ordering::Relaxed), 0);
    assert_eq!(relay.receipts(1)[0].attempts.len(), 2);
}

#[test]
fn the_time_for_a_whole_call_ends_whole_answers_and_streams_alike() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{";
    let first = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";
    let pause = || Act::Pause(Duration::from_secs(2));
    let upstream =
        Upstream::new(vec![vec![Act::Send(half.into()), pause()], vec![stream_head(), chunk(first), pause()]]);
    let mut up = provider("up", ProviderKind::OpenAi, upstream.address);
    up.timeouts.total = Some(Period::from_millis(300));
    up.timeouts.stream_idle = Period::from_secs(30);
    let relay = Running::new(config(vec![up]));
    let whole = relay.post(CHAT, "", &hi("up/m"));
    assert!(whole.starts_with("HTTP/1.1 504 ") && whole.contains("total_timeout"), "{whole}");
    let streamed = relay.post(CHAT, "", &hi_streamed("up/m"));
    assert!(streamed.contains("\"content\":\"he\"") && streamed.contains("data: {\"error\":"), "{streamed}");
    assert!(streamed.contains("total_timeout") && !streamed.contains("[DONE]"), "{streamed}");
    let receipts = relay.receipts(2);
    assert_eq!(receipts[0].attempts[0].result, AttemptResult::Timeout);
    assert_eq!(receipts[1].end, EndReason::TimedOut);
}

/// A provider that answers one request on each connection it has, and the most it had at once.
fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let highest = Arc::clone(&most);
    std::thread::spawn(move || {
        let now = Arc::new(AtomicUsize::new(0));
        for tcp in listener.incoming() {
            highest.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let now = Arc::clone(&now);
            std::thread::spawn(move || {
                serve(tcp.unwrap());
                now.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (address, most)
}

fn serve(mut tcp: TcpStream) {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = tcp.read(&mut piece) {
        seen.extend_from_slice(&piece[..read]);
        if seen.ends_with(b"]}") {
            seen.clear();
            std::thread::sleep(Duration::from_millis(5));
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
                ANSWER.len()
            );
            if tcp.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

#[test]
fn workers_together_keep_to_the_connections_there_may_be() {
    let (address, most) = counting();
    let mut up = provider("up", ProviderKind::OpenAi, address);
    up.connections.max_connections = Some(3);
    up.timeouts.first_byte = Period::from_secs(30);
    let relay = Arc::new(Running::new(config(vec![up])));
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let relay = Arc::clone(&relay);
            std::thread::spawn(move || relay.post(CHAT, "", &hi("up/m")))
        })
        .collect();
    for call in calls {
        let answer = call.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    // A provider hears of a closed connection a moment after its place is taken again.
    assert!(most.load(Ordering::Relaxed) <= 6, "{} connections at once", most.load(Ordering::Relaxed));
}

#[test]
fn a_proxy_is_used_and_the_provider_sees_nothing_of_it() {
    let proxy = Upstream::new(vec![json(200, ANSWER), json(407, "{}")]);
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 80));
    let mut up = provider("up", ProviderKind::OpenAi, nowhere);
    up.connections.proxy = Some(sluicegate_config::Proxy {
        secure: false,
        host: proxy.address.ip().to_string(),
        port: proxy.address.port(),
        user: Some("me:secret".into()),
        variable: None,
    });
    let relay = Running::new(config(vec![up]));
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let seen = proxy.request();
    assert!(seen.starts_with("POST http://192.0.2.1/v1/chat/completions HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{seen}");
    let answer = relay.post(CHAT, "", &hi("up/m"));
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("the proxy on the way"), "{answer}");
    assert!(!answer.contains("secret") && !answer.contains("bWU6"), "{answer}");
}
