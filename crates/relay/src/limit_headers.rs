//! What every answer says about the caller's limits.
//!
//! Clients that pace themselves read headers, and each family's SDKs read their own: `x-ratelimit-*` with Go durations
//! in the OpenAI dialect, `anthropic-ratelimit-*` with moments in the Anthropic dialect. `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11) name every limit in all dialects. Where several limits
//! count the same thing the families' headers can only tell of one, so they tell of the one with the least left.
//!
//! All numbers of an answer are of one moment. Shadow limits are left out: they never refuse.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate_flow::{Kind, LimitSet, LimitStatus, Nanos};
use sluicegate_vocabulary::{Dialect, Stamp};
use std::fmt::Write as _;
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

/// Writes the headers for a caller's limits. `now_ms` is the wall clock, for dialects that tell moments.
pub(crate) fn write(headers: &mut HeaderMap, limits: &LimitSet, dialect: Dialect, now: Nanos, now_ms: u64) {
    let levels: Vec<LimitStatus> = limits.status(now).into_iter().filter(|level| !level.shadow).collect();
    if levels.is_empty() {
        return;
    }
    let mut text = Scratch(BytesMut::with_capacity(512));
    for (kind, openai, anthropic) in
        [(Kind::Requests, &OPENAI_REQUESTS, &ANTHROPIC_REQUESTS), (Kind::Tokens, &OPENAI_TOKENS, &ANTHROPIC_TOKENS)]
    {
        let Some(least) = levels.iter().filter(|level| level.kind == kind).min_by_key(|level| level.left) else {
            continue;
        };
        let (names, reset) = match dialect {
            Dialect::OpenAi => (openai, text.value(|out| go_duration(out, least.refills_in))),
            Dialect::Anthropic => (anthropic, text.value(|out| moment(out, now_ms, least.refills_in))),
            // Gemini's own API has no such headers.
            Dialect::Gemini => continue,
        };
        headers.insert(&names.limit, HeaderValue::from(least.set));
        headers.insert(&names.remaining, HeaderValue::from(least.left));
        headers.insert(&names.reset, reset);
    }
    headers.insert(&RATE_LIMIT_POLICY, text.value(|out| list(out, &levels, policy)));
    headers.insert(&RATE_LIMIT, text.value(|out| list(out, &levels, level)));
}

/// One buffer from which all values are cut, so that they cost one allocation together.
struct Scratch(BytesMut);

impl Scratch {
    fn value(&mut self, write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
        write(&mut self.0);
        let bytes: Bytes = self.0.split().freeze();
        HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

fn list(out: &mut BytesMut, levels: &[LimitStatus], write: impl Fn(&mut BytesMut, &LimitStatus)) {
    for (index, level) in levels.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, level);
    }
}

fn policy(out: &mut BytesMut, level: &LimitStatus) {
    name(out, level);
    number(out, ";q=", level.set);
    match level.kind {
        Kind::Requests => {}
        Kind::Tokens => out.extend_from_slice(b";qu=\"tokens\""),
        Kind::Concurrency => return out.extend_from_slice(b";qu=\"concurrent-requests\""),
    }
    number(out, ";w=", level.window.as_secs().max(1));
}

fn level(out: &mut BytesMut, level: &LimitStatus) {
    name(out, level);
    number(out, ";r=", level.left);
    if level.kind != Kind::Concurrency {
        let seconds = level.refills_in.as_secs() + u64::from(level.refills_in.subsec_nanos() > 0);
        number(out, ";t=", seconds);
    }
}

/// Whose limit on what: `"key-requests-60s"`. The owner's own name stays out, since it may not be fit for a header.
fn name(out: &mut BytesMut, level: &LimitStatus) {
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

fn number(out: &mut BytesMut, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A time as Go prints it: `0s`, `17ms`, `50.529s`, `6m0s`, `1h2m3s`. Rounded up to the millisecond, so that it is true.
fn go_duration(out: &mut BytesMut, time: Duration) {
    let ms = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
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
fn moment(out: &mut BytesMut, now_ms: u64, time: Duration) {
    let mut text = String::with_capacity(24);
    let ms = now_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).saturating_add(999);
    Stamp::default().write_seconds(&mut text, ms);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "limit_headers_tests.rs"]
mod tests;
