//! Records go from the journal into the database.
//!
//! A batch of records is one transaction of the main database, which also says up to which record it has been fed. So each
//! record counts once, whenever the process is killed. The days of the request log are files of their own, written before
//! that; what a day has beyond what the books have was written by somebody who was killed in between, and is cut off.
//!
//! The books are taken before anything is done: while somebody else has them, a batch that cannot be entered must not be
//! added up, written to its days and synced there again and again. That work is taken from the calls that go on
//! meanwhile, most of all from the writer of the journal, whose syncs wait behind it on the same disk.

use crate::batch::Batch;
use crate::chunk;
use crate::error::StoreError;
use crate::open::Open;
use crate::record::{Owner, Skimmed};
use crate::sums::signed;
use crate::{batch, columns, days, schema};
use foldhash::fast::RandomState;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Days of the request log that are kept open.
const OPEN_DAYS: usize = 3;

/// The one who writes the database.
#[derive(Debug)]
pub(crate) struct Feeder {
    dir: PathBuf,
    main: Connection,
    days: OpenDays,
    patience: Duration,
    /// The number of the next record to be fed.
    pub(crate) fed: u64,
    /// The largest number of a call that was seen.
    pub(crate) call: u64,
    /// Intents whose calls have not ended.
    open: Open,
    /// The calls that ended in the last two batches: one that comes again is passed over.
    ended: [HashSet<u64, RandomState>; 2],
    /// What the chunks of the last batch lay in.
    buffers: Vec<Vec<u8>>,
}

/// The days of the request log that were written last.
#[derive(Debug, Default)]
struct OpenDays(BTreeMap<i64, Connection>);

impl OpenDays {
    fn open(&mut self, dir: &Path, day: i64, patience: Duration) -> Result<&mut Connection, StoreError> {
        if !self.0.contains_key(&day) {
            while self.0.len() >= OPEN_DAYS {
                self.0.pop_first();
            }
            self.0.insert(day, schema::calls(&days::path(dir, day), patience)?);
        }
        self.0.get_mut(&day).ok_or(StoreError::Late)
    }
}

impl Feeder {
    /// Opens the database. `patience` is how long a batch waits for somebody else's transaction before it is tried anew.
    pub(crate) fn open(dir: &Path, patience: Duration) -> Result<Self, StoreError> {
        let main = schema::books(&books_path(dir), patience)?;
        let meta = |name: &str| -> Result<u64, StoreError> {
            let value: i64 = main.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))?;
            Ok(value.unsigned_abs())
        };
        let (fed, call) = (meta("fed")?, meta("call")?);
        let (days, ended, buffers) = Default::default();
        let open = Open::read(main.query_row("SELECT records FROM open_intents", [], |row| row.get(0))?);
        Ok(Self { dir: dir.to_owned(), main, days, patience, fed, call, open, ended, buffers })
    }

    /// Feeds records, of which the first has the number [`Feeder::fed`]. All of them or none.
    pub(crate) fn feed(&mut self, records: &[&[u8]]) -> Result<usize, StoreError> {
        if records.is_empty() {
            return Ok(0);
        }
        let transaction = self.main.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let buffers = std::mem::take(&mut self.buffers);
        let (mut batch, mut next) = (Batch::of(records.len(), buffers), self.fed);
        for bytes in records.iter().copied() {
            let before = |call: u64| self.ended.iter().any(|calls| calls.contains(&call));
            if let Err(error) = batch.take(next, bytes, before) {
                tracing::error!(record = next, %error, "a record of the journal was passed over");
            }
            next += 1;
        }
        for (day, calls) in &batch.days {
            let day = self.days.open(&self.dir, *day, self.patience)?;
            let transaction = day.transaction_with_behavior(TransactionBehavior::Immediate)?;
            chunk::cut(&transaction, columns::CALLS, self.fed)?;
            calls.write(&transaction)?;
            transaction.commit()?;
        }
        let open = self.open.after(&batch);
        if let Some(open) = &open {
            transaction.prepare_cached("UPDATE open_intents SET records = ?1")?.execute([open.bytes()])?;
        }
        for (repeat, at_ms) in &batch.repeats {
            let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO repeats VALUES (?1, ?2, ?3)")?;
            insert.execute(params![repeat.key.to_le_bytes().as_slice(), repeat.request.cast_signed(), at_ms])?;
        }
        batch.charges.write(&transaction)?;
        batch.sums.write(&transaction)?;
        let call = self.call.max(batch.call);
        let mut meta = transaction.prepare_cached("UPDATE meta SET value = ?1 WHERE name = ?2")?;
        meta.execute(params![signed(next), "fed"])?;
        meta.execute(params![signed(call), "call"])?;
        drop(meta);
        transaction.commit()?;
        (self.fed, self.call) = (next, call);
        if let Some(open) = open {
            self.open = open;
        }
        self.ended.swap(0, 1);
        if let Some(latest) = self.ended.first_mut() {
            *latest = std::mem::take(&mut batch.ended);
        }
        self.buffers = batch.into_buffers();
        Ok(records.len())
    }

    /// Whether the books can be written now: waits for somebody else's transaction as long as a batch does.
    pub(crate) fn reach(&mut self) -> Result<(), StoreError> {
        self.main.transaction_with_behavior(TransactionBehavior::Immediate)?.commit()?;
        Ok(())
    }

    /// Every intent whose call has not ended, as it lies in the journal, by call and attempt.
    pub(crate) fn open_intents(&self) -> impl Iterator<Item = &[u8]> {
        self.open.records()
    }

    /// Drops whole days of the request log that are too old, or of which there is too much, the oldest first. Tells which.
    pub(crate) fn drop_days(&mut self, today: i64, keep: &days::Keep) -> Result<Vec<i64>, StoreError> {
        let dropped = days::to_drop(&self.dir, today, keep)?;
        for day in &dropped {
            self.days.0.remove(day);
            days::delete(&self.dir, *day)?;
        }
        Ok(dropped)
    }

    /// Puts small chunks of calls together, of the books and of the days that are open.
    pub(crate) fn gather(&mut self) -> Result<(), StoreError> {
        chunk::gather(&mut self.main, columns::CHARGES, |bytes| {
            let owner = Skimmed::read(bytes).and_then(|end| Owner::read(end.owner));
            batch::words_of_charges(owner.unwrap_or_default())
        })?;
        for day in self.days.0.values_mut() {
            chunk::gather(day, columns::CALLS, batch::words_in_log)?;
        }
        Ok(())
    }

    /// Forgets under which `Idempotency-Key`s calls were made that arrived before then.
    pub(crate) fn drop_repeats(&mut self, before_ms: i64) -> Result<(), StoreError> {
        self.main.execute("DELETE FROM repeats WHERE at_ms < ?1", [before_ms])?;
        Ok(())
    }

    /// Forgets roll-ups by the minute and the hour that begin before these moments.
    pub(crate) fn drop_rollups(&mut self, minutes_before_ms: i64, hours_before_ms: i64) -> Result<(), StoreError> {
        for (grain, before) in [(0, minutes_before_ms), (1, hours_before_ms)] {
            self.main.execute("DELETE FROM rollups WHERE grain = ?1 AND bucket < ?2", [grain, before])?;
            self.main.execute("DELETE FROM sums WHERE grain = ?1 AND bucket < ?2", [grain, before])?;
        }
        Ok(())
    }
}

/// The main database of a data directory.
pub(crate) fn books_path(dir: &Path) -> PathBuf {
    dir.join("books.db")
}
