//! What the simulator says when it says no, in each provider's own shape.
//!
//! A refusal is made where the reason is known, with the words of the provider that would have refused; only its
//! frame (which field the type stands in, what a status is called) is a matter of tables here.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_vocabulary::{Dialect, Format};

/// A refused request. Boxed where it travels, because most do not fail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: Cow<'static, str>,
    /// The field that is wrong (OpenAI).
    pub(crate) param: Option<String>,
    /// OpenAI's code, or Gemini's reason.
    pub(crate) code: Option<Cow<'static, str>>,
    /// OpenAI's type where the status alone does not give it.
    pub(crate) kind: Option<&'static str>,
    pub(crate) retry_after: Option<Duration>,
    /// What is more precise than the code: Anthropic's `error_code`, Gemini's quota.
    pub(crate) detail: Option<&'static str>,
    /// It comes from a proxy in between, as a page of HTML.
    pub(crate) page: bool,
}

/// The result of everything that may refuse.
pub(crate) type Outcome<T> = Result<T, Box<Refusal>>;

/// What each status is called: OpenAI's type and code, Anthropic's type, Gemini's status.
const NAMES: &[(u16, &str, Option<&str>, &str, &str)] = &[
    (400, "invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    (401, "invalid_request_error", Some("invalid_api_key"), "authentication_error", "UNAUTHENTICATED"),
    (402, "insufficient_quota", Some("insufficient_quota"), "billing_error", "RESOURCE_EXHAUSTED"),
    (403, "invalid_request_error", None, "permission_error", "PERMISSION_DENIED"),
    (404, "invalid_request_error", None, "not_found_error", "NOT_FOUND"),
    (405, "invalid_request_error", Some("method_not_supported"), "invalid_request_error", "UNIMPLEMENTED"),
    (409, "conflict_error", None, "conflict_error", "ABORTED"),
    (413, "invalid_request_error", None, "request_too_large", "INVALID_ARGUMENT"),
    (422, "invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    (429, "requests", Some("rate_limit_exceeded"), "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (499, "invalid_request_error", None, "invalid_request_error", "CANCELLED"),
    (500, "server_error", None, "api_error", "INTERNAL"),
    (502, "server_error", None, "api_error", "INTERNAL"),
    (503, "service_unavailable_error", Some("server_is_overloaded"), "overloaded_error", "UNAVAILABLE"),
    (504, "server_error", None, "timeout_error", "DEADLINE_EXCEEDED"),
    (529, "service_unavailable_error", Some("server_is_overloaded"), "overloaded_error", "UNAVAILABLE"),
];

/// What the provider says with a status when nothing more is known.
const WORDS: &[(u16, &str, &str, &str)] = &[
    (
        401,
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid x-api-key",
        "Request had invalid authentication credentials.",
    ),
    (
        429,
        "Rate limit reached for requests. Please try again later.",
        "This request would exceed your organization's rate limit. Please try again later.",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    (
        500,
        "The server had an error while processing your request. Sorry about that!",
        "Internal server error",
        "An internal error has occurred. Please retry or report in the developer forum.",
    ),
    (
        503,
        "The server is currently overloaded with other requests. Sorry about that! You can retry your request.",
        "Overloaded",
        "The model is overloaded. Please try again later.",
    ),
    (529, "The server is currently overloaded. Please retry your request.", "Overloaded", "The model is overloaded."),
];

/// The status with which a provider says that it has too much to do.
pub(crate) const fn overloaded(dialect: Dialect) -> u16 {
    match dialect {
        Dialect::Anthropic => 529,
        Dialect::OpenAi | Dialect::Gemini => 503,
    }
}

impl Refusal {
    /// A refusal with a status and the words for it.
    pub(crate) fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self {
            status,
            message: message.into(),
            param: None,
            code: None,
            kind: None,
            retry_after: None,
            detail: None,
            page: false,
        })
    }

    /// A 400.
    pub(crate) fn bad(message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Self::new(400, message)
    }

    /// What the provider itself says with `status`.
    pub(crate) fn usual(status: u16, dialect: Dialect) -> Box<Self> {
        let words = WORDS.iter().find(|(known, ..)| *known == status).map(|(_, o, a, g)| match dialect {
            Dialect::OpenAi => *o,
            Dialect::Anthropic => *a,
            Dialect::Gemini => *g,
        });
        words.map_or_else(
            || Self::new(status, format!("Simulated error with status {status}.")),
            |words| Self::new(status, words),
        )
    }

    /// What the provider says to a key that it does not know, or no longer.
    pub(crate) fn bad_key(dialect: Dialect) -> Box<Self> {
        match dialect {
            Dialect::OpenAi | Dialect::Anthropic => Self::usual(401, dialect),
            Dialect::Gemini => Self::bad("API key not valid. Please pass a valid API key.").code("API_KEY_INVALID"),
        }
    }

    /// What the provider says to more input than its model can read.
    pub(crate) fn too_long(dialect: Dialect) -> Box<Self> {
        match dialect {
            Dialect::OpenAi => Self::bad(
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 200012 tokens. \
                 Please reduce the length of the messages.",
            )
            .param("messages")
            .code("context_length_exceeded"),
            Dialect::Anthropic => Self::bad("prompt is too long: 200012 tokens > 200000 maximum"),
            Dialect::Gemini => {
                Self::bad("The input token count (1200012) exceeds the maximum number of tokens allowed (1048576).")
            }
        }
    }

    pub(crate) fn param(mut self: Box<Self>, param: impl Into<String>) -> Box<Self> {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn code(mut self: Box<Self>, code: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.code = Some(code.into());
        self
    }

    fn names(&self) -> (&'static str, Option<&'static str>, &'static str, &'static str) {
        let by_class = if self.status < 500 { 400 } else { 500 };
        NAMES
            .iter()
            .find(|(status, ..)| *status == self.status)
            .or_else(|| NAMES.iter().find(|(status, ..)| *status == by_class))
            .map_or(("server_error", None, "api_error", "UNKNOWN"), |(_, kind, code, a, g)| (*kind, *code, *a, *g))
    }

    /// The body of the answer.
    pub(crate) fn body(&self, dialect: Dialect, request_id: &str) -> Value {
        let (kind, code, anthropic, gemini) = self.names();
        match dialect {
            Dialect::OpenAi => json!({ "error": self.openai(kind, code) }),
            Dialect::Anthropic => {
                let mut error = json!({ "type": self.kind.unwrap_or(anthropic), "message": self.message });
                if let (Some(detail), Some(error)) = (self.detail, error.as_object_mut()) {
                    error.insert("details".to_owned(), json!({ "error_code": detail }));
                }
                json!({ "type": "error", "error": error, "request_id": request_id })
            }
            Dialect::Gemini => {
                let mut error = json!({ "code": self.status, "message": self.message, "status": gemini });
                let details = self.gemini_details();
                if !details.is_empty()
                    && let Some(error) = error.as_object_mut()
                {
                    error.insert("details".to_owned(), Value::Array(details));
                }
                json!({ "error": error })
            }
        }
    }

    /// The error as an event of a stream that has begun. `number` is the event's place in it.
    pub(crate) fn event(&self, format: Format, request_id: &str, number: usize) -> String {
        match format {
            Format::Chat | Format::Generate => format!("data: {}\n\n", self.body(format.dialect(), request_id)),
            Format::Messages => format!("event: error\ndata: {}\n\n", self.body(Dialect::Anthropic, request_id)),
            Format::Responses => {
                let (kind, code, ..) = self.names();
                let event = json!({ "type": "error", "error": self.openai(kind, code), "sequence_number": number });
                format!("event: error\ndata: {event}\n\n")
            }
        }
    }

    fn openai(&self, kind: &str, code: Option<&str>) -> Value {
        json!({
            "message": self.message,
            "type": self.kind.unwrap_or(kind),
            "param": self.param,
            "code": self.code.as_deref().or(code),
        })
    }

    fn gemini_details(&self) -> Vec<Value> {
        let mut details = Vec::new();
        // Where capacity is shared, Google says that it is exhausted and nothing more.
        if self.status == 429 && self.detail != Some("") {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                    "quotaId": self.detail.unwrap_or("GenerateRequestsPerMinutePerProjectPerModel"),
                    "quotaDimensions": { "location": "global" },
                }],
            }));
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{ "description": "Learn more about Gemini API quotas",
                            "url": "https://ai.google.dev/gemini-api/docs/rate-limits" }],
            }));
        }
        if let Some(wait) = self.retry_after {
            let delay = format!("{}s", wait.as_millis().div_ceil(100) as f64 / 10.0);
            details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
        }
        if self.code.as_deref() == Some("API_KEY_INVALID") {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": { "service": "generativelanguage.googleapis.com" },
            }));
        }
        details
    }
}
