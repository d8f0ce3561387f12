//! The two records of the journal: that a call may cost something, and how it ended.
//!
//! An [`Intent`] is written before the first byte of an answer leaves for the client, so an answered call is in the books
//! even if the process is killed the next moment. [`Ended`] closes all intents of its call and says all that the books and
//! the request log want to know. Both borrow their texts, in writing and in reading.
//!
//! What is read of every call stands where it is found without reading the rest ([`Skimmed`]): numbers of a fixed width
//! first, and before what may be passed over, its length.

use crate::codec::{Reader, Unreadable, put_sized, put_str, put_u64, put_words, text};
use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_vocabulary::{EndReason, Money, Tier, Usage, UsageSource};
use smallvec::SmallVec;
use std::borrow::Cow;

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

/// What of an [`Owner`] is the same for all calls of a key, as it lies in the journal: the tenant, the key and the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose(Cow<'static, [u8]>);

/// An [`Owner`] for whoever writes many calls of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerOf<'a> {
    /// The tenant, the key and the account.
    pub whose: &'a Whose,
    /// The model as its client named it.
    pub model: &'a str,
    /// The label that its client gave it.
    pub label: &'a str,
}

/// What can be written as the owner of a call.
pub trait PutOwner {
    /// Appends its words.
    fn put(&self, out: &mut Vec<u8>);
}

/// A call is about to be answered, and may cost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent<'a, O = Owner<'a>> {
    /// The call's number.
    pub call: u64,
    /// Which attempt at a provider, from 0.
    pub attempt: u16,
    /// When the call arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Whose it is.
    pub owner: O,
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
    /// Under which `Idempotency-Key` it was sent, if it was.
    pub repeat: Option<Repeated>,
}

/// What is remembered of a call that its client may send again under the same `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repeated {
    /// A hash of whose key it is and what it says.
    pub key: u128,
    /// A hash of the request.
    pub request: u64,
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
    pub lines: Cow<'a, [Line]>,
}

/// A call has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<'a, O = Owner<'a>> {
    /// The call's number.
    pub call: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Whose it is.
    pub owner: O,
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
    /// What it would have cost more if the cache had not answered, or a choice had not fallen on a cheaper model.
    pub saved: Money,
    /// What refuses its repeats from now on.
    pub repeat: Option<Repeated>,
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
/// Beside the attempt of an intent: it can be sent again.
const REPEATABLE: u64 = 1 << 16;
/// Among the flags of an end: it was asked for as a stream, the cache answered, and what few calls have.
const STREAM: u8 = 1;
const CACHE_HIT: u8 = 2;
const SAVED: u8 = 4;
const REPEATED: u8 = 8;

/// The ways a figure of usage is known, in the order of their numbers in the journal.
const SOURCES: [UsageSource; 4] =
    [UsageSource::None, UsageSource::Reported, UsageSource::Counted, UsageSource::Estimated];

fn position<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

impl Whose {
    /// That of calls without a key, and of keys as long as there are no books.
    pub const NOBODY: Self = Self(Cow::Borrowed(&[0; 6]));

    /// Words that are empty are none.
    #[must_use]
    pub fn new(tenant: &str, key: &str, account: &str) -> Self {
        let mut words = Vec::with_capacity(6 + tenant.len() + key.len() + account.len());
        for word in [tenant, key, account] {
            put_str(&mut words, word);
        }
        Self(words.into())
    }
}

impl PutOwner for OwnerOf<'_> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.whose.0);
        put_str(out, self.model);
        put_str(out, self.label);
    }
}

impl PutOwner for Owner<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        for word in [self.tenant, self.key, self.account, self.model, self.label] {
            put_str(out, word);
        }
    }
}

/// With its length before it, so that it can be compared or passed over as a whole.
#[inline]
fn put_owner(out: &mut Vec<u8>, owner: &impl PutOwner) {
    put_sized(out, |out| owner.put(out));
}

impl<'a> Owner<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let from = &mut Reader(bytes);
        let (tenant, key, account) = (from.str()?, from.str()?, from.str()?);
        Ok(Self { tenant, key, account, model: from.str()?, label: from.str()? })
    }
}

impl Repeated {
    fn write(&self, out: &mut Vec<u8>) {
        put_words(out, [self.key as u64, (self.key >> 64) as u64, self.request]);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let [low, high, request] = from.words()?;
        Ok(Self { key: u128::from(low) | (u128::from(high) << 64), request })
    }
}

impl<O: PutOwner> Intent<'_, O> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let numbers = [
            self.call,
            self.at_ms.cast_unsigned(),
            self.held.nanos().cast_unsigned(),
            self.expected.nanos().cast_unsigned(),
            self.price.0,
            u64::from(self.attempt) | if self.repeat.is_some() { REPEATABLE } else { 0 },
        ];
        out.push(INTENT);
        put_words(out, numbers);
        put_owner(out, &self.owner);
        for word in [self.request_id, self.provider, self.upstream] {
            put_str(out, word);
        }
        if let Some(repeat) = &self.repeat {
            repeat.write(out);
        }
    }
}

impl<O: PutOwner> Ended<'_, O> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let flags = [
            (self.stream, STREAM),
            (self.cache_hit, CACHE_HIT),
            (self.saved != Money::ZERO, SAVED),
            (self.repeat.is_some(), REPEATED),
        ];
        let flags = flags.into_iter().fold(0, |sum, (is_set, flag)| if is_set { sum | flag } else { sum });
        let ([status, status_high], [attempts, attempts_high]) =
            (self.status.to_le_bytes(), self.attempts.to_le_bytes());
        let (end, charges) = (position(&EndReason::ALL, &self.end), self.charges.len().min(255));
        let small = [status, status_high, attempts, attempts_high, end, flags, charges as u8, 0];
        let numbers = [
            self.call,
            self.at_ms.cast_unsigned(),
            self.queued_us,
            self.first_us,
            self.total_us,
            u64::from_le_bytes(small),
        ];
        out.push(ENDED);
        put_words(out, numbers);
        put_owner(out, &self.owner);
        put_str(out, self.request_id);
        if self.saved != Money::ZERO {
            put_words(out, [self.saved.nanos().cast_unsigned()]);
        }
        if let Some(repeat) = &self.repeat {
            repeat.write(out);
        }
        for charge in self.charges.iter().take(charges) {
            charge.write(out);
        }
    }
}

/// How many counts a usage has.
const COUNTS: usize = 14;

/// The counts of a usage, in the order of their bits in the journal. Most are nothing, and nothing is not written.
const fn counts(usage: &Usage) -> [u64; COUNTS] {
    [
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_long,
        usage.input_audio,
        usage.output,
        usage.reasoning,
        usage.output_audio,
        usage.input_image,
        usage.output_image,
        usage.images,
        usage.web_searches,
        usage.file_searches,
        usage.code_sessions,
    ]
}

/// The usage that has these counts.
const fn usage(counts: [u64; COUNTS], tier: Tier, source: UsageSource) -> Usage {
    let [
        input,
        cache_read,
        cache_write,
        cache_write_long,
        input_audio,
        output,
        reasoning,
        output_audio,
        input_image,
        output_image,
        images,
        web_searches,
        file_searches,
        code_sessions,
    ] = counts;
    Usage {
        input,
        cache_read,
        cache_write,
        cache_write_long,
        input_audio,
        output,
        reasoning,
        output_audio,
        input_image,
        output_image,
        images,
        web_searches,
        file_searches,
        code_sessions,
        tier,
        source,
    }
}

/// The places of the bits that are set.
fn bits(mut set: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = set.trailing_zeros() as usize;
        set &= set.checked_sub(1)?;
        Some(bit)
    })
}

impl Charged<'_> {
    /// What is summed up comes first, then what only somebody wants to know who looks at this call.
    fn write(&self, out: &mut Vec<u8>) {
        let counts = counts(&self.usage);
        let used = counts.iter().enumerate().fold(0, |used, (bit, count)| used | (u16::from(*count > 0) << bit));
        let [present, present_high] = used.to_le_bytes();
        let [attempt, attempt_high] = self.attempt.to_le_bytes();
        let (source, tier) = (position(&SOURCES, &self.usage.source), position(&Tier::ALL, &self.usage.tier));
        let (priced, lines) = (u8::from(self.cost.is_some()), self.lines.len().min(255) as u8);
        let numbers = [
            self.cost.unwrap_or_default().nanos().cast_unsigned(),
            self.billed.nanos().cast_unsigned(),
            self.price.0,
            u64::from_le_bytes([present, present_high, attempt, attempt_high, source, tier, priced, lines]),
        ];
        put_words(out, numbers);
        put_str(out, self.provider);
        for count in bits(used).filter_map(|bit| counts.get(bit)) {
            put_u64(out, *count);
        }
        put_sized(out, |out| {
            put_str(out, self.upstream);
            put_u64(out, self.multiplier.millionths().into());
            for line in self.lines.iter().take(usize::from(lines)) {
                out.push(line.class as u8);
                put_u64(out, line.quantity);
                put_u64(out, line.unit);
            }
        });
    }

    /// What was paid for it, and what of that was earned.
    pub(crate) fn paid(&self, account: &str) -> (i64, i64) {
        paid(self.cost, self.billed, !account.is_empty())
    }
}

/// The call and the attempt of an intent, and nothing more of it; `None` for another record.
pub(crate) fn intent_of(bytes: &[u8]) -> Option<(u64, u16)> {
    let mut from = Reader(bytes);
    (from.u8().ok()? == INTENT).then_some(())?;
    let [call, .., attempt]: [u64; 6] = from.words().ok()?;
    Some((call, u16::try_from(attempt & !REPEATABLE).ok()?))
}

/// What is read of every call's end, without its words being looked at: they are texts only to whoever wants to read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Skimmed<'a> {
    pub(crate) call: u64,
    pub(crate) at_ms: i64,
    pub(crate) queued_us: u64,
    pub(crate) first_us: u64,
    pub(crate) total_us: u64,
    pub(crate) status: u16,
    attempts: u16,
    end: u8,
    pub(crate) stream: bool,
    pub(crate) cache_hit: bool,
    /// Whose it is, for [`Owner::read`].
    pub(crate) owner: &'a [u8],
    pub(crate) request_id: &'a [u8],
    pub(crate) saved: Money,
    pub(crate) repeat: Option<Repeated>,
    pub(crate) charges: Charges<'a>,
}

/// The charges of a call, not yet read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charges<'a> {
    left: u8,
    bytes: &'a [u8],
}

/// What is read of every charge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkimmedCharge<'a> {
    pub(crate) attempt: u16,
    pub(crate) usage: Usage,
    pub(crate) cost: Option<Money>,
    pub(crate) billed: Money,
    pub(crate) price: PriceVersion,
    pub(crate) provider: &'a [u8],
    lines: u8,
    rest: &'a [u8],
}

impl<'a> Skimmed<'a> {
    /// Reads the end of a call.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let from = &mut Reader(bytes);
        if from.u8()? != ENDED {
            return Err(Unreadable);
        }
        let [call, at_ms, queued_us, first_us, total_us, small] = from.words()?;
        let [status, status_high, attempts, attempts_high, end, flags, charges, _] = small.to_le_bytes();
        let (owner, request_id) = (from.sized()?, from.sized()?);
        let saved = if flags & SAVED != 0 { from.words::<1>()?.map(u64::cast_signed) } else { [0] };
        let repeat = if flags & REPEATED != 0 { Some(Repeated::read(from)?) } else { None };
        Ok(Self {
            call,
            at_ms: at_ms.cast_signed(),
            queued_us,
            first_us,
            total_us,
            status: u16::from_le_bytes([status, status_high]),
            attempts: u16::from_le_bytes([attempts, attempts_high]),
            end,
            stream: flags & STREAM != 0,
            cache_hit: flags & CACHE_HIT != 0,
            owner,
            request_id,
            saved: saved.into_iter().map(Money::from_nanos).sum(),
            repeat,
            charges: Charges { left: charges, bytes: from.0 },
        })
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Result<Ended<'a>, Unreadable> {
        let mut charges = SmallVec::new();
        for charge in self.charges {
            charges.push(charge?.whole()?);
        }
        Ok(Ended {
            call: self.call,
            at_ms: self.at_ms,
            owner: Owner::read(self.owner)?,
            request_id: text(self.request_id)?,
            end: *EndReason::ALL.get(usize::from(self.end)).ok_or(Unreadable)?,
            status: self.status,
            stream: self.stream,
            cache_hit: self.cache_hit,
            attempts: self.attempts,
            queued_us: self.queued_us,
            first_us: self.first_us,
            total_us: self.total_us,
            charges,
            saved: self.saved,
            repeat: self.repeat,
        })
    }
}

impl Charges<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Charges<'a> {
    type Item = Result<SkimmedCharge<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut from = Reader(self.bytes);
        let read = SkimmedCharge::read(&mut from);
        self.bytes = from.0;
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

impl<'a> SkimmedCharge<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Unreadable> {
        let [cost, billed, price, small] = from.words()?;
        let [present, present_high, attempt, attempt_high, source, tier, priced, lines] = small.to_le_bytes();
        let provider = from.sized()?;
        let mut counts = [0; COUNTS];
        for bit in bits(u16::from_le_bytes([present, present_high])) {
            *counts.get_mut(bit).ok_or(Unreadable)? = from.u64()?;
        }
        let source = *SOURCES.get(usize::from(source)).ok_or(Unreadable)?;
        let tier = *Tier::ALL.get(usize::from(tier)).ok_or(Unreadable)?;
        Ok(Self {
            attempt: u16::from_le_bytes([attempt, attempt_high]),
            usage: usage(counts, tier, source),
            cost: (priced != 0).then_some(Money::from_nanos(cost.cast_signed())),
            billed: Money::from_nanos(billed.cast_signed()),
            price: PriceVersion(price),
            provider,
            lines,
            rest: from.sized()?,
        })
    }

    fn whole(&self) -> Result<Charged<'a>, Unreadable> {
        let from = &mut Reader(self.rest);
        let (upstream, multiplier) = (from.str()?, Multiplier::from_millionths(from.number()?));
        let mut lines = Vec::new();
        for _ in 0..self.lines {
            let class = *Class::ALL.get(usize::from(from.u8()?)).ok_or(Unreadable)?;
            lines.push(Line { class, quantity: from.u64()?, unit: from.u64()? });
        }
        Ok(Charged {
            attempt: self.attempt,
            provider: text(self.provider)?,
            upstream,
            usage: self.usage,
            cost: self.cost,
            billed: self.billed,
            price: self.price,
            multiplier,
            lines: lines.into(),
        })
    }

    /// What was paid for it, and what of that was earned. Without an account the house pays the cost, whatever would have
    /// been billed.
    pub(crate) fn paid(&self, has_account: bool) -> (i64, i64) {
        paid(self.cost, self.billed, has_account)
    }
}

fn paid(cost: Option<Money>, billed: Money, has_account: bool) -> (i64, i64) {
    let cost = cost.unwrap_or_default().nanos();
    let paid = if has_account { billed.nanos() } else { cost };
    (paid, paid.saturating_sub(cost))
}

impl<'a> Record<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let from = &mut Reader(bytes);
        if from.u8()? != INTENT {
            return Ok(Self::Ended(Skimmed::read(bytes)?.whole()?));
        }
        let [call, at_ms, held, expected, price, attempt] = from.words()?;
        let owner = Owner::read(from.sized()?)?;
        Ok(Self::Intent(Intent {
            call,
            attempt: u16::try_from(attempt & !REPEATABLE).map_err(|_| Unreadable)?,
            at_ms: at_ms.cast_signed(),
            owner,
            request_id: from.str()?,
            provider: from.str()?,
            upstream: from.str()?,
            held: Money::from_nanos(held.cast_signed()),
            expected: Money::from_nanos(expected.cast_signed()),
            price: PriceVersion(price),
            repeat: if attempt & REPEATABLE == 0 { None } else { Some(Repeated::read(from)?) },
        }))
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
