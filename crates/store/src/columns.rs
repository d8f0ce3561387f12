//! Finding calls without reading them: columns beside the chunks.
//!
//! Each chunk of some size has a *column* for every word by which its calls may be asked for: the request's id, the key,
//! the status and so on. A column has a cell of two bytes for each call, in the order of the calls, with a hash of the
//! call's word. Whoever looks for a word reads the column of that word and no other, two bytes a call; who looks for two
//! reads the second column only where the first one has something, and finds the calls that have both, not merely
//! the chunks in which both occur. That matters where every chunk has both and no call does: a key that calls all the time,
//! and a status that only others are given.
//!
//! Cells are hashed anew in every chunk, so that two words that look alike in one of them do not in the next: what is
//! read in vain is a call here and there, and never a busy key's calls everywhere. One more column tells where each call
//! lies among the records of its chunk, so that a single one is read, and not the thousands around it.
//!
//! Each column is a table of its own. Rows are then only ever added at the end of a table, which keeps its pages full.

use crate::chunk::See;
use crate::codec::Reader;
use crate::error::StoreError;
use rusqlite::blob::Blob;
use rusqlite::{CachedStatement, Connection, Transaction, params};
use std::ops::ControlFlow;

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

/// The words by which calls of the request log may be asked for.
pub(crate) const CALLS: &[Word; 6] = &[Word::Request, Word::Status, Word::Tenant, Word::Key, Word::Model, Word::Label];
/// The words by which charges may be asked for.
pub(crate) const CHARGES: &[Word; 1] = &[Word::Account];

/// The tables of [`CALLS`].
pub(crate) const CALLS_TABLES: &str = "
CREATE TABLE place_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE request_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE status_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE tenant_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE key_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE model_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE label_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
";
/// The tables of [`CHARGES`].
pub(crate) const CHARGES_TABLES: &str = "
CREATE TABLE place_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
CREATE TABLE account_cells(first INTEGER PRIMARY KEY, cells BLOB NOT NULL);
";

/// The column of places.
const PLACES: &str = "place_cells";
/// Where at least one call of so many of a chunk is wanted, the chunk is read as a whole.
const DENSE: usize = 8;

impl Word {
    /// The word's hash. It is kept, so it must never become another.
    pub(crate) fn hash(self, text: &[u8]) -> u32 {
        crc32fast::hash(text).rotate_left(self as u32).wrapping_add(self as u32)
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Request => "request_cells",
            Self::Tenant => "tenant_cells",
            Self::Key => "key_cells",
            Self::Model => "model_cells",
            Self::Label => "label_cells",
            Self::Account => "account_cells",
            Self::Status => "status_cells",
        }
    }
}

/// The cell of a word in the chunk with this first record. It is kept, so it must never become another.
const fn cell(hash: u32, first: u64) -> [u8; 2] {
    let salted = (hash as u64 ^ first.wrapping_mul(0xd6e8_feb8_6659_fd93)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (salted ^ (salted >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed >> 48) as u16).to_le_bytes()
}

/// The places of the cells that are equal to one. Nearly all of them are not, so they are looked at in blocks, each of which
/// is a few instructions of the processor's where nothing stops a look.
fn equal(cells: &[[u8; 2]], wanted: [u8; 2]) -> Vec<usize> {
    const BLOCK: usize = 64;
    let wanted = u16::from_le_bytes(wanted);
    let is = |cell: &[u8; 2]| u16::from_le_bytes(*cell) == wanted;
    let mut found = Vec::new();
    for (number, block) in cells.chunks(BLOCK).enumerate() {
        if block.iter().fold(false, |any, cell| any | is(cell)) {
            let calls = block.iter().enumerate().filter(|(_, cell)| is(cell));
            found.extend(calls.map(|(call, _)| number * BLOCK + call));
        }
    }
    found
}

/// Where a call lies: the distance of its number from the chunk's first, and where it ends among the records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) number: u32,
    pub(crate) end: u32,
}

/// Writes the columns of a chunk: `hashes` has those of each call, in the order of `words`.
pub(crate) fn write(
    transaction: &Transaction<'_>,
    first: u64,
    words: &[Word],
    hashes: &[u32],
    places: &[Place],
) -> Result<(), StoreError> {
    let insert = |table: &str, cells: &[u8]| -> Result<(), StoreError> {
        let sql = format!("INSERT INTO {table} VALUES (?1, ?2)");
        transaction.prepare_cached(&sql)?.execute(params![first.cast_signed(), cells])?;
        Ok(())
    };
    for (at, word) in words.iter().enumerate() {
        let cells: Vec<[u8; 2]> = hashes.iter().skip(at).step_by(words.len()).map(|hash| cell(*hash, first)).collect();
        insert(word.table(), cells.as_flattened())?;
    }
    let places: Vec<[[u8; 4]; 2]> =
        places.iter().map(|place| [place.number.to_le_bytes(), place.end.to_le_bytes()]).collect();
    insert(PLACES, places.as_flattened().as_flattened())
}

/// Takes out the columns of chunks that begin at a record or, if `beyond`, after it too.
pub(crate) fn delete(transaction: &Transaction<'_>, words: &[Word], from: u64, beyond: bool) -> Result<(), StoreError> {
    let which = if beyond { ">=" } else { "=" };
    for table in words.iter().map(|word| word.table()).chain([PLACES]) {
        let sql = format!("DELETE FROM {table} WHERE first {which} ?1");
        transaction.prepare_cached(&sql)?.execute([from.cast_signed()])?;
    }
    Ok(())
}

/// Where calls are looked for that have all of some words.
pub(crate) struct Columns<'c> {
    from: &'c Connection,
    asked: Vec<(CachedStatement<'c>, u32)>,
    places: CachedStatement<'c>,
    records: Option<Blob<'c>>,
    buffer: Vec<u8>,
}

impl<'c> Columns<'c> {
    pub(crate) fn of(from: &'c Connection, words: &[(Word, u32)]) -> Result<Self, StoreError> {
        let column = |table: &str| from.prepare_cached(&format!("SELECT cells FROM {table} WHERE first = ?1"));
        let asked = words.iter().map(|(word, hash)| Ok((column(word.table())?, *hash)));
        let asked = asked.collect::<Result<_, rusqlite::Error>>()?;
        Ok(Self { from, asked, places: column(PLACES)?, records: None, buffer: Vec::new() })
    }

    /// The calls of a chunk that seem to have all words, rising; `None` if none is asked for.
    fn matching(&mut self, first: u64) -> Result<Option<Vec<usize>>, StoreError> {
        let mut found: Option<Vec<usize>> = None;
        for (column, hash) in &mut self.asked {
            let wanted = cell(*hash, first);
            let mut rows = column.query([first.cast_signed()])?;
            let cells = match rows.next()? {
                Some(row) => row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks().0,
                None => &[],
            };
            match &mut found {
                Some(found) => found.retain(|call| cells.get(*call) == Some(&wanted)),
                None => found = Some(equal(cells, wanted)),
            }
            if found.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        Ok(found)
    }

    /// Shows the calls of a chunk whose numbers are wanted and that seem to have all words.
    pub(crate) fn show(
        &mut self,
        first: u64,
        newest_first: bool,
        wanted: impl Fn(u64) -> bool,
        see: &mut See<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let found = self.matching(first)?;
        if found.as_ref().is_some_and(Vec::is_empty) {
            return Ok(ControlFlow::Continue(()));
        }
        let Self { from, places, records, buffer, .. } = self;
        let mut rows = places.query([first.cast_signed()])?;
        let Some(row) = rows.next()? else { return Ok(ControlFlow::Continue(())) };
        let places = row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks::<8>().0;
        let place = |call: usize| {
            let [a, b, c, d, e, f, g, h] = *places.get(call)?;
            Some(Place { number: u32::from_le_bytes([a, b, c, d]), end: u32::from_le_bytes([e, f, g, h]) })
        };
        let row_id = first.cast_signed();
        let records = match records {
            Some(records) => {
                records.reopen(row_id)?;
                records
            }
            None => records.insert(from.blob_open("main", "chunks", "records", row_id, true)?),
        };
        let count = found.as_ref().map_or(places.len(), Vec::len);
        let whole = count * DENSE >= places.len();
        if whole {
            buffer.resize(records.len(), 0);
            records.read_at_exact(buffer, 0)?;
        }
        for nth in 0..count {
            let nth = if newest_first { count - 1 - nth } else { nth };
            let call = found.as_ref().map_or(Some(nth), |found| found.get(nth).copied());
            let Some((call, Place { number, end })) = call.and_then(|call| Some((call, place(call)?))) else {
                continue;
            };
            let number = first.saturating_add(number.into());
            if !wanted(number) {
                continue;
            }
            let start = call.checked_sub(1).and_then(place).map_or(0, |before| before.end as usize);
            let entry = if whole {
                buffer.get(start..end as usize).unwrap_or_default()
            } else {
                buffer.resize((end as usize).saturating_sub(start), 0);
                records.read_at_exact(buffer, start)?;
                &**buffer
            };
            let mut reader = Reader(entry);
            // Before a record stand the step to its number and its length.
            if reader.u64().and_then(|_| reader.u64()).is_err() {
                tracing::error!(first, call, "a call of a chunk cannot be read");
                continue;
            }
            if see(number, reader.0)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
