//! What is known of those who answer, for as long as the process lives.
//!
//! Whether a provider is dead, which of its keys was refused, how many calls it bears at once and what is left of its
//! quotas is learned from calls, and costs failed calls to learn again. So it does not belong to a configuration: it is
//! kept here, found by name when a configuration is compiled, and held by the candidates of the snapshot, which reach it
//! without a look-up. A provider that moves to another address, or a key whose secret is another, is a new one.
//!
//! - [`ProviderState`]: a provider's breaker, its budget for retries, its keys.
//! - [`ModelState`]: one of its models: the quotas learned of it, the limit that follows its speed, and who waits for it.
//! - [`Standing`]: all of that as one candidate sees it.
//! - [`FailoverBudget`]: what the calls to one of our own models have earned in extra tries at whoever can answer them.
//! - [`UnderWay`]: one call at it, from its sending to its end, and what is learned from how it goes.
//!
//! **Promises.** While nothing fails a call pays for this with a few atomic operations and one short lock at its end. All
//! maps are bounded: names that clients make up share one state once there are too many.

mod adaptive;
mod affinity;
mod load;
mod memory;
mod model;
mod probe;
mod provider;
mod report;
mod standing;
mod terms;
mod turnstile;
mod under_way;

pub(crate) use affinity::{Belongs, belongs, stored};
pub use memory::{Learned, LearnedLimit};
pub use probe::Tested;
pub(crate) use provider::ProviderState;
pub use report::{
    AdaptiveReport, BreakerReport, FailoverReport, KeyReport, LoadReport, ModelReport, ProviderReport, ProvidersReport,
    QuotaReport, TransitionReport,
};
pub(crate) use standing::Standing;
pub(crate) use turnstile::Call;
pub(crate) use under_way::{Told, UnderWay};

use crate::room::Room;
use parking_lot::Mutex;
use sluicegate_config::{Config, Model, Provider as Configured};
use sluicegate_flow::egress::{FailoverBudget, Role};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Providers by name and address.
type Known = BTreeMap<(Arc<str>, String), Arc<ProviderState>>;

/// Everything that is known of providers. See the module's text.
#[derive(Debug)]
pub struct Providers {
    room: Arc<Room>,
    known: Mutex<Known>,
    /// The budgets of models with several candidates, by the models' names.
    failovers: Mutex<BTreeMap<String, Arc<FailoverBudget>>>,
    /// What the process before this one had learned.
    recalled: Learned,
}

/// A provider or key that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTarget {
    /// No provider of that name is configured.
    #[error("no provider is called {0:?}")]
    Provider(String),
    /// The provider has no key of that name.
    #[error("the provider {provider:?} has no key called {key:?}")]
    Key {
        /// The provider.
        provider: String,
        /// The missing key.
        key: String,
    },
}

impl Providers {
    pub(crate) fn new(room: &Arc<Room>, recalled: Learned) -> Self {
        Self { room: Arc::clone(room), known: Mutex::default(), failovers: Mutex::default(), recalled }
    }

    /// What was learned so far and is worth keeping at `now_ms`, in milliseconds since 1970.
    #[must_use]
    pub fn learned(&self, now_ms: u64) -> Learned {
        let mut learned = Learned::default();
        for ((provider, address), state) in &*self.known.lock() {
            learned.add(provider, address, state.known(now_ms));
        }
        learned.believed(now_ms)
    }

    /// The state of a configured provider: the one there is, or a new one.
    pub(crate) fn provider(&self, configured: &Configured) -> Arc<ProviderState> {
        let id = id(configured);
        let mut known = self.known.lock();
        let state = known.entry(id).or_insert_with_key(|(name, address)| {
            Arc::new(ProviderState::new(configured, &self.room, self.recalled.of(name, address)))
        });
        Arc::clone(state)
    }

    /// What the calls to a model have earned in extra tries; `None` where nobody can stand in for anybody.
    pub(crate) fn failovers(&self, model: &Model) -> Option<Arc<FailoverBudget>> {
        has_several(model).then(|| Arc::clone(self.failovers.lock().entry(model.name.clone()).or_default()))
    }

    /// A configuration is in force: its settings hold from now on, and who is in no configuration any more is forgotten.
    pub(crate) fn apply(&self, config: &Config) {
        let mut known = self.known.lock();
        known.retain(|held, _| config.providers.values().any(|configured| id(configured) == *held));
        for configured in config.providers.values() {
            if let Some(state) = known.get(&id(configured)) {
                state.apply(configured);
            }
        }
        self.failovers.lock().retain(|name, _| config.models.get(name).is_some_and(has_several));
    }

    fn find(&self, name: &str) -> Result<Arc<ProviderState>, UnknownTarget> {
        let known = self.known.lock();
        let found = known.iter().find(|((known, _), _)| **known == *name).map(|(_, state)| Arc::clone(state));
        found.ok_or_else(|| UnknownTarget::Provider(name.to_owned()))
    }

    /// A picture of the moment, providers in order of their names.
    #[must_use]
    pub fn report(&self) -> ProvidersReport {
        let states: Vec<_> = self.known.lock().values().map(Arc::clone).collect();
        let now = self.room.now();
        let failovers = self.failovers.lock();
        let failovers = failovers.iter().map(|(model, budget)| FailoverReport {
            model: model.clone(),
            left: budget.left(),
            most: budget.most(),
        });
        ProvidersReport {
            providers: states.iter().flat_map(with_pools).map(|state| state.report(now)).collect(),
            failovers: failovers.collect(),
        }
    }

    /// Makes a key primary or standby, or holds it: a held key gets no new calls, and what is under way ends. Holds until
    /// it is said otherwise, over reloads too unless those change the key's own `role`.
    ///
    /// # Errors
    /// There is no such provider or key.
    pub fn set_role(&self, provider: &str, key: &str, role: Role) -> Result<(), UnknownTarget> {
        self.find(provider)?.key(key)?.health.set_role(role);
        Ok(())
    }

    /// Sends no new calls to a provider, or does again. What is under way ends.
    ///
    /// # Errors
    /// There is no such provider.
    pub fn hold(&self, provider: &str, hold: bool) -> Result<(), UnknownTarget> {
        self.find(provider)?.hold(hold);
        Ok(())
    }

    /// The operator says that a provider works again: its breaker is closed, its keys are well.
    ///
    /// # Errors
    /// There is no such provider.
    pub fn revive(&self, provider: &str) -> Result<(), UnknownTarget> {
        self.find(provider)?.revive();
        Ok(())
    }

    /// The operator says that a key works again.
    ///
    /// # Errors
    /// There is no such provider or key.
    pub fn revive_key(&self, provider: &str, key: &str) -> Result<(), UnknownTarget> {
        self.find(provider)?.key(key)?.health.revive();
        Ok(())
    }

    /// Calls under way at a provider, or with one of its keys: zero once what was held has drained.
    ///
    /// # Errors
    /// There is no such provider or key.
    pub fn in_flight(&self, provider: &str, key: Option<&str>) -> Result<u32, UnknownTarget> {
        let state = self.find(provider)?;
        match key {
            Some(key) => Ok(state.key(key)?.health.in_flight()),
            None => Ok(state.keys().iter().map(|key| key.health.in_flight()).sum()),
        }
    }
}

/// A provider, and after it those of its keys that sides of migrations have to themselves.
fn with_pools(state: &Arc<ProviderState>) -> Vec<Arc<ProviderState>> {
    std::iter::once(Arc::clone(state)).chain(state.pools()).collect()
}

/// Whether a call to a model that one candidate could not answer may be answered by another.
fn has_several(model: &Model) -> bool {
    model.to.len() + model.fallbacks.len() > 1
}

fn id(configured: &Configured) -> (Arc<str>, String) {
    (configured.name.as_str().into(), configured.base_url.clone().unwrap_or_default())
}
