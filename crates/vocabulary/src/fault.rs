//! What goes wrong, whose fault it is, and whether trying again can help.
//!
//! Every error that reaches a client is one [`Fault`]. The dialects' own words for it (status, type, code) are a table
//! in the `wire` crate; this is the meaning they are made from.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Who caused a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The request, or who sent it.
    Client,
    /// A provider.
    Upstream,
    /// Sluicegate itself, or its operator's configuration.
    Us,
}

/// Who says no: the relay, or a provider whose answer is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Refused here.
    Sluicegate,
    /// Refused by the provider.
    Upstream,
}

/// What happened. Each kind has one row in every dialect's error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Malformed or contradictory request (400).
    BadRequest,
    /// Something in the request that the chosen provider cannot express (400).
    Unsupported,
    /// More input than the model's context window (400).
    ContextLength,
    /// A request that can never fit its limit (400, never retried).
    NeverFits,
    /// No key, or a wrong one (401).
    Unauthenticated,
    /// Budget or credit exhausted (402).
    PaymentRequired,
    /// A good key without the right (403).
    Forbidden,
    /// No such path (404).
    UnknownPath,
    /// No such model (404).
    UnknownModel,
    /// The path exists, the method does not (405).
    MethodNotAllowed,
    /// The client was too slow to send its request (408).
    RequestTimeout,
    /// The same call is being answered (409).
    Conflict,
    /// Body over the limit (413).
    BodyTooLarge,
    /// URL over the limit (414).
    UrlTooLong,
    /// Body of a type we do not read (415).
    UnsupportedMedia,
    /// Header block over the limit (431).
    HeadersTooLarge,
    /// The caller's own limit on requests (429).
    LimitRequests,
    /// The caller's own limit on tokens (429).
    LimitTokens,
    /// Every candidate answered 429 (429, origin upstream).
    UpstreamRateLimited,
    /// The provider refused our key or our bill; nothing the client can mend (502).
    UpstreamAuth,
    /// The provider cannot be reached (502).
    UpstreamUnreachable,
    /// The provider answered nonsense or an error of its own (502).
    UpstreamBroken,
    /// The provider is overloaded (503, Anthropic 529).
    UpstreamOverloaded,
    /// Our own capacity is used up, or we are shutting down (503).
    Overloaded,
    /// A deadline or time limit passed (504).
    Timeout,
    /// A defect of ours (500).
    Internal,
}

impl FaultKind {
    /// The HTTP status in the OpenAI dialect, which the other dialects follow unless their table says otherwise.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::Unsupported | Self::ContextLength | Self::NeverFits => 400,
            Self::Unauthenticated => 401,
            Self::PaymentRequired => 402,
            Self::Forbidden => 403,
            Self::UnknownPath | Self::UnknownModel => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::BodyTooLarge => 413,
            Self::UrlTooLong => 414,
            Self::UnsupportedMedia => 415,
            Self::LimitRequests | Self::LimitTokens | Self::UpstreamRateLimited => 429,
            Self::HeadersTooLarge => 431,
            Self::Internal => 500,
            Self::UpstreamAuth | Self::UpstreamUnreachable | Self::UpstreamBroken => 502,
            Self::UpstreamOverloaded | Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::UpstreamRateLimited
            | Self::UpstreamAuth
            | Self::UpstreamUnreachable
            | Self::UpstreamBroken
            | Self::UpstreamOverloaded
            | Self::Timeout => Blame::Upstream,
            Self::Overloaded | Self::Internal => Blame::Us,
            _ => Blame::Client,
        }
    }

    /// Whether the same request may succeed later, unchanged.
    #[must_use]
    pub const fn retry_helps(self) -> bool {
        matches!(
            self,
            Self::LimitRequests
                | Self::LimitTokens
                | Self::UpstreamRateLimited
                | Self::UpstreamUnreachable
                | Self::UpstreamBroken
                | Self::UpstreamOverloaded
                | Self::Overloaded
                | Self::Timeout
                | Self::RequestTimeout
                | Self::Conflict
        )
    }

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unsupported => "unsupported",
            Self::ContextLength => "context_length",
            Self::NeverFits => "never_fits",
            Self::Unauthenticated => "unauthenticated",
            Self::PaymentRequired => "payment_required",
            Self::Forbidden => "forbidden",
            Self::UnknownPath => "unknown_path",
            Self::UnknownModel => "unknown_model",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::BodyTooLarge => "body_too_large",
            Self::UrlTooLong => "url_too_long",
            Self::UnsupportedMedia => "unsupported_media",
            Self::HeadersTooLarge => "headers_too_large",
            Self::LimitRequests => "limit_requests",
            Self::LimitTokens => "limit_tokens",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::UpstreamAuth => "upstream_auth",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamBroken => "upstream_broken",
            Self::UpstreamOverloaded => "upstream_overloaded",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// One error as a client will read it, before a dialect gives it its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// A sentence for the person who reads it: what, and what to do.
    pub message: Cow<'static, str>,
    /// The request field at fault, as a path such as `messages[0].content`.
    pub param: Option<Cow<'static, str>>,
    /// A more precise machine-readable code than the kind's own, such as an upstream's.
    pub code: Option<Cow<'static, str>>,
    /// Milliseconds until trying again can help, when known.
    pub retry_after_ms: Option<u64>,
    /// `scope:limit` of what refused, for `x-sluicegate-refused-by`.
    pub refused_by: Option<Cow<'static, str>>,
    /// The codes, types and status words that an upstream said it with, for the relay's own judgement. Clients are not
    /// told them.
    pub words: Box<[String]>,
}

impl Fault {
    /// A fault of this kind with its sentence.
    #[must_use]
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after_ms: None,
            refused_by: None,
            words: Box::default(),
        }
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets a more precise code.
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says when trying again can help.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Names the limit or rule that refused.
    #[must_use]
    pub fn refused_by(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.refused_by = Some(what.into());
        self
    }

    /// Who says no. Where a limit or rule of ours is named as refusing, it is us, whatever the kind.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        if self.refused_by.is_some() {
            return Origin::Sluicegate;
        }
        match self.kind.blame() {
            Blame::Upstream => Origin::Upstream,
            Blame::Client | Blame::Us => Origin::Sluicegate,
        }
    }
}
