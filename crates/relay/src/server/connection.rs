//! One client connection: TLS, the HTTP version, and each request to where it belongs.

use super::{Worker, local};
use crate::pipeline::{self, Arrival};
use crate::record::Record;
use crate::reply::{ReplyBody, refuse};
use crate::surface::{self, Surface};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How HTTP/2 connections begin.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Serves a connection until it ends.
pub(crate) async fn serve(worker: &Arc<Worker>, stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match &worker.shared.tls {
        None => {
            let http2 = worker.shared.rules.http2 && speaks_http2(&stream).await;
            exchange(worker, stream, http2).await;
        }
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                exchange(worker, stream, http2).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// Looks at the first bytes without taking them.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut first = [0; 24];
    let peeked = tokio::time::timeout(HANDSHAKE_LIMIT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(n)) if n >= 4 && PREFACE.starts_with(first.get(..n).unwrap_or_default()))
}

async fn exchange<T>(worker: &Arc<Worker>, stream: T, use_http2: bool)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let rules = &worker.shared.rules;
    let owner = Arc::clone(worker);
    let service = service_fn(move |request| {
        let worker = Arc::clone(&owner);
        // Boxed, so that a connection whose answer is streaming does not keep the room that finding the answer took.
        Box::pin(async move { Ok::<_, Infallible>(respond(&worker, request).await) })
    });
    let closing = worker.shared.closing.clone();
    let ended = if use_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(rules.max_header_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(1024)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(rules.header_read_timeout)
            .half_close(false)
            .max_header_size(rules.max_header_bytes);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client connection ended");
    }
}

/// Sends a request where it belongs.
async fn respond(worker: &Arc<Worker>, request: Request<Incoming>) -> Response<ReplyBody> {
    let version = request.version();
    let (parts, body) = request.into_parts();
    let (surface, methods) = surface::look_up(parts.uri.path());
    let mut response = match surface {
        Surface::Endpoint(endpoint, target) => {
            pipeline::answer(worker, Arrival { parts, body, endpoint, target, methods }).await
        }
        Surface::Live => health(true),
        Surface::Ready => health(!worker.shared.is_draining()),
        Surface::Local if methods.contains(&parts.method) => local::forward(&worker.shared.local, parts, body).await,
        Surface::Local | Surface::Unknown => unknown(worker, parts.uri.path(), &parts.method, &parts.headers),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(method) = methods.first()
    {
        response.headers_mut().insert(
            http::header::ALLOW,
            HeaderValue::from_str(method.as_str()).unwrap_or(HeaderValue::from_static("POST")),
        );
    }
    if worker.shared.is_draining() && version == Version::HTTP_11 {
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
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

fn unknown(worker: &Arc<Worker>, path: &str, method: &Method, headers: &HeaderMap) -> Response<ReplyBody> {
    let snapshot = worker.shared.snapshot.load();
    let mut record = Record::open(worker, &snapshot, headers);
    record.speaks(surface::guess_dialect(path, headers));
    let shown: String = path.chars().take(200).collect();
    let fault = Fault::new(
        FaultKind::UnknownPath,
        format!(
            "{method} {shown} is not served here. OpenAI clients want base_url ending in /v1, Anthropic clients the \
             address without a path, Gemini clients the same."
        ),
    );
    refuse(&fault, record)
}
