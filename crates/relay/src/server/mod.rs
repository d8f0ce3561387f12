//! The running relay: worker threads, what they share, and how they start, change and stop.
//!
//! Each worker is one thread with a single-threaded runtime, its own listening sockets (`SO_REUSEPORT`) and its own
//! upstream connections, so that a call never crosses threads. What is shared is the snapshot, the metrics and the
//! limits, which are atomics. Slow and rare work (metrics pages, administration) is handed to the control runtime
//! through a channel.

mod answering;
mod connection;
mod listen;
mod local;
mod serve;
mod tls;

pub(crate) use answering::Answering;
pub(crate) use connection::{outside, respond};
pub use local::{LocalReceiver, LocalRequest};
pub use tls::TlsError;

use crate::books::{Books, Payments};
use crate::budget::Budget;
use crate::cache::{CacheReport, Purge};
use crate::keys::{KeyError, Keys, MadeKey, WantedKey};
use crate::metrics::Metrics;
use crate::migrations::{EntryReport, MigrationError, MigrationOrder, MigrationReport, Migrations, make_copies};
use crate::providers::{Learned, Providers, Tested, UnknownTarget};
use crate::receipts::Receipts;
use crate::repeat;
use crate::report::FlowReport;
use crate::room::Room;
use crate::snapshot::{CompileError, Inputs, Simulators, Snapshot, compile, weights};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sluicegate_config::{Config, Ledger, Priorities};
use sluicegate_flow::Bounds;
use sluicegate_flow::estimate::Estimates;
use sluicegate_ledger::PriceBook;
use sluicegate_store::{Recovery, StoreError};
use sluicegate_upstream::{Connector, Pool, Provider};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Models, and pairs of key and model, of which is remembered what they use.
const MOST_LEARNED: usize = 4096;
/// How often keys that were refused are looked at.
const TEND: Duration = Duration::from_secs(5);
/// After so many of those looks a key that nobody came with goes back to sleep.
const TURNS_TO_SLEEP: u64 = 12;

/// What all workers and the control runtime share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    /// Keys that were made at run time.
    pub(crate) keys: Arc<Keys>,
    /// The limits, and who waits for them.
    pub(crate) room: Arc<Room>,
    /// What is known of providers.
    pub(crate) providers: Providers,
    /// Moves of traffic.
    pub(crate) migrations: Arc<Migrations>,
    /// What calls have used lately.
    pub(crate) estimates: Estimates,
    /// Calls that clients may send again.
    pub(crate) repeats: repeat::Memory,
    pub(crate) local: mpsc::Sender<LocalRequest>,
    pub(crate) tls: Option<tls::Acceptor>,
    pub(crate) rules: serve::Rules,
    /// Memory for request bodies.
    pub(crate) bodies: Arc<Budget>,
    /// Open connections per worker, for handing new ones to the least loaded.
    pub(crate) load: Vec<AtomicUsize>,
    draining: AtomicBool,
    /// No new connections, and idle ones close.
    closing: CancellationToken,
}

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// One worker thread, as its calls see it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    pub(crate) receipts: Arc<Receipts>,
    /// The grace period is over: end what is still open. Like `closing` a child of the one all share, since whoever
    /// waits for a token takes its lock now and then.
    pub(crate) stop: CancellationToken,
    /// No new connections, and idle ones close.
    pub(crate) closing: CancellationToken,
    pub(crate) index: usize,
}

/// What a relay is started with beside its configuration.
#[derive(Debug)]
pub struct Settings {
    /// This build's version, for metrics.
    pub version: &'static str,
    /// Where simulated providers listen.
    pub simulators: Simulators,
    /// Where the books are kept, where they are.
    pub data_dir: PathBuf,
    /// What an earlier process had learned of providers.
    pub learned: Learned,
}

/// A relay that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot run.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The books cannot be opened.
    #[error("the books: {0}")]
    Books(#[from] StoreError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or its runtime could not be made.
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The configuration before.
    pub before: sluicegate_vocabulary::ConfigVersion,
    /// The configuration now.
    pub after: sluicegate_vocabulary::ConfigVersion,
    /// Settings that changed but take effect only at the next start.
    pub needs_restart: Vec<&'static str>,
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    config: Mutex<Config>,
    found: Mutex<BTreeMap<String, Vec<String>>>,
    simulators: Mutex<Simulators>,
    data_dir: PathBuf,
    books: Mutex<Option<Arc<Books>>>,
    /// Books are kept because a key that was made at run time needs them.
    books_for_keys: AtomicBool,
    receipts: Vec<Arc<Receipts>>,
    addresses: Vec<SocketAddr>,
    connector: Arc<Connector>,
    workers: usize,
    stop: CancellationToken,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Relay {
    /// Starts a relay. It answers as soon as this returns.
    ///
    /// # Errors
    /// Says what keeps it from starting; nothing listens then.
    pub fn start(config: Config, settings: Settings) -> Result<(Arc<Self>, LocalReceiver), StartError> {
        let keys = Arc::new(Keys::open(&settings.data_dir)?);
        let config = keys.with_books(config);
        let metrics = Arc::new(Metrics::new(settings.version));
        let room = Room::new(bounds(&config.priorities));
        let providers = Providers::new(&room, settings.learned);
        let found = BTreeMap::new();
        let migrations = Migrations::new(&settings.data_dir, metrics.migrations.clone());
        let books = config.ledger.as_ref().map(|ledger| open_books(&settings.data_dir, ledger)).transpose()?;
        let snapshot = compile(
            &config,
            &Inputs {
                simulators: &settings.simulators,
                prices: PriceBook::bundled(),
                metrics: &metrics,
                providers: &providers,
                found: &found,
                migrations: &migrations,
                books: books.as_ref(),
                before: None,
            },
        )?;
        migrations.configure(&config.migrations);
        let tls = config.server.tls.as_ref().map(|files| tls::Acceptor::new(files, config.server.http2)).transpose()?;
        let workers = config.server.workers.map_or_else(cores, std::num::NonZeroUsize::get);
        let (sockets, addresses) = listen::bind(config.server.listen.addresses(), workers)?;
        let (local, local_requests) = local::channel();
        let repeats = repeat::memory(books.as_deref())?;
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            local,
            tls,
            rules: serve::Rules::new(&config.server),
            bodies: Arc::default(),
            load: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            draining: AtomicBool::new(false),
            closing: CancellationToken::new(),
            room,
            providers,
            migrations,
            estimates: Estimates::new(MOST_LEARNED),
            repeats,
            keys,
            metrics,
        });
        let stop = CancellationToken::new();
        let connector = Arc::new(Connector::new());
        let receipts: Vec<Arc<Receipts>> =
            (0..workers).map(|_| Arc::new(Receipts::new(shared.metrics.log_dropped.clone()))).collect();
        let mut threads = Vec::with_capacity(workers);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| listen::handover()).unzip();
        let senders = Arc::new(senders);
        let parts = sockets.into_iter().zip(receivers).zip(&receipts).enumerate();
        for (index, ((sockets, receiver), receipts)) in parts {
            let worker = Arc::new(Worker {
                shared: Arc::clone(&shared),
                pool: Pool::new(Arc::clone(&connector)),
                receipts: Arc::clone(receipts),
                stop: stop.child_token(),
                closing: shared.closing.child_token(),
                index,
            });
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .event_interval(61)
                .build()
                .map_err(StartError::Worker)?;
            let senders = Arc::clone(&senders);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || runtime.block_on(serve::run(worker, sockets, senders, receiver)))
                .map_err(StartError::Worker)?;
            threads.push(thread);
        }
        let pacer = Arc::clone(&shared.room);
        let pacer = std::thread::Builder::new().name("pacer".to_owned()).spawn(move || pacer.keep_pace());
        threads.push(pacer.map_err(StartError::Worker)?);
        let migrations = Arc::clone(&shared.migrations);
        let mover = std::thread::Builder::new().name("migrations".to_owned()).spawn(move || migrations.run());
        threads.push(mover.map_err(StartError::Worker)?);
        let relay = Arc::new(Self {
            workers,
            shared,
            config: Mutex::new(config),
            found: Mutex::new(found),
            simulators: Mutex::new(settings.simulators),
            data_dir: settings.data_dir,
            books: Mutex::new(books),
            books_for_keys: AtomicBool::new(false),
            receipts,
            addresses,
            connector,
            stop,
            threads: Mutex::new(threads),
        });
        relay.mirror(&relay.config.lock()).map_err(StartError::Worker)?;
        Ok((relay, local_requests))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config.lock().clone()
    }

    /// Configured providers, ready to be called.
    #[must_use]
    pub fn providers(&self) -> Vec<Arc<Provider>> {
        self.shared.snapshot.load().providers.clone()
    }

    /// The version of the configuration in force.
    #[must_use]
    pub fn version(&self) -> sluicegate_vocabulary::ConfigVersion {
        self.shared.snapshot.load().version
    }

    /// Whether it is ready for new calls.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.is_draining()
    }

    /// The level of every limit that is shared by all callers or in use.
    #[must_use]
    pub fn limits(&self) -> Vec<sluicegate_flow::LimitStatus> {
        self.flow_without_callers().limits.into_iter().map(|limit| limit.level).collect()
    }

    /// What is known of providers: how they are, and what an operator may say about them.
    #[must_use]
    pub fn standing(&self) -> &Providers {
        &self.shared.providers
    }

    /// Sees to what no call does: tries keys that were refused and are due to be tried again. Never ends.
    pub async fn tend(self: Arc<Self>) {
        let pool = Pool::new(Arc::clone(&self.connector));
        let mut tick = tokio::time::interval(TEND);
        let mut turns = 0_u64;
        loop {
            tick.tick().await;
            self.shared.providers.probe_due(&pool, &self.providers()).await;
            pool.sweep(Instant::now());
            self.keep_prices().await;
            turns += 1;
            if turns.is_multiple_of(TURNS_TO_SLEEP) {
                self.shared.keys.table().tidy();
            }
        }
    }

    /// Keeps the text of every price that calls may be charged by.
    async fn keep_prices(&self) {
        let snapshot = self.shared.snapshot.load_full();
        let Some(books) = snapshot.books.clone() else { return };
        let kept = tokio::task::spawn_blocking(move || {
            books.keep_prices(snapshot.names.every_tariff().into_iter());
            books.tidy();
        });
        if kept.await.is_err() {
            tracing::error!("prices could not be kept: the task has panicked");
        }
    }

    /// Tests one key of a provider with a call that costs nothing, and believes the answer.
    ///
    /// # Errors
    /// There is no such provider or key.
    pub async fn test_key(&self, provider: &str, key: &str) -> Result<Tested, UnknownTarget> {
        let found = self.providers().into_iter().find(|known| *known.name == *provider);
        let found = found.ok_or_else(|| UnknownTarget::Provider(provider.to_owned()))?;
        self.shared.providers.test(&Pool::new(Arc::clone(&self.connector)), &found, key).await
    }

    /// Limits, and who waits for them.
    #[must_use]
    pub fn flow(&self) -> FlowReport {
        FlowReport::of(&self.shared)
    }

    /// The same but for the callers, which is as quick with a million keys.
    #[must_use]
    pub fn flow_without_callers(&self) -> FlowReport {
        FlowReport::without_callers(&self.shared)
    }

    /// Takes the receipts that have gathered since the last time, for the request log.
    #[must_use]
    pub fn take_receipts(&self) -> Vec<sluicegate_vocabulary::Receipt> {
        self.receipts.iter().flat_map(|receipts| receipts.take()).collect()
    }

    /// Shows the receipts that have gathered since the last time, each worker's by themselves.
    pub fn read_receipts(&self, mut read: impl FnMut(&[sluicegate_vocabulary::Receipt])) {
        for receipts in &self.receipts {
            let taken = receipts.take();
            if !taken.is_empty() {
                read(&taken);
            }
            receipts.give_back(taken);
        }
    }

    /// Puts another configuration in force, all of it or nothing. Calls under way end under the one they began with.
    ///
    /// # Errors
    /// Says why it cannot run; the one in force stays.
    pub fn reload(&self, config: Config, simulators: Simulators) -> Result<Reloaded, StartError> {
        let result = self.replace(config, simulators);
        self.shared.metrics.reload_ok.set(i64::from(result.is_ok()));
        result
    }

    fn replace(&self, config: Config, simulators: Simulators) -> Result<Reloaded, StartError> {
        let mut current = self.config.lock();
        let mut config = self.shared.keys.with_books(config);
        // Books that a key asked for while the relay ran stay open.
        if config.ledger.is_none() && self.books_for_keys.load(Ordering::Relaxed) {
            config.ledger = Some(Ledger::default());
        }
        let certificate = config.server.tls.as_ref().map(tls::load).transpose()?;
        let snapshot = self.compile(&config, &simulators)?;
        if let (Some(acceptor), Some(certificate)) = (&self.shared.tls, certificate) {
            acceptor.replace(certificate);
        }
        let before = self.shared.snapshot.load().version;
        let after = snapshot.version;
        let mut needs_restart = restart_only(&current, &config);
        if let (Some(books), Some(ledger)) = (&snapshot.books, &config.ledger) {
            needs_restart.extend(books.needs_restart(ledger));
        }
        self.mirror(&config).map_err(StartError::Worker)?;
        let snapshot = Arc::new(snapshot);
        self.shared.migrations.configure(&config.migrations);
        self.shared.snapshot.store(Arc::clone(&snapshot));
        self.shared.providers.apply(&config);
        self.shared.room.changed(&snapshot, bounds(&config.priorities));
        *current = config;
        *self.simulators.lock() = simulators;
        Ok(Reloaded { before, after, needs_restart })
    }

    /// Starts the thread that makes copies of calls, when they are first wanted.
    fn mirror(&self, config: &Config) -> std::io::Result<()> {
        if config.migrations.values().all(|migration| migration.mirror.is_none()) {
            return Ok(());
        }
        let Some(jobs) = self.shared.migrations.jobs() else { return Ok(()) };
        let worker = Arc::new(Worker {
            shared: Arc::clone(&self.shared),
            pool: Pool::new(Arc::clone(&self.connector)),
            receipts: Arc::new(Receipts::new(self.shared.metrics.log_dropped.clone())),
            stop: self.stop.child_token(),
            closing: self.shared.closing.child_token(),
            index: self.workers,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("mirror".to_owned())
            .spawn(move || runtime.block_on(make_copies(worker, jobs)))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    fn compile(&self, config: &Config, simulators: &Simulators) -> Result<Snapshot, StartError> {
        let before = self.shared.snapshot.load();
        let books = self.books_for(config)?;
        let snapshot = compile(
            config,
            &Inputs {
                simulators,
                prices: PriceBook::bundled(),
                metrics: &self.shared.metrics,
                providers: &self.shared.providers,
                found: &self.found.lock(),
                migrations: &self.shared.migrations,
                books: books.as_ref(),
                before: Some(&before),
            },
        )?;
        Ok(snapshot)
    }

    /// The books that a configuration asks for, opened if they are not open. What is open stays so until the end.
    fn books_for(&self, config: &Config) -> Result<Option<Arc<Books>>, StartError> {
        let Some(ledger) = &config.ledger else { return Ok(None) };
        let mut books = self.books.lock();
        if books.is_none() {
            *books = Some(open_books(&self.data_dir, ledger)?);
        }
        Ok(books.clone())
    }

    /// Keys that were made at run time.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// How many calls are being served for a key with these secrets, those that wait included.
    #[must_use]
    pub fn in_flight_of<'a>(&self, secrets: impl IntoIterator<Item = &'a [u8; 32]>) -> u32 {
        let snapshot = self.shared.snapshot.load();
        let live = |hash| match snapshot.keys.find(hash) {
            Some(key) => key.live.in_flight(),
            None => self.shared.keys.table().live(hash).map_or(0, |live| live.in_flight()),
        };
        secrets.into_iter().map(live).sum()
    }

    /// Whether clients need a key.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        !self.shared.snapshot.load().keys.is_empty() || !self.shared.keys.is_empty()
    }

    /// Makes a key, and opens the books if it is the first that needs them. Waits for the disk.
    ///
    /// # Errors
    /// The key cannot be made, or the books cannot be opened.
    pub fn create_key(&self, wanted: &WantedKey) -> Result<MadeKey, KeyError> {
        let books = |relay: &Self| relay.shared.snapshot.load().books.clone();
        match self.shared.keys.create(&self.config(), books(self).as_deref(), wanted) {
            Err(KeyError::NoBooks(_)) => {
                self.open_for_keys()?;
                self.shared.keys.create(&self.config(), books(self).as_deref(), wanted)
            }
            made => made,
        }
    }

    /// Keeps books from now on.
    fn open_for_keys(&self) -> Result<(), KeyError> {
        let mut config = self.config.lock();
        let mut with_books = config.clone();
        with_books.ledger.get_or_insert_with(Ledger::default);
        let snapshot = self.compile(&with_books, &self.simulators.lock())?;
        self.shared.snapshot.store(Arc::new(snapshot));
        self.books_for_keys.store(true, Ordering::Relaxed);
        *config = with_books;
        tracing::info!("books are kept from now on: a key with a budget or an account was made");
        Ok(())
    }

    /// Moves of traffic, by name in order.
    #[must_use]
    pub fn migrations(&self) -> Vec<MigrationReport> {
        self.shared.migrations.report()
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn migration(&self, name: &str) -> Result<MigrationReport, MigrationError> {
        self.shared.migrations.one(name)
    }

    /// What happens to migrations from the start on, by their names, for whoever tells others. `None` when it has been
    /// asked for before. What has not been taken is bounded, and lost beyond that.
    pub fn migration_events(&self) -> Option<tokio::sync::mpsc::Receiver<(String, EntryReport)>> {
        self.shared.migrations.events()
    }

    /// What has happened to a migration, the oldest first.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn migration_history(&self, name: &str) -> Result<Vec<EntryReport>, MigrationError> {
        self.shared.migrations.history(name)
    }

    /// Carries out a person's order about a migration. `in_spite` goes on although a guard says worse.
    ///
    /// # Errors
    /// Says why not; nothing has changed then.
    pub fn order_migration(
        &self,
        name: &str,
        order: MigrationOrder,
        who: &str,
        why: &str,
        in_spite: bool,
    ) -> Result<MigrationReport, MigrationError> {
        self.shared.migrations.order(name, order, who, why, in_spite)
    }

    /// The books, where they are kept.
    #[must_use]
    pub fn books(&self) -> Option<Arc<Books>> {
        self.shared.snapshot.load().books.clone()
    }

    /// Who is believed about payments, where anybody is.
    #[must_use]
    pub fn payments(&self) -> Option<Arc<Payments>> {
        self.shared.snapshot.load().payments.clone()
    }

    /// What the cache holds; `None` where there is none.
    #[must_use]
    pub fn cache(&self) -> Option<CacheReport> {
        let snapshot = self.shared.snapshot.load();
        snapshot.cache.as_ref().map(|cache| cache.kept.report(cache.ttl))
    }

    /// Throws answers out of the cache, and says how many there were; `None` where there is no cache.
    #[must_use]
    pub fn purge_cache(&self, purge: &Purge) -> Option<u64> {
        let snapshot = self.shared.snapshot.load();
        snapshot.cache.as_ref().map(|cache| cache.kept.purge(purge))
    }

    /// Adds the models that a provider was found to serve, so that their plain names resolve.
    ///
    /// # Errors
    /// The configuration in force can no longer be compiled; nothing changes then.
    pub fn found_models(&self, provider: &str, models: Vec<String>) -> Result<(), StartError> {
        let config = self.config.lock();
        self.found.lock().insert(provider.to_owned(), models);
        let snapshot = self.compile(&config, &self.simulators.lock())?;
        self.shared.snapshot.store(Arc::new(snapshot));
        Ok(())
    }

    /// Stops: readiness fails at once, no new connections, open calls may go on for `grace`, then streams end with an
    /// error event. Blocks until the workers are gone.
    pub fn drain(&self, grace: Duration) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.closing.cancel();
        let deadline = Instant::now() + grace;
        let busy = || self.shared.load.iter().any(|load| load.load(Ordering::Relaxed) > 0);
        while busy() && Instant::now() < deadline && !self.stop.is_cancelled() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop_now();
        self.shared.room.stop();
        self.shared.migrations.stop();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
            }
        }
        // No call is left to write anything.
        if let Some(books) = self.books.lock().take() {
            books.store().close();
        }
    }

    /// Ends the grace period of a drain at once.
    pub fn stop_now(&self) {
        self.stop.cancel();
    }
}

/// Opens the books, and says what was found there.
fn open_books(dir: &Path, ledger: &Ledger) -> Result<Arc<Books>, StoreError> {
    let (books, found) = Books::open(dir, ledger)?;
    if found.open_calls > 0 {
        let Recovery { open_calls, charged, .. } = found;
        tracing::warn!(open_calls, %charged, "calls were being answered when the process was killed, and have been settled");
    }
    Ok(books)
}

/// What bounds the calls that wait, by the configuration.
fn bounds(priorities: &Priorities) -> Bounds {
    let weights = weights(priorities);
    Bounds { calls: priorities.max_queue, bytes: priorities.max_queue_bytes.bytes(), weights, ..Bounds::default() }
}

fn restart_only(before: &Config, after: &Config) -> Vec<&'static str> {
    let (before, after) = (&before.server, &after.server);
    let mut changed = Vec::new();
    let mut check = |name: &'static str, differs: bool| {
        if differs {
            changed.push(name);
        }
    };
    check("server.listen", before.listen != after.listen);
    check("server.admin_listen", before.admin_listen != after.admin_listen);
    check("server.workers", before.workers != after.workers);
    check("server.data_dir", before.data_dir != after.data_dir);
    check("server.request_log", before.request_log != after.request_log);
    check("server.http2", before.http2 != after.http2);
    check("server.tls", before.tls.is_some() != after.tls.is_some());
    check("server.max_header_bytes", before.max_header_bytes != after.max_header_bytes);
    check("server.header_read_timeout", before.header_read_timeout != after.header_read_timeout);
    changed
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}
