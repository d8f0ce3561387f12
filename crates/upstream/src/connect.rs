//! Opening one connection: name, TCP, TLS, HTTP/2's handshake.
//!
//! The addresses a name resolves to race, since an address that swallows packets would otherwise eat the whole time
//! limit: IPv6 and IPv4 alternate, beginning with the family the resolver prefers; the next starts a quarter of a second
//! after the one before it, or at once when one fails; the first that answers is taken and the others are dropped (RFC
//! 8305). A call may wait minutes for its answer while nothing travels, so the kernel is asked to probe a silent peer,
//! which also keeps the connection known to firewalls on the way.
//!
//! The TLS configuration is made on first need, since many installations speak only to plain local servers and reading
//! a certificate store costs memory.

use crate::body::RequestBody;
use crate::error::{Stage, UpstreamError};
use crate::http1::Transport;
use crate::origin::{Origin, Scheme};
use crate::tls;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// What an address has before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Silence after which the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Whether HTTP/2 is spoken to an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http2 {
    /// Where the TLS handshake agrees on it.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, without asking, on clear text too.
    Always,
}

/// A fresh connection, ready for its first request.
pub(crate) enum Sender {
    Http1(Transport),
    Http2(Http2Sender),
}

/// A fresh HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Http2Sender {
    pub(crate) sender: http2::SendRequest<RequestBody>,
    /// Streams the peer allows, as far as it has said.
    pub(crate) allowed: Arc<AtomicUsize>,
}

/// Opens connections. Shared by all workers.
#[derive(Debug, Default)]
pub struct Connector {
    tls: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
    tls_http1: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
}

impl Connector {
    /// A connector that has opened nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn tls(&self, offer_http2: bool) -> Result<Arc<ClientConfig>, UpstreamError> {
        let cell = if offer_http2 { &self.tls } else { &self.tls_http1 };
        cell.get_or_init(|| tls::client_config(offer_http2))
            .clone()
            .map_err(|error| UpstreamError::failed(Stage::Tls, error))
    }

    /// Opens one, however long it takes.
    pub(crate) async fn open(&self, origin: &Origin, http2: Http2) -> Result<Sender, UpstreamError> {
        let tcp = dial(&origin.host, origin.port).await?;
        match origin.scheme {
            Scheme::Http if http2 == Http2::Always => handshake(TokioIo::new(tcp)).await,
            Scheme::Http => Ok(Sender::Http1(Transport::Tcp(tcp))),
            Scheme::Https => {
                let config = self.tls(http2 != Http2::Never)?;
                let name = ServerName::try_from(origin.host.to_string())
                    .map_err(|error| UpstreamError::failed(Stage::Tls, error))?;
                let stream = TlsConnector::from(config)
                    .connect(name, tcp)
                    .await
                    .map_err(|error| UpstreamError::failed(Stage::Tls, error))?;
                let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                if agreed || http2 == Http2::Always {
                    handshake(TokioIo::new(stream)).await
                } else {
                    Ok(Sender::Http1(Transport::Tls(Box::new(stream))))
                }
            }
        }
    }
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, UpstreamError> {
    let addresses =
        tokio::net::lookup_host((host, port)).await.map_err(|error| UpstreamError::failed(Stage::Resolve, error))?;
    race(alternating(addresses)).await.map_err(|error| UpstreamError::failed(Stage::Connect, error))
}

/// IPv6 and IPv4 in turn, beginning with the family of the first, the order within each kept.
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let family = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv6() == family);
    let mut other = other.into_iter();
    let mut order: Vec<_> = preferred.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    order.extend(other);
    order
}

async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut tries = JoinSet::new();
    let mut waiting = addresses.into_iter().peekable();
    loop {
        if let Some(address) = waiting.next() {
            tries.spawn(connect(address));
        }
        let ended = if waiting.peek().is_some() {
            match tokio::time::timeout(HEAD_START, tries.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            tries.join_next().await
        };
        match ended {
            None => return Err(last),
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = io::Error::other(error),
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    Ok(stream)
}

/// Begins to speak HTTP/2.
async fn handshake<T>(io: TokioIo<T>) -> Result<Sender, UpstreamError>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(io)
        .await
        .map_err(|error| UpstreamError::failed(Stage::Connect, error))?;
    let allowed = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let said = Arc::clone(&allowed);
    tokio::spawn(async move {
        let ended = poll_fn(|cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            said.store(connection.current_max_send_streams(), Ordering::Relaxed);
            polled
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "upstream HTTP/2 connection ended");
        }
    });
    Ok(Sender::Http2(Http2Sender { sender, allowed }))
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
