use super::*;
use crate::socket::Socket;
use http::StatusCode;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const MOMENT: Duration = Duration::from_millis(20);

/// A connection that does not grow old.
fn transport(socket: Socket) -> Transport {
    Transport::new(socket, Instant::now() + Duration::from_secs(3600), None)
}

/// Sends a request without a proxy.
fn exchange(
    near: Transport,
    request: Request<RequestBody>,
) -> impl Future<Output = Result<(Head, Incoming), Unsent>> + Send {
    super::exchange(near, None, Box::new(request))
}

/// A connection to a peer that does as the script says.
async fn peer<F, T>(script: impl FnOnce(TcpStream) -> F) -> (Transport, JoinHandle<T>)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    far.set_nodelay(true).unwrap();
    (transport(Socket::Tcp(near)), tokio::spawn(script(far)))
}

/// A peer that reads the request of [`request`], writes these pieces one by one, and closes.
async fn answering(pieces: &[&[u8]]) -> Transport {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let (near, _) = peer(async move |mut far: TcpStream| {
        read_request(&mut far).await;
        for piece in pieces {
            far.write_all(&piece).await.unwrap();
            sleep(MOMENT).await;
        }
    })
    .await;
    near
}

fn request() -> Request<RequestBody> {
    let body = RequestBody::new([Bytes::from_static(b"he"), Bytes::from_static(b"llo")]);
    Request::post("/x").header("host", "h").body(body).unwrap()
}

async fn read_request(far: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        assert_ne!(far.read_buf(&mut seen).await.unwrap(), 0, "the request broke off: {seen:?}");
    }
    seen
}

/// An upload that no socket holds at once.
fn upload() -> (Request<RequestBody>, usize) {
    let slice = Bytes::from(vec![b'x'; 1 << 20]);
    let body = RequestBody::new(std::iter::repeat_n(slice, 24));
    let length = usize::try_from(body.len()).unwrap();
    (Request::post("/x").body(body).unwrap(), length)
}

async fn piece(incoming: &mut Incoming) -> Option<Result<Bytes, BodyError>> {
    timeout(Duration::from_secs(5), poll_fn(|cx| incoming.poll_piece(cx))).await.expect("a piece or an end")
}

async fn rest(incoming: &mut Incoming) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while let Some(piece) = piece(incoming).await {
        let piece = piece?;
        assert!(!piece.is_empty());
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Status and body of an answer in these pieces, and whether the connection can be used again.
async fn answer(pieces: &[&[u8]]) -> (u16, Result<String, BodyError>, bool) {
    let (head, mut incoming) = exchange(answering(pieces).await, request()).await.unwrap();
    let body = rest(&mut incoming).await.map(|body| String::from_utf8(body).unwrap());
    (head.status.as_u16(), body, incoming.finish().1.is_some())
}

#[tokio::test]
async fn an_answer_that_comes_whole_lets_go_of_its_connection_at_once() {
    let (near, far) = peer(async |mut far: TcpStream| {
        for _ in 0..2 {
            let seen = String::from_utf8(read_request(&mut far).await).unwrap();
            assert_eq!(seen, "POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello");
            far.write_all(OK).await.unwrap();
        }
    })
    .await;
    let (_, incoming) = exchange(near, request()).await.unwrap();
    assert!(incoming.is_read());
    assert_eq!(incoming.left(), Some(2));
    let (ready, near) = incoming.finish();
    assert_eq!(ready, "ok");
    let (_, incoming) = exchange(near.unwrap(), request()).await.unwrap();
    assert_eq!(incoming.finish().0, "ok");
    far.await.unwrap();
}

#[tokio::test]
async fn any_cut_of_an_answer_is_the_same_answer() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nt: r\r\n\r\n";
    let sized = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    for whole in [&chunked[..], sized] {
        for at in (1..whole.len()).step_by(3) {
            let (status, body, reusable) = answer(&[&whole[..at], &whole[at..]]).await;
            assert_eq!((status, body.unwrap().as_str(), reusable), (200, "hello", true), "cut at {at}");
        }
    }
}

#[tokio::test]
async fn interim_answers_are_read_over() {
    let pieces: [&[u8]; 3] = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", OK];
    let (status, body, reusable) = answer(&pieces).await;
    assert_eq!((status, body.unwrap().as_str(), reusable), (200, "ok", true));
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let (status, body, reusable) = answer(&[b"HTTP/1.1 204 No Content\r\n\r\n"]).await;
    assert_eq!((status, body.unwrap().as_str(), reusable), (204, "", true));
    let (near, _) = peer(async |mut far: TcpStream| {
        let mut seen = Vec::new();
        far.read_buf(&mut seen).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.unwrap();
        sleep(MOMENT).await;
    })
    .await;
    let head = Request::head("/x").body(RequestBody::default()).unwrap();
    let (head, incoming) = exchange(near, head).await.unwrap();
    assert_eq!(head.fields.text("content-length"), Some("2"));
    assert!(incoming.is_read() && incoming.finish().1.is_some());
}

#[tokio::test]
async fn more_bytes_than_the_answer_has_cost_the_connection() {
    let (_, body, reusable) = answer(&[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200"]).await;
    assert_eq!((body.unwrap().as_str(), reusable), ("ok", false));
    let (_, body, reusable) = answer(&[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", b"k!"]).await;
    assert_eq!((body.unwrap().as_str(), reusable), ("ok", false));
    let (_, body, reusable) = answer(&[b"HTTP/1.1 204 OK\r\n\r\n!"]).await;
    assert_eq!((body.unwrap().as_str(), reusable), ("", false));
}

#[tokio::test]
async fn an_answer_cut_in_its_body_is_an_error_after_what_came() {
    let sized: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"part"];
    let chunked: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"4\r\npart\r\n"];
    for pieces in [sized, chunked] {
        let (_, mut incoming) = exchange(answering(&pieces).await, request()).await.unwrap();
        assert_eq!(piece(&mut incoming).await.unwrap().unwrap(), "part");
        assert!(matches!(piece(&mut incoming).await, Some(Err(BodyError::Truncated))));
        assert!(incoming.finish().1.is_none());
    }
}

#[tokio::test]
async fn a_malformed_body_is_an_error_after_what_came() {
    let pieces: [&[u8]; 1] = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\nnonsense"];
    let (_, mut incoming) = exchange(answering(&pieces).await, request()).await.unwrap();
    assert_eq!(piece(&mut incoming).await.unwrap().unwrap(), "part");
    assert!(matches!(piece(&mut incoming).await, Some(Err(BodyError::Malformed(_)))));
}

#[tokio::test]
async fn a_body_until_the_end_ends_with_an_orderly_end_only() {
    let pieces: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\n\r\nfirst", b" second"];
    let (_, body, reusable) = answer(&pieces).await;
    assert_eq!((body.unwrap().as_str(), reusable), ("first second", false));

    let (near, _) = peer(async |mut far: TcpStream| {
        read_request(&mut far).await;
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst").await.unwrap();
        sleep(MOMENT).await;
        SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let (_, mut incoming) = exchange(near, request()).await.unwrap();
    assert!(matches!(rest(&mut incoming).await, Err(BodyError::Connection(_))));
}

#[tokio::test]
async fn no_whole_head_is_an_error() {
    let failed = async |pieces: &[&[u8]]| {
        let unsent = exchange(answering(pieces).await, request()).await.unwrap_err();
        assert!(unsent.request.is_none(), "it was sent");
        unsent.error
    };
    assert!(matches!(failed(&[]).await, ExchangeError::Closed));
    assert!(matches!(failed(&[b"HTTP/1.1 20", b"0 OK\r\n"]).await, ExchangeError::Cut));
    assert!(matches!(failed(&[b"nonsense"]).await, ExchangeError::Head(HeadError::Malformed(_))));
    let long = [b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'x'; 80 << 10]].concat();
    assert!(matches!(failed(&[&long]).await, ExchangeError::Head(HeadError::TooLong)));
}

#[tokio::test]
async fn an_answer_before_the_request_is_written_is_heard() {
    let (near, far) = peer(async |mut far: TcpStream| {
        far.read_exact(&mut [0; 1024]).await.unwrap();
        far.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig").await.unwrap();
        // Closing now resets the connection, for much of the request has not been read.
    })
    .await;
    let (request, _) = upload();
    let (head, mut incoming) = exchange(near, request).await.unwrap();
    assert_eq!(head.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(rest(&mut incoming).await.unwrap(), b"big");
    assert!(incoming.finish().1.is_none(), "half a request was written");
    far.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_explains_a_failed_write_is_heard() {
    let (near, far) = peer(async |mut far: TcpStream| {
        far.write_all(b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy").await.unwrap();
        far.read_exact(&mut [0; 1024]).await.unwrap();
    })
    .await;
    let (request, _) = upload();
    let mut exchanging = Box::pin(exchange(near, request));
    // The first write goes out, then the peer resets before the answer is looked at.
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(exchanging.as_mut().poll(&mut cx).is_pending());
    far.await.unwrap();
    sleep(MOMENT).await;
    let (head, mut incoming) = exchanging.await.unwrap();
    assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rest(&mut incoming).await.unwrap(), b"busy");
    assert!(incoming.finish().1.is_none());
}

#[tokio::test]
async fn an_end_after_a_failed_write_is_no_orderly_end() {
    let (near, far) = peer(async |mut far: TcpStream| {
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\npart").await.unwrap();
        far.read_exact(&mut [0; 1024]).await.unwrap();
    })
    .await;
    let (request, _) = upload();
    let mut exchanging = Box::pin(exchange(near, request));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(exchanging.as_mut().poll(&mut cx).is_pending());
    far.await.unwrap();
    sleep(MOMENT).await;
    let (_, mut incoming) = exchanging.await.unwrap();
    assert!(rest(&mut incoming).await.is_err(), "the answer was cut and looks complete");
}

#[tokio::test]
async fn a_request_is_written_to_its_end_while_its_answer_is_read() {
    let (request, length) = upload();
    let (near, far) = peer(async move |mut far: TcpStream| {
        let mut seen = Vec::new();
        far.read_buf(&mut seen).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwait").await.unwrap();
        sleep(MOMENT).await;
        while seen.len() < length {
            assert_ne!(far.read_buf(&mut seen).await.unwrap(), 0);
        }
    })
    .await;
    let (head, mut incoming) = exchange(near, request).await.unwrap();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(rest(&mut incoming).await.unwrap(), b"wait");
    assert!(incoming.finish().1.is_none(), "the request was not written when its answer ended");
    assert!(far.await.is_err(), "whoever stops reading closes");

    let (request, length) = upload();
    let (near, _) = peer(async move |mut far: TcpStream| {
        let mut seen = Vec::new();
        far.read_buf(&mut seen).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nwait").await.unwrap();
        while seen.len() < length {
            assert_ne!(far.read_buf(&mut seen).await.unwrap(), 0);
        }
        far.write_all(b"done").await.unwrap();
        sleep(MOMENT).await;
    })
    .await;
    let (_, mut incoming) = exchange(near, request).await.unwrap();
    assert_eq!(rest(&mut incoming).await.unwrap(), b"waitdone");
    assert!(incoming.finish().1.is_some(), "all was written and all was read");
}

#[tokio::test]
async fn a_request_that_cannot_be_written_comes_back_as_it_was() {
    let (near, far) = peer(async |far: TcpStream| {
        SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    far.await.unwrap();
    sleep(MOMENT).await;
    let unsent = exchange(near, request()).await.unwrap_err();
    let back = unsent.request.unwrap();
    assert_eq!((back.uri().path(), back.headers()["host"].as_bytes()), ("/x", &b"h"[..]));
    assert_eq!(back.body().len(), 5);
}

#[tokio::test]
async fn a_drip_is_waited_for_no_longer_than_the_caller_wants() {
    let (near, far) = peer(async |mut far: TcpStream| {
        for byte in b"HTTP/1.1 200 OK\r\n".iter().chain(std::iter::repeat(&b'a')) {
            if far.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(timeout(Duration::from_millis(200), exchange(near, request())).await.is_err());
    timeout(Duration::from_secs(2), far).await.expect("the peer is told that nobody waits").unwrap();
}

#[tokio::test]
async fn dropping_a_body_before_its_end_closes_the_connection() {
    let (near, far) = peer(async |mut far: TcpStream| {
        read_request(&mut far).await;
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart").await.unwrap();
        far.read(&mut [0]).await
    })
    .await;
    let (_, mut incoming) = exchange(near, request()).await.unwrap();
    assert_eq!(piece(&mut incoming).await.unwrap().unwrap(), "part");
    drop(incoming);
    assert_eq!(timeout(Duration::from_secs(2), far).await.unwrap().unwrap().unwrap(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_quiet_until_its_peer_says_or_does_something() {
    let (mut near, _far) = peer(async |far: TcpStream| {
        sleep(Duration::from_secs(5)).await;
        drop(far);
    })
    .await;
    sleep(MOMENT).await;
    assert!(near.is_quiet());
    let (mut near, _far) = peer(async |far: TcpStream| drop(far)).await;
    sleep(MOMENT).await;
    assert!(!near.is_quiet(), "it is closed");
    let (mut near, _far) = peer(async |mut far: TcpStream| {
        far.write_all(b"HTTP/1.1 408 Too Late\r\n\r\n").await.unwrap();
        sleep(Duration::from_secs(5)).await;
    })
    .await;
    sleep(MOMENT).await;
    assert!(!near.is_quiet(), "what it says is no answer");
}

#[tokio::test]
async fn a_large_body_comes_as_it_was_sent() {
    let body: Vec<u8> = (0..1_000_003_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let whole = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000003\r\n\r\n", &body[..]].concat();
    let mut incoming = exchange(answering(&[&whole]).await, request()).await.unwrap().1;
    assert!(rest(&mut incoming).await.unwrap() == body);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7919) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut incoming = exchange(answering(&[&chunked]).await, request()).await.unwrap().1;
    assert!(rest(&mut incoming).await.unwrap() == body);
}

#[test]
fn a_small_piece_keeps_no_more_than_itself() {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    buffer.extend_from_slice(b"40\r\ndata: {}\n\n\r\n");
    let small = take(&mut buffer, 4..14);
    assert_eq!(small, "data: {}\n\n");
    assert_eq!(small.try_into_mut().unwrap().capacity(), 10);
    assert!(buffer.is_empty());
    buffer.extend_from_slice(&[b'x'; 8000]);
    let before = buffer.as_ptr();
    let large = take(&mut buffer, 1..7999);
    assert_eq!((large.as_ptr().addr(), large.len()), (before.addr() + 1, 7998), "it was copied");
    assert!(buffer.is_empty());
}

#[test]
fn an_open_stream_is_small() {
    assert!(size_of::<Incoming>() <= 160, "{} bytes", size_of::<Incoming>());
    assert!(size_of::<Transport>() <= 64, "{} bytes", size_of::<Transport>());
}

/// Both ends of a TLS connection.
async fn tls() -> (Transport, tokio_rustls::server::TlsStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, Socket::Tcp(tcp)).await.unwrap()
    };
    let far = async {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(tcp).await.unwrap()
    };
    let (near, far) = tokio::join!(near, far);
    (transport(Socket::Tls(Box::new(near))), far)
}

#[tokio::test]
async fn tls_carries_the_same() {
    let (mut near, mut far) = tls().await;
    sleep(MOMENT).await;
    assert!(near.is_quiet(), "session tickets are no answer");
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            read_request(&mut far).await;
            far.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await.unwrap();
            far.flush().await.unwrap();
            sleep(MOMENT).await;
            far.write_all(b"0\r\n\r\n").await.unwrap();
            far.flush().await.unwrap();
        }
        // A closed connection is told from a cut one.
        far.read(&mut [0]).await.unwrap()
    });
    for _ in 0..2 {
        let (_, mut incoming) = exchange(near, request()).await.unwrap();
        assert_eq!(rest(&mut incoming).await.unwrap(), b"ok");
        near = incoming.finish().1.unwrap();
        assert!(near.is_quiet());
    }
    drop(near);
    assert_eq!(timeout(Duration::from_secs(2), serving).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_large_request_goes_over_tls() {
    let (near, mut far) = tls().await;
    let (request, length) = upload();
    let serving = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < length {
            assert_ne!(far.read_buf(&mut seen).await.unwrap(), 0);
        }
        far.write_all(OK).await.unwrap();
        far.flush().await.unwrap();
        sleep(MOMENT).await;
    });
    let (_, mut incoming) = exchange(near, request).await.unwrap();
    assert_eq!(rest(&mut incoming).await.unwrap(), b"ok");
    assert!(incoming.finish().1.is_some());
    serving.await.unwrap();
}

#[tokio::test]
async fn a_body_until_the_end_that_tls_did_not_end_is_cut() {
    let (near, mut far) = tls().await;
    tokio::spawn(async move {
        read_request(&mut far).await;
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\npart").await.unwrap();
        far.flush().await.unwrap();
        // The socket alone is closed, as someone in between could do.
        far.into_inner().0.shutdown().await.unwrap();
    });
    let (_, mut incoming) = exchange(near, request()).await.unwrap();
    assert!(rest(&mut incoming).await.is_err());
}

#[allow(dead_code, reason = "a compile-time check: a call may move between threads while it waits")]
fn may_move_between_threads(near: Transport, stream: Box<dyn AsyncWrite + Send>) -> impl Send {
    (exchange(near, request()), stream)
}
