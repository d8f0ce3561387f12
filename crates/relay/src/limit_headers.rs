//! What every answer says about the caller's limits.
//!
//! Clients that pace themselves read headers, and each family's SDKs read their own: `x-ratelimit-*` with Go durations
//! in the OpenAI dialect, `anthropic-ratelimit-*` with moments in the Anthropic dialect. `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11) name every limit in all dialects. Where several limits
//! count the same thing the families' headers can only tell of one, so they tell of the one with the least left.
//!
//! All numbers of an answer are of one moment. Shadow limits are left out: they never refuse.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate_flow::{Kind, LimitSet, LimitStatus, Nanos};
use sluicegate_vocabulary::{Dialect, Stamp};
use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

/// The three headers of one kind of limit in one dialect.
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

const fn names(limit: &'static str, remaining: &'static str, reset: &'static str) -> Names {
    Names {
        limit: HeaderName::from_static(limit),
        remaining: HeaderName::from_static(remaining),
        reset: HeaderName::from_static(reset),
    }
}

static OPENAI_REQUESTS: Names =
    names("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
static OPENAI_TOKENS: Names =
    names("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
static ANTHROPIC_REQUESTS: Names = names(
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
);
static ANTHROPIC_TOKENS: Names = names(
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
);
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Headers that [`write`] writes at most, and one for whoever calls it.
const MOST: usize = 9;

/// Writes the headers for a caller's limits. `now_ms` is the wall clock, for dialects that tell moments.
pub(crate) fn write(headers: &mut HeaderMap, limits: &LimitSet, dialect: Dialect, now: Nanos, now_ms: u64) {
    let limits = limits.limits().iter().filter(|limit| !limit.quota().shadow);
    let levels: Vec<LimitStatus> = limits.map(|limit| limit.status(now)).collect();
    if levels.is_empty() {
        return;
    }
    headers.reserve(MOST);
    let mut text = Text(Vec::with_capacity(64 + 96 * levels.len()));
    let mut values: Vec<(&HeaderName, Range<usize>)> = Vec::with_capacity(MOST);
    for (kind, openai, anthropic) in
        [(Kind::Requests, &OPENAI_REQUESTS, &ANTHROPIC_REQUESTS), (Kind::Tokens, &OPENAI_TOKENS, &ANTHROPIC_TOKENS)]
    {
        let Some(least) = levels.iter().filter(|level| level.kind == kind).min_by_key(|level| level.left) else {
            continue;
        };
        let (names, reset) = match dialect {
            Dialect::OpenAi => (openai, text.part(|out| go_duration(out, least.refills_in))),
            Dialect::Anthropic => (anthropic, text.part(|out| moment(out, now_ms, least.refills_in))),
            // Gemini's own API has no such headers.
            Dialect::Gemini => continue,
        };
        values.push((&names.limit, text.part(|out| number(out, "", least.set))));
        values.push((&names.remaining, text.part(|out| number(out, "", least.left))));
        values.push((&names.reset, reset));
    }
    values.push((&RATE_LIMIT_POLICY, text.part(|out| list(out, &levels, policy))));
    values.push((&RATE_LIMIT, text.part(|out| list(out, &levels, level))));
    let text = Bytes::from(text.0);
    for (name, part) in values {
        let value = HeaderValue::from_maybe_shared(text.slice(part));
        headers.insert(name, value.unwrap_or_else(|_| HeaderValue::from_static("-")));
    }
}

/// The text of all values, so that they cost one allocation together.
struct Text(Vec<u8>);

impl Text {
    /// Where what is written now stands.
    fn part(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.0.len();
        write(&mut self.0);
        start..self.0.len()
    }
}

fn list(out: &mut Vec<u8>, levels: &[LimitStatus], write: impl Fn(&mut Vec<u8>, &LimitStatus)) {
    for (index, level) in levels.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, level);
    }
}

fn policy(out: &mut Vec<u8>, level: &LimitStatus) {
    name(out, level);
    number(out, ";q=", level.set);
    match level.kind {
        Kind::Requests => {}
        Kind::Tokens => out.extend_from_slice(b";qu=\"tokens\""),
        Kind::Concurrency => return out.extend_from_slice(b";qu=\"concurrent-requests\""),
    }
    number(out, ";w=", level.window.as_secs().max(1));
}

fn level(out: &mut Vec<u8>, level: &LimitStatus) {
    name(out, level);
    number(out, ";r=", level.left);
    if level.kind != Kind::Concurrency {
        let seconds = level.refills_in.as_secs() + u64::from(level.refills_in.subsec_nanos() > 0);
        number(out, ";t=", seconds);
    }
}

/// Whose limit on what: `"key-requests-60s"`. The owner's own name stays out, since it may not be fit for a header.
fn name(out: &mut Vec<u8>, level: &LimitStatus) {
    out.extend_from_slice(b"\"");
    out.extend_from_slice(level.label.scope.as_str().as_bytes());
    out.extend_from_slice(b"-");
    out.extend_from_slice(level.kind.as_str().as_bytes());
    if level.kind != Kind::Concurrency {
        number(out, "-", level.window.as_secs().max(1));
        out.extend_from_slice(b"s");
    }
    out.extend_from_slice(b"\"");
}

fn number(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A time as Go prints it: `0s`, `17ms`, `50.529s`, `6m0s`, `1h2m3s`. Rounded up to the millisecond, so that it is true.
fn go_duration(out: &mut Vec<u8>, time: Duration) {
    let ms = time.as_secs().saturating_mul(1000).saturating_add(time.subsec_nanos().div_ceil(1_000_000).into());
    if ms == 0 {
        return out.extend_from_slice(b"0s");
    }
    if ms < 1000 {
        number(out, "", ms);
        return out.extend_from_slice(b"ms");
    }
    let (minutes, seconds) = (ms / 60_000, ms % 60_000);
    if minutes >= 60 {
        number(out, "", minutes / 60);
        out.extend_from_slice(b"h");
    }
    if minutes > 0 {
        number(out, "", minutes % 60);
        out.extend_from_slice(b"m");
    }
    number(out, "", seconds / 1000);
    if !seconds.is_multiple_of(1000) {
        // Writing to a buffer that grows cannot fail.
        let _ = write!(out, ".{:03}", seconds % 1000);
        while out.last() == Some(&b'0') {
            out.truncate(out.len() - 1);
        }
    }
    out.extend_from_slice(b"s");
}

/// The moment at which nothing is in use any more, rounded up to the second.
fn moment(out: &mut Vec<u8>, now_ms: u64, time: Duration) {
    let mut text = String::with_capacity(24);
    let ms = now_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).saturating_add(999);
    Stamp::default().write_seconds(&mut text, ms);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "limit_headers_tests.rs"]
mod tests;
