use super::*;
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
    let raced = tokio::time::timeout(Duration::from_secs(2), raced).await.unwrap();
    assert_eq!(raced.connected.unwrap().peer_addr().unwrap(), good);
    assert_eq!(raced.failed, [hole.local_addr().unwrap()], "who was overtaken is tried last from now on");
    assert!(begun.elapsed() >= HEAD_START, "the first had no head start");
}

#[tokio::test]
async fn an_address_that_refuses_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let (first, second) = (nobody().await, nobody().await);
    let raced = tokio::time::timeout(HEAD_START, race(vec![first, second, good])).await.unwrap();
    assert_eq!(raced.connected.unwrap().peer_addr().unwrap(), good);
    assert_eq!(raced.failed, [first, second]);
}

#[tokio::test]
async fn an_address_that_refuses_later_does_not_end_the_race() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let raced = race(vec![good, nobody().await]).await;
    assert_eq!(raced.connected.unwrap().peer_addr().unwrap(), good);
    assert!(raced.failed.is_empty(), "who came after the first was not tried");
}

#[tokio::test]
async fn the_error_of_the_last_address_is_told() {
    let error = race(vec![nobody().await, nobody().await]).await.connected.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(race(Vec::new()).await.connected.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_silent_peer_is_probed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = connect(listener.local_addr().unwrap()).await.unwrap();
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    assert!(stream.nodelay().unwrap());
}
