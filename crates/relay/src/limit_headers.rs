//! What every answer says about the caller's limits.
//!
//! Clients that pace themselves read headers, and each family's SDKs read their own: `x-ratelimit-*` with Go durations
//! in the OpenAI dialect, `anthropic-ratelimit-*` with moments in the Anthropic dialect. `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11) name every limit in all dialects. Where several limits
//! count the same thing the families' headers can only tell of one, so they tell of the one with the least left.
//!
//! This is written for every call, so what does not change is written once for a set of limits ([`Told`]), the levels
//! are gone through once, and values are written where they are sent from. Shadow limits are left out: they never refuse.

use crate::digits::{Decimal, digits};
use crate::http1::{Lines, Name, name};
use http::HeaderValue;
use sluicegate_flow::{Kind, Limit, LimitSet, Nanos};
use sluicegate_vocabulary::{Dialect, Stamp};
use std::sync::Arc;
use std::time::Duration;

/// The three headers of one kind of limit in one dialect.
struct Names {
    limit: Name,
    remaining: Name,
    reset: Name,
}

/// What one dialect has for limits.
struct Family {
    requests: Names,
    tokens: Names,
    /// How it tells a time from now on, by the wall clock in milliseconds.
    reset: fn(&mut Vec<u8>, u64, Duration),
}

static OPENAI: Family = Family {
    requests: Names {
        limit: name!("x-ratelimit-limit-requests"),
        remaining: name!("x-ratelimit-remaining-requests"),
        reset: name!("x-ratelimit-reset-requests"),
    },
    tokens: Names {
        limit: name!("x-ratelimit-limit-tokens"),
        remaining: name!("x-ratelimit-remaining-tokens"),
        reset: name!("x-ratelimit-reset-tokens"),
    },
    reset: |out, _, time| go_duration(out, time),
};
static ANTHROPIC: Family = Family {
    requests: Names {
        limit: name!("anthropic-ratelimit-requests-limit"),
        remaining: name!("anthropic-ratelimit-requests-remaining"),
        reset: name!("anthropic-ratelimit-requests-reset"),
    },
    tokens: Names {
        limit: name!("anthropic-ratelimit-tokens-limit"),
        remaining: name!("anthropic-ratelimit-tokens-remaining"),
        reset: name!("anthropic-ratelimit-tokens-reset"),
    },
    reset: moment,
};

static RATE_LIMIT: Name = name!("ratelimit");
static RATE_LIMIT_POLICY: Name = name!("ratelimit-policy");

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
    /// What `RateLimit-Policy` says.
    policy: HeaderValue,
    /// Each limit that refuses, in their order.
    limits: Box<[LimitWords]>,
}

/// What never changes of what is told of a limit.
#[derive(Debug)]
struct LimitWords {
    /// How much it allows.
    amount: HeaderValue,
    /// The beginning of its item in `RateLimit`.
    item: Box<[u8]>,
}

/// A limit and its level.
struct Level<'a> {
    amount: &'a HeaderValue,
    left: u64,
    /// The same as text, which is told twice.
    told: Decimal,
    refills_in: Duration,
}

/// What a set of limits allows.
pub(crate) fn words(limits: &LimitSet) -> Words {
    let (mut text, mut told) = (Vec::new(), Vec::new());
    // Those that only watch come last.
    for limit in limits.limits().iter().take_while(|limit| !limit.quota().shadow) {
        let mut item = Vec::new();
        begin(&mut item, limit, told.is_empty());
        item.extend_from_slice(b";r=");
        told.push(LimitWords { amount: HeaderValue::from(limit.quota().set), item: item.into() });
        begin(&mut text, limit, told.len() == 1);
        number(&mut text, ";q=", limit.quota().set);
        match limit.kind() {
            Kind::Requests => {}
            Kind::Tokens => text.extend_from_slice(b";qu=\"tokens\""),
            Kind::Concurrency => text.extend_from_slice(b";qu=\"concurrent-requests\""),
        }
        if limit.kind() != Kind::Concurrency {
            number(&mut text, ";w=", limit.quota().window.as_secs().max(1));
        }
    }
    let policy = HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("-"));
    (!told.is_empty()).then(|| Arc::new(Allowed { policy, limits: told.into() }))
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
        let Some(allowed) = self.words.as_deref() else { return };
        let (mut requests, mut tokens) = (None, None);
        to.put_value(&RATE_LIMIT_POLICY, &allowed.policy);
        to.put(&RATE_LIMIT, |out| {
            for (limit, words) in self.limits.limits().iter().zip(&allowed.limits) {
                let gauge = limit.gauge(now);
                let (left, told) = (gauge.left, Decimal::new(gauge.left));
                let level = Level { amount: &words.amount, left, told, refills_in: gauge.full_in };
                out.extend_from_slice(&words.item);
                item(out, limit.kind(), &level);
                let least = match limit.kind() {
                    Kind::Requests => &mut requests,
                    Kind::Tokens => &mut tokens,
                    Kind::Concurrency => continue,
                };
                if least.as_ref().is_none_or(|least: &Level<'_>| level.left < least.left) {
                    *least = Some(level);
                }
            }
        });
        match dialect {
            Dialect::OpenAi => tell(to, &OPENAI, requests, tokens, now_ms),
            Dialect::Anthropic => tell(to, &ANTHROPIC, requests, tokens, now_ms),
            // Its own API has no such headers.
            Dialect::Gemini => {}
        }
    }
}

/// Tells of the limits with the least left as a family does. Made once for each, with its names in place.
#[inline(always)]
fn tell(
    to: &mut impl Lines,
    family: &'static Family,
    requests: Option<Level<'_>>,
    tokens: Option<Level<'_>>,
    now_ms: u64,
) {
    for (least, names) in [(requests, &family.requests), (tokens, &family.tokens)] {
        let Some(Level { amount, told, refills_in, .. }) = least else { continue };
        to.put_value(&names.limit, amount);
        to.put(&names.remaining, |out| told.write(out));
        to.put(&names.reset, |out| (family.reset)(out, now_ms, refills_in));
    }
}

/// The rest of an item of `RateLimit`, whose beginning is always the same.
fn item(out: &mut Vec<u8>, kind: Kind, level: &Level<'_>) {
    level.told.write(out);
    if kind != Kind::Concurrency {
        out.extend_from_slice(b";t=");
        digits(out, level.refills_in.as_secs() + u64::from(level.refills_in.subsec_nanos() > 0));
    }
}

/// Begins an item of a list with a limit's name.
fn begin(out: &mut Vec<u8>, limit: &Limit, first: bool) {
    out.extend_from_slice(if first { b"\"" } else { b", \"" });
    out.extend_from_slice(limit.name().as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, before: &str, number: u64) {
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
