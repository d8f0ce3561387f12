//! What a call costs: the price book, and the sum over what was used.
//!
//! A figure that is wrong is worse than one that is missing, so nothing here guesses. Rates are integers (pico-dollars a
//! token), products are made in `i128` and rounded once to [`Money`]. A model that is not in the book has no price, and a
//! call that used a class of tokens for which the book has no rate has no cost: *unpriced* is said as `None`, never as 0.
//!
//! [`Money`]: sluicegate_vocabulary::Money

mod book;
mod price;
mod rate;

pub use book::{BookError, Entry, PriceBook};
pub use price::{LongContext, Price, Rates};
pub use rate::{ParseRateError, Rate};
