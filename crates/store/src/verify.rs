//! Whether the books are right: everything that is summed as it comes is summed once more from what it came from.

use crate::error::StoreError;
use crate::{days, feed, schema};
use rusqlite::Connection;
use std::collections::BTreeMap;
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
    let count = |sql: &str| -> Result<u64, StoreError> {
        Ok(main.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    };
    let mut verdict = Verdict {
        charges: count("SELECT count(*) FROM charges")?,
        entries: count("SELECT count(*) FROM entries")?,
        ..Verdict::default()
    };
    balances(&main, &mut verdict)?;
    orders(&main, &mut verdict)?;
    rollups(&main, &mut verdict)?;
    for day in days::list(dir)? {
        calls(&main, dir, day, &mut verdict)?;
    }
    verdict.wrong.truncate(MOST);
    Ok(verdict)
}

fn balances(main: &Connection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let mut expected = BTreeMap::<String, i128>::new();
    for sql in [
        "SELECT CASE account WHEN '' THEN 'house' ELSE 'account:' || account END, -sum(paid) FROM charges GROUP BY account",
        "SELECT 'provider:' || provider, sum(coalesce(cost, 0)) FROM charges GROUP BY provider",
        "SELECT 'revenue', coalesce(sum(revenue), 0) FROM charges",
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

fn rollups(main: &Connection, verdict: &mut Verdict) -> Result<(), StoreError> {
    // Roll-ups by the day are never forgotten, so they have to come to what was billed in all.
    let of = |sql: &str| -> Result<i64, StoreError> { Ok(main.query_row(sql, [], |row| row.get(0))?) };
    let rolled = of("SELECT coalesce(sum(billed), 0) FROM rollups WHERE grain = 2")?;
    let billed = of("SELECT coalesce(sum(billed), 0) FROM charges")?;
    if rolled != billed {
        verdict.wrong.push(format!("the roll-ups by the day come to {rolled}, the charges to {billed}"));
    }
    Ok(())
}

fn calls(main: &Connection, dir: &Path, day: i64, verdict: &mut Verdict) -> Result<(), StoreError> {
    let log = schema::read_only(&days::path(dir, day))?;
    let mut charge = main.prepare("SELECT coalesce(sum(billed), 0) FROM charges WHERE call = $1")?;
    let mut query = log.prepare("SELECT call, billed FROM calls")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (call, billed): (i64, i64) = (row.get(0)?, row.get(1)?);
        verdict.calls += 1;
        let entered: i64 = charge.query_row([call], |row| row.get(0))?;
        if entered != billed && verdict.wrong.len() < MOST {
            verdict
                .wrong
                .push(format!("call {call} was billed {billed} by the request log and {entered} by the books"));
        }
    }
    Ok(())
}
