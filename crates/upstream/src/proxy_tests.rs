use super::*;
use tokio::io::DuplexStream;

fn proxy(user: Option<&str>) -> Proxy {
    Proxy::new(Origin::split("http://proxy.example.com:3128").unwrap().0, user)
}

/// What a tunnel comes to through a proxy that answers so, and what the proxy was asked.
async fn tunnel(proxy: &Proxy, to: &str, answer: &[u8]) -> (Result<(), ProxyError>, String, DuplexStream) {
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    far.write_all(answer).await.unwrap();
    if !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"early") {
        far.shutdown().await.unwrap();
    }
    let opened = proxy.tunnel(&mut near, &Origin::split(to).unwrap().0).await;
    let mut asked = vec![0; 4096];
    let read = far.read(&mut asked).await.unwrap();
    asked.truncate(read);
    (opened, String::from_utf8(asked).unwrap(), near)
}

#[tokio::test]
async fn a_tunnel_is_asked_for_by_name_and_port() {
    let (opened, asked, _) = tunnel(&proxy(None), "https://api.example.com", b"HTTP/1.1 200 OK\r\n\r\n").await;
    opened.unwrap();
    assert_eq!(asked, "CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n\r\n");
    let (opened, asked, _) = tunnel(&proxy(Some("me:se:cret")), "https://[::1]:8443", b"HTTP/1.0 200 \r\n\r\n").await;
    opened.unwrap();
    assert_eq!(
        asked,
        "CONNECT [::1]:8443 HTTP/1.1\r\nhost: [::1]:8443\r\nproxy-authorization: Basic bWU6c2U6Y3JldA==\r\n\r\n"
    );
}

#[tokio::test]
async fn what_follows_the_proxys_answer_is_the_providers() {
    let answer = b"HTTP/1.1 200 Connection established\r\nvia: x\r\ncontent-length: 9\r\n\r\nearly";
    let (opened, _, mut near) = tunnel(&proxy(None), "https://a", answer).await;
    opened.unwrap();
    let mut seen = [0; 5];
    near.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"early");
}

#[tokio::test]
async fn a_refusal_tells_that_it_was_the_proxy() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(70_000));
    for (answer, told) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "(407)"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "403 Forbidden"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
        ("HTTP/1.1 200 O", "closed the connection"),
        ("", "closed the connection"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "malformed"),
        (&long, "longer than"),
    ] {
        let (opened, _, _) = tunnel(&proxy(None), "https://a", answer.as_bytes()).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(told), "{answer:.40}: {error}");
    }
}

#[test]
fn nobody_sees_the_user() {
    let proxy = proxy(Some("me:secret"));
    let forward = Forward::new(&proxy, proxy.origin());
    for shown in [format!("{proxy}"), format!("{proxy:?}"), format!("{forward:?}")] {
        assert!(!shown.contains("secret") && !shown.contains("bWU6"), "{shown}");
    }
    assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
}
