//! Stage three: what is asked.
//!
//! The body is read within its limits of size and time, and looked into once without being parsed into a document.
//! A body that arrives in one piece, as nearly all do, is not copied.

use crate::attempt::{deadline_passed, stopping};
use crate::budget::Share;
use crate::call::{Call, PathTarget, Request};
use crate::drain::discard;
use crate::inbound::{BrokenOff, Inbound};
use crate::record::Record;
use crate::server::Worker;
use crate::snapshot::Snapshot;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;
use sluicegate_vocabulary::{Endpoint, Fault, FaultKind};
use sluicegate_wire::peek::{Head, peek};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Reads and checks the body of a call.
///
/// # Errors
/// A body too large, too slow, of a type or encoding we do not read, or that is not what its endpoint takes.
pub(crate) async fn validate(
    call: Call,
    worker: &Worker,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Request, Fault> {
    let Call { endpoint, dialect, deadline, client_timeout, parts, body, target } = call;
    let limit = snapshot.server.max_body;
    let header = |name| parts.headers.get(&name).and_then(|value| value.to_str().ok());
    if header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(discard(body, too_large(limit)).await);
    }
    if endpoint != Endpoint::Passthrough {
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            let fault = Fault::new(
                FaultKind::UnsupportedMedia,
                format!("A request body in {encoding} is not read; send it without content-encoding."),
            );
            return Err(discard(body, fault).await);
        }
        if header(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("multipart/")) {
            let fault = Fault::new(FaultKind::UnsupportedMedia, "This endpoint takes JSON, not multipart/form-data.");
            return Err(discard(body, fault).await);
        }
    }
    let patience = snapshot.server.body_read_timeout;
    let mut share = Share::new(&worker.shared.bodies);
    let body = {
        let mut reading = pin!(read(body, limit, &mut share));
        // Nearly every body is here already, and then no time need be measured.
        let read = match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
            Poll::Ready(read) => read,
            Poll::Pending => {
                let left = deadline.map_or(patience, |at| patience.min(at.saturating_duration_since(Instant::now())));
                tokio::select! {
                    biased;
                    read = reading => read,
                    () = tokio::time::sleep(left) => {
                        return Err(if left < patience { deadline_passed() } else { too_slow(patience) });
                    }
                    () = worker.stop.cancelled() => return Err(*stopping().fault),
                }
            }
        };
        match read {
            Ok(body) => body,
            Err(unread) => {
                if unread.left {
                    record.left();
                }
                return Err(unread.fault);
            }
        }
    };
    record.received(body.len());
    let head = match endpoint {
        Endpoint::Passthrough => Head::default(),
        own if own.is_own() => Head::default(),
        _ => peek(&body, endpoint, snapshot.server.max_depth)?,
    };
    let stream = match endpoint {
        Endpoint::GenerateStream => true,
        Endpoint::Generate => false,
        _ => head.stream,
    };
    let request = Request { endpoint, dialect, deadline, client_timeout, parts, target, body, share, head, stream };
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

fn too_slow(patience: Duration) -> Fault {
    let message = format!("The request body did not arrive within {} s.", patience.as_secs());
    Fault::new(FaultKind::RequestTimeout, message)
}

/// A body that could not be read whole.
struct Unread {
    fault: Fault,
    /// Because the client went away.
    left: bool,
}

async fn read(mut body: Inbound, limit: usize, share: &mut Share) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let fault = Fault::new(FaultKind::BadRequest, format!("The request body broke off: {error}."));
            Unread { fault, left: matches!(error, BrokenOff::Gone) }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let held = rest.as_ref().map_or(first.len(), BytesMut::len);
        if held + data.len() > limit {
            return Err(Unread { fault: too_large(limit), left: false });
        }
        if !share.take(data.len()) {
            let fault =
                Fault::new(FaultKind::Overloaded, "The relay holds as many request bodies as it can; try again.");
            return Err(Unread { fault: fault.retry_after_ms(1000), left: false });
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
