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
//! # The way of a call
//!
//! ```
//! use sluicegate_ledger::{Accounts, Amount, Kind, Multiplier, Payer, PriceBook, Tier};
//! use sluicegate_store::{Charged, Ended, Intent, Options, Owner, Store};
//! use sluicegate_vocabulary::{EndReason, Money, Usage};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let now_ms = 1_795_262_400_000;
//! // At the start: open the store, then the live accounts with the balances it has.
//! let (store, recovery) = Store::open(dir.path(), Options::default())?;
//! assert_eq!(recovery.open_calls, 0);
//! let accounts = Accounts::default();
//! store.open_account("customer-42", Default::default(), now_ms)?;
//! for found in store.accounts()? {
//!     let _ = accounts.open(&found.name, found.balance, found.terms);
//! }
//! // An operator's credit: first the store, then the live account, and that only if the entry is new.
//! let account = accounts.get("customer-42").ok_or("no such account")?;
//! let five: Money = "5".parse()?;
//! if store.credit(Kind::TopUp, "invoice 17", "customer-42", five, now_ms)? == sluicegate_store::Entered::New {
//!     account.credit(five);
//! }
//! let payer = Payer { account: Some(account), ..Payer::default() };
//! let entry = PriceBook::bundled().entry("openai", "gpt-4.1").ok_or("unpriced")?;
//! store.keep_price("openai", "gpt-4.1", entry)?; // when the snapshot is compiled
//!
//! // `admit`, only if the call has a payer: is the journal well, and is there money?
//! let journal = store.journal(); // an `Arc`, in what workers share
//! journal.admits()?; // 503 where not
//! let ceiling = entry.price.ceiling(1_500, 1_000, Tier::Standard);
//! let hold = payer.hold(now_ms, Amount { money: ceiling, tokens: 2_500 })?; // 402 where not; goes into the ticket
//! let number = journal.call(); // goes into the record
//!
//! // `dispatch`, for each attempt, as it is sent: the intent goes on its way while the provider works ...
//! let owner = Owner { tenant: "t", key: "web-app", account: "customer-42", model: "fast", label: "" };
//! let intent = Intent {
//!     call: number,
//!     attempt: 0,
//!     at_ms: now_ms,
//!     owner,
//!     request_id: "req_1",
//!     provider: "openai",
//!     upstream: "gpt-4.1",
//!     held: hold.money(),
//!     expected: entry.price.ceiling(1_500, 200, Tier::Standard),
//!     price: entry.version(),
//!     repeat: None,
//! };
//! let record = journal.intent(&intent)?;
//! // ... and before the first byte goes to the client it is certain: `journal.written(record).await?` in the relay.
//! journal.wait_written(record)?;
//!
//! // `settle`: the bill, the hold's end, and the call's end in the journal.
//! let usage = Usage { input: 1_200, output: 300, ..Usage::default() };
//! let charge = entry.price.charge(&usage)?;
//! let _notices = hold.settle(Amount { money: charge.total, tokens: usage.total() });
//! let ended = Ended {
//!     call: number,
//!     at_ms: now_ms,
//!     owner,
//!     request_id: "req_1",
//!     end: EndReason::Done,
//!     status: 200,
//!     stream: false,
//!     cache_hit: false,
//!     attempts: 1,
//!     queued_us: 0,
//!     first_us: 290_000,
//!     total_us: 1_900_000,
//!     charges: [Charged {
//!         attempt: 0,
//!         provider: "openai",
//!         upstream: "gpt-4.1",
//!         usage,
//!         cost: Some(charge.total),
//!         billed: charge.total,
//!         price: entry.version(),
//!         multiplier: Multiplier::ONE,
//!         lines: charge.lines.into_vec().into(),
//!     }]
//!     .into_iter()
//!     .collect(),
//!     saved: Money::ZERO,
//!     repeat: None,
//! };
//! journal.ended(&ended, true); // `false` for a call that never had an intent: refused, or a cache hit
//!
//! store.catch_up(std::time::Duration::from_secs(5))?;
//! assert_eq!(store.accounts()?.first().map(|account| account.balance.to_string()), Some("4.9952".to_owned()));
//! assert!(store.verify()?.wrong.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! [`Options::sync_every`]: crate::JournalOptions::sync_every

mod backup;
mod batch;
mod behind;
mod calls;
mod chunk;
mod codec;
mod columns;
mod credits;
mod days;
mod error;
mod export;
mod feed;
mod journal;
mod keys;
#[cfg(test)]
mod measure;
mod open;
mod orders;
pub mod payment;
mod query;
mod record;
mod recover;
mod schema;
mod store;
mod sums;
mod verify;

pub use backup::{Copied, restore};
pub use behind::behind_the_calls;
pub use calls::{CallRow, CallsQuery, Place};
pub use credits::{Code, Entered, RedeemError, StoredAccount};
pub use days::Keep;
pub use error::StoreError;
pub use export::{Mark, MovedByCall, Movement, MovementsQuery};
pub use journal::{Failing, Health, Journal, Options as JournalOptions, WhenFailing, Written};
pub use keys::{KeyEntry, KeyStore, KeyStoreError, NewKey, StoredKey, StoredSecret, new_secret};
pub use orders::{PayError, Settled, StoredOrder};
pub use query::{By, Filter, Grain, KeyUse, UsageQuery, UsageRow};
pub use record::{Charged, Ended, Intent, Owner, OwnerOf, PutOwner, Repeated, Whose};
pub use recover::{OpenCalls, Recovery};
pub use store::{Options, Store};
pub use verify::Verdict;
