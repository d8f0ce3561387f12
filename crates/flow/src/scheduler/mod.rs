//! Waiting: who waits for what, who goes next, and who is told at once that waiting is in vain.
//!
//! A call that finds room never comes here. One that does not waits at the limit that is short, in a queue of that
//! limit's own: the limit of one key never keeps the calls of another waiting, and nobody has to search a common queue
//! for those who could go. Everything here is a plain structure. Time is an argument, outcomes are appended to a list,
//! and what waits carries an item of the caller's choice: a waker in the relay, a number in a simulation.
//!
//! **Order.** At each limit calls are served by [`FairQueue`]: classes by their weights, flows of a class evenly, calls
//! of a flow in order; by cost, corrected by what was really used.
//!
//! **Several limits.** A call needs all its limits in one moment. It waits at one of them; when its turn comes there and
//! the limit has room, it tries the whole set. If others wait at another limit of the set, or that is short for longer
//! than a moment, the call goes on waiting there, at the place its order gives it, and the turn it has had counts: it
//! is charged for it, and it need not wait for one again. So a call passes each contended limit once, in any order,
//! and never goes round in circles. Once it has had its turn everywhere, only room can be missing, and it becomes a
//! claimant at the limits concerned (see [`line`]): they serve nobody before it. Claimants are ordered by age, so two
//! never wait for each other, and a limit is held up by one for no longer than it takes to make room for that call
//! itself. A slow limit is held for a fast one, therefore, and never the other way round.
//!
//! **Waiting before refusing.** A newcomer waits as long as its expected wait ends before its deadline. The wait is
//! reckoned from what would be served before it, at the limit's pace. If it cannot fit, the newcomer is refused at
//! once: being told after a minute is worse. The lower classes are the first to be refused, since their smaller weights
//! make their queues the slower ones. Pushing them out would not let a higher class in sooner: what they are served
//! meanwhile is their share. From such a refusal until its queue has been empty once, a class serves newest first, but
//! only as far as everybody of the flow still gets his turn in time. Those who were let in were promised that.
//!
//! **Promises.** Nobody is dispatched after its deadline, or too late for it. Waiting calls and their bytes stay within
//! [`Bounds`]. Every call has exactly one outcome or is cancelled, and takes its counts with it. One call into this
//! module does a bounded amount of work for each call it lets go or sheds.

mod crowd;
mod estimate;
mod fair;
mod line;
mod pair;
mod rate;
mod room;
mod run;
mod turn;
mod waiter;

pub use self::fair::{Ahead, Backlog, FairQueue, Place};
pub use self::waiter::{Bounds, Debit, LimitWait, Outcome, Shed, Sheds, Stats, Waiter, WaiterId};

use self::crowd::Crowd;
use self::fair::{CLASSES, KEEP};
use self::line::Line;
use self::pair::Pair;
use self::room::{Guest, Room};
use crate::ask::Ask;
use crate::hash::NumberMap;
use crate::limit::{Limit, LimitId};
use crate::refusal::{Reason, Refusal};
use crate::set::LimitSet;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Limits at which nobody waits any more are remembered, for what is owed there, while there are no more than this.
const KEPT_LINES: usize = 4_096;
/// How many calls may go on to another limit in one go. What is left then is due at once.
const MOST_MOVES: usize = 256;

/// All that waits. See the module's text.
///
/// The caller's part: [`Self::pump`] when [`Self::next_at`] has come; [`Self::release`] when something was given back to a
/// limit for which somebody waits; [`Self::limits_changed`] after a reload; [`Self::correct`] for calls that waited, when
/// their real use is known.
#[derive(Debug)]
pub struct Scheduler<T> {
    bounds: Bounds,
    waiters: Crowd<Waiting<T>>,
    lines: NumberMap<LimitId, Line>,
    timers: BTreeSet<(Nanos, LimitId)>,
    /// Until when each must have been dispatched.
    latest: BTreeSet<Pair>,
    room: Room,
    admitted: [u64; 4],
    sheds: [Sheds; 4],
    /// The lines to be worked through; empty between calls, kept for its memory.
    todo: Vec<LimitId>,
}

/// One that waits.
#[derive(Debug)]
struct Waiting<T> {
    waiter: Waiter<T>,
    seat: Seat,
    passed: Passed,
}

/// Where it waits.
#[derive(Debug)]
enum Seat {
    /// In the queue of a limit.
    Queue(LimitId),
    /// Before the queues of several, until a time.
    Claims(Vec<LimitId>, Nanos),
}

/// The limits of its set at which a call has had its turn, by their number in the set. From the 32nd on there is no
/// order; no set has as many.
#[derive(Debug, Clone, Copy, Default)]
struct Passed(u32);

impl Passed {
    const fn bit(number: usize) -> u32 {
        if number < 32 { 1 << number } else { 0 }
    }

    const fn has(self, number: usize) -> bool {
        number >= 32 || self.0 & Self::bit(number) != 0
    }

    const fn set(&mut self, number: usize) {
        self.0 |= Self::bit(number);
    }

    const fn clear(&mut self, number: usize) {
        self.0 &= !Self::bit(number);
    }
}

impl<T> Waiting<T> {
    fn guest(&self, id: u64) -> Guest {
        let Waiter { flow, ask, bytes, .. } = self.waiter;
        Guest { id, class: ask.class, flow, bytes, latest: self.waiter.latest() }
    }
}

/// Which count a call that is not served goes into, and what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Early,
    Late,
    QueueFull,
    PushedOut,
    NeverFits,
}

impl<T> Scheduler<T> {
    /// Nobody waits.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiters: Crowd::default(),
            lines: NumberMap::default(),
            timers: BTreeSet::new(),
            latest: BTreeSet::new(),
            room: Room::default(),
            admitted: [0; 4],
            sheds: [Sheds::default(); 4],
            todo: Vec::new(),
        }
    }

    /// New bounds and weights. Nobody who waits is sent away; while there are too many, newcomers are.
    pub fn reconfigure(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.lines.values_mut().for_each(|line| line.queue.set_weights(bounds.weights));
        self.room = self.room.emptied();
        for (id, waiting) in self.waiters.iter() {
            self.room.enter(&bounds, &waiting.guest(id));
        }
    }

    /// A call that may have to wait. Its outcome, and those of others that it brings about, are appended to `out`. Returns
    /// by which name it waits, or `None` if its own outcome is among them.
    pub fn enqueue(&mut self, now: Nanos, waiter: Waiter<T>, out: &mut Vec<Outcome<T>>) -> Option<WaiterId> {
        let ask = waiter.ask;
        // Also one that would wait behind others for another limit is told at once.
        if let Some(refusal) = never_fits(now, &waiter) {
            self.refuse(now, waiter, Why::NeverFits, refusal, out);
            return None;
        }
        let (limit, expected) = match self.slowest(now, &waiter) {
            Some(slowest) => slowest,
            None => match waiter.set.reserve(now, ask) {
                Ok(reservation) => {
                    let waited = waiter.arrived.until(now);
                    out.push(Outcome::Admitted { item: waiter.item, reservation, sent: None, waited });
                    return None;
                }
                Err(refusal) => {
                    let line = self.line(&refusal.limit);
                    line.wake = refusal.retry_after.map(|wait| now.after(wait));
                    let own = line.own_time(now, &ask).unwrap_or_default();
                    (refusal.limit, refusal.retry_after.unwrap_or(own))
                }
            },
        };
        if now.after(expected) > waiter.latest() {
            self.line(&limit).begin_shedding(ask.class);
            let refusal = refusal(now, &limit, &ask, expected);
            self.refuse(now, waiter, Why::Early, refusal, out);
            self.tidy(now, limit.id());
            return None;
        }
        let mut todo = std::mem::take(&mut self.todo);
        if !self.make_room(now, &waiter, &mut todo, out) {
            let expected = self.expected_at(now, &limit, waiter.flow, &ask).unwrap_or(expected);
            let refusal = refusal(now, &limit, &ask, expected);
            self.refuse(now, waiter, Why::QueueFull, refusal, out);
            self.tidy(now, limit.id());
            return None;
        }
        let (bytes, latest, patience) = (waiter.bytes, waiter.latest(), waiter.patience());
        let quota = waiter.debit.as_ref().map(Debit::whose);
        let mut place = place(&waiter, &limit, 0);
        let seat = Seat::Queue(limit.id());
        let id = self.waiters.insert(Waiting { waiter, seat, passed: Passed::default() });
        place.order = id;
        let Place { class, flow, .. } = place;
        self.room.enter(&self.bounds, &Guest { id, class, flow, bytes, latest });
        self.latest.insert(Pair::of(latest.0, id));
        let line = self.line(&limit);
        let alone = line.is_empty();
        line.push(now, place, patience, quota);
        // Who begins to wait asks once more, lest it miss what was given back just before; behind others, only if it is
        // their turn no more.
        if alone || line.capped || line.queue.is_next(class, flow, id) {
            todo.push(limit.id());
        }
        self.run(now, todo, out);
        self.waiters.get(id).is_some().then_some(WaiterId(id))
    }

    /// Whether there is room for one more to wait, here or elsewhere, without anybody's leaving.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        self.room.fits(&self.bounds, bytes)
    }

    /// A call waits for something that is no limit, and its body of so many bytes with it: it takes room here until
    /// `waits` is told to be false. Whether there is room is the caller's to ask before.
    pub fn set_aside(&mut self, bytes: u64, waits: bool) {
        self.room.set_aside(bytes, waits);
    }

    /// The client has left: gives back the item, unless the call has had its outcome already.
    pub fn cancel(&mut self, now: Nanos, id: WaiterId) -> Option<T> {
        let mut freed = Vec::new();
        let waiting = self.unlink(now, id.0, &mut freed)?;
        for at in freed {
            // Whoever is next may need less, and be able to go at once.
            self.set_timer(at, Some(now));
            self.tidy(now, at);
        }
        Some(waiting.waiter.item)
    }

    /// Lets go whatever can go by now, and sheds whoever cannot be served in time any more.
    pub fn pump(&mut self, now: Nanos, out: &mut Vec<Outcome<T>>) {
        let mut todo = std::mem::take(&mut self.todo);
        while let Some((latest, id)) = self.latest.first().map(|pair| pair.both()) {
            if latest >= now.0 {
                break;
            }
            self.shed(now, id, Why::Late, &mut todo, out);
        }
        // Working through a line sets its timer anew.
        let due = self.timers.iter().take_while(|&&(at, _)| at <= now);
        todo.extend(due.map(|&(_, limit)| limit));
        self.run(now, todo, out);
    }

    /// Something was given back to a limit: lets go whoever waits for it and can go now.
    pub fn release(&mut self, now: Nanos, limit: LimitId, out: &mut Vec<Outcome<T>>) {
        if self.lines.get(&limit).is_some_and(|line| !line.is_empty()) {
            self.run(now, vec![limit], out);
        }
    }

    /// Limits have been reconfigured: whoever can go under the new ones goes. Nobody loses his place.
    pub fn limits_changed(&mut self, now: Nanos, out: &mut Vec<Outcome<T>>) {
        let mut all: Vec<LimitId> = self.lines.keys().copied().collect();
        all.sort_unstable();
        self.run(now, all, out);
    }

    /// When [`Self::pump`] is due next; `None` if nothing waits for time to pass.
    #[must_use]
    pub fn next_at(&self) -> Option<Nanos> {
        let timer = self.timers.first().map(|&(at, _)| at);
        let shed = self.latest.first().map(|pair| Nanos(pair.both().0.saturating_add(1)));
        timer.into_iter().chain(shed).min()
    }

    /// A call that had to wait has ended and used `beyond` tokens more than were estimated, or less. Its class and flow
    /// are charged for it wherever they wait.
    pub fn correct(&mut self, now: Nanos, set: &LimitSet, class: Priority, flow: u64, beyond: i64) {
        for limit in set.limits() {
            if let Some(line) = self.lines.get_mut(&limit.id()) {
                line.queue.correct(now, class, flow, beyond);
            }
        }
    }

    /// How many calls wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.len() == 0
    }

    /// How many calls of a flow wait.
    #[must_use]
    pub fn waiting_of(&self, flow: u64) -> usize {
        self.room.of_flow(flow)
    }

    /// How long a call like this would wait, by what waits now; zero if nobody waits for any of its limits.
    #[must_use]
    pub fn expected_wait(&self, now: Nanos, set: &LimitSet, ask: &Ask, flow: u64) -> Duration {
        set.limits().iter().filter_map(|limit| self.expected_at(now, limit, flow, ask)).max().unwrap_or_default()
    }

    /// The state for metrics and live views. Looks at everybody who waits.
    #[must_use]
    pub fn stats(&self, now: Nanos) -> Stats {
        let mut limits: BTreeMap<LimitId, LimitWait> = BTreeMap::new();
        let mut by_class = [Duration::ZERO; 4];
        for (_, waiting) in self.waiters.iter() {
            let oldest = waiting.waiter.arrived.until(now);
            if let Some(of_class) = by_class.get_mut(waiting.waiter.ask.class as usize) {
                *of_class = oldest.max(*of_class);
            }
            for at in waiting.seat.limits() {
                let Some(line) = self.lines.get(at) else { continue };
                let entry = limits.entry(*at).or_insert_with(|| LimitWait {
                    id: *at,
                    label: line.limit.label().clone(),
                    kind: line.limit.kind(),
                    waiting: 0,
                    oldest,
                    shedding: line.shedding,
                });
                entry.waiting += 1;
                entry.oldest = entry.oldest.max(oldest);
            }
        }
        Stats {
            waiting: CLASSES.map(|class| self.room.of_class(class).calls),
            oldest: by_class,
            bytes: self.room.taken().bytes,
            limits: limits.into_values().collect(),
            admitted: self.admitted,
            sheds: self.sheds,
        }
    }
}

impl Seat {
    fn limits(&self) -> &[LimitId] {
        match self {
            Self::Queue(at) => std::slice::from_ref(at),
            Self::Claims(all, _) => all,
        }
    }
}

/// What keeps the parts in step.
impl<T> Scheduler<T> {
    /// The limit of a set at which a newcomer would wait longest, if anybody waits at any, and how long, or zero if that
    /// is surely in time. There it waits first: once it is through, the others are soon passed, and until then it is not
    /// in their way.
    fn slowest(&self, now: Nanos, waiter: &Waiter<T>) -> Option<(Arc<Limit>, Duration)> {
        let Waiter { flow, ask, .. } = waiter;
        let contended = |limit: &&Arc<Limit>| limit.waiting() > 0 && self.lines.contains_key(&limit.id());
        let mut limits = waiter.set.limits().iter().filter(contended);
        let (first, second) = (limits.next()?, limits.next());
        let within = now.until(waiter.latest());
        let line = self.lines.get(&first.id())?;
        line.queue.fetch(ask.class, *flow);
        if second.is_none() && line.surely_within(now, ask, within) {
            return Some((Arc::clone(first), Duration::ZERO));
        }
        let expected = |limit| Some((limit, self.expected_at(now, limit, *flow, ask)?));
        let slowest = std::iter::once(first).chain(second).chain(limits).filter_map(expected);
        slowest.max_by_key(|&(_, expected)| expected).map(|(limit, expected)| (Arc::clone(limit), expected))
    }

    /// How long a new call would wait at one limit; `None` if nobody waits there.
    fn expected_at(&self, now: Nanos, limit: &Arc<Limit>, flow: u64, ask: &Ask) -> Option<Duration> {
        let line = self.lines.get(&limit.id()).filter(|line| !line.is_empty())?;
        Some(line.expected(now, flow, ask, cost_of(ask)))
    }

    /// The line of a limit.
    fn line(&mut self, limit: &Arc<Limit>) -> &mut Line {
        let weights = self.bounds.weights;
        match self.lines.entry(limit.id()) {
            Entry::Occupied(line) => line.into_mut(),
            Entry::Vacant(none) => none.insert(Line::new(Arc::clone(limit), weights)),
        }
    }

    /// Lets others leave so that this one can enter, or says that it cannot.
    fn make_room(
        &mut self,
        now: Nanos,
        waiter: &Waiter<T>,
        todo: &mut Vec<LimitId>,
        out: &mut Vec<Outcome<T>>,
    ) -> bool {
        let Waiter { flow, ask, bytes, .. } = *waiter;
        if self.waiters.len() >= crowd::MOST {
            return false;
        }
        let newcomer = Guest { id: self.waiters.newest(), class: ask.class, flow, bytes, latest: waiter.latest() };
        let waiters = &self.waiters;
        let find = |id| waiters.get(id).map(|waiting| waiting.guest(id));
        let guests = || waiters.iter().map(|(id, waiting)| waiting.guest(id));
        let Some(leaving) = self.room.make_way(&self.bounds, &newcomer, guests, find) else { return false };
        for guest in leaving {
            self.shed(now, guest.id, Why::PushedOut, todo, out);
        }
        true
    }

    /// Takes one out of everything it is in. Turns it has had and will not use are given back. `freed` gets the limits at
    /// which others may now go.
    fn unlink(&mut self, now: Nanos, id: u64, freed: &mut Vec<LimitId>) -> Option<Waiting<T>> {
        let waiting = self.waiters.remove(id)?;
        let guest = waiting.guest(id);
        self.room.leave(&self.bounds, &guest);
        self.latest.remove(&Pair::of(guest.latest.0, id));
        for at in waiting.seat.limits() {
            let Some(line) = self.lines.get_mut(at) else { continue };
            match waiting.seat {
                Seat::Queue(_) => line.take(now, guest.class, guest.flow, id, false),
                Seat::Claims(..) => line.release_claim(id),
            }
            freed.push(*at);
        }
        let back = i64::try_from(waiting.waiter.cost()).unwrap_or(i64::MAX).saturating_neg();
        for (number, limit) in waiting.waiter.set.limits().iter().enumerate() {
            if number < 32
                && waiting.passed.has(number)
                && let Some(line) = self.lines.get_mut(&limit.id())
            {
                line.queue.correct(now, guest.class, guest.flow, back);
            }
        }
        Some(waiting)
    }

    /// One that waits will not be served.
    fn shed(&mut self, now: Nanos, id: u64, why: Why, todo: &mut Vec<LimitId>, out: &mut Vec<Outcome<T>>) {
        let Some(waiting) = self.waiters.get(id) else { return };
        let Waiter { flow, ask, .. } = waiting.waiter;
        let at = waiting.seat.limits().last().and_then(|at| self.lines.get(at));
        let refusal = at.map(|line| {
            let expected = line.expected(now, flow, &ask, 0);
            refusal(now, &line.limit, &ask, expected)
        });
        if let (Some(refusal), Some(waiting)) = (refusal, self.unlink(now, id, todo)) {
            self.refuse(now, waiting.waiter, why, refusal, out);
        }
    }

    /// One that does not wait, or not any more, is told so.
    fn refuse(&mut self, now: Nanos, waiter: Waiter<T>, why: Why, refusal: Refusal, out: &mut Vec<Outcome<T>>) {
        let Some(sheds) = self.sheds.get_mut(waiter.ask.class as usize) else { return };
        let (count, why) = match why {
            Why::Early => (&mut sheds.early, Shed::Deadline { refusal }),
            Why::Late => (&mut sheds.late, Shed::Deadline { refusal }),
            Why::QueueFull => (&mut sheds.queue_full, Shed::QueueFull { refusal }),
            Why::PushedOut => (&mut sheds.pushed_out, Shed::PushedOut { refusal }),
            Why::NeverFits => (&mut sheds.never_fits, Shed::NeverFits { refusal }),
        };
        *count += 1;
        let waited = waiter.arrived.until(now);
        out.push(Outcome::Shed { item: waiter.item, why, waited });
    }

    /// When a line is looked at again.
    fn set_timer(&mut self, at: LimitId, timer: Option<Nanos>) {
        let Some(line) = self.lines.get_mut(&at) else { return };
        let before = std::mem::replace(&mut line.timer, timer);
        if before == timer {
            return;
        }
        if let Some(timer) = timer {
            self.timers.insert((timer, at));
        }
        if let Some(before) = before {
            self.timers.remove(&(before, at));
        }
    }

    /// A line at which nobody waits goes, unless something is owed there that is worth remembering.
    fn tidy(&mut self, now: Nanos, at: LimitId) {
        let kept = self.lines.len();
        let Some(line) = self.lines.get_mut(&at).filter(|line| line.is_empty()) else { return };
        line.wake = None;
        line.shedding = [false; 4];
        if line.queue.remembers(now) && kept <= KEPT_LINES {
            self.set_timer(at, Some(now.after(KEEP)));
        } else {
            self.set_timer(at, None);
            self.lines.remove(&at);
        }
    }
}

/// How a call stands in a limit's queue.
fn place<T>(waiter: &Waiter<T>, limit: &Limit, id: u64) -> Place {
    let Waiter { flow, ask, .. } = waiter;
    let (cost, amount) = (waiter.cost(), ask.cost.of(limit.kind()));
    Place { class: ask.class, flow: *flow, order: id, cost, amount }
}

/// The limit of its set that never has as much as a call asks for.
fn never_fits<T>(now: Nanos, waiter: &Waiter<T>) -> Option<Refusal> {
    let limits = waiter.set.limits().iter().filter(|limit| limit.never_fits(&waiter.ask));
    limits.filter_map(|limit| limit.would_refuse(now, &waiter.ask)).find(Refusal::never_fits)
}

/// What a call counts for when shares are compared: its tokens, or its requests where it has none.
fn cost_of(ask: &Ask) -> u64 {
    if ask.cost.tokens > 0 { ask.cost.tokens } else { ask.cost.requests.max(1) }
}

/// What a call is told that a limit keeps from being served: the wait is the limit's own or that for those before it,
/// whichever is longer.
fn refusal(now: Nanos, limit: &Arc<Limit>, ask: &Ask, expected: Duration) -> Refusal {
    let own = limit.would_refuse(now, ask);
    let refusal = own.unwrap_or_else(|| Refusal {
        limit: Arc::clone(limit),
        reason: Reason::Pace,
        left: limit.status(now).left,
        needed: ask.cost.of(limit.kind()),
        retry_after: None,
    });
    // Nothing expected means that nobody knows, not that it is now.
    let expected = Some(expected).filter(|expected| !expected.is_zero());
    let retry_after = if refusal.never_fits() { None } else { refusal.retry_after.max(expected) };
    Refusal { retry_after, ..refusal }
}

#[cfg(test)]
mod support;

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;

#[cfg(test)]
mod laws_tests;

#[cfg(test)]
mod overload_tests;
