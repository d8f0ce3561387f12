//! Moving traffic while it runs.
//!
//! `sluicegate_migration` knows what a migration is and when it goes on or back; here it meets calls, the clock and the
//! disk. [`Migrations`] holds all of them under one lock that no call takes: a call reads its side from a [`Lane`], and
//! what its receipt says about that side lies in the lane until the thread reads it, fifty times a second while anything
//! is under way and not at all otherwise. So a verdict is acted on within that time, by one store into an atomic.
//!
//! What was decided is kept before it is acted on when traffic grows, and after when it goes back: back is never delayed
//! by a disk, and nobody who has moved is forgotten by a kill.

mod compare;
mod keep;
mod lane;
mod mirror;
mod overheard;
mod report;

pub(crate) use lane::{Mover, assign};
pub(crate) use mirror::{Job, run as make_copies};
pub(crate) use overheard::Overheard;
pub use report::{EntryReport, MigrationReport, MirrorReport, SampleReport, StepReport, WatchReport};

use crate::metrics::MigrationMetrics;
use keep::Keeper;
pub(crate) use lane::Lane;
use mirror::Shown;
use parking_lot::{Condvar, Mutex};
use sluicegate_config::{Migration as Configured, Start};
use sluicegate_migration::{Action, Entry, Metric, Migration, Moment, Phase, Refused, Seed, Started};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// How often evidence is read while a migration is under way.
const TICK: Duration = Duration::from_millis(20);
/// How often what merely counts is kept.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// What has happened and nobody has been told of yet, at most.
const MOST_UNTOLD: usize = 256;
/// Where a person reads what happens.
const NOTICE: &str = "notice";

/// What a person may ask of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationOrder {
    /// Begin, or begin again after a rollback.
    Start,
    /// Go on to the next step now, or approve it.
    Advance,
    /// Stay where it is.
    Pause,
    /// Go on with the step it was paused at.
    Resume,
    /// All traffic back.
    Rollback,
    /// All traffic over.
    Promote,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// There is none of this name.
    #[error("no migration is called {0:?}; the configuration has: {1}")]
    Unknown(String, String),
    /// It cannot be done now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What it is cannot be kept, and a migration that a restart forgets must not begin.
    #[error("its state cannot be kept, so it does not begin: {0}")]
    NotKept(std::io::Error),
}

/// All migrations of a relay.
#[derive(Debug)]
pub(crate) struct Migrations {
    keeper: Keeper,
    metrics: MigrationMetrics,
    table: Mutex<BTreeMap<String, Running>>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
    copies: mpsc::Sender<Job>,
    /// What happens, for whoever tells others.
    events: mpsc::Sender<(String, EntryReport)>,
    told: Mutex<Option<mpsc::Receiver<(String, EntryReport)>>>,
    /// For whoever makes the copies.
    jobs: Mutex<Option<mpsc::Receiver<Job>>>,
    wake: Condvar,
    stopped: AtomicBool,
}

/// One of them.
#[derive(Debug)]
struct Running {
    lane: Arc<Lane>,
    machine: Migration,
    /// Calls are copied while it is not over.
    mirrors: bool,
    /// A kill switch is set.
    killed: bool,
    /// What was kept of it could be read.
    sound: bool,
    /// What copies had shown when it was kept.
    shown: Shown,
    /// Calls have been read since it was kept.
    dirty: bool,
    kept: Instant,
}

impl Migrations {
    pub(crate) fn new(data_dir: &Path, metrics: MigrationMetrics) -> Arc<Self> {
        let (copies, jobs) = mpsc::channel(mirror::WAITING);
        let (events, told) = mpsc::channel(MOST_UNTOLD);
        Arc::new(Self {
            copies,
            events,
            told: Mutex::new(Some(told)),
            jobs: Mutex::new(Some(jobs)),
            keeper: Keeper::new(data_dir),
            metrics,
            table: Mutex::default(),
            lanes: Mutex::default(),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
        })
    }

    /// The lane of a name, the same in every configuration.
    pub(crate) fn lane(&self, name: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        Arc::clone(
            lanes
                .entry(name.to_owned())
                .or_insert_with(|| Arc::new(Lane::new(name, self.copies.clone(), self.metrics.clone()))),
        )
    }

    /// The calls of which copies are to be made; once.
    pub(crate) fn jobs(&self) -> Option<mpsc::Receiver<Job>> {
        self.jobs.lock().take()
    }

    /// What happens to migrations from the start on; once.
    pub(crate) fn events(&self) -> Option<mpsc::Receiver<(String, EntryReport)>> {
        self.told.lock().take()
    }

    /// Puts the migrations of a configuration in force, before its snapshot is. What is under way stays at its step.
    pub(crate) fn configure(&self, configured: &BTreeMap<String, Configured>) {
        let mut table = self.table.lock();
        let now = now();
        let gone: Vec<String> = table.keys().filter(|name| !configured.contains_key(*name)).cloned().collect();
        for mut running in gone.into_iter().filter_map(|name| table.remove(&name)) {
            if running.machine.phase().is_under_way() {
                // Its model leads where its entry says, so that is where the calls are.
                let _ = running.machine.rollback(now, "sluicegate", "its entry was taken out of the configuration");
            }
            self.settle(&mut running);
        }
        for (name, wanted) in configured {
            let mut running = table.remove(name).unwrap_or_else(|| self.recall(name, wanted));
            let before = running.machine.clone();
            running.read(now);
            running.machine.checkpoint(now);
            let mut running = running.adopt(wanted, now);
            running.machine.set_kill_switch(wanted.kill, now);
            running.killed = wanted.kill.set_by().is_some();
            if wanted.start == Start::Auto && running.sound {
                running.machine.start_unasked(now);
            }
            self.tell(&before, &running.machine);
            self.settle(&mut running);
            table.insert(name.clone(), running);
        }
        self.wake.notify_all();
    }

    /// A migration as it was kept, or one that has not begun.
    fn recall(&self, name: &str, wanted: &Configured) -> Running {
        let mut sound = true;
        let kept = self.keeper.load::<Shown>(name).unwrap_or_else(|why| {
            // It may have been rolled back, so only a person starts it. What cannot be read is kept for that person.
            sound = false;
            self.keeper.set_aside(name);
            tracing::error!(target: NOTICE, "what was kept of the migration {name} cannot be read, so it has not begun: {why}");
            None
        });
        let lane = self.lane(name);
        let machine = match kept {
            Some((machine, shown)) => {
                lane.copied.recall(shown);
                machine
            }
            None => Migration::new(wanted.definition.clone(), fresh_seed()),
        };
        Running {
            lane,
            machine,
            mirrors: wanted.mirror.is_some(),
            killed: false,
            sound,
            shown: Shown::default(),
            dirty: false,
            kept: Instant::now(),
        }
    }

    /// Tells what happened, and keeps it: what moves traffic back is in force before it is kept, all else after.
    fn settle(&self, running: &mut Running) {
        let back = running.machine.share() == sluicegate_migration::Share::NONE;
        if back {
            running.publish();
        }
        if let Err(error) = self.keep(running, true) {
            let name = &running.machine.definition().name;
            tracing::error!(target: NOTICE, "the migration {name} cannot be kept, and a restart would not know of it: {error}");
        }
        running.publish();
        self.metrics.standing(&running.lane.name, running.machine.share(), running.machine.phase());
    }

    fn keep(&self, running: &mut Running, synced: bool) -> std::io::Result<()> {
        running.dirty = false;
        running.kept = Instant::now();
        running.shown = running.lane.copied.shown();
        self.keeper.save(&running.machine, &running.shown, synced)
    }

    /// All of them.
    pub(crate) fn report(&self) -> Vec<MigrationReport> {
        let now = now();
        self.table.lock().values().map(|running| running.report(now)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn one(&self, name: &str) -> Result<MigrationReport, MigrationError> {
        let table = self.table.lock();
        let running = table.get(name).ok_or_else(|| unknown(name, &table))?;
        Ok(running.report(now()))
    }

    /// What has happened to one, the oldest first.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn history(&self, name: &str) -> Result<Vec<EntryReport>, MigrationError> {
        let table = self.table.lock();
        let running = table.get(name).ok_or_else(|| unknown(name, &table))?;
        Ok(running.machine.history().entries().map(report::entry).collect())
    }

    /// Carries out a person's order.
    ///
    /// # Errors
    /// Says why not; nothing has changed then.
    pub(crate) fn order(
        &self,
        name: &str,
        order: MigrationOrder,
        who: &str,
        why: &str,
        in_spite: bool,
    ) -> Result<MigrationReport, MigrationError> {
        let mut table = self.table.lock();
        let Some(running) = table.get_mut(name) else { return Err(unknown(name, &table)) };
        let now = now();
        running.read(now);
        let before = running.machine.clone();
        let machine = &mut running.machine;
        match order {
            MigrationOrder::Start => {
                if machine.start(now, who, why)? == Started::Now
                    && let Err(error) = self.keep(running, true)
                {
                    running.machine = before;
                    return Err(MigrationError::NotKept(error));
                }
            }
            MigrationOrder::Advance => machine.advance(now, who, why, in_spite)?,
            MigrationOrder::Pause => machine.pause(now, who, why)?,
            MigrationOrder::Resume => machine.resume(now, who, why)?,
            MigrationOrder::Rollback => machine.rollback(now, who, why)?,
            MigrationOrder::Promote => machine.promote(now, who, why, in_spite)?,
        }
        self.tell(&before, &running.machine);
        self.settle(running);
        let report = running.report(now);
        drop(table);
        self.wake.notify_all();
        Ok(report)
    }

    /// Says what was added to a history.
    fn tell(&self, before: &Migration, after: &Migration) {
        let count = |machine: &Migration| machine.history().entries().count() as u64 + machine.history().forgotten();
        let new = usize::try_from(count(after).saturating_sub(count(before))).unwrap_or(usize::MAX);
        let all: Vec<&Entry> = after.history().entries().collect();
        for entry in all.iter().skip(all.len().saturating_sub(new)) {
            self.said(&after.definition().name, entry);
        }
    }

    fn said(&self, name: &str, entry: &Entry) {
        self.metrics.happened(name, entry.action);
        // Nobody has to listen, and nothing here waits for whoever does.
        let _ = self.events.try_send((name.to_owned(), report::entry(entry)));
        let Entry { action, share, who, why, .. } = entry;
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        let action = action.as_str().replace('_', " ");
        match entry.action {
            Action::RolledBack | Action::Alerted | Action::AwaitsApproval => {
                tracing::warn!(target: NOTICE, "migration {name} {action} at {share} by {who}{why}");
            }
            _ => tracing::info!(target: NOTICE, "migration {name} {action} at {share} by {who}{why}"),
        }
    }

    /// Reads what calls say and acts on it, until [`Migrations::stop`]. Belongs on a thread of its own.
    pub(crate) fn run(&self) {
        let mut table = self.table.lock();
        while !self.stopped.load(Ordering::Relaxed) {
            if table.values().any(|running| running.machine.phase().is_under_way()) {
                self.wake.wait_for(&mut table, TICK);
            } else if table.values().any(Running::mirrors_now) {
                self.wake.wait_for(&mut table, CHECKPOINT);
            } else {
                self.wake.wait(&mut table);
            }
            let now = now();
            for running in table.values_mut() {
                self.work(running, now);
            }
        }
        let now = now();
        for running in table.values_mut() {
            running.read(now);
            running.machine.checkpoint(now);
            if let Err(error) = self.keep(running, true) {
                tracing::error!(%error, "a migration could not be kept at the end");
            }
        }
    }

    fn work(&self, running: &mut Running, now: Moment) {
        let happened = running.read(now);
        for entry in &happened {
            self.said(&running.lane.name, entry);
        }
        if !happened.is_empty() {
            self.settle(running);
        } else if (running.dirty || running.has_copies()) && running.kept.elapsed() >= CHECKPOINT {
            running.machine.checkpoint(now);
            if let Err(error) = self.keep(running, false) {
                tracing::warn!(%error, migration = &*running.lane.name, "what is known of a migration could not be kept");
            }
        }
    }

    /// Ends [`Migrations::run`].
    pub(crate) fn stop(&self) {
        // With the lock, so that nobody is between looking and waiting.
        let table = self.table.lock();
        self.stopped.store(true, Ordering::Relaxed);
        self.wake.notify_all();
        drop(table);
    }
}

impl Running {
    fn report(&self, now: Moment) -> MigrationReport {
        let mirror = self.mirrors.then(|| report::mirror(&self.lane.copied.shown()));
        MigrationReport { mirror, ..report::of(&self.machine, now) }
    }

    fn mirrors_now(&self) -> bool {
        self.mirrors
            && matches!(self.machine.phase(), Phase::Idle | Phase::Running | Phase::Paused | Phase::AwaitingApproval)
    }

    /// Whether copies have shown something since it was kept.
    fn has_copies(&self) -> bool {
        self.mirrors_now() && self.shown != self.lane.copied.shown()
    }

    /// Goes on under what is configured now.
    fn adopt(self, wanted: &Configured, now: Moment) -> Self {
        let machine = self.machine.adopt(wanted.definition.clone(), fresh_seed(), now);
        Self { machine, mirrors: wanted.mirror.is_some(), ..self }
    }

    /// Reads what calls have said, acting after each; what was done.
    fn read(&mut self, now: Moment) -> Vec<Entry> {
        let mut happened = Vec::new();
        for (arm, seen) in self.lane.take() {
            self.machine.observe(arm, &seen);
            self.dirty = true;
            if let Some(entry) = self.machine.tick(now) {
                happened.push(entry.clone());
                if self.machine.phase() == Phase::RolledBack {
                    // At once: what has been said beside it is of no more use.
                    self.publish();
                }
            }
        }
        happened.extend(self.machine.tick(now).cloned());
        happened
    }

    fn publish(&self) {
        let watched = self.machine.phase().is_under_way();
        let mirrors = self.mirrors_now() && !self.killed;
        let tools = self.machine.definition().guards.iter().any(|guard| guard.metric == Metric::InvalidToolCalls);
        self.lane.publish(self.machine.seed(), self.machine.share(), watched, tools, mirrors);
    }
}

fn unknown(name: &str, table: &BTreeMap<String, Running>) -> MigrationError {
    let known: Vec<&str> = table.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    MigrationError::Unknown(name.chars().take(64).collect(), known)
}

/// Who goes first is a matter of chance, once.
fn fresh_seed() -> Seed {
    Seed(fastrand::u64(..))
}

fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
