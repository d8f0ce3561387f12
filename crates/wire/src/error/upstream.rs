//! What a provider meant by its error.
//!
//! Providers and what stands before them send objects in three official shapes and many others: `{"detail": ...}`,
//! `{"error": "text"}`, `{"message": ...}`, the object inside an array, a page of HTML, nothing. All are read into one
//! [`Said`]; then the kind is decided by the code, then the type, then a few telling phrases, then the status.
//! A status alone says little: a spent quota is a 429 that no waiting mends, and a wrong key at Gemini is a 400.

use super::scrub;
use crate::limits::moment::http_date;
use serde_json::Value;
use sluicegate_vocabulary::{Dialect, Fault, FaultKind};
use std::borrow::Cow;

/// Longest text of a provider that is passed on, in bytes.
const MAX_MESSAGE: usize = 2000;
/// Most words of a provider that are kept.
const MAX_WORDS: usize = 16;

/// The headers that bear on an error. Names as in the fields, with hyphens.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamHeaders<'a> {
    /// `retry-after`: seconds, also with a fraction, or an HTTP date.
    pub retry_after: Option<&'a str>,
    /// `retry-after-ms`: milliseconds, also with a fraction. It wins.
    pub retry_after_ms: Option<&'a str>,
    /// `x-should-retry`: `true` or `false`.
    pub should_retry: Option<&'a str>,
    /// `date`: what an HTTP date in `retry-after` is counted from.
    pub date: Option<&'a str>,
}

/// A provider's error, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// What happened.
    pub kind: FaultKind,
    /// The provider's words, scrubbed and bounded. For the operator's log; clients get [`UpstreamError::into_fault`].
    pub message: String,
    /// The provider's code (or Gemini's status word).
    pub code: Option<String>,
    /// The request field at fault.
    pub param: Option<String>,
    /// Every code, type and status word it came with, the most precise first: details, then the code, then the type.
    pub words: Vec<String>,
    /// Milliseconds the provider asks to wait.
    pub retry_after_ms: Option<u64>,
    /// Waiting will not help this credential: its key is refused, its money or its day's quota is spent.
    pub credential_spent: bool,
    /// `x-should-retry`, where the provider said it.
    pub should_retry: Option<bool>,
}

impl UpstreamError {
    /// The fault to tell a client. `provider` is the provider's configured name; it may be empty.
    ///
    /// Faults of the client's making keep the provider's words, code and field. What is between the operator and the
    /// provider (keys, bills) is told as that and no more.
    #[must_use]
    pub fn into_fault(self, provider: &str) -> Fault {
        let provider = if provider.is_empty() { "The provider".into() } else { format!("The provider {provider}") };
        let message = match self.kind {
            FaultKind::UpstreamAuth => {
                format!("{provider} refused the relay's own credential or its bill; only the operator can mend that.")
            }
            _ if self.message.is_empty() => {
                format!("{provider} answered with an error and gave no reason.")
            }
            _ => self.message,
        };
        // Of the codes only those about the request help a client; for the rest it decides by its own dialect's. And
        // Gemini's status words are no codes of anyone else.
        let about_the_request =
            |code: &String| self.kind == FaultKind::BadRequest && code.bytes().any(|byte| byte.is_ascii_lowercase());
        Fault {
            kind: self.kind,
            message: message.into(),
            param: self.param.map(Cow::Owned),
            code: self.code.filter(about_the_request).map(Cow::Owned),
            retry_after_ms: self.retry_after_ms,
            refused_by: None,
            words: self.words.into(),
        }
    }
}

/// What the body says, in whatever shape.
#[derive(Default)]
struct Said {
    message: String,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    /// A status inside the body (Gemini, Azure).
    status: Option<u16>,
    /// More precise codes: Anthropic's `details.error_code`, Gemini's `reason` and quota ids.
    details: Vec<String>,
    retry_delay_ms: Option<u64>,
    /// It was an error object and not a page or a text.
    structured: bool,
}

/// Codes, types and status words that decide, in the spelling of all providers. `spent` is whether waiting cannot
/// help the credential. Words that say nothing beyond the status (`invalid_request_error`) are not here.
const WORDS: &[(&str, FaultKind, bool)] = &[
    ("context_length_exceeded", FaultKind::ContextLength, false),
    ("string_above_max_length", FaultKind::BadRequest, false),
    ("content_filter", FaultKind::BadRequest, false),
    ("content_policy_violation", FaultKind::BadRequest, false),
    ("unsupported_parameter", FaultKind::BadRequest, false),
    ("unsupported_value", FaultKind::BadRequest, false),
    ("invalid_value", FaultKind::BadRequest, false),
    ("model_not_found", FaultKind::UnknownModel, false),
    ("DeploymentNotFound", FaultKind::UnknownModel, false),
    ("invalid_api_key", FaultKind::UpstreamAuth, true),
    ("API_KEY_INVALID", FaultKind::UpstreamAuth, true),
    ("account_deactivated", FaultKind::UpstreamAuth, true),
    ("insufficient_quota", FaultKind::UpstreamAuth, true),
    ("credit_balance_exhausted", FaultKind::UpstreamAuth, true),
    ("organization_spend_limit_exceeded", FaultKind::UpstreamAuth, true),
    ("project_spend_limit_exceeded", FaultKind::UpstreamAuth, true),
    ("organization_usage_limit_exceeded", FaultKind::UpstreamAuth, true),
    ("billing_hard_limit_reached", FaultKind::UpstreamAuth, true),
    ("billing_not_active", FaultKind::UpstreamAuth, true),
    ("enforced_spend_limit_reached", FaultKind::UpstreamAuth, true),
    ("contract_spend_limit_reached", FaultKind::UpstreamAuth, true),
    ("authentication_error", FaultKind::UpstreamAuth, true),
    ("permission_error", FaultKind::UpstreamAuth, true),
    ("billing_error", FaultKind::UpstreamAuth, true),
    ("UNAUTHENTICATED", FaultKind::UpstreamAuth, true),
    ("PERMISSION_DENIED", FaultKind::UpstreamAuth, true),
    ("rate_limit_exceeded", FaultKind::UpstreamRateLimited, false),
    ("slow_down", FaultKind::UpstreamRateLimited, false),
    ("ramp_limit_exceeded", FaultKind::UpstreamRateLimited, false),
    ("rate_limit_error", FaultKind::UpstreamRateLimited, false),
    ("RESOURCE_EXHAUSTED", FaultKind::UpstreamRateLimited, false),
    ("server_is_overloaded", FaultKind::UpstreamOverloaded, false),
    ("overloaded_error", FaultKind::UpstreamOverloaded, false),
    ("service_unavailable_error", FaultKind::UpstreamOverloaded, false),
    ("UNAVAILABLE", FaultKind::UpstreamOverloaded, false),
    ("not_found_error", FaultKind::UnknownModel, false),
    ("NOT_FOUND", FaultKind::UnknownModel, false),
    ("request_too_large", FaultKind::BodyTooLarge, false),
    ("timeout_error", FaultKind::Timeout, false),
    ("DEADLINE_EXCEEDED", FaultKind::Timeout, false),
    ("api_error", FaultKind::UpstreamBroken, false),
    ("server_error", FaultKind::UpstreamBroken, false),
    ("INTERNAL", FaultKind::UpstreamBroken, false),
];

/// Phrases by which messages tell what their codes do not, in lower case. They are asked only of client errors.
const PHRASES: &[(&str, FaultKind, bool)] = &[
    ("prompt is too long", FaultKind::ContextLength, false),
    ("maximum context length", FaultKind::ContextLength, false),
    ("exceeds the maximum number of tokens", FaultKind::ContextLength, false),
    ("exceed context limit", FaultKind::ContextLength, false),
    ("context window", FaultKind::ContextLength, false),
    ("api key not valid", FaultKind::UpstreamAuth, true),
    ("credit balance is too low", FaultKind::UpstreamAuth, true),
];

/// What a status means when nothing more precise was said.
const fn by_status(status: u16) -> (FaultKind, bool) {
    match status {
        401..=403 => (FaultKind::UpstreamAuth, true),
        404 => (FaultKind::UnknownModel, false),
        408 | 504 => (FaultKind::Timeout, false),
        413 => (FaultKind::BodyTooLarge, false),
        424 => (FaultKind::UpstreamBroken, false),
        429 => (FaultKind::UpstreamRateLimited, false),
        400..=498 => (FaultKind::BadRequest, false),
        503 | 529 => (FaultKind::UpstreamOverloaded, false),
        _ => (FaultKind::UpstreamBroken, false),
    }
}

/// Understands an error answer of a provider of this dialect. `status` is its HTTP status; 200 is an error that came
/// with success, as the body of an answer or inside a stream.
#[must_use]
pub fn read_upstream(status: u16, headers: &UpstreamHeaders<'_>, body: &[u8], dialect: Dialect) -> UpstreamError {
    let said = read_body(body);
    let status = if status < 400 { said.status.unwrap_or(status) } else { status };
    let (kind, credential_spent) = decide(status, &said, dialect);
    let message = if said.structured || !said.message.is_empty() {
        bounded(&scrub(&said.message))
    } else if body.trim_ascii().is_empty() {
        format!("The provider answered {status} without a reason.")
    } else {
        format!("The provider answered {status} with a page that is no API error.")
    };
    let words = said.details.iter().chain(&said.code).chain(&said.kind).take(MAX_WORDS);
    UpstreamError {
        kind,
        message,
        words: words.map(|word| bounded(&scrub(word))).collect(),
        code: said.code.map(|code| bounded(&scrub(&code))),
        param: said.param.map(|param| bounded(&scrub(&param))),
        retry_after_ms: retry_after(headers).or(said.retry_delay_ms),
        credential_spent,
        should_retry: match headers.should_retry.map(str::trim) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
    }
}

/// Understands an error event inside a stream of this dialect.
#[must_use]
pub fn read_event(data: &[u8], dialect: Dialect) -> UpstreamError {
    read_upstream(200, &UpstreamHeaders::default(), data, dialect)
}

fn decide(status: u16, said: &Said, dialect: Dialect) -> (FaultKind, bool) {
    // A refused key or bill is that, whatever words it comes with; only OpenAI's 403 may be about the request.
    if matches!(status, 401 | 402) {
        return (FaultKind::UpstreamAuth, true);
    }
    if !said.structured && status == 404 {
        // Not the API's own 404: the address is wrong, and no model name will mend that.
        return (FaultKind::UpstreamBroken, false);
    }
    let codes = said.details.iter().chain(&said.code).chain(&said.kind);
    let mut found = None;
    for code in codes {
        // A quota by the day, or none at all, is not waited for.
        if dialect == Dialect::Gemini && (code.contains("PerDay") || code == "limit: 0") {
            return (FaultKind::UpstreamRateLimited, true);
        }
        let known = WORDS.iter().find(|(word, _, _)| word == code);
        found = found.or(known.map(|&(_, kind, spent)| (kind, spent)));
    }
    // Words of a server's trouble say less than most statuses do: inside a client error (compatible servers mix them),
    // and with a status that says which trouble.
    let client_error = (400..499).contains(&status);
    if let Some((kind, spent)) = found
        && !(kind == FaultKind::UpstreamBroken && (client_error || matches!(status, 503 | 504 | 529)))
    {
        return (kind, spent);
    }
    if client_error || status < 400 {
        let message = said.message.to_ascii_lowercase();
        if let Some(&(_, kind, spent)) = PHRASES.iter().find(|(phrase, _, _)| message.contains(phrase)) {
            return (kind, spent);
        }
    }
    let invalid = [&said.code, &said.kind].into_iter().flatten().any(|word| {
        matches!(word.as_str(), "invalid_request_error" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "invalid_prompt")
    });
    if status < 400 && invalid { (FaultKind::BadRequest, false) } else { by_status(status) }
}

fn read_body(body: &[u8]) -> Said {
    let mut said = Said::default();
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(items)) => {
            if let Some(item) = items.iter().find(|item| item.get("error").is_some()) {
                said.object(item);
            }
        }
        Ok(value) => said.object(&value),
        Err(_) => {
            // A short plain text is an error message; a page of HTML is not.
            if let Ok(text) = std::str::from_utf8(body)
                && !text.contains('<')
                && text.len() <= MAX_MESSAGE
            {
                text.trim().clone_into(&mut said.message);
            }
        }
    }
    said
}

impl Said {
    /// Reads the whole body: the error stands inside or is it.
    fn object(&mut self, body: &Value) {
        // A failed Responses object carries its error one level down.
        let nested = body.get("response").and_then(|response| response.get("error"));
        match body.get("error").filter(|error| !error.is_null()).or(nested) {
            Some(Value::String(text)) => {
                text.clone_into(&mut self.message);
                self.structured = true;
                self.members(body);
            }
            Some(error) => self.members(error),
            None => self.members(body),
        }
    }

    fn members(&mut self, error: &Value) {
        let Value::Object(members) = error else {
            if let Value::String(text) = error {
                text.clone_into(&mut self.message);
            }
            return;
        };
        let word = |name: &str| match members.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        if self.message.is_empty() {
            self.message = word("message").or_else(|| word("Message")).or_else(|| detail(members)).unwrap_or_default();
        }
        self.structured |= !self.message.is_empty() || members.contains_key("code") || members.contains_key("type");
        // Gemini's code is its HTTP status; its word is in `status`. Azure sends its status as a string code.
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let is_status = |status: &u16| (400..600).contains(status);
        self.status = members.get("code").and_then(number).filter(is_status);
        self.code = word("code").filter(|_| self.status.is_none()).or_else(|| word("status"));
        self.kind = word("type").filter(|kind| kind != "error");
        self.param = word("param");
        match members.get("details") {
            Some(Value::Array(details)) => details.iter().for_each(|detail| self.google_detail(detail)),
            Some(Value::Object(details)) => {
                self.details.extend(details.get("error_code").and_then(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        if self.message.contains("limit: 0,") || self.message.ends_with("limit: 0") {
            self.details.push("limit: 0".to_owned());
        }
    }

    /// Reads one entry of Google's `details`.
    fn google_detail(&mut self, detail: &Value) {
        if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
            self.details.push(reason.to_owned());
        }
        if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
            self.retry_delay_ms = delay.strip_suffix('s').and_then(|seconds| milliseconds(seconds, 1000.0));
        }
        for violation in detail.get("violations").and_then(Value::as_array).into_iter().flatten() {
            self.details.extend(violation.get("quotaId").and_then(Value::as_str).map(str::to_owned));
        }
    }
}

/// FastAPI's `detail`: a text, an object with a message, or a list of places and messages.
fn detail(members: &serde_json::Map<String, Value>) -> Option<String> {
    match members.get("detail")? {
        Value::String(text) => Some(text.clone()),
        Value::Object(detail) => detail.get("message").and_then(Value::as_str).map(str::to_owned),
        Value::Array(list) => {
            let first = list.first()?;
            let message = first.get("msg").and_then(Value::as_str)?;
            let place = first.get("loc").and_then(Value::as_array).map(|steps| {
                steps
                    .iter()
                    .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
                    .collect::<Vec<_>>()
            });
            Some(place.map_or_else(|| message.to_owned(), |place| format!("{}: {message}", place.join("."))))
        }
        _ => None,
    }
}

fn bounded(text: &str) -> String {
    let mut text = text.to_owned();
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push_str(" [...]");
    }
    text
}

/// A decimal count of some unit in milliseconds; negative, absurd or no number is `None`.
fn milliseconds(text: &str, unit: f64) -> Option<u64> {
    let value = text.trim().parse::<f64>().ok()? * unit;
    (value.is_finite() && (0.0..1e13).contains(&value)).then(|| value.ceil() as u64)
}

fn retry_after(headers: &UpstreamHeaders<'_>) -> Option<u64> {
    if let Some(ms) = headers.retry_after_ms.and_then(|text| milliseconds(text, 1.0)) {
        return Some(ms);
    }
    let text = headers.retry_after?;
    if let Some(ms) = milliseconds(text, 1000.0) {
        return Some(ms);
    }
    let (then, now) = (http_date(text)?, http_date(headers.date?)?);
    u64::try_from(then - now).ok().map(|seconds| seconds * 1000)
}
