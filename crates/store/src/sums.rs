//! What a batch of calls adds up to: balances of books, and roll-ups by time and by whom.
//!
//! It is added up in memory and written once, so a call costs a few additions here, however many sums it is part of. Calls
//! of one owner at one provider in one minute are one *kind*; of those a batch has few.

use crate::batch;
use crate::codec::{Unreadable, text};
use crate::error::StoreError;
use crate::record::{Charged, Owner, Skimmed, SkimmedCharge};
use foldhash::fast::RandomState;
use rusqlite::{ToSql, Transaction, params};
use sluicegate_ledger::Book;
use std::collections::{BTreeMap, HashMap};

/// The lengths of roll-ups, in milliseconds: a minute, an hour, a day.
pub(crate) const GRAINS: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// What a batch adds up to, before it is written.
#[derive(Debug, Default)]
pub(crate) struct Sums<'a> {
    kinds: Vec<Kind<'a>>,
    /// By what they are told apart, as it lies in the records.
    places: HashMap<Same<'a>, usize, RandomState>,
    /// The place of the kind that came last: very often the next one's too.
    last: usize,
    /// What was owed for attempts at other providers than the one that answered, by account and provider.
    others: BTreeMap<(&'a str, &'a str), Paid>,
}

/// By what calls are of one kind: the minute, and the bytes of the owner and of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Same<'a> {
    minute: i64,
    owner: &'a [u8],
    provider: &'a [u8],
}

/// Calls of one owner at one provider in one minute.
#[derive(Debug)]
pub(crate) struct Kind<'a> {
    same: Same<'a>,
    pub(crate) owner: Owner<'a>,
    provider: &'a str,
    rollup: Rollup,
    paid: Paid,
    /// The hashes of the words by which its charges and its calls may be asked for.
    pub(crate) of_charges: [u32; 1],
    pub(crate) of_owner: [u32; 4],
}

/// What was paid, and where it went.
#[derive(Debug, Clone, Copy, Default)]
struct Paid {
    paid: i64,
    cost: i64,
    revenue: i64,
}

impl Paid {
    fn add(&mut self, charge: &SkimmedCharge<'_>, account: &str) {
        let (paid, revenue) = charge.paid(!account.is_empty());
        self.paid = self.paid.saturating_add(paid);
        self.cost = self.cost.saturating_add(paid.saturating_sub(revenue));
        self.revenue = self.revenue.saturating_add(revenue);
    }
}

/// What is counted for calls of one kind.
#[derive(Debug, Default, Clone, Copy)]
struct Rollup {
    calls: i64,
    errors: i64,
    cache_hits: i64,
    unpriced: i64,
    input: i64,
    cached: i64,
    output: i64,
    tokens: i64,
    cost: i64,
    billed: i64,
    total_us: i64,
    first_us: i64,
    first_calls: i64,
    saved: i64,
}

/// A count as the database has it.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What all charges of a call come to.
pub(crate) struct Tokens {
    pub(crate) input: i64,
    pub(crate) cached: i64,
    pub(crate) output: i64,
    /// `None` where one of them has no price.
    pub(crate) cost: Option<i64>,
    pub(crate) billed: i64,
}

impl Tokens {
    pub(crate) fn of(charges: &[Charged<'_>]) -> Self {
        let none = Self { input: 0, cached: 0, output: 0, cost: Some(0), billed: 0 };
        charges.iter().fold(none, |sum, charge| Self {
            input: sum.input.saturating_add(signed(charge.usage.total_input())),
            cached: sum.cached.saturating_add(signed(charge.usage.cache_read)),
            output: sum.output.saturating_add(signed(charge.usage.total_output())),
            cost: sum.cost.zip(charge.cost).map(|(sum, cost)| sum.saturating_add(cost.nanos())),
            billed: sum.billed.saturating_add(charge.billed.nanos()),
        })
    }
}

const SUM: &str = "INSERT INTO sums VALUES
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const ROLLUP: &str = "INSERT INTO rollups VALUES
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";
const ADD: &str = "
    ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
    cache_hits = cache_hits + excluded.cache_hits, unpriced = unpriced + excluded.unpriced,
    input = input + excluded.input, cached = cached + excluded.cached, output = output + excluded.output,
    tokens = tokens + excluded.tokens, cost = cost + excluded.cost, billed = billed + excluded.billed,
    total_us = total_us + excluded.total_us, first_us = first_us + excluded.first_us,
    first_calls = first_calls + excluded.first_calls, saved = saved + excluded.saved";

impl<'a> Sums<'a> {
    /// Counts a call and what it was charged, and tells its kind.
    ///
    /// # Errors
    /// It was not written by this program. Nothing was counted, then.
    pub(crate) fn count(&mut self, end: &Skimmed<'a>) -> Result<&mut Kind<'a>, Unreadable> {
        // There is nearly always one, and it is read once.
        let mut more = end.charges;
        let first = more.next().transpose()?;
        let provider = match more.last().transpose()? {
            Some(last) => last.provider,
            None => first.as_ref().map_or(&[][..], |first| first.provider),
        };
        let place = self.place(Same { minute: end.at_ms.div_euclid(60_000) * 60_000, owner: end.owner, provider })?;
        let Self { kinds, others, .. } = self;
        let kind = kinds.get_mut(place).ok_or(Unreadable)?;
        let mut rollup = Rollup {
            calls: 1,
            errors: i64::from(end.status == 0 || end.status >= 400),
            cache_hits: i64::from(end.cache_hit),
            total_us: signed(end.total_us),
            first_us: signed(end.first_us),
            first_calls: i64::from(end.first_us > 0),
            saved: end.saved.nanos(),
            ..Rollup::default()
        };
        let mut add = |charge: &SkimmedCharge<'a>| {
            if charge.provider == provider {
                kind.paid.add(charge, kind.owner.account);
            } else {
                others.entry((kind.owner.account, text(charge.provider)?)).or_default().add(charge, kind.owner.account);
            }
            let (input, output) = (signed(charge.usage.total_input()), signed(charge.usage.total_output()));
            rollup.unpriced = rollup.unpriced.max(i64::from(charge.cost.is_none()));
            rollup.input = rollup.input.saturating_add(input);
            rollup.cached = rollup.cached.saturating_add(signed(charge.usage.cache_read));
            rollup.output = rollup.output.saturating_add(output);
            rollup.tokens = rollup.tokens.saturating_add(input.saturating_add(output));
            rollup.cost = rollup.cost.saturating_add(charge.cost.unwrap_or_default().nanos());
            rollup.billed = rollup.billed.saturating_add(charge.billed.nanos());
            Ok(())
        };
        if let Some(first) = &first {
            add(first)?;
        }
        for charge in more {
            add(&charge?)?;
        }
        kind.rollup.add(&rollup);
        Ok(kind)
    }

    fn place(&mut self, same: Same<'a>) -> Result<usize, Unreadable> {
        if self.kinds.get(self.last).is_some_and(|kind| kind.same == same) {
            return Ok(self.last);
        }
        self.last = match self.places.get(&same) {
            Some(place) => *place,
            None => {
                let (owner, provider) = (Owner::read(same.owner)?, text(same.provider)?);
                let (rollup, paid) = Default::default();
                let (of_charges, of_owner) = (batch::words_of_charges(owner), batch::words_of_owner(owner));
                self.kinds.push(Kind { same, owner, provider, rollup, paid, of_charges, of_owner });
                self.places.insert(same, self.kinds.len() - 1);
                self.kinds.len() - 1
            }
        };
        Ok(self.last)
    }

    fn books(&self) -> BTreeMap<Book, i64> {
        let mut books = BTreeMap::<Book, i64>::new();
        let kinds = self.kinds.iter().map(|kind| ((kind.owner.account, kind.provider), kind.paid));
        for ((account, provider), paid) in kinds.chain(self.others.iter().map(|(whose, paid)| (*whose, *paid))) {
            let payer = if account.is_empty() { Book::House } else { Book::Account(account.to_owned()) };
            for (book, amount) in
                [(payer, -paid.paid), (Book::Provider(provider.to_owned()), paid.cost), (Book::Revenue, paid.revenue)]
            {
                let balance = books.entry(book).or_default();
                *balance = balance.saturating_add(amount);
            }
        }
        books.retain(|_, amount| *amount != 0);
        books
    }

    pub(crate) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        for (book, amount) in &self.books() {
            add_to_book(transaction, book, *amount)?;
        }
        let mut by_grain = HashMap::<(i64, i64, Owner<'_>, &str), Rollup>::new();
        for Kind { same: Same { minute, .. }, owner, provider, rollup, .. } in &self.kinds {
            // The account is no dimension: it follows from the key.
            let owner = Owner { account: "", ..*owner };
            for (number, grain) in (0..).zip(GRAINS) {
                let bucket = minute.div_euclid(grain) * grain;
                by_grain.entry((number, bucket, owner, *provider)).or_default().add(rollup);
            }
        }
        let mut by_name = HashMap::<(i64, i64, Dimension, &str), Rollup>::new();
        for ((grain, bucket, owner, provider), sums) in &by_grain {
            for (dimension, name) in Dimension::of(*owner, provider) {
                by_name.entry((*grain, *bucket, dimension, name)).or_default().add(sums);
            }
        }
        let mut insert = transaction.prepare_cached(&format!("{ROLLUP}{ADD}"))?;
        for ((grain, bucket, owner, provider), sums) in by_grain {
            let Owner { tenant, key, model, label, .. } = owner;
            let place: [&dyn ToSql; 7] = [&grain, &bucket, &tenant, &key, &model, &provider, &label];
            insert.execute(place.into_iter().chain(sums.figures()).collect::<Vec<_>>().as_slice())?;
        }
        let mut insert = transaction.prepare_cached(&format!("{SUM}{ADD}"))?;
        for ((grain, bucket, dimension, name), sums) in by_name {
            let (dimension, place): (i64, [&dyn ToSql; 2]) = (dimension as i64, [&grain, &bucket]);
            let named: [&dyn ToSql; 2] = [&dimension, &name];
            insert.execute(place.into_iter().chain(named).chain(sums.figures()).collect::<Vec<_>>().as_slice())?;
        }
        Ok(())
    }
}

/// Changes the balance of a book.
pub(crate) fn add_to_book(transaction: &Transaction<'_>, book: &Book, amount: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO books VALUES (?1, ?2) ON CONFLICT DO UPDATE SET balance = balance + excluded.balance";
    transaction.prepare_cached(sql)?.execute(params![book.to_string(), amount])?;
    Ok(())
}

/// By what single names are summed up, beside all that is told apart: what most questions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dimension {
    /// All calls.
    All = 0,
    /// A tenant's.
    Tenant = 1,
    /// A key's.
    Key = 2,
    /// A model's, as clients name it.
    Model = 3,
    /// A provider's.
    Provider = 4,
    /// A label's.
    Label = 5,
}

impl Dimension {
    const fn of<'a>(owner: Owner<'a>, provider: &'a str) -> [(Self, &'a str); 6] {
        [
            (Self::All, ""),
            (Self::Tenant, owner.tenant),
            (Self::Key, owner.key),
            (Self::Model, owner.model),
            (Self::Provider, provider),
            (Self::Label, owner.label),
        ]
    }
}

impl Rollup {
    /// What is summed up, in the order of the tables.
    fn figures(&self) -> [&dyn ToSql; 14] {
        [
            &self.calls,
            &self.errors,
            &self.cache_hits,
            &self.unpriced,
            &self.input,
            &self.cached,
            &self.output,
            &self.tokens,
            &self.cost,
            &self.billed,
            &self.total_us,
            &self.first_us,
            &self.first_calls,
            &self.saved,
        ]
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.cache_hits += other.cache_hits;
        self.unpriced += other.unpriced;
        for (sum, more) in [
            (&mut self.input, other.input),
            (&mut self.cached, other.cached),
            (&mut self.output, other.output),
            (&mut self.tokens, other.tokens),
            (&mut self.cost, other.cost),
            (&mut self.billed, other.billed),
            (&mut self.total_us, other.total_us),
            (&mut self.first_us, other.first_us),
            (&mut self.first_calls, other.first_calls),
            (&mut self.saved, other.saved),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}
