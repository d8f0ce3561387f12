use super::*;
use std::time::Instant;
use tokio::net::{TcpListener, TcpSocket};

/// An address that answers no more: its queue of connections that wait to be accepted is full.
async fn black_hole() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        filling.push(stream.unwrap());
    }
    (listener, filling)
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_address_that_swallows_packets_costs_a_quarter_of_a_second() {
    let (hole, _filling) = black_hole().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let begun = Instant::now();
    let raced = race(vec![hole.local_addr().unwrap(), good]);
    let stream = tokio::time::timeout(Duration::from_secs(2), raced).await.unwrap().unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(begun.elapsed() >= HEAD_START, "the first had no head start");
}

#[tokio::test]
async fn an_address_that_refuses_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let raced = race(vec![nobody().await, nobody().await, good]);
    let stream = tokio::time::timeout(HEAD_START, raced).await.unwrap().unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
}

#[tokio::test]
async fn an_address_that_refuses_later_does_not_end_the_race() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    assert_eq!(race(vec![good, nobody().await]).await.unwrap().peer_addr().unwrap(), good);
}

#[tokio::test]
async fn the_error_of_the_last_address_is_told() {
    let error = race(vec![nobody().await, nobody().await]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(race(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn families_alternate_from_the_preferred_one() {
    let order = |addresses: &[&str]| {
        let parsed = addresses.iter().map(|address| format!("{address}:1").parse().unwrap());
        alternating(parsed).iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
    };
    let six = ["[::1]", "[::2]", "[::3]"];
    let four = ["1.0.0.1", "1.0.0.2"];
    assert_eq!(order(&[&six[..], &four].concat()), ["::1", "1.0.0.1", "::2", "1.0.0.2", "::3"]);
    assert_eq!(order(&[&four[..], &six].concat()), ["1.0.0.1", "::1", "1.0.0.2", "::2", "::3"]);
    assert_eq!(order(&four), ["1.0.0.1", "1.0.0.2"]);
    assert!(order(&[]).is_empty());
}

#[tokio::test]
async fn a_silent_peer_is_probed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = dial("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    assert!(stream.nodelay().unwrap());
}
