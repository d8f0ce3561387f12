use super::*;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

fn take(connections: &mut Connections, http2: Http2, max_streams: usize) -> Result<Connection, Turn> {
    let settings = PoolSettings { max_streams, ..PoolSettings::default() };
    connections.take(http2, Instant::now(), &settings)
}

/// A sender on a connection that is open but answers nothing, and what keeps it open.
async fn silent() -> (Http2Sender, impl Sized) {
    let (client, server) = tokio::io::duplex(1024);
    let (sender, connection) = http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .handshake(hyper_util::rt::TokioIo::new(client))
        .await
        .unwrap();
    (Http2Sender { sender, allowed: Arc::new(AtomicUsize::new(100)) }, (server, connection))
}

#[test]
fn nobody_waits_where_http2_is_not_known() {
    let mut connections = Connections::default();
    for _ in 0..3 {
        assert!(matches!(take(&mut connections, Http2::Auto, 90), Err(Turn::Alone)));
    }
}

#[tokio::test]
async fn where_http2_was_spoken_one_opens_and_the_others_wait_until_that_is_over() {
    let mut connections = Connections::default();
    let (sender, alive) = silent().await;
    drop(connections.share(sender, Instant::now()));
    drop(alive);
    let settings = PoolSettings::default();
    assert!(connections.sweep(Instant::now(), &settings), "what the origin speaks is forgotten");

    let opening = take(&mut connections, Http2::Auto, 3).unwrap_err();
    assert!(matches!(opening, Turn::Open(_)));
    for _ in 0..2 {
        assert!(matches!(take(&mut connections, Http2::Auto, 3), Err(Turn::Wait(_))));
    }
    let second = take(&mut connections, Http2::Auto, 3).unwrap_err();
    assert!(matches!(second, Turn::Open(_)), "the first has no place left");
    assert!(matches!(take(&mut connections, Http2::Never, 3), Err(Turn::Alone)));
    drop((opening, second));
    assert!(matches!(take(&mut connections, Http2::Auto, 3), Err(Turn::Open(_))));

    connections.speaks_http1();
    assert!(matches!(take(&mut connections, Http2::Auto, 3), Err(Turn::Alone)));
}

#[tokio::test]
async fn a_stream_goes_to_the_fullest_connection_with_room() {
    let mut connections = Connections::default();
    let (a, _a) = silent().await;
    let (b, _b) = silent().await;
    let first = connections.share(a, Instant::now());
    let _second = connections.share(b, Instant::now());
    let streams = |connections: &Connections| -> Vec<usize> {
        connections.shared.iter().map(|shared| shared.load.lock().streams).collect()
    };
    let mut held = Vec::new();
    for expected in [[1, 2], [1, 3], [2, 3], [3, 3]] {
        held.push(take(&mut connections, Http2::Auto, 3).unwrap());
        assert_eq!(streams(&connections), expected);
    }
    assert!(matches!(take(&mut connections, Http2::Auto, 3), Err(Turn::Open(_))));
    drop(first);
    assert_eq!(streams(&connections), [2, 3]);
}

#[tokio::test]
async fn a_call_that_must_not_speak_http2_is_given_no_such_connection() {
    let mut connections = Connections::default();
    let (sender, _alive) = silent().await;
    drop(connections.share(sender, Instant::now()));
    assert!(matches!(take(&mut connections, Http2::Never, 90), Err(Turn::Alone)));
    assert!(take(&mut connections, Http2::Auto, 90).is_ok());
}

#[tokio::test]
async fn a_connection_is_idle_from_its_last_stream_on() {
    let mut connections = Connections::default();
    let (sender, _alive) = silent().await;
    let stream = connections.share(sender, Instant::now());
    let settings = PoolSettings { idle_timeout: Duration::from_secs(50), ..PoolSettings::default() };
    let later = Instant::now() + Duration::from_secs(60);
    connections.sweep(later, &settings);
    assert_eq!(connections.shared.len(), 1, "a stream is on it");
    drop(stream);
    connections.sweep(Instant::now() + Duration::from_secs(40), &settings);
    assert_eq!(connections.shared.len(), 1);
    connections.sweep(later, &settings);
    assert!(connections.shared.is_empty());
}
