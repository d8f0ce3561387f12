//! Calls in a database, thousands to a row.
//!
//! A row and an index entry or two for each call cost more than all else that is done for it: that is where a relay that
//! keeps books loses its speed. So calls lie together as they lay in the journal, in *chunks*: one row has the records of
//! some thousand calls, one after the other. What is summed up is summed up elsewhere ([`crate::sums`]); single calls are
//! wanted rarely, by somebody who looks at a page of them.
//!
//! To find them without reading everything, a chunk has columns ([`crate::columns`]) of the words by which its calls may be
//! asked for: a request's id, a key, a status. One that is so small that columns would cost more than it, as they come in
//! quiet times, has a Bloom filter of those words instead: where one of them is not in the filter the chunk is passed over,
//! and else it is read as a whole.
//!
//! Numbers of records rise, and chunks lie in their order without overlapping. Small ones are put together later
//! ([`gather`]).

use crate::codec::{Reader, Unreadable, put_u64};
use crate::columns::{self, Columns, Place, Word};
use crate::error::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::ops::ControlFlow;

/// The tables. The filter of a chunk that has columns is empty.
pub(crate) const TABLES: &str = "
CREATE TABLE chunks(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, calls INTEGER NOT NULL, records BLOB NOT NULL);
CREATE TABLE words(first INTEGER PRIMARY KEY, bits BLOB NOT NULL);
";

/// Calls in one chunk at most: the columns of eight such chunks fill a page of a day.
const MOST_CALLS: usize = 2000;
/// Bytes in one chunk, after which none is added.
const MOST_BYTES: usize = 1 << 20;
/// Chunks with fewer calls are put together.
const SMALL: i64 = 1024;
/// Chunks with at least so many have columns: those in which there are fewer are read sooner than looked up.
const COLUMNS_FROM: usize = 128;
/// Bits of the filter for each word, and how many of them a word sets: one in a thousand that are not there seems to be.
const BITS: usize = 16;
const PROBES: u32 = 7;

/// The bits of a word in a filter, each as its byte and what it is there.
fn bits_of(word: u32, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let wide = u64::from(word).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (start, step) = (wide >> 32, (wide & 0xffff_ffff) | 1);
    let mask = (bytes as u64 * 8).saturating_sub(1);
    (0..u64::from(PROBES)).map(move |probe| {
        let bit = start.wrapping_add(step.wrapping_mul(probe)) & mask;
        (usize::try_from(bit / 8).unwrap_or(0), 1 << (bit % 8))
    })
}

/// The filter of some words: a power of two of bytes.
fn filter(words: &[u32]) -> Vec<u8> {
    let mut bits = vec![0_u8; (words.len() * BITS / 8).next_power_of_two().max(8)];
    let len = bits.len();
    for word in words {
        for (place, bit) in bits_of(*word, len) {
            if let Some(byte) = bits.get_mut(place) {
                *byte |= bit;
            }
        }
    }
    bits
}

/// Whether all of the words may be in a filter.
fn may_have(bits: &[u8], words: &[(Word, u32)]) -> bool {
    let has = |(place, bit): (usize, u8)| bits.get(place).is_none_or(|byte| byte & bit != 0);
    words.iter().all(|(_, hash)| bits_of(*hash, bits.len()).all(has))
}

/// A chunk that is being filled.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The words by which its calls may be asked for.
    words: &'static [Word],
    first: u64,
    last: u64,
    records: Vec<u8>,
    places: Vec<Place>,
    /// The hashes of each call's words.
    hashes: Vec<u32>,
}

impl Chunk {
    /// An empty one, whose records lie in this buffer.
    pub(crate) fn new(words: &'static [Word], mut records: Vec<u8>) -> Self {
        records.clear();
        Self { words, first: 0, last: 0, records, places: Vec::new(), hashes: Vec::new() }
    }

    /// Its buffer, for another.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.records
    }

    /// Whether no more should be added.
    pub(crate) fn is_full(&self) -> bool {
        self.places.len() >= MOST_CALLS || self.records.len() >= MOST_BYTES
    }

    /// Adds a record, with the hashes of its words. Its number is larger than those before.
    pub(crate) fn push(&mut self, record: u64, bytes: &[u8], hashes: &[u32]) {
        if self.places.is_empty() {
            (self.first, self.last) = (record, record);
        }
        put_u64(&mut self.records, record.saturating_sub(self.last));
        put_u64(&mut self.records, bytes.len() as u64);
        self.records.extend_from_slice(bytes);
        self.last = record;
        let number = u32::try_from(record.saturating_sub(self.first)).unwrap_or(u32::MAX);
        self.places.push(Place { number, end: u32::try_from(self.records.len()).unwrap_or(u32::MAX) });
        self.hashes.extend_from_slice(hashes);
    }

    /// Whether it is to have columns. A place in them has only so much room.
    fn has_columns(&self) -> bool {
        let most = u32::MAX as usize;
        let span = usize::try_from(self.last - self.first).unwrap_or(usize::MAX);
        self.places.len() >= COLUMNS_FROM && span < most && self.records.len() < most
    }

    /// Writes it, if there is anything in it.
    pub(crate) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if self.places.is_empty() {
            return Ok(());
        }
        let (first, last) = (self.first.cast_signed(), self.last.cast_signed());
        let calls = i64::try_from(self.places.len()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO chunks VALUES (?1, ?2, ?3, ?4)";
        transaction.prepare_cached(sql)?.execute(params![first, last, calls, self.records])?;
        let bits = if self.has_columns() {
            columns::write(transaction, self.first, self.words, &self.hashes, &self.places)?;
            Vec::new()
        } else {
            let mut hashes = self.hashes.clone();
            hashes.sort_unstable();
            hashes.dedup();
            filter(&hashes)
        };
        transaction.prepare_cached("INSERT INTO words VALUES (?1, ?2)")?.execute(params![first, bits])?;
        Ok(())
    }
}

/// Takes out what is there from a record on, which was written by somebody who was killed before all of it counted.
pub(crate) fn cut(transaction: &Transaction<'_>, words: &[Word], from: u64) -> Result<(), StoreError> {
    for sql in ["DELETE FROM chunks WHERE first >= ?1", "DELETE FROM words WHERE first >= ?1"] {
        transaction.prepare_cached(sql)?.execute([from.cast_signed()])?;
    }
    columns::delete(transaction, words, from, true)
}

/// The records of a chunk with their numbers.
fn entries(first: i64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let (mut reader, mut number, mut found) = (Reader(bytes), first.cast_unsigned(), Vec::new());
    while !reader.0.is_empty() {
        let mut next = || -> Result<(u64, &[u8]), Unreadable> {
            let (step, len) = (reader.u64()?, reader.number()?);
            let (record, rest) = reader.0.split_at_checked(len).ok_or(Unreadable)?;
            reader.0 = rest;
            Ok((step, record))
        };
        let Ok((step, record)) = next() else {
            tracing::error!(first, "the rest of a chunk of calls cannot be read");
            break;
        };
        number = number.saturating_add(step);
        found.push((number, record));
    }
    found
}

/// What is asked of each record: its number and its bytes.
pub(crate) type See<'s> = dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError> + 's;

/// Shows the records before a number that may have all of these words, newest first.
pub(crate) fn newest(
    from: &Connection,
    before: u64,
    words: &[(Word, u32)],
    see: &mut See<'_>,
) -> Result<(), StoreError> {
    let sql = "SELECT first, bits FROM words WHERE first < ?1 ORDER BY first DESC";
    each(from, sql, before, words, true, |record| record < before, see)
}

/// Shows the records from a number on that may have all of these words, oldest first.
pub(crate) fn oldest(
    from: &Connection,
    since: u64,
    words: &[(Word, u32)],
    see: &mut See<'_>,
) -> Result<(), StoreError> {
    let sql = "SELECT first, bits FROM words
        WHERE first >= (SELECT coalesce(max(first), 0) FROM words WHERE first <= ?1) ORDER BY first";
    each(from, sql, since, words, false, |record| record >= since, see)
}

fn each(
    from: &Connection,
    sql: &str,
    bound: u64,
    words: &[(Word, u32)],
    newest_first: bool,
    wanted: impl Fn(u64) -> bool,
    see: &mut See<'_>,
) -> Result<(), StoreError> {
    let (mut chunks, mut whole) =
        (from.prepare_cached(sql)?, from.prepare_cached("SELECT records FROM chunks WHERE first = ?1")?);
    // A day from before has no columns.
    let mut columns = None;
    let mut rows = chunks.query([bound.min(i64::MAX.unsigned_abs()).cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (first, bits) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_blob().unwrap_or_default());
        if bits.is_empty() {
            let columns = match &mut columns {
                Some(columns) => columns,
                None => columns.insert(Columns::of(from, words)?),
            };
            if columns.show(first.cast_unsigned(), newest_first, &wanted, see)?.is_break() {
                break;
            }
            continue;
        }
        if !may_have(bits, words) {
            continue;
        }
        let mut found = whole.query([first])?;
        let Some(chunk) = found.next()? else { continue };
        let mut records = entries(first, chunk.get_ref(0)?.as_blob().unwrap_or_default());
        if newest_first {
            records.reverse();
        }
        for (record, bytes) in records.into_iter().filter(|(record, _)| wanted(*record)) {
            if see(record, bytes)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Puts small chunks that follow one another together. `hashes` tells those of a record's words.
pub(crate) fn gather<const N: usize>(
    database: &mut Connection,
    words: &'static [Word; N],
    hashes: impl Fn(&[u8]) -> [u32; N],
) -> Result<(), StoreError> {
    for group in small(database)? {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut whole = Chunk::new(words, Vec::new());
        for first in group {
            let records: Vec<u8> =
                transaction.query_row("SELECT records FROM chunks WHERE first = ?1", [first], |row| row.get(0))?;
            for (record, bytes) in entries(first, &records) {
                whole.push(record, bytes, &hashes(bytes));
            }
            for sql in ["DELETE FROM chunks WHERE first = ?1", "DELETE FROM words WHERE first = ?1"] {
                transaction.prepare_cached(sql)?.execute([first])?;
            }
            columns::delete(&transaction, words, first.cast_unsigned(), false)?;
        }
        whole.write(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Small chunks that follow one another and together are not, as groups of their first numbers.
fn small(database: &Connection) -> Result<Vec<Vec<i64>>, StoreError> {
    let mut query = database.prepare_cached("SELECT first, calls FROM chunks ORDER BY first")?;
    let mut rows = query.query([])?;
    let (mut groups, mut group, mut calls) = (Vec::new(), Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (first, more): (i64, i64) = (row.get(0)?, row.get(1)?);
        if more >= SMALL {
            (group, calls) = (Vec::new(), 0);
            continue;
        }
        group.push(first);
        calls += more;
        if calls >= SMALL {
            groups.push(std::mem::take(&mut group));
            calls = 0;
        }
    }
    Ok(groups)
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
