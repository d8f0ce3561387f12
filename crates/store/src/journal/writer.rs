//! The thread that writes the journal.
//!
//! While there is traffic it looks into the buffer now and then, so that no worker has to wake it; when there has been none
//! for a while it sleeps, and the first record wakes it. How often is a matter of what providers take: most answer long
//! after the intent was written, and then it looks seldom, since each look costs as much as half a call. Where calls come
//! to wait for it, which wakes it, it looks more often; but where so many come that each look takes many with it, they wait
//! for the next one, and so share what it costs. It never gives up a record: what cannot be written is tried again,
//! at the same place, until it can.

use super::syncer::Syncer;
use super::{SegmentFile, Shared, segment};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long it waits for the next records while there is traffic: at least, and at most.
const ROUND: [Duration; 2] = [Duration::from_micros(500), Duration::from_millis(4)];
/// How long while much comes, whoever waits.
const BUSY_ROUND: Duration = Duration::from_millis(1);
/// Much are so many records in such a round.
const MUCH: u64 = 8;
/// How much comes is found out from so many rounds.
const COUNTED: u32 = 16;
/// After so long without a record it sleeps.
const EMPTY: Duration = Duration::from_millis(10);
/// How long it waits after a failure.
const RETRY: Duration = Duration::from_millis(50);
/// A file that is so full, in parts of eight, has its successor made.
const SPARE_AT: u64 = 6;

struct Writer {
    shared: Arc<Shared>,
    file: Option<Arc<File>>,
    /// The successor of the file, made ahead, so that a full disk is found out while there is still room.
    spare: Option<File>,
    syncer: Syncer,
    end: u64,
    next: u64,
    unsynced: Option<Instant>,
    /// How long it waits for the next records at present.
    round: Duration,
    /// Rounds since how much comes was found out last, when that was, and the number after the last record then.
    counted: (u32, Instant, u64),
    /// Whether that was much.
    much: bool,
    batch: Vec<u8>,
    /// The number after the last record of the batch.
    batch_next: u64,
}

pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let next = shared.written_to();
    let mut writer = Writer {
        shared: Arc::clone(shared),
        file: None,
        spare: None,
        syncer: Syncer::start(shared)?,
        end: 0,
        next,
        unsynced: None,
        round: ROUND[0],
        counted: (0, Instant::now(), next),
        much: false,
        batch: Vec::new(),
        batch_next: next,
    };
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())
}

impl Writer {
    fn run(&mut self) {
        let mut empty = Duration::ZERO;
        loop {
            let stopping = self.shared.is_stopped();
            self.take();
            if self.batch.is_empty() {
                self.wake();
                self.sync_if_due(stopping);
                if stopping {
                    return;
                }
                self.rest(empty);
                empty += self.round;
                self.probe();
                continue;
            }
            empty = Duration::ZERO;
            match self.write() {
                Ok(()) => {
                    let waited = self.succeeded();
                    self.choose_round(waited);
                    // What came meanwhile waits for more of its like.
                    if !stopping {
                        self.rest(Duration::ZERO);
                    }
                }
                Err(error) => {
                    self.failed(&error.to_string());
                    if stopping {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            }
            self.sync_if_due(false);
        }
    }

    /// Says how long it waits for the next records.
    fn choose_round(&mut self, waited: bool) {
        self.counted.0 += 1;
        if self.counted.0 >= COUNTED {
            let (_, since, from) = self.counted;
            let come = u128::from(self.next - from);
            self.much = come * BUSY_ROUND.as_nanos() >= u128::from(MUCH) * since.elapsed().as_nanos();
            self.counted = (0, Instant::now(), self.next);
        }
        let least = if self.much { BUSY_ROUND } else { ROUND[0] };
        let round = if waited { self.round / 2 } else { self.round * 2 };
        self.round = round.clamp(least, ROUND[1]);
        self.shared.busy.store(self.much && self.round == BUSY_ROUND, Ordering::SeqCst);
    }

    /// Takes what workers have put in the buffer, unless the last batch is still to be written.
    fn take(&mut self) {
        if !self.batch.is_empty() {
            return;
        }
        let mut queue = self.shared.queue.lock();
        std::mem::swap(&mut queue.bytes, &mut self.batch);
        self.batch_next = queue.next;
        let sealed = std::mem::take(&mut queue.sealed);
        drop(queue);
        if self.batch.len() > sealed {
            segment::seal(&mut self.batch, sealed);
        }
    }

    /// Finds out whether it could write again: with new calls refused there is nothing to find it out by.
    fn probe(&mut self) {
        if !self.shared.failing.load(Ordering::Acquire) {
            return;
        }
        let ready = if self.file.is_none() { self.rotate() } else { self.prepare() };
        if ready.is_ok() {
            self.succeeded();
        }
    }

    fn rest(&self, empty: Duration) {
        if self.shared.failing.load(Ordering::Acquire) {
            std::thread::park_timeout(RETRY);
            return;
        }
        if empty < EMPTY {
            std::thread::park_timeout(self.round);
            return;
        }
        self.shared.asleep.store(true, Ordering::SeqCst);
        // Whoever put something in before he could see that sleeps are to be disturbed is seen here.
        if self.shared.queue.lock().bytes.is_empty() && !self.shared.is_stopped() {
            match self.unsynced {
                Some(since) => {
                    std::thread::park_timeout(self.shared.options.sync_every.saturating_sub(since.elapsed()))
                }
                None => std::thread::park(),
            }
        }
        self.shared.asleep.store(false, Ordering::SeqCst);
    }

    fn write(&mut self) -> std::io::Result<()> {
        if self.file.is_none() || self.end >= self.shared.options.file_bytes {
            self.rotate()?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        // At its place, so that what a failure left half written is written over.
        file.write_all_at(&self.batch, self.end)?;
        self.end += self.batch.len() as u64;
        self.next = self.batch_next;
        self.batch.clear();
        self.unsynced.get_or_insert_with(Instant::now);
        self.prepare()
    }

    /// Makes the successor of a file that is nearly full. What is left of this one is for calls that run already.
    fn prepare(&mut self) -> std::io::Result<()> {
        if self.spare.is_none() && self.end > self.shared.options.file_bytes / 8 * SPARE_AT {
            self.spare = Some(self.create(segment::SPARE)?);
        }
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        if let Some(old) = &self.file {
            old.sync_data()?;
        }
        let file = match self.spare.take() {
            Some(file) => {
                let dir = self.shared.dir();
                file.write_all_at(&self.next.to_le_bytes(), 8)?;
                file.sync_data()?;
                std::fs::rename(segment::path(dir, segment::SPARE), segment::path(dir, self.next))?;
                File::open(dir)?.sync_all()?;
                file
            }
            None => self.create(self.next)?,
        };
        self.file = Some(Arc::new(file));
        self.end = segment::HEAD;
        let bytes = self.shared.options.file_bytes;
        let opened = SegmentFile { first: self.next, next: self.next, end: self.end, bytes };
        self.shared.files.lock().push_back(opened);
        Ok(())
    }

    fn create(&self, first: u64) -> std::io::Result<File> {
        let room = self.shared.options.file_bytes;
        let all: u64 = self.shared.files.lock().iter().map(|file| file.bytes).sum();
        if all.saturating_add(room) > self.shared.options.most_bytes {
            let why = "its files have reached their bound because the database has not taken them in";
            return Err(std::io::Error::other(why));
        }
        segment::create(self.shared.dir(), first, room)
    }

    fn sync_if_due(&mut self, at_once: bool) {
        if let Some(error) = self.syncer.failure() {
            return self.sync_failed(&error);
        }
        let Some(since) = self.unsynced else { return };
        if !at_once && since.elapsed() < self.shared.options.sync_every {
            return;
        }
        let Some(file) = &self.file else { return };
        if !at_once {
            // Where the disk takes longer than that, it is given more at a time.
            self.unsynced = if self.syncer.sync(file, self.next) { None } else { Some(Instant::now()) };
            return;
        }
        match file.sync_data() {
            Ok(()) => {
                self.unsynced = None;
                self.shared.synced.fetch_max(self.next, Ordering::AcqRel);
            }
            Err(error) => self.sync_failed(&error),
        }
    }

    /// After a failed sync the system may have dropped what it could not write: this file cannot be trusted with more, and
    /// the next records go to another.
    fn sync_failed(&mut self, error: &std::io::Error) {
        self.failed(&error.to_string());
        (self.file, self.unsynced) = (None, None);
    }

    /// Whether somebody has waited for it.
    fn succeeded(&self) -> bool {
        let shared = &self.shared;
        if let Some(file) = shared.files.lock().back_mut() {
            (file.next, file.end, file.bytes) = (self.next, self.end, file.bytes.max(self.end));
        }
        shared.written.store(self.next, Ordering::Release);
        shared.stuck.store(0, Ordering::Relaxed);
        if shared.failing.swap(false, Ordering::AcqRel) {
            *shared.why.lock() = None;
            tracing::info!("the journal can be written again");
        }
        self.tell()
    }

    fn failed(&self, why: &str) {
        let shared = &self.shared;
        // What was written before the failure counts.
        if let Some(file) = shared.files.lock().back_mut().filter(|file| file.first <= self.next && self.end > 0) {
            (file.next, file.end) = (self.next, self.end);
        }
        shared.written.store(self.next, Ordering::Release);
        shared.stuck.store(self.batch.len() as u64, Ordering::Relaxed);
        *shared.why.lock() = Some(why.to_owned());
        if !shared.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(why, "the journal cannot be written");
        }
        self.tell();
    }

    /// Tells of what is written now, or of a failure. Whether somebody has waited for it.
    fn tell(&self) -> bool {
        let waited = self.wake();
        self.shared.tell_news();
        waited
    }

    fn wake(&self) -> bool {
        self.shared.waiters.wake(|record| self.shared.outcome(record).is_some())
    }
}
