//! What is kept: the journal, the books, the request log.
//!
//! Money has to be right after a `kill -9` and must not make a call wait. So there are two parts. The [`Journal`] is an
//! append-only file that takes a call's intent before the first byte of its answer and its end after the last; writing it
//! is a copy into a buffer, and a thread does the rest. The database, SQLite, is fed from it in batches by another thread;
//! if it is slow, locked or away, the journal grows and no call notices. Each record is fed once, since the database says
//! in the same transaction how far it has been fed.
//!
//! On a start the journal is read, what a kill left half written is cut off, what the database lacks is fed, and calls
//! that were being answered are settled by policy ([`OpenCalls`]). Then live balances are read from the books.
//!
//! What a loss of power may take is what was written in the last [`Options::sync_every`]; a kill takes nothing.
//!
//! [`Options::sync_every`]: crate::JournalOptions::sync_every

mod backup;
mod codec;
mod credits;
mod days;
mod error;
mod feed;
mod journal;
mod query;
mod record;
mod recover;
mod schema;
mod store;
mod verify;

pub use backup::{Copied, restore};
pub use codec::Unreadable;
pub use credits::{Code, Entered, RedeemError, StoredAccount};
pub use days::Keep;
pub use error::StoreError;
pub use journal::{Failing, Health, Journal, Options as JournalOptions, WhenFailing, Written};
pub use query::{By, CallRow, CallsQuery, Filter, Grain, Place, UsageQuery, UsageRow};
pub use record::{Charged, Ended, Intent, Owner, read_arithmetic};
pub use recover::{OpenCalls, Recovery};
pub use store::{Options, Store};
pub use verify::Verdict;
