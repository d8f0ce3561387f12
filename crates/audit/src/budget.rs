//! What an audit may spend.
//!
//! Calls are real and billed, so a call is sent only when the most it can cost still fits, and what it did cost takes the
//! place of that afterwards. A model without a price cannot be bounded in money; then the number of calls bounds it.

use crate::speech::Ask;
use parking_lot::Mutex;
use sluicegate_ledger::{Price, Tier};
use sluicegate_vocabulary::{Money, Usage, UsageSource};

/// What bounds an audit.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// The most it may cost.
    pub cost: Option<Money>,
    /// The most calls it may send.
    pub calls: u64,
    /// What the model costs, where it is known.
    pub price: Option<Price>,
}

#[derive(Debug, Default)]
struct Books {
    calls: u64,
    spent: Money,
    held: Money,
    exhausted: bool,
}

#[derive(Debug)]
pub(crate) struct Budget {
    allowance: Allowance,
    books: Mutex<Books>,
}

/// What a call may cost at most, until it is settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold(Money);

/// Our count of the input may be low where an endpoint counts on its own terms, so this much more is held.
const MARGIN: u64 = 2;

impl Budget {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self { allowance, books: Mutex::default() }
    }

    /// Room for a call; `None` when there is none left.
    pub(crate) fn take(&self, ask: &Ask) -> Option<Hold> {
        let most = self.ceiling(ask);
        let mut books = self.books.lock();
        let fits = self.allowance.cost.is_none_or(|cap| books.spent + books.held + most <= cap);
        if books.calls >= self.allowance.calls || !fits {
            books.exhausted = true;
            return None;
        }
        books.calls += 1;
        books.held += most;
        Some(Hold(most))
    }

    /// How many such calls there is room for.
    pub(crate) fn room(&self, ask: &Ask) -> u64 {
        let most = u64::try_from(self.ceiling(ask).nanos()).unwrap_or_default();
        let books = self.books.lock();
        let calls = self.allowance.calls.saturating_sub(books.calls);
        let Some(cap) = self.allowance.cost.filter(|_| most > 0) else { return calls };
        let left = u64::try_from((cap - books.spent - books.held).nanos()).unwrap_or_default();
        calls.min(left / most)
    }

    /// What a call costs at most.
    pub(crate) fn ceiling(&self, ask: &Ask) -> Money {
        let price = self.allowance.price.as_ref();
        price.map_or(Money::ZERO, |price| price.ceiling(ask.tokens * MARGIN, u64::from(ask.max_tokens), Tier::Standard))
    }

    /// The tokens of input and output that a call did use. Where nobody tells, it may have cost all that was held.
    pub(crate) fn settle(&self, hold: Hold, used: Option<(u64, u64)>) {
        let cost = used.and_then(|(input, output)| {
            let usage = Usage { input, output, source: UsageSource::Reported, ..Usage::default() };
            self.allowance.price.as_ref()?.cost(&usage)
        });
        let mut books = self.books.lock();
        books.held = books.held - hold.0;
        books.spent += cost.unwrap_or(hold.0);
    }

    pub(crate) fn spent(&self) -> Money {
        self.books.lock().spent
    }

    pub(crate) fn calls(&self) -> u64 {
        self.books.lock().calls
    }

    /// Whether something was not done for want of room.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.books.lock().exhausted
    }

    pub(crate) fn is_priced(&self) -> bool {
        self.allowance.price.is_some()
    }
}
