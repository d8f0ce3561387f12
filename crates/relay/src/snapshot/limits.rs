//! The configured limits, as sets that a call takes all or nothing.
//!
//! A limit keeps its fill when the configuration changes: it is found again by its owner and what it counts, and
//! given its new size, so that a reload never hands out a free burst.

use sluicegate_config::{Limit as Configured, Limits as ConfiguredLimits, Rate, RateKind, Shape};
use sluicegate_flow::{Algorithm, Kind, Label, Limit, LimitSet, LimitStatus, Nanos, Quota, Scope};
use sluicegate_vocabulary::{Endpoint, Priority};
use std::sync::Arc;
use std::time::Duration;

/// Sets of limits by endpoint.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    endpoints: Vec<OfEndpoint>,
    all: Vec<Arc<Limit>>,
}

#[derive(Debug)]
struct OfEndpoint {
    set: Option<LimitSet>,
    priority: Option<Priority>,
}

impl Limits {
    /// Compiles the configured limits, keeping the fill of those that were there before.
    pub(crate) fn new(configured: &ConfiguredLimits, before: Option<&Self>, now: Nanos) -> Self {
        let mut limits = Self::default();
        let overall = limits.add(&Label::new(Scope::Overall, "overall"), &configured.global, before, now);
        for endpoint in Endpoint::ALL {
            let entry = configured.endpoints.get(&endpoint);
            let label = Label::new(Scope::Endpoint, endpoint.path());
            let mut set = entry.map(|entry| limits.add(&label, &entry.limit, before, now)).unwrap_or_default();
            set.extend(overall.iter().map(Arc::clone));
            let set = (!set.is_empty()).then(|| LimitSet::new(set));
            limits.endpoints.push(OfEndpoint { set, priority: entry.and_then(|entry| entry.priority) });
        }
        limits
    }

    /// What a call to this endpoint takes from.
    pub(crate) fn of(&self, endpoint: Endpoint) -> Option<&LimitSet> {
        self.endpoints.get(endpoint as usize)?.set.as_ref()
    }

    /// The highest class of calls to this endpoint, if it has one.
    pub(crate) fn priority(&self, endpoint: Endpoint) -> Option<Priority> {
        self.endpoints.get(endpoint as usize)?.priority
    }

    /// The level of every limit.
    pub(crate) fn status(&self, now: Nanos) -> Vec<LimitStatus> {
        self.all.iter().map(|limit| limit.status(now)).collect()
    }

    fn add(&mut self, label: &Label, configured: &Configured, before: Option<&Self>, now: Nanos) -> Vec<Arc<Limit>> {
        let mut added = Vec::new();
        for rate in &configured.rates {
            let kind = match rate.kind {
                RateKind::Requests => Kind::Requests,
                RateKind::Tokens => Kind::Tokens,
            };
            let quota = quota(rate, configured.shadow);
            let same = |limit: &&Arc<Limit>| {
                limit.label() == label && limit.kind() == kind && limit.quota().window == quota.window
            };
            let limit = match before.and_then(|before| before.all.iter().find(same)) {
                Some(kept) => kept.reconfigure(now, quota),
                None => Limit::new(label.clone(), kind, quota),
            };
            self.all.push(Arc::clone(&limit));
            added.push(limit);
        }
        added
    }
}

fn quota(rate: &Rate, shadow: bool) -> Quota {
    let algorithm = match rate.shape {
        Shape::SlidingWindow => Algorithm::SlidingWindow,
        Shape::TokenBucket { capacity, step } => {
            Algorithm::TokenBucket { capacity, refill_step: step.map(|step| Duration::from_millis(step.millis())) }
        }
    };
    Quota { set: rate.amount, window: rate.window.duration(), algorithm, shadow }
}
