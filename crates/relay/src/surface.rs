//! What each path means.
//!
//! The usual paths are found by one comparison. Anything else is tidied first (double slashes, a repeated version, a
//! slash at the end) and looked up again, so that the small mistakes people make in a base URL do not cost them an
//! afternoon.

use crate::call::PathTarget;
use crate::headers;
use http::{HeaderMap, Method};
use sluicegate_vocabulary::{Dialect, Endpoint};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Surface {
    /// To a provider.
    Endpoint(Endpoint, PathTarget),
    /// `GET /health/live`
    Live,
    /// `GET /health/ready`
    Ready,
    /// To the control runtime: metrics, schema, admin, console.
    Local,
    /// The path is none of ours.
    Unknown,
}

/// What a path means, with the methods it takes.
pub(crate) fn look_up(path: &str) -> (Surface, &'static [Method]) {
    exact(path).unwrap_or_else(|| {
        let tidy = tidy(path);
        exact(&tidy).or_else(|| pattern(&tidy)).unwrap_or((Surface::Unknown, &[]))
    })
}

const POST: &[Method] = &[Method::POST];
const GET: &[Method] = &[Method::GET, Method::HEAD];
const ANY: &[Method] = &[];

fn exact(path: &str) -> Option<(Surface, &'static [Method])> {
    let post = |endpoint| Some((Surface::Endpoint(endpoint, PathTarget::None), POST));
    match path {
        "/v1/chat/completions" | "/chat/completions" => post(Endpoint::ChatCompletions),
        "/v1/messages" | "/messages" => post(Endpoint::Messages),
        "/v1/responses" | "/responses" => post(Endpoint::Responses),
        "/v1/embeddings" | "/embeddings" => post(Endpoint::Embeddings),
        "/v1/completions" | "/completions" => post(Endpoint::Completions),
        "/v1/images/generations" | "/images/generations" => post(Endpoint::Images),
        "/v1/moderations" | "/moderations" => post(Endpoint::Moderations),
        "/v1/messages/count_tokens" | "/messages/count_tokens" => post(Endpoint::CountTokens),
        "/v1/models" | "/models" | "/v1beta/models" => {
            Some((Surface::Endpoint(Endpoint::Models, PathTarget::None), GET))
        }
        "/v1/quota" | "/quota" => Some((Surface::Endpoint(Endpoint::Quota, PathTarget::None), GET)),
        "/v1/key" | "/key" => Some((Surface::Endpoint(Endpoint::Key, PathTarget::None), GET)),
        "/v1/usage" | "/usage" => Some((Surface::Endpoint(Endpoint::Usage, PathTarget::None), GET)),
        "/health/live" => Some((Surface::Live, GET)),
        "/health/ready" => Some((Surface::Ready, GET)),
        "/payments/stripe" | "/payments/wechat" | "/payments/alipay" => Some((Surface::Local, POST)),
        "/metrics" | "/config.schema.json" | "/openapi.json" | "/" => Some((Surface::Local, GET)),
        _ => None,
    }
}

fn pattern(path: &str) -> Option<(Surface, &'static [Method])> {
    if let Some(rest) = path.strip_prefix("/p/") {
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let target = PathTarget::Provider { name: decode(name)?, rest: rest.to_owned() };
        return Some((Surface::Endpoint(Endpoint::Passthrough, target), ANY));
    }
    let below =
        ["/v1beta/models/", "/v1/models/", "/models/"].into_iter().find_map(|prefix| path.strip_prefix(prefix))?;
    if let Some((model, verb)) = below.rsplit_once(':') {
        let endpoint = match verb {
            "generateContent" => Some(Endpoint::Generate),
            "streamGenerateContent" => Some(Endpoint::GenerateStream),
            "countTokens" => Some(Endpoint::GeminiCountTokens),
            "embedContent" => Some(Endpoint::GeminiEmbed),
            "batchEmbedContents" => Some(Endpoint::GeminiBatchEmbed),
            _ => None,
        };
        if let Some(endpoint) = endpoint {
            return Some((Surface::Endpoint(endpoint, PathTarget::Model(decode(model)?)), POST));
        }
    }
    Some((Surface::Endpoint(Endpoint::Models, PathTarget::Model(decode(below)?)), GET))
}

/// One slash for several, none at the end, a version said twice said once. A passthrough path is left as it is after
/// the provider's name.
fn tidy(path: &str) -> String {
    if path.starts_with("/p/") {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    while let [first, second, ..] = parts.as_slice() {
        if first == second && matches!(*first, "v1" | "v1beta") {
            parts.remove(0);
        } else {
            break;
        }
    }
    let mut tidy = String::with_capacity(path.len() + 1);
    for part in parts {
        tidy.push('/');
        tidy.push_str(part);
    }
    tidy
}

/// Whether a `name=value` of a query carries the client's key, however its name is spelled.
pub(crate) fn is_key(pair: &str) -> bool {
    pair.split_once('=').is_some_and(|(name, _)| decode(name).as_deref() == Some("key"))
}

/// Undoes percent-encoding; `None` when the result is empty, is not text or holds a control character.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

/// The dialect an error should have where the path does not tell: by the headers that only one family's clients send.
pub(crate) fn guess_dialect(path: &str, headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else if path.starts_with("/v1beta") || headers.contains_key(&headers::X_GOOG_API_KEY) {
        Dialect::Gemini
    } else {
        Dialect::OpenAi
    }
}

#[cfg(test)]
#[path = "surface_tests.rs"]
mod tests;
