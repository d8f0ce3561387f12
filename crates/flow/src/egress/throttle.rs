//! "Too many requests" is six different messages.
//!
//! A quota that refills wants waiting; too many at once wants fewer at once, and no waiting helps; a rise too steep wants
//! a gentler one; an empty account wants another key; a full server wants less from everybody. One back-off for all of
//! them is wrong for most. Providers tell which it is in a code, in a type, in a sentence, or only in the headers that
//! came along, so this looks in that order, and finds the words in a table.
//!
//! Reading an answer's body and headers is not done here; what was read is handed in.

use sluicegate_vocabulary::Dialect;
use std::time::Duration;

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Throttle {
    /// The key's requests are used up for a while.
    QuotaRequests {
        /// How long until the same call fits, where it was said.
        reset: Option<Duration>,
    },
    /// The key's tokens are used up for a while.
    QuotaTokens {
        /// How long until the same call fits, where it was said.
        reset: Option<Duration>,
    },
    /// Too many calls at once. Waiting does not help while as many are in flight.
    Concurrency {
        /// How many may be, where it was said.
        limit: Option<u32>,
    },
    /// Too steep a rise.
    Slope,
    /// The key's money is used up, or a quota that does not come back soon, such as a day's.
    Billing,
    /// The target is full, whoever asks.
    Overloaded,
}

impl Throttle {
    /// Whether it is over after a time that the target can tell.
    #[must_use]
    pub const fn is_quota(self) -> bool {
        matches!(self, Self::QuotaRequests { .. } | Self::QuotaTokens { .. })
    }

    /// The word for display and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuotaRequests { .. } => "quota_requests",
            Self::QuotaTokens { .. } => "quota_tokens",
            Self::Concurrency { .. } => "concurrency",
            Self::Slope => "slope",
            Self::Billing => "billing",
            Self::Overloaded => "overloaded",
        }
    }

    /// Finds out which it is; `None` if it is no throttling.
    #[must_use]
    pub fn classify(refused: &Refused<'_>) -> Option<Self> {
        let known = |word: &str| WORDS.iter().find(|row| row.applies(refused.dialect) && row.matches(word));
        let by_word = refused.words.iter().find_map(|word| known(word)).map(|row| row.kind);
        let message = refused.message.to_ascii_lowercase();
        let phrase = || PHRASES.iter().find(|(phrase, kind)| kind.may_be(refused.status) && message.contains(phrase));
        let kind = by_word
            .or_else(|| phrase().map(|&(_, kind)| kind))
            .or_else(|| refused.by_what_is_left())
            .or_else(|| by_status(refused.status))?;
        Some(match kind {
            Kind::Requests => Self::QuotaRequests { reset: refused.retry_after },
            Kind::Tokens => Self::QuotaTokens { reset: refused.retry_after },
            Kind::Day => match refused.retry_after {
                Some(reset) if reset <= SOON => Self::QuotaRequests { reset: Some(reset) },
                _ => Self::Billing,
            },
            Kind::Concurrency => Self::Concurrency { limit: number_after(&message, "concurrency") },
            Kind::Slope => Self::Slope,
            Kind::Billing => Self::Billing,
            Kind::Overloaded => Self::Overloaded,
        })
    }
}

/// A refusal, as far as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// HTTP status; 200 for an error inside a stream.
    pub status: u16,
    /// The provider's format.
    pub dialect: Dialect,
    /// Codes, types and status words in the order of their precision: details, then code, then type.
    pub words: &'a [String],
    /// The sentence.
    pub message: &'a str,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// Requests left by the headers of the refusal.
    pub requests_left: Option<u64>,
    /// Tokens left by the headers of the refusal, of the kind of which least is left.
    pub tokens_left: Option<u64>,
}

impl Refused<'_> {
    const fn by_what_is_left(&self) -> Option<Kind> {
        match (self.status, self.requests_left, self.tokens_left) {
            (429, Some(0), _) => Some(Kind::Requests),
            // Requests are left, so it is tokens; how many are missing depends on the request.
            (429, Some(_), Some(_)) | (429, None, Some(0)) => Some(Kind::Tokens),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Requests,
    Tokens,
    /// A quota by the day.
    Day,
    Concurrency,
    Slope,
    Billing,
    Overloaded,
}

impl Kind {
    /// Whether a sentence that says so is believed with that status. Other client errors may quote what they were sent.
    const fn may_be(self, status: u16) -> bool {
        match self {
            Self::Billing => matches!(status, 200 | 400 | 402 | 403 | 429),
            _ => matches!(status, 200 | 429 | 503 | 529),
        }
    }
}

/// A wait after which a key is still worth remembering rather than set aside.
const SOON: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
enum Match {
    Whole,
    Part,
}

/// One word that providers say.
#[derive(Debug)]
struct Row {
    /// The format in which it is said; all if `None`.
    dialect: Option<Dialect>,
    how: Match,
    word: &'static str,
    kind: Kind,
}

impl Row {
    fn applies(&self, dialect: Dialect) -> bool {
        self.dialect.is_none_or(|own| own == dialect)
    }

    fn matches(&self, word: &str) -> bool {
        match self.how {
            Match::Whole => word == self.word,
            Match::Part => word.contains(self.word),
        }
    }
}

const fn whole(dialect: Option<Dialect>, word: &'static str, kind: Kind) -> Row {
    Row { dialect, how: Match::Whole, word, kind }
}

const fn part(dialect: Option<Dialect>, word: &'static str, kind: Kind) -> Row {
    Row { dialect, how: Match::Part, word, kind }
}

const OPENAI: Option<Dialect> = Some(Dialect::OpenAi);
const ANTHROPIC: Option<Dialect> = Some(Dialect::Anthropic);
const GEMINI: Option<Dialect> = Some(Dialect::Gemini);

/// Codes, types and quota names. The first that applies decides.
const WORDS: &[Row] = &[
    // OpenAI and those who took over its form. The type says what the code leaves open.
    whole(OPENAI, "insufficient_quota", Kind::Billing),
    whole(OPENAI, "credit_balance_exhausted", Kind::Billing),
    whole(OPENAI, "organization_spend_limit_exceeded", Kind::Billing),
    whole(OPENAI, "project_spend_limit_exceeded", Kind::Billing),
    whole(OPENAI, "organization_usage_limit_exceeded", Kind::Billing),
    whole(OPENAI, "billing_hard_limit_reached", Kind::Billing),
    whole(OPENAI, "billing_not_active", Kind::Billing),
    whole(OPENAI, "slow_down", Kind::Slope),
    whole(OPENAI, "server_is_overloaded", Kind::Overloaded),
    whole(OPENAI, "requests", Kind::Requests),
    whole(OPENAI, "tokens", Kind::Tokens),
    whole(OPENAI, "input_tokens", Kind::Tokens),
    whole(OPENAI, "output_tokens", Kind::Tokens),
    // Cerebras.
    whole(OPENAI, "request_quota_exceeded", Kind::Requests),
    whole(OPENAI, "token_quota_exceeded", Kind::Tokens),
    whole(OPENAI, "queue_exceeded", Kind::Overloaded),
    // Moonshot.
    whole(OPENAI, "exceeded_current_quota_error", Kind::Billing),
    whole(OPENAI, "engine_overloaded_error", Kind::Overloaded),
    // Alibaba and Volcano.
    whole(OPENAI, "limit_requests", Kind::Requests),
    whole(OPENAI, "limit_burst_rate", Kind::Slope),
    part(OPENAI, "BurstRate", Kind::Slope),
    whole(OPENAI, "Arrearage", Kind::Billing),
    whole(OPENAI, "AccountOverdueError", Kind::Billing),
    part(OPENAI, "ServerOverloaded", Kind::Overloaded),
    part(OPENAI, "RpmRateLimitExceeded", Kind::Requests),
    part(OPENAI, "TpmRateLimitExceeded", Kind::Tokens),
    part(OPENAI, "RPMExceeded", Kind::Requests),
    part(OPENAI, "TPMExceeded", Kind::Tokens),
    // Baidu.
    whole(OPENAI, "rpm_rate_limit_exceeded", Kind::Requests),
    whole(OPENAI, "tpm_rate_limit_exceeded", Kind::Tokens),
    // Anthropic. Its type is the same for all quotas; the sentence tells them apart.
    whole(ANTHROPIC, "enforced_spend_limit_reached", Kind::Billing),
    whole(ANTHROPIC, "contract_spend_limit_reached", Kind::Billing),
    whole(ANTHROPIC, "billing_error", Kind::Billing),
    whole(ANTHROPIC, "ramp_limit_exceeded", Kind::Slope),
    whole(ANTHROPIC, "overloaded_error", Kind::Overloaded),
    // Gemini names the quota: `GenerateRequestsPerMinutePerProjectPerModel`.
    whole(GEMINI, "limit: 0", Kind::Billing),
    part(GEMINI, "PerDay", Kind::Billing),
    part(GEMINI, "TokensPerModelPerMinute", Kind::Tokens),
    part(GEMINI, "TokensPerMinute", Kind::Tokens),
    part(GEMINI, "RequestsPerMinute", Kind::Requests),
    part(GEMINI, "RequestsPerModelPerMinute", Kind::Requests),
    whole(GEMINI, "UNAVAILABLE", Kind::Overloaded),
];

/// Parts of sentences, in lower case. The first that occurs decides.
const PHRASES: &[(&str, Kind)] = &[
    ("credit balance is too low", Kind::Billing),
    ("insufficient balance", Kind::Billing),
    ("concurrent", Kind::Concurrency),
    ("concurrency", Kind::Concurrency),
    ("acceleration", Kind::Slope),
    ("increase your request rate gradually", Kind::Slope),
    ("burst rate", Kind::Slope),
    ("increased too quickly", Kind::Slope),
    ("per day", Kind::Day),
    ("(rpd)", Kind::Day),
    ("tpd rate limit", Kind::Day),
    ("tokens per min", Kind::Tokens),
    ("request tokens has exceeded", Kind::Tokens),
    ("too many tokens", Kind::Tokens),
    ("token rate limit", Kind::Tokens),
    ("tpm", Kind::Tokens),
    ("requests per min", Kind::Requests),
    ("number of requests has exceeded", Kind::Requests),
    ("call rate limit", Kind::Requests),
    ("rpm", Kind::Requests),
    ("overloaded", Kind::Overloaded),
    ("capacity exceeded", Kind::Overloaded),
];

/// What a status says when nothing else was said.
const fn by_status(status: u16) -> Option<Kind> {
    match status {
        402 => Some(Kind::Billing),
        429 => Some(Kind::Requests),
        503 | 529 => Some(Kind::Overloaded),
        _ => None,
    }
}

/// The number that follows a word: `max organization concurrency: 3`.
fn number_after(message: &str, word: &str) -> Option<u32> {
    let (_, rest) = message.split_once(word)?;
    let digits = rest.trim_start_matches([':', ' ', '(', '=']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
