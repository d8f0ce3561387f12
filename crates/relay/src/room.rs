//! Where calls wait for room, and who lets them go.
//!
//! A call that finds room in its limits never comes here. One that does not, and whose mode lets it wait, is put into
//! the process's one [`Scheduler`] and sleeps on a channel of its own. It is woken by whoever makes room: the call
//! that ends and gives a permit or unused tokens back, on whatever worker that is, or the pacer, a thread that sleeps
//! until the next moment at which a limit has refilled enough to let somebody go. The scheduler's lock is held for
//! the time of one decision and never across an await; verdicts are delivered after it is released.
//!
//! Everything taken from limits is a [`Held`]. Its drop gives back what was not used and lets the next one go, so no
//! path can forget it: not a refusal, not a client that leaves while it waits, not a panic.

use crate::aside::{self, Aside};
use crate::limit_headers::Words;
use crate::snapshot::Snapshot;
use parking_lot::{Condvar, Mutex};
use sluicegate_flow::egress::Sent;
use sluicegate_flow::{
    Ask, Bounds, Debit, Kind, Limit, LimitSet, LimitTable, Nanos, Outcome, Refusal, Reservation, Scheduler, Shed,
    Stats, Waiter, WaiterId,
};
use sluicegate_vocabulary::{Fault, FaultKind, Priority};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the pacer rests after a panic, so that one that comes at once again does not fill the log.
const AFTER_PANIC: Duration = Duration::from_millis(100);
/// How often limits that nobody uses are forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// Limits, and with each set of them what answers say about it.
pub(crate) type Table = LimitTable<Words>;

/// The process's waiting calls, and its limits.
#[derive(Debug)]
pub(crate) struct Room {
    /// With what answers say about the limits of each set.
    pub(crate) table: Table,
    scheduler: Mutex<Scheduler<Place>>,
    /// Those that wait for something else than limits.
    pub(crate) aside: Aside,
    /// When the pacer has to look next, if earlier than it knows.
    alarm: Mutex<Option<Nanos>>,
    bell: Condvar,
    stopped: AtomicBool,
    started: Instant,
}

/// A waiting call's ear.
type Place = oneshot::Sender<Verdict>;

#[derive(Debug)]
enum Verdict {
    Admitted(Admitted),
    Shed(Shed, Duration),
}

/// A call that was let go.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) held: Held,
    /// Its place among all that was sent to its provider, if what it was to take there was taken.
    pub(crate) sent: Option<Sent>,
    /// How long it has waited.
    pub(crate) waited: Duration,
}

/// What a call wants to wait for.
pub(crate) struct Want<'a> {
    pub(crate) set: &'a LimitSet,
    pub(crate) ask: Ask,
    /// What it takes from its provider's own count when it goes.
    pub(crate) debit: Option<Debit>,
    /// The key, as a number.
    pub(crate) flow: u64,
    /// Bytes of its body.
    pub(crate) bytes: u64,
    pub(crate) arrived: Instant,
    /// When it must have been let go.
    pub(crate) until: Instant,
}

/// A call that was not let go.
#[derive(Debug)]
pub(crate) struct Late {
    /// `None` if it was forgotten, which would be a defect.
    why: Option<Shed>,
    /// How long it had waited.
    pub(crate) waited: Duration,
    /// How long it might have waited.
    patience: Duration,
}

impl Late {
    /// The limit that kept it waiting.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.why.as_ref().map(Shed::refusal)
    }

    /// What the client is told where the limit is one of its own.
    pub(crate) fn at_own_limit(&self) -> Fault {
        match &self.why {
            None => forgotten(),
            Some(Shed::NeverFits { refusal }) => fault(refusal),
            Some(Shed::Deadline { refusal }) => {
                let fault = fault(refusal);
                let message = format!("{} {}", fault.message, self.too_long());
                Fault { message: message.into(), ..fault }
            }
            Some(Shed::QueueFull { refusal } | Shed::PushedOut { refusal }) => no_room(refusal),
        }
    }

    /// What the client is told where the limit is a provider's.
    pub(crate) fn at_provider(&self) -> Fault {
        match &self.why {
            None => forgotten(),
            Some(Shed::NeverFits { refusal }) => fault(refusal),
            Some(Shed::Deadline { refusal }) => {
                let told = fault(refusal);
                let message = format!("{} {}", told.message, self.too_long());
                Fault { kind: FaultKind::Timeout, message: message.into(), ..told }.code("deadline_exceeded")
            }
            Some(Shed::QueueFull { refusal } | Shed::PushedOut { refusal }) => no_room(refusal),
        }
    }

    fn too_long(&self) -> String {
        format!("It could not be let go within the {:.1} s that it may wait.", self.patience.as_secs_f64())
    }
}

/// What a client is told whom a limit refuses.
pub(crate) fn fault(refusal: &Refusal) -> Fault {
    let fault = Fault::from(refusal);
    if refusal.never_fits() {
        return fault;
    }
    let ms = retry_after_ms(refusal);
    // Those who are refused together must not come back together. What is added keeps the time true.
    fault.retry_after_ms(ms.saturating_add((ms as f64 * 0.1 * fastrand::f64()) as u64))
}

/// When it makes sense to come back. A limit that refills knows. Of permits nobody knows when the next one comes back:
/// it is told how long that has commonly taken, and a second while none has come back yet.
pub(crate) fn retry_after_ms(refusal: &Refusal) -> u64 {
    let usual = || refusal.limit.frees_in().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
    refusal.retry_after_ms().or_else(usual).unwrap_or(1000)
}

fn forgotten() -> Fault {
    Fault::new(FaultKind::Internal, "The relay lost a waiting call; this is a defect of the relay.")
}

fn no_room(refusal: &Refusal) -> Fault {
    let message = format!("Too many calls wait already. {refusal}");
    let fault = Fault::new(FaultKind::Overloaded, message).code("queue_full").refused_by(refusal.refused_by());
    fault.retry_after_ms(retry_after_ms(refusal))
}

/// Room in limits. Dropped unsettled, all of it goes back; either way whoever waits for it is let go.
#[derive(Debug)]
pub(crate) struct Held {
    /// `None` once given back.
    reservation: Option<Reservation>,
    /// Tokens that were asked for at first.
    asked: u64,
    room: Arc<Room>,
}

impl Held {
    fn new(reservation: Reservation, room: &Arc<Room>) -> Self {
        Self { asked: reservation.cost().tokens, reservation: Some(reservation), room: Arc::clone(room) }
    }

    /// Tokens that are reserved, those that came to it later included.
    pub(crate) fn reserved(&self) -> u64 {
        self.reservation.as_ref().map_or(0, |reservation| reservation.cost().tokens)
    }

    /// More tokens than were reserved have come.
    pub(crate) fn top_up(&mut self, tokens: u64) {
        if let Some(reservation) = &mut self.reservation {
            reservation.top_up(self.room.now(), tokens);
        }
    }

    /// The call was sent and used so many tokens. Nothing is held any more.
    pub(crate) fn settle(&mut self, now: Nanos, tokens: u64) {
        if let Some(reservation) = self.reservation.take() {
            // The request stays charged.
            reservation.settle_then(now, tokens, |limits| self.room.freed(limits, |kind| kind != Kind::Requests));
        }
    }

    /// The call had to wait and used so many tokens: whoever waits beside it gets the rest, or has to do with less.
    /// One that asked for no tokens was counted as a request, and there is nothing to correct.
    pub(crate) fn correct(&self, class: Priority, flow: u64, tokens: u64) {
        let limits = self.reservation.as_ref().map(Reservation::limits).filter(|limits| limits.is_contended());
        if let Some(limits) = limits.filter(|_| self.asked > 0) {
            let beyond = i64::try_from(tokens).unwrap_or(i64::MAX).saturating_sub_unsigned(self.asked);
            self.room.scheduler.lock().correct(self.room.now(), limits, class, flow, beyond);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let limits = reservation.limits().clone();
            drop(reservation);
            self.room.freed(&limits, |_| true);
        }
    }
}

impl Room {
    /// An empty room.
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            table: Table::default(),
            scheduler: Mutex::new(Scheduler::new(bounds)),
            aside: Aside::default(),
            alarm: Mutex::new(None),
            bell: Condvar::new(),
            stopped: AtomicBool::new(false),
            started: Instant::now(),
        })
    }

    /// Time since the start, as limits count it.
    pub(crate) fn now(&self) -> Nanos {
        self.at(Instant::now())
    }

    /// A moment, as limits count time.
    pub(crate) fn at(&self, moment: Instant) -> Nanos {
        let nanos = moment.saturating_duration_since(self.started).as_nanos();
        Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes room if there is any and nobody waits for it.
    ///
    /// # Errors
    /// The limit that refuses, or `None` where others wait already.
    pub(crate) fn try_take(self: &Arc<Self>, now: Nanos, set: &LimitSet, ask: Ask) -> Result<Held, Option<Refusal>> {
        if set.is_contended() {
            return Err(None);
        }
        let refusal = match set.reserve(now, ask) {
            Ok(reservation) => return Ok(Held::new(reservation, self)),
            Err(refusal) => refusal,
        };
        // For a moment it had taken from the limits before the one that refused. Whoever began to wait for one of them
        // in that moment has not seen what is there again.
        self.freed(set, |_| true);
        Err(Some(refusal))
    }

    /// Waits for room.
    ///
    /// # Errors
    /// Why it was not to be had in time.
    pub(crate) async fn wait(self: &Arc<Self>, want: &Want<'_>) -> Result<Admitted, Late> {
        let patience = want.until.saturating_duration_since(want.arrived);
        let (place, verdict) = oneshot::channel();
        let waiter = Waiter {
            flow: want.flow,
            ask: want.ask,
            bytes: want.bytes,
            // Only what passes from here on is spent waiting.
            arrived: self.now(),
            deadline: self.at(want.until),
            lead: Duration::ZERO,
            set: want.set.clone(),
            debit: want.debit.clone(),
            item: place,
        };
        let mut outcomes = Vec::new();
        let (id, next) = {
            let mut scheduler = self.scheduler.lock();
            let id = scheduler.enqueue(self.now(), waiter, &mut outcomes);
            (id, scheduler.next_at())
        };
        self.deliver(outcomes);
        self.arm(next);
        let _leaving = id.map(|id| Leaving { id, room: self });
        match verdict.await {
            Ok(Verdict::Admitted(admitted)) => Ok(admitted),
            Ok(Verdict::Shed(why, waited)) => Err(Late { why: Some(why), waited, patience }),
            Err(_) => Err(Late { why: None, waited: Duration::ZERO, patience }),
        }
    }

    /// A call waits `since` then for something that is no limit, and takes a place among all that wait until this is dropped; `None`
    /// where there is none.
    pub(crate) fn step_aside(
        self: &Arc<Self>,
        since: Nanos,
        class: Priority,
        flow: u64,
        bytes: u64,
    ) -> Option<SetAside> {
        let mut scheduler = self.scheduler.lock();
        scheduler.has_room(bytes).then(|| self.place_aside(&mut scheduler, since, class, flow, bytes))
    }

    /// One that had such a place, and gave it up to wait at a limit, has it again.
    pub(crate) fn step_back(self: &Arc<Self>, since: Nanos, class: Priority, flow: u64, bytes: u64) -> SetAside {
        self.place_aside(&mut self.scheduler.lock(), since, class, flow, bytes)
    }

    fn place_aside(
        self: &Arc<Self>,
        scheduler: &mut Scheduler<Place>,
        since: Nanos,
        class: Priority,
        flow: u64,
        bytes: u64,
    ) -> SetAside {
        scheduler.set_aside(bytes, true);
        SetAside { waiting: self.aside.enter(since, class, flow, bytes), room: Arc::clone(self) }
    }

    /// The scheduler's state, for display.
    pub(crate) fn stats(&self) -> Stats {
        self.scheduler.lock().stats(self.now())
    }

    /// How many calls of a caller wait.
    pub(crate) fn waiting_of(&self, flow: u64) -> usize {
        self.scheduler.lock().waiting_of(flow) + self.aside.of_flow(flow)
    }

    /// Other limits, or other bounds, are in force.
    pub(crate) fn changed(self: &Arc<Self>, snapshot: &Snapshot, bounds: Bounds) {
        // Those who wait hold the old limits, and meet the new ones only through them.
        let now = self.now();
        snapshot.every_limit().for_each(|spec| self.table.renew(spec, now));
        let mut outcomes = Vec::new();
        let next = {
            let mut scheduler = self.scheduler.lock();
            scheduler.reconfigure(bounds);
            scheduler.limits_changed(self.now(), &mut outcomes);
            scheduler.next_at()
        };
        self.deliver(outcomes);
        self.arm(next);
    }

    /// A limit that changes all the time has changed.
    pub(crate) fn resize(self: &Arc<Self>, limit: &Arc<Limit>, permits: u64) {
        limit.resize(permits);
        if limit.waiting() > 0 {
            self.freed(&LimitSet::new([Arc::clone(limit)]), |_| true);
        }
    }

    /// A provider takes calls again: whoever waits for one of these limits asks once more.
    #[cold]
    pub(crate) fn opened(self: &Arc<Self>, limits: &LimitSet) {
        self.freed(limits, |_| true);
    }

    /// Something has come back to those of these limits that count such things.
    fn freed(self: &Arc<Self>, limits: &LimitSet, counts: impl Fn(Kind) -> bool) {
        if !limits.limits().iter().any(|limit| limit.waiting() > 0 && counts(limit.kind())) {
            return;
        }
        let mut outcomes = Vec::new();
        let next = {
            let mut scheduler = self.scheduler.lock();
            let now = self.now();
            for limit in limits.limits().iter().filter(|limit| limit.waiting() > 0 && counts(limit.kind())) {
                scheduler.release(now, limit.id(), &mut outcomes);
            }
            scheduler.next_at()
        };
        self.deliver(outcomes);
        self.arm(next);
    }

    fn deliver(self: &Arc<Self>, outcomes: Vec<Outcome<Place>>) {
        for outcome in outcomes {
            // Whoever has left meanwhile drops what he was sent, and thereby gives it back.
            let _ = match outcome {
                Outcome::Admitted { item, reservation, sent, waited } => {
                    let held = Held::new(reservation, self);
                    item.send(Verdict::Admitted(Admitted { held, sent, waited }))
                }
                Outcome::Shed { item, why, waited } => item.send(Verdict::Shed(why, waited)),
            };
        }
    }

    /// Sees to it that the pacer looks no later than this.
    fn arm(&self, next: Option<Nanos>) {
        let Some(next) = next else { return };
        let mut alarm = self.alarm.lock();
        if alarm.is_none_or(|alarm| next < alarm) {
            *alarm = Some(next);
            self.bell.notify_one();
        }
    }

    /// Lets go whoever can go, whenever somebody can; until [`Room::stop`]. Blocks: it is a thread's whole life. A defect
    /// that ends a round by a panic must not leave everybody waiting for ever.
    pub(crate) fn keep_pace(self: &Arc<Self>) {
        while !self.stopped.load(Ordering::Relaxed) {
            if std::panic::catch_unwind(AssertUnwindSafe(|| self.pace())).is_err() {
                tracing::error!("the pacer of waiting calls panicked and goes on; this is a defect of the relay");
                std::thread::sleep(AFTER_PANIC);
            }
        }
    }

    fn pace(self: &Arc<Self>) {
        let mut swept = Instant::now();
        while !self.stopped.load(Ordering::Relaxed) {
            let mut outcomes = Vec::new();
            let next = {
                let mut scheduler = self.scheduler.lock();
                scheduler.pump(self.now(), &mut outcomes);
                scheduler.next_at()
            };
            self.deliver(outcomes);
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.table.sweep(self.now());
            }
            let mut alarm = self.alarm.lock();
            *alarm = [*alarm, next].into_iter().flatten().min();
            // A bell that rings is answered at once; the alarm then says until when to sleep on.
            loop {
                let wake =
                    alarm.map_or(swept + SWEEP, |at| (self.started + Duration::from_nanos(at.0)).min(swept + SWEEP));
                if self.stopped.load(Ordering::Relaxed) || self.bell.wait_until(&mut alarm, wake).timed_out() {
                    break;
                }
            }
            *alarm = None;
        }
    }

    /// Ends the pacer.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(self.alarm.lock());
        self.bell.notify_all();
    }
}

/// A place among those that wait for something else than limits, given up by its drop.
#[derive(Debug)]
#[must_use = "it is counted only as long as this lives"]
pub(crate) struct SetAside {
    waiting: aside::Waiting,
    room: Arc<Room>,
}

impl Drop for SetAside {
    fn drop(&mut self) {
        self.room.scheduler.lock().set_aside(self.waiting.bytes, false);
        self.room.aside.leave(&self.waiting);
    }
}

/// A place in the queue, given up when the call stops waiting for whatever reason.
struct Leaving<'a> {
    id: WaiterId,
    room: &'a Arc<Room>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        // One that was let go or refused is no longer there, and this does nothing.
        let (place, next) = {
            let mut scheduler = self.room.scheduler.lock();
            (scheduler.cancel(self.room.now(), self.id), scheduler.next_at())
        };
        if place.is_some() {
            self.room.arm(next);
        }
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
