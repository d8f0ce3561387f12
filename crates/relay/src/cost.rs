//! What a call costs: which candidates have a price, and what the client is told.
//!
//! A price is that of the model that answered. What was used is known before a whole answer goes out, so its cost is in
//! its head; a stream's is known at its end, and is in the log and the books.

use crate::call::{Plan, Request};
use crate::estimate;
use crate::record::Record;
use crate::snapshot::{Candidate, Snapshot};
use sluicegate_vocabulary::{Fault, FaultKind, Usage};

/// Leaves out candidates without a price, where every call must have one.
///
/// # Errors
/// None of them has one.
#[inline]
pub(crate) fn priced(plan: &mut Plan, request: &Request, snapshot: &Snapshot) -> Result<(), Fault> {
    if !snapshot.names.tariffs.priced_only || !estimate::uses_tokens(request.endpoint) {
        return Ok(());
    }
    only_priced(plan)
}

/// # Errors
/// As [`priced`].
pub(crate) fn only_priced(plan: &mut Plan) -> Result<(), Fault> {
    plan.candidates.retain(|candidate| candidate.tariff.is_some());
    if plan.candidates.is_empty() {
        return Err(unpriced(&plan.route.name));
    }
    Ok(())
}

/// A call whose cost nobody could tell.
fn unpriced(name: &str) -> Fault {
    let message = format!(
        "The model {name} has no price here, and calls without one are refused; its operator can add one under \
         prices.models."
    );
    Fault::new(FaultKind::PaymentRequired, message).param("model").code("unpriced").refused_by("prices:unpriced")
}

/// The bill of a whole answer.
pub(crate) fn of_whole(candidate: &Candidate, usage: Option<&Usage>, record: &mut Record) {
    if let Some((usage, tariff)) = usage.zip(candidate.tariff.as_ref()) {
        record.billed(tariff.bill(usage));
    }
}
