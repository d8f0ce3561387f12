use super::*;
use crate::connect::{Http2, Http2Sender};
use crate::destination::Settings;
use crate::origin::Origin;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(super) fn request() -> Request<RequestBody> {
    let body = RequestBody::new([Bytes::from_static(b"he"), Bytes::new(), Bytes::from_static(b"llo")]);
    Request::post("/x").header("host", "h").body(body).unwrap()
}

pub(super) async fn read_request(socket: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut piece = [0; 1024];
    while !seen.ends_with(b"hello") {
        match socket.read(&mut piece).await.unwrap() {
            0 => break,
            n => seen.extend_from_slice(&piece[..n]),
        }
    }
    seen
}

pub(super) fn settings() -> Settings {
    Settings { connect_timeout: Duration::from_secs(1), ..Settings::default() }
}

fn pool() -> Pool {
    Pool::new(Arc::new(Connector::new()))
}

fn to(listener: &TcpListener, scheme: &str, settings: Settings) -> Arc<Destination> {
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    Arc::new(Destination::new(Origin::split(&url).unwrap().0, settings, None, None))
}

async fn origin() -> (TcpListener, Arc<Destination>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let destination = to(&listener, "http", settings());
    (listener, destination)
}

pub(super) async fn call(pool: &Pool, origin: &Arc<Destination>) -> Result<Bytes, UpstreamError> {
    let answer = pool.send(origin, request()).await?;
    Ok(answer.body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_connection_is_used_again_and_the_length_is_known() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            let seen = String::from_utf8(read_request(&mut socket).await).unwrap();
            assert!(seen.contains("content-length: 5"), "{seen}");
            socket.write_all(ANSWER).await.unwrap();
        }
    });
    let pool = pool();
    for _ in 0..3 {
        assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_without_an_error() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await;
            socket.write_all(ANSWER).await.unwrap();
        }
    });
    let pool = pool();
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_comes_back_with_the_end_of_an_answer_in_pieces() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            read_request(&mut socket).await;
            for piece in
                ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\no\r\n1\r\nk", "\r\n", "0\r\n\r\n"]
            {
                socket.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    let pool = pool();
    for _ in 0..2 {
        assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_or_says_more_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    ] {
        let (listener, origin) = origin().await;
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut socket, _) = listener.accept().await.unwrap();
                read_request(&mut socket).await;
                socket.write_all(answer.as_bytes()).await.unwrap();
                assert_eq!(socket.read(&mut [0]).await.unwrap_or_default(), 0, "a second request came");
            }
        });
        let pool = pool();
        for _ in 0..2 {
            assert_eq!(call(&pool, &origin).await.unwrap(), "ok", "{answer}");
        }
        server.await.unwrap();
    }
}

#[tokio::test]
async fn what_comes_on_an_idle_connection_is_no_answer() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        read_request(&mut first).await;
        first.write_all(ANSWER).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        read_request(&mut second).await;
        second.write_all(ANSWER).await.unwrap();
    });
    let pool = pool();
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    server.await.unwrap();
}

/// A reset that the runtime has not heard of yet when the request is written.
#[tokio::test]
async fn a_request_that_could_not_be_written_goes_out_on_another_connection() {
    let (listener, origin) = origin().await;
    let listener = listener.into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    let (reset, is_reset) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for first in [true, false] {
            let (mut socket, _) = listener.accept().unwrap();
            let mut seen = [0; 1024];
            let mut read = 0;
            while !seen[..read].ends_with(b"hello") {
                read += socket.read(&mut seen[read..]).unwrap();
            }
            socket.write_all(ANSWER).unwrap();
            if first {
                std::thread::sleep(Duration::from_millis(50));
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
                drop(socket);
                reset.send(()).unwrap();
            }
        }
    });
    let pool = pool();
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    // Without a pause for the runtime, which would hear of it.
    is_reset.recv().unwrap();
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    server.join().unwrap();
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_twice() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket.write_all(ANSWER).await.unwrap();
        read_request(&mut socket).await;
        drop(socket);
        tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err()
    });
    let pool = pool();
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    let error = call(&pool, &origin).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Exchange);
    assert!(server.await.unwrap(), "the request was sent on a second connection");
}

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    let (listener, origin) = origin().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart").await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(2), socket.read_to_end(&mut rest)).await.is_ok()
    });
    let pool = pool();
    let response = pool.send(&origin, request()).await.unwrap();
    drop(response);
    assert!(server.await.unwrap(), "the provider was not told that nobody listens");
}

#[tokio::test]
async fn nobody_listening_is_a_connect_failure() {
    let (listener, origin) = origin().await;
    drop(listener);
    let pool = pool();
    let error = call(&pool, &origin).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Connect);
    assert!(!error.is_timeout());
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) opened: AtomicUsize,
    open: AtomicUsize,
}

/// An HTTP/2 server that answers with scheme, host and body after a moment, and counts its connections.
pub(super) async fn http2_origin(max_streams: u32, settings: Settings) -> (Arc<Destination>, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = to(&listener, "http", Settings { http2: Http2::Always, ..settings });
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let counts = Arc::clone(&counting);
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let uri = request.uri().to_string();
                let body = request.into_body().collect().await?.to_bytes();
                tokio::time::sleep(Duration::from_millis(50)).await;
                let answer = [uri.as_bytes(), b" ", &body].concat();
                Ok::<_, hyper::Error>(Response::new(http_body_util::Full::new(Bytes::from(answer))))
            });
            let mut builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            builder.max_concurrent_streams(max_streams);
            tokio::spawn(async move {
                counts.opened.fetch_add(1, Ordering::Relaxed);
                counts.open.fetch_add(1, Ordering::Relaxed);
                let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(socket), service).await;
                counts.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (origin, counts)
}

fn streams(max_streams: usize, idle_timeout: Duration) -> Settings {
    Settings { max_streams, idle_timeout, ..settings() }
}

async fn call_http2(pool: &Pool, origin: &Arc<Destination>) -> Bytes {
    pool.send(origin, request()).await.unwrap().body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_burst_opens_as_many_connections_as_its_streams_need() {
    let (origin, counts) = http2_origin(100, streams(4, Duration::from_secs(50))).await;
    let pool = pool();
    for (at_once, expected) in [(12, 3), (12, 3), (13, 4)] {
        let bodies = futures_join(at_once, || call_http2(&pool, &origin)).await;
        assert!(bodies.iter().all(|body| body == "http://h/x hello"), "{bodies:?}");
        assert_eq!(counts.opened.load(Ordering::Relaxed), expected, "for {at_once} calls at once");
    }
}

#[tokio::test]
async fn what_a_burst_opened_is_closed_though_calls_go_on() {
    let (origin, counts) = http2_origin(100, streams(2, Duration::from_millis(150))).await;
    let pool = pool();
    futures_join(8, || call_http2(&pool, &origin)).await;
    assert_eq!(counts.open.load(Ordering::Relaxed), 4);
    for _ in 0..6 {
        call_http2(&pool, &origin).await;
        pool.sweep(Instant::now());
    }
    assert_eq!(counts.open.load(Ordering::Relaxed), 1, "more than the one in use");
    tokio::time::sleep(Duration::from_millis(200)).await;
    pool.sweep(Instant::now());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(counts.open.load(Ordering::Relaxed), 0, "one that nobody uses");
    assert_eq!(counts.opened.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_stream_in_use_keeps_its_connection_however_long() {
    let (origin, counts) = http2_origin(100, streams(2, Duration::from_millis(10))).await;
    let pool = pool();
    let mut calling = pin!(call_http2(&pool, &origin));
    assert!(tokio::time::timeout(Duration::from_millis(30), &mut calling).await.is_err());
    pool.sweep(Instant::now());
    assert_eq!(calling.await, "http://h/x hello");
    assert_eq!(counts.opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_more_streams_than_the_peer_allows() {
    let (origin, counts) = http2_origin(2, streams(90, Duration::from_secs(50))).await;
    let pool = pool();
    call_http2(&pool, &origin).await;
    futures_join(3, || call_http2(&pool, &origin)).await;
    assert_eq!(counts.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_call_that_leaves_while_opening_lets_the_next_open() {
    let (origin, counts) = http2_origin(100, streams(90, Duration::from_secs(50))).await;
    let pool = pool();
    let mut first = Box::pin(call_http2(&pool, &origin));
    let mut second = pin!(call_http2(&pool, &origin));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
    drop(first);
    assert_eq!(second.await, "http://h/x hello");
    assert_eq!(counts.opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn those_who_wait_for_an_opening_that_fails_do_not_fail_one_after_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings { http2: Http2::Always, connect_timeout: Duration::from_secs(10), ..Settings::default() };
    let origin = to(&listener, "https", settings);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                drop(socket);
            });
        }
    });
    let pool = pool();
    let calls = futures_join(10, || async { pool.send(&origin, request()).await.unwrap_err() });
    let errors = tokio::time::timeout(Duration::from_secs(2), calls).await.unwrap();
    assert!(errors.iter().all(|error| error.stage() == Stage::Tls && !error.is_timeout()), "{errors:?}");
}

#[tokio::test]
async fn a_request_comes_back_unsent_as_it_was() {
    let (client, _server) = tokio::io::duplex(1024);
    let (sender, connection) = http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .handshake::<_, RequestBody>(hyper_util::rt::TokioIo::new(client))
        .await
        .unwrap();
    let mut connections = Connections::default();
    let allowed = Arc::new(AtomicUsize::new(100));
    let expires = Instant::now() + Duration::from_secs(600);
    let connection_used = connections.share(Http2Sender { sender, allowed, expires }, Instant::now(), None);
    drop(connection);
    let Connection::Http2(sender, count) = connection_used else { unreachable!() };
    let unsent = send_http2(Scheme::Https, sender, count, request()).await.unwrap_err();
    let back = unsent.request.unwrap();
    assert_eq!(back.uri(), "/x");
    assert_eq!(back.headers()[HOST], "h");
}

#[test]
fn an_absolute_uri_has_the_scheme_of_its_origin() {
    for (scheme, uri) in [(Scheme::Http, "http://h/x"), (Scheme::Https, "https://h/x")] {
        let mut request = request();
        let relative = make_absolute(&mut request, scheme);
        assert_eq!(request.uri(), uri);
        assert!(relative.is_some() && !request.headers().contains_key(HOST));
    }
}

/// Runs so many of the same call at once.
pub(super) async fn futures_join<T, F: Future<Output = T>>(count: usize, call: impl Fn() -> F) -> Vec<T> {
    let mut calls: Vec<_> = (0..count).map(|_| Box::pin(call())).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(ended) => {
                done.push(ended);
                false
            }
            std::task::Poll::Pending => true,
        });
        if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn what_a_call_waits_for_is_small() {
    let (_listener, origin) = origin().await;
    let pool = pool();
    let size = size_of_val(&pool.send(&origin, request()));
    assert!(size < 2048, "{size} bytes are moved about for every call");
}
