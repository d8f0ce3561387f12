//! The provider's rate limits, and the headers in which each provider tells them.
//!
//! Like the real ones these are buckets for each key: full at the start, refilled continuously, and a request takes
//! its input and the output it allows when it comes. Beside them stands a number of calls at once, which has no header:
//! a call holds its [`Permit`] for as long as its answer lasts. The time is an argument; the server reads the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate_vocabulary::Dialect;

/// One limit as a header tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Time until the bucket is full again.
    pub(crate) reset: Duration,
}

/// Both limits by the minute of a key after a request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Levels {
    pub(crate) requests: Option<Level>,
    pub(crate) tokens: Option<Level>,
}

/// Which limit refused, and when it will have room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exhausted {
    /// `requests` or `tokens`, as OpenAI calls the kind of error.
    pub(crate) what: &'static str,
    pub(crate) limit: u32,
    pub(crate) used: u32,
    pub(crate) requested: u32,
    pub(crate) retry_after: Duration,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Full {
    /// A bucket holds less than is asked of it.
    Minute(Exhausted),
    /// So many calls may be under way at once, and so many are.
    AtOnce(u32),
}

/// The place of a call among those at once; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What each key is held to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Allowed {
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_minute: Option<u32>,
    pub(crate) concurrency: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: f64,
    level: f64,
    at: Duration,
}

#[derive(Debug)]
struct Account {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// Calls under way. Only raised under the lock that the quota is behind, so that a look at it holds until then.
    at_once: Arc<AtomicU32>,
}

/// The limits of every key, and how much of them is used.
#[derive(Debug)]
pub(crate) struct Quota {
    allowed: Allowed,
    accounts: HashMap<u64, Account>,
}

/// Keys remembered; beyond it all start afresh.
const MOST_KEYS: usize = 10_000;

impl Bucket {
    fn new(limit: u32, now: Duration) -> Self {
        Self { limit: f64::from(limit), level: f64::from(limit), at: now }
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed * self.limit / 60.0).min(self.limit);
        self.at = now;
    }

    fn until(&self, level: f64) -> Duration {
        Duration::try_from_secs_f64((level - self.level) * 60.0 / self.limit.max(1e-9)).unwrap_or_default()
    }

    fn level(&self) -> Level {
        Level { limit: self.limit as u32, remaining: self.level.max(0.0) as u32, reset: self.until(self.limit) }
    }
}

fn change(bucket: &mut Option<Bucket>, limit: Option<u32>, now: Duration) {
    let full = bucket.as_mut().map_or(1.0, |bucket| {
        bucket.refill(now);
        bucket.level / bucket.limit.max(1.0)
    });
    *bucket = limit.map(|limit| Bucket { level: f64::from(limit) * full, ..Bucket::new(limit, now) });
}

impl Quota {
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self { allowed, accounts: HashMap::new() }
    }

    /// Holds everybody to these from now on; buckets keep the part of them that is full.
    pub(crate) fn set(&mut self, allowed: Allowed, now: Duration) {
        self.allowed = allowed;
        for account in self.accounts.values_mut() {
            change(&mut account.requests, allowed.requests_per_minute, now);
            change(&mut account.tokens, allowed.tokens_per_minute, now);
        }
    }

    /// Whether there is any limit at all.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.allowed == Allowed::default()
    }

    /// Takes one request of `tokens` from the account `key` at `now`, which is under way until its permit is dropped. A
    /// refused request takes nothing.
    pub(crate) fn take(&mut self, key: u64, tokens: u64, now: Duration) -> (Levels, Result<Permit, Full>) {
        if self.accounts.len() >= MOST_KEYS && !self.accounts.contains_key(&key) {
            self.accounts.clear();
        }
        let allowed = self.allowed;
        let account = self.accounts.entry(key).or_insert_with(|| Account {
            requests: allowed.requests_per_minute.map(|limit| Bucket::new(limit, now)),
            tokens: allowed.tokens_per_minute.map(|limit| Bucket::new(limit, now)),
            at_once: Arc::default(),
        });
        let mut wants =
            [("requests", account.requests.as_mut(), 1.0), ("tokens", account.tokens.as_mut(), tokens as f64)];
        let under_way = account.at_once.load(Relaxed);
        let mut refused = allowed.concurrency.filter(|most| under_way >= *most).map(Full::AtOnce);
        for (what, bucket, amount) in &mut wants {
            let Some(bucket) = bucket else { continue };
            bucket.refill(now);
            if refused.is_none() && bucket.level < *amount {
                refused = Some(Full::Minute(Exhausted {
                    what,
                    limit: bucket.limit as u32,
                    used: (bucket.limit - bucket.level).ceil() as u32,
                    requested: *amount as u32,
                    retry_after: bucket.until(amount.min(bucket.limit)),
                }));
            }
        }
        if refused.is_none() {
            for (_, bucket, amount) in &mut wants {
                if let Some(bucket) = bucket {
                    bucket.level -= *amount;
                }
            }
        }
        let levels = Levels {
            requests: account.requests.as_ref().map(Bucket::level),
            tokens: account.tokens.as_ref().map(Bucket::level),
        };
        let taken = refused.map_or_else(
            || {
                account.at_once.fetch_add(1, Relaxed);
                Ok(Permit(Arc::clone(&account.at_once)))
            },
            Err,
        );
        (levels, taken)
    }
}

impl Levels {
    /// Writes the headers of `dialect`. `unix_ms` is the time of day, for those that name a moment.
    pub(crate) fn write(&self, dialect: Dialect, unix_ms: u64, headers: &mut HeaderMap) {
        match dialect {
            Dialect::OpenAi => {
                for (kind, level) in [("requests", self.requests), ("tokens", self.tokens)] {
                    let Some(level) = level else { continue };
                    put(headers, &format!("x-ratelimit-limit-{kind}"), &level.limit.to_string());
                    put(headers, &format!("x-ratelimit-remaining-{kind}"), &level.remaining.to_string());
                    put(headers, &format!("x-ratelimit-reset-{kind}"), &go_duration(level.reset));
                }
            }
            Dialect::Anthropic => {
                for (kind, level) in [
                    ("requests", self.requests),
                    ("tokens", self.tokens),
                    ("input-tokens", self.tokens),
                    ("output-tokens", self.tokens),
                ] {
                    let Some(level) = level else { continue };
                    let thousands = |n: u32| if kind == "requests" { n } else { n.saturating_add(500) / 1000 * 1000 };
                    let reset = rfc3339((unix_ms + level.reset.as_millis() as u64).div_ceil(1000));
                    put(headers, &format!("anthropic-ratelimit-{kind}-limit"), &level.limit.to_string());
                    let remaining = thousands(level.remaining).min(level.limit);
                    put(headers, &format!("anthropic-ratelimit-{kind}-remaining"), &remaining.to_string());
                    put(headers, &format!("anthropic-ratelimit-{kind}-reset"), &reset);
                }
            }
            Dialect::Gemini => {}
        }
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// `6m0s`, `1.205s`, `17ms`: how OpenAI, written in Go, prints a duration.
pub(crate) fn go_duration(time: Duration) -> String {
    let ms = time.as_millis();
    if ms < 1000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let mut seconds = format!("{}", rest / 1000);
    if rest % 1000 != 0 {
        seconds = format!("{seconds}.{:03}", rest % 1000).trim_end_matches('0').to_owned();
    }
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// `2026-11-21T10:00:05Z` for seconds since 1970 (Howard Hinnant's days-to-civil algorithm).
pub(crate) fn rfc3339(unix: u64) -> String {
    let (days, second) = (unix / 86_400 + 719_468, unix % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
