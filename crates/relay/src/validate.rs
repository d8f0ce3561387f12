//! Stage three: what is asked.
//!
//! The body is read within its limits of size and time, and looked into once without being parsed into a document.
//! A body that arrives in one piece, as nearly all do, is not copied.

use crate::call::{Call, PathTarget, Request};
use crate::record::Record;
use crate::snapshot::Snapshot;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sluicegate_vocabulary::{Endpoint, Fault, FaultKind};
use sluicegate_wire::peek::{Head, peek};

/// Reads and checks the body of a call.
///
/// # Errors
/// A body too large, too slow, of a type or encoding we do not read, or that is not what its endpoint takes.
pub(crate) async fn validate(call: Call, snapshot: &Snapshot, record: &mut Record) -> Result<Request, Fault> {
    let Call { endpoint, dialect, deadline, parts, body, target } = call;
    let limit = snapshot.server.max_body;
    let header = |name| parts.headers.get(&name).and_then(|value| value.to_str().ok());
    if header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    if endpoint != Endpoint::Passthrough {
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(Fault::new(
                FaultKind::UnsupportedMedia,
                format!("A request body in {encoding} is not read; send it without content-encoding."),
            ));
        }
        if header(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("multipart/")) {
            return Err(Fault::new(FaultKind::UnsupportedMedia, "This endpoint takes JSON, not multipart/form-data."));
        }
    }
    let body = match tokio::time::timeout(snapshot.server.body_read_timeout, read(body, limit)).await {
        Ok(body) => body?,
        Err(_) => {
            return Err(Fault::new(
                FaultKind::RequestTimeout,
                format!("The request body did not arrive within {} s.", snapshot.server.body_read_timeout.as_secs()),
            ));
        }
    };
    record.received(body.len());
    let head = match endpoint {
        Endpoint::Models | Endpoint::Passthrough => Head::default(),
        _ => peek(&body, endpoint, snapshot.server.max_depth)?,
    };
    let stream = match endpoint {
        Endpoint::GenerateStream => true,
        Endpoint::Generate => false,
        _ => head.stream,
    };
    let request = Request { endpoint, dialect, deadline, parts, target, body, head, stream };
    let model = match &request.target {
        PathTarget::Provider { name, .. } => Some(std::borrow::Cow::Borrowed(name.as_str())),
        _ => request.model(),
    };
    record.asked(model.as_deref().unwrap_or_default(), stream);
    Ok(request)
}

fn too_large(limit: usize) -> Fault {
    Fault::new(FaultKind::BodyTooLarge, format!("The request body is over the limit of {limit} bytes."))
}

async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Fault::new(FaultKind::BadRequest, format!("The request body broke off: {}.", plain(&error)))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let held = rest.as_ref().map_or(first.len(), BytesMut::len);
        if held + data.len() > limit {
            return Err(too_large(limit));
        }
        match &mut rest {
            None if first.is_empty() => first = data,
            None => {
                let hint = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit);
                let mut all = BytesMut::with_capacity(first.len() + data.len() + hint);
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                rest = Some(all);
            }
            Some(all) => all.extend_from_slice(&data),
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

fn plain(error: &hyper::Error) -> &'static str {
    if error.is_incomplete_message() || error.is_body_write_aborted() {
        "the connection closed before its end"
    } else {
        "its framing is not valid HTTP"
    }
}
