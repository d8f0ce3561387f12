//! Stage two: who calls.
//!
//! A key is accepted in every header the three families' clients use, and in `?key=`. Only its SHA-256 is ever
//! compared. Without any configured key the listener is on loopback and needs none; then a web page must not be able
//! to spend the user's money through his own browser, so the `Host` must be loopback and a foreign `Origin` is refused.

use crate::call::{Call, Caller};
use crate::headers;
use crate::snapshot::Snapshot;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};
use sluicegate_vocabulary::{Fault, FaultKind, Priority};
use std::borrow::Cow;
use std::sync::Arc;

/// Finds the caller of a call.
///
/// # Errors
/// No key, a wrong key, a key without the right to the endpoint, a priority that is none, a cross-site request.
pub(crate) fn authenticate(call: &Call, snapshot: &Snapshot) -> Result<Caller, Fault> {
    let asked = asked_priority(&call.parts.headers)?;
    if snapshot.keys.is_empty() {
        if !snapshot.server.open {
            same_machine(&call.parts)?;
        }
        let highest = snapshot.limits.priority(call.endpoint).unwrap_or_default();
        return Ok(Caller { key: None, priority: asked.map_or(highest, |asked| asked.min(highest)) });
    }
    let presented = presented(&call.parts).ok_or_else(|| {
        Fault::new(
            FaultKind::Unauthenticated,
            "No key was sent. Send a key of this relay as Authorization: Bearer, x-api-key, x-goog-api-key or api-key.",
        )
    })?;
    let key = snapshot.keys.find(presented.trim()).ok_or_else(|| {
        Fault::new(
            FaultKind::Unauthenticated,
            "The key is not known here. Use a key of this relay, not a provider's; its operator can make one.",
        )
    })?;
    let highest = snapshot.limits.priority(call.endpoint).map_or(key.priority, |own| own.min(key.priority));
    let priority = asked.map_or(highest, |asked| asked.min(highest));
    Ok(Caller { key: Some(Arc::clone(key)), priority })
}

fn asked_priority(headers: &HeaderMap) -> Result<Option<Priority>, Fault> {
    let Some(value) = headers.get(&headers::X_PRIORITY) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| {
        Fault::new(FaultKind::BadRequest, "X-Priority must be critical, high, normal or low.").param("X-Priority")
    })
}

/// The key as the client sent it, wherever it sent it.
fn presented(parts: &Parts) -> Option<Cow<'_, str>> {
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(text) = header(&AUTHORIZATION) {
        let text = text.trim();
        let bearer = text.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "));
        return Some(Cow::Borrowed(bearer.map_or(text, |(_, key)| key)));
    }
    [&headers::X_API_KEY, &headers::X_GOOG_API_KEY, &headers::API_KEY]
        .into_iter()
        .find_map(header)
        .map(Cow::Borrowed)
        .or_else(|| query_key(&parts.uri).map(Cow::Owned))
}

fn query_key(uri: &Uri) -> Option<String> {
    let value = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    Some(value.replace("%20", " ").replace('+', " "))
}

/// Refuses what a page in the user's browser could send without his knowing.
fn same_machine(parts: &Parts) -> Result<(), Fault> {
    let host = parts.uri.host().or_else(|| parts.headers.get(HOST)?.to_str().ok());
    if !host.is_some_and(is_loopback) {
        return Err(Fault::new(
            FaultKind::Forbidden,
            "Without configured keys this relay answers only to a loopback Host such as 127.0.0.1 or localhost. \
             Configure keys to call it by another name.",
        ));
    }
    let origin = parts.headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    let foreign = origin.is_some_and(|origin| !origin.split_once("://").is_some_and(|(_, host)| is_loopback(host)));
    let cross_site = parts.headers.get(&headers::SEC_FETCH_SITE).is_some_and(|value| value == "cross-site");
    if foreign || cross_site {
        return Err(Fault::new(
            FaultKind::Forbidden,
            "A web page from elsewhere may not call a relay that has no keys. Configure keys to allow it.",
        ));
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
