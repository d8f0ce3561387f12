//! Records become rows.
//!
//! A batch of records is one transaction of the main database, which also says up to which record it has been fed. So each
//! record counts once, whenever the process is killed. The days of the request log are files of their own, written before
//! that; their rows have the record's number as their key, so writing them twice is writing them once.

use crate::error::StoreError;
use crate::record::{Charged, Ended, Owner, Record};
use crate::{days, schema};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params};
use sluicegate_ledger::Book;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Days of the request log that are kept open.
const OPEN_DAYS: usize = 3;

/// The lengths of roll-ups, in milliseconds: a minute, an hour, a day.
pub(crate) const GRAINS: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// The one who writes the database.
#[derive(Debug)]
pub(crate) struct Feeder {
    dir: PathBuf,
    main: Connection,
    days: BTreeMap<i64, Connection>,
    patience: Duration,
    /// The number of the next record to be fed.
    pub(crate) fed: u64,
    /// The largest number of a call that was seen.
    pub(crate) call: u64,
}

/// What a batch adds up to, before it is written.
#[derive(Debug, Default)]
struct Sums<'a> {
    books: BTreeMap<Book, i64>,
    rollups: HashMap<(i64, Owner<'a>, &'a str), Rollup>,
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

impl Feeder {
    /// Opens the database. `patience` is how long a batch waits for somebody else's transaction before it is tried anew.
    pub(crate) fn open(dir: &Path, patience: Duration) -> Result<Self, StoreError> {
        let main = schema::books(&books_path(dir), patience)?;
        let meta = |name: &str| -> Result<u64, StoreError> {
            let value: i64 = main.query_row("SELECT value FROM meta WHERE name = $1", [name], |row| row.get(0))?;
            Ok(value.unsigned_abs())
        };
        let (fed, call) = (meta("fed")?, meta("call")?);
        Ok(Self { dir: dir.to_owned(), main, days: BTreeMap::new(), patience, fed, call })
    }

    /// Feeds records, of which the first has the number [`Feeder::fed`]. All of them or none.
    pub(crate) fn feed<'a>(&mut self, records: impl Iterator<Item = &'a [u8]>) -> Result<usize, StoreError> {
        let (mut ended, mut intents, mut next) = (Vec::new(), HashMap::<u64, Vec<(u16, &[u8])>>::new(), self.fed);
        let mut call = self.call;
        for bytes in records {
            match Record::read(bytes) {
                Ok(Record::Intent(intent)) => {
                    intents.entry(intent.call).or_default().push((intent.attempt, bytes));
                    call = call.max(intent.call);
                }
                Ok(Record::Ended(end)) => {
                    call = call.max(end.call);
                    ended.push((next, end));
                }
                Err(error) => tracing::error!(record = next, %error, "a record of the journal was passed over"),
            }
            next += 1;
        }
        let count = usize::try_from(next - self.fed).unwrap_or(usize::MAX);
        if count == 0 {
            return Ok(0);
        }
        self.log(&ended)?;
        let transaction = self.main.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut sums = Sums::default();
        {
            let mut close = transaction.prepare_cached("DELETE FROM open_intents WHERE call = $1")?;
            for (_, end) in &ended {
                if intents.remove(&end.call).is_none() {
                    close.execute([signed(end.call)])?;
                }
                sums.end(&transaction, end)?;
            }
            let mut open = transaction.prepare_cached("INSERT OR REPLACE INTO open_intents VALUES ($1, $2, $3)")?;
            for (call, attempts) in &intents {
                for (attempt, bytes) in attempts {
                    open.execute(params![signed(*call), attempt, bytes])?;
                }
            }
        }
        sums.write(&transaction)?;
        transaction.execute("UPDATE meta SET value = $1 WHERE name = 'fed'", [signed(next)])?;
        transaction.execute("UPDATE meta SET value = max(value, $1) WHERE name = 'call'", [signed(call)])?;
        transaction.commit()?;
        (self.fed, self.call) = (next, call);
        Ok(count)
    }

    /// Every intent whose call has not ended, as it lies in the journal.
    pub(crate) fn open_intents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut query = self.main.prepare("SELECT record FROM open_intents ORDER BY call, attempt")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes the calls that ended to their days.
    fn log(&mut self, ended: &[(u64, Ended<'_>)]) -> Result<(), StoreError> {
        let mut by_day = BTreeMap::<i64, Vec<&(u64, Ended<'_>)>>::new();
        for one in ended {
            by_day.entry(days::of(one.1.at_ms)).or_default().push(one);
        }
        for (day, calls) in by_day {
            let database = self.day(day)?;
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(LOG)?;
                for (record, end) in calls {
                    insert_call(&mut insert, *record, end)?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    }

    fn day(&mut self, day: i64) -> Result<&mut Connection, StoreError> {
        if !self.days.contains_key(&day) {
            while self.days.len() >= OPEN_DAYS {
                self.days.pop_first();
            }
            let database = schema::calls(&days::path(&self.dir, day), self.patience)?;
            self.days.insert(day, database);
        }
        self.days.get_mut(&day).ok_or(StoreError::Late)
    }

    /// Drops whole days of the request log that are too old, or of which there is too much, the oldest first. Tells which.
    pub(crate) fn drop_days(&mut self, today: i64, keep: &days::Keep) -> Result<Vec<i64>, StoreError> {
        let dropped = days::to_drop(&self.dir, today, keep)?;
        for day in &dropped {
            self.days.remove(day);
            days::delete(&self.dir, *day)?;
        }
        Ok(dropped)
    }

    /// Forgets roll-ups by the minute and the hour that begin before these moments.
    pub(crate) fn drop_rollups(&mut self, minutes_before_ms: i64, hours_before_ms: i64) -> Result<(), StoreError> {
        for (grain, before) in [(0, minutes_before_ms), (1, hours_before_ms)] {
            self.main.execute("DELETE FROM rollups WHERE grain = $1 AND bucket < $2", [grain, before])?;
            self.main.execute("DELETE FROM sums WHERE grain = $1 AND bucket < $2", [grain, before])?;
        }
        Ok(())
    }

    /// Forgets under which `Idempotency-Key`s calls were made that arrived before then.
    pub(crate) fn drop_repeats(&mut self, before_ms: i64) -> Result<(), StoreError> {
        self.main.execute("DELETE FROM repeats WHERE at_ms < $1", [before_ms])?;
        Ok(())
    }
}

/// The main database of a data directory.
pub(crate) fn books_path(dir: &Path) -> PathBuf {
    dir.join("books.db")
}

const LOG: &str = "INSERT OR IGNORE INTO calls VALUES
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)";

fn insert_call(insert: &mut rusqlite::CachedStatement<'_>, record: u64, end: &Ended<'_>) -> Result<(), StoreError> {
    let Owner { tenant, key, account, model, label } = end.owner;
    let last = end.charges.last();
    let sums = Tokens::of(&end.charges);
    let reasoning: u64 = end.charges.iter().map(|charge| charge.usage.reasoning).fold(0, u64::saturating_add);
    insert.execute(params![
        signed(record),
        signed(end.call),
        end.at_ms,
        end.request_id,
        tenant,
        key,
        account,
        model,
        label,
        last.map_or("", |charge| charge.provider),
        last.map_or("", |charge| charge.upstream),
        end.status,
        end.end.as_str(),
        end.stream,
        end.cache_hit,
        end.attempts,
        signed(end.queued_us),
        signed(end.first_us),
        signed(end.total_us),
        sums.input,
        sums.cached,
        sums.output,
        signed(reasoning),
        sums.cost,
        sums.billed,
    ])?;
    Ok(())
}

/// What all charges of a call come to.
struct Tokens {
    input: i64,
    cached: i64,
    output: i64,
    /// `None` where one of them has no price.
    cost: Option<i64>,
    billed: i64,
}

impl Tokens {
    fn of(charges: &[Charged<'_>]) -> Self {
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

const CHARGE: &str = "INSERT OR IGNORE INTO charges VALUES
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
    $24)";

const SUM: &str = "INSERT INTO sums VALUES
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
const ROLLUP: &str = "INSERT INTO rollups VALUES
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
const ADD: &str = "
    ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
    cache_hits = cache_hits + excluded.cache_hits, unpriced = unpriced + excluded.unpriced,
    input = input + excluded.input, cached = cached + excluded.cached, output = output + excluded.output,
    tokens = tokens + excluded.tokens, cost = cost + excluded.cost, billed = billed + excluded.billed,
    total_us = total_us + excluded.total_us, first_us = first_us + excluded.first_us,
    first_calls = first_calls + excluded.first_calls, saved = saved + excluded.saved";

impl<'a> Sums<'a> {
    /// Enters the charges of a call, each once, and counts it.
    fn end(&mut self, transaction: &Transaction<'_>, end: &Ended<'a>) -> Result<(), StoreError> {
        let Owner { tenant, key, account, model, label } = end.owner;
        let mut entered = smallvec::SmallVec::<[Charged<'a>; 1]>::new();
        for charge in &end.charges {
            let cost = charge.cost.unwrap_or_default().nanos();
            // Without an account the house pays the cost, whatever would have been billed.
            let paid = if account.is_empty() { cost } else { charge.billed.nanos() };
            let revenue = paid.saturating_sub(cost);
            let new = transaction.prepare_cached(CHARGE)?.execute(params![
                signed(end.call),
                charge.attempt,
                end.at_ms,
                tenant,
                key,
                account,
                model,
                label,
                charge.provider,
                charge.upstream,
                signed(charge.usage.input),
                signed(charge.usage.cache_read),
                signed(charge.usage.cache_write.saturating_add(charge.usage.cache_write_long)),
                signed(charge.usage.output),
                signed(charge.usage.reasoning),
                charge.usage.source.as_str(),
                charge.cost.map(|cost| cost.nanos()),
                charge.billed.nanos(),
                paid,
                revenue,
                charge.price.0.cast_signed(),
                charge.multiplier.millionths(),
                charge.arithmetic(),
                charge.usage.tier.as_str(),
            ])?;
            if new == 0 {
                tracing::error!(call = end.call, attempt = charge.attempt, "a charge came twice and was entered once");
                continue;
            }
            let payer = if account.is_empty() { Book::House } else { Book::Account(account.to_owned()) };
            for (book, amount) in
                [(payer, -paid), (Book::Provider(charge.provider.to_owned()), cost), (Book::Revenue, revenue)]
            {
                if amount != 0 {
                    let balance = self.books.entry(book).or_default();
                    *balance = balance.saturating_add(amount);
                }
            }
            entered.push(charge.clone());
        }
        let provider = end.charges.last().map_or("", |charge| charge.provider);
        let minute = end.at_ms.div_euclid(60_000) * 60_000;
        let sums = Tokens::of(&entered);
        let rollup = self.rollups.entry((minute, end.owner, provider)).or_default();
        rollup.add(&Rollup {
            calls: 1,
            errors: i64::from(end.status == 0 || end.status >= 400),
            cache_hits: i64::from(end.cache_hit),
            unpriced: i64::from(sums.cost.is_none()),
            input: sums.input,
            cached: sums.cached,
            output: sums.output,
            tokens: sums.input.saturating_add(sums.output),
            cost: entered.iter().filter_map(|charge| charge.cost).map(|cost| cost.nanos()).sum(),
            billed: sums.billed,
            total_us: signed(end.total_us),
            first_us: signed(end.first_us),
            first_calls: i64::from(end.first_us > 0),
            saved: end.saved.nanos(),
        });
        if let Some(repeat) = end.repeat {
            let key = repeat.key.to_le_bytes();
            transaction.prepare_cached("INSERT OR REPLACE INTO repeats VALUES ($1, $2, $3)")?.execute(params![
                key.as_slice(),
                repeat.request.cast_signed(),
                end.at_ms
            ])?;
        }
        Ok(())
    }

    fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        for (book, amount) in &self.books {
            add_to_book(transaction, book, *amount)?;
        }
        let mut by_grain = HashMap::<(i64, i64, Owner<'_>, &str), Rollup>::new();
        for ((minute, owner, provider), rollup) in &self.rollups {
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
    let sql = "INSERT INTO books VALUES ($1, $2) ON CONFLICT DO UPDATE SET balance = balance + excluded.balance";
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
