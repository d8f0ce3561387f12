//! Stage six: may it go now?
//!
//! Room is taken in all of the caller's limits at once or in none: requests by one, tokens by an estimate that the
//! receipt corrects. What the limits hold is refused at once with the time after which it would pass.

use crate::call::{Plan, Request, Ticket};
use crate::record::Record;
use crate::snapshot::Snapshot;
use sluicegate_flow::{Cost, Kind, Nanos, Refusal};
use sluicegate_vocabulary::{Fault, FaultKind};
use sluicegate_wire::estimate;
use std::time::Duration;

/// Output reserved for a call that sets no cap of its own, in tokens.
const DEFAULT_OUTPUT: u64 = 1024;

/// Takes room for a call, or says which limit has none.
///
/// # Errors
/// The limit that refused, what is left of it, and when it would pass.
pub(crate) fn admit(
    request: &Request,
    plan: &Plan,
    snapshot: &Snapshot,
    now: Nanos,
    record: &mut Record,
) -> Result<(), Fault> {
    let _ = plan;
    let Some(limits) = snapshot.limits.of(request.endpoint) else { return Ok(()) };
    let output = request.head.max_output.unwrap_or(DEFAULT_OUTPUT);
    let tokens = estimate::tokens_in_bytes(request.head.input_bytes).saturating_add(output);
    let reservation = limits.reserve(now, Cost { requests: 1, tokens }).map_err(|refusal| fault(&refusal))?;
    record.admitted(Ticket { reservation: Some(reservation) }, Duration::ZERO);
    Ok(())
}

fn fault(refusal: &Refusal) -> Fault {
    let (kind, unit) = match refusal.kind {
        Kind::Requests => (FaultKind::LimitRequests, "requests"),
        Kind::Tokens => (FaultKind::LimitTokens, "tokens"),
    };
    let label = &refusal.label;
    if refusal.never_fits {
        return Fault::new(
            FaultKind::NeverFits,
            format!(
                "This request needs about {} {unit}, and the limit {label} never holds more than {}. \
                 Send less, or lower the cap on output tokens.",
                refusal.needed, refusal.set
            ),
        )
        .refused_by(label.to_string());
    }
    let ms = u64::try_from(refusal.retry_after.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    Fault::new(
        kind,
        format!(
            "The limit {label} allows {} {unit}; this request needs about {} and {} are left. Try again in {:.1} s.",
            refusal.set,
            refusal.needed,
            refusal.left,
            refusal.retry_after.as_secs_f64()
        ),
    )
    .retry_after_ms(ms)
    .refused_by(label.to_string())
}
