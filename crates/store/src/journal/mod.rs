//! The journal: what is certain about money, before the database knows it.
//!
//! Workers write records into one buffer behind a short lock; a thread of its own writes the buffer to a file, many calls
//! in one system call, and another syncs it in groups. A record that is *written* survives the end of the process,
//! however it ends. One that is *synced* survives a loss of power; between the two lies the window that
//! [`Options::sync_every`] sets. A call's intent has to be written before the first byte of its answer goes out, which
//! costs it nothing: it is written while the provider works.
//!
//! The files are bounded: each has a size, and those that the database has taken in are deleted. When no more can be
//! written, because the disk is full or the database has been away for too long, nothing is lost: what runs is kept in
//! memory and written when it can be. New calls that cost money are refused, or go on within a bound, as
//! [`Options::when_failing`] says, and [`Journal::health`] tells.

pub(crate) mod segment;
mod syncer;
mod waiters;
mod writer;

use self::waiters::{Place, Waiters};
use crate::error::StoreError;
use crate::record::{Ended, Intent, PutOwner};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// What may be chosen about the journal.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long after a record is written it may stay unsynced: what a loss of power may take.
    pub sync_every: Duration,
    /// The size of one file in bytes.
    pub file_bytes: u64,
    /// The size of all files in bytes. Beyond it the journal is full.
    pub most_bytes: u64,
    /// What happens to new calls when nothing can be written.
    pub when_failing: WhenFailing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync_every: Duration::from_millis(100),
            file_bytes: 32 << 20,
            most_bytes: 4 << 30,
            when_failing: WhenFailing::Refuse,
        }
    }
}

/// What happens to new calls that cost money when the journal cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFailing {
    /// They are refused until it can.
    Refuse,
    /// They go on until so many bytes of records wait in memory, which a kill would lose.
    GoOn {
        /// The bound.
        most_bytes: usize,
    },
}

/// How the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Why nothing can be written at present, if so.
    pub failing: Option<String>,
    /// Bytes of records that are not yet written.
    pub waiting_bytes: usize,
    /// Records written since the beginning.
    pub written: u64,
    /// Records synced since the beginning.
    pub synced: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Records of calls without a cost that were left out because nothing could be written.
    pub left_out: u64,
}

/// Why a call was not let in, or its intent is not certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written at present, and calls that cost money are not made without it")]
pub struct Failing;

/// The journal, for workers.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    dir: PathBuf,
    options: Options,
    queue: Mutex<Queue>,
    /// The number after the last record that is written.
    written: AtomicU64,
    synced: AtomicU64,
    failing: AtomicBool,
    /// Bytes taken from the queue that could not be written yet.
    stuck: AtomicU64,
    left_out: AtomicU64,
    /// The next call's number.
    call: AtomicU64,
    why: Mutex<Option<String>>,
    asleep: AtomicBool,
    /// So much comes that who waits need not wake the thread: it looks soon anyway.
    busy: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
    waiters: Waiters,
    files: Mutex<VecDeque<SegmentFile>>,
    /// Told when something was written, for whoever reads along.
    news: Condvar,
    news_lock: Mutex<()>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// How many of them are sealed.
    sealed: usize,
    next: u64,
}

/// One file of the journal, as those know it who read along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentFile {
    /// The number of its first record.
    pub(crate) first: u64,
    /// The number after its last one.
    pub(crate) next: u64,
    /// Where the seal of the last one ends.
    pub(crate) end: u64,
    /// Its size on disk.
    pub(crate) bytes: u64,
}

impl Journal {
    /// Begins to write after the records that are there.
    pub(crate) fn start(
        dir: &Path,
        options: Options,
        files: VecDeque<SegmentFile>,
        next: u64,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            options,
            queue: Mutex::new(Queue { bytes: Vec::new(), sealed: 0, next }),
            written: AtomicU64::new(next),
            synced: AtomicU64::new(next),
            failing: AtomicBool::new(false),
            stuck: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            call: AtomicU64::new(0),
            why: Mutex::new(None),
            asleep: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: OnceLock::new(),
            waiters: Waiters::default(),
            files: Mutex::new(files),
            news: Condvar::new(),
            news_lock: Mutex::new(()),
        });
        let thread = writer::start(&shared).map_err(StoreError::file("cannot start a thread for", dir))?;
        let _ = shared.thread.set(thread.thread().clone());
        Ok((Self { shared }, thread))
    }

    /// Sets the least number that no call has had.
    pub(crate) fn set_call(&self, call: u64) {
        self.shared.call.store(call, Ordering::Relaxed);
    }

    /// A number that no other call has or had. A client's own id is not one: he may send it twice.
    #[must_use]
    pub fn call(&self) -> u64 {
        self.shared.call.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a call that costs money may be made now. One atomic load while all is well.
    ///
    /// # Errors
    /// The journal cannot be written, and the policy is to refuse or its bound is reached.
    #[inline]
    pub fn admits(&self) -> Result<(), Failing> {
        if !self.shared.failing.load(Ordering::Relaxed) || self.shared.goes_on() { Ok(()) } else { Err(Failing) }
    }

    /// Puts an intent on its way, and tells its number for [`Journal::written`].
    ///
    /// # Errors
    /// As [`Journal::admits`].
    pub fn intent(&self, intent: &Intent<'_, impl PutOwner>) -> Result<u64, Failing> {
        self.admits()?;
        Ok(self.shared.push(|out| intent.write(out)))
    }

    /// Puts the end of a call on its way. The end of a call that has an intent is always taken; that of another is left
    /// out while the journal cannot be written, and counted.
    pub fn ended(&self, ended: &Ended<'_, impl PutOwner>, has_intent: bool) {
        if !has_intent && ended.charges.is_empty() && self.admits().is_err() {
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shared.push(|out| ended.write(out));
    }

    /// Ready when the record of this number is written. What has been written is ready at the first poll.
    pub fn written(&self, record: u64) -> Written {
        Written { shared: Arc::clone(&self.shared), record, place: None }
    }

    /// Waits for the record of this number as [`Journal::written`] does, for threads that may wait.
    ///
    /// # Errors
    /// As [`Written`].
    pub fn wait_written(&self, record: u64) -> Result<(), Failing> {
        loop {
            if let Some(outcome) = self.shared.outcome(record) {
                return outcome;
            }
            self.shared.wake();
            let mut lock = self.shared.news_lock.lock();
            if self.shared.outcome(record).is_none() {
                self.shared.news.wait_for(&mut lock, Duration::from_millis(10));
            }
        }
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        let shared = &self.shared;
        let stuck = usize::try_from(shared.stuck.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        Health {
            failing: shared.why.lock().clone(),
            waiting_bytes: shared.queue.lock().bytes.len().saturating_add(stuck),
            written: shared.written.load(Ordering::Acquire),
            synced: shared.synced.load(Ordering::Acquire),
            bytes: shared.files.lock().iter().map(|file| file.bytes).sum(),
            left_out: shared.left_out.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Writes and syncs what is there, and ends.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    #[cold]
    fn seal(&mut self) {
        segment::seal(&mut self.bytes, self.sealed);
        self.sealed = self.bytes.len();
    }
}

impl Shared {
    fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let number = {
            let mut queue = self.queue.lock();
            segment::frame(&mut queue.bytes, write);
            if queue.bytes.len() - queue.sealed >= segment::MOST_UNSEALED {
                queue.seal();
            }
            queue.next += 1;
            queue.next - 1
        };
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        number
    }

    fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Somebody waits for a record.
    fn hurry(&self) {
        if !self.busy.load(Ordering::SeqCst) || self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Whether new calls may go on although nothing can be written.
    fn goes_on(&self) -> bool {
        match self.options.when_failing {
            WhenFailing::Refuse => false,
            WhenFailing::GoOn { most_bytes } => {
                let stuck = usize::try_from(self.stuck.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
                self.queue.lock().bytes.len().saturating_add(stuck) < most_bytes
            }
        }
    }

    fn outcome(&self, record: u64) -> Option<Result<(), Failing>> {
        if self.written.load(Ordering::Acquire) > record {
            return Some(Ok(()));
        }
        let failing = self.failing.load(Ordering::Acquire);
        failing.then(|| if self.options.when_failing == WhenFailing::Refuse { Err(Failing) } else { Ok(()) })
    }

    /// The number after the last record that is written.
    pub(crate) fn written_to(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The number after the last record that was put on its way.
    pub(crate) fn next(&self) -> u64 {
        self.queue.lock().next
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The file in which a record lies, if it is written.
    pub(crate) fn file_of(&self, record: u64) -> Option<SegmentFile> {
        let files = self.files.lock();
        files.iter().find(|file| file.first <= record && record < file.next).copied()
    }

    /// Waits until a record is written, or for so long.
    pub(crate) fn wait_news(&self, record: u64, most: Duration) {
        let mut lock = self.news_lock.lock();
        if self.written_to() <= record && !self.is_stopped() {
            self.news.wait_for(&mut lock, most);
        }
    }

    /// Ends such a wait.
    pub(crate) fn tell_news(&self) {
        let _lock = self.news_lock.lock();
        self.news.notify_all();
    }

    /// Deletes the files that lie wholly before a record, all but the one that is being written.
    pub(crate) fn delete_before(&self, record: u64) {
        loop {
            let first = {
                let mut files = self.files.lock();
                match files.front() {
                    Some(file) if files.len() > 1 && file.next <= record => files.pop_front().map(|file| file.first),
                    _ => None,
                }
            };
            let Some(first) = first else { return };
            if let Err(error) = std::fs::remove_file(segment::path(&self.dir, first)) {
                tracing::warn!(%error, first, "a file of the journal that is no longer needed cannot be deleted");
            }
        }
    }
}

/// Ready when a record is written.
#[derive(Debug)]
#[must_use = "nothing is certain until it was awaited"]
pub struct Written {
    shared: Arc<Shared>,
    record: u64,
    place: Option<Place>,
}

impl Future for Written {
    type Output = Result<(), Failing>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.shared.outcome(self.record) {
            self.leave();
            return Poll::Ready(outcome);
        }
        match self.place {
            Some(place) => self.shared.waiters.renew(place, context.waker()),
            None => self.place = Some(self.shared.waiters.enter(self.record, context.waker().clone())),
        }
        // It may have been written since, and then nobody will look at the list.
        if let Some(outcome) = self.shared.outcome(self.record) {
            self.leave();
            return Poll::Ready(outcome);
        }
        self.shared.hurry();
        Poll::Pending
    }
}

impl Written {
    /// Nearly all have never waited.
    #[inline]
    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.pass_on(place);
        }
    }

    #[cold]
    fn pass_on(&self, place: Place) {
        self.shared.waiters.leave(place, |record| self.shared.outcome(record).is_some());
    }
}

impl Drop for Written {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}
