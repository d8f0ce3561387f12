//! The configured limits, as sets that a call takes all or nothing.
//!
//! A limit keeps its fill when the configuration changes: it is found again by its label and given its new size, so
//! that a reload never hands out a free burst.

use sluicegate_config::{Limit as Configured, Limits as ConfiguredLimits, Rate, Shape};
use sluicegate_flow::{Algorithm, Kind, Limit, LimitSet, Nanos};
use sluicegate_vocabulary::Endpoint;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Sets of limits by endpoint.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    sets: Vec<Option<LimitSet>>,
    all: HashMap<String, Arc<Limit>>,
}

impl Limits {
    /// Compiles the configured limits, keeping the fill of those that were there before.
    pub(crate) fn new(configured: &ConfiguredLimits, before: Option<&Self>, now: Nanos) -> Self {
        let mut limits = Self::default();
        let global = limits.add("global", &configured.global, before, now);
        let sets: Vec<Option<LimitSet>> = Endpoint::ALL
            .into_iter()
            .map(|endpoint| {
                let own = configured.endpoints.get(&endpoint).map(|entry| entry.limit).unwrap_or_default();
                let mut set = limits.add(endpoint.path(), &own, before, now);
                set.extend(global.iter().map(Arc::clone));
                (!set.is_empty()).then(|| LimitSet::new(set))
            })
            .collect();
        limits.sets = sets;
        limits
    }

    /// What a call to this endpoint takes from.
    pub(crate) fn of(&self, endpoint: Endpoint) -> Option<&LimitSet> {
        self.sets.get(endpoint as usize)?.as_ref()
    }

    /// Every limit there is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.all.values()
    }

    fn add(&mut self, scope: &str, configured: &Configured, before: Option<&Self>, now: Nanos) -> Vec<Arc<Limit>> {
        [(Kind::Requests, configured.requests), (Kind::Tokens, configured.tokens)]
            .into_iter()
            .filter_map(|(kind, rate)| {
                let rate = rate?;
                let name = match kind {
                    Kind::Requests => "requests_per_minute",
                    Kind::Tokens => "tokens_per_minute",
                };
                let label = format!("{scope}:{name}");
                let algorithm = algorithm(&rate);
                let kept = before.and_then(|before| before.all.get(&label));
                let limit = match kept {
                    Some(kept) => Arc::new(kept.reconfigured(algorithm, now)),
                    None => Arc::new(Limit::new(label.as_str(), scope, kind, algorithm)),
                };
                self.all.insert(label, Arc::clone(&limit));
                Some(limit)
            })
            .collect()
    }
}

fn algorithm(rate: &Rate) -> Algorithm {
    const MINUTE: Duration = Duration::from_secs(60);
    match rate.shape {
        Shape::SlidingWindow => Algorithm::Window { limit: rate.per_minute, window: MINUTE },
        Shape::TokenBucket { capacity, step } => Algorithm::Bucket {
            rate: rate.per_minute,
            per: MINUTE,
            capacity,
            step: step.map(|step| Duration::from_millis(step.millis())),
        },
    }
}
