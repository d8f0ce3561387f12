//! Temporary stand-in.
use parking_lot::Mutex;
use sluicegate_flow::{Kind, Label, Limit, LimitSet, LimitStatus, Nanos, Quota};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SetId(pub(crate) u64, pub(crate) u64);
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) label: Label,
    pub(crate) kind: Kind,
    pub(crate) quota: Quota,
}
#[derive(Debug, Default)]
pub(crate) struct LimitTable {
    sets: Mutex<HashMap<SetId, LimitSet>>,
    limits: Mutex<HashMap<(Label, Kind, Duration), Arc<Limit>>>,
}
impl LimitTable {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    pub(crate) fn set<I: IntoIterator<Item = Spec>>(&self, id: SetId, now: Nanos, make: impl FnOnce() -> I) -> LimitSet {
        if let Some(set) = self.sets.lock().get(&id) {
            return set.clone();
        }
        let set = LimitSet::new(make().into_iter().map(|spec| self.limit(&spec, now)));
        self.sets.lock().insert(id, set.clone());
        set
    }
    pub(crate) fn limit(&self, spec: &Spec, now: Nanos) -> Arc<Limit> {
        let mut limits = self.limits.lock();
        let entry = limits
            .entry((spec.label.clone(), spec.kind, spec.quota.window))
            .or_insert_with(|| Limit::new(spec.label.clone(), spec.kind, spec.quota));
        *entry = entry.reconfigure(now, spec.quota);
        Arc::clone(entry)
    }
    pub(crate) fn renew(&self, spec: &Spec, now: Nanos) {
        let mut limits = self.limits.lock();
        if let Some(limit) = limits.get_mut(&(spec.label.clone(), spec.kind, spec.quota.window)) {
            *limit = limit.reconfigure(now, spec.quota);
        }
    }
    pub(crate) fn sweep(&self, _: Nanos) {}
    pub(crate) fn iter_status(&self, now: Nanos, most: usize) -> Vec<LimitStatus> {
        self.limits.lock().values().take(most).map(|limit| limit.status(now)).collect()
    }
}
