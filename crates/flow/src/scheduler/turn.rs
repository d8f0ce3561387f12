//! Whose turn it is, and what comes of it.
//!
//! Lines are worked through one by one. At each, the next one by order tries its whole set of limits. It goes; or its
//! own limit has no room for it, and the line waits; or the limit has room but not for its class, and the next class
//! is asked; or another limit is in its way, and it waits on there.

use super::fair::Place;
use super::line::Line;
use super::pair::Pair;
use super::{Debit, MOST_MOVES, Scheduler, Seat, Waiter, Why, place};
use crate::ask::{Ask, Cost};
use crate::egress::Sent;
use crate::limit::{Limit, LimitId};
use crate::refusal::{Reason, Refusal};
use crate::reservation::Reservation;
use crate::scheduler::waiter::Outcome;
use crate::set::LimitSet;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::sync::Arc;
use std::time::Duration;

/// Nobody tries again sooner than this.
const SOONEST: Duration = Duration::from_micros(1);

/// What came of a turn.
enum Turn {
    /// It went or was shed: the next one, please.
    Done,
    /// It waits on elsewhere: the next one, please.
    Moved,
    /// There is no room for its class.
    Capped,
    /// There is no room until then; `None`: until something is given back.
    Wait(Option<Nanos>),
}

/// A call as it tries its limits.
struct Trial {
    id: u64,
    flow: u64,
    ask: Ask,
    set: LimitSet,
}

impl<T> Scheduler<T> {
    /// Works through lines until nobody can go any more.
    pub(super) fn run(&mut self, now: Nanos, mut todo: Vec<LimitId>, out: &mut Vec<Outcome<T>>) {
        let mut moves = MOST_MOVES;
        while let Some(at) = todo.pop() {
            self.work(now, at, &mut moves, &mut todo, out);
        }
        self.todo = todo;
    }

    /// Works through one line. Lines at which something changes are added to `todo`.
    fn work(&mut self, now: Nanos, at: LimitId, moves: &mut usize, todo: &mut Vec<LimitId>, out: &mut Vec<Outcome<T>>) {
        let mut capped: Option<Priority> = None;
        let wake = loop {
            if *moves == 0 {
                break Some(now);
            }
            let Some(line) = self.lines.get(&at) else { return };
            let turn = if let Some(&first) = line.claims.first() {
                self.claimants_turn(now, at, first, todo, out)
            } else {
                // A class that is kept back keeps back those below it.
                let next = line.queue.next_class(|class| capped.is_none_or(|capped| class > capped));
                let Some(class) = next else { break None };
                if line.is_shedding(class) {
                    let guests = self.waiters.iter().map(|(id, waiting)| waiting.guest(id));
                    self.room.look_closely(&self.bounds, guests);
                }
                let Some(id) = self.next_of(now, line, class) else { break None };
                match self.turn(now, at, id, todo, out) {
                    Turn::Capped => {
                        capped = Some(class);
                        continue;
                    }
                    turn => turn,
                }
            };
            match turn {
                Turn::Done | Turn::Capped => {}
                Turn::Moved => *moves -= 1,
                // Never at once: what has not changed by now has not changed at once.
                Turn::Wait(until) => break until.map(|until| until.max(now.after(SOONEST))),
            }
        };
        if let Some(line) = self.lines.get_mut(&at) {
            line.wake = wake;
            line.capped = capped.is_some();
        }
        self.set_timer(at, wake);
        self.tidy(now, at);
    }

    /// The next one of a class: of the flow whose turn it is, the oldest; while the class is shedding the newest, if
    /// after that everybody of the flow still gets his turn in time.
    fn next_of(&self, now: Nanos, line: &Line, class: Priority) -> Option<u64> {
        let flow = line.queue.next_flow(class)?;
        let oldest = line.queue.oldest(class, flow)?;
        if !line.is_shedding(class) {
            return Some(oldest);
        }
        let newest = line.queue.newest(class, flow)?;
        let nothing = Ask { cost: Cost::default(), class, ..Ask::default() };
        let all_gone = now.after(line.expected(now, flow, &nothing, 0));
        let in_time = self.room.earliest(class, flow).is_some_and(|earliest| all_gone < earliest);
        Some(if in_time { newest } else { oldest })
    }

    fn trial(&self, id: u64) -> Option<Trial> {
        let waiting = self.waiters.get(id)?;
        let Waiter { flow, ask, .. } = waiting.waiter;
        Some(Trial { id, flow, ask, set: waiting.waiter.set.clone() })
    }

    /// The turn of the next one in a queue.
    fn turn(&mut self, now: Nanos, at: LimitId, id: u64, todo: &mut Vec<LimitId>, out: &mut Vec<Outcome<T>>) -> Turn {
        let Some(waiting) = self.waiters.get(id) else { return Turn::Wait(None) };
        if waiting.waiter.latest() < now {
            self.shed(now, id, Why::Late, todo, out);
            return Turn::Done;
        }
        let (Waiter { ask, set, .. }, passed) = (&waiting.waiter, waiting.passed);
        let others = || set.limits().iter().enumerate().filter(|(_, limit)| limit.id() != at);
        let line = |limit: &Arc<Limit>| self.lines.get(&limit.id());
        let behind = others()
            .find(|(number, limit)| !passed.has(*number) && line(limit).is_some_and(|line| !line.is_empty()))
            .map(|(_, limit)| Arc::clone(limit));
        let held = others()
            .find(|(_, limit)| line(limit).is_some_and(|line| !line.claims.is_empty()))
            .map(|(_, limit)| Arc::clone(limit));
        let refused = if behind.is_none() && held.is_none() {
            match set.reserve(now, *ask) {
                Ok(reservation) => match self.debit(now, at, &waiting.waiter) {
                    Ok(sent) => {
                        self.admit(now, id, reservation, sent, todo, out);
                        return Turn::Done;
                    }
                    // The provider would refuse whoever went now, and all here are alike to it.
                    Err(wait) => return Turn::Wait(Some(now.after(wait))),
                },
                Err(refusal) => Some(refusal),
            }
        } else {
            None
        };
        let refused_here = refused.filter(|refusal| refusal.limit.id() == at).or_else(|| {
            let here = set.limits().iter().find(|limit| limit.id() == at);
            here.and_then(|limit| limit.would_refuse(now, ask))
        });
        if let Some(refusal) = &refused_here {
            match refusal.reason {
                Reason::Class => return Turn::Capped,
                Reason::Exhausted | Reason::Pace => {
                    return Turn::Wait(refusal.retry_after.map(|wait| now.after(wait)));
                }
                Reason::NeverFits => {}
            }
        }
        let Some(trial) = self.trial(id) else { return Turn::Wait(None) };
        if let Some(refusal) = refused_here {
            return self.never(now, &trial, refusal, todo, out);
        }
        if let Some(limit) = behind {
            self.wait_on(now, at, &limit, &trial, todo);
            return Turn::Moved;
        }
        if let Some(limit) = held {
            return self.claim(now, at, &limit, None, &trial);
        }
        match blocker(now, &trial, at) {
            // It came back in the meantime.
            None => Turn::Wait(Some(now)),
            Some(refusal) if refusal.never_fits() => self.never(now, &trial, refusal, todo, out),
            Some(refusal) if self.is_short(now, at, &refusal, &trial.ask) => {
                self.claim(now, at, &refusal.limit, refusal.retry_after, &trial)
            }
            Some(refusal) => {
                self.wait_on(now, at, &refusal.limit, &trial, todo);
                Turn::Moved
            }
        }
    }

    /// Takes what the call takes from a provider's count, where all that wait with it take from the same; or says how
    /// long that has nothing. Who could not wait for that goes and is told by whoever sends it.
    fn debit(&self, now: Nanos, at: LimitId, waiter: &Waiter<T>) -> Result<Option<Sent>, Duration> {
        let alike = |debit: &&Debit| self.lines.get(&at).is_some_and(|line| line.is_all_of(debit.whose()));
        let Some(debit) = waiter.debit.as_ref().filter(alike) else { return Ok(None) };
        match debit.quota.acquire(now, debit.charge) {
            Ok(sent) => Ok(Some(sent)),
            Err(wait) if now.after(wait) > waiter.latest() => Ok(None),
            Err(wait) => Err(wait),
        }
    }

    /// Whether a limit may be held up until the refusing one has room.
    fn is_short(&self, now: Nanos, at: LimitId, refusal: &Refusal, ask: &Ask) -> bool {
        let unknown = || self.lines.get(&refusal.limit.id())?.own_time(now, ask);
        let wait = refusal.retry_after.or_else(unknown).unwrap_or(Duration::MAX);
        self.lines.get(&at).is_some_and(|line| wait <= line.patience(now, ask))
    }

    fn never(
        &mut self,
        now: Nanos,
        trial: &Trial,
        refusal: Refusal,
        todo: &mut Vec<LimitId>,
        out: &mut Vec<Outcome<T>>,
    ) -> Turn {
        if let Some(waiting) = self.unlink(now, trial.id, todo) {
            self.refuse(now, waiting.waiter, Why::NeverFits, refusal, out);
        }
        Turn::Done
    }

    /// It goes.
    fn admit(
        &mut self,
        now: Nanos,
        id: u64,
        reservation: Reservation,
        sent: Option<Sent>,
        todo: &mut Vec<LimitId>,
        out: &mut Vec<Outcome<T>>,
    ) {
        let Some(waiting) = self.waiters.remove(id) else { return };
        let guest = waiting.guest(id);
        self.room.leave(&self.bounds, &guest);
        self.latest.remove(&Pair::of(guest.latest.0, id));
        let cost = i64::try_from(waiting.waiter.cost()).unwrap_or(i64::MAX);
        for (number, limit) in waiting.waiter.set.limits().iter().enumerate() {
            let at = limit.id();
            let Some(line) = self.lines.get_mut(&at).filter(|line| !line.is_empty()) else { continue };
            line.count_served(now, &waiting.waiter.ask);
            match &waiting.seat {
                Seat::Queue(seat) if *seat == at => line.take(now, guest.class, guest.flow, id, true),
                Seat::Claims(seats, _) if seats.contains(&at) => {
                    line.release_claim(id);
                    todo.push(at);
                }
                // Others came to wait there after it had looked: it is charged all the same.
                _ if !waiting.passed.has(number) => line.queue.correct(now, guest.class, guest.flow, cost),
                _ => {}
            }
        }
        if let Some(admitted) = self.admitted.get_mut(guest.class as usize) {
            *admitted += 1;
        }
        let Waiter { item, arrived, .. } = waiting.waiter;
        out.push(Outcome::Admitted { item, reservation, sent, waited: arrived.until(now) });
    }

    /// It has had its turn here and waits on for another limit.
    fn wait_on(&mut self, now: Nanos, at: LimitId, to: &Arc<Limit>, trial: &Trial, todo: &mut Vec<LimitId>) {
        self.leave_queue(now, at, trial);
        self.join_queue(now, to, trial, todo);
    }

    /// Takes one whose turn it is out of a queue; it is charged for the turn.
    fn leave_queue(&mut self, now: Nanos, at: LimitId, trial: &Trial) {
        if let Some(line) = self.lines.get_mut(&at) {
            line.take(now, trial.ask.class, trial.flow, trial.id, true);
        }
        if let (Some(number), Some(waiting)) = (number(&trial.set, at), self.waiters.get_mut(trial.id)) {
            waiting.passed.set(number);
        }
    }

    /// Puts one into the queue of a limit. If it has had a turn there that it could not use, it gets it back.
    fn join_queue(&mut self, now: Nanos, to: &Arc<Limit>, trial: &Trial, todo: &mut Vec<LimitId>) {
        let Some(waiting) = self.waiters.get_mut(trial.id) else { return };
        waiting.seat = Seat::Queue(to.id());
        let place: Place = place(&waiting.waiter, to, trial.id);
        let patience = waiting.waiter.patience();
        let quota = waiting.waiter.debit.as_ref().map(Debit::whose);
        let back = number(&trial.set, to.id()).filter(|&number| waiting.passed.has(number));
        if let Some(number) = back {
            waiting.passed.clear(number);
        }
        let line = self.line(to);
        if back.is_some() {
            let cost = i64::try_from(place.cost).unwrap_or(i64::MAX);
            line.queue.correct(now, place.class, place.flow, cost.saturating_neg());
        }
        line.push(now, place, patience, quota);
        todo.push(to.id());
    }

    /// Only room is missing, or an earlier claimant in the way, and that soon changes: it stands before both queues.
    fn claim(&mut self, now: Nanos, at: LimitId, other: &Arc<Limit>, wait: Option<Duration>, trial: &Trial) -> Turn {
        let Some(line) = self.lines.get(&at) else { return Turn::Wait(None) };
        let until = now.after(line.patience(now, &trial.ask).saturating_mul(2));
        self.leave_queue(now, at, trial);
        self.line(other).claim(trial.id);
        if let Some(line) = self.lines.get_mut(&at) {
            line.claim(trial.id);
        }
        if let Some(waiting) = self.waiters.get_mut(trial.id) {
            waiting.seat = Seat::Claims(vec![at, other.id()], until);
        }
        let wake = wait.map_or(until, |wait| now.after(wait).min(until));
        // What came back before it was known that somebody waits was told to nobody: so the other limit is asked again.
        self.set_timer(other.id(), Some(now));
        Turn::Wait(Some(wake))
    }

    /// The turn of the first claimant of a line.
    fn claimants_turn(
        &mut self,
        now: Nanos,
        at: LimitId,
        id: u64,
        todo: &mut Vec<LimitId>,
        out: &mut Vec<Outcome<T>>,
    ) -> Turn {
        let Some(trial) = self.trial(id) else { return Turn::Wait(None) };
        let Some(waiting) = self.waiters.get(id) else { return Turn::Wait(None) };
        let Seat::Claims(seats, until) = &waiting.seat else { return Turn::Wait(None) };
        let (seats, until) = (seats.clone(), *until);
        if waiting.waiter.latest() < now {
            self.shed(now, id, Why::Late, todo, out);
            return Turn::Done;
        }
        let first = |at: &LimitId| self.lines.get(at).is_some_and(|line| line.claims.first() == Some(&id));
        if !seats.iter().all(first) && now < until {
            return Turn::Wait(Some(until));
        }
        let refusal = match trial.set.reserve(now, trial.ask) {
            Ok(reservation) => {
                self.admit(now, id, reservation, None, todo, out);
                return Turn::Done;
            }
            Err(refusal) if refusal.never_fits() => return self.never(now, &trial, refusal, todo, out),
            Err(refusal) => refusal,
        };
        let known = seats.contains(&refusal.limit.id());
        if now < until && (known || self.is_short(now, at, &refusal, &trial.ask)) {
            if !known
                && let Some(waiting) = self.waiters.get_mut(id)
                && let Seat::Claims(seats, _) = &mut waiting.seat
            {
                seats.push(refusal.limit.id());
                self.line(&refusal.limit).claim(id);
                self.set_timer(refusal.limit.id(), Some(now));
            }
            return Turn::Wait(Some(refusal.retry_after.map_or(until, |wait| now.after(wait).min(until))));
        }
        for seat in &seats {
            if let Some(line) = self.lines.get_mut(seat) {
                line.release_claim(id);
            }
            todo.push(*seat);
        }
        self.join_queue(now, &refusal.limit, &trial, todo);
        Turn::Moved
    }
}

/// The limit other than this one that keeps a call from going for the longest time.
fn blocker(now: Nanos, trial: &Trial, at: LimitId) -> Option<Refusal> {
    let others = trial.set.limits().iter().filter(|limit| limit.id() != at);
    others.filter_map(|limit| limit.would_refuse(now, &trial.ask)).max_by_key(Refusal::stands_for)
}

/// A limit's number in a set.
fn number(set: &LimitSet, at: LimitId) -> Option<usize> {
    set.limits().iter().position(|limit| limit.id() == at)
}
