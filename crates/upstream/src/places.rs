//! Places for connections where their number is limited, shared by all workers.
//!
//! A connection holds a [`Place`] from before it is opened until after it is closed, so there are never more of them than
//! places. A call that finds neither a connection nor a place waits, and is given whichever comes first: a place to open
//! one in, or a connection that another call of its worker is done with. Connections stay with their worker. So that a
//! worker which has them all does not keep them all while another waits, an idle one is closed for whoever waits
//! elsewhere, and one that is in demand where it is goes once the longest waiting has been passed over several times.
//!
//! Locks are taken in this order: the connections of a worker, then the places. Nothing that holds a place is dropped
//! while the places are locked, since dropping it locks them.

use crate::http1::Transport;
use crate::pool::Site;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// How often one who waits elsewhere is passed over before a connection is given up for him.
const PASSES: usize = 8;

/// How many connections there may still be, and who waits for one.
#[derive(Debug)]
pub(crate) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// By their order of arrival.
    waiting: BTreeMap<u64, Waiter>,
    arrivals: u64,
    /// How often the first of those who wait has been passed over.
    passes: usize,
    /// One for each worker, so few.
    sites: Vec<Here>,
}

/// The connections of a worker, and the arrivals of those who wait there: whatever comes back is offered to the first
/// of them, who must not be sought among all that wait everywhere.
#[derive(Debug)]
struct Here {
    site: Weak<Site>,
    waiting: BTreeSet<u64>,
}

impl State {
    fn here(&mut self, site: &Weak<Site>) -> Option<&mut Here> {
        self.sites.iter_mut().find(|here| here.site.ptr_eq(site))
    }

    fn join(&mut self, site: &Weak<Site>) {
        self.sites.retain(|here| here.site.strong_count() > 0 || !here.waiting.is_empty());
        self.sites.push(Here { site: Weak::clone(site), waiting: BTreeSet::new() });
    }

    fn line_up(&mut self, arrival: u64, waiter: Waiter) {
        if self.here(&waiter.site).is_none() {
            self.join(&waiter.site);
        }
        if let Some(here) = self.here(&waiter.site) {
            here.waiting.insert(arrival);
        }
        self.waiting.insert(arrival, waiter);
    }

    /// Takes somebody out of the line.
    fn take(&mut self, arrival: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&arrival)?;
        if let Some(here) = self.here(&waiter.site) {
            here.waiting.remove(&arrival);
        }
        Some(waiter)
    }

    /// Who waits longest of all.
    fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(arrival, _)| *arrival)
    }
}

#[derive(Debug)]
struct Waiter {
    site: Weak<Site>,
    wake: oneshot::Sender<Given>,
}

/// What a call is given that waited.
#[derive(Debug)]
pub(crate) enum Given {
    /// A place to open a connection in.
    Place(Place),
    /// A connection that came back.
    Connection(Transport),
    /// The advice to look for room on a connection again.
    Look,
}

/// Leave for one connection to be. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

/// What becomes of a connection, or of room on one, that a call is done with.
#[derive(Debug)]
pub(crate) enum Next {
    /// It stays, nobody waits for it.
    Stays,
    /// It has gone to somebody who waits, or he has been told of it.
    Taken,
    /// It is to be closed, for somebody at another worker.
    Goes,
}

/// A call in the line. Dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct InLine {
    places: Arc<Places>,
    site: Weak<Site>,
    arrival: u64,
    given: oneshot::Receiver<Given>,
}

impl Places {
    pub(crate) fn new(most: NonZeroUsize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: most.get(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            passes: 0,
            sites: Vec::new(),
        })))
    }

    /// Makes a worker's connections known, so that an idle one can be closed for somebody else.
    pub(crate) fn join(&self, site: Weak<Site>) {
        self.0.lock().join(&site);
    }

    /// A place if one is free, else a position in the line: the one `before` if given, else the last.
    pub(crate) fn enter(self: &Arc<Self>, site: &Weak<Site>, before: Option<u64>) -> Result<Place, InLine> {
        let mut state = self.0.lock();
        // One is free only while nobody waits.
        if let Some(left) = state.free.checked_sub(1) {
            state.free = left;
            return Ok(Place(Arc::clone(self)));
        }
        let (wake, given) = oneshot::channel();
        let arrival = before.unwrap_or(state.arrivals);
        state.arrivals = state.arrivals.max(arrival + 1);
        state.line_up(arrival, Waiter { site: Weak::clone(site), wake });
        Err(InLine { places: Arc::clone(self), site: Weak::clone(site), arrival, given })
    }

    /// How many nobody holds.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.lock().free
    }

    /// The other workers' connections.
    pub(crate) fn others(&self, site: &Weak<Site>) -> Vec<Arc<Site>> {
        let state = self.0.lock();
        state
            .sites
            .iter()
            .map(|here| &here.site)
            .filter(|other| !other.ptr_eq(site))
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Whoever is to have what a call of this worker is done with: one of its own, unless somebody elsewhere has been
    /// passed over too often.
    fn next(&self, site: &Weak<Site>, is_idle: bool) -> Result<Waiter, Next> {
        let mut state = self.0.lock();
        let Some(first) = state.first() else { return Err(Next::Stays) };
        let own = state.here(site).and_then(|here| here.waiting.first().copied());
        let passed_over = own != Some(first);
        if passed_over && (state.passes >= PASSES || (is_idle && own.is_none())) {
            state.passes = 0;
            return Err(Next::Goes);
        }
        state.passes = if passed_over { state.passes + 1 } else { 0 };
        own.and_then(|arrival| state.take(arrival)).ok_or(Next::Stays)
    }

    /// Gives a connection to somebody who waits. Returns it if nobody took it, and whether it is to be kept.
    pub(crate) fn pass(&self, site: &Weak<Site>, mut connection: Transport) -> (Next, Option<Transport>) {
        loop {
            match self.next(site, true) {
                Err(next) => return (next, Some(connection)),
                Ok(waiter) => match waiter.wake.send(Given::Connection(connection)) {
                    Err(Given::Connection(back)) => connection = back,
                    _ => return (Next::Taken, None),
                },
            }
        }
    }

    /// Tells somebody who waits that there is room on a connection of this worker, which may be `is_idle` altogether.
    pub(crate) fn tell(&self, site: &Weak<Site>, is_idle: bool) -> Next {
        loop {
            match self.next(site, is_idle) {
                Err(next) => return next,
                Ok(waiter) => {
                    if waiter.wake.send(Given::Look).is_ok() {
                        return Next::Taken;
                    }
                }
            }
        }
    }
}

impl InLine {
    /// Its place in the line, for lining up there again.
    pub(crate) const fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Waits.
    pub(crate) async fn given(&mut self) -> Given {
        // Whoever takes a waiter out of the line gives him something; if he did not, looking again is right.
        (&mut self.given).await.unwrap_or(Given::Look)
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        drop(self.places.0.lock().take(self.arrival));
        if let Ok(Given::Look) = self.given.try_recv() {
            self.places.tell(&self.site, false);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let first = {
            let mut state = self.0.0.lock();
            let first = state.first().and_then(|arrival| state.take(arrival));
            state.passes = 0;
            if first.is_none() {
                state.free += 1;
            }
            first
        };
        if let Some(waiter) = first {
            // If he has gone in this moment, what he did not take is dropped here and goes to the next.
            drop(waiter.wake.send(Given::Place(Self(Arc::clone(&self.0)))));
        }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
