//! Stage one: what arrived, before its body is read.
//!
//! The body is left unread here so that the next stage can turn a stranger away without having listened to 32 MiB of
//! him first.

use crate::call::{Call, PathTarget};
use crate::headers;
use crate::inbound::Inbound;
use crate::record::Record;
use crate::snapshot::Snapshot;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use sluicegate_vocabulary::{Dialect, Endpoint, Fault, FaultKind};
use std::time::{Duration, Instant};

/// Makes a [`Call`] of a request to a provider's endpoint.
///
/// # Errors
/// A method the path does not take, a URL over the limit, contradictory headers, an endpoint switched off.
pub(crate) fn accept(
    parts: Box<Parts>,
    body: Inbound,
    endpoint: Endpoint,
    target: PathTarget,
    methods: &[Method],
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Call, Box<Refused>> {
    let dialect = dialect_of(endpoint, &parts);
    record.begin(endpoint, dialect);
    let refusal = check(&parts, endpoint, methods, snapshot);
    let deadline = match refusal.map_or_else(|| deadline(&parts.headers, record.arrived()), Err) {
        Ok(deadline) => deadline,
        Err(fault) => return Err(Box::new(Refused { fault, body })),
    };
    let client_timeout = client_timeout(&parts.headers);
    Ok(Call { endpoint, dialect, deadline, client_timeout, parts, body, target })
}

/// A fault found before the body was read, with that body.
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    pub(crate) body: Inbound,
}

fn dialect_of(endpoint: Endpoint, parts: &Parts) -> Dialect {
    match endpoint {
        own if own.is_own() => crate::surface::guess_dialect(parts.uri.path(), &parts.headers),
        _ => endpoint.dialect(),
    }
}

fn check(parts: &Parts, endpoint: Endpoint, methods: &[Method], snapshot: &Snapshot) -> Option<Fault> {
    if !methods.is_empty() && !methods.contains(&parts.method) {
        return Some(wrong_method(&parts.method, methods));
    }
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > snapshot.server.max_url {
        return Some(Fault::new(
            FaultKind::UrlTooLong,
            format!("The URL has {length} bytes; at most {} are read.", snapshot.server.max_url),
        ));
    }
    if snapshot.server.disabled.contains(endpoint) {
        return Some(Fault::new(
            FaultKind::Forbidden,
            format!("The endpoint {} is switched off here (server.disabled_endpoints).", endpoint.path()),
        ));
    }
    if parts.headers.keys_len() == parts.headers.len() {
        // Nothing is said twice.
        return None;
    }
    SINGLE.iter().find_map(|name| {
        let mut values = parts.headers.get_all(*name).iter();
        values.next()?;
        values
            .next()
            .map(|_| Fault::new(FaultKind::BadRequest, format!("The header {name} is given twice; send it once.")))
    })
}

/// What must not be said twice, because someone on the way may believe the first and someone else the last.
static SINGLE: [&HeaderName; 6] =
    [&HOST, &CONTENT_LENGTH, &AUTHORIZATION, &headers::X_API_KEY, &headers::X_GOOG_API_KEY, &headers::API_KEY];

/// The fault of a method that the path does not take.
pub(crate) fn wrong_method(method: &Method, methods: &[Method]) -> Fault {
    let wanted = methods.first().map_or("POST", Method::as_str);
    Fault::new(FaultKind::MethodNotAllowed, format!("{method} is not a method of this path; use {wanted}."))
}

/// How long the client's SDK waits, as OpenAI's and Anthropic's tell it: seconds, perhaps with a fraction.
fn client_timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("x-stainless-timeout")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero())
}

/// `X-Deadline-Ms`, counted from arrival.
fn deadline(headers: &HeaderMap, arrived: Instant) -> Result<Option<Instant>, Fault> {
    let Some(value) = headers.get(&headers::X_DEADLINE_MS) else { return Ok(None) };
    let ms: Option<u64> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match ms {
        Some(ms) if (1..=86_400_000).contains(&ms) => Ok(arrived.checked_add(Duration::from_millis(ms))),
        _ => Err(Fault::new(
            FaultKind::BadRequest,
            "X-Deadline-Ms must be a whole number of milliseconds from 1 to 86400000 (a day).",
        )
        .param("X-Deadline-Ms")),
    }
}
