//! What a batch of records comes to, before any of it is written.
//!
//! All of it is in memory first: which calls are open now, what the calls that ended add up to, and the chunks in which
//! they are kept. A batch that cannot be written leaves nothing behind and is made anew from the journal.

use crate::chunk::{Chunk, Word};
use crate::codec::Unreadable;
use crate::days;
use crate::error::StoreError;
use crate::record::{Owner, Repeated, Skimmed, intent_of};
use crate::sums::Sums;
use foldhash::fast::RandomState;
use rusqlite::Transaction;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Calls that are under way at the end of a batch, where there are many.
const FEW: usize = 1024;

/// The attempts of a call that has not ended, with their records.
type Attempts<'a> = SmallVec<[(u16, &'a [u8]); 1]>;

/// A batch of records.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    /// Intents whose calls have not ended.
    pub(crate) intents: HashMap<u64, Attempts<'a>, RandomState>,
    /// Calls that ended and whose intents came in an earlier batch, if they had any.
    pub(crate) closed: Vec<u64>,
    /// Calls that ended.
    pub(crate) ended: HashSet<u64, RandomState>,
    /// What they add up to.
    pub(crate) sums: Sums<'a>,
    /// Those that were charged, for the books.
    pub(crate) charges: Chunks,
    /// All of them, for the request log, by day.
    pub(crate) days: BTreeMap<i64, Chunks>,
    /// What refuses repeats of calls, and when those arrived.
    pub(crate) repeats: Vec<(Repeated, i64)>,
    /// The largest number of a call.
    pub(crate) call: u64,
    /// Chunks begun.
    chunks: u64,
    /// Bytes that a chunk gets room for.
    room: usize,
}

impl<'a> Batch<'a> {
    /// A batch of so many records with so many bytes.
    pub(crate) fn of(records: usize, bytes: usize) -> Self {
        let mut batch = Self { room: bytes, ..Self::default() };
        batch.intents.reserve(records.min(FEW));
        batch.ended.reserve(records / 2);
        batch
    }

    /// Takes a record in. One of a call that has ended `before` is passed over.
    ///
    /// # Errors
    /// It was not written by this program.
    pub(crate) fn take(
        &mut self,
        record: u64,
        bytes: &'a [u8],
        before: impl Fn(u64) -> bool,
    ) -> Result<(), Unreadable> {
        if let Some((call, attempt)) = intent_of(bytes) {
            self.intents.entry(call).or_default().push((attempt, bytes));
            self.call = self.call.max(call);
            return Ok(());
        }
        let end = Skimmed::read(bytes)?;
        if before(end.call) || self.ended.contains(&end.call) {
            tracing::error!(call = end.call, "a call ended twice and was entered once");
            return Ok(());
        }
        let kind = self.sums.count(&end)?;
        self.ended.insert(end.call);
        self.call = self.call.max(end.call);
        if self.intents.remove(&end.call).is_none() {
            self.closed.push(end.call);
        }
        self.repeats.extend(end.repeat.map(|repeat| (repeat, end.at_ms)));
        let [in_charges, in_day] = &mut kind.worded;
        if !end.charges.is_empty() {
            let chunk = self.charges.next(&mut self.chunks, self.room);
            chunk.chunk.push(record, bytes);
            if chunk.is_new_to(in_charges) {
                words_of_charges(kind.owner, &mut chunk.chunk);
            }
        }
        let chunk = self.days.entry(days::of(end.at_ms)).or_default().next(&mut self.chunks, self.room);
        chunk.chunk.push(record, bytes);
        chunk.chunk.add(Word::Request.hash(end.request_id));
        if !chunk.statuses.contains(&end.status) {
            chunk.statuses.push(end.status);
            chunk.chunk.add(status(end.status));
        }
        if chunk.is_new_to(in_day) {
            words_of_owner(kind.owner, &mut chunk.chunk);
        }
        Ok(())
    }
}

/// The word of a status.
pub(crate) fn status(status: u16) -> u32 {
    Word::Status.hash(&status.to_le_bytes())
}

/// The words by which the charges of a call may be asked for.
pub(crate) fn words_of_charges(owner: Owner<'_>, chunk: &mut Chunk) {
    chunk.add(Word::Account.hash(owner.account.as_bytes()));
}

/// The words by which a call may be asked for.
pub(crate) fn words_of_calls(end: &Skimmed<'_>, owner: Owner<'_>, chunk: &mut Chunk) {
    chunk.add(Word::Request.hash(end.request_id));
    chunk.add(status(end.status));
    words_of_owner(owner, chunk);
}

fn words_of_owner(owner: Owner<'_>, chunk: &mut Chunk) {
    let Owner { tenant, key, model, label, .. } = owner;
    for (word, text) in [(Word::Tenant, tenant), (Word::Key, key), (Word::Model, model), (Word::Label, label)] {
        chunk.add(word.hash(text.as_bytes()));
    }
}

/// Chunks that follow one another.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    full: Vec<Chunk>,
    open: Numbered,
}

/// A chunk with a number of its own in the batch, and the statuses whose words it has.
#[derive(Debug, Default)]
struct Numbered {
    number: u64,
    chunk: Chunk,
    statuses: SmallVec<[u16; 8]>,
}

impl Numbered {
    /// Whether it is not yet the chunk up to which something was noted. It is from now on.
    const fn is_new_to(&self, noted: &mut u64) -> bool {
        let new = *noted != self.number;
        *noted = self.number;
        new
    }
}

impl Chunks {
    /// The chunk that takes the next record.
    fn next(&mut self, number: &mut u64, room: usize) -> &mut Numbered {
        if self.open.number == 0 || self.open.chunk.is_full() {
            *number += 1;
            let new = Numbered { number: *number, chunk: Chunk::with_room(room), statuses: SmallVec::new() };
            let full = std::mem::replace(&mut self.open, new);
            self.full.push(full.chunk);
        }
        &mut self.open
    }

    /// Writes them.
    pub(crate) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.full.iter().chain([&self.open.chunk]).try_for_each(|chunk| chunk.write(transaction))
    }
}
