//! How many connections there are: as many as may be, shared by all workers, and what HTTP/2 gives back unprocessed.

use super::tests::{ANSWER, call, futures_join, http2_origin, request, settings};
use super::*;
use crate::connect::Http2;
use crate::destination::Settings;
use crate::origin::Origin;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The connections of a provider: now, at most, and ever.
#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

impl Counts {
    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn ever(&self) -> usize {
        self.ever.load(Ordering::Relaxed)
    }
}

/// A provider that answers after a moment and counts its connections.
async fn provider() -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let counts = Arc::clone(&counting);
            let now = counts.now.fetch_add(1, Ordering::Relaxed) + 1;
            counts.most.fetch_max(now, Ordering::Relaxed);
            counts.ever.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(1..) = tcp.read_buf(&mut seen).await {
                    if seen.ends_with(b"hello") {
                        seen.clear();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        tcp.write_all(ANSWER).await.unwrap();
                    }
                }
                counts.now.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (url, counts)
}

fn to(url: &str, most: usize, settings: Settings) -> Arc<Destination> {
    let settings = Settings { max_connections: NonZeroUsize::new(most), ..settings };
    Arc::new(Destination::new(Origin::split(url).unwrap().0, settings, None, None))
}

fn pools() -> [Pool; 2] {
    let connector = Arc::new(Connector::new());
    [Pool::new(Arc::clone(&connector)), Pool::new(connector)]
}

/// Places that nobody holds.
fn free(pool: &Pool, destination: &Arc<Destination>) -> usize {
    pool.connector.places(destination).unwrap().free()
}

#[tokio::test]
async fn two_hundred_callers_share_ten_connections_and_none_is_refused() {
    let (url, counts) = provider().await;
    let to = to(&url, 10, settings());
    let [pool, _] = pools();
    let answers = futures_join(200, || call(&pool, &to)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((counts.most(), counts.ever()), (10, 10));
}

#[tokio::test]
async fn workers_share_the_places_and_none_starves() {
    let (url, counts) = provider().await;
    let to = to(&url, 3, settings());
    let pools = pools();
    let answers = {
        let turn = AtomicUsize::new(0);
        futures_join(200, || call(&pools[turn.fetch_add(1, Ordering::Relaxed) % 2], &to)).await
    };
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(
        counts.most() <= 4,
        "{} at once: a closed one may not be noticed yet when the next is there",
        counts.most()
    );
    assert!(counts.ever() < 100, "{} opened for 200 calls", counts.ever());
}

#[tokio::test]
async fn an_idle_connection_makes_way_for_another_worker() {
    let (url, counts) = provider().await;
    let to = to(&url, 1, settings());
    let pools = pools();
    for pool in [&pools[0], &pools[0], &pools[1], &pools[1]] {
        assert_eq!(call(pool, &to).await.unwrap(), "ok");
    }
    assert_eq!(counts.ever(), 2);
}

#[tokio::test]
async fn an_old_connection_is_passed_on_to_nobody() {
    let (url, counts) = provider().await;
    let to = to(&url, 2, Settings { max_age: Duration::ZERO, ..settings() });
    let [pool, _] = pools();
    let answers = futures_join(10, || call(&pool, &to)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(counts.ever(), 10);
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end_and_an_error_of_its_own() {
    let (url, _) = provider().await;
    let wait = Duration::from_millis(50);
    let to = to(&url, 1, Settings { wait_timeout: wait, ..settings() });
    let [pool, _] = pools();
    // Its body is not read, so it keeps its connection.
    let site = pool.site(&to);
    let held = site.obtain(&pool.connector, Turn::Alone).await.unwrap();
    let error = call(&pool, &to).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { stage: Stage::Wait, after } if after == wait), "{error}");
    assert!(error.is_untouched());
    assert_eq!(error.stage().timeout_code(), "connection_wait_timeout");
    drop(held);
    assert_eq!(call(&pool, &to).await.unwrap(), "ok");
}

#[tokio::test]
async fn no_place_is_lost_when_callers_leave() {
    let (url, _) = provider().await;
    let to = to(&url, 2, settings());
    let [pool, _] = pools();
    for round in 0..20 {
        let leaving = futures_join(20, || tokio::time::timeout(Duration::from_millis(round % 9), call(&pool, &to)));
        leaving.await;
    }
    let later = Instant::now() + Duration::from_secs(3600);
    pool.sweep(later);
    assert_eq!(free(&pool, &to), 2);
    drop(futures_join(20, || call(&pool, &to)).await);
    pool.sweep(later);
    assert_eq!(free(&pool, &to), 2);
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_frees_its_place() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let to = to(&format!("http://{nobody}"), 1, settings());
    let [pool, _] = pools();
    let answers = futures_join(5, || call(&pool, &to)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.stage() == Stage::Connect)));
    assert_eq!(free(&pool, &to), 1);
}

#[tokio::test]
async fn streams_wait_for_room_where_there_may_be_no_more_connections() {
    let limits = Settings { max_connections: NonZeroUsize::new(2), max_streams: 3, ..settings() };
    let (to, counts) = http2_origin(100, limits).await;
    let [pool, _] = pools();
    let answers = futures_join(60, || call(&pool, &to)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(counts.opened.load(Ordering::Relaxed), 2);
    pool.sweep(Instant::now() + Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(free(&pool, &to), 2);
}

#[tokio::test]
async fn a_shared_connection_makes_way_for_another_worker() {
    let limits = Settings { max_connections: NonZeroUsize::new(1), ..settings() };
    let (to, counts) = http2_origin(100, limits).await;
    let pools = pools();
    let turn = AtomicUsize::new(0);
    let answers = futures_join(60, || call(&pools[turn.fetch_add(1, Ordering::Relaxed) % 2], &to)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(counts.opened.load(Ordering::Relaxed) >= 2);
}

/// An HTTP/2 provider that treats each stream as told: answers, refuses, or ends the connection before it.
async fn treating(how: impl Fn(usize) -> Treatment + Send + 'static) -> Arc<Destination> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((tcp, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(tcp).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let treatment = how(count);
                count += 1;
                match treatment {
                    Treatment::Answer => {
                        drop(respond.send_response(Response::new(()), true));
                    }
                    Treatment::Reset(reason) => respond.send_reset(reason),
                    Treatment::Abort(reason) => connection.abrupt_shutdown(reason),
                }
                drop(request);
            }
        }
    });
    let settings = Settings { http2: Http2::Always, ..settings() };
    Arc::new(Destination::new(Origin::split(&url).unwrap().0, settings, None, None))
}

/// Streams that are open at a provider, now and at most.
async fn slow_streams() -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let counts = Arc::clone(&counting);
            counts.ever.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let now = counts.now.fetch_add(1, Ordering::Relaxed) + 1;
                    counts.most.fetch_max(now, Ordering::Relaxed);
                    let counts = Arc::clone(&counts);
                    tokio::spawn(async move {
                        let mut body = respond.send_response(Response::new(()), false).unwrap();
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        counts.now.fetch_sub(1, Ordering::Relaxed);
                        body.send_data(Bytes::from_static(b"ok"), true).unwrap();
                    });
                }
            });
        }
    });
    (url, counts)
}

#[tokio::test]
async fn an_http2_connection_keeps_its_place_until_its_last_stream_is_over() {
    let (url, counts) = slow_streams().await;
    // Too old at once, so each takes one stream and no other.
    let to = to(&url, 1, Settings { http2: Http2::Always, max_age: Duration::ZERO, ..settings() });
    let [pool, _] = pools();
    let first = pool.send(&to, request()).await.unwrap();
    let (first, second) = tokio::join!(first.body.collect(), call(&pool, &to));
    assert_eq!((first.unwrap().to_bytes(), second.unwrap()), (Bytes::from("ok"), Bytes::from("ok")));
    assert_eq!((counts.most(), counts.ever()), (1, 2), "one connection at a time, and two after each other");
}

enum Treatment {
    Answer,
    Reset(h2::Reason),
    Abort(h2::Reason),
}

#[tokio::test]
async fn a_refused_stream_is_told_from_one_that_was_looked_at() {
    for (reason, untouched) in
        [(h2::Reason::REFUSED_STREAM, true), (h2::Reason::INTERNAL_ERROR, false), (h2::Reason::CANCEL, false)]
    {
        let to = treating(move |count| if count == 0 { Treatment::Reset(reason) } else { Treatment::Answer }).await;
        let [pool, _] = pools();
        let error = pool.send(&to, request()).await.unwrap_err();
        assert_eq!((error.stage(), error.is_untouched()), (Stage::Exchange, untouched), "{reason:?}: {error}");
        assert!(pool.send(&to, request()).await.is_ok(), "the connection is as good as before");
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_anger_leaves_open_what_was_looked_at() {
    let to = treating(|_| Treatment::Abort(h2::Reason::ENHANCE_YOUR_CALM)).await;
    let [pool, _] = pools();
    let error = pool.send(&to, request()).await.unwrap_err();
    assert!(!error.is_untouched(), "{error}");
}

/// What a raw HTTP/2 peer says: settings, and then that it goes away having looked at no stream.
#[tokio::test]
async fn a_stream_after_the_last_one_looked_at_is_untouched() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(&SETTINGS).await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(3).any(|three| three == b"llo") {
            assert_ne!(tcp.read_buf(&mut seen).await.unwrap(), 0);
        }
        tcp.write_all(&GOAWAY).await.unwrap();
        let _ = tcp.read_to_end(&mut seen).await;
    });
    let settings = Settings { http2: Http2::Always, ..settings() };
    let to = Arc::new(Destination::new(Origin::split(&url).unwrap().0, settings, None, None));
    let [pool, _] = pools();
    let error = pool.send(&to, request()).await.unwrap_err();
    assert!(error.is_untouched() && error.stage() == Stage::Exchange, "{error:?}");
}
