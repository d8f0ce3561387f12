//! "Too much", in each provider's own words.
//!
//! A quota that refills, too many calls at once, a rise too steep, an empty account and a full server are five messages
//! that want five answers, and providers tell them apart by codes, by types, by a sentence or only by the headers that
//! come along. So each is a row here, as the provider words it; a relay that treats them alike is found out.

use std::time::Duration;

use sluicegate_vocabulary::Dialect;

use crate::quota::{Level, Levels};
use crate::refusal::{Refusal, overloaded};

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Throttling {
    Requests,
    /// Of a whole day.
    Day,
    Tokens,
    Concurrency,
    Slope,
    Billing,
    Overloaded,
}

const NAMES: [(&str, Throttling); 7] = [
    ("requests", Throttling::Requests),
    ("day", Throttling::Day),
    ("tokens", Throttling::Tokens),
    ("concurrency", Throttling::Concurrency),
    ("slope", Throttling::Slope),
    ("billing", Throttling::Billing),
    ("overloaded", Throttling::Overloaded),
];

/// How one provider says one of them.
struct Said {
    status: u16,
    /// OpenAI's or Anthropic's type, where it is not the status's own.
    kind: Option<&'static str>,
    code: Option<&'static str>,
    detail: Option<&'static str>,
    message: &'static str,
}

const fn said(
    status: u16,
    kind: Option<&'static str>,
    code: Option<&'static str>,
    detail: Option<&'static str>,
    message: &'static str,
) -> Said {
    Said { status, kind, code, detail, message }
}

/// How long to wait unless an order says, where the provider says it at all.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// The same for a quota by the day.
const TILL_TOMORROW: Duration = Duration::from_secs(4320);
/// The limits that the headers of a refusal tell.
const REQUESTS: u32 = 500;
const TOKENS: u32 = 30_000;

impl Throttling {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }

    const fn said(self, dialect: Dialect) -> Said {
        match (self, dialect) {
            (Self::Requests, Dialect::OpenAi) => said(
                429,
                Some("requests"),
                Some("rate_limit_exceeded"),
                None,
                "Rate limit reached for gpt-4.1-mini in organization org-simulated on requests per min (RPM): Limit 500, \
                 Used 500, Requested 1. Please try again in 1s.",
            ),
            (Self::Day, Dialect::OpenAi) => said(
                429,
                Some("requests"),
                Some("rate_limit_exceeded"),
                None,
                "Rate limit reached for gpt-4.1-mini in organization org-simulated on requests per day (RPD): Limit 10000, \
                 Used 10000, Requested 1. Please try again in 1h12m0s.",
            ),
            (Self::Day, Dialect::Anthropic) => said(
                429,
                None,
                None,
                None,
                "This request would exceed your organization's rate limit of 10,000 requests per day.",
            ),
            (Self::Day, Dialect::Gemini) => said(
                429,
                None,
                None,
                Some("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            (Self::Tokens, Dialect::OpenAi) => said(
                429,
                Some("tokens"),
                Some("rate_limit_exceeded"),
                None,
                "Rate limit reached for gpt-4.1-mini in organization org-simulated on tokens per min (TPM): Limit 30000, \
                 Used 29900, Requested 1200. Please try again in 1s.",
            ),
            (Self::Concurrency, Dialect::OpenAi) => said(
                429,
                Some("rate_limit_reached_error"),
                None,
                None,
                "Your account reached max organization concurrency: 3, please try again after 1 seconds",
            ),
            (Self::Slope, Dialect::OpenAi) => said(
                429,
                Some("rate_limit_error"),
                Some("slow_down"),
                None,
                "You are sending requests too quickly. Please slow down and increase your request rate gradually.",
            ),
            (Self::Billing, Dialect::OpenAi) => said(
                429,
                Some("insufficient_quota"),
                Some("insufficient_quota"),
                None,
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            (Self::Requests, Dialect::Anthropic) => said(
                429,
                None,
                None,
                None,
                "This request would exceed your organization's rate limit of 500 requests per minute.",
            ),
            (Self::Tokens, Dialect::Anthropic) => said(
                429,
                None,
                None,
                None,
                "This request would exceed your organization's rate limit of 30,000 input tokens per minute.",
            ),
            (Self::Concurrency, Dialect::Anthropic) => {
                said(429, None, None, None, "Number of concurrent connections has exceeded your rate limit.")
            }
            (Self::Slope, Dialect::Anthropic) => said(
                429,
                None,
                None,
                Some("ramp_limit_exceeded"),
                "Your organization's usage increased too quickly. Please ramp up gradually.",
            ),
            (Self::Billing, Dialect::Anthropic) => said(
                400,
                None,
                None,
                None,
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
                 purchase credits.",
            ),
            (Self::Requests, Dialect::Gemini) => said(
                429,
                None,
                None,
                Some("GenerateRequestsPerMinutePerProjectPerModel"),
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            (Self::Tokens, Dialect::Gemini) => said(
                429,
                None,
                None,
                Some("GenerateContentInputTokensPerModelPerMinute"),
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            (Self::Concurrency, Dialect::Gemini) => said(
                429,
                None,
                None,
                Some(""),
                "Quota exceeded for concurrent requests. Please lower the concurrency of your requests.",
            ),
            (Self::Slope, Dialect::Gemini) => said(
                429,
                None,
                None,
                Some(""),
                "Resource has been exhausted. Please increase your request rate gradually.",
            ),
            (Self::Billing, Dialect::Gemini) => {
                said(402, None, None, None, "Your prepaid credits are used up. Please buy more to go on using the API.")
            }
            (Self::Overloaded, Dialect::OpenAi) => said(
                503,
                None,
                None,
                None,
                "The server is currently overloaded with other requests. Sorry about that! You can retry your request.",
            ),
            (Self::Overloaded, Dialect::Anthropic) => said(overloaded(dialect), None, None, None, "Overloaded"),
            (Self::Overloaded, Dialect::Gemini) => {
                said(503, None, None, None, "The model is overloaded. Please try again later.")
            }
        }
    }

    /// The refusal of one call more than may be under way at once.
    pub(crate) fn at_once(dialect: Dialect, limit: u32) -> Box<Refusal> {
        let (mut refusal, _) = Self::Concurrency.refusal(dialect, None);
        // Of the three only the first says how many.
        refusal.message = refusal.message.replace(": 3,", &format!(": {limit},")).into();
        refusal
    }

    /// The refusal, and what the headers beside it say is left.
    pub(crate) fn refusal(self, dialect: Dialect, wait: Option<Duration>) -> (Box<Refusal>, Levels) {
        let Said { status, kind, code, detail, message } = self.said(dialect);
        let mut refusal = Refusal::new(status, message);
        refusal.kind = kind;
        refusal.code = code.map(Into::into);
        refusal.detail = detail;
        let usual = match (self, dialect) {
            (Self::Requests | Self::Tokens | Self::Slope, _) => Some(USUAL_WAIT),
            // Google names the quota and no time.
            (Self::Day, Dialect::OpenAi | Dialect::Anthropic) => Some(TILL_TOMORROW),
            _ => None,
        };
        refusal.retry_after = wait.or(usual);
        let reset = refusal.retry_after.unwrap_or_default();
        let level = |limit, remaining| Some(Level { limit, remaining, reset });
        let levels = match self {
            Self::Requests | Self::Day => Levels { requests: level(REQUESTS, 0), tokens: level(TOKENS, TOKENS) },
            Self::Tokens => Levels { requests: level(REQUESTS, REQUESTS - 1), tokens: level(TOKENS, 0) },
            _ => Levels::default(),
        };
        (refusal, levels)
    }
}

#[cfg(test)]
#[path = "throttling_tests.rs"]
mod tests;
