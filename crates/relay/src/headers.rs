//! Which headers pass.
//!
//! Towards a provider everything passes but what belongs to one connection, to this relay, or to the client's own
//! identity: keys above all, cookies, addresses, and the telemetry that SDKs send about themselves. Towards the client
//! only what describes the answer passes; a provider's limits, ids and infrastructure are not the client's business.

use crate::http1::{Name, name};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate_upstream::Fields;

// Names that http does not know. Kept ready, because looking a header up by text parses the text first.
pub(crate) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(crate) static X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
pub(crate) static API_KEY: HeaderName = HeaderName::from_static("api-key");
pub(crate) static X_DEADLINE_MS: HeaderName = HeaderName::from_static("x-deadline-ms");
pub(crate) static X_PRIORITY: HeaderName = HeaderName::from_static("x-priority");
pub(crate) static X_PROVIDER: HeaderName = HeaderName::from_static("x-provider");
pub(crate) static REQUEST_ID: Name = name!("request-id");
pub(crate) static X_REQUEST_ID: Name = name!("x-request-id");
pub(crate) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
pub(crate) static X_SLUICEGATE_PROVIDER: Name = name!("x-sluicegate-provider");
pub(crate) static X_SLUICEGATE_MODEL: Name = name!("x-sluicegate-model");
pub(crate) static X_SLUICEGATE_ATTEMPTS: Name = name!("x-sluicegate-attempts");
pub(crate) static X_SLUICEGATE_ARM: Name = name!("x-sluicegate-arm");
pub(crate) static X_SLUICEGATE_CONFIG: Name = name!("x-sluicegate-config");
pub(crate) static X_SLUICEGATE_COST_USD: Name = name!("x-sluicegate-cost-usd");
pub(crate) static X_SLUICEGATE_CACHE: Name = name!("x-sluicegate-cache");
pub(crate) static X_SLUICEGATE_CHOICE: Name = name!("x-sluicegate-choice");
pub(crate) static AGE: Name = name!("age");
pub(crate) static X_SLUICEGATE_SIMULATED: Name = name!("x-sluicegate-simulated");
pub(crate) static X_SLUICEGATE_DROPPED: HeaderName = HeaderName::from_static("x-sluicegate-dropped");
pub(crate) static X_SLUICEGATE_ESTIMATED: HeaderName = HeaderName::from_static("x-sluicegate-estimated");
pub(crate) static X_SLUICEGATE_DEGRADED_FROM: Name = name!("x-sluicegate-degraded-from");
pub(crate) static X_SLUICEGATE_QUEUE_MS: Name = name!("x-sluicegate-queue-ms");
pub(crate) static X_SLUICEGATE_REFUSED_BY: HeaderName = HeaderName::from_static("x-sluicegate-refused-by");
pub(crate) static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
pub(crate) static OPENAI_PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
pub(crate) static OPENAI_VERSION: HeaderName = HeaderName::from_static("openai-version");

/// The client's headers that go on to a provider; `kind` stands for the client's own content type where it is given.
pub(crate) fn to_provider(client: &HeaderMap, kind: Option<HeaderValue>) -> HeaderMap {
    let named_by_connection = client.get(CONNECTION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Its host, its length and its key stay here, and six of ours come: length, type, encoding, host and key.
    let mut out = HeaderMap::with_capacity(client.len() + 2);
    for (name, value) in client {
        let replaced = kind.is_some() && *name == CONTENT_TYPE;
        if !replaced && !stays_here(name) && !names(named_by_connection, name) {
            out.append(name.clone(), value.clone());
        }
    }
    if let Some(kind) = kind {
        out.insert(CONTENT_TYPE, kind);
    }
    out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    out
}

fn names(connection: &str, name: &HeaderName) -> bool {
    !connection.is_empty() && connection.split(',').any(|token| token.trim().eq_ignore_ascii_case(name.as_str()))
}

fn stays_here(name: &HeaderName) -> bool {
    // Standard names compare as small integers.
    if [HOST, CONTENT_LENGTH, CONNECTION, ACCEPT_ENCODING, AUTHORIZATION].contains(name)
        || [TRANSFER_ENCODING, TE, TRAILER, UPGRADE, EXPECT, COOKIE, ORIGIN, REFERER].contains(name)
        || [FORWARDED, VIA, PROXY_AUTHORIZATION, PROXY_AUTHENTICATE].contains(name)
    {
        return true;
    }
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'x') => {
            matches!(
                name,
                "x-api-key"
                    | "x-goog-api-key"
                    | "x-request-id"
                    | "x-real-ip"
                    | "x-priority"
                    | "x-deadline-ms"
                    | "x-provider"
            ) || ["x-forwarded-", "x-stainless-", "x-sluicegate-"].iter().any(|prefix| name.starts_with(prefix))
        }
        Some(b'a') => name == "api-key",
        // It is about the call to us; each of our tries is one of its own.
        Some(b'i') => name == "idempotency-key",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b'c') => name.starts_with("cf-"),
        Some(b's') => name.starts_with("sec-"),
        Some(b'o') => name == "openai-organization" || name == "openai-project",
        _ => false,
    }
}

/// The provider's headers that go on to the client.
pub(crate) fn to_client(provider: &Fields) -> HeaderMap {
    // Room for those of a stream too: to grow costs more than anything else that is done to a map.
    let mut out = HeaderMap::with_capacity(6);
    for name in [&CONTENT_TYPE, &OPENAI_PROCESSING_MS, &OPENAI_VERSION] {
        if let Some(value) = provider.value(name) {
            out.insert(name, value);
        }
    }
    out
}

/// The provider's headers that go on to the client of a passthrough call: all that belong to the answer itself.
pub(crate) fn to_passthrough_client(provider: &Fields) -> HeaderMap {
    let named_by_connection = provider.text(CONNECTION.as_str()).unwrap_or_default();
    let mut out = HeaderMap::with_capacity(provider.iter().count());
    for (name, value) in provider.iter() {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { continue };
        let private = stays_here(&name) && name != CONTENT_LENGTH
            || matches!(
                name.as_str(),
                "set-cookie" | "server" | "date" | "openai-organization" | "anthropic-organization-id"
            );
        if !private && name != CONTENT_LENGTH && !names(named_by_connection, &name) {
            out.append(name, value);
        }
    }
    out
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
