//! What a batch of records comes to, before any of it is written.
//!
//! All of it is in memory first: which calls are open now, what the calls that ended add up to, and the chunks in which
//! they are kept. A batch that cannot be written leaves nothing behind and is made anew from the journal.

use crate::chunk::Chunk;
use crate::codec::Unreadable;
use crate::columns::{self, Word};
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
    /// Calls that ended, wherever their intents came.
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
    /// The status of the call that came last, which is mostly that of the next, and its word.
    status: (u16, u32),
    /// Buffers for chunks, which an earlier batch has used: asked for anew each time, their memory would be the dearest part
    /// of a batch.
    buffers: Vec<Vec<u8>>,
}

impl<'a> Batch<'a> {
    /// A batch of so many records.
    pub(crate) fn of(records: usize, buffers: Vec<Vec<u8>>) -> Self {
        let mut batch = Self { buffers, status: (0, status(0)), ..Self::default() };
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
        // One that has begun in this batch has not ended before it.
        let begun = self.intents.remove(&end.call);
        if begun.is_none() && before(end.call) || !self.ended.insert(end.call) {
            tracing::error!(call = end.call, "a call ended twice and was entered once");
            return Ok(());
        }
        let kind = match self.sums.count(&end) {
            Ok(kind) => kind,
            Err(unreadable) => {
                // What has begun is still open.
                self.ended.remove(&end.call);
                self.intents.extend(begun.map(|attempts| (end.call, attempts)));
                return Err(unreadable);
            }
        };
        self.call = self.call.max(end.call);
        self.repeats.extend(end.repeat.map(|repeat| (repeat, end.at_ms)));
        if !end.charges.is_empty() {
            self.charges.next(columns::CHARGES, &mut self.buffers).push(record, bytes, &kind.of_charges);
        }
        let of_owner = kind.of_owner;
        if self.status.0 != end.status {
            self.status = (end.status, status(end.status));
        }
        let words = words_of_call(&end, self.status.1, of_owner);
        let calls = self.days.entry(days::of(end.at_ms)).or_default();
        calls.next(columns::CALLS, &mut self.buffers).push(record, bytes, &words);
        Ok(())
    }

    /// The buffers of its chunks, for the next batch; none that it had no use for.
    pub(crate) fn into_buffers(self) -> Vec<Vec<u8>> {
        let all = self.days.into_values().chain([self.charges]);
        all.flat_map(|chunks| chunks.full.into_iter().chain(chunks.open)).map(Chunk::into_buffer).collect()
    }
}

/// The words by which a call in the request log may be asked for, by its record; those of nothing if it cannot be read.
pub(crate) fn words_in_log(bytes: &[u8]) -> [u32; 6] {
    let read = Skimmed::read(bytes).and_then(|end| Ok((end, Owner::read(end.owner)?)));
    read.map(|(end, owner)| words_of_call(&end, status(end.status), words_of_owner(owner))).unwrap_or_default()
}

/// The word of a status.
pub(crate) fn status(status: u16) -> u32 {
    Word::Status.hash(&status.to_le_bytes())
}

/// The words by which the charges of a call may be asked for, in the order of [`columns::CHARGES`].
pub(crate) fn words_of_charges(owner: Owner<'_>) -> [u32; 1] {
    [Word::Account.hash(owner.account.as_bytes())]
}

/// The words of a call's owner by which it may be asked for.
pub(crate) fn words_of_owner(owner: Owner<'_>) -> [u32; 4] {
    let Owner { tenant, key, model, label, .. } = owner;
    [(Word::Tenant, tenant), (Word::Key, key), (Word::Model, model), (Word::Label, label)]
        .map(|(word, text)| word.hash(text.as_bytes()))
}

/// The words by which a call may be asked for, in the order of [`columns::CALLS`].
fn words_of_call(end: &Skimmed<'_>, status: u32, [tenant, key, model, label]: [u32; 4]) -> [u32; 6] {
    [Word::Request.hash(end.request_id), status, tenant, key, model, label]
}

/// Chunks that follow one another.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    full: Vec<Chunk>,
    open: Option<Chunk>,
}

impl Chunks {
    /// The chunk that takes the next record: a new one, in one of the buffers, where there is none that is not full.
    fn next(&mut self, words: &'static [Word], buffers: &mut Vec<Vec<u8>>) -> &mut Chunk {
        self.full.extend(self.open.take_if(|open| open.is_full()));
        self.open.get_or_insert_with(|| Chunk::new(words, buffers.pop().unwrap_or_default()))
    }

    /// Writes them.
    pub(crate) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.full.iter().chain(&self.open).try_for_each(|chunk| chunk.write(transaction))
    }
}
