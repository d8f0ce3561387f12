//! What operators are shown of flow control.
//!
//! A picture of one moment, made on demand from the limits and from what waits. Nothing is counted for it on the way
//! of a call. Who calls is found by going through all keys, of which there may be a million, so that is done only for
//! those who want to see it: an alert that looks every second does not.

use crate::server::Shared;
use sluicegate_flow::{LimitStatus, Scope, Sheds};
use sluicegate_vocabulary::Priority;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Limits of keys and tenants in a report at most, beside those at which somebody waits.
const MOST_LIMITS: usize = 1000;

/// Limits, and who waits for them.
#[derive(Debug, Clone, Default)]
pub struct FlowReport {
    /// Every limit in use or configured for all callers, in no particular order.
    pub limits: Vec<LimitReport>,
    /// What waits, by class, highest first.
    pub waiting: Vec<ClassReport>,
    /// Bytes of the request bodies that wait.
    pub waiting_bytes: u64,
    /// Callers with calls under way or waiting; empty if it was not asked for.
    pub callers: Vec<CallerReport>,
}

/// One limit.
#[derive(Debug, Clone)]
pub struct LimitReport {
    /// Its level.
    pub level: LimitStatus,
    /// Calls that wait for it.
    pub waiting: u32,
    /// How long the first of them has waited.
    pub oldest: Duration,
}

/// One class.
#[derive(Debug, Clone, Copy)]
pub struct ClassReport {
    /// Which.
    pub class: Priority,
    /// Calls that wait.
    pub waiting: u64,
    /// How long the first of them has waited.
    pub oldest: Duration,
    /// Calls refused because they could not have been let go in time, or because there was no room to wait, since the
    /// start.
    pub shed: u64,
}

/// One key's calls.
#[derive(Debug, Clone)]
pub struct CallerReport {
    /// The key's name, or `-` where none is needed.
    pub key: Arc<str>,
    /// Calls being served.
    pub in_flight: u32,
    /// Calls waiting.
    pub waiting: usize,
}

impl FlowReport {
    /// Everything.
    pub(crate) fn of(shared: &Shared) -> Self {
        Self { callers: callers(shared), ..Self::without_callers(shared) }
    }

    /// Limits and what waits for them.
    pub(crate) fn without_callers(shared: &Shared) -> Self {
        let (room, snapshot) = (&shared.room, shared.snapshot.load());
        let (now, stats) = (room.now(), room.stats());
        // Whoever looks wants to see the limits of all callers also while they are idle.
        let shared_by_all: Vec<_> = snapshot.limits.shared().map(|spec| room.table.limit(spec, now)).collect();
        let mut waits: HashMap<_, _> = stats.limits.iter().map(|wait| (wait.id, wait.oldest)).collect();
        let limits = room
            .table
            .iter_status(now, MOST_LIMITS, |limit| !matches!(limit.label().scope, Scope::Key | Scope::Tenant))
            .into_iter()
            .map(|level| {
                let oldest = waits.remove(&level.id).unwrap_or_default();
                LimitReport { waiting: level.waiting, oldest, level }
            })
            .collect();
        drop(shared_by_all);
        let classes = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];
        let waiting = classes.into_iter().map(|class| {
            let (at, aside) = (class as usize, room.aside.of_class(now, class));
            ClassReport {
                class,
                waiting: stats.waiting.get(at).copied().unwrap_or_default() + aside.waiting,
                oldest: stats.oldest.get(at).copied().unwrap_or_default().max(aside.oldest),
                shed: stats.sheds.get(at).map_or(0, all) + aside.shed,
            }
        });
        let waiting_bytes = stats.bytes + room.aside.bytes();
        Self { limits, waiting: waiting.collect(), waiting_bytes, callers: Vec::new() }
    }
}

fn callers(shared: &Shared) -> Vec<CallerReport> {
    let (room, snapshot) = (&shared.room, shared.snapshot.load());
    let anonymous = Arc::from("-");
    let keys = snapshot.keys.iter().map(|key| (&key.name, &key.live));
    let callers = keys.chain([(&anonymous, &snapshot.keys.anonymous)]);
    let callers = callers.filter(|(_, live)| live.in_flight() > 0).map(|(key, live)| CallerReport {
        key: Arc::clone(key),
        in_flight: live.in_flight(),
        waiting: room.waiting_of(live.number),
    });
    let mut callers: Vec<CallerReport> = callers.collect();
    shared.keys.table().each_awake(|key| {
        if key.live.is_busy() {
            callers.push(CallerReport {
                key: Arc::clone(&key.name),
                in_flight: key.live.in_flight(),
                waiting: room.waiting_of(key.live.number),
            });
        }
    });
    callers
}

const fn all(sheds: &Sheds) -> u64 {
    sheds.early + sheds.late + sheds.queue_full + sheds.pushed_out + sheds.never_fits
}
