//! The database's schema, and how an older one becomes this one.
//!
//! Steps are only ever added at the end: what has been released is never edited. A step adds; what is no longer needed is
//! taken out a release later, so that the program before can still open the file.

use crate::error::StoreError;
use crate::{chunk, columns};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// The steps of the main database, in their order.
const BOOKS: &[&str] = &[
    "
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('fed', 0), ('call', 0);
CREATE TABLE books(name TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts(
    name TEXT PRIMARY KEY, floor INTEGER NOT NULL, low INTEGER NOT NULL, created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entries(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reference TEXT NOT NULL, at_ms INTEGER NOT NULL,
    account TEXT NOT NULL, amount INTEGER NOT NULL, UNIQUE (kind, reference));
CREATE INDEX entries_account ON entries(account, at_ms);
CREATE TABLE codes(
    hash BLOB PRIMARY KEY, amount INTEGER NOT NULL, expires_ms INTEGER, created_ms INTEGER NOT NULL,
    note TEXT NOT NULL, account TEXT, redeemed_ms INTEGER) WITHOUT ROWID;
CREATE TABLE open_intents(only INTEGER PRIMARY KEY CHECK (only = 1), records BLOB NOT NULL);
INSERT INTO open_intents VALUES (1, x'');
CREATE TABLE rollups(
    grain INTEGER NOT NULL, bucket INTEGER NOT NULL,
    tenant TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, label TEXT NOT NULL,
    calls INTEGER NOT NULL, errors INTEGER NOT NULL, cache_hits INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL, tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, billed INTEGER NOT NULL,
    total_us INTEGER NOT NULL, first_us INTEGER NOT NULL, first_calls INTEGER NOT NULL,
    PRIMARY KEY (grain, bucket, tenant, key, model, provider, label)) WITHOUT ROWID;
CREATE INDEX rollups_key ON rollups(key, grain, bucket);
CREATE INDEX rollups_tenant ON rollups(tenant, grain, bucket);
CREATE TABLE prices(version INTEGER PRIMARY KEY, vendor TEXT NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL);
",
    "
CREATE TABLE orders(
    reference TEXT PRIMARY KEY, account TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,
    credit INTEGER NOT NULL, created_ms INTEGER NOT NULL,
    service TEXT, payment TEXT, paid_ms INTEGER) WITHOUT ROWID;
CREATE INDEX orders_created ON orders(created_ms);
",
    chunk::TABLES,
    "
CREATE TABLE sums(
    grain INTEGER NOT NULL, bucket INTEGER NOT NULL, dimension INTEGER NOT NULL, name TEXT NOT NULL,
    calls INTEGER NOT NULL, errors INTEGER NOT NULL, cache_hits INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL, tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, billed INTEGER NOT NULL,
    total_us INTEGER NOT NULL, first_us INTEGER NOT NULL, first_calls INTEGER NOT NULL,
    PRIMARY KEY (grain, dimension, name, bucket)) WITHOUT ROWID;
INSERT INTO sums SELECT grain, bucket, 0, '', sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket;
INSERT INTO sums SELECT grain, bucket, 1, tenant, sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket, tenant;
INSERT INTO sums SELECT grain, bucket, 2, key, sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket, key;
INSERT INTO sums SELECT grain, bucket, 3, model, sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket, model;
INSERT INTO sums SELECT grain, bucket, 4, provider, sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket, provider;
INSERT INTO sums SELECT grain, bucket, 5, label, sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input),
    sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls)
    FROM rollups GROUP BY grain, bucket, label;
",
    "
ALTER TABLE rollups ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sums ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
CREATE TABLE repeats(key BLOB PRIMARY KEY, request INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
",
    "
ALTER TABLE orders ADD COLUMN expires_ms INTEGER;
ALTER TABLE orders ADD COLUMN transaction_id TEXT;
CREATE INDEX orders_transaction ON orders(transaction_id) WHERE transaction_id IS NOT NULL;
CREATE TABLE refunds(
    reference TEXT NOT NULL REFERENCES orders(reference), refund TEXT NOT NULL, amount INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (reference, refund)) WITHOUT ROWID;
",
    columns::CHARGES_TABLES,
];

/// Bytes of a page, which a database keeps from its beginning. Each page is written twice, once into its log and once into
/// its place, by a system call or two each time. Where a database is chunks of calls, large pages save most of those; where
/// single rows change all over it, each would drag a large page along.
const TOGETHER: u32 = 32 << 10;
/// Chunks, and sums beside them.
const BOTH: u32 = 8 << 10;
/// Single rows.
const SCATTERED: u32 = 4 << 10;
/// Bytes of a log after which it is put into place.
const CHECKPOINT: u32 = 4 << 20;
/// Pages of a database of which nothing is read twice.
const FEW_PAGES: u32 = 8;

/// The steps of one day of the request log.
const CALLS: &[&str] = &[chunk::TABLES, columns::CALLS_TABLES];

/// The steps of the keys that were made at run time.
const KEYS: &[&str] = &["
CREATE TABLE keys(
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, terms TEXT NOT NULL, metadata TEXT NOT NULL,
    disabled INTEGER NOT NULL, expires_ms INTEGER, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL);
CREATE TABLE secrets(
    hash BLOB PRIMARY KEY, key INTEGER NOT NULL REFERENCES keys(id), created_ms INTEGER NOT NULL,
    until_ms INTEGER) WITHOUT ROWID;
CREATE INDEX secrets_key ON secrets(key, until_ms);
"];

/// Opens the keys for writing.
pub(crate) fn keys(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    writable(path, patience, SCATTERED, KEYS)
}

/// Opens the main database for writing, and brings its schema up to date.
pub(crate) fn books(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    writable(path, patience, BOTH, BOOKS)
}

/// Opens one day of the request log for writing.
pub(crate) fn calls(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    writable(path, patience, TOGETHER, CALLS)
}

/// Opens a database for reading alone.
pub(crate) fn read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// Opens one day of the request log for reading alone. Nothing of it is read twice, so few pages are kept: that they are the
/// same ones again and again saves the system from finding memory for each, which took longer than to read it.
pub(crate) fn one_day(path: &Path) -> Result<Connection, StoreError> {
    let connection = read_only(path)?;
    connection.execute_batch(&format!("PRAGMA cache_size = {FEW_PAGES};"))?;
    Ok(connection)
}

fn writable(path: &Path, patience: Duration, page: u32, steps: &[&str]) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    // What the journal gives up has to be durable here: each commit is synced.
    connection.execute_batch(&format!(
        "PRAGMA page_size = {page}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = {};
        PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        CHECKPOINT / page
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, steps)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
