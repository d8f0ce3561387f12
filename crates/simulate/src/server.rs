//! The HTTP server.
//!
//! hyper directly, HTTP/1.1 and HTTP/2 without TLS, on whatever runtime it is started on. It sets no timeouts of its
//! own: it stands on loopback behind the relay, whose timeouts are what is under test.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use sluicegate_vocabulary::Dialect;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::body::{Broken, SimBody};
use crate::call::{Call, Reply, Shared};
use crate::delivery::{self, Pace};
use crate::markers::Orders;
use crate::options::Options;
use crate::prefixes::Prefixes;
use crate::quota::{Allowed, Levels, Quota};
use crate::refusal::{Outcome, Refusal, overloaded};
use crate::route::{self, Route, Routed};
use crate::rules::{self, Rules, Settings};
use crate::seed::{self, Digest};
use crate::stats::{Counters, InFlight, Stats};
use crate::{anthropic, gemini, openai};

/// The longest request body, in bytes.
const LARGEST: usize = 64 << 20;

const SIMULATED: HeaderName = HeaderName::from_static("x-sluicegate-simulated");

/// A simulated provider. Clones share counters, quotas and memory.
#[derive(Clone)]
pub struct Simulator {
    shared: Arc<Shared>,
}

/// A simulator running on its own task; it stops, with every connection, when this is dropped.
pub struct Handle {
    simulator: Simulator,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

/// Serves a simulated provider on `listener` until `shutdown` is ready; then every connection is closed at once.
///
/// # Errors
/// If the listener cannot be used.
pub async fn serve(listener: TcpListener, options: Options, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    Simulator::new(options).serve(listener, shutdown).await
}

impl Simulator {
    /// A simulator that serves nowhere yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let quota = Quota::new(allowed_by(&options, &Settings::default()));
        Self {
            shared: Arc::new(Shared {
                options,
                counters: Arc::new(Counters::default()),
                rules: Rules::default(),
                quota: Mutex::new(quota),
                prefixes: Mutex::new(Prefixes::default()),
                responses: Mutex::new(openai::Stored::default()),
                started: std::time::Instant::now(),
            }),
        }
    }

    /// Starts a simulator on a free loopback port of the current tokio runtime.
    ///
    /// # Errors
    /// If no port can be opened.
    pub fn start(options: Options) -> io::Result<(SocketAddr, Handle)> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let simulator = Self::new(options);
        let serving = simulator.clone();
        let task = tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        Ok((address, Handle { simulator, task }))
    }

    /// Serves on `listener` until `shutdown` is ready; then every connection is closed at once. Several loops may
    /// serve the same simulator.
    ///
    /// # Errors
    /// If the listener cannot be used. A connection that fails is nobody's error.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(Arc::clone(&self.shared), stream));
                    }
                    // Out of file descriptors, most likely: give others time to close theirs.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
                Some(_) = connections.join_next() => {}
                () = &mut shutdown => return Ok(()),
            }
        }
    }

    /// What this simulator has seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// Puts these faults and limits in the place of those that were ordered before.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence. Then nothing has changed.
    pub fn order(&self, settings: Settings) -> Result<(), String> {
        let shared = &self.shared;
        let allowed = allowed_by(&shared.options, &settings);
        shared.rules.set(settings.rules)?;
        shared.quota.lock().set(allowed, shared.started.elapsed());
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// What was ordered goes before what it was set up with.
fn allowed_by(options: &Options, settings: &Settings) -> Allowed {
    Allowed {
        requests_per_minute: settings.requests_per_minute.or(options.requests_per_minute),
        tokens_per_minute: settings.tokens_per_minute.or(options.tokens_per_minute),
        concurrency: settings.concurrency.or(options.concurrency),
    }
}

impl Handle {
    /// What the simulator has seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.simulator.stats()
    }

    /// Puts these faults and limits in the place of those that were ordered before.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence. Then nothing has changed.
    pub fn order(&self, settings: Settings) -> Result<(), String> {
        self.simulator.order(settings)
    }

    /// How many calls each of the rules in force has struck, in their order.
    #[must_use]
    pub fn struck(&self) -> Vec<u64> {
        self.simulator.shared.rules.struck()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Without it a paced stream would be held back by Nagle's algorithm; where it is refused, so be it.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok().map(|peer| peer.ip());
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { io: TokioIo::new(stream), reset: Arc::clone(&reset) };
    let service = service_fn(move |request| respond(Arc::clone(&shared), Arc::clone(&reset), peer, request));
    // An error here is a client that left or a connection broken off on purpose.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(socket, service).await;
}

async fn respond(
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    peer: Option<IpAddr>,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Broken> {
    let (head, body) = request.into_parts();
    let query = head.uri.query();
    let Routed { route, dialect, deployment } = route::route(&head.method, head.uri.path(), query, &head.headers);
    if route == Route::Requests {
        return Ok(counters(&shared));
    }
    if route == Route::Faults {
        return faults(&Simulator { shared: Arc::clone(&shared) }, peer, &head, body).await;
    }
    let mut in_flight = shared.counters.enter();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(413, "Request body is too large.")),
        Err(_) => return Err(Broken),
    };
    let serial = in_flight.serial;
    let request_id = seed::id("req_", Digest::new(shared.options.seed).with(serial), 24);
    let empty = Bytes::new();
    let key = credential(&head.headers, query);
    let mut call = Call {
        shared: &shared,
        method: &head.method,
        path: head.uri.path_and_query().map_or("", |path| path.as_str()),
        headers: &head.headers,
        body: body.as_ref().unwrap_or(&empty),
        dialect,
        serial,
        key: key.as_deref(),
        account: account(key.as_deref()),
        orders: Orders::default(),
        levels: Levels::default(),
        permit: None,
        cached: (0, 0),
    };
    let outcome = match body.clone().and_then(|_| admitted(&shared, dialect, &head.headers, key.as_deref())) {
        Ok(()) => answer(&mut call, route, deployment.as_deref(), query),
        Err(refusal) => Err(refusal),
    };
    let Call { orders, levels, permit, .. } = call;
    in_flight.permit = permit;
    let pace = Pace {
        ttft: orders.ttft.unwrap_or(shared.options.ttft),
        tps: orders.tps.unwrap_or(shared.options.tokens_per_second),
    };
    let mut late = shared.options.latency.saturating_add(orders.slow_headers.unwrap_or_default());
    if let Ok(Reply::Json(_, tokens)) = &outcome {
        late = late.saturating_add(if *tokens > 0 { pace.whole(*tokens) } else { Duration::ZERO });
    }
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    if orders.reset == Some(0) {
        in_flight.done();
        reset.store(true, Relaxed);
        return Err(Broken);
    }
    let mut response = deliver(outcome, &orders, pace, dialect, &request_id, in_flight, reset);
    stamp(response.headers_mut(), dialect, &request_id);
    if levels != Levels::default() {
        levels.write(dialect, crate::call::unix_now() * 1000, response.headers_mut());
    }
    Ok(response)
}

/// Hands the call to the module of its format.
fn answer(call: &mut Call<'_>, route: Route<'_>, deployment: Option<&str>, query: Option<&str>) -> Outcome<Reply> {
    // Without the query, which may hold a key.
    let place = call.path.split('?').next().unwrap_or_default();
    match route {
        Route::Chat => openai::chat::handle(call, deployment),
        Route::Completions => openai::completions::handle(call, deployment),
        Route::Responses => openai::responses::handle(call),
        Route::Response(id) => openai::responses::stored(call, id),
        Route::ResponseTokens => openai::responses::count(call),
        Route::Embeddings => openai::embeddings::handle(call, deployment),
        Route::Images => openai::images::handle(call, deployment),
        Route::Moderations => openai::moderations::handle(call),
        Route::Messages => anthropic::messages(call),
        Route::CountTokens => anthropic::count_tokens(call),
        Route::Gemini(model, verb) => gemini::handle(call, &model, verb, query),
        Route::Models => Ok(Reply::json(&match call.dialect {
            Dialect::OpenAi => openai::models::list(call),
            Dialect::Anthropic => anthropic::models(call),
            Dialect::Gemini => gemini::models(call),
        })),
        Route::Model(id) => openai::models::one(call, &id),
        Route::WrongMethod => Err(Refusal::new(405, format!("Not allowed to {} on {place}.", call.method))),
        Route::Requests | Route::Faults | Route::Unknown => Err(match call.dialect {
            Dialect::OpenAi => Refusal::new(404, format!("Invalid URL ({} {place})", call.method)),
            Dialect::Anthropic => Refusal::new(404, "Not Found"),
            Dialect::Gemini => Refusal::new(404, "The requested URL was not found on this server."),
        }),
    }
}

fn deliver(
    outcome: Outcome<Reply>,
    orders: &Orders,
    pace: Pace,
    dialect: Dialect,
    request_id: &str,
    mut in_flight: InFlight,
    reset: Arc<AtomicBool>,
) -> Response<SimBody> {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(refusal) => {
            in_flight.done();
            return refused(&refusal, dialect, request_id);
        }
    };
    if orders.redirect {
        in_flight.done();
        let mut response = Response::new(SimBody::whole(Bytes::new()));
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("http://127.0.0.1:9/elsewhere"));
        return response;
    }
    let mut response = match reply {
        Reply::Json(body, _) => {
            let body = if orders.error_in_stream.is_some() {
                Refusal::usual(overloaded(dialect), dialect).body(dialect, request_id).to_string().into_bytes()
            } else {
                body
            };
            let mut response = if delivery::needs_steps(orders) {
                let (steps, length) = delivery::whole(body, orders);
                let mut response = Response::new(SimBody::steps(steps, in_flight, reset));
                if let Some(length) = length {
                    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
                response
            } else {
                in_flight.done();
                Response::new(SimBody::whole(Bytes::from(body)))
            };
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Reply::Events(script) => {
            let kind = if script.sse { "text/event-stream; charset=utf-8" } else { "application/json" };
            let steps = delivery::stream(script, orders, pace, request_id);
            let mut response = Response::new(SimBody::steps(steps, in_flight, reset));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
    };
    if orders.page {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    }
    if let Some(kind) = &orders.content_type {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    if orders.gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn refused(refusal: &Refusal, dialect: Dialect, request_id: &str) -> Response<SimBody> {
    let (body, kind) = if refusal.page {
        (delivery::PAGE.to_owned(), "text/html")
    } else {
        (refusal.body(dialect, request_id).to_string(), "application/json")
    };
    let mut response = Response::new(SimBody::whole(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(wait) = refusal.retry_after.filter(|_| dialect != Dialect::Gemini) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
        if dialect == Dialect::OpenAi {
            headers.insert("retry-after-ms", HeaderValue::from(wait.as_millis() as u64));
        }
    }
    response
}

/// The headers that every answer of a provider has.
fn stamp(headers: &mut HeaderMap, dialect: Dialect, request_id: &str) {
    let id = HeaderValue::try_from(request_id).unwrap_or(HeaderValue::from_static("req_simulated"));
    headers.insert(SIMULATED, HeaderValue::from_static("true"));
    match dialect {
        Dialect::OpenAi => {
            headers.insert("x-request-id", id);
            headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
            headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
            headers.insert("openai-organization", HeaderValue::from_static("simulated"));
        }
        Dialect::Anthropic => {
            headers.insert("request-id", id);
            headers.insert("anthropic-organization-id", HeaderValue::from_static("simulated"));
        }
        Dialect::Gemini => {
            headers.insert("server-timing", HeaderValue::from_static("gfet4t7; dur=1"));
        }
    }
}

/// The key that a request brings, in any of the forms in use.
fn credential(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let bearer = || text("authorization")?.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    text("x-api-key")
        .or_else(|| text("x-goog-api-key"))
        .or_else(|| text("api-key"))
        .or_else(|| bearer().map(|(_, key)| key.trim()))
        .map(str::to_owned)
        .or_else(|| {
            query.and_then(|query| route::query_value(query, "key")).map(|key| route::decoded(key).into_owned())
        })
}

fn account(key: Option<&str>) -> u64 {
    let mut digest = Digest::new(0);
    digest.absorb(key.unwrap_or_default().as_bytes());
    digest.value()
}

/// Refuses a request whose key or version header is not right.
fn admitted(shared: &Shared, dialect: Dialect, headers: &HeaderMap, key: Option<&str>) -> Outcome<()> {
    if let Some(wanted) = &shared.options.require_key
        && key != Some(wanted.as_str())
    {
        return Err(match (dialect, key) {
            (Dialect::OpenAi, None) => Refusal::new(
                401,
                "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                 Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            ),
            (Dialect::Anthropic, None) => Refusal::new(401, "x-api-key header is required"),
            (Dialect::Gemini, None) => Refusal::new(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key \
                 or other form of API consumer identity to call this API.",
            ),
            (_, Some(_)) => Refusal::bad_key(dialect),
        });
    }
    if dialect == Dialect::Anthropic && !headers.contains_key("anthropic-version") {
        return Err(Refusal::bad("anthropic-version: header is required"));
    }
    Ok(())
}

fn counters(shared: &Shared) -> Response<SimBody> {
    let Stats { requests, in_flight, cancelled } = shared.counters.read();
    let body = serde_json::json!({ "requests": requests, "in_flight": in_flight, "cancelled": cancelled });
    let mut response = Response::new(SimBody::whole(Bytes::from(body.to_string())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Tells or changes the faults that are ordered.
async fn faults(
    simulator: &Simulator,
    peer: Option<IpAddr>,
    head: &http::request::Parts,
    body: Incoming,
) -> Result<Response<SimBody>, Broken> {
    let shared = &simulator.shared;
    let done = if !shared.options.control || !rules::may_order(peer, &head.headers) {
        Err((
            StatusCode::FORBIDDEN,
            "faults are ordered from this machine only, and only where it is allowed".to_owned(),
        ))
    } else {
        match head.method {
            Method::GET => Ok(()),
            Method::DELETE => simulator.order(Settings::default()).map_err(|wrong| (StatusCode::BAD_REQUEST, wrong)),
            Method::POST => {
                let body = Limited::new(body, LARGEST).collect().await.map_err(|_| Broken)?.to_bytes();
                let settings = serde_json::from_slice::<Settings>(&body).map_err(|error| error.to_string());
                settings.and_then(|it| simulator.order(it)).map_err(|wrong| (StatusCode::BAD_REQUEST, wrong))
            }
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE".to_owned())),
        }
    };
    let (status, body) = match done {
        Ok(()) => (StatusCode::OK, serde_json::json!({ "rules": shared.rules.told() })),
        Err((status, wrong)) => (status, serde_json::json!({ "error": wrong })),
    };
    let mut response = Response::new(SimBody::whole(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A connection that can be made to end with a TCP reset.
struct Socket {
    io: TokioIo<TcpStream>,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Relaxed) {
            // Closing a socket that lingers for no time sends RST instead of FIN.
            let _ = self.io.inner().set_zero_linger();
        }
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An orderly end would reach the peer before the reset does.
        if self.reset.load(Relaxed) { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_shutdown(cx) }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
