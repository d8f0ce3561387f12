//! The limit on calls at once that follows how fast a model of a provider is.
//!
//! The law ([`SloAimd`]) says how many calls the model bears; a limit of the process's table, like every other limit of a
//! provider, sees to it that no more are under way, and calls wait for it like for any other.
//!
//! A limit that nobody asked for, but that the provider made known by refusing calls for being too many, follows those
//! refusals only: it says nothing of speed, so neither a slow answer nor one that never comes lowers it. It ends when
//! for five minutes no call was refused, since what a provider bears changes with its other customers.

use crate::room::Room;
use sluicegate_flow::egress::{SloAimd, SloAimdLast, SloAimdSettings, SloAimdStatus};
use sluicegate_flow::{Kind, Label, Limit, Nanos, Quota, Scope, Spec};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a limit that was learned from a refusal holds without another.
const LEARNED_FOR: Duration = Duration::from_secs(300);

/// What a limit follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The time of the first token, and refusals.
    Speed,
    /// Refusals alone.
    Refusals,
}

/// The law and the limit it sets.
#[derive(Debug)]
pub(crate) struct Adaptive {
    pub(crate) law: SloAimd,
    pub(crate) settings: SloAimdSettings,
    follows: Follows,
    /// Where it began, and what it goes on from, if anything was known.
    began: f64,
    from: Option<SloAimdLast>,
    /// When a call was last refused, or the limit began.
    refused_at: AtomicU64,
    limit: Arc<Limit>,
    /// How sets of limits describe the limit.
    pub(crate) spec: Spec,
    room: Arc<Room>,
}

impl Adaptive {
    /// The limit of `provider/model`; `last` is where an earlier one ended.
    pub(crate) fn new(
        room: &Arc<Room>,
        name: &str,
        settings: SloAimdSettings,
        follows: Follows,
        last: Option<SloAimdLast>,
        now: Nanos,
    ) -> Arc<Self> {
        let label = Label::new(Scope::Model, format!("{name}, adaptive"));
        // What holds is set below; a quota that is always the same lets a reload find the limit as it is.
        let quota = Quota::concurrency(u64::from(u32::MAX));
        let spec = Spec { label, kind: Kind::Concurrency, quota, revision: 0 };
        let limit = room.table.limit(&spec, now);
        let law = SloAimd::new(settings, last, now);
        let refused_at = AtomicU64::new(now.0);
        let began = law.status().limit;
        let this = Self { law, settings, follows, began, from: last, refused_at, limit, spec, room: Arc::clone(room) };
        this.set();
        Arc::new(this)
    }

    /// Whether it was learned from refusals, of which there was none for long.
    pub(crate) fn is_over(&self, now: Nanos) -> bool {
        self.follows == Follows::Refusals && Nanos(self.refused_at.load(Ordering::Relaxed)).until(now) >= LEARNED_FOR
    }

    /// Where another would go on from: where it stands or, while it has not moved, what it goes on from itself.
    pub(crate) fn last(&self) -> Option<SloAimdLast> {
        let SloAimdStatus { limit, slow_start, .. } = self.law.status();
        if limit.total_cmp(&self.began).is_eq() { self.from } else { Some(SloAimdLast { limit, slow_start }) }
    }

    /// Lets everybody go who waits for it. It sets no limit again.
    pub(crate) fn lift(&self) {
        self.room.resize(&self.limit, u64::from(u32::MAX));
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self, now: Nanos) -> u32 {
        let level = self.limit.status(now);
        u32::try_from(level.capacity.saturating_sub(level.left)).unwrap_or(u32::MAX)
    }

    /// The first event of a stream has come, so long after sending.
    pub(crate) fn sample(&self, now: Nanos, first_token: Duration, input: u64) {
        match self.follows {
            Follows::Speed => self.law.sample(now, first_token, input, self.in_flight(now)),
            Follows::Refusals => self.law.answered(now, self.in_flight(now)),
        }
        self.set();
    }

    /// A call was answered whole.
    pub(crate) fn answered(&self, now: Nanos) {
        self.law.answered(now, self.in_flight(now));
        self.set();
    }

    /// The model refused a call because it has too many; `told` is how many it may have, where it said so.
    pub(crate) fn refused(&self, now: Nanos, told: Option<u32>) {
        self.refused_at.fetch_max(now.0, Ordering::Relaxed);
        self.law.refused(now, told, self.in_flight(now));
        self.set();
    }

    /// The model was not heard of in time.
    pub(crate) fn timed_out(&self, now: Nanos) {
        if self.follows == Follows::Speed {
            self.refused(now, None);
        }
    }

    /// The time of the first token above which the limit is cut, where it follows that.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        (self.follows == Follows::Speed).then(|| self.law.status().threshold)
    }

    /// The provider comes back from being isolated.
    pub(crate) fn restart(&self, now: Nanos) {
        self.law.restart(now);
        self.set();
    }

    fn set(&self) {
        self.room.resize(&self.limit, u64::from(self.law.limit()));
    }
}

#[cfg(test)]
#[path = "adaptive_tests.rs"]
mod tests;
