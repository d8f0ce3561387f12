//! One call in the books, from its hold to its end.

use super::Books;
use crate::call::{Caller, Plan, Request};
use crate::estimate;
use crate::record::{Before, Record, State};
use crate::server::Worker;
use crate::settle::may_have_worked;
use crate::snapshot::{Bill, Candidate, Key, Route, Snapshot, Tariff};
use sluicegate_ledger::{Amount, By, Hold, Multiplier, Notice, Payer, PriceVersion, Refused, Tier, Unit};
use sluicegate_store::{Charged, Ended, Intent, OwnerOf, Whose};
use sluicegate_vocabulary::{AttemptRecord, CacheUse, Fault, FaultKind, Money, Usage, UsageSource};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// Output that is held for where neither the call nor the price list says how long an answer may be, in tokens.
const UNKNOWN_OUTPUT: u64 = 16_384;
static LABEL: http::HeaderName = http::HeaderName::from_static("x-sluicegate-label");

/// Tokens of output that are paid for together where a stream needs more than was held.
const TOGETHER: u64 = 256;
/// What stands for names of models that are not the configuration's own.
const OTHER: &str = "other";

/// A call in the books.
#[derive(Debug)]
pub(crate) struct Posting {
    books: Arc<Books>,
    /// The call's number.
    call: u64,
    key: Option<Arc<Key>>,
    /// The name that its client gave it.
    label: Option<Arc<str>>,
    /// Whether an account or a budget bounds it.
    bound: bool,
    /// Whether an account pays for it, and so what is charged rather than what it costs.
    by_account: bool,
    hold: Option<Hold>,
    /// Tokens of input and of output that it will probably use.
    likely: (u64, u64),
    /// The tier that its client asked for, where it is a dearer one.
    tier: Tier,
    /// The number of its last intent in the journal.
    intent: Option<u64>,
}

/// A call that was not let in for want of money.
pub(crate) struct NotPaid {
    pub(crate) fault: Fault,
    /// It may go to a lower tier instead.
    pub(crate) step_down: bool,
}

impl From<Fault> for NotPaid {
    fn from(fault: Fault) -> Self {
        Self { fault, step_down: false }
    }
}

/// Takes the most that a call may cost from whatever bounds it. What is taken is held while the call waits for room.
///
/// # Errors
/// What does not have it, what is left there, and when it begins anew.
pub(crate) fn enter(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &mut Plan,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<(), NotPaid> {
    let Some(books) = &snapshot.books else { return Ok(()) };
    if !estimate::uses_tokens(request.endpoint) {
        return Ok(());
    }
    let label = label(request, caller, snapshot)?;
    let payer = payer(caller, &plan.route, label.map(|(_, payer)| payer));
    let arrived_ms = i64::try_from(record.arrived_ms()).unwrap_or(i64::MAX);
    let posting =
        record.posting().get_or_insert_with(|| Box::new(Posting::new(books, caller, label.map(|(name, _)| name))));
    // What it held for another model goes back first.
    posting.hold = None;
    posting.likely = estimate::tokens(worker, request, caller, plan);
    posting.bound = payer.is_bound();
    posting.by_account = payer.account.is_some();
    if !posting.bound {
        return Ok(());
    }
    books.admits().map_err(|_| failing())?;
    let money = payer.account.is_some() || payer.budgets.iter().any(|budget| budget.terms().unit == Unit::Money);
    if money {
        crate::cost::only_priced(plan)?;
    }
    posting.tier = tier_asked(request);
    let most = most(request, plan, posting);
    posting.hold = Some(payer.hold(arrived_ms, most).map_err(|refused| not_paid(&refused, request))?);
    Ok(())
}

/// Counts a call in the books that the cache has answered. It costs nothing, so nothing is held and nobody is asked.
pub(crate) fn count_hit(request: &Request, caller: &Caller, snapshot: &Snapshot, record: &mut Record) {
    let Some(books) = &snapshot.books else { return };
    let label = label(request, caller, snapshot).ok().flatten();
    record.posting().get_or_insert_with(|| Box::new(Posting::new(books, caller, label.map(|(name, _)| name))));
}

/// The name that a key has, or else that its client gave the call.
///
/// # Errors
/// There is none of it: a call that is misspelt must not escape what bounds its like.
fn label<'a>(
    request: &Request,
    caller: &Caller,
    snapshot: &'a Snapshot,
) -> Result<Option<(&'a Arc<str>, &'a Payer)>, Fault> {
    if snapshot.labels.is_empty() {
        return Ok(None);
    }
    if let Some(key) = caller.key.as_ref().filter(|key| !key.label().is_empty()) {
        return Ok(snapshot.labels.get_key_value(key.label()));
    }
    let Some(said) = request.parts.headers.get(&LABEL) else { return Ok(None) };
    let found = said.to_str().ok().and_then(|name| snapshot.labels.get_key_value(name.trim()));
    found.map(Some).ok_or_else(|| {
        let what = "No label of this name is configured; labels are made under `labels:`.";
        Fault::new(FaultKind::BadRequest, what).param("x-sluicegate-label").code("unknown_label")
    })
}

/// Who pays for a caller's calls by this name, and under this label.
fn payer<'a>(caller: &'a Caller, route: &Route, label: Option<&Payer>) -> Cow<'a, Payer> {
    static NOBODY: Payer = Payer { account: None, budgets: SmallVec::new_const() };
    let own = caller.key.as_ref().map_or(&NOBODY, |key| &key.payer);
    let label = label.filter(|label| !label.budgets.is_empty());
    if route.budgets.is_empty() && label.is_none() {
        return Cow::Borrowed(own);
    }
    let mut all = own.clone();
    all.budgets.extend(route.budgets.iter().chain(label.iter().flat_map(|label| &label.budgets)).map(Arc::clone));
    Cow::Owned(all)
}

/// The tier that a request names.
fn tier_asked(request: &Request) -> Tier {
    let asked = request.head.service_tier(&request.body).and_then(|word| word.parse().ok());
    // Another tier costs less than the usual one, in which it may be served all the same.
    asked.filter(|tier| *tier == Tier::Priority).unwrap_or_default()
}

/// The most that a call may cost and use, wherever it goes. A token is at least a byte of what was sent.
fn most(request: &Request, plan: &Plan, posting: &Posting) -> Amount {
    let input = estimate::input_bytes(request).max(posting.likely.0);
    let mut most = Amount::default();
    for candidate in &plan.candidates {
        let price = candidate.tariff.as_deref().map(Tariff::price);
        let input = input.min(candidate.context_window.unwrap_or(u64::MAX));
        let output = if estimate::answers_at_length(request.endpoint) {
            let each = request.head.max_output.or(price.and_then(|price| price.max_output));
            estimate::of_choices(each.unwrap_or(UNKNOWN_OUTPUT), request)
        } else {
            0
        };
        most.tokens = most.tokens.max(input.saturating_add(output));
        if let Some(tariff) = &candidate.tariff {
            let price = tariff.price();
            let mut ceiling = price.ceiling(input, output, Tier::Standard);
            if posting.tier != Tier::Standard {
                // Whoever asks for a tier may be served in the usual one instead.
                ceiling = ceiling.max(price.ceiling(input, output, posting.tier));
            }
            most.money = most.money.max(posting.charged(tariff).of(ceiling));
        }
    }
    most
}

impl Posting {
    /// A call of which nothing is held yet.
    fn new(books: &Arc<Books>, caller: &Caller, label: Option<&Arc<str>>) -> Self {
        Self {
            books: Arc::clone(books),
            call: books.store.journal().call(),
            key: caller.key.clone(),
            label: label.map(Arc::clone),
            bound: false,
            by_account: false,
            hold: None,
            likely: (0, 0),
            tier: Tier::Standard,
            intent: None,
        }
    }

    /// What is charged for each dollar of cost: without an account the house pays what the provider is owed.
    fn charged(&self, tariff: &Tariff) -> Multiplier {
        if self.by_account { tariff.multiplier } else { Multiplier::ONE }
    }

    /// Makes sure that a stream which has brought so many tokens of output is covered, where its account wants that.
    ///
    /// # Errors
    /// Nothing is left for it.
    #[inline]
    pub(crate) fn cover(&mut self, tariff: &Tariff, output: u64) -> Result<(), Fault> {
        if self.hold.as_ref().is_some_and(Hold::cuts_streams) { self.covered(tariff, output) } else { Ok(()) }
    }

    fn covered(&mut self, tariff: &Tariff, output: u64) -> Result<(), Fault> {
        let (charged, price, input) = (self.charged(tariff), tariff.price(), self.likely.0);
        let Some(hold) = &mut self.hold else { return Ok(()) };
        let short = charged.of(price.ceiling(input, output, self.tier)) - hold.money();
        if short <= Money::ZERO {
            return Ok(());
        }
        let ahead = short + charged.of(price.ceiling(0, TOGETHER, self.tier));
        let mut take = |money| hold.extend(Amount { money, tokens: 0 });
        take(ahead).or_else(|_| take(short)).map_err(|refused| {
            let message = format!("The answer ends here: {refused}.");
            Fault::new(FaultKind::PaymentRequired, message).code("insufficient_credits").refused_by("account")
        })
    }

    fn owner<'a>(&'a self, model: &'a str) -> OwnerOf<'a> {
        let (whose, label) = self.key.as_ref().map_or((&Whose::NOBODY, ""), |key| (&key.whose, key.label()));
        OwnerOf { whose, model, label: self.label.as_deref().unwrap_or(label) }
    }
}

/// The name by which calls are counted. Clients cannot make new ones.
fn name(route: Option<&Route>) -> &str {
    route.filter(|route| route.known).map_or(OTHER, |route| &route.name)
}

/// Puts the intent to have a candidate answer into the journal. It is written while the candidate works.
#[inline]
pub(crate) fn intend(candidate: &Candidate, record: &mut Record) {
    if record.posting().is_some() {
        record.with_state(|state| intention(candidate, state));
    }
}

fn intention(candidate: &Candidate, state: &mut State) {
    let Some(posting) = &mut state.posting else { return };
    let (input, output) = posting.likely;
    let expected = candidate.tariff.as_ref().map_or(Money::ZERO, |tariff| {
        posting.charged(tariff).of(tariff.price().ceiling(input, output, Tier::Standard))
    });
    let receipt = &state.receipt;
    let intent = Intent {
        call: posting.call,
        attempt: u16::try_from(receipt.attempts.len()).unwrap_or(u16::MAX),
        at_ms: i64::try_from(receipt.arrived_ms).unwrap_or(i64::MAX),
        owner: posting.owner(name(state.route.as_deref())),
        request_id: receipt.id.as_str(),
        provider: &candidate.provider.name,
        upstream: &candidate.model,
        held: posting.hold.as_ref().map_or(Money::ZERO, Hold::money),
        expected,
        price: candidate.tariff.as_ref().map_or(PriceVersion::default(), |tariff| tariff.version),
        repeat: state.first.as_ref().map(|first| first.mark()),
    };
    // One that is not taken is missed before the answer goes out, where it matters.
    posting.intent = posting.books.store.journal().intent(&intent).ok();
}

/// Waits until the intent of a call that is answered is certain. It nearly always is by then.
///
/// # Errors
/// Nothing can be written, and the call is one that must not be answered without.
#[inline]
pub(crate) async fn certain(record: &mut Record) -> Result<(), Fault> {
    let Some(posting) = record.posting() else { return Ok(()) };
    let written = match posting.intent {
        Some(number) => posting.books.store.journal().written(number).await.is_ok(),
        None => false,
    };
    let bound = record.posting().as_ref().is_some_and(|posting| posting.bound);
    if written || !bound { Ok(()) } else { Err(failing()) }
}

/// Ends a call: its hold by what was used, and its intents by how it ended. `bill` is what is known of its cost.
pub(crate) fn close(state: &mut State, bill: Option<&Bill>) {
    let Some(mut posting) = state.posting.take() else { return };
    let receipt = &state.receipt;
    let last = receipt.attempts.last().filter(|last| may_have_worked(last.result));
    let guessed = if last.is_some() && bill.is_none() { guessed(&posting, state) } else { None };
    let (usage, bill) = guessed.as_ref().map_or((state.present(), bill), |(usage, bill)| (usage, bill.as_ref()));
    let mut charges: SmallVec<[Charged<'_>; 1]> = SmallVec::new();
    if let Some(before) = &state.before {
        charges.extend(broken(&posting, state, before));
    }
    if let Some(charge) = last.and_then(|last| charge(&posting, state, last, *usage, bill)) {
        charges.push(charge);
    }
    if let Some(hold) = posting.hold.take() {
        let money = charges.iter().map(|charge| charge.billed).sum();
        let tokens = charges.iter().map(|charge| charge.usage.total()).sum();
        hold.settle(Amount { money, tokens }).iter().for_each(tell);
    }
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let ended = Ended {
        call: posting.call,
        at_ms: i64::try_from(receipt.arrived_ms).unwrap_or(i64::MAX),
        owner: posting.owner(name(state.route.as_deref())),
        request_id: receipt.id.as_str(),
        end: receipt.end,
        status: receipt.status,
        stream: receipt.stream,
        cache_hit: receipt.cache == CacheUse::Hit,
        attempts: u16::try_from(receipt.attempts.len()).unwrap_or(u16::MAX),
        queued_us: micros(receipt.times.queued),
        first_us: receipt.times.first_token.map_or(0, micros),
        total_us: micros(receipt.times.total),
        charges,
        saved: receipt.saved.unwrap_or_default(),
        repeat: state.first.as_ref().and_then(|first| first.charged()),
    };
    posting.books.store.journal().ended(&ended, posting.intent.is_some());
}

/// What the streams are charged that broke before the one that came last, where it went on with them. Together, since
/// together they are known.
fn broken<'a>(posting: &Posting, state: &'a State, before: &Before) -> Option<Charged<'a>> {
    let attempts = &state.receipt.attempts;
    let attempt = attempts.len().checked_sub(2)?;
    let (broke, cost) = (attempts.get(attempt)?, before.cost);
    let tariff = state.candidate.as_ref()?.tariff.as_deref();
    let multiplier = tariff.map_or(Multiplier::ONE, |tariff| posting.charged(tariff));
    Some(Charged {
        attempt: u16::try_from(attempt).unwrap_or(u16::MAX),
        provider: &broke.provider,
        upstream: &broke.model,
        usage: before.usage,
        cost,
        billed: cost.map_or(Money::ZERO, |cost| multiplier.of(cost)),
        price: tariff.map_or(PriceVersion::default(), |tariff| tariff.version),
        multiplier,
        lines: Cow::Borrowed(&[]),
    })
}

/// What an answer was expected to use about whose usage nobody said anything.
#[cold]
fn guessed(posting: &Posting, state: &State) -> Option<(Usage, Option<Bill>)> {
    if state.present().source != UsageSource::None || !crate::settle::answered(state.receipt.end) {
        return None;
    }
    let (input, output) = posting.likely;
    let usage = Usage { input, output, source: UsageSource::Estimated, ..Usage::default() };
    let tariff = state.candidate.as_ref()?.tariff.as_deref();
    Some((usage, tariff.map(|tariff| tariff.bill(&usage))))
}

/// What the last try is charged.
fn charge<'a>(
    posting: &Posting,
    state: &'a State,
    last: &'a AttemptRecord,
    usage: Usage,
    bill: Option<&'a Bill>,
) -> Option<Charged<'a>> {
    let tariff = state.candidate.as_ref()?.tariff.as_deref();
    if usage.total() == 0 && bill.is_none_or(|bill| bill.charge.total == Money::ZERO) {
        return None;
    }
    let multiplier = tariff.map_or(Multiplier::ONE, |tariff| posting.charged(tariff));
    let billed = bill.map(|bill| if posting.by_account { bill.billed } else { bill.charge.total });
    Some(Charged {
        attempt: u16::try_from(state.receipt.attempts.len().saturating_sub(1)).unwrap_or(u16::MAX),
        provider: &last.provider,
        upstream: &last.model,
        usage,
        cost: bill.map(|bill| bill.charge.total),
        billed: billed.unwrap_or_default(),
        price: tariff.map_or(PriceVersion::default(), |tariff| tariff.version),
        multiplier,
        lines: bill.map_or(&[][..], |bill| &bill.charge.lines).into(),
    })
}

#[cold]
fn tell(notice: &Notice) {
    match notice {
        Notice::Passed { subject, percent } => {
            tracing::warn!(%subject, percent, "a budget has passed a threshold");
        }
        Notice::Low { account, balance } => {
            tracing::warn!(account = &**account, %balance, "an account is low");
        }
    }
}

/// The refusal of a call that is not paid for.
#[cold]
fn not_paid(refused: &Refused, request: &Request) -> NotPaid {
    let mut message = format!("Not let in: {refused}.");
    if request.head.max_output.is_none() && estimate::answers_at_length(request.endpoint) && refused.left > 0 {
        message.push_str(" A limit on the length of the answer (max_tokens) makes a call cost less at most.");
    }
    if let Some(resets) = refused.resets_ms.and_then(|at| jiff::Timestamp::from_millisecond(at).ok()) {
        message.push_str(&format!(" It begins anew at {resets}."));
    }
    let (code, by) = match &refused.by {
        By::Account(account) => ("insufficient_credits", format!("account:{account}")),
        By::Budget(subject, per) => ("budget_exceeded", format!("budget:{subject}/{}", per.as_str()).replace(' ', ":")),
    };
    let fault = Fault::new(FaultKind::PaymentRequired, message).code(code).refused_by(by);
    let wait = refused.resets_ms.map(|at| u64::try_from(at.saturating_sub(super::now_ms())).unwrap_or(0));
    NotPaid { fault: wait.map_or(fault.clone(), |wait| fault.retry_after_ms(wait)), step_down: refused.step_down }
}

#[cold]
fn failing() -> Fault {
    let message = "The relay cannot write its books at present, and calls that are paid for are not made without them.";
    Fault::new(FaultKind::Overloaded, message).code("books_failing").refused_by("books:failing").retry_after_ms(5000)
}
