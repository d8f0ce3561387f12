//! Reaching a provider: over TLS with certificates of one's own, through proxies, at addresses that come and go.

use super::tests::{ANSWER, call, read_request, request, settings};
use super::*;
use crate::destination::Settings;
use crate::origin::Origin;
use crate::proxy::Proxy;
use crate::resolve::Resolver;
use crate::tls::Trust;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority of our own and what it vouches for.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), file }
    }

    fn trust(&self) -> Trust {
        Trust::read(self.file.path()).unwrap()
    }

    fn acceptor(&self, name: &str, protocols: &[&[u8]]) -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().into();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers every request on a connection, until its end.
async fn answer_all(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut seen = Vec::new();
    while let Ok(1..) = io.read_buf(&mut seen).await {
        if seen.ends_with(b"hello") {
            seen.clear();
            if io.write_all(ANSWER).await.is_err() || io.flush().await.is_err() {
                break;
            }
        }
    }
}

/// A provider that counts its connections.
async fn provider(tls: Option<TlsAcceptor>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => answer_all(tcp).await,
                    Some(tls) => {
                        if let Ok(tls) = tls.accept(tcp).await {
                            answer_all(tls).await;
                        }
                    }
                }
            });
        }
    });
    (address, opened)
}

/// A proxy that leads everything to one place and notes the heads it was shown.
async fn proxy(
    tls: Option<TlsAcceptor>,
    answer: &'static str,
    to: SocketAddr,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, noted) = (tls.clone(), Arc::clone(&noted));
            tokio::spawn(async move {
                match tls {
                    None => lead(tcp, answer, to, &noted).await,
                    Some(tls) => lead(tls.accept(tcp).await?, answer, to, &noted).await,
                }
            });
        }
    });
    (address, heads)
}

async fn lead(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    answer: &str,
    to: SocketAddr,
    noted: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    noted.lock().push(head.clone());
    let mut far = TcpStream::connect(to).await?;
    if head.starts_with("CONNECT ") || !answer.contains(" 200 ") {
        io.write_all(answer.as_bytes()).await?;
        io.flush().await?;
        if !answer.contains(" 200 ") {
            return Ok(());
        }
    } else {
        far.write_all(head.as_bytes()).await?;
    }
    tokio::io::copy_bidirectional(&mut io, &mut far).await.map(drop)
}

const CONNECTED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A pool for which all names lead to this machine.
fn pool() -> Pool {
    Pool::new(Arc::new(Connector::with(Resolver::new(|_| async { Ok(vec!["127.0.0.1".parse().unwrap()]) }))))
}

fn to(url: &str, settings: Settings, proxy: Option<Proxy>, authority: Option<&Authority>) -> Arc<Destination> {
    let origin = Origin::split(url).unwrap().0;
    Arc::new(Destination::new(origin, settings, proxy, authority.map(Authority::trust)))
}

fn proxy_at(scheme: &str, host: &str, address: SocketAddr, user: Option<&str>) -> Option<Proxy> {
    let url = format!("{scheme}://{host}:{}", address.port());
    Some(Proxy::new(Origin::split(&url).unwrap().0, user))
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named_and_nowhere_else() {
    let authority = Authority::new();
    let (address, _) = provider(Some(authority.acceptor("api.test", &[]))).await;
    let url = format!("https://api.test:{}", address.port());
    let pool = pool();
    let trusting = to(&url, settings(), None, Some(&authority));
    assert_eq!(call(&pool, &trusting).await.unwrap(), "ok");
    let error = call(&pool, &to(&url, settings(), None, None)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert!(error.to_string().contains("UnknownIssuer") && error.is_untouched(), "{error}");
    let other = format!("https://other.test:{}", address.port());
    let error = call(&pool, &to(&other, settings(), None, Some(&authority))).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert_eq!(call(&pool, &trusting).await.unwrap(), "ok");
}

#[tokio::test]
async fn what_is_encrypted_goes_through_a_tunnel() {
    let authority = Authority::new();
    let (address, opened) = provider(Some(authority.acceptor("api.test", &[b"http/1.1"]))).await;
    let secure = authority.acceptor("proxy.test", &[]);
    for (scheme, tls) in [("http", None), ("https", Some(secure))] {
        let (at, heads) = proxy(tls, CONNECTED, address).await;
        let through = proxy_at(scheme, "proxy.test", at, Some("me:secret"));
        let to = to("https://api.test", settings(), through, Some(&authority));
        let pool = pool();
        for _ in 0..3 {
            assert_eq!(call(&pool, &to).await.unwrap(), "ok");
        }
        let heads = heads.lock().clone();
        assert_eq!(heads.len(), 1, "one connection for all calls");
        assert!(heads[0].starts_with("CONNECT api.test:443 HTTP/1.1\r\n"), "{}", heads[0]);
        assert!(heads[0].contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{}", heads[0]);
    }
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn http2_goes_through_a_tunnel_too() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("api.test", &[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(|_| async {
            Ok::<_, hyper::Error>(Response::new(http_body_util::Full::new(Bytes::from("two"))))
        });
        let io = hyper_util::rt::TokioIo::new(acceptor.accept(tcp).await.unwrap());
        let builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        builder.serve_connection(io, service).await.unwrap();
    });
    let secure = authority.acceptor("proxy.test", &[]);
    let (at, heads) = proxy(Some(secure), CONNECTED, address).await;
    let to = to("https://api.test", settings(), proxy_at("https", "proxy.test", at, None), Some(&authority));
    let pool = pool();
    let (a, b, c) = tokio::join!(call(&pool, &to), call(&pool, &to), call(&pool, &to));
    assert!([a, b, c].iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer == "two")));
    assert_eq!(heads.lock().len(), 1, "the first burst shares one connection");
}

#[tokio::test]
async fn what_is_in_clear_text_is_given_to_the_proxy_whole() {
    let (address, _) = provider(None).await;
    let (at, heads) = proxy(None, CONNECTED, address).await;
    let to = to("http://api.test:8000", settings(), proxy_at("http", "proxy.test", at, Some("me:")), None);
    let pool = pool();
    for _ in 0..2 {
        assert_eq!(call(&pool, &to).await.unwrap(), "ok");
    }
    let heads = heads.lock().clone();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with("POST http://api.test:8000/x HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("proxy-authorization: Basic bWU6\r\n"), "{}", heads[0]);
}

#[tokio::test]
async fn it_is_told_that_it_was_the_proxy() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (address, _) = provider(None).await;
    let unknown = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let refusing = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    for (url, at, told) in [
        ("https://api.test", proxy(None, unknown, address).await.0, "wants a user and a password"),
        ("http://api.test", proxy(None, unknown, address).await.0, "wants a user and a password"),
        ("https://api.test", proxy(None, refusing, address).await.0, "refused with 403 Forbidden"),
        ("https://api.test", nobody, "Connection refused"),
        ("http://api.test", nobody, "Connection refused"),
    ] {
        let to = to(url, settings(), proxy_at("http", "proxy.test", at, Some("me:secret")), None);
        let error = call(&pool(), &to).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Proxy, "{error}");
        let text = error.to_string();
        assert!(text.contains(told) && text.contains("http://proxy.test:"), "{text}");
        assert!(!text.contains("secret") && !text.contains("bWU6") && error.is_untouched(), "{text}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_costs_the_time_for_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit = Duration::from_millis(100);
    let through = proxy_at("http", "proxy.test", listener.local_addr().unwrap(), None);
    let to = to("https://api.test", Settings { connect_timeout: limit, ..settings() }, through, None);
    let error = call(&pool(), &to).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { stage: Stage::Proxy, after } if after == limit), "{error}");
    assert_eq!(error.stage().timeout_code(), "connect_timeout");
}

/// A resolver whose answer can be changed, and how often it was asked.
fn changing(first: &[&str]) -> (Resolver, Arc<Mutex<Vec<IpAddr>>>) {
    let addresses: Vec<IpAddr> = first.iter().map(|address| address.parse().unwrap()).collect();
    let answer = Arc::new(Mutex::new(addresses));
    let given = Arc::clone(&answer);
    let resolver = Resolver::new(move |_| {
        let addresses = given.lock().clone();
        async move { Ok(addresses) }
    });
    (resolver, answer)
}

#[tokio::test]
async fn a_dead_address_beside_a_live_one_fails_no_call() {
    let (address, opened) = provider(None).await;
    // Nobody listens on the first, and the port is the same.
    let (resolver, _) = changing(&["::1", "127.0.0.1"]);
    let pool = Pool::new(Arc::new(Connector::with(resolver)));
    let to = to(&format!("http://api.test:{}", address.port()), settings(), None, None);
    for _ in 0..3 {
        assert_eq!(call(&pool, &to).await.unwrap(), "ok");
    }
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_when_connections_are_old() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    for (listener, count) in [first, second].into_iter().zip(counts.clone()) {
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer_all(tcp));
            }
        });
    }
    let seen = || counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let (resolver, answer) = changing(&["127.0.0.1"]);
    let pool = Pool::new(Arc::new(Connector::with(resolver)));
    let max_age = Duration::from_millis(300);
    let to = to(&format!("http://api.test:{port}"), Settings { max_age, ..settings() }, None, None);
    call(&pool, &to).await.unwrap();
    *answer.lock() = vec!["127.0.0.2".parse().unwrap()];
    call(&pool, &to).await.unwrap();
    assert_eq!(seen(), [1, 0], "a connection that is not old is used again");
    tokio::time::sleep(max_age).await;
    // What was answered a moment ago is still good; the test does not wait for it to grow old.
    pool.connector.forget("api.test");
    call(&pool, &to).await.unwrap();
    assert_eq!(seen(), [1, 1]);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_told_as_that() {
    let resolver = Resolver::new(|_| async { Err(io::Error::other("no such name")) });
    let pool = Pool::new(Arc::new(Connector::with(resolver)));
    let error = call(&pool, &to("http://api.test", settings(), None, None)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve);
    assert!(error.is_untouched() && error.to_string().contains("no such name"), "{error}");
}

#[tokio::test]
async fn the_time_for_connecting_tells_where_it_was_spent() {
    let limit = Duration::from_millis(100);
    let brief = Settings { connect_timeout: limit, ..settings() };
    let resolver = Resolver::new(|_| std::future::pending());
    let pool = Pool::new(Arc::new(Connector::with(resolver)));
    let error = call(&pool, &to("http://api.test", brief, None, None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { stage: Stage::Resolve, .. }), "{error}");
    // Accepted by the kernel, and nobody shakes hands.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let error = call(&pool, &to(&url, brief, None, None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { stage: Stage::Tls, .. }), "{error}");
}

#[tokio::test]
async fn the_time_for_the_whole_call_ends_it_before_and_within_the_answer() {
    let limit = Duration::from_millis(150);
    let whole = Settings { total_timeout: Some(limit), ..settings() };
    for part in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            read_request(&mut tcp).await;
            tcp.write_all(part).await.unwrap();
            let mut rest = Vec::new();
            let _ = tcp.read_to_end(&mut rest).await;
        });
        let sent = pool().send(&to(&url, whole, None, None), request()).await;
        if part.is_empty() {
            let error = sent.unwrap_err();
            assert!(
                matches!(error, UpstreamError::Timeout { stage: Stage::Total, after } if after == limit),
                "{error}"
            );
            assert!(!error.is_untouched());
        } else {
            let ended = tokio::time::timeout(limit * 5, sent.unwrap().body.collect()).await;
            let error = ended.unwrap().unwrap_err();
            assert!(matches!(error, crate::body::BodyError::Timeout(after) if after == limit), "{error}");
        }
    }
    let (address, _) = provider(None).await;
    let to = to(&format!("http://{address}"), whole, None, None);
    assert_eq!(call(&pool(), &to).await.unwrap(), "ok");
}
