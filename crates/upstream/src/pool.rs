//! The connections of one worker, and sending a request on one of them.
//!
//! [`Connections`] says which connection a request goes on. An HTTP/1 connection is on loan while a response is read
//! from it and comes back with the body's end; an HTTP/2 connection counts the stream until then.
//!
//! A provider may close an idle connection in the very moment we write to it. A connection whose end the kernel has
//! reported is never taken; when the first write fails nevertheless, with nothing of it taken, the request is sent
//! again on another connection, without that counting as an attempt. A request that may have reached the provider is
//! never sent again from here.

use crate::body::{RequestBody, ResponseBody};
use crate::connect::{Connector, Http2, Sender};
use crate::connections::{Connection, Connections, StreamCount, Turn};
use crate::error::{Stage, UpstreamError};
use crate::http1::{self, Transport};
use crate::origin::{Origin, Scheme};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use hyper::client::conn::http2;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bounds of one worker's pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// Idle HTTP/1 connections kept per origin.
    pub max_idle: usize,
    /// How long a connection may stay idle. Shorter than the 60 s after which common servers close.
    pub idle_timeout: Duration,
    /// Streams on one HTTP/2 connection before another is opened, where the peer does not allow fewer.
    pub max_streams: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { max_idle: 1024, idle_timeout: Duration::from_secs(50), max_streams: 90 }
    }
}

/// An origin and the connections to it. A call holds on to it, so that a connection on loan knows where it belongs.
#[derive(Debug)]
pub(crate) struct Site {
    origin: Arc<Origin>,
    settings: PoolSettings,
    connections: Mutex<Connections>,
}

/// The upstream connections of one worker.
#[derive(Debug, Clone)]
pub struct Pool {
    connector: Arc<Connector>,
    settings: PoolSettings,
    sites: Arc<Mutex<HashMap<Arc<Origin>, Arc<Site>>>>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(connector: Arc<Connector>, settings: PoolSettings) -> Self {
        Self { connector, settings, sites: Arc::default() }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// Says where it failed; `connect_limit` bounds the opening of a connection, by this call or by one it waits for.
    /// The caller bounds the whole.
    pub async fn send(
        &self,
        origin: &Arc<Origin>,
        http2: Http2,
        connect_limit: Duration,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let site = self.site(origin);
        loop {
            let taken = site.take(http2);
            let (connection, reused) = match taken {
                Ok(connection) => (connection, true),
                // Boxed: a TLS handshake's state is a hundred times larger than all else that a call waits for, and would
                // be carried along by every call.
                Err(turn) => Box::pin(site.obtain(&self.connector, http2, connect_limit, turn)).await?,
            };
            let sent = match connection {
                Connection::Http1(connection) => send_http1(&site, connection, request).await,
                Connection::Http2(sender, count) => send_http2(origin.scheme, sender, count, request).await,
            };
            match sent {
                Ok(response) => return Ok(response),
                Err(Unsent { request: Some(unsent), .. }) if reused => request = *unsent,
                Err(Unsent { error, .. }) => return Err(UpstreamError::failed(Stage::Exchange, error)),
            }
        }
    }

    /// Closes what has been idle too long. Call it now and then.
    pub fn sweep(&self, now: Instant) {
        self.sites.lock().retain(|_, site| {
            let kept = site.connections.lock().sweep(now, &site.settings);
            // A call under way gives its connection back to the site it has.
            kept || Arc::strong_count(site) > 1
        });
    }

    fn site(&self, origin: &Arc<Origin>) -> Arc<Site> {
        let mut sites = self.sites.lock();
        if let Some(site) = sites.get(origin) {
            return Arc::clone(site);
        }
        let site = Site { origin: Arc::clone(origin), settings: self.settings, connections: Mutex::default() };
        Arc::clone(sites.entry(Arc::clone(origin)).or_insert(Arc::new(site)))
    }
}

impl Site {
    fn take(&self, http2: Http2) -> Result<Connection, Turn> {
        self.connections.lock().take(http2, Instant::now(), &self.settings)
    }

    /// Takes an HTTP/1 connection back whose request and answer are over.
    pub(crate) fn give_back(&self, connection: Transport) {
        self.connections.lock().give_back(connection, &self.settings);
    }

    /// A connection where none was free, and whether it has been used before.
    async fn obtain(
        &self,
        connector: &Connector,
        http2: Http2,
        limit: Duration,
        turn: Turn,
    ) -> Result<(Connection, bool), UpstreamError> {
        match tokio::time::timeout(limit, self.wait_or_open(connector, http2, turn)).await {
            Ok(obtained) => obtained,
            Err(_) => Err(UpstreamError::Timeout { stage: Stage::Connect, after: limit }),
        }
    }

    async fn wait_or_open(
        &self,
        connector: &Connector,
        http2: Http2,
        mut turn: Turn,
    ) -> Result<(Connection, bool), UpstreamError> {
        while let Turn::Wait(mut failed) = turn {
            turn = match failed.changed().await {
                Ok(()) => Turn::Alone,
                Err(_) => match self.take(http2) {
                    Ok(connection) => return Ok((connection, true)),
                    Err(turn) => turn,
                },
            };
        }
        let opened = connector.open(&self.origin, http2).await;
        let connection = match opened {
            Ok(Sender::Http1(connection)) => {
                if http2 != Http2::Never {
                    self.connections.lock().speaks_http1();
                }
                Connection::Http1(connection)
            }
            Ok(Sender::Http2(sender)) => self.connections.lock().share(sender, Instant::now()),
            Err(error) => {
                if let Turn::Open(others) = turn {
                    others.send_replace(true);
                }
                return Err(error);
            }
        };
        // Only now may those who wait look again.
        drop(turn);
        Ok((connection, false))
    }
}

async fn send_http1(
    site: &Arc<Site>,
    connection: Transport,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Unsent> {
    let (head, incoming) = http1::exchange(connection, request).await?;
    let mut response = Response::new(ResponseBody::http1(incoming, site));
    *response.status_mut() = head.status;
    *response.version_mut() = head.version;
    *response.headers_mut() = head.headers;
    Ok(response)
}

async fn send_http2(
    scheme: Scheme,
    mut sender: http2::SendRequest<RequestBody>,
    count: StreamCount,
    mut request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Unsent> {
    let relative = make_absolute(&mut request, scheme);
    let sent = match sender.ready().await {
        Ok(()) => sender.try_send_request(request).await.map_err(Unsent::from),
        Err(error) => Err(Unsent { error: error.into(), request: Some(Box::new(request)) }),
    };
    match sent {
        Ok(response) => Ok(response.map(|incoming| ResponseBody::http2(incoming, count))),
        Err(mut unsent) => {
            // It may go out on HTTP/1 next.
            if let (Some(request), Some(relative)) = (&mut unsent.request, relative) {
                relative.restore(request);
            }
            Err(unsent)
        }
    }
}

/// What a request had in HTTP/1's form.
struct Relative {
    host: HeaderValue,
    uri: Uri,
}

impl Relative {
    fn restore(self, request: &mut Request<RequestBody>) {
        request.headers_mut().insert(HOST, self.host);
        *request.uri_mut() = self.uri;
    }
}

/// HTTP/2 carries the authority in a pseudo-header of its own, made from an absolute URI.
fn make_absolute(request: &mut Request<RequestBody>, scheme: Scheme) -> Option<Relative> {
    let mut parts = request.uri().clone().into_parts();
    parts.authority = Some(Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok()?);
    parts.scheme = Some(match scheme {
        Scheme::Http => http::uri::Scheme::HTTP,
        Scheme::Https => http::uri::Scheme::HTTPS,
    });
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    let uri = std::mem::replace(request.uri_mut(), Uri::from_parts(parts).ok()?);
    Some(Relative { host: request.headers_mut().remove(HOST)?, uri })
}

/// A failure, with the request if it is certain that nothing of it was written.
#[derive(Debug)]
struct Unsent {
    error: Box<dyn std::error::Error + Send + Sync>,
    request: Option<Box<Request<RequestBody>>>,
}

impl From<http1::Unsent> for Unsent {
    fn from(http1::Unsent { error, request }: http1::Unsent) -> Self {
        Self { error: error.into(), request }
    }
}

impl From<hyper::client::conn::TrySendError<Request<RequestBody>>> for Unsent {
    fn from(mut error: hyper::client::conn::TrySendError<Request<RequestBody>>) -> Self {
        let request = error.take_message().map(Box::new);
        Self { error: error.into_error().into(), request }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
