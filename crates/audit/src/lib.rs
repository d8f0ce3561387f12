//! What an endpoint really is, measured from outside: whether it answers as it should, whether it is the model it says and
//! counts tokens as they are, how fast it is, and where its limits lie.
//!
//! For whoever is about to move traffic there. Every call is real and billed, so an audit is bounded by an
//! [`Allowance`] of calls and money that it never goes beyond: a call is sent only when the most it can cost still fits.
//!
//! - [`audit`] asks, loads and searches, and makes a [`Report`].
//! - [`verify`] is the short form: are this URL and this key right?
//! - [`history`] makes the same kind of numbers from a log of calls, without sending any.
//!
//! It speaks with its own small reader of answers rather than with the relay's, so that it does not share the relay's
//! opinion of what an answer looks like.

mod at_once;
mod audit;
mod budget;
mod by_minute;
mod call;
mod client;
mod conformance;
pub mod history;
mod limits;
mod load;
mod measure;
mod report;
mod seen;
mod speech;
mod verify;

pub use audit::{Order, Progress, Silent, audit, estimate};
pub use budget::Allowance;
pub use client::{KeyForm, Target, TargetError};
pub use conformance::{Check, Finding};
pub use limits::{Because, Bound, Limits, Reasons, Search};
pub use load::Load;
pub use measure::{Objective, ObjectiveError, Step, Times};
pub use report::{Report, Suggested};
pub use verify::{Answer, Verified, verify};
