//! Asking a provider the one question that every provider answers for free: which models it has.
//!
//! It tells whether the provider can be reached and whether it takes a key, and costs nothing. Only a clear refusal counts
//! as one: a key may be allowed to chat and not to list.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use sluicegate_upstream::{Credential, Kind, Pool, Provider, RequestBody};

/// The longest list that is read, in bytes.
const LARGEST: usize = 8 << 20;

/// What a provider answered: its status and body.
///
/// # Errors
/// Why there is no answer, in words.
pub async fn ask_models(
    pool: &Pool,
    provider: &Provider,
    credential: Option<&Credential>,
) -> Result<(StatusCode, Bytes), String> {
    let host = &provider.origin().host;
    let Some(request) = request(provider, credential) else { return Err("it has no list of models".to_owned()) };
    let sent = pool.send(&provider.destination, request).await;
    let response = sent.map_err(|error| format!("{host}: {error}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    Ok((status, body.map_err(|error| format!("{host}: {error}"))?.to_bytes()))
}

fn request(provider: &Provider, credential: Option<&Credential>) -> Option<Request<RequestBody>> {
    let path = provider.models_path()?;
    // Lists come in pages; one large page is enough.
    let path = match provider.kind {
        Kind::Anthropic => format!("{path}?limit=1000"),
        Kind::Gemini => format!("{path}?pageSize=1000"),
        _ => path.to_string(),
    };
    let mut request = Request::get(path).body(RequestBody::default()).ok()?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, provider.host.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if provider.kind == Kind::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    headers.extend(provider.headers.iter().cloned());
    if let Some(credential) = credential {
        let (name, value) = credential.header.clone();
        headers.insert(name, value);
    }
    Some(request)
}

/// Whether an answer says that the key is not taken. A 401 does; so does the 400 that some providers answer to a wrong
/// key. A 403 may only mean that this key may not list.
#[must_use]
pub fn refuses_key(status: StatusCode, body: &[u8]) -> bool {
    const SAID: [&str; 3] = ["API_KEY_INVALID", "Incorrect API key", "invalid_api_key"];
    let text = String::from_utf8_lossy(body);
    status == StatusCode::UNAUTHORIZED
        || (status == StatusCode::BAD_REQUEST && SAID.iter().any(|said| text.contains(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_refusal_of_the_key_is_one() {
        assert!(refuses_key(StatusCode::UNAUTHORIZED, b""));
        assert!(refuses_key(StatusCode::BAD_REQUEST, br#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#));
        assert!(!refuses_key(StatusCode::BAD_REQUEST, b"unknown field"));
        assert!(!refuses_key(StatusCode::FORBIDDEN, b"Incorrect API key"));
        assert!(!refuses_key(StatusCode::TOO_MANY_REQUESTS, b""));
    }
}
