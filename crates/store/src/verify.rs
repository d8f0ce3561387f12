//! Whether the books are right: everything that is summed as it comes is summed once more from what it came from.

use crate::error::StoreError;
use crate::record::Record;
use crate::sums::Tokens;
use crate::{chunk, days, feed, schema};
use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

/// What a check of the books found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Charges looked at.
    pub charges: u64,
    /// Other entries looked at.
    pub entries: u64,
    /// Calls of the request log that were compared with their charges.
    pub calls: u64,
    /// What is wrong, in words; nothing, if the books are right.
    pub wrong: Vec<String>,
}

/// Wrong things that are told at most; one is enough to know.
const MOST: usize = 100;

pub(crate) fn verify(dir: &Path) -> Result<Verdict, StoreError> {
    let main = schema::read_only(&feed::books_path(dir))?;
    // One transaction, so that all questions are answered about the same moment.
    main.execute_batch("BEGIN")?;
    let entries: i64 = main.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    let mut verdict = Verdict { entries: entries.unsigned_abs(), ..Verdict::default() };
    let charged = Charges::read(&main, &mut verdict)?;
    balances(&main, &charged, &mut verdict)?;
    orders(&main, &mut verdict)?;
    rollups(&main, &charged, &mut verdict)?;
    for day in days::list(dir)? {
        calls(&main, dir, day, &mut verdict)?;
    }
    verdict.wrong.truncate(MOST);
    Ok(verdict)
}

/// What all charges come to.
#[derive(Debug, Default)]
struct Charges {
    books: BTreeMap<String, i128>,
    billed: i128,
}

impl Charges {
    /// Reads every charge there is, and looks whether a call has two.
    fn read(main: &Connection, verdict: &mut Verdict) -> Result<Self, StoreError> {
        let mut sum = Self::default();
        let mut accounts = HashMap::<String, i128>::new();
        let mut providers = HashMap::<String, i128>::new();
        let (mut revenue, mut attempts) = (0_i128, Vec::<(u64, u16)>::new());
        chunk::oldest(main, 0, &[], &mut |record, bytes| {
            let Ok(Record::Ended(end)) = Record::read(bytes) else {
                verdict.wrong.push(format!("the charges of record {record} cannot be read"));
                return Ok(ControlFlow::Continue(()));
            };
            for charge in &end.charges {
                let (paid, earned) = charge.paid(end.owner.account);
                add(&mut accounts, end.owner.account, -i128::from(paid));
                add(&mut providers, charge.provider, i128::from(paid) - i128::from(earned));
                revenue += i128::from(earned);
                sum.billed += i128::from(charge.billed.nanos());
                attempts.push((end.call, charge.attempt));
                verdict.charges += 1;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        attempts.sort_unstable();
        for (call, attempt) in attempts.windows(2).filter_map(|pair| match pair {
            [one, other] if one == other => Some(*one),
            _ => None,
        }) {
            verdict.wrong.push(format!("attempt {attempt} of call {call} was charged twice"));
        }
        for (account, amount) in accounts {
            let book = if account.is_empty() { "house".to_owned() } else { format!("account:{account}") };
            sum.books.insert(book, amount);
        }
        sum.books.extend(providers.into_iter().map(|(provider, amount)| (format!("provider:{provider}"), amount)));
        sum.books.insert("revenue".to_owned(), revenue);
        Ok(sum)
    }
}

/// Adds to the sum of a name.
fn add(sums: &mut HashMap<String, i128>, name: &str, amount: i128) {
    match sums.get_mut(name) {
        Some(sum) => *sum += amount,
        None => drop(sums.insert(name.to_owned(), amount)),
    }
}

fn balances(main: &Connection, charged: &Charges, verdict: &mut Verdict) -> Result<(), StoreError> {
    let mut expected = charged.books.clone();
    for sql in [
        "SELECT 'account:' || account, sum(amount) FROM entries GROUP BY account",
        "SELECT 'source:' || kind, -sum(amount) FROM entries GROUP BY kind",
    ] {
        let mut query = main.prepare(sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            *expected.entry(row.get(0)?).or_default() += i128::from(row.get::<_, i64>(1)?);
        }
    }
    let mut sum = 0_i128;
    let mut query = main.prepare("SELECT name, balance FROM books")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (name, balance): (String, i64) = (row.get(0)?, row.get(1)?);
        sum += i128::from(balance);
        let should = expected.remove(&name).unwrap_or(0);
        if should != i128::from(balance) {
            verdict.wrong.push(format!("the book {name} has {balance}, its entries come to {should}"));
        }
    }
    for (name, should) in expected.into_iter().filter(|(_, should)| *should != 0) {
        verdict.wrong.push(format!("the book {name} is missing, its entries come to {should}"));
    }
    if sum != 0 {
        verdict.wrong.push(format!("all books together have {sum}, and not 0"));
    }
    Ok(())
}

fn orders(main: &Connection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let sql = "SELECT reference, account, credit, 'order' FROM orders WHERE paid_ms IS NOT NULL
        EXCEPT SELECT reference, account, amount, 'order' FROM entries WHERE kind = 'payment'
        UNION ALL SELECT reference, account, amount, 'entry' FROM (SELECT reference, account, amount FROM entries
        WHERE kind = 'payment' EXCEPT SELECT reference, account, credit FROM orders WHERE paid_ms IS NOT NULL)";
    let mut query = main.prepare(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (reference, what): (String, String) = (row.get(0)?, row.get(3)?);
        let wrong = if what == "order" { "is paid and has no such entry" } else { "has an entry and is not paid so" };
        verdict.wrong.push(format!("the order {reference} {wrong}"));
    }
    Ok(())
}

fn rollups(main: &Connection, charged: &Charges, verdict: &mut Verdict) -> Result<(), StoreError> {
    // Roll-ups by the day are never forgotten, so they have to come to what was billed in all.
    let sql = "SELECT coalesce(sum(billed), 0) FROM rollups WHERE grain = 2";
    let (rolled, billed): (i64, i128) = (main.query_row(sql, [], |row| row.get(0))?, charged.billed);
    if i128::from(rolled) != billed {
        verdict.wrong.push(format!("the roll-ups by the day come to {rolled}, the charges to {billed}"));
    }
    Ok(())
}

/// Compares a day of the request log with the charges. Both lie in the order of their records.
fn calls(main: &Connection, dir: &Path, day: i64, verdict: &mut Verdict) -> Result<(), StoreError> {
    let log = schema::read_only(&days::path(dir, day))?;
    let mut logged = Vec::<(u64, u64, i64)>::new();
    chunk::oldest(&log, 0, &[], &mut |record, bytes| {
        match Record::read(bytes) {
            Ok(Record::Ended(end)) => logged.push((record, end.call, Tokens::of(&end.charges).billed)),
            _ => verdict.wrong.push(format!("record {record} of the request log cannot be read")),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let (Some((first, ..)), Some((last, ..))) = (logged.first().copied(), logged.last().copied()) else {
        return Ok(());
    };
    verdict.calls += logged.len() as u64;
    let mut billed = HashMap::<u64, i64>::new();
    chunk::oldest(main, first, &[], &mut |record, bytes| {
        if record > last {
            return Ok(ControlFlow::Break(()));
        }
        if let Ok(Record::Ended(end)) = Record::read(bytes) {
            billed.insert(record, Tokens::of(&end.charges).billed);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for (record, call, logged) in logged {
        let entered = billed.get(&record).copied().unwrap_or(0);
        if entered != logged && verdict.wrong.len() < MOST {
            verdict
                .wrong
                .push(format!("call {call} was billed {logged} by the request log and {entered} by the books"));
        }
    }
    Ok(())
}
