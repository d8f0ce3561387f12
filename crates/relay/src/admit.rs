//! Stage six: may it go now?
//!
//! Room is taken in all of the caller's limits at once or in none: requests by one, tokens by an estimate that the
//! receipt corrects. What the limits do not hold is refused at once with the time after which it would pass.

use crate::call::{Request, Ticket};
use crate::record::Record;
use crate::snapshot::Snapshot;
use sluicegate_flow::{Ask, Cost, Nanos};
use sluicegate_vocabulary::Fault;
use sluicegate_wire::estimate;

/// Output reserved for a call that sets no cap of its own, in tokens.
const DEFAULT_OUTPUT: u64 = 1024;

/// Takes room for a call.
///
/// # Errors
/// The limit that refused, what is left of it, and when it would pass.
pub(crate) fn admit(request: &Request, snapshot: &Snapshot, now: Nanos, record: &mut Record) -> Result<(), Fault> {
    let Some(limits) = snapshot.limits.of(request.endpoint) else { return Ok(()) };
    let output = request.head.max_output.unwrap_or(DEFAULT_OUTPUT);
    let tokens = estimate::tokens_in_bytes(request.head.input_bytes).saturating_add(output);
    let ask = Ask { cost: Cost { requests: 1, tokens }, ..Ask::default() };
    let reservation = limits.reserve(now, ask).map_err(|refusal| Fault::from(&refusal))?;
    record.admitted(Ticket { reservation, tokens });
    Ok(())
}
