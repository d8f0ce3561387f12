//! Requests that no provider answers: handed to the control runtime.

use crate::inbound::Inbound;
use crate::reply::ReplyBody;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use sluicegate_vocabulary::{Dialect, Fault, FaultKind};
use sluicegate_wire::error;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the control runtime.
const WAITING: usize = 256;
/// The largest body of such a request, in bytes.
const MAX_BODY: usize = 1 << 20;

/// How long such a body may take to arrive.
const LONGEST: Duration = Duration::from_secs(10);

/// A request for the control runtime, and where its answer goes.
#[derive(Debug)]
pub struct LocalRequest {
    /// The request, its body read.
    pub request: Request<Bytes>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Response<Bytes>>,
}

/// The control runtime's end of the channel.
pub type LocalReceiver = mpsc::Receiver<LocalRequest>;

pub(crate) fn channel() -> (mpsc::Sender<LocalRequest>, LocalReceiver) {
    mpsc::channel(WAITING)
}

/// Hands a request over and waits for its answer.
pub(crate) async fn forward(sender: &mpsc::Sender<LocalRequest>, parts: Parts, body: Inbound) -> Response<ReplyBody> {
    let read = tokio::time::timeout(LONGEST, Limited::new(body, MAX_BODY).collect()).await;
    let Ok(Ok(body)) = read else {
        return plain(&Fault::new(FaultKind::BodyTooLarge, "The request body is too large, too slow or broke off."));
    };
    let (answer, answered) = oneshot::channel();
    let request = LocalRequest { request: Request::from_parts(parts, body.to_bytes()), answer };
    if sender.try_send(request).is_err() {
        return plain(&Fault::new(FaultKind::Overloaded, "Too many administrative requests at once; try again."));
    }
    match answered.await {
        Ok(response) => response.map(ReplyBody::plain),
        Err(_) => plain(&Fault::new(FaultKind::Overloaded, "The relay is shutting down.")),
    }
}

/// A fault outside of any call, in OpenAI's shape.
pub(crate) fn plain(fault: &Fault) -> Response<ReplyBody> {
    let rendered = error::render(fault, Dialect::OpenAi, "");
    let mut response = Response::new(ReplyBody::plain(rendered.body));
    *response.status_mut() = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
