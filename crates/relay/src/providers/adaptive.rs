//! The limit on calls at once that follows how fast a model of a provider is.
//!
//! The law ([`SloAimd`]) says how many calls the model bears; a limit of the process's table, like every other limit of a
//! provider, sees to it that no more are under way, and calls wait for it like for any other.

use crate::room::Room;
use sluicegate_flow::egress::{SloAimd, SloAimdSettings};
use sluicegate_flow::{Kind, Label, Limit, Nanos, Quota, Scope, Spec};
use std::sync::Arc;
use std::time::Duration;

/// The law and the limit it sets.
#[derive(Debug)]
pub(crate) struct Adaptive {
    pub(crate) law: SloAimd,
    pub(crate) settings: SloAimdSettings,
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
        last: Option<f64>,
        now: Nanos,
    ) -> Arc<Self> {
        let label = Label::new(Scope::Model, format!("{name}, adaptive"));
        // What holds is set below; a quota that is always the same lets a reload find the limit as it is.
        let quota = Quota::concurrency(u64::from(u32::MAX));
        let spec = Spec { label, kind: Kind::Concurrency, quota, revision: 0 };
        let limit = room.table.limit(&spec, now);
        let this = Self { law: SloAimd::new(settings, last, now), settings, limit, spec, room: Arc::clone(room) };
        this.set();
        Arc::new(this)
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self, now: Nanos) -> u32 {
        let level = self.limit.status(now);
        u32::try_from(level.capacity.saturating_sub(level.left)).unwrap_or(u32::MAX)
    }

    /// The first event of a stream has come, so long after sending.
    pub(crate) fn sample(&self, now: Nanos, first_token: Duration, input: u64) {
        self.law.sample(now, first_token, input, self.in_flight(now));
        self.set();
    }

    /// A call was answered whole.
    pub(crate) fn answered(&self, now: Nanos) {
        self.law.answered(now, self.in_flight(now));
        self.set();
    }

    /// The model refused a call because it has too many, or was not heard of in time.
    pub(crate) fn refused(&self, now: Nanos, told: Option<u32>) {
        self.law.refused(now, told, self.in_flight(now));
        self.set();
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
