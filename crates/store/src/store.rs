//! The store of one data directory: it opens, feeds, answers and closes.

use crate::backup::{Copied, Moment};
use crate::behind::behind_the_calls;
use crate::calls::{self, CallRow, CallsQuery};
use crate::credits::{self, Code, Entered, RedeemError, StoredAccount};
use crate::error::StoreError;
use crate::export::{self, Movement, MovementsQuery};
use crate::feed::{self, Feeder};
use crate::journal::segment;
use crate::journal::{Journal, Options as JournalOptions, Shared};
use crate::orders::{self, PayError, Settled as Payment, StoredOrder};
use crate::payment::{Order, Paid, Refunded};
use crate::query::{self, KeyUse, UsageQuery, UsageRow};
use crate::record::{Ended, Owner, Repeated};
use crate::recover::{self, OpenCalls, Recovery};
use crate::verify::{self, Verdict};
use crate::{days, schema};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use sluicegate_ledger::{AccountTerms, Kind, Span, Subject, Unit};
use sluicegate_vocabulary::Money;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of the journal that are fed in one batch at most.
const BATCH_BYTES: usize = 8 << 20;
/// So many records are fed without gathering more.
const AT_ONCE: u64 = 4096;
/// How long a batch waits for somebody else's transaction before it is tried anew.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long an operator's entry waits for one.
const OPERATORS_PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits at most after the database refused.
const RETRY: Duration = Duration::from_millis(200);
/// How often old days and roll-ups are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How long roll-ups by the minute and by the hour are kept, in milliseconds.
const KEEP_MINUTES_MS: i64 = 35 * 86_400_000;
const KEEP_HOURS_MS: i64 = 400 * 86_400_000;
/// How long it is known under which `Idempotency-Key` a call was charged.
const KEEP_REPEATS_MS: i64 = 86_400_000;

/// What may be chosen about a store.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The journal.
    pub journal: JournalOptions,
    /// What is charged for calls that were being answered when the process was killed.
    pub open_calls: OpenCalls,
    /// How much of the request log is kept.
    pub keep: days::Keep,
    /// How long records are gathered before they are fed. Whoever asks ([`Store::catch_up`]) has them fed at once.
    pub feed_every: Duration,
    /// Whether a damaged file of the journal is read as far as it goes, and the rest given up.
    pub skip_damaged: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            journal: JournalOptions::default(),
            open_calls: OpenCalls::default(),
            keep: days::Keep::default(),
            feed_every: Duration::from_secs(2),
            skip_damaged: false,
        }
    }
}

/// What is kept in one data directory.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    journal: Arc<Journal>,
    fed: Arc<Fed>,
    /// What was settled at the start, as long as the database does not have it.
    settled: Mutex<Vec<Settled>>,
    /// For operators' entries and questions; the feeder has a connection of its own.
    main: Mutex<Connection>,
    reader: Mutex<Connection>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the store is.
    _lock: File,
}

/// A call that was settled at the start.
#[derive(Debug, Clone)]
struct Settled {
    record: u64,
    at_ms: i64,
    tenant: String,
    key: String,
    account: String,
    model: String,
    label: String,
    billed: Money,
}

impl Settled {
    fn new(end: &Ended<'_>, record: u64) -> Self {
        let Owner { tenant, key, account, model, label } = end.owner;
        let [tenant, key, account, model, label] = [tenant, key, account, model, label].map(str::to_owned);
        let billed = end.charges.iter().map(|charge| charge.billed).sum();
        Self { record, at_ms: end.at_ms, tenant, key, account, model, label, billed }
    }

    fn counts(&self, subject: &Subject, span: Span) -> bool {
        let (mine, asked) = match subject {
            Subject::Key(name) => (&self.key, name),
            Subject::Tenant(name) => (&self.tenant, name),
            Subject::Model(name) => (&self.model, name),
            Subject::Label(name) => (&self.label, name),
        };
        **mine == **asked && span.start_ms <= self.at_ms && self.at_ms < span.end_ms
    }
}

/// How far the database has been fed.
#[derive(Debug)]
struct Fed {
    to: AtomicU64,
    stop: AtomicBool,
    /// Held while a batch is fed, and by whoever needs the databases to stand still for a moment.
    feeding: Mutex<()>,
    lock: Mutex<()>,
    news: Condvar,
    /// Somebody waits for what has been gathered.
    hurry: AtomicBool,
    begin: Condvar,
}

impl Fed {
    /// Has what was gathered fed at once. Its caller has the lock, so that the feeder cannot be about to wait.
    fn hurry(&self) {
        self.hurry.store(true, Ordering::Release);
        self.begin.notify_all();
    }

    /// Gathers until a moment, or until somebody is in a hurry.
    fn gather(&self, until: Instant) {
        let mut lock = self.lock.lock();
        while !self.hurry.load(Ordering::Acquire) && !self.stop.load(Ordering::Acquire) {
            if self.begin.wait_until(&mut lock, until).timed_out() {
                return;
            }
        }
    }
}

impl Store {
    /// Opens a data directory, made if it is not there: feeds what the database lacks and settles calls that were open.
    ///
    /// # Errors
    /// Another process has it, a file cannot be used, or a part of the journal is damaged or missing.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), StoreError> {
        let began = Instant::now();
        let journal_dir = dir.join("journal");
        std::fs::create_dir_all(&journal_dir).map_err(StoreError::file("cannot make", &journal_dir))?;
        let lock = lock(dir)?;
        let mut feeder = Feeder::open(dir, PATIENCE)?;
        let found = recover::look(&journal_dir, feeder.fed, options.skip_damaged)?;
        let before = feeder.fed;
        let (next, torn_bytes) = (found.next, found.torn_bytes);
        let (journal, writer) = Journal::start(&journal_dir, options.journal, found.files, next)?;
        let mut tail = Tail::default();
        while feed_some(&mut feeder, &mut tail, journal.shared())? > 0 {}
        // Numbers of calls rise with the clock, and never fall below one that was used.
        let clock = u64::try_from(now_ms()).unwrap_or(0) << CALLS_PER_MS_BITS;
        journal.set_call(clock.max(feeder.call + 1));
        let mut settled = Vec::new();
        let (open_calls, charged) = recover::settle(feeder.open_intents(), options.open_calls, |end| {
            settled.push(Settled::new(end, journal.shared().next()));
            journal.ended(end, true);
        })?;
        let fed = Arc::new(Fed {
            to: AtomicU64::new(feeder.fed),
            stop: AtomicBool::new(false),
            feeding: Mutex::new(()),
            lock: Mutex::new(()),
            news: Condvar::new(),
            hurry: AtomicBool::new(false),
            begin: Condvar::new(),
        });
        let main = schema::books(&feed::books_path(dir), OPERATORS_PATIENCE)?;
        let reader = schema::read_only(&feed::books_path(dir))?;
        let recovery =
            Recovery { fed: next.saturating_sub(before), open_calls, charged, torn_bytes, took: began.elapsed() };
        let thread = start_feeding(feeder, tail, Arc::clone(journal.shared()), Arc::clone(&fed), options)
            .map_err(StoreError::file("cannot start a thread for", dir))?;
        let store = Self {
            dir: dir.to_owned(),
            journal: Arc::new(journal),
            fed,
            settled: Mutex::new(settled),
            main: Mutex::new(main),
            reader: Mutex::new(reader),
            threads: Mutex::new(vec![writer, thread]),
            _lock: lock,
        };
        Ok((store, recovery))
    }

    /// The journal, for workers.
    #[must_use]
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Waits until the database has everything that was put into the journal before.
    ///
    /// # Errors
    /// It has not within the time given.
    pub fn catch_up(&self, most: Duration) -> Result<(), StoreError> {
        let (target, until) = (self.journal.shared().next(), Instant::now() + most);
        let mut lock = self.fed.lock.lock();
        while self.fed.to.load(Ordering::Acquire) < target {
            self.fed.hurry();
            if self.fed.news.wait_until(&mut lock, until).timed_out() {
                return Err(StoreError::Late);
            }
        }
        Ok(())
    }

    /// How many records the database has not been fed yet.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.journal.shared().next().saturating_sub(self.fed.to.load(Ordering::Acquire))
    }

    /// Opens an account, or changes its bounds.
    ///
    /// # Errors
    /// The database refused.
    pub fn open_account(&self, name: &str, terms: AccountTerms, now_ms: i64) -> Result<(), StoreError> {
        credits::open_account(&mut self.main.lock(), name, terms, now_ms)
    }

    /// All accounts with the balances that the books have.
    ///
    /// # Errors
    /// The database refused.
    pub fn accounts(&self) -> Result<Vec<StoredAccount>, StoreError> {
        let (mut accounts, missing) = self.read(credits::accounts)?;
        let mut charged = HashMap::<&str, Money>::new();
        for settled in &missing {
            *charged.entry(&settled.account).or_default() += settled.billed;
        }
        for account in &mut accounts {
            account.balance = account.balance - charged.get(account.name.as_str()).copied().unwrap_or_default();
        }
        Ok(accounts)
    }

    /// Asks the database, and tells what it does not have yet of what was settled at the start. Both of one moment.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<(T, Vec<Settled>), StoreError> {
        let mut reader = self.reader.lock();
        let transaction = reader.transaction()?;
        let fed: i64 = transaction.query_row("SELECT value FROM meta WHERE name = 'fed'", [], |row| row.get(0))?;
        let answer = ask(&transaction)?;
        let mut settled = self.settled.lock();
        settled.retain(|settled| settled.record >= fed.unsigned_abs());
        Ok((answer, settled.clone()))
    }

    /// Enters a credit, a refund or a correction. The live account is the caller's to change, if the entry is new.
    ///
    /// # Errors
    /// It is none, its reference was used for another, or the database refused.
    pub fn credit(
        &self,
        kind: Kind,
        reference: &str,
        account: &str,
        amount: Money,
        now_ms: i64,
    ) -> Result<Entered, StoreError> {
        credits::credit(&mut self.main.lock(), kind, reference, account, amount, now_ms)
    }

    /// Adds redemption codes. Only their hashes are kept.
    ///
    /// # Errors
    /// The database refused, or a code is there already; then none is added.
    pub fn add_codes(
        &self,
        codes: &[Code],
        amount: Money,
        expires_ms: Option<i64>,
        note: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        credits::add_codes(&mut self.main.lock(), codes, amount, expires_ms, note, now_ms)
    }

    /// Redeems a code for an account, and tells what it was worth. Of any number at once, one wins.
    ///
    /// # Errors
    /// There is no such code, it was used, or it has expired.
    pub fn redeem(&self, code: &str, account: &str, now_ms: i64) -> Result<Money, RedeemError> {
        credits::redeem(&mut self.main.lock(), code, account, now_ms)
    }

    /// Enters an order that a customer is to pay until then, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// It is none, its reference was used for another, or the database refused.
    pub fn add_order(&self, order: &Order, now_ms: i64, expires_ms: Option<i64>) -> Result<Entered, StoreError> {
        orders::add(&mut self.main.lock(), order, now_ms, expires_ms)
    }

    /// Enters what a payment service has verifiably said was paid. The live account is the caller's to change, if it is new.
    ///
    /// # Errors
    /// It is for no order of ours, or not what was ordered; or the database refused.
    pub fn pay(&self, service: &str, paid: &Paid, now_ms: i64) -> Result<Payment, PayError> {
        orders::pay(&mut self.main.lock(), service, paid, now_ms)
    }

    /// Enters what a payment service has verifiably said was given back, each refund once. The live account is the
    /// caller's to change, if it is new.
    ///
    /// # Errors
    /// It is of no payment of ours, or more than was paid; or the database refused.
    pub fn refund(&self, service: &str, refunded: &Refunded, now_ms: i64) -> Result<Payment, PayError> {
        orders::refund(&mut self.main.lock(), service, refunded, now_ms)
    }

    /// The latest orders, of one account or of all, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub fn orders(&self, account: Option<&str>, limit: u32) -> Result<Vec<StoredOrder>, StoreError> {
        orders::latest(&self.reader.lock(), account, limit)
    }

    /// Keeps the text of a price that charges refer to.
    ///
    /// # Errors
    /// The database refused.
    pub fn keep_price(&self, vendor: &str, model: &str, entry: &sluicegate_ledger::Entry) -> Result<(), StoreError> {
        let mut book = sluicegate_ledger::PriceBook::default();
        book.insert(vendor, model, entry.clone());
        let sql = "INSERT OR IGNORE INTO prices VALUES (?1, ?2, ?3, ?4)";
        let version = entry.version().0.cast_signed();
        self.main.lock().execute(sql, rusqlite::params![version, vendor, model, book.to_csv()])?;
        Ok(())
    }

    /// Usage, from roll-ups.
    ///
    /// # Errors
    /// The database refused.
    pub fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        query::usage(&self.reader.lock(), query)
    }

    /// What a key has used since the books began.
    ///
    /// # Errors
    /// The database refused.
    pub fn key_use(&self, key: &str) -> Result<KeyUse, StoreError> {
        query::key_use(&self.reader.lock(), key)
    }

    /// What a subject has used in a stretch of time, for the budget that begins with it.
    ///
    /// # Errors
    /// The database refused.
    pub fn used(&self, subject: &Subject, unit: Unit, span: Span) -> Result<i64, StoreError> {
        // What has been gathered counts too; a database that is held up is told about without it.
        if self.behind() > 0 {
            let _ = self.catch_up(PATIENCE);
        }
        let (used, missing) = self.read(|main| query::used(main, subject, unit, span))?;
        let missing = missing.iter().filter(|settled| settled.counts(subject, span)).map(|settled| settled.billed);
        // No tokens are known of what was settled at a start.
        let missing = if unit == Unit::Money { missing.sum() } else { Money::ZERO };
        Ok(used.saturating_add(missing.nanos()))
    }

    /// The calls that arrived since then and must not be charged once more, the latest first and at most so many, each
    /// with when it arrived, in milliseconds since the Unix epoch. They are kept for a day.
    ///
    /// # Errors
    /// The database refused.
    pub fn repeats(&self, since_ms: i64, most: usize) -> Result<Vec<(Repeated, i64)>, StoreError> {
        query::repeats(&self.reader.lock(), since_ms, most)
    }

    /// A page of the request log.
    ///
    /// # Errors
    /// The database refused.
    pub fn calls(&self, query: &CallsQuery) -> Result<Vec<CallRow>, StoreError> {
        calls::calls(&self.dir, query)
    }

    /// Adds everything up once more.
    ///
    /// # Errors
    /// The database refused. Books that are wrong are no error but a verdict.
    pub fn verify(&self) -> Result<Verdict, StoreError> {
        verify::verify(&self.dir)
    }

    /// A page of all movements of money.
    ///
    /// # Errors
    /// The database refused.
    pub fn movements(&self, query: &MovementsQuery) -> Result<Vec<Movement>, StoreError> {
        export::movements(&self.reader.lock(), query)
    }

    /// Copies everything into an empty directory while it goes on. What is in the journal now is in the copy.
    ///
    /// # Errors
    /// The directory is not empty, or a file cannot be written.
    pub fn backup(&self, to: &Path) -> Result<Copied, StoreError> {
        self.catch_up(Duration::from_secs(60))?;
        let moment = {
            let _still = self.fed.feeding.lock();
            Moment::take(&self.dir, now_ms())?
        };
        moment.copy(to)
    }

    /// Writes, syncs and feeds what is there, and ends the threads.
    pub fn close(&self) {
        self.journal.stop();
        // The writer first, so that the feeder sees what it wrote last.
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
            self.fed.stop.store(true, Ordering::Release);
            {
                let _lock = self.fed.lock.lock();
                self.fed.hurry();
            }
            self.journal.shared().tell_news();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// How many numbers of calls a millisecond has, as a power of two.
const CALLS_PER_MS_BITS: u32 = 20;

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("store.lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(StoreError::file("cannot open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::file("cannot lock", path)(error)),
    }
}

/// Where the next record lies that has to be fed.
#[derive(Debug, Default)]
struct Tail {
    file: Option<(u64, File)>,
    record: u64,
    offset: u64,
    buffer: Vec<u8>,
}

/// Feeds what is written, up to one batch, and tells how many records it was.
fn feed_some(feeder: &mut Feeder, tail: &mut Tail, journal: &Shared) -> Result<usize, StoreError> {
    let Some(file) = journal.file_of(feeder.fed) else { return Ok(0) };
    if tail.file.as_ref().is_none_or(|(first, _)| *first != file.first) {
        let path = segment::path(journal.dir(), file.first);
        let opened = File::open(&path).map_err(StoreError::file("cannot read", path))?;
        (tail.file, tail.record, tail.offset) = (Some((file.first, opened)), file.first, segment::HEAD);
    }
    let Some((_, opened)) = &tail.file else { return Ok(0) };
    loop {
        let most = usize::try_from(file.end.saturating_sub(tail.offset)).unwrap_or(usize::MAX).min(BATCH_BYTES);
        tail.buffer.resize(most, 0);
        let path = || segment::path(journal.dir(), file.first);
        opened
            .read_exact_at(&mut tail.buffer, tail.offset)
            .map_err(|error| StoreError::file("cannot read", path())(error))?;
        let (records, bytes) = segment::records(&tail.buffer);
        let count = records.len() as u64;
        if count == 0 {
            return Ok(0);
        }
        let skip = usize::try_from(feeder.fed.saturating_sub(tail.record)).unwrap_or(usize::MAX);
        let fed = feeder.feed(records.get(skip..).unwrap_or_default())?;
        tail.offset += bytes as u64;
        tail.record += count;
        if fed > 0 {
            return Ok(fed);
        }
    }
}

fn start_feeding(
    mut feeder: Feeder,
    mut tail: Tail,
    journal: Arc<Shared>,
    fed: Arc<Fed>,
    options: Options,
) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        behind_the_calls();
        let mut tidied: Option<Instant> = None;
        let mut trouble = false;
        loop {
            let (stopping, began) = (fed.stop.load(Ordering::Acquire), Instant::now());
            fed.hurry.store(false, Ordering::Release);
            let outcome = {
                let _feeding = fed.feeding.lock();
                // What cannot be entered need not be read.
                let free = if trouble { feeder.reach() } else { Ok(()) };
                free.and_then(|()| feed_some(&mut feeder, &mut tail, &journal))
            };
            match &outcome {
                Ok(_) if trouble => tracing::info!("the database takes records again"),
                Err(error) if !trouble => {
                    tracing::error!(%error, "the database takes no records; the journal keeps them")
                }
                _ => {}
            }
            trouble = outcome.is_err();
            fed.to.store(feeder.fed, Ordering::Release);
            {
                let _lock = fed.lock.lock();
                fed.news.notify_all();
            }
            journal.delete_before(feeder.fed);
            // While a batch is being tried again, a day has more than the books.
            if !trouble && tidied.is_none_or(|at| at.elapsed() > TIDY_EVERY) {
                tidied = Some(Instant::now());
                let _feeding = fed.feeding.lock();
                if let Err(error) = tidy(&mut feeder, &options) {
                    tracing::warn!(%error, "old days could not be dropped");
                }
            }
            match outcome {
                Ok(count) if count > 0 && (stopping || feeder.fed + AT_ONCE < journal.written_to()) => {}
                // What a locked database does not take now is in the journal, and is fed after the next start.
                _ if stopping => return,
                Ok(_) => {
                    fed.gather(began + options.feed_every);
                    journal.wait_news(feeder.fed, options.feed_every);
                }
                Err(_) => std::thread::sleep(options.feed_every.min(RETRY)),
            }
        }
    };
    std::thread::Builder::new().name("feeder".to_owned()).spawn(run)
}

fn tidy(feeder: &mut Feeder, options: &Options) -> Result<(), StoreError> {
    let now = now_ms();
    for day in feeder.drop_days(days::of(now), &options.keep)? {
        tracing::info!(day, "a day of the request log was dropped");
    }
    feeder.gather()?;
    feeder.drop_repeats(now - KEEP_REPEATS_MS)?;
    feeder.drop_rollups(now - KEEP_MINUTES_MS, now - KEEP_HOURS_MS)
}
