use super::*;
use crate::origin::Origin;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

fn destination(http2: Http2, max_streams: usize) -> Destination {
    let origin = Origin::split("https://localhost").unwrap().0;
    Destination::new(origin, Settings { http2, max_streams, ..Settings::default() }, None, None)
}

fn take(connections: &mut Connections, destination: &Destination) -> Result<Connection, Turn> {
    let found = connections.find(destination, Instant::now(), None);
    found.ok_or_else(|| connections.turn(destination))
}

/// A sender on a connection that is open but answers nothing, and what keeps it open.
async fn silent() -> (Http2Sender, impl Sized) {
    let (client, server) = tokio::io::duplex(1024);
    let (sender, connection) = http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .handshake(hyper_util::rt::TokioIo::new(client))
        .await
        .unwrap();
    (
        Http2Sender {
            sender,
            allowed: Arc::new(AtomicUsize::new(100)),
            expires: Instant::now() + Duration::from_secs(600),
        },
        (server, connection),
    )
}

#[test]
fn the_first_opens_and_the_others_wait_until_it_is_known_what_is_spoken() {
    let mut connections = Connections::default();
    let destination = destination(Http2::Auto, 3);
    let opening = take(&mut connections, &destination).unwrap_err();
    assert!(matches!(opening, Turn::Open(_)));
    for _ in 0..200 {
        assert!(matches!(take(&mut connections, &destination), Err(Turn::Wait(_))));
    }
    destination.speaks(Spoken::Http1);
    drop(opening);
    for _ in 0..3 {
        assert!(matches!(take(&mut connections, &destination), Err(Turn::Alone)));
    }
    assert!(!connections.sweep(Instant::now(), destination.settings()));
}

#[test]
fn nobody_waits_where_http2_cannot_be() {
    let mut connections = Connections::default();
    let clear = Origin::split("http://localhost").unwrap().0;
    for destination in [destination(Http2::Never, 3), Destination::new(clear, Settings::default(), None, None)] {
        for _ in 0..3 {
            assert!(matches!(take(&mut connections, &destination), Err(Turn::Alone)));
        }
    }
}

#[test]
fn where_http2_was_spoken_one_opens_for_as_many_as_will_have_a_place() {
    let mut connections = Connections::default();
    let destination = destination(Http2::Auto, 3);
    destination.speaks(Spoken::Http2);
    let opening = take(&mut connections, &destination).unwrap_err();
    assert!(matches!(opening, Turn::Open(_)));
    for _ in 0..2 {
        assert!(matches!(take(&mut connections, &destination), Err(Turn::Wait(_))));
    }
    let second = take(&mut connections, &destination).unwrap_err();
    assert!(matches!(second, Turn::Open(_)), "the first has no place left");
    drop((opening, second));
    assert!(matches!(take(&mut connections, &destination), Err(Turn::Open(_))));
}

#[tokio::test]
async fn a_stream_goes_to_the_fullest_connection_with_room() {
    let mut connections = Connections::default();
    let destination = destination(Http2::Always, 3);
    let (a, _a) = silent().await;
    let (b, _b) = silent().await;
    let first = connections.share(a, Instant::now(), None);
    let _second = connections.share(b, Instant::now(), None);
    let streams = |connections: &Connections| -> Vec<usize> {
        connections.shared.iter().map(|shared| shared.load.lock().streams).collect()
    };
    let mut held = Vec::new();
    for expected in [[1, 2], [1, 3], [2, 3], [3, 3]] {
        held.push(take(&mut connections, &destination).unwrap());
        assert_eq!(streams(&connections), expected);
    }
    assert!(matches!(take(&mut connections, &destination), Err(Turn::Open(_))));
    drop(first);
    assert_eq!(streams(&connections), [2, 3]);
}

#[tokio::test]
async fn a_connection_that_is_old_takes_no_more_streams() {
    let mut connections = Connections::default();
    let destination = destination(Http2::Auto, 90);
    let (sender, _alive) = silent().await;
    let _stream = connections.share(sender, Instant::now(), None);
    let now = Instant::now();
    assert!(connections.find(&destination, now, None).is_some());
    assert!(connections.find(&destination, now + Duration::from_secs(600), None).is_none());
}

#[tokio::test]
async fn a_connection_is_idle_from_its_last_stream_on() {
    let mut connections = Connections::default();
    let (sender, _alive) = silent().await;
    let stream = connections.share(sender, Instant::now(), None);
    let settings = Settings { idle_timeout: Duration::from_secs(50), ..Settings::default() };
    let later = Instant::now() + Duration::from_secs(60);
    connections.sweep(later, &settings);
    assert_eq!(connections.shared.len(), 1, "a stream is on it");
    drop(stream);
    connections.sweep(Instant::now() + Duration::from_secs(40), &settings);
    assert_eq!(connections.shared.len(), 1);
    connections.sweep(later, &settings);
    assert!(connections.shared.is_empty());
}
