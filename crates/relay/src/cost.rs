//! What a call costs: which candidates have a price, and what the client is told.
//!
//! A price is that of the model that answered. What was used is known before a whole answer goes out, so its cost is in
//! its head; a stream's is known at its end, and is in the log and the books.

use crate::call::{Plan, Request, header_value};
use crate::estimate;
use crate::headers;
use crate::record::Record;
use crate::snapshot::{Candidate, Snapshot};
use http::{HeaderMap, HeaderValue};
use sluicegate_vocabulary::{Fault, FaultKind, Money, Usage};

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

#[cold]
fn only_priced(plan: &mut Plan) -> Result<(), Fault> {
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

/// Makes the bill of a whole answer, and tells it.
pub(crate) fn tell(candidate: &Candidate, usage: Option<&Usage>, record: &mut Record, headers: &mut HeaderMap) {
    let Some(bill) = usage.and_then(|usage| candidate.tariff.as_ref()?.bill(usage)) else { return };
    headers.insert(&headers::X_SLUICEGATE_COST_USD, dollars(bill.billed));
    record.billed(bill);
}

/// An amount as a header. By hand, because the formatter takes longer over it than the whole bill.
fn dollars(amount: Money) -> HeaderValue {
    const UNIT: u64 = 1_000_000_000;
    if amount == Money::ZERO {
        return HeaderValue::from_static("0");
    }
    let Ok(nanos) = u64::try_from(amount.nanos()) else { return header_value(&amount.to_string()) };
    let (whole, mut part) = (nanos / UNIT, nanos % UNIT);
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(part % 10).unwrap_or(0);
        part /= 10;
    }
    let mut buffer = itoa::Buffer::new();
    let mut text = Vec::with_capacity(24);
    text.extend_from_slice(buffer.format(whole).as_bytes());
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    if significant > 0 {
        text.push(b'.');
        text.extend_from_slice(digits.get(..significant).unwrap_or_default());
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
