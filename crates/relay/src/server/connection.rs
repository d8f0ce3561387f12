//! One client connection: TLS, the HTTP version, and each request to where it belongs.

use super::answering::Answering;
use super::tls::Acceptor;
use super::{Worker, local};
use crate::inbound::Inbound;
use crate::pipeline::Arrival;
use crate::record::Record;
use crate::reply::{ReplyBody, refuse};
use crate::surface::{self, Surface};
use crate::{accept, http1};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sluicegate_vocabulary::{Fault, FaultKind};
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How HTTP/2 connections begin.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Silence after which the system asks whether the client is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long a client may leave what was sent to it unread.
const NOT_READING: Duration = Duration::from_secs(120);

/// Serves a connection until it ends. Everything but plain HTTP/1 is boxed: of its connections there are many, and they
/// need not keep room for the other kinds.
pub(crate) async fn serve(worker: &Arc<Worker>, stream: TcpStream) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a client's connection cannot be set up");
        return;
    }
    if let Some(acceptor) = &worker.shared.tls {
        Box::pin(serve_tls(worker, acceptor, stream)).await;
    } else if worker.shared.rules.http2 && Box::pin(speaks_http2(worker, &stream)).await {
        Box::pin(exchange_http2(worker, stream)).await;
    } else {
        http1::serve(worker, stream).await;
    }
}

async fn serve_tls(worker: &Arc<Worker>, acceptor: &Acceptor, stream: TcpStream) {
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream));
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = worker.closing.cancelled() => return,
    };
    match accepted {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            Box::pin(exchange_http2(worker, stream)).await;
        }
        // Boxed once more, to let go of what the handshake needed.
        Ok(Ok(stream)) => Box::pin(http1::serve(worker, stream)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Small writes go out at once, and a client that is gone or no longer reads does not hold its connection for ever.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.set_tcp_user_timeout(Some(NOT_READING))
}

/// Looks at the first bytes without taking them. A connection that is to close before any have come is taken for
/// HTTP/1, whose server then closes it.
async fn speaks_http2(worker: &Worker, stream: &TcpStream) -> bool {
    let mut first = [0; 24];
    let peeked = tokio::select! {
        peeked = tokio::time::timeout(HANDSHAKE_LIMIT, stream.peek(&mut first)) => peeked,
        () = worker.closing.cancelled() => return false,
    };
    matches!(peeked, Ok(Ok(n)) if n >= 4 && PREFACE.starts_with(first.get(..n).unwrap_or_default()))
}

async fn exchange_http2<T>(worker: &Arc<Worker>, stream: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let rules = &worker.shared.rules;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(rules.max_header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service(worker)));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = worker.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    note(ended);
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a client connection ended");
    }
}

fn service(
    worker: &Arc<Worker>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<ReplyBody>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<ReplyBody>, Infallible>> + Send + use<>,
> + use<> {
    let worker = Arc::clone(worker);
    service_fn(move |request| {
        let (parts, body) = request.into_parts();
        let answering = respond(&worker, parts, Inbound::Http2(body));
        async move {
            let (mut parts, body) = answering.await.into_parts();
            body.write_headers(&mut parts.headers);
            Ok(Response::from_parts(parts, body))
        }
    })
}

/// Sends a request where it belongs. The work on an answer lies in a place of its own, so that a connection whose answer is
/// streaming does not keep the room that finding it took.
pub(crate) fn respond(worker: &Arc<Worker>, parts: Parts, body: Inbound) -> Answering {
    let (surface, methods) = surface::look_up(parts.uri.path());
    let response = match surface {
        Surface::Endpoint(endpoint, target) => {
            let arrival = Arrival { parts: Box::new(parts), body, endpoint, target, methods };
            return Answering::call(Arc::clone(worker), arrival);
        }
        Surface::Unknown => outside(worker, &parts, &unknown(&parts)),
        _ if !methods.contains(&parts.method) => outside(worker, &parts, &accept::wrong_method(&parts.method, methods)),
        Surface::Live => health(true),
        Surface::Ready => health(!worker.shared.is_draining()),
        Surface::Local => {
            let worker = Arc::clone(worker);
            return Answering::other(async move {
                let response = local::forward(&worker.shared.local, parts, body).await;
                finish(response, methods)
            });
        }
    };
    Answering::other(std::future::ready(finish(response, methods)))
}

/// What a refused method is told besides.
pub(super) fn finish(mut response: Response<ReplyBody>, methods: &[Method]) -> Response<ReplyBody> {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(method) = methods.first()
    {
        response.headers_mut().insert(
            http::header::ALLOW,
            HeaderValue::from_str(method.as_str()).unwrap_or(HeaderValue::from_static("POST")),
        );
    }
    response
}

fn health(well: bool) -> Response<ReplyBody> {
    let (status, text) = if well { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "draining\n") };
    let mut response = Response::new(ReplyBody::plain(text));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Refuses a request that is to no provider's endpoint, with a receipt as any other.
pub(crate) fn outside(worker: &Arc<Worker>, parts: &Parts, fault: &Fault) -> Response<ReplyBody> {
    let snapshot = worker.shared.snapshot.load();
    let mut record = Record::open(worker, &snapshot, &parts.headers);
    record.speaks(surface::guess_dialect(parts.uri.path(), &parts.headers));
    refuse(fault, record)
}

fn unknown(parts: &Parts) -> Fault {
    let shown: String = parts.uri.path().chars().take(200).collect();
    Fault::new(
        FaultKind::UnknownPath,
        format!(
            "{} {shown} is not served here. OpenAI clients want base_url ending in /v1, Anthropic clients the address \
             without a path, Gemini clients the same.",
            parts.method
        ),
    )
}
