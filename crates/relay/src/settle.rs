//! Last stage: the receipt, and whatever is read from it.
//!
//! What was reserved is corrected by what was used, the price is applied, the metrics are counted and the receipt goes
//! to the log. Nothing here waits: the log is a bounded buffer that a thread of its own empties.

use crate::books;
use crate::record::State;
use crate::room::Held;
use crate::snapshot::{Bill, Candidate};
use sluicegate_vocabulary::{AttemptResult, CacheUse, EndReason, FaultKind, Money, Receipt, UsageSource};

/// Ends a call. Called once, by the drop of its record.
pub(crate) fn settle(state: &mut State) {
    state.receipt.times.total = state.arrived.elapsed();
    let bill = state.bill.take().or_else(|| bill(state));
    state.receipt.cost = sum(state, bill.as_ref());
    if let Some(made) = state.made.take().filter(|_| state.receipt.cache != CacheUse::Hit) {
        state.receipt.saved = saved(made.default.as_deref(), &state.receipt);
    }
    if let Some(first) = &mut state.first {
        first.ended(&state.receipt);
    }
    if state.posting.is_some() {
        books::close(state, bill.as_ref());
    }
    if let Some(under_way) = state.under_way.take() {
        let now = state.arrived_at.after(state.receipt.times.total);
        under_way.ended(provider_ended(state.receipt.end, state.receipt.fault), now);
    }
    settle_limits(state);
    if let Some(live) = state.live.take() {
        live.ended();
    }
    let shared = &state.worker.shared;
    shared.metrics.in_flight.dec();
    shared.metrics.count(&state.receipt, state.route.as_deref(), state.candidate.as_deref());
    let tools = state.overheard.take().and_then(|overheard| overheard.over(&state.receipt));
    // An answer from the cache says nothing about either side of a migration.
    if let Some(mover) = state.mover.take().filter(|_| state.receipt.cache != CacheUse::Hit) {
        mover.read(&state.receipt, tools);
    }
    state.worker.receipts.push(std::mem::take(&mut state.receipt));
}

/// What the same use of the model that would have been asked otherwise would have cost more.
fn saved(default: Option<&Candidate>, receipt: &Receipt) -> Option<Money> {
    let tariff = default?.tariff.as_ref().filter(|_| receipt.usage.total() > 0)?;
    let bill = tariff.bill(&receipt.usage);
    Some(bill.charge.total - receipt.cost?).filter(|_| !bill.at_least)
}

/// What the call has cost by now.
pub(crate) fn cost(state: &State) -> Option<Money> {
    sum(state, bill(state).as_ref())
}

/// The bill of the stream that came last, and what those before it have cost. A cost of which only the least is known is
/// not known.
fn sum(state: &State, bill: Option<&Bill>) -> Option<Money> {
    let bill = bill.filter(|bill| !bill.at_least);
    let before = state.before.as_ref().map_or(Some(Money::default()), |before| before.cost);
    Some(before? + bill?.charge.total)
}

/// What the stream or answer that came last costs. One whose provider gave no answer costs nothing.
fn bill(state: &State) -> Option<Bill> {
    let tariff = state.candidate.as_ref()?.tariff.as_ref()?;
    let used = state.present();
    if used.source == UsageSource::None {
        let reached = state.receipt.attempts.last().is_some_and(|last| may_have_worked(last.result));
        // What was to go on with a broken answer and never came has cost nothing.
        if !answered(state.receipt.end) || !reached || state.before.is_some() {
            return Some(Bill::default());
        }
        // What nobody told is not nothing: a call that was answered without a word about usage has no known cost, unless
        // it is paid for by the request.
        return tariff.is_by_request().then(|| tariff.bill(used));
    }
    Some(tariff.bill(used))
}

/// Corrects what was reserved. Where no provider was asked nothing was used, and all of it goes back by drop.
fn settle_limits(state: &mut State) {
    if !state.receipt.attempts.is_empty() {
        settle_used(state);
    }
    (state.ticket, state.egress) = (None, None);
}

fn settle_used(state: &mut State) {
    let now = state.arrived_at.after(state.receipt.times.total);
    let (total, present) = (state.receipt.usage.total(), state.present().total());
    let receipt = &state.receipt;
    if let Some(learning) = &state.learning {
        learning.learn(&receipt.usage, receipt.end);
    }
    let reached = receipt.attempts.last().is_some_and(|attempt| may_have_worked(attempt.result));
    let unknown = answered(receipt.end) && reached && receipt.usage.source == UsageSource::None;
    let waited = state.live.as_ref().filter(|_| !receipt.times.queued.is_zero());
    let end = |held: &mut Held, used| {
        let used = if unknown { held.reserved() } else { used };
        if let Some(live) = waited {
            held.correct(receipt.priority, live.number, used);
        }
        held.settle(now, used);
    };
    if let Some(ticket) = &mut state.ticket {
        end(&mut ticket.held, total);
    }
    if let Some(egress) = &mut state.egress {
        end(egress, present);
    }
}

/// What the end of a stream says about who sent it: of a client that left, or an end of ours, nothing. One that says
/// itself that it has too much to do is alive, whenever it says so.
pub(crate) const fn provider_ended(end: EndReason, fault: Option<FaultKind>) -> AttemptResult {
    match (end, fault) {
        (EndReason::Done, _) => AttemptResult::Ok,
        (EndReason::Truncated, Some(FaultKind::UpstreamOverloaded)) => AttemptResult::Overloaded,
        (EndReason::Truncated, Some(FaultKind::UpstreamRateLimited)) => AttemptResult::RateLimited,
        // We have cut it, since nobody pays for more.
        (EndReason::Truncated, Some(FaultKind::PaymentRequired)) => AttemptResult::Cancelled,
        (EndReason::Truncated, _) => AttemptResult::Broken,
        (EndReason::TimedOut, _) => AttemptResult::Timeout,
        _ => AttemptResult::Cancelled,
    }
}

/// Whether a provider may have done something for a try that ended so.
pub(crate) const fn may_have_worked(result: AttemptResult) -> bool {
    use AttemptResult::{Broken, Cancelled, Ok, Timeout};
    matches!(result, Ok | Broken | Cancelled | Timeout)
}

/// Whether a call that ended so may have used something.
pub(crate) const fn answered(end: EndReason) -> bool {
    use EndReason::{ClientGone, Done, Shutdown, TimedOut, Truncated};
    matches!(end, Done | ClientGone | Truncated | Shutdown | TimedOut)
}
