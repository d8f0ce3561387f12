//! Stage two: who calls.
//!
//! A key is accepted in every header the three families' clients use, and in `?key=`. Only its SHA-256 is ever
//! compared. The keys of the configuration are looked for first, then those that were made at run time; one of these
//! that nobody has come with lately is made ready first, and then the call waits for that. Without any key the listener is on loopback and needs none; then a web page must not be able
//! to spend the user's money through his own browser, so the `Host` must be loopback and a foreign `Origin` is refused.

use crate::books::now_ms;
use crate::call::{Call, Caller};
use crate::keys::{self, Entry, Look};
use crate::server::Worker;
use crate::snapshot::{Key, Snapshot};
use crate::{headers, surface};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};
use sha2::{Digest as _, Sha256};
use sluicegate_vocabulary::{Endpoint, Fault, FaultKind, Priority};
use std::borrow::Cow;
use std::sync::Arc;

/// Who calls, as far as that is known at once.
pub(crate) enum Who {
    /// Somebody known.
    Known(Caller),
    /// Somebody whose key has to be made ready first.
    Asleep(Asleep),
}

/// A caller whose key has to be made ready.
pub(crate) struct Asleep {
    entry: Arc<Entry>,
    asked: Option<Priority>,
    endpoint: Endpoint,
}

/// Finds the caller of a call.
///
/// # Errors
/// No key, a wrong key, a key without the right to the endpoint, a priority that is none, a cross-site request.
pub(crate) fn authenticate(call: &Call, worker: &Worker, snapshot: &Snapshot) -> Result<Who, Fault> {
    let asked = asked_priority(&call.parts.headers)?;
    let (ring, table) = (&snapshot.keys, worker.shared.keys.table());
    // Where the last key was taken away nobody else becomes welcome by that.
    if ring.is_empty() && table.is_empty() && (snapshot.server.open || !snapshot.server.reachable) {
        if !snapshot.server.open {
            same_machine(&call.parts)?;
        }
        let highest = snapshot.limits.priority(call.endpoint).unwrap_or_default();
        return Ok(Who::Known(Caller {
            key: None,
            priority: asked.map_or(highest, |asked| asked.min(highest)),
            mode: snapshot.mode,
            live: Arc::clone(&ring.anonymous),
            limits: ring.anonymous_number,
        }));
    }
    let mut why =
        "No key was sent. Send a key of this relay as Authorization: Bearer, x-api-key, x-goog-api-key or api-key.";
    for presented in presented(&call.parts) {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        if let Some(key) = ring.find(&digest) {
            return caller(Arc::clone(key), asked, call.endpoint, snapshot).map(Who::Known);
        }
        why = match table.look(&digest, now_ms, snapshot.revision) {
            Look::Ready(key) => return caller(key, asked, call.endpoint, snapshot).map(Who::Known),
            Look::Asleep(entry) => return Ok(Who::Asleep(Asleep { entry, asked, endpoint: call.endpoint })),
            Look::Disabled => "This key is switched off. The relay's operator can switch it on again.",
            Look::Expired => "This key has expired. The relay's operator can prolong it or make another.",
            Look::Unknown => {
                "The key is not known here. Use a key of this relay, not a provider's; its operator can make one."
            }
        };
    }
    Err(Fault::new(FaultKind::Unauthenticated, why))
}

impl Asleep {
    /// Makes the key ready.
    ///
    /// # Errors
    /// It cannot be used, or has no right to the endpoint.
    pub(crate) async fn wake(self, worker: &Worker, snapshot: &Arc<Snapshot>) -> Result<Caller, Fault> {
        let key = keys::wake(&worker.shared, snapshot, self.entry).await?;
        caller(key, self.asked, self.endpoint, snapshot)
    }
}

fn caller(key: Arc<Key>, asked: Option<Priority>, endpoint: Endpoint, snapshot: &Snapshot) -> Result<Caller, Fault> {
    if !key.may_call(endpoint) {
        let message = format!("The key {} may not call {}.", key.name, endpoint.path());
        return Err(Fault::new(FaultKind::Forbidden, message).refused_by(format!("key:{}:endpoints", key.name)));
    }
    let highest = snapshot.limits.priority(endpoint).map_or(key.priority, |own| own.min(key.priority));
    let priority = asked.map_or(highest, |asked| asked.min(highest));
    let (mode, live, limits) = (key.mode, Arc::clone(&key.live), key.number);
    Ok(Caller { key: Some(key), priority, mode, live, limits })
}

fn asked_priority(headers: &HeaderMap) -> Result<Option<Priority>, Fault> {
    let Some(value) = headers.get(&headers::X_PRIORITY) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| {
        Fault::new(FaultKind::BadRequest, "X-Priority must be critical, high, normal or low.").param("X-Priority")
    })
}

/// Every key the client sent, wherever it sent it. Some clients fill `Authorization` with a placeholder of their own and
/// say the key elsewhere, so one that is empty or unknown does not hide the next.
fn presented(parts: &Parts) -> impl Iterator<Item = Cow<'_, str>> {
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = header(&AUTHORIZATION).map(|text| {
        let text = text.trim();
        let scheme = text.split_at_checked(6).filter(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case("bearer") && (rest.is_empty() || rest.starts_with([' ', '\t']))
        });
        scheme.map_or(text, |(_, key)| key)
    });
    let others = [&headers::X_API_KEY, &headers::X_GOOG_API_KEY, &headers::API_KEY].into_iter().filter_map(header);
    bearer
        .into_iter()
        .chain(others)
        .map(|text| Cow::Borrowed(text.trim()))
        .chain(query_key(&parts.uri).map(Cow::Owned))
        .filter(|key| !key.is_empty())
}

fn query_key(uri: &Uri) -> Option<String> {
    let pair = uri.query()?.split('&').find(|pair| surface::is_key(pair))?;
    let (_, value) = pair.split_once('=')?;
    surface::decode(&value.replace('+', " ")).map(|key| key.trim().to_owned())
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
