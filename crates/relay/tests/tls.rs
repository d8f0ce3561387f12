//! TLS and HTTP/2, towards clients and towards providers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sluicegate_config::{ProviderKind, Tls};
use std::sync::Arc;
use std::time::Duration;
use support::*;

struct Certificate {
    der: CertificateDer<'static>,
    files: Tls,
    _folder: tempfile::TempDir,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = Tls { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    Certificate { der: made.cert.der().clone(), files, _folder: folder }
}

/// Connects, trusting only this certificate, and says which protocol was agreed on.
async fn connect(
    address: std::net::SocketAddr,
    trusted: &CertificateDer<'static>,
    alpn: &[u8],
) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = tokio::net::TcpStream::connect(address).await?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

fn chat(model: &str) -> http::Request<Full<Bytes>> {
    http::Request::post("https://localhost/v1/chat/completions").body(Full::new(Bytes::from(hi(model)))).unwrap()
}

#[tokio::test]
async fn tls_is_terminated_with_http2_and_http1_and_a_new_certificate_takes_effect_on_reload() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER), json(200, ANSWER)]);
    let first = certificate();
    let make = |files: &Tls| {
        let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
        config.server.tls = Some(files.clone());
        config
    };
    let relay = Running::new(make(&first.files));

    let stream = connect(relay.address, &first.der, b"h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // Two calls at once on one connection.
    let (a, b) = tokio::join!(sender.clone().send_request(chat("up/m")), sender.send_request(chat("up/m")));
    for response in [a.unwrap(), b.unwrap()] {
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ANSWER);
    }

    let second = certificate();
    relay.relay.reload(make(&second.files), std::collections::HashMap::default()).unwrap();
    assert!(connect(relay.address, &first.der, b"http/1.1").await.is_err(), "the old certificate is still served");
    let stream = connect(relay.address, &second.der, b"http/1.1").await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = chat("up/m");
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    tokio::task::spawn_blocking(move || relay.receipts(3)).await.unwrap();
}

#[tokio::test]
async fn http2_without_tls_is_spoken_by_prior_knowledge() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    let stream = tokio::net::TcpStream::connect(relay.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = chat("up/m");
    *request.uri_mut() = format!("http://{}/v1/chat/completions", relay.address).parse().unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_that_resets_its_http2_stream_ends_the_call_upstream() {
    let (tell, closed) = std::sync::mpsc::channel();
    let upstream = Upstream::new(vec![vec![Act::AwaitClose(tell)]]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    let stream = tokio::net::TcpStream::connect(relay.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = chat("up/m");
    *request.uri_mut() = format!("http://{}/v1/chat/completions", relay.address).parse().unwrap();
    let call = tokio::spawn(sender.send_request(request));
    let upstream = tokio::task::spawn_blocking(move || {
        upstream.request();
        upstream
    })
    .await
    .unwrap();
    call.abort();
    let ended = tokio::task::spawn_blocking(move || closed.recv_timeout(Duration::from_secs(6))).await.unwrap();
    assert!(ended.unwrap());
    drop(upstream);
}

/// A provider whose certificate no authority signed.
async fn self_signed_provider() -> std::net::SocketAddr {
    let certificate = certificate();
    let key = PrivateKeyDer::from_pem_file(&certificate.files.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            assert!(acceptor.accept(tcp).await.is_err(), "the relay took a certificate that nobody vouches for");
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_and_said_so() {
    let address = self_signed_provider().await;
    let mut up = provider("up", ProviderKind::OpenAi, address);
    up.base_url = Some(format!("https://localhost:{}/v1", address.port()));
    let relay = Running::new(config(vec![up]));
    let answer = tokio::task::spawn_blocking(move || relay.post(CHAT, "", &hi("up/m"))).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("TLS handshake"), "{answer}");
}
