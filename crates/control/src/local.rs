//! Requests that a worker handed over, answered by a router.
//!
//! A router is a tower service, so the same pages stand behind this channel, behind `server.admin_listen` and in tests.
//! Each request is a task with a time limit: a page that takes long keeps nobody else from being answered.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use sluicegate_relay::{LocalReceiver, LocalRequest};
use std::time::Duration;
use tower_service::Service as _;

/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest page, in bytes.
const LARGEST: usize = 64 << 20;

/// Answers requests from the workers until they are gone.
pub async fn serve_local(mut requests: LocalReceiver, router: Router) {
    while let Some(LocalRequest { request, answer }) = requests.recv().await {
        let router = router.clone();
        tokio::spawn(async move {
            let response = tokio::time::timeout(LIMIT, respond(router, request)).await;
            let response = response.unwrap_or_else(|_| plain(StatusCode::GATEWAY_TIMEOUT, "this page took too long\n"));
            // Whoever asked may have gone away.
            let _ = answer.send(response);
        });
    }
}

async fn respond(mut router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let response = match router.call(request.map(Body::from)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    match axum::body::to_bytes(body, LARGEST).await {
        Ok(body) => Response::from_parts(head, body),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}
