//! Last stage: the receipt, and whatever is read from it.
//!
//! What was reserved is corrected by what was used, the price is applied, the metrics are counted and the receipt goes
//! to the log. Nothing here waits: the log is a bounded buffer that a thread of its own empties.

use crate::record::State;
use sluicegate_vocabulary::{EndReason, UsageSource};

/// Ends a call. Called once, by the drop of its record.
pub(crate) fn settle(state: &mut State) {
    state.receipt.times.total = state.arrived.elapsed();
    if let Some(price) = state.candidate.as_ref().and_then(|candidate| candidate.price.as_ref()) {
        // What nobody told is not nothing: a call that was answered without a word about usage has no known cost.
        let told = state.receipt.usage.source != UsageSource::None || !answered(state.receipt.end);
        state.receipt.cost = price.cost(&state.receipt.usage).filter(|_| told);
    }
    settle_limits(state);
    if let Some(live) = state.live.take() {
        live.ended();
    }
    let shared = &state.worker.shared;
    shared.metrics.in_flight.dec();
    shared.metrics.count(&state.receipt, state.route.as_deref(), state.candidate.as_deref());
    state.worker.receipts.push(std::mem::take(&mut state.receipt));
}

/// Corrects what was reserved. Where no provider was asked nothing was used, and all of it goes back by drop.
fn settle_limits(state: &mut State) {
    let (ticket, egress) = (state.ticket.take(), state.egress.take());
    let receipt = &state.receipt;
    if receipt.attempts.is_empty() {
        return;
    }
    let unknown = answered(receipt.end) && receipt.usage.source == UsageSource::None;
    let used = if unknown { receipt.reserved } else { receipt.usage.total() };
    if let Some(egress) = egress {
        egress.settle(used);
    }
    let Some(ticket) = ticket else { return };
    let room = &state.worker.shared.room;
    if let (false, Some(live), Some(limits)) = (receipt.times.queued.is_zero(), &state.live, ticket.held.limits()) {
        let beyond = i64::try_from(used).unwrap_or(i64::MAX).saturating_sub_unsigned(ticket.cost.tokens);
        room.correct(limits, receipt.priority, live.number, beyond);
    }
    ticket.held.settle(used);
}

/// Whether a call that ended so may have used something.
const fn answered(end: EndReason) -> bool {
    use EndReason::{ClientGone, Done, Shutdown, TimedOut, Truncated};
    matches!(end, Done | ClientGone | Truncated | Shutdown | TimedOut)
}
