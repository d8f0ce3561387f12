//! What every answer says about the caller's limits.
//!
//! Clients that pace themselves read headers, and each family's SDKs read their own: `x-ratelimit-*` with Go durations
//! in the OpenAI dialect, `anthropic-ratelimit-*` with moments in the Anthropic dialect. `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11) name every limit in all dialects. Where several limits
//! count the same thing the families' headers can only tell of one, so they tell of the one with the least left.
//!
//! This is written for every call, so what does not change comes first and is written once for a set of limits
//! ([`Allowed`]), the levels are gone through once, and all is written where it is sent from. Shadow limits are left out:
//! they never refuse.

use crate::digits::{Decimal, digits};
use crate::http1::Lines;
use sluicegate_flow::{Kind, Limit, LimitSet, Nanos};
use sluicegate_vocabulary::{Dialect, Stamp};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How the lines begin that tell of one kind of limit in one dialect: each with the end of the line before it.
struct Names {
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
}

/// What one dialect has for limits. Constants, so that a line is copied without a call.
trait Family {
    const REQUESTS: Names;
    const TOKENS: Names;

    /// Tells a time from now on, by the wall clock in milliseconds.
    fn reset(out: &mut Vec<u8>, now_ms: u64, time: Duration);
}

struct OpenAi;

impl Family for OpenAi {
    const REQUESTS: Names = Names {
        limit: "\r\nx-ratelimit-limit-requests: ",
        remaining: "\r\nx-ratelimit-remaining-requests: ",
        reset: "\r\nx-ratelimit-reset-requests: ",
    };
    const TOKENS: Names = Names {
        limit: "\r\nx-ratelimit-limit-tokens: ",
        remaining: "\r\nx-ratelimit-remaining-tokens: ",
        reset: "\r\nx-ratelimit-reset-tokens: ",
    };

    #[inline]
    fn reset(out: &mut Vec<u8>, _: u64, time: Duration) {
        go_duration(out, time);
    }
}

struct Anthropic;

impl Family for Anthropic {
    const REQUESTS: Names = Names {
        limit: "\r\nanthropic-ratelimit-requests-limit: ",
        remaining: "\r\nanthropic-ratelimit-requests-remaining: ",
        reset: "\r\nanthropic-ratelimit-requests-reset: ",
    };
    const TOKENS: Names = Names {
        limit: "\r\nanthropic-ratelimit-tokens-limit: ",
        remaining: "\r\nanthropic-ratelimit-tokens-remaining: ",
        reset: "\r\nanthropic-ratelimit-tokens-reset: ",
    };

    fn reset(out: &mut Vec<u8>, now_ms: u64, time: Duration) {
        moment(out, now_ms, time);
    }
}

/// A caller's limits as answers tell of them.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    limits: LimitSet,
    words: Words,
}

/// What a set's limits allow, written once; `None` for a set that refuses nobody.
pub(crate) type Words = Option<Arc<Allowed>>;

/// What a set's limits allow.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// The lines that always are the same, and the beginning of `RateLimit`, by dialect. Written when first told: hardly
    /// a caller speaks several.
    beginnings: [OnceLock<Box<[u8]>>; 3],
    /// Each limit that refuses, in their order.
    limits: Box<[LimitWords]>,
}

/// What never changes of what is told of a limit.
#[derive(Debug)]
struct LimitWords {
    /// How much it allows, where another limit of the same kind may have less left: else that is among the lines that
    /// always are the same.
    amount: Option<u64>,
    /// How the item of the next limit begins in `RateLimit`.
    next: Box<[u8]>,
}

/// A limit and its level.
struct Level {
    amount: Option<u64>,
    /// What is left, which is told twice.
    left: Decimal,
    refills_in: Duration,
}

/// What a set of limits allows.
pub(crate) fn words(limits: &LimitSet) -> Words {
    let refusing: Vec<&Limit> = refusing(limits).collect();
    let told = refusing.iter().enumerate().map(|(number, limit)| {
        let mut next = Vec::new();
        if let Some(limit) = refusing.get(number + 1) {
            next.extend_from_slice(b", ");
            begin(&mut next, limit);
        }
        let amount = (!is_only(limit, &refusing)).then_some(limit.quota().set);
        LimitWords { amount, next: next.into() }
    });
    (!refusing.is_empty()).then(|| Arc::new(Allowed { beginnings: Default::default(), limits: told.collect() }))
}

/// Those of a set that refuse. Those that only watch come last.
fn refusing(limits: &LimitSet) -> impl Iterator<Item = &Limit> {
    limits.limits().iter().take_while(|limit| !limit.quota().shadow).map(Arc::as_ref)
}

/// Whether a limit is the only one that counts what it counts.
fn is_only(limit: &Limit, among: &[&Limit]) -> bool {
    among.iter().filter(|other| other.kind() == limit.kind()).count() == 1
}

impl Allowed {
    /// The lines that always are the same in a dialect, and the beginning of `RateLimit`.
    #[inline]
    fn beginning(&self, limits: &LimitSet, dialect: Dialect) -> &[u8] {
        let place = match dialect {
            Dialect::OpenAi => &self.beginnings[0],
            Dialect::Anthropic => &self.beginnings[1],
            Dialect::Gemini => &self.beginnings[2],
        };
        place.get_or_init(|| beginning(limits, dialect))
    }
}

#[cold]
fn beginning(limits: &LimitSet, dialect: Dialect) -> Box<[u8]> {
    let refusing: Vec<&Limit> = refusing(limits).collect();
    let mut out = b"\r\nratelimit-policy: ".to_vec();
    for (number, limit) in refusing.iter().enumerate() {
        if number > 0 {
            out.extend_from_slice(b", ");
        }
        policy(&mut out, limit);
    }
    for limit in refusing.iter().filter(|limit| is_only(limit, &refusing)) {
        let names = match (dialect, limit.kind()) {
            (Dialect::OpenAi, Kind::Requests) => OpenAi::REQUESTS,
            (Dialect::OpenAi, Kind::Tokens) => OpenAi::TOKENS,
            (Dialect::Anthropic, Kind::Requests) => Anthropic::REQUESTS,
            (Dialect::Anthropic, Kind::Tokens) => Anthropic::TOKENS,
            // Gemini's own API has no such headers.
            (Dialect::Gemini, _) | (_, Kind::Concurrency) => continue,
        };
        number_after(&mut out, names.limit, limit.quota().set);
    }
    out.extend_from_slice(b"\r\nratelimit: ");
    if let Some(first) = refusing.first() {
        begin(&mut out, first);
    }
    out.into()
}

/// A limit's item in `RateLimit-Policy`.
fn policy(out: &mut Vec<u8>, limit: &Limit) {
    name(out, limit);
    number_after(out, ";q=", limit.quota().set);
    match limit.kind() {
        Kind::Requests => {}
        Kind::Tokens => out.extend_from_slice(b";qu=\"tokens\""),
        Kind::Concurrency => out.extend_from_slice(b";qu=\"concurrent-requests\""),
    }
    if limit.kind() != Kind::Concurrency {
        number_after(out, ";w=", limit.quota().window.as_secs().max(1));
    }
}

/// The beginning of a limit's item in `RateLimit`.
fn begin(out: &mut Vec<u8>, limit: &Limit) {
    name(out, limit);
    out.extend_from_slice(b";r=");
}

fn name(out: &mut Vec<u8>, limit: &Limit) {
    out.push(b'"');
    out.extend_from_slice(limit.name().as_bytes());
    out.push(b'"');
}

impl Told {
    pub(crate) const fn new(limits: LimitSet, words: Words) -> Self {
        Self { limits, words }
    }

    /// The limits themselves.
    pub(crate) const fn limits(&self) -> &LimitSet {
        &self.limits
    }

    /// Writes the headers. `now_ms` is the wall clock, for dialects that tell moments.
    pub(crate) fn write(&self, to: &mut impl Lines, dialect: Dialect, now: Nanos, now_ms: u64) {
        if let Some(allowed) = self.words.as_deref() {
            to.put_lines(|out| self.write_lines(out, allowed, dialect, now, now_ms));
        }
    }

    #[inline]
    fn write_lines(&self, out: &mut Vec<u8>, allowed: &Allowed, dialect: Dialect, now: Nanos, now_ms: u64) {
        out.extend_from_slice(allowed.beginning(&self.limits, dialect));
        let (mut requests, mut tokens) = (None, None);
        for (limit, words) in self.limits.limits().iter().zip(&allowed.limits) {
            let gauge = limit.gauge(now);
            let level = Level { amount: words.amount, left: Decimal::new(gauge.left), refills_in: gauge.full_in };
            item(out, limit.kind(), &level);
            if !words.next.is_empty() {
                out.extend_from_slice(&words.next);
            }
            let least = match limit.kind() {
                Kind::Requests => &mut requests,
                Kind::Tokens => &mut tokens,
                Kind::Concurrency => continue,
            };
            if least.as_ref().is_none_or(|least: &Level| level.left.number() < least.left.number()) {
                *least = Some(level);
            }
        }
        match dialect {
            Dialect::OpenAi => tell::<OpenAi>(out, requests.as_ref(), tokens.as_ref(), now_ms),
            Dialect::Anthropic => tell::<Anthropic>(out, requests.as_ref(), tokens.as_ref(), now_ms),
            Dialect::Gemini => {}
        }
    }
}

/// Tells of the limits with the least left as a family does.
#[inline(always)]
fn tell<F: Family>(out: &mut Vec<u8>, requests: Option<&Level>, tokens: Option<&Level>, now_ms: u64) {
    if let Some(least) = requests {
        tell_of::<F>(out, &F::REQUESTS, least, now_ms);
    }
    if let Some(least) = tokens {
        tell_of::<F>(out, &F::TOKENS, least, now_ms);
    }
}

#[inline(always)]
fn tell_of<F: Family>(out: &mut Vec<u8>, names: &Names, least: &Level, now_ms: u64) {
    if let Some(amount) = least.amount {
        number_after(out, names.limit, amount);
    }
    out.extend_from_slice(names.remaining.as_bytes());
    least.left.write(out);
    out.extend_from_slice(names.reset.as_bytes());
    F::reset(out, now_ms, least.refills_in);
}

/// The rest of an item of `RateLimit`, whose beginning is always the same.
fn item(out: &mut Vec<u8>, kind: Kind, level: &Level) {
    level.left.write(out);
    if kind != Kind::Concurrency {
        out.extend_from_slice(b";t=");
        digits(out, level.refills_in.as_secs() + u64::from(level.refills_in.subsec_nanos() > 0));
    }
}

fn number_after(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    digits(out, number);
}

/// A time as Go prints it: `0s`, `17ms`, `50.529s`, `6m0s`, `1h2m3s`. Rounded up, so that it is true: below a minute to the
/// millisecond, from there on to the second.
fn go_duration(out: &mut Vec<u8>, time: Duration) {
    let ms = time.as_secs().saturating_mul(1000).saturating_add(time.subsec_nanos().div_ceil(1_000_000).into());
    if ms >= 60_000 {
        let (mut minutes, seconds) = (ms.div_ceil(1000) / 60, ms.div_ceil(1000) % 60);
        if minutes >= 60 {
            digits(out, minutes / 60);
            out.push(b'h');
            minutes %= 60;
        }
        digits(out, minutes);
        out.push(b'm');
        digits(out, seconds);
        return out.push(b's');
    }
    match ms {
        0 => return out.extend_from_slice(b"0s"),
        1..1000 => {
            digits(out, ms);
            return out.extend_from_slice(b"ms");
        }
        _ => digits(out, ms / 1000),
    }
    let thousandths = ms % 1000;
    let text = [b'.', digit(thousandths / 100), digit(thousandths / 10 % 10), digit(thousandths % 10)];
    // As many of them as it takes.
    let shown = match thousandths {
        0 => 0,
        _ if thousandths % 100 == 0 => 2,
        _ if thousandths % 10 == 0 => 3,
        _ => 4,
    };
    out.extend_from_slice(text.get(..shown).unwrap_or_default());
    out.push(b's');
}

fn digit(number: u64) -> u8 {
    b'0' + number as u8
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
