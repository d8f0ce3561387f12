//! Who waits for a record, and on which thread.
//!
//! To wake a task of another thread's takes a system call each time, and one of the same thread's takes none. Where
//! providers answer at once, most calls come to wait for the same look of the journal's thread. So of all that wait on one
//! thread it wakes one, and that one wakes the others.
//!
//! **Promise.** Whoever was woken passes it on when it is polled or dropped, whichever comes first, so nobody is forgotten
//! whose waker was left to it. Should it do neither, the next look wakes another.

use parking_lot::Mutex;
use std::task::Waker;
use std::thread::ThreadId;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    all: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    place: Place,
    record: u64,
    waker: Waker,
}

/// Where one waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    thread: ThreadId,
    number: u64,
}

impl Waiters {
    /// Someone of this thread waits for a record.
    pub(super) fn enter(&self, record: u64, waker: Waker) -> Place {
        let thread = std::thread::current().id();
        let mut list = self.0.lock();
        list.next += 1;
        let place = Place { thread, number: list.next };
        list.all.push(Waiter { place, record, waker });
        place
    }

    /// The one at a place is to be woken by this from now on.
    pub(super) fn renew(&self, place: Place, waker: &Waker) {
        if let Some(waiter) = self.0.lock().all.iter_mut().find(|waiter| waiter.place == place) {
            waiter.waker.clone_from(waker);
        }
    }

    /// The one at a place waits no more, and wakes those of its thread that need not either.
    pub(super) fn leave(&self, place: Place, is_ready: impl Fn(u64) -> bool) {
        let mut ready = self
            .take(|waiter| waiter.place == place || (waiter.place.thread == place.thread && is_ready(waiter.record)));
        ready.retain(|waiter| waiter.place != place);
        ready.into_iter().for_each(|waiter| waiter.waker.wake());
    }

    /// Wakes one of each thread that need not wait any more. Tells whether there was anybody.
    pub(super) fn wake(&self, is_ready: impl Fn(u64) -> bool) -> bool {
        let mut woken: Vec<ThreadId> = Vec::new();
        let ready = self.take(|waiter| {
            let first = !woken.contains(&waiter.place.thread) && is_ready(waiter.record);
            if first {
                woken.push(waiter.place.thread);
            }
            first
        });
        let any = !ready.is_empty();
        ready.into_iter().for_each(|waiter| waiter.waker.wake());
        any
    }

    /// Takes some out, to be woken when the list is free again.
    fn take(&self, which: impl FnMut(&mut Waiter) -> bool) -> Vec<Waiter> {
        self.0.lock().all.extract_if(.., which).collect()
    }
}

#[cfg(test)]
#[path = "waiters_tests.rs"]
mod tests;
