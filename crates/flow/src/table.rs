//! All limits there are, each for as long as it is in use.
//!
//! A configuration may name a million keys with limits of their own. Most of them are idle, and an idle limit needs no
//! state: what is idle is as good as new. So limits are made when a call first meets them and forgotten when nothing of
//! them is in use any more and nobody holds them; a sweep does that now and then.
//!
//! Which limits concern a call follows from who calls and what, so its set is compiled once for each such pair and
//! found again by a number. Whoever compiles the configuration hands the numbers out, and new ones with a new
//! configuration; that is all it takes to replace every set.
//!
//! Whoever looks sets up may keep a note with each, worked out once when the set is compiled: what does not change and
//! would otherwise be worked out for every call.
//!
//! Among many callers, any of which may be next, a look-up is waiting for memory, and a step that has to wait for the one
//! before costs as much as all that wait together. So an entry stands where its number says ([`crate::probe`]) and holds
//! the first limits of its set beside the set: all of them are fetched at once before the first is looked at.
//!
//! **Promises.** A limit, that is an owner, what is counted and the window, exists once. When a newer configuration
//! gives it another quota it goes on from its level, and a call that still runs under the older configuration neither
//! changes it back nor starts a second one. A hot look-up is one short lock and one hash of two numbers.

use crate::hash::Shards;
use crate::kept::{Handle, Kept};
use crate::limit::{Limit, LimitStatus};
use crate::probe::Probe;
use crate::quota::{Algorithm, Kind, Label, Quota};
use crate::set::LimitSet;
use crate::time::Nanos;
use parking_lot::Mutex;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// How many locks the sets and the limits are spread over. Each holds little, so that a sweep holds none for long.
const SHARDS: usize = 256;

/// How many limits of a set are fetched together with it. The first are the narrowest, which are the caller's own: those
/// that everybody shares are at hand anyway.
const NEAR: usize = 3;

/// Names a set of limits: numbers that stand for who calls and for what is called, under one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetId(pub u64, pub u64);

/// A limit as a configuration describes it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Whose.
    pub label: Label,
    /// Of what.
    pub kind: Kind,
    /// How much.
    pub quota: Quota,
    /// Which configuration says so: a number that grows. Of two quotas for one limit the newer holds.
    pub revision: u64,
}

/// Limits and the sets they are in, made when they are first asked for and forgotten when they are idle; with each set
/// a note.
#[derive(Debug)]
pub struct LimitTable<N = ()> {
    sets: Shards<Mutex<Probe<SetId, Compiled<N>>>>,
    limits: Shards<Mutex<Kept<Key, Entry>>>,
}

#[derive(Debug)]
struct Compiled<N> {
    set: LimitSet,
    near: [Option<Arc<Limit>>; NEAR],
    note: N,
    /// Asked for since the last sweep.
    used: bool,
}

impl<N> Compiled<N> {
    fn new(set: LimitSet, note: N) -> Self {
        let mut limits = set.limits().iter().cloned();
        let near = std::array::from_fn(|_| limits.next());
        Self { set, near, note, used: true }
    }

    /// Has the set and the first limits fetched from memory all at once.
    #[inline]
    fn fetch(&self) {
        self.set.fetch();
        self.near.iter().flatten().for_each(|limit| limit.fetch());
    }
}

/// What makes two limits the same one.
type Key = (Label, Kind, Duration);

#[derive(Debug)]
struct Entry {
    limit: Arc<Limit>,
    revision: u64,
}

impl<N> Default for LimitTable<N> {
    fn default() -> Self {
        Self { sets: Shards::new(SHARDS), limits: Shards::new(SHARDS) }
    }
}

impl LimitTable {
    /// A table without limits, and without notes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<N: Clone + Default> LimitTable<N> {
    /// The set of this name; if it is not known (any more), the one that `make` describes, narrowest first.
    #[inline]
    pub fn set<I>(&self, id: SetId, now: Nanos, make: impl FnOnce() -> I) -> LimitSet
    where
        I: IntoIterator<Item = Spec>,
    {
        self.found(id, now, make, |_| N::default(), |compiled| compiled.set.clone())
    }

    /// The same with its note, which `note` writes when the set is compiled. Sets that are asked for by [`Self::set`]
    /// first have an empty one.
    #[inline]
    pub fn set_with_note<I>(
        &self,
        id: SetId,
        now: Nanos,
        make: impl FnOnce() -> I,
        note: impl FnOnce(&LimitSet) -> N,
    ) -> (LimitSet, N)
    where
        I: IntoIterator<Item = Spec>,
    {
        self.found(id, now, make, note, |compiled| (compiled.set.clone(), compiled.note.clone()))
    }

    #[inline]
    fn found<I, T>(
        &self,
        id: SetId,
        now: Nanos,
        make: impl FnOnce() -> I,
        note: impl FnOnce(&LimitSet) -> N,
        read: impl Fn(&Compiled<N>) -> T,
    ) -> T
    where
        I: IntoIterator<Item = Spec>,
    {
        let shard = self.sets.of(&id);
        if let Some(compiled) = shard.lock().get_mut(id) {
            compiled.fetch();
            // What is not changed need not be written back to memory.
            if !compiled.used {
                compiled.used = true;
            }
            return read(compiled);
        }
        // Outside of the lock: two who compile the same set at once get the same limits, and one of the sets is kept.
        let set = LimitSet::new(make().into_iter().map(|spec| self.limit(&spec, now)));
        let note = note(&set);
        read(shard.lock().get_or_insert(id, Compiled::new(set, note)))
    }
}

impl<N> LimitTable<N> {
    /// The limit that is described, with its level.
    pub fn limit(&self, spec: &Spec, now: Nanos) -> Arc<Limit> {
        let key = spec.key();
        let mut kept = self.limits.of(&key).lock();
        let entry = kept.get_or(key, || {
            let limit = Limit::new(spec.label.clone(), spec.kind, spec.quota);
            Entry { limit, revision: spec.revision }
        });
        entry.renew(spec, now);
        Arc::clone(&entry.limit)
    }

    /// A newer configuration is in force: if the limit is in use, it has this quota from now on. Those who wait for it
    /// do not have to be asked again to notice.
    pub fn renew(&self, spec: &Spec, now: Nanos) {
        let key = spec.key();
        if let Some(entry) = self.limits.of(&key).lock().get(&key) {
            entry.renew(spec, now);
        }
    }

    /// Forgets sets that nobody has asked for since the last sweep, and limits that are idle and in no set. Takes one
    /// lock after another, each for as long as it takes to look at its 256th of the table.
    pub fn sweep(&self, now: Nanos) {
        for shard in self.sets.iter() {
            shard.lock().retain(|compiled| mem::take(&mut compiled.used));
        }
        for shard in self.limits.iter() {
            shard.lock().forget(|entry| entry.limit.is_idle(now));
        }
    }

    /// The level of every limit that is in use, in no particular order: of all for which somebody waits or that `always`
    /// names, and of no more than `most` others.
    #[must_use]
    pub fn iter_status(&self, now: Nanos, most: usize, always: impl Fn(&Limit) -> bool) -> Vec<LimitStatus> {
        let (mut levels, mut others) = (Vec::new(), 0);
        for shard in self.limits.iter() {
            for Entry { limit, .. } in shard.lock().values() {
                if limit.waiting() == 0 && !always(limit) {
                    if others == most {
                        continue;
                    }
                    others += 1;
                }
                levels.push(limit.status(now));
            }
        }
        levels
    }
}

impl Spec {
    fn key(&self) -> Key {
        let kind = if self.quota.algorithm == Algorithm::Permits { Kind::Concurrency } else { self.kind };
        (self.label.clone(), kind, self.quota.window)
    }
}

impl Entry {
    fn renew(&mut self, spec: &Spec, now: Nanos) {
        if spec.revision > self.revision {
            self.revision = spec.revision;
            self.limit = self.limit.reconfigure(now, spec.quota);
        }
    }
}

impl Handle for Entry {
    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.limit) == 1
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
