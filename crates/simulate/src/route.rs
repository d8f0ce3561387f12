//! Which endpoint a path means.
//!
//! The prefixes under which providers hang the same endpoints (`/v1`, `/v1beta`, `/openai/v1`, `/api/v1`, `/anthropic`,
//! Azure's deployments) are all taken off first, so one simulator can stand for any of them.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use sluicegate_vocabulary::Dialect;

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route<'a> {
    Chat,
    Completions,
    Responses,
    /// `GET` or `DELETE` of a stored response.
    Response(&'a str),
    ResponseTokens,
    Embeddings,
    Images,
    Moderations,
    Messages,
    CountTokens,
    Gemini(Cow<'a, str>, Verb),
    Models,
    Model(Cow<'a, str>),
    /// The simulator's own counters.
    Requests,
    /// The faults it is ordered to have.
    Faults,
    /// A known path with a method it does not have.
    WrongMethod,
    Unknown,
}

/// What is asked of a Gemini model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Generate,
    Stream,
    CountTokens,
    Embed,
    BatchEmbed,
}

/// A routed request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Routed<'a> {
    pub(crate) route: Route<'a>,
    pub(crate) dialect: Dialect,
    /// The model that the path names (Azure's deployments).
    pub(crate) deployment: Option<Cow<'a, str>>,
}

const PREFIXES: &[&str] = &["v1", "v1beta", "openai", "anthropic", "api"];

const POSTS: &[(&str, Route<'static>)] = &[
    ("chat/completions", Route::Chat),
    ("completions", Route::Completions),
    ("responses", Route::Responses),
    ("responses/input_tokens", Route::ResponseTokens),
    ("embeddings", Route::Embeddings),
    ("images/generations", Route::Images),
    ("moderations", Route::Moderations),
    ("messages", Route::Messages),
    ("messages/count_tokens", Route::CountTokens),
];

const VERBS: &[(&str, Verb)] = &[
    ("generateContent", Verb::Generate),
    ("streamGenerateContent", Verb::Stream),
    ("countTokens", Verb::CountTokens),
    ("embedContent", Verb::Embed),
    ("batchEmbedContents", Verb::BatchEmbed),
];

/// Finds the endpoint of `path`, and whose manners an answer shall have.
pub(crate) fn route<'a>(method: &Method, path: &'a str, query: Option<&str>, headers: &HeaderMap) -> Routed<'a> {
    let mut rest = path.trim_matches('/');
    let mut deployment = None;
    loop {
        match rest.split_once('/') {
            Some((segment, tail)) if PREFIXES.contains(&segment) => rest = tail,
            Some(("deployments", tail)) => match tail.split_once('/') {
                Some((name, tail)) => {
                    deployment = Some(decoded(name));
                    rest = tail;
                }
                None => break,
            },
            _ => break,
        }
    }
    let route = endpoint(method, rest);
    let dialect = match &route {
        Route::Messages | Route::CountTokens => Dialect::Anthropic,
        Route::Gemini(..) => Dialect::Gemini,
        Route::Models | Route::Model(_) | Route::Unknown | Route::WrongMethod => family(rest, path, query, headers),
        _ => Dialect::OpenAi,
    };
    Routed { route, dialect, deployment }
}

fn endpoint<'a>(method: &Method, rest: &'a str) -> Route<'a> {
    if let Some((_, route)) = POSTS.iter().find(|(known, _)| *known == rest) {
        return if method == Method::POST { route.clone() } else { Route::WrongMethod };
    }
    if rest == "sim/requests" {
        return Route::Requests;
    }
    if rest == "_simulate/faults" {
        return Route::Faults;
    }
    if rest == "models" {
        return if method == Method::GET { Route::Models } else { Route::WrongMethod };
    }
    if let Some(id) = rest.strip_prefix("responses/") {
        let known = !id.contains('/') && (method == Method::GET || method == Method::DELETE);
        return if known { Route::Response(id) } else { Route::Unknown };
    }
    if let Some(name) = rest.strip_prefix("models/") {
        if method == Method::GET {
            return Route::Model(decoded(name));
        }
        let Some((model, verb)) = name.rsplit_once(':') else { return Route::WrongMethod };
        let verb = VERBS.iter().find(|(known, _)| *known == verb);
        return verb.map_or(Route::Unknown, |(_, verb)| Route::Gemini(decoded(model), *verb));
    }
    Route::Unknown
}

/// The dialect of a path that several share: by what the client brings along.
fn family(rest: &str, path: &str, query: Option<&str>, headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") || rest.starts_with("messages") {
        return Dialect::Anthropic;
    }
    let google = headers.contains_key("x-goog-api-key")
        || headers.contains_key("x-goog-api-client")
        || query.is_some_and(|query| query_value(query, "key").is_some())
        || (path.starts_with("/v1beta/") && !path.contains("/openai/"));
    if google { Dialect::Gemini } else { Dialect::OpenAi }
}

/// The value of `name` in a query string, as it stands there.
pub(crate) fn query_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// `text` with `%2F` and its like decoded; left alone where it is not valid.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
