//! The words every part of Sluicegate shares.
//!
//! A relay is a long way walked by one call: it is accepted, authenticated, routed, sent and settled by code in
//! different crates. They can only hand values to each other when they mean the same thing by *usage*, *dialect* or
//! *end reason*, so those meanings live here and nowhere else. There is no logic in this crate beyond reading and
//! printing its words: it does no I/O, starts no task and reads no clock.

mod arm;
mod dialect;
mod end;
mod fault;
mod id;
mod mode;
mod money;
mod priority;
mod provider_kind;
mod receipt;
mod stamp;
mod tier;
mod usage;

pub use arm::{Arm, Moved};
pub use dialect::{Dialect, Endpoint, Format};
pub use end::EndReason;
pub use fault::{Blame, Fault, FaultKind, Origin};
pub use id::{CallId, ConfigVersion};
pub use mode::{Mode, ParseModeError};
pub use money::{Money, ParseMoneyError};
pub use priority::{ParsePriorityError, Priority};
pub use provider_kind::ProviderKind;
pub use receipt::{AttemptRecord, AttemptResult, CacheUse, Chosen, Receipt, Times};
pub use stamp::Stamp;
pub use tier::{ParseTierError, Tier};
pub use usage::{Usage, UsageSource};
