//! The connections of one worker, and sending a request on one of them.
//!
//! [`Connections`] says which connection a request goes on. An HTTP/1 connection is on loan while a response is read
//! from it and comes back with the body's end; an HTTP/2 connection counts the stream until then.
//!
//! A provider may close an idle connection in the very moment we write to it. A connection whose end the kernel has
//! reported is never taken; when the first write fails nevertheless, with nothing of it taken, the request is sent
//! again on another connection, without that counting as an attempt. A request that may have reached the provider is
//! never sent again from here, but where HTTP/2 says for certain that it was not looked at, the error says so.

use crate::body::{RequestBody, ResponseBody};
use crate::connect::{Connector, Sender};
use crate::connections::{Connection, Connections, Limited, Load, StreamCount, Turn};
use crate::destination::{Destination, Spoken};
use crate::error::{Stage, UpstreamError};
use crate::fields::Fields;
use crate::http1::{self, Transport};
use crate::origin::Scheme;
use crate::places::{Given, Next, Place, Places};
use crate::proxy::ProxyError;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, StatusCode, Uri};
use hyper::client::conn::http2;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// An answer whose head is here.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub fields: Fields,
    /// Its body, with the connection that it comes from.
    pub body: ResponseBody,
}

/// A destination and the connections there. A call holds on to it, so that a connection on loan knows where it belongs.
#[derive(Debug)]
pub(crate) struct Site {
    destination: Arc<Destination>,
    connections: Mutex<Connections>,
    limited: Option<Limited>,
}

/// The upstream connections of one worker.
#[derive(Debug, Clone)]
pub struct Pool {
    connector: Arc<Connector>,
    sites: Arc<Mutex<HashMap<Arc<Destination>, Arc<Site>>>>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, sites: Arc::default() }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// Says where it failed. The destination's settings bound the waiting for a connection and the opening of one, and
    /// where they say so the whole; how long an answer may be in coming is the caller's to bound.
    pub fn send(
        &self,
        destination: &Arc<Destination>,
        request: impl Into<Box<Request<RequestBody>>>,
    ) -> impl Future<Output = Result<Answer, UpstreamError>> + Send {
        // One future and no other around it: each would have the answer copied once more.
        self.send_to(self.site(destination), destination.settings().total_timeout, request.into())
    }

    async fn send_to(
        &self,
        site: Arc<Site>,
        limit: Option<Duration>,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<Answer, UpstreamError> {
        if let Some(limit) = limit {
            return self.send_within(limit, site, request).await;
        }
        loop {
            let taken = site.take();
            let (connection, reused) = match taken {
                Ok(connection) => (connection, true),
                // Boxed: a TLS handshake's state is a hundred times larger than all else that a call waits for, and would
                // be carried along by every call.
                Err(turn) => Box::pin(site.obtain(&self.connector, turn)).await?,
            };
            let sent = match connection {
                // Pinned where they are, as they are large to move.
                Connection::Http1(connection) => pin!(send_http1(&site, connection, request)).await,
                Connection::Http2(sender, count) => {
                    Box::pin(send_http2(site.destination.origin().scheme, sender, count, *request)).await
                }
            };
            match sent {
                Ok(answer) if site.is_refused_by_proxy(answer.status) => return Err(site.refused_by_proxy()),
                Ok(answer) => return Ok(answer),
                Err(Unsent { request: Some(unsent), .. }) if reused => request = unsent,
                Err(Unsent { error, request }) => {
                    let untouched = request.is_some() || is_refused_untouched(&*error);
                    return Err(UpstreamError::Failed { stage: Stage::Exchange, untouched, source: error });
                }
            }
        }
    }

    /// Sends a request whose answer has to be at its end in time.
    fn send_within(
        &self,
        limit: Duration,
        site: Arc<Site>,
        request: Box<Request<RequestBody>>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, UpstreamError>> + Send + '_>> {
        Box::pin(async move {
            let mut timer = Box::pin(tokio::time::sleep(limit));
            tokio::select! {
                biased;
                sent = self.send_to(site, None, request) => {
                    let Answer { status, fields, body } = sent?;
                    Ok(Answer { status, fields, body: body.within(limit, timer) })
                }
                () = &mut timer => Err(UpstreamError::Timeout { stage: Stage::Total, after: limit }),
            }
        })
    }

    /// Closes what has been idle too long. Call it now and then.
    pub fn sweep(&self, now: Instant) {
        self.sites.lock().retain(|_, site| {
            let kept = site.connections.lock().sweep(now, site.destination.settings());
            // A call under way gives its connection back to the site it has.
            kept || Arc::strong_count(site) > 1
        });
    }

    fn site(&self, destination: &Arc<Destination>) -> Arc<Site> {
        let mut sites = self.sites.lock();
        if let Some(site) = sites.get(destination) {
            return Arc::clone(site);
        }
        let site = Site::new(destination, self.connector.places(destination));
        Arc::clone(sites.entry(Arc::clone(destination)).or_insert(site))
    }
}

impl Site {
    pub(crate) fn new(destination: &Arc<Destination>, places: Option<Arc<Places>>) -> Arc<Self> {
        Arc::new_cyclic(|site| {
            if let Some(places) = &places {
                places.join(Weak::clone(site));
            }
            Self {
                destination: Arc::clone(destination),
                connections: Mutex::default(),
                limited: places.map(|places| Limited { places, site: Weak::clone(site) }),
            }
        })
    }

    /// A connection to use, or what to do for want of one.
    fn take(&self) -> Result<Connection, Turn> {
        let mut connections = self.connections.lock();
        let found = connections.find(&self.destination, Instant::now(), self.limited.as_ref());
        found.ok_or_else(|| connections.turn(&self.destination))
    }

    fn find(&self) -> Option<Connection> {
        self.connections.lock().find(&self.destination, Instant::now(), self.limited.as_ref())
    }

    /// Takes an HTTP/1 connection back whose request and answer are over.
    pub(crate) fn give_back(&self, mut connection: Transport) {
        // Locked before anybody who waits is looked for, so that nobody lines up in between and finds nothing idle.
        let mut connections = self.connections.lock();
        let connection = match &self.limited {
            None => Some(connection),
            // Its place goes to the first in the line, and so does the connection if it could be used again.
            Some(_) if connection.expires() <= Instant::now() || !connection.is_quiet() => None,
            Some(Limited { places, site }) => match places.pass(site, connection) {
                (Next::Goes, _) => None,
                (_, back) => back,
            },
        };
        if let Some(connection) = connection {
            connections.give_back(connection, self.destination.settings());
        }
    }

    /// Whether a proxy that does not know us has answered in place of the provider.
    fn is_refused_by_proxy(&self, status: StatusCode) -> bool {
        status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && self.destination.forward().is_some()
    }

    #[cold]
    fn refused_by_proxy(&self) -> UpstreamError {
        let proxy = self.destination.proxy().map(ToString::to_string).unwrap_or_default();
        UpstreamError::failed(Stage::Proxy, format!("the proxy {proxy}: {}", ProxyError::Unauthorized))
    }

    /// Lets no more streams go to a connection.
    pub(crate) fn retire(&self, load: &Arc<Mutex<Load>>) {
        self.connections.lock().retire(load);
    }

    /// Closes a connection that nothing is on, and says whether there was one.
    fn close_idle(&self) -> bool {
        self.connections.lock().close_idle()
    }

    /// A connection where none was free, and whether it has been used before.
    async fn obtain(&self, connector: &Connector, turn: Turn) -> Result<(Connection, bool), UpstreamError> {
        let settings = self.destination.settings();
        // Where connections are limited, also whoever opens one for others may have to wait first.
        let (stage, limit) = match self.limited {
            None => (Stage::Connect, settings.connect_timeout),
            Some(_) => (Stage::Wait, settings.wait_timeout),
        };
        let waited = tokio::time::timeout(limit, self.wait(turn)).await;
        let (turn, place) = match waited.map_err(|_| UpstreamError::Timeout { stage, after: limit })? {
            Ok(connection) => return Ok((connection, true)),
            Err(leave) => leave,
        };
        let mut stage = Stage::Resolve;
        let limit = settings.connect_timeout;
        let opened = tokio::time::timeout(limit, connector.open(&self.destination, place, &mut stage)).await;
        let connection = match opened.unwrap_or(Err(UpstreamError::Timeout { stage, after: limit })) {
            Ok(Sender::Http1(connection)) => {
                self.destination.speaks(Spoken::Http1);
                Connection::Http1(connection)
            }
            Ok(Sender::Http2(sender)) => {
                self.destination.speaks(Spoken::Http2);
                self.connections.lock().share(sender, Instant::now(), self.limited.as_ref())
            }
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

    /// Waits for a connection, or for leave to open one.
    async fn wait(&self, mut turn: Turn) -> Result<Connection, (Turn, Option<Place>)> {
        while let Turn::Wait(mut failed) = turn {
            turn = match failed.changed().await {
                Ok(()) => Turn::Alone,
                Err(_) => match self.take() {
                    Ok(connection) => return Ok(connection),
                    Err(turn) => turn,
                },
            };
        }
        let Some(Limited { places, site }) = &self.limited else { return Err((turn, None)) };
        let mut arrival = None;
        loop {
            let mut line = match places.enter(site, arrival) {
                Ok(place) => return Err((turn, Some(place))),
                Err(line) => line,
            };
            arrival = Some(line.arrival());
            // What came free before is told to nobody who came after.
            if let Some(connection) = self.find() {
                return Ok(connection);
            }
            // Whichever worker has one that is idle, its place comes to the first in the line.
            let _ = places.others(site).iter().any(|other| other.close_idle());
            match line.given().await {
                Given::Place(place) => return Err((turn, Some(place))),
                Given::Connection(connection) => return Ok(Connection::Http1(connection)),
                Given::Look => {
                    if let Some(connection) = self.find() {
                        return Ok(connection);
                    }
                }
            }
        }
    }
}

async fn send_http1(
    site: &Arc<Site>,
    connection: Transport,
    request: Box<Request<RequestBody>>,
) -> Result<Answer, Unsent> {
    let (head, incoming) = pin!(http1::exchange(connection, site.destination.forward(), request)).await?;
    Ok(Answer { status: head.status, fields: head.fields, body: ResponseBody::http1(incoming, site) })
}

async fn send_http2(
    scheme: Scheme,
    mut sender: http2::SendRequest<RequestBody>,
    count: StreamCount,
    mut request: Request<RequestBody>,
) -> Result<Answer, Unsent> {
    let relative = make_absolute(&mut request, scheme);
    let sent = match sender.ready().await {
        Ok(()) => sender.try_send_request(request).await.map_err(Unsent::from),
        Err(error) => Err(Unsent { error: error.into(), request: Some(Box::new(request)) }),
    };
    match sent {
        Ok(response) => {
            let (head, incoming) = response.into_parts();
            let body = ResponseBody::http2(incoming, count);
            Ok(Answer { status: head.status, fields: head.headers.into(), body })
        }
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

/// Whether HTTP/2 has said that the provider did nothing with the request: its stream was refused, or came after the
/// last one that a provider which closes the connection in good order still looks at.
fn is_refused_untouched(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut layers = std::iter::successors(Some(error), |error| error.source());
    layers.find_map(|error| error.downcast_ref::<h2::Error>()).is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let too_late = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (refused || too_late)
    })
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "pool_reach_tests.rs"]
mod reach_tests;

#[cfg(test)]
#[path = "pool_limit_tests.rs"]
mod limit_tests;
