//! Errors in the words of each dialect, and the providers' words read back.
//!
//! A client library raises the right exception only if status, type and code are the ones it knows, and decides by
//! headers whether to try again. So every [`FaultKind`] has one row in [`words`], with its words in each dialect, and
//! [`render`] makes the whole answer from it. The other way, [`read_upstream`] takes whatever a provider sent (its own
//! shape, a proxy's HTML page, a bare string) to a kind, so that the relay can decide what to do about it.
//!
//! What a client is told never names a provider's host, key or account: those belong to the operator. Texts of
//! providers go through [`scrub`].

mod render;
mod scrub;
mod upstream;

pub use render::{Rendered, render, stream_event};
pub use scrub::scrub;
pub use upstream::{UpstreamError, UpstreamHeaders, read_event, read_upstream};

use sluicegate_vocabulary::FaultKind;

/// What a fault of one kind is called in each dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// OpenAI's `error.type`.
    pub openai_type: &'static str,
    /// OpenAI's `error.code`, unless the fault brings a more precise one.
    pub openai_code: Option<&'static str>,
    /// Anthropic's HTTP status.
    pub anthropic_status: u16,
    /// Anthropic's `error.type`.
    pub anthropic_type: &'static str,
    /// Gemini's `error.status`. The HTTP status is OpenAI's, [`FaultKind::status`].
    pub gemini_status: &'static str,
}

/// The words for this kind.
#[must_use]
pub const fn words(kind: FaultKind) -> Words {
    const INVALID: &str = "invalid_request_error";
    const fn row(
        openai: (&'static str, Option<&'static str>),
        anthropic: (u16, &'static str),
        gemini_status: &'static str,
    ) -> Words {
        Words {
            openai_type: openai.0,
            openai_code: openai.1,
            anthropic_status: anthropic.0,
            anthropic_type: anthropic.1,
            gemini_status,
        }
    }
    match kind {
        FaultKind::BadRequest => row((INVALID, None), (400, INVALID), "INVALID_ARGUMENT"),
        FaultKind::Unsupported => row((INVALID, Some("unsupported_value")), (400, INVALID), "INVALID_ARGUMENT"),
        FaultKind::ContextLength => row((INVALID, Some("context_length_exceeded")), (400, INVALID), "INVALID_ARGUMENT"),
        FaultKind::NeverFits => row((INVALID, Some("exceeds_limit")), (400, INVALID), "FAILED_PRECONDITION"),
        FaultKind::Unauthenticated => {
            row((INVALID, Some("invalid_api_key")), (401, "authentication_error"), "UNAUTHENTICATED")
        }
        FaultKind::PaymentRequired => {
            row(("insufficient_quota", Some("insufficient_quota")), (402, "billing_error"), "RESOURCE_EXHAUSTED")
        }
        FaultKind::Forbidden => {
            row((INVALID, Some("permission_denied")), (403, "permission_error"), "PERMISSION_DENIED")
        }
        FaultKind::UnknownPath => row((INVALID, Some("unknown_url")), (404, "not_found_error"), "NOT_FOUND"),
        FaultKind::UnknownModel => row((INVALID, Some("model_not_found")), (404, "not_found_error"), "NOT_FOUND"),
        FaultKind::MethodNotAllowed => row((INVALID, Some("method_not_supported")), (405, INVALID), "UNIMPLEMENTED"),
        FaultKind::RequestTimeout => {
            row((INVALID, Some("request_timeout")), (408, "timeout_error"), "DEADLINE_EXCEEDED")
        }
        FaultKind::Conflict => row((INVALID, Some("conflict")), (409, INVALID), "ABORTED"),
        FaultKind::BodyTooLarge => {
            row((INVALID, Some("request_too_large")), (413, "request_too_large"), "INVALID_ARGUMENT")
        }
        FaultKind::UrlTooLong => row((INVALID, Some("url_too_long")), (414, INVALID), "INVALID_ARGUMENT"),
        FaultKind::UnsupportedMedia => {
            row((INVALID, Some("unsupported_media_type")), (415, INVALID), "INVALID_ARGUMENT")
        }
        FaultKind::HeadersTooLarge => row((INVALID, Some("headers_too_large")), (431, INVALID), "INVALID_ARGUMENT"),
        FaultKind::LimitRequests => {
            row(("requests", Some("rate_limit_exceeded")), (429, "rate_limit_error"), "RESOURCE_EXHAUSTED")
        }
        FaultKind::LimitTokens => {
            row(("tokens", Some("rate_limit_exceeded")), (429, "rate_limit_error"), "RESOURCE_EXHAUSTED")
        }
        FaultKind::UpstreamRateLimited => {
            row(("rate_limit_error", Some("rate_limit_exceeded")), (429, "rate_limit_error"), "RESOURCE_EXHAUSTED")
        }
        // Never 401: the client's key is good, and its library would tell its user otherwise.
        FaultKind::UpstreamAuth => row(("server_error", Some("upstream_auth_error")), (500, "api_error"), "INTERNAL"),
        FaultKind::UpstreamUnreachable => {
            row(("server_error", Some("upstream_unreachable")), (502, "api_error"), "UNAVAILABLE")
        }
        FaultKind::UpstreamBroken => row(("server_error", Some("upstream_error")), (502, "api_error"), "INTERNAL"),
        FaultKind::UpstreamOverloaded => {
            row(("service_unavailable_error", Some("server_is_overloaded")), (529, "overloaded_error"), "UNAVAILABLE")
        }
        FaultKind::Overloaded => {
            row(("service_unavailable_error", Some("server_is_overloaded")), (503, "overloaded_error"), "UNAVAILABLE")
        }
        FaultKind::Timeout => row(("server_error", Some("timeout")), (504, "timeout_error"), "DEADLINE_EXCEEDED"),
        FaultKind::Internal => row(("server_error", Some("internal_error")), (500, "api_error"), "INTERNAL"),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
