//! A fault made into an answer, or into the last event of a stream.

use super::words;
use crate::sse;
use serde::Serialize;
use sluicegate_vocabulary::{Dialect, Fault, FaultKind, Format, Origin};
use smallvec::SmallVec;

/// Longest wait that official clients obey, in seconds; told a longer one they give up.
const LONGEST_WAIT: u64 = 120;

/// A whole error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// HTTP status.
    pub status: u16,
    /// The body, JSON in the dialect's own shape. The content type is `application/json`.
    pub body: Vec<u8>,
    /// Headers beside the content type and the request id: names in lower case.
    pub headers: SmallVec<[(&'static str, String); 3]>,
}

/// OpenAI's error object.
#[derive(Serialize)]
struct OpenAi<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// Anthropic's error object.
#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'a str,
    message: &'a str,
}

/// Gemini's error object.
#[derive(Serialize)]
struct Gemini<'a> {
    code: u16,
    message: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<[RetryInfo; 1]>,
}

/// Where Gemini's clients look for the time to wait.
#[derive(Serialize)]
struct RetryInfo {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "retryDelay")]
    retry_delay: String,
}

/// What no dialect has a word for. It stands beside the error object, where clients do not look.
#[derive(Serialize)]
struct Ours<'a> {
    origin: Origin,
    kind: FaultKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    retry: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

#[derive(Serialize)]
struct Body<'a, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    error: E,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    sluicegate: Ours<'a>,
}

/// Responses' error event: its documented members, and the nested object by which OpenAI's own clients notice it.
#[derive(Serialize)]
struct ResponsesEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    error: OpenAi<'a>,
    sluicegate: Ours<'a>,
}

fn openai(fault: &Fault) -> OpenAi<'_> {
    let words = words(fault.kind);
    OpenAi {
        message: &fault.message,
        r#type: words.openai_type,
        param: fault.param.as_deref(),
        code: fault.code.as_deref().or(words.openai_code),
    }
}

fn anthropic(fault: &Fault) -> Anthropic<'_> {
    Anthropic { r#type: words(fault.kind).anthropic_type, message: &fault.message }
}

fn gemini(fault: &Fault) -> Gemini<'_> {
    let details = fault.retry_after_ms.map(|ms| {
        let retry_delay = format!("{}s", ms.div_ceil(1000));
        [RetryInfo { kind: "type.googleapis.com/google.rpc.RetryInfo", retry_delay }]
    });
    Gemini {
        code: fault.kind.status(),
        message: &fault.message,
        status: words(fault.kind).gemini_status,
        details: details.filter(|_| fault.kind.retry_helps()),
    }
}

fn ours<'a>(fault: &'a Fault, request_id: &'a str) -> Ours<'a> {
    let refused_by = fault.refused_by.as_deref();
    let (scope, limit) = match refused_by.and_then(|text| text.split_once(':')) {
        Some((scope, limit)) => (Some(scope), Some(limit)),
        None => (None, refused_by),
    };
    Ours {
        origin: fault.origin(),
        kind: fault.kind,
        scope,
        limit,
        retry_after_ms: fault.retry_after_ms,
        retry: should_retry(fault),
        request_id,
    }
}

/// Whether the client's library should try again by itself: it can help, and within the time it would wait.
fn should_retry(fault: &Fault) -> bool {
    fault.kind.retry_helps() && fault.retry_after_ms.is_none_or(|ms| ms <= LONGEST_WAIT * 1000)
}

/// The error answer to this fault for a client of this dialect. An empty `request_id` is left out.
#[must_use]
pub fn render(fault: &Fault, dialect: Dialect, request_id: &str) -> Rendered {
    let status = match dialect {
        Dialect::Anthropic => words(fault.kind).anthropic_status,
        Dialect::OpenAi | Dialect::Gemini => fault.kind.status(),
    };
    let body = match dialect {
        Dialect::OpenAi => body(fault, request_id, None, openai(fault)),
        Dialect::Anthropic => body(fault, request_id, Some("error"), anthropic(fault)),
        Dialect::Gemini => body(fault, request_id, None, gemini(fault)),
    };
    Rendered { status, body, headers: headers(fault) }
}

fn body<E: Serialize>(fault: &Fault, request_id: &str, kind: Option<&'static str>, error: E) -> Vec<u8> {
    let anthropic = kind.is_some() && !request_id.is_empty();
    json(&Body {
        r#type: kind,
        error,
        request_id: anthropic.then_some(request_id),
        sluicegate: ours(fault, request_id),
    })
}

/// Serialising these types cannot fail: they are plain structs with string keys.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// When to come back, and whether at all.
///
/// A wait beyond what clients obey is told as the longest they do, and `x-should-retry` says not to try; the exact
/// time stands in the body.
fn headers(fault: &Fault) -> SmallVec<[(&'static str, String); 3]> {
    let mut headers = SmallVec::new();
    if let Some(ms) = fault.retry_after_ms.filter(|_| fault.kind.retry_helps()) {
        headers.push(("retry-after", ms.div_ceil(1000).clamp(1, LONGEST_WAIT).to_string()));
        if ms <= LONGEST_WAIT * 1000 {
            headers.push(("retry-after-ms", ms.max(1).to_string()));
        }
    }
    headers.push(("x-should-retry", should_retry(fault).to_string()));
    headers
}

/// The event that ends a stream which broke, in this format. Nothing may follow it, no `[DONE]` either.
///
/// `sequence_number` is used in the Responses format only, whose events are numbered from 0: it is the number after
/// the last one sent.
#[must_use]
pub fn stream_event(fault: &Fault, format: Format, request_id: &str, sequence_number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    match format {
        Format::Chat => sse::encode(None, &render(fault, Dialect::OpenAi, request_id).body, &mut out),
        Format::Messages => {
            sse::encode(Some("error"), &render(fault, Dialect::Anthropic, request_id).body, &mut out);
        }
        Format::Generate => sse::encode_gemini(&render(fault, Dialect::Gemini, request_id).body, &mut out),
        Format::Responses => {
            let error = openai(fault);
            let event = ResponsesEvent {
                r#type: "error",
                sequence_number,
                code: error.code,
                message: error.message,
                param: error.param,
                error,
                sluicegate: ours(fault, request_id),
            };
            sse::encode(Some("error"), &json(&event), &mut out);
        }
    }
    out
}
