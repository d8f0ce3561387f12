//! Double entry: every movement of money, with both its ends.
//!
//! Money comes from somewhere and goes somewhere, so the postings of an entry add up to nothing, and so do the books. An
//! entry has a reference that is its own: entering it a second time changes nothing. Nothing is ever edited; what was
//! wrong is corrected by another entry.

use sluicegate_vocabulary::Money;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// One of the books that an entry moves money between.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Book {
    /// What a customer has.
    Account(String),
    /// What is owed to a provider for calls.
    Provider(String),
    /// What the operator earned beyond cost. Negative where calls are sold below it.
    Revenue,
    /// What calls cost that no account pays for.
    House,
    /// Where credits come from, by their kind.
    Source(Kind),
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => write!(f, "account:{name}"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Revenue => f.write_str("revenue"),
            Self::House => f.write_str("house"),
            Self::Source(kind) => write!(f, "source:{}", kind.as_str()),
        }
    }
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A call.
    Charge,
    /// A credit given when an account was opened.
    Grant,
    /// A credit entered by an operator.
    TopUp,
    /// A credit for a redemption code.
    Code,
    /// A payment that was notified by a payment service.
    Payment,
    /// Money given back to who paid it: the account has less.
    Refund,
    /// The correction of an earlier entry, either way.
    Correction,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Charge, Self::Grant, Self::TopUp, Self::Code, Self::Payment, Self::Refund, Self::Correction];

    /// The word used in the books.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Grant => "grant",
            Self::TopUp => "top_up",
            Self::Code => "code",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Correction => "correction",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is its own: a call's number and attempt, an operator's reference, a payment service's.
    pub reference: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it is about.
    pub kind: Kind,
    /// What each book gains, or loses where it is negative. The sum is zero.
    pub postings: Vec<(Book, Money)>,
}

/// A movement that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A credit of the wrong sign, or of nothing.
    #[error("a {} of {amount} is the wrong way round", .kind.as_str())]
    Sign {
        /// What it was to be.
        kind: Kind,
        /// How much.
        amount: Money,
    },
    /// It has no reference.
    #[error("an entry needs a reference of its own, so that it cannot be made twice")]
    NoReference,
}

impl Entry {
    /// A call: what its account pays, what its provider is owed, and the difference.
    #[must_use]
    pub fn charge(
        reference: String,
        at_ms: i64,
        account: Option<&str>,
        provider: &str,
        billed: Money,
        cost: Money,
    ) -> Self {
        let (payer, billed) = match account {
            Some(account) => (Book::Account(account.to_owned()), billed),
            None => (Book::House, cost),
        };
        let mut postings = vec![(payer, -billed), (Book::Provider(provider.to_owned()), cost)];
        if billed != cost {
            postings.push((Book::Revenue, billed - cost));
        }
        Self { reference, at_ms, kind: Kind::Charge, postings }
    }

    /// A credit to an account, or with a refund or a correction also a debit.
    ///
    /// # Errors
    /// The amount has the wrong sign for its kind, or there is no reference.
    pub fn credit(reference: &str, at_ms: i64, kind: Kind, account: &str, amount: Money) -> Result<Self, EntryError> {
        let right = match kind {
            Kind::Charge => false,
            Kind::Refund => amount < Money::ZERO,
            Kind::Correction => amount != Money::ZERO,
            Kind::Grant | Kind::TopUp | Kind::Code | Kind::Payment => amount > Money::ZERO,
        };
        if !right {
            return Err(EntryError::Sign { kind, amount });
        }
        if reference.is_empty() {
            return Err(EntryError::NoReference);
        }
        let postings = vec![(Book::Account(account.to_owned()), amount), (Book::Source(kind), -amount)];
        Ok(Self { reference: reference.to_owned(), at_ms, kind, postings })
    }

    /// Whether its postings add up to nothing.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.postings.iter().map(|(_, amount)| i128::from(amount.nanos())).sum::<i128>() == 0
    }
}

/// Balances of all books, as entries make them: what the store must come to.
#[derive(Debug, Default)]
pub struct Sheet {
    balances: BTreeMap<Book, i128>,
    seen: HashSet<(Kind, String)>,
}

impl Sheet {
    /// Enters it, unless one of its kind and reference was entered before or it does not balance. Tells whether it did.
    pub fn enter(&mut self, entry: &Entry) -> bool {
        if !entry.balances() || !self.seen.insert((entry.kind, entry.reference.clone())) {
            return false;
        }
        for (book, amount) in &entry.postings {
            *self.balances.entry(book.clone()).or_default() += i128::from(amount.nanos());
        }
        true
    }

    /// What a book has, in nano-dollars.
    #[must_use]
    pub fn balance(&self, book: &Book) -> i128 {
        self.balances.get(book).copied().unwrap_or(0)
    }

    /// The sum of all books: zero.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.balances.values().sum()
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
