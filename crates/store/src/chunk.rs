//! Calls in a database, thousands to a row.
//!
//! A row and an index entry or two for each call cost more than all else that is done for it: that is where a relay that
//! keeps books loses its speed. So calls lie together as they lay in the journal, in *chunks*: one row has the records of
//! some thousand calls, one after the other. What is summed up is summed up elsewhere ([`crate::sums`]); single calls are
//! wanted rarely, by somebody who looks at a page of them.
//!
//! To find them without reading everything, each chunk has a Bloom filter of the words by which it may be asked for: a
//! request's id, a key, a status. Where a word is not in the filter it is not in the chunk; where it seems to be, the chunk
//! is read, and one in a thousand is read in vain.
//!
//! Numbers of records rise, and chunks lie in their order without overlapping. Small ones, as they come in quiet times,
//! are put together later ([`gather`]).

use crate::codec::{Reader, Unreadable, put_u64};
use crate::error::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::ops::ControlFlow;

/// The tables.
pub(crate) const TABLES: &str = "
CREATE TABLE chunks(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, calls INTEGER NOT NULL, records BLOB NOT NULL);
CREATE TABLE words(first INTEGER PRIMARY KEY, bits BLOB NOT NULL);
";

/// Calls in one chunk at most.
const MOST_CALLS: usize = 4096;
/// Bytes in one chunk, after which none is added.
const MOST_BYTES: usize = 1 << 20;
/// Chunks with fewer calls are put together.
const SMALL: i64 = 1024;
/// Bits of the filter for each word, and how many of them a word sets: one in a thousand that are not there seems to be.
const BITS: usize = 16;
const PROBES: u32 = 7;

/// What a word is about, so that a key is not taken for a model of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Request = 1,
    Tenant = 2,
    Key = 3,
    Model = 4,
    Label = 5,
    Account = 6,
    Status = 7,
}

impl Word {
    /// The word's hash. It is kept, so it must never become another.
    pub(crate) fn hash(self, text: &[u8]) -> u32 {
        crc32fast::hash(text).rotate_left(self as u32).wrapping_add(self as u32)
    }
}

/// The places of a word in a filter.
fn places(word: u32, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
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
        for (place, bit) in places(*word, len) {
            if let Some(byte) = bits.get_mut(place) {
                *byte |= bit;
            }
        }
    }
    bits
}

/// Whether all of the words may be in a filter.
fn may_have(bits: &[u8], words: &[u32]) -> bool {
    let has = |(place, bit): (usize, u8)| bits.get(place).is_none_or(|byte| byte & bit != 0);
    words.iter().all(|word| places(*word, bits.len()).all(has))
}

/// A chunk that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    first: u64,
    last: u64,
    calls: usize,
    records: Vec<u8>,
    words: Vec<u32>,
}

impl Chunk {
    /// An empty one, with room for so many bytes if one may have that many.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { records: Vec::with_capacity(bytes.min(MOST_BYTES)), ..Self::default() }
    }

    /// Whether no more should be added.
    pub(crate) fn is_full(&self) -> bool {
        self.calls >= MOST_CALLS || self.records.len() >= MOST_BYTES
    }

    /// Adds a record. Its number is larger than those before.
    pub(crate) fn push(&mut self, record: u64, bytes: &[u8]) {
        if self.calls == 0 {
            (self.first, self.last) = (record, record);
        }
        put_u64(&mut self.records, record.saturating_sub(self.last));
        put_u64(&mut self.records, bytes.len() as u64);
        self.records.extend_from_slice(bytes);
        self.last = record;
        self.calls += 1;
    }

    /// Adds a word by which a record of it may be asked for.
    pub(crate) fn add(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Writes it, if there is anything in it.
    pub(crate) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if self.calls == 0 {
            return Ok(());
        }
        let (first, last) = (self.first.cast_signed(), self.last.cast_signed());
        let calls = i64::try_from(self.calls).unwrap_or(i64::MAX);
        let sql = "INSERT INTO chunks VALUES (?1, ?2, ?3, ?4)";
        transaction.prepare_cached(sql)?.execute(params![first, last, calls, self.records])?;
        let sql = "INSERT INTO words VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![first, filter(&self.words)])?;
        Ok(())
    }
}

/// Takes out what is there from a record on, which was written by somebody who was killed before all of it counted.
pub(crate) fn cut(transaction: &Transaction<'_>, from: u64) -> Result<(), StoreError> {
    for sql in ["DELETE FROM chunks WHERE first >= ?1", "DELETE FROM words WHERE first >= ?1"] {
        transaction.prepare_cached(sql)?.execute([from.cast_signed()])?;
    }
    Ok(())
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
pub(crate) fn newest(from: &Connection, before: u64, words: &[u32], see: &mut See<'_>) -> Result<(), StoreError> {
    let sql = "SELECT first, bits FROM words WHERE first < ?1 ORDER BY first DESC";
    each(from, sql, before.min(i64::MAX.unsigned_abs()).cast_signed(), words, &mut |entries| {
        for (record, bytes) in entries.iter().rev().filter(|(record, _)| *record < before) {
            if see(*record, bytes)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Shows the records from a number on that may have all of these words, oldest first.
pub(crate) fn oldest(from: &Connection, since: u64, words: &[u32], see: &mut See<'_>) -> Result<(), StoreError> {
    let sql = "SELECT first, bits FROM words
        WHERE first >= (SELECT coalesce(max(first), 0) FROM words WHERE first <= ?1) ORDER BY first";
    each(from, sql, since.min(i64::MAX.unsigned_abs()).cast_signed(), words, &mut |entries| {
        for (record, bytes) in entries.iter().filter(|(record, _)| *record >= since) {
            if see(*record, bytes)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// What is asked of all records of a chunk.
type SeeAll<'s> = dyn FnMut(&[(u64, &[u8])]) -> Result<ControlFlow<()>, StoreError> + 's;

fn each(from: &Connection, sql: &str, bound: i64, words: &[u32], see: &mut SeeAll<'_>) -> Result<(), StoreError> {
    let (mut chunks, mut read) =
        (from.prepare_cached(sql)?, from.prepare_cached("SELECT records FROM chunks WHERE first = ?1")?);
    let mut rows = chunks.query([bound])?;
    while let Some(row) = rows.next()? {
        if !words.is_empty() && !may_have(row.get_ref(1)?.as_blob().unwrap_or_default(), words) {
            continue;
        }
        let first: i64 = row.get(0)?;
        let mut found = read.query([first])?;
        let Some(chunk) = found.next()? else { continue };
        if see(&entries(first, chunk.get_ref(0)?.as_blob().unwrap_or_default()))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Puts small chunks that follow one another together. `words` tells those of a record.
pub(crate) fn gather(database: &mut Connection, words: impl Fn(&[u8], &mut Chunk)) -> Result<(), StoreError> {
    for group in small(database)? {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut whole = Chunk::default();
        for first in group {
            let records: Vec<u8> =
                transaction.query_row("SELECT records FROM chunks WHERE first = ?1", [first], |row| row.get(0))?;
            for (record, bytes) in entries(first, &records) {
                whole.push(record, bytes);
                words(bytes, &mut whole);
            }
            for sql in ["DELETE FROM chunks WHERE first = ?1", "DELETE FROM words WHERE first = ?1"] {
                transaction.prepare_cached(sql)?.execute([first])?;
            }
        }
        whole.words.sort_unstable();
        whole.words.dedup();
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
