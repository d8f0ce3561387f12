//! The connections of one worker.
//!
//! HTTP/1: a stack of idle connections per origin, newest first, so that under light load the same few stay warm and
//! the rest age out. A connection is on loan while a response is read from it and comes back with the body's end.
//! HTTP/2: connections are shared up to a number of streams, counted here, because a peer that reaches its own maximum
//! makes requests wait in silence; past the count another connection is opened.
//!
//! A provider may close an idle connection in the very moment we write to it. When hyper hands the request back
//! unsent it is sent again on another connection, without that counting as an attempt. A request that may have
//! reached the provider is never sent again from here.

use crate::body::{RequestBody, ResponseBody};
use crate::connect::{Connector, Http2, Sender};
use crate::error::{Stage, UpstreamError};
use crate::origin::Origin;
use http::{Request, Response};
use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bounds of one worker's pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// Idle HTTP/1 connections kept per origin.
    pub max_idle: usize,
    /// How long one may stay idle. Shorter than the 60 s after which common servers close.
    pub idle_timeout: Duration,
    /// Streams on one HTTP/2 connection before another is opened.
    pub max_streams: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { max_idle: 1024, idle_timeout: Duration::from_secs(50), max_streams: 90 }
    }
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<RequestBody>,
    since: Instant,
}

#[derive(Debug, Clone)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Connections {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    settings: PoolSettings,
    origins: Mutex<HashMap<Arc<Origin>, Connections>>,
}

/// The upstream connections of one worker.
#[derive(Debug, Clone)]
pub struct Pool {
    connector: Arc<Connector>,
    inner: Arc<Inner>,
}

/// A connection on loan. Dropped without [`Lease::give_back`], an HTTP/1 connection is closed.
#[derive(Debug)]
pub(crate) enum Lease {
    Http1 { sender: http1::SendRequest<RequestBody>, origin: Arc<Origin>, pool: Arc<Inner> },
    Http2(#[expect(dead_code, reason = "held for its drop, which ends the count of this stream")] StreamCount),
}

/// One stream on a shared connection, counted until dropped.
#[derive(Debug)]
pub(crate) struct StreamCount(Arc<AtomicUsize>);

impl StreamCount {
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    pub(crate) fn give_back(self) {
        let Self::Http1 { sender, origin, pool } = self else { return };
        if sender.is_closed() {
            return;
        }
        let mut origins = pool.origins.lock();
        let connections = origins.entry(origin).or_default();
        if connections.idle.len() < pool.settings.max_idle {
            connections.idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

enum Found {
    Http1(http1::SendRequest<RequestBody>),
    Http2(Shared),
    Nothing,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(connector: Arc<Connector>, settings: PoolSettings) -> Self {
        Self { connector, inner: Arc::new(Inner { settings, origins: Mutex::default() }) }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// Says where it failed; `connect_limit` bounds the opening of a connection. The caller bounds the whole.
    pub async fn send(
        &self,
        origin: &Arc<Origin>,
        http2: Http2,
        connect_limit: Duration,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        loop {
            let (sent, reused) = match self.find(origin) {
                Found::Http1(sender) => (self.send_http1(origin, sender, request).await, true),
                Found::Http2(shared) => (send_http2(shared, request).await, true),
                // Boxed: a TLS handshake's state is a hundred times larger than all else that a call waits for, and would
                // be carried along by every call.
                Found::Nothing => match Box::pin(self.connector.open(origin, http2, connect_limit)).await? {
                    Sender::Http1(sender) => (self.send_http1(origin, sender, request).await, false),
                    Sender::Http2(sender) => {
                        let shared = Shared { sender, streams: Arc::default() };
                        self.inner.origins.lock().entry(Arc::clone(origin)).or_default().shared.push(shared.clone());
                        (send_http2(shared, request).await, false)
                    }
                },
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
        let timeout = self.inner.settings.idle_timeout;
        self.inner.origins.lock().retain(|_, connections| {
            connections.idle.retain(|idle| !idle.sender.is_closed() && now.duration_since(idle.since) < timeout);
            connections.shared.retain(|shared| !shared.sender.is_closed());
            !connections.idle.is_empty() || !connections.shared.is_empty()
        });
    }

    fn find(&self, origin: &Arc<Origin>) -> Found {
        let mut origins = self.inner.origins.lock();
        let Some(connections) = origins.get_mut(origin) else { return Found::Nothing };
        while let Some(idle) = connections.idle.pop() {
            if !idle.sender.is_closed() && idle.since.elapsed() < self.inner.settings.idle_timeout {
                return Found::Http1(idle.sender);
            }
        }
        connections.shared.retain(|shared| !shared.sender.is_closed());
        let least = connections.shared.iter().min_by_key(|shared| shared.streams.load(Ordering::Relaxed));
        match least {
            Some(shared) if shared.streams.load(Ordering::Relaxed) < self.inner.settings.max_streams => {
                Found::Http2(shared.clone())
            }
            _ => Found::Nothing,
        }
    }

    async fn send_http1(
        &self,
        origin: &Arc<Origin>,
        mut sender: http1::SendRequest<RequestBody>,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Unsent> {
        if let Err(error) = sender.ready().await {
            return Err(Unsent { error, request: Some(Box::new(request)) });
        }
        let response = sender.try_send_request(request).await.map_err(Unsent::from)?;
        let lease = Lease::Http1 { sender, origin: Arc::clone(origin), pool: Arc::clone(&self.inner) };
        Ok(response.map(|incoming| ResponseBody::new(incoming, lease)))
    }
}

async fn send_http2(mut shared: Shared, mut request: Request<RequestBody>) -> Result<Response<ResponseBody>, Unsent> {
    // HTTP/2 carries the authority in its own pseudo-header, made from an absolute URI.
    absolute(&mut request);
    let count = StreamCount::take(&shared.streams);
    if let Err(error) = shared.sender.ready().await {
        return Err(Unsent { error, request: Some(Box::new(request)) });
    }
    let response = shared.sender.try_send_request(request).await.map_err(Unsent::from)?;
    Ok(response.map(|incoming| ResponseBody::new(incoming, Lease::Http2(count))))
}

fn absolute(request: &mut Request<RequestBody>) {
    let Some(host) = request.headers_mut().remove(http::header::HOST) else { return };
    let path = request.uri().path_and_query().cloned();
    let built = http::Uri::builder()
        .scheme("https")
        .authority(host.as_bytes())
        .path_and_query(path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")))
        .build();
    if let Ok(uri) = built {
        *request.uri_mut() = uri;
    }
}

/// A failure, with the request if it is certain that nothing of it was written.
struct Unsent {
    error: hyper::Error,
    request: Option<Box<Request<RequestBody>>>,
}

impl From<hyper::client::conn::TrySendError<Request<RequestBody>>> for Unsent {
    fn from(mut error: hyper::client::conn::TrySendError<Request<RequestBody>>) -> Self {
        let request = error.take_message().map(Box::new);
        Self { error: error.into_error(), request }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
