//! What a call costs, who pays for it, and whether he can.
//!
//! A figure that is wrong is worse than one that is missing, so nothing here guesses. Rates are integers (pico-dollars a
//! token), products are made in `i128` and rounded once to [`Money`]. A model that is not in the book has no price, and a
//! call that used a class of tokens for which the book has no rate has no cost: *unpriced* is said, never 0.
//!
//! Nothing here does I/O, starts a task or reads a clock. What has to outlast the process is in the `store` crate, whose
//! documentation has the whole way of a call through both.
//!
//! # The way of a call
//!
//! When the snapshot is compiled, each key is bound to its [`Payer`]: its account and the budgets of the key, its tenant
//! and its label; the budgets of a model are added when the call's route is known. A call then does four things:
//!
//! ```
//! use sluicegate_ledger::{
//!     Account, AccountTerms, Amount, Budgets, BudgetTerms, Calendar, Multiplier, OnExceed, Payer, Per,
//!     PriceBook, Subject, Tier, Unit,
//! };
//! use sluicegate_vocabulary::{Money, Usage};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // At a reload: budgets are found again by their subject and keep their count.
//! let budgets = Budgets::default();
//! let terms = BudgetTerms {
//!     subject: Subject::Key("web-app".into()),
//!     unit: Unit::Money,
//!     amount: "50".parse::<Money>()?.nanos(),
//!     calendar: Calendar::utc(Per::Day),
//!     warn_at: vec![50, 80, 95],
//!     on_exceed: OnExceed::Refuse,
//! };
//! let now_ms = 1_795_262_400_000;
//! let used_so_far = |_span| 0; // `Store::used`
//! let budget = budgets.ensure(terms, now_ms, used_so_far);
//! let account = Arc::new(Account::new("customer-42", "5".parse()?, AccountTerms::default())); // `Store::accounts`
//! let payer = Payer { account: Some(account), budgets: [budget].into_iter().collect() };
//!
//! // 1. `admit`: hold the most it may cost. `None` as a price is refused or let go by the `unpriced` setting.
//! let price = PriceBook::bundled().price("openai", "gpt-4.1").ok_or("unpriced")?;
//! let sold_at: Multiplier = "1.25".parse()?;
//! let (input, max_output) = (1_500, 1_000);
//! let ceiling = sold_at.of(price.ceiling(input, max_output, Tier::Standard));
//! let mut hold = payer.hold(now_ms, Amount { money: ceiling, tokens: input + max_output })?; // `Refused` becomes 402
//!
//! // 2. A stream that goes on for longer than was thought takes more, or is cut cleanly.
//! hold.extend(Amount { money: Money::from_nanos(1_000), tokens: 256 })?;
//!
//! // 3. `settle`: the bill. The hold goes into the ticket; dropping it gives everything back.
//! let usage = Usage { input: 1_200, output: 300, ..Usage::default() };
//! let charge = price.charge(&usage)?; // `Unpriced` has no cost and says why
//! assert_eq!(charge.to_string(), "1200 input at 2 + 300 output at 8 = 0.0048");
//! let billed = charge.times(sold_at);
//! assert_eq!(billed.to_string(), "0.006");
//!
//! // 4. What was used is taken, and what an operator wants to be told comes back.
//! let notices = hold.settle(Amount { money: billed, tokens: usage.total() });
//! assert!(notices.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! [`Money`]: sluicegate_vocabulary::Money

mod account;
mod book;
mod budget;
mod charge;
mod consumption;
mod decimal;
mod entry;
mod hold;
mod import;
mod period;
mod price;
mod purse;
mod rate;
mod repeat;
mod row;

pub use account::{Account, Accounts, Terms as AccountTerms};
pub use book::{BookError, Entry, PriceBook, PriceVersion};
pub use budget::{Budget, Budgets, OnExceed, Standing, Subject, Terms as BudgetTerms, Unit};
pub use sluicegate_vocabulary::{ParseTierError, Tier};

pub use charge::{Charge, Line, Multiplier, ParseMultiplierError, Unpriced};
pub use consumption::Class;
pub use entry::{Book, Entry as LedgerEntry, EntryError, Kind, Sheet};
pub use hold::{Amount, By, Hold, Notice, Payer, Refused};
pub use import::{Finding, ImportError, Imported, from_litellm, from_models_dev};
pub use period::{Calendar, Per, Span};
pub use price::{Fees, LongContext, Price, Rates, Schedule};
pub use rate::{ParseRateError, Rate};
pub use repeat::{Repeat, Repeats};
pub use row::COLUMNS;
