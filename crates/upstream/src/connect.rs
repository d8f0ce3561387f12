//! Opening one connection: name, TCP, proxy, TLS, HTTP/2's handshake.
//!
//! The addresses a name resolves to race, since an address that swallows packets would otherwise eat the whole time
//! limit: the next starts a quarter of a second after the one before it, or at once when one fails; the first that
//! answers is taken and the others are dropped (RFC 8305). A call may wait minutes for its answer while nothing travels,
//! so the kernel is asked to probe a silent peer, which also keeps the connection known to firewalls on the way.
//!
//! The TLS configuration is made on first need, since many installations speak only to plain local servers and reading
//! a certificate store costs memory. It is made on a thread that may block, and the store is read once.

use crate::body::RequestBody;
use crate::destination::Destination;
use crate::error::{Stage, UpstreamError};
use crate::http1::Transport;
use crate::origin::{Origin, Scheme};
use crate::places::{Place, Places};
use crate::proxy::Proxy;
use crate::resolve::Resolver;
use crate::socket::{Placed, Socket};
use crate::tls::{self, Trust};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// What an address has before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Silence after which the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Whether HTTP/2 is spoken to an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
#[derive(Debug)]
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
    /// When it takes no more of them.
    pub(crate) expires: Instant,
}

/// Which TLS configuration.
type Wanted = (Http2, Option<Trust>);

/// Opens connections. Shared by all workers.
#[derive(Debug)]
pub struct Connector {
    resolver: Resolver,
    tls: Mutex<HashMap<Wanted, Arc<ClientConfig>>>,
    places: Mutex<HashMap<Arc<Destination>, Weak<Places>>>,
}

impl Default for Connector {
    fn default() -> Self {
        Self::with(Resolver::system())
    }
}

impl Connector {
    /// A connector that has opened nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(resolver: Resolver) -> Self {
        Self { resolver, tls: Mutex::default(), places: Mutex::default() }
    }

    /// Lets a name be looked up again at once.
    #[cfg(test)]
    pub(crate) fn forget(&self, host: &str) {
        self.resolver.forget(host);
    }

    /// The places for connections to a destination, where their number is limited.
    pub(crate) fn places(&self, destination: &Arc<Destination>) -> Option<Arc<Places>> {
        let most = destination.settings().max_connections?;
        let mut all = self.places.lock();
        if let Some(places) = all.get(destination).and_then(Weak::upgrade) {
            return Some(places);
        }
        all.retain(|_, places| places.strong_count() > 0);
        let places = Places::new(most);
        all.insert(Arc::clone(destination), Arc::downgrade(&places));
        Some(places)
    }

    async fn tls(&self, http2: Http2, trust: Option<&Trust>) -> Result<Arc<ClientConfig>, Failure> {
        let wanted = (http2, trust.cloned());
        if let Some(config) = self.tls.lock().get(&wanted) {
            return Ok(Arc::clone(config));
        }
        // Elsewhere, since this thread has other calls, and to read a certificate store takes tens of milliseconds.
        let made =
            tokio::task::spawn_blocking(move || (tls::client_config(wanted.0, wanted.1.as_ref()), wanted)).await?;
        let (config, wanted) = (made.0?, made.1);
        let mut configs = self.tls.lock();
        // What a reload has replaced goes once no connection has it any more.
        configs.retain(|(_, trust), config| trust.is_none() || Arc::strong_count(config) > 1);
        // Whoever was first has sessions in his that can be resumed.
        Ok(Arc::clone(configs.entry(wanted).or_insert(config)))
    }

    /// Opens one, however long it takes. `stage` says how far that is.
    pub(crate) async fn open(
        &self,
        destination: &Destination,
        place: Option<Place>,
        stage: &mut Stage,
    ) -> Result<Sender, UpstreamError> {
        let origin = destination.origin();
        let http2 = destination.settings().http2;
        let socket = match destination.proxy() {
            None => self.dial(origin, stage).await?,
            Some(proxy) => {
                *stage = Stage::Proxy;
                let reached = self.through(proxy, destination).await;
                reached.map_err(|error| UpstreamError::failed(Stage::Proxy, format!("the proxy {proxy}: {error}")))?
            }
        };
        let socket = match origin.scheme {
            Scheme::Http => socket,
            Scheme::Https => {
                *stage = Stage::Tls;
                let secured = self.secure(origin, http2, destination.trust(), socket).await;
                secured.map_err(|error| UpstreamError::failed(Stage::Tls, error))?
            }
        };
        let expires = expiry(destination.settings().max_age);
        if http2 == Http2::Always || socket.agreed_on_http2() {
            *stage = Stage::Connect;
            handshake(socket, expires, place).await
        } else {
            Ok(Sender::Http1(Transport::new(socket, expires, place)))
        }
    }

    /// A connection to a proxy, and where need be a tunnel through it.
    async fn through(&self, proxy: &Proxy, destination: &Destination) -> Result<Socket, Failure> {
        let mut socket = self.dial(proxy.origin(), &mut Stage::Resolve).await?;
        if proxy.origin().scheme == Scheme::Https {
            socket = self.secure(proxy.origin(), Http2::Never, destination.trust(), socket).await?;
        }
        if destination.forward().is_none() {
            proxy.tunnel(&mut socket, destination.origin()).await?;
        }
        Ok(socket)
    }

    async fn secure(
        &self,
        origin: &Origin,
        http2: Http2,
        trust: Option<&Trust>,
        socket: Socket,
    ) -> Result<Socket, Failure> {
        let config = self.tls(http2, trust).await?;
        let name = ServerName::try_from(origin.host.to_string())?;
        Ok(Socket::Tls(Box::new(TlsConnector::from(config).connect(name, socket).await?)))
    }

    async fn dial(&self, origin: &Origin, stage: &mut Stage) -> Result<Socket, UpstreamError> {
        let addresses = self.resolver.addresses(&origin.host, origin.port).await;
        let addresses = addresses.map_err(|error| UpstreamError::failed(Stage::Resolve, error))?;
        *stage = Stage::Connect;
        let Raced { connected, failed } = race(addresses).await;
        let good = connected.as_ref().ok().and_then(|tcp| tcp.peer_addr().ok());
        self.resolver.note(good, &failed);
        if connected.is_err() {
            self.resolver.forget(&origin.host);
        }
        connected.map(Socket::Tcp).map_err(|error| UpstreamError::failed(Stage::Connect, error))
    }
}

/// What went wrong in one of the layers below.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// When a connection made now is too old, a little different for each, so that those made together do not all end
/// together.
fn expiry(max_age: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(max_age.mul_f64(0.9 + 0.1 * fastrand::f64())).unwrap_or(now)
}

/// How a race ended.
#[derive(Debug)]
struct Raced {
    connected: io::Result<TcpStream>,
    /// Addresses that failed, or had a head start and did not use it.
    failed: Vec<SocketAddr>,
}

async fn race(addresses: Vec<SocketAddr>) -> Raced {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut tries = JoinSet::new();
    let mut tried = Vec::with_capacity(addresses.len());
    let mut waiting = addresses.into_iter().peekable();
    loop {
        if let Some(address) = waiting.next() {
            tried.push(address);
            tries.spawn(async move { (address, connect(address).await) });
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
            None => return Raced { connected: Err(last), failed: tried },
            Some(Ok((address, Ok(tcp)))) => {
                // Those tried after it were not given the time that it had.
                tried.truncate(tried.iter().position(|other| *other == address).unwrap_or_default());
                return Raced { connected: Ok(tcp), failed: tried };
            }
            Some(Ok((_, Err(error)))) => last = error,
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

/// Begins to speak HTTP/2. The place goes along with the socket: what is polled here is over once nobody can send any
/// more, and the socket only when the last stream is.
async fn handshake(socket: Socket, expires: Instant, place: Option<Place>) -> Result<Sender, UpstreamError> {
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(TokioIo::new(Placed::new(socket, place)))
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
    Ok(Sender::Http2(Http2Sender { sender, allowed, expires }))
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
