//! Clients' connections over real sockets: what is read, what is written, and when they end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod support;

use sluicegate_config::{Period, ProviderKind, Size};
use sluicegate_vocabulary::EndReason;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::*;

fn relay(upstream: &Upstream) -> Running {
    Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]))
}

/// Reads until these words have come, and returns all that has.
fn until(stream: &mut TcpStream, words: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !String::from_utf8_lossy(&seen).contains(words) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "ended after {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

fn kept(body: &str) -> String {
    format!("POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let upstream = Upstream::new(vec![
        json(200, ANSWER),
        json(200, &ANSWER.replace("c1", "c2")),
        json(200, &ANSWER.replace("c1", "c3")),
    ]);
    let relay = relay(&upstream);
    let answers = relay.raw([kept(&hi("up/m")), kept(&hi("up/m")), post(CHAT, "", &hi("up/m"))].concat().as_bytes());
    let order: Vec<_> = ["\"c1\"", "\"c2\"", "\"c3\""].iter().map(|id| answers.find(id)).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{answers}");
    assert_eq!(answers.matches("connection: close\r\n").count(), 1, "{answers}");
    relay.receipts(3);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER)]);
    let relay = relay(&upstream);
    let body = hi("up/m");
    let (front, back) = body.split_at(10);
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         {:X};note=\"a\"\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\ntrailer: x\r\n\r\n",
        front.len(),
        back.len()
    );
    for request in [post(CHAT, "", &body), chunked] {
        let mut stream = relay.connect();
        stream.set_nodelay(true).unwrap();
        for byte in request.as_bytes() {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(upstream.request().ends_with(&body.replace("up/m", "m")));
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_send_its_body() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let relay = relay(&upstream);
    let body = hi("up/m");
    let mut stream = relay.connect();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(until(&mut stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn a_body_that_is_not_wanted_is_not_asked_for() {
    let upstream = Upstream::new(vec![]);
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.keys.push(key("a", "sk-a"));
    let relay = Running::new(config);
    let mut stream = relay.connect();
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: 9000000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 401 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(upstream.is_left_alone());
}

#[test]
fn an_old_client_gets_its_stream_without_chunks_and_the_end_of_its_connection() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let upstream =
        Upstream::new(vec![vec![stream_head(), chunk(event), chunk("data: [DONE]\n\n"), end()], json(200, ANSWER)]);
    let relay = relay(&upstream);
    let body = hi_streamed("up/m");
    let request = format!("POST {CHAT} HTTP/1.0\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let answer = relay.raw(request.as_bytes());
    assert!(!answer.contains("transfer-encoding") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains(&format!("\r\n\r\n{event}")) && answer.ends_with("data: [DONE]\n\n"), "{answer}");

    let body = hi("up/m");
    let request = format!(
        "POST {CHAT} HTTP/1.0\r\nhost: 127.0.0.1\r\nconnection: keep-alive\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = relay.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let head = until(&mut stream, "\r\n\r\n");
    assert!(head.contains("connection: keep-alive\r\n"), "{head}");
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let upstream = Upstream::new(vec![]);
    let relay = relay(&upstream);
    let both = "HEAD /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let answers = relay.raw(both.as_bytes());
    assert_eq!(answers.matches("content-length: 3\r\n").count(), 2, "{answers}");
    assert_eq!(answers.matches("\r\n\r\nok\n").count(), 1, "{answers}");
}

#[test]
fn what_cannot_be_read_is_told_so_in_json_and_has_a_receipt() {
    let upstream = Upstream::new(vec![]);
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.server.max_header_bytes = Size::from_bytes(2000);
    let relay = Running::new(config);
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(3000));
    for (request, status) in [("nonsense\r\n\r\n", "400"), (&long, "431"), ("GET / HTTP/1.1\r\na : b\r\n\r\n", "400")] {
        let answer = relay.raw(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close\r\n") && answer.contains("\"error\":{\"message\":"), "{answer}");
    }
    assert!(relay.receipts(3).iter().all(|receipt| receipt.end == EndReason::Refused));
}

#[test]
fn a_slow_head_is_told_so_and_silence_just_ends() {
    let upstream = Upstream::new(vec![]);
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.server.header_read_timeout = Period::from_secs(1);
    config.server.http2 = false;
    let relay = Running::new(config);
    let (mut slow, mut silent) = (relay.connect(), relay.connect());
    let begun = Instant::now();
    for byte in b"GET /health/live HTTP/1.1\r\n" {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    // A connection that has been used may rest for longer than a head may take.
    let mut kept = relay.connect();
    for _ in 0..2 {
        kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
        until(&mut kept, "\r\n\r\nok\n");
        std::thread::sleep(Duration::from_millis(1500));
    }
}

#[test]
fn a_client_that_leaves_is_noticed_though_it_sent_more_than_it_was_asked_for() {
    let upstream = Upstream::new(vec![vec![Act::Pause(Duration::from_secs(8))]]);
    let relay = relay(&upstream);
    let mut stream = relay.connect();
    stream.write_all(kept(&hi("up/m")).as_bytes()).unwrap();
    stream.write_all(b"GET /health/live HTT").unwrap();
    upstream.request();
    let left = Instant::now();
    drop(stream);
    let receipts = relay.receipts(1);
    assert_eq!(receipts[0].end, EndReason::ClientGone);
    assert!(left.elapsed() < Duration::from_secs(6), "{:?}", left.elapsed());
}

#[test]
fn a_body_that_breaks_off_or_is_malformed_ends_the_connection() {
    let upstream = Upstream::new(vec![]);
    let relay = relay(&upstream);
    let malformed = format!("POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
    let answer = relay.raw([malformed.as_str(), &kept(&hi("up/m"))].concat().as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
    let mut stream = relay.connect();
    stream.write_all(&kept(&hi("up/m")).as_bytes()[..120]).unwrap();
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    let receipts = relay.receipts(2);
    assert!(receipts.iter().any(|receipt| receipt.end == EndReason::ClientGone), "{receipts:#?}");
    assert!(upstream.is_left_alone());
}

#[test]
fn a_large_body_and_a_large_answer_go_through_whole() {
    let text = "y".repeat(3_000_000);
    let answer = ANSWER.replace("\"hi\"", &format!("\"{text}\""));
    let upstream = Upstream::new(vec![json(200, &answer), json(200, &answer)]);
    let relay = relay(&upstream);
    let body = hi("up/m").replace("\"hi\"", &format!("\"{}\"", "z".repeat(200_000)));
    for _ in 0..2 {
        let got = relay.post(CHAT, "", &body);
        assert!(got.ends_with(&answer), "{} bytes: {:.600}", got.len(), got);
        assert!(upstream.request().ends_with(&body.replace("up/m", "m")));
    }
}
