use super::*;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn request() -> Request<RequestBody> {
    let body = RequestBody::new([Bytes::from_static(b"he"), Bytes::new(), Bytes::from_static(b"llo")]);
    Request::post("/x").header("host", "h").body(body).unwrap()
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> Vec<u8> {
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

async fn origin() -> (TcpListener, Arc<Origin>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, Arc::new(Origin::split(&url).unwrap().0))
}

async fn call(pool: &Pool, origin: &Arc<Origin>) -> Result<Bytes, UpstreamError> {
    let response = pool.send(origin, Http2::Auto, Duration::from_secs(1), request()).await?;
    Ok(response.into_body().collect().await.unwrap().to_bytes())
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
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
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
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(call(&pool, &origin).await.unwrap(), "ok");
    server.await.unwrap();
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
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
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
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
    let response = pool.send(&origin, Http2::Auto, Duration::from_secs(1), request()).await.unwrap();
    drop(response);
    assert!(server.await.unwrap(), "the provider was not told that nobody listens");
}

#[tokio::test]
async fn nobody_listening_is_a_connect_failure() {
    let (listener, origin) = origin().await;
    drop(listener);
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
    let error = call(&pool, &origin).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Connect);
    assert!(!error.is_timeout());
}

/// An HTTP/2 server that answers after a moment and counts its connections.
async fn http2_origin() -> (Arc<Origin>, Arc<AtomicUsize>) {
    let (listener, origin) = origin().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let body = request.into_body().collect().await?.to_bytes();
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, hyper::Error>(Response::new(http_body_util::Full::new(body)))
            });
            let builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            tokio::spawn(builder.serve_connection(hyper_util::rt::TokioIo::new(socket), service));
        }
    });
    (origin, connections)
}

#[tokio::test]
async fn streams_share_a_connection_up_to_their_number_and_then_get_another() {
    let (origin, connections) = http2_origin().await;
    let settings = PoolSettings { max_streams: 4, ..PoolSettings::default() };
    let pool = Pool::new(Arc::new(Connector::new()), settings);
    let send = || async {
        let sent = pool.send(&origin, Http2::Always, Duration::from_secs(1), request()).await;
        sent.unwrap().into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(send().await, "hello");
    // Calls that find no room at the same moment each open a connection.
    for (at_once, expected) in [(4, 1..=1), (6, 2..=3)] {
        let bodies = futures_join(at_once, &send).await;
        assert!(bodies.iter().all(|body| body == "hello"));
        let opened = connections.load(Ordering::Relaxed);
        assert!(expected.contains(&opened), "{opened} connections for {at_once} calls at once");
    }
}

/// Runs so many of the same call at once.
async fn futures_join<F: Future<Output = Bytes>>(count: usize, call: impl Fn() -> F) -> Vec<Bytes> {
    let mut calls: Vec<_> = (0..count).map(|_| Box::pin(call())).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(bytes) => {
                done.push(bytes);
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
    let pool = Pool::new(Arc::new(Connector::new()), PoolSettings::default());
    let size = size_of_val(&pool.send(&origin, Http2::Auto, Duration::from_secs(1), request()));
    assert!(size < 2048, "{size} bytes are moved about for every call");
}
