//! What a call costs: the price book, and the sum over what was used.
//!
//! A figure that is wrong is worse than one that is missing, so nothing here guesses. Rates are integers (pico-dollars a
//! token), products are made in `i128` and rounded once to [`Money`]. A model that is not in the book has no price, and a
//! call that used a class of tokens for which the book has no rate has no cost: *unpriced* is said, never 0.
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
pub use charge::{Charge, Line, Multiplier, ParseMultiplierError, Unpriced};
pub use consumption::{Class, Consumption, ParseTierError, Tier};
pub use entry::{Book, Entry as LedgerEntry, EntryError, Kind, Sheet};
pub use hold::{Amount, By, Hold, Notice, Payer, Refused};
pub use import::{Finding, ImportError, Imported, from_litellm, from_models_dev};
pub use period::{Calendar, Per, Span};
pub use price::{Fees, LongContext, Price, Rates, Schedule};
pub use rate::{ParseRateError, Rate};
pub use repeat::{Repeat, Repeats};
pub use row::COLUMNS;
