//! A kept answer in the form in which it is wanted.
//!
//! What was kept in that form goes out as it is. Otherwise it goes through the neutral form, in which the joined steps
//! of a stream say what the whole answer says.

use super::kept::{Entry, Form};
use crate::array::Array;
use crate::attempt::as_stream;
use crate::call::Request;
use crate::headers;
use crate::record::Record;
use crate::reply::{Content, Reply};
use crate::snapshot::Candidate;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use sluicegate_vocabulary::{Endpoint, UsageSource};
use sluicegate_wire::translate::{self, Context};

/// Whether the client of a stream sees what was used; it does unless its format leaves that to its wish.
pub(super) fn shows_usage(request: &Request) -> bool {
    request.head.include_usage || !matches!(request.endpoint, Endpoint::ChatCompletions | Endpoint::Completions)
}

/// The answer to a request that was found; `None` where it cannot be made from what was kept.
pub(super) fn reply(entry: &Entry, request: &Request, candidate: &Candidate, record: &Record) -> Option<Reply> {
    let mut out = HeaderMap::with_capacity(4);
    let bytes = if request.stream {
        let events = events(entry, request, candidate, record)?;
        out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        out.insert(&headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        if request.wants_array() {
            out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            in_an_array(&events)
        } else {
            out.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            events
        }
    } else {
        let kind =
            if entry.form == Form::Whole { entry.kind.clone() } else { HeaderValue::from_static("application/json") };
        out.insert(CONTENT_TYPE, kind);
        whole(entry, request, candidate, record)?
    };
    if let Some(dropped) = &entry.dropped {
        out.insert(&headers::X_SLUICEGATE_DROPPED, dropped.clone());
    }
    Some(Reply { status: StatusCode::OK, headers: out, content: Content::Whole(bytes) })
}

fn whole(entry: &Entry, request: &Request, candidate: &Candidate, record: &Record) -> Option<Bytes> {
    match entry.form {
        Form::Whole => Some(entry.bytes.clone()),
        Form::Stream { .. } => {
            let used = (entry.usage.source != UsageSource::None).then_some(entry.usage);
            let context = context(request, candidate, record)?;
            let whole = translate::whole_of_stream(&entry.bytes, &context, used).ok()?;
            Some(whole.body.into())
        }
    }
}

fn events(entry: &Entry, request: &Request, candidate: &Candidate, record: &Record) -> Option<Bytes> {
    match entry.form {
        Form::Stream { usage_shown } if usage_shown == shows_usage(request) => Some(entry.bytes.clone()),
        _ => {
            let whole = whole(entry, request, candidate, record)?;
            let (events, _) = as_stream(&whole, context(request, candidate, record)?).ok()?;
            Some(events)
        }
    }
}

fn context(request: &Request, candidate: &Candidate, record: &Record) -> Option<Context> {
    let format = request.endpoint.format()?;
    let now_s = record.arrived_ms() / 1000;
    Some(Context::unchanged(format, &candidate.model, request.head.include_usage, now_s, record.id().as_str()))
}

fn in_an_array(events: &[u8]) -> Bytes {
    let mut array = Array::new();
    let mut all = array.push(events).to_vec();
    all.extend_from_slice(&array.finish());
    all.into()
}
