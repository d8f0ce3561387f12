//! The two records of the journal: that a call may cost something, and how it ended.
//!
//! An [`Intent`] is written before the first byte of an answer leaves for the client, so an answered call is in the books
//! even if the process is killed the next moment. [`Ended`] closes all intents of its call and says all that the books and
//! the request log want to know. Both borrow their texts, in writing and in reading.

use crate::codec::{Reader, Unreadable, put_i64, put_str, put_u64};
use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_vocabulary::{EndReason, Money, Tier, Usage, UsageSource};
use smallvec::SmallVec;

/// Who a call belongs to, in the words by which it is counted. An empty word is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Owner<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The key.
    pub key: &'a str,
    /// The account that pays.
    pub account: &'a str,
    /// The model as its client named it.
    pub model: &'a str,
    /// The label that its client gave it.
    pub label: &'a str,
}

/// A call is about to be answered, and may cost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent<'a> {
    /// The call's number.
    pub call: u64,
    /// Which attempt at a provider, from 0.
    pub attempt: u16,
    /// When the call arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Whose it is.
    pub owner: Owner<'a>,
    /// Its `x-request-id`.
    pub request_id: &'a str,
    /// The provider asked.
    pub provider: &'a str,
    /// The model asked for there.
    pub upstream: &'a str,
    /// What is held for it.
    pub held: Money,
    /// What it will cost if nothing more is ever heard of it: an estimate of what its account will pay.
    pub expected: Money,
    /// The price it will be billed by.
    pub price: PriceVersion,
}

/// What one attempt cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged<'a> {
    /// Which attempt, from 0.
    pub attempt: u16,
    /// The provider that answered.
    pub provider: &'a str,
    /// The model asked for there.
    pub upstream: &'a str,
    /// What was used.
    pub usage: Usage,
    /// What the provider is owed, or `None` where the model has no price.
    pub cost: Option<Money>,
    /// What the account pays.
    pub billed: Money,
    /// The price it was billed by.
    pub price: PriceVersion,
    /// What the account pays for each dollar of cost.
    pub multiplier: Multiplier,
    /// The arithmetic.
    pub lines: SmallVec<[Line; 5]>,
}

/// A call has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The call's number.
    pub call: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Whose it is.
    pub owner: Owner<'a>,
    /// Its `x-request-id`.
    pub request_id: &'a str,
    /// How it ended.
    pub end: EndReason,
    /// The status its client saw, 0 if none was sent.
    pub status: u16,
    /// Whether its client asked for a stream.
    pub stream: bool,
    /// Whether the response cache answered.
    pub cache_hit: bool,
    /// How often a provider was asked.
    pub attempts: u16,
    /// How long it waited for admission, in microseconds.
    pub queued_us: u64,
    /// When the first byte of content came, in microseconds from its arrival; 0 if none did.
    pub first_us: u64,
    /// How long it took, in microseconds.
    pub total_us: u64,
    /// What it cost, by attempt: none for a call that used nothing.
    pub charges: SmallVec<[Charged<'a>; 1]>,
}

/// What lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lies on the stack for a moment and is never kept")]
pub(crate) enum Record<'a> {
    Intent(Intent<'a>),
    Ended(Ended<'a>),
}

const INTENT: u8 = 1;
const ENDED: u8 = 2;
/// As [`ENDED`], and its charges say what was used beside tokens of text, and in which tier.
const ENDED_WHOLE: u8 = 3;

/// The ways a figure of usage is known, in the order of their numbers in the journal.
const SOURCES: [UsageSource; 4] =
    [UsageSource::None, UsageSource::Reported, UsageSource::Counted, UsageSource::Estimated];

fn position<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

impl Owner<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        for word in [self.tenant, self.key, self.account, self.model, self.label] {
            put_str(out, word);
        }
    }
}

impl<'a> Owner<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Unreadable> {
        let (tenant, key, account) = (from.str()?, from.str()?, from.str()?);
        Ok(Self { tenant, key, account, model: from.str()?, label: from.str()? })
    }
}

impl Intent<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(INTENT);
        put_u64(out, self.call);
        put_u64(out, self.attempt.into());
        put_i64(out, self.at_ms);
        self.owner.write(out);
        for word in [self.request_id, self.provider, self.upstream] {
            put_str(out, word);
        }
        put_i64(out, self.held.nanos());
        put_i64(out, self.expected.nanos());
        put_u64(out, self.price.0);
    }
}

impl Ended<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(ENDED_WHOLE);
        put_u64(out, self.call);
        put_i64(out, self.at_ms);
        self.owner.write(out);
        put_str(out, self.request_id);
        out.push(position(&EndReason::ALL, &self.end));
        put_u64(out, self.status.into());
        out.push(u8::from(self.stream) | (u8::from(self.cache_hit) << 1));
        put_u64(out, self.attempts.into());
        for micros in [self.queued_us, self.first_us, self.total_us] {
            put_u64(out, micros);
        }
        put_u64(out, self.charges.len() as u64);
        for charge in &self.charges {
            charge.write(out);
        }
    }
}

impl Charged<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.attempt.into());
        put_str(out, self.provider);
        put_str(out, self.upstream);
        let usage = &self.usage;
        for tokens in [
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_long,
            usage.input_audio,
            usage.output,
            usage.reasoning,
            usage.output_audio,
        ] {
            put_u64(out, tokens);
        }
        out.push(position(&SOURCES, &usage.source));
        out.push(position(&Tier::ALL, &usage.tier));
        for count in [
            usage.input_image,
            usage.output_image,
            usage.images,
            usage.web_searches,
            usage.file_searches,
            usage.code_sessions,
        ] {
            put_u64(out, count);
        }
        out.push(u8::from(self.cost.is_some()));
        put_i64(out, self.cost.unwrap_or_default().nanos());
        put_i64(out, self.billed.nanos());
        put_u64(out, self.price.0);
        put_u64(out, self.multiplier.millionths().into());
        write_lines(&self.lines, out);
    }

    /// What was paid for it, and what of that was earned. Without an account the house pays the cost, whatever would have
    /// been billed.
    pub(crate) const fn paid(&self, account: &str) -> (i64, i64) {
        let cost = match self.cost {
            Some(cost) => cost.nanos(),
            None => 0,
        };
        let paid = if account.is_empty() { cost } else { self.billed.nanos() };
        (paid, paid.saturating_sub(cost))
    }
}

fn write_lines(lines: &[Line], out: &mut Vec<u8>) {
    put_u64(out, lines.len() as u64);
    for line in lines {
        out.push(line.class as u8);
        put_u64(out, line.quantity);
        put_u64(out, line.unit);
    }
}

fn read_lines(from: &mut Reader<'_>) -> Result<SmallVec<[Line; 5]>, Unreadable> {
    let count = from.u64()?;
    if count > Class::ALL.len() as u64 {
        return Err(Unreadable);
    }
    let mut lines = SmallVec::new();
    for _ in 0..count {
        let class = *Class::ALL.get(usize::from(from.u8()?)).ok_or(Unreadable)?;
        lines.push(Line { class, quantity: from.u64()?, unit: from.u64()? });
    }
    Ok(lines)
}

/// The call and the attempt of an intent, and nothing more of it; `None` for another record.
pub(crate) fn intent_of(bytes: &[u8]) -> Option<(u64, u16)> {
    let mut from = Reader(bytes);
    (from.u8().ok()? == INTENT).then_some(())?;
    Some((from.u64().ok()?, from.number().ok()?))
}

impl<'a> Record<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let from = &mut Reader(bytes);
        match from.u8()? {
            INTENT => Ok(Self::Intent(Intent {
                call: from.u64()?,
                attempt: from.number()?,
                at_ms: from.i64()?,
                owner: Owner::read(from)?,
                request_id: from.str()?,
                provider: from.str()?,
                upstream: from.str()?,
                held: Money::from_nanos(from.i64()?),
                expected: Money::from_nanos(from.i64()?),
                price: PriceVersion(from.u64()?),
            })),
            version @ (ENDED | ENDED_WHOLE) => Ok(Self::Ended(read_ended(from, version == ENDED_WHOLE)?)),
            _ => Err(Unreadable),
        }
    }
}

fn read_ended<'a>(from: &mut Reader<'a>, whole: bool) -> Result<Ended<'a>, Unreadable> {
    let (call, at_ms, owner, request_id) = (from.u64()?, from.i64()?, Owner::read(from)?, from.str()?);
    let end = *EndReason::ALL.get(usize::from(from.u8()?)).ok_or(Unreadable)?;
    let status = from.number()?;
    let flags = from.u8()?;
    let attempts = from.number()?;
    let (queued_us, first_us, total_us) = (from.u64()?, from.u64()?, from.u64()?);
    let count = from.u64()?;
    let mut charges = SmallVec::new();
    for _ in 0..count {
        charges.push(read_charge(from, whole)?);
    }
    let (stream, cache_hit) = (flags & 1 != 0, flags & 2 != 0);
    Ok(Ended {
        call,
        at_ms,
        owner,
        request_id,
        end,
        status,
        stream,
        cache_hit,
        attempts,
        queued_us,
        first_us,
        total_us,
        charges,
    })
}

fn read_charge<'a>(from: &mut Reader<'a>, whole: bool) -> Result<Charged<'a>, Unreadable> {
    let (attempt, provider, upstream) = (from.number()?, from.str()?, from.str()?);
    let mut usage = Usage {
        input: from.u64()?,
        cache_read: from.u64()?,
        cache_write: from.u64()?,
        cache_write_long: from.u64()?,
        input_audio: from.u64()?,
        output: from.u64()?,
        reasoning: from.u64()?,
        output_audio: from.u64()?,
        source: *SOURCES.get(usize::from(from.u8()?)).ok_or(Unreadable)?,
        ..Usage::default()
    };
    if whole {
        usage.tier = *Tier::ALL.get(usize::from(from.u8()?)).ok_or(Unreadable)?;
        usage.input_image = from.u64()?;
        usage.output_image = from.u64()?;
        usage.images = from.u64()?;
        usage.web_searches = from.u64()?;
        usage.file_searches = from.u64()?;
        usage.code_sessions = from.u64()?;
    }
    let priced = from.u8()? != 0;
    let cost = Money::from_nanos(from.i64()?);
    Ok(Charged {
        attempt,
        provider,
        upstream,
        usage,
        cost: priced.then_some(cost),
        billed: Money::from_nanos(from.i64()?),
        price: PriceVersion(from.u64()?),
        multiplier: Multiplier::from_millionths(from.number()?),
        lines: read_lines(from)?,
    })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
