//! What is known of one provider.

use super::UnknownTarget;
use super::model::{ModelState, millis};
use super::report::{BreakerReport, KeyReport, ModelReport, ProviderReport, TransitionReport};
use super::terms::{breaker, role};
use crate::room::Room;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use sluicegate_config::{Provider as Configured, ProviderKey};
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Breaker, BreakerState, Health, HealthState, HedgeBudget, RetryBudget, Role, Transition};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Models of one provider of which something is known; all others share one state.
const MOST_MODELS: usize = 1024;

/// One provider.
#[derive(Debug)]
pub(crate) struct ProviderState {
    pub(crate) name: Arc<str>,
    pub(crate) breaker: Arc<Breaker>,
    /// The operator holds it.
    pub(crate) held: AtomicBool,
    pub(crate) budget: RetryBudget,
    pub(crate) hedges: HedgeBudget,
    pub(crate) room: Arc<Room>,
    keys: Mutex<Vec<Arc<KeyState>>>,
    models: Mutex<HashMap<Arc<str>, Arc<ModelState>>>,
    others: Arc<ModelState>,
}

/// One of its keys.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) name: Arc<str>,
    /// The same for the same name, in every configuration.
    pub(crate) id: u64,
    /// Of the secret: another secret is another key, whatever it is called.
    fingerprint: u64,
    pub(crate) health: Arc<Health>,
    /// What the configuration says, to notice when it says something else.
    configured: Mutex<Role>,
}

/// What stands for the key of a provider that wants none.
const NO_KEY: &str = "-";

impl KeyState {
    fn new(name: &str, fingerprint: u64, role: Role) -> Arc<Self> {
        let (name, id) = (Arc::from(name), hash_of(name));
        Arc::new(Self { name, id, fingerprint, health: Arc::new(Health::new(role)), configured: Mutex::new(role) })
    }
}

impl ProviderState {
    pub(crate) fn new(configured: &Configured, room: &Arc<Room>, _now: Nanos) -> Self {
        Self {
            name: configured.name.as_str().into(),
            breaker: Arc::new(Breaker::new(breaker(configured))),
            held: AtomicBool::new(false),
            budget: RetryBudget::new(),
            hedges: HedgeBudget::new(),
            room: Arc::clone(room),
            keys: Mutex::default(),
            models: Mutex::default(),
            others: Arc::new(ModelState::new(&configured.name, "*")),
        }
    }

    /// The state of each of the configured keys, in their order; one for a provider that wants no key.
    pub(crate) fn keys_of(&self, configured: &[ProviderKey]) -> Vec<Arc<KeyState>> {
        let mut known = self.keys.lock();
        let mut find = |name: &str, fingerprint: u64, role: Role| {
            let same = |key: &&Arc<KeyState>| *key.name == *name && key.fingerprint == fingerprint;
            let found = known.iter().find(same).map(Arc::clone);
            found.unwrap_or_else(|| {
                let key = KeyState::new(name, fingerprint, role);
                known.push(Arc::clone(&key));
                key
            })
        };
        if configured.is_empty() {
            return vec![find(NO_KEY, 0, Role::Primary)];
        }
        configured.iter().map(|key| find(&key.name, hash_of(key.secret.expose_secret()), role(key))).collect()
    }

    /// The state of one of its models.
    pub(crate) fn model(&self, model: &str) -> Arc<ModelState> {
        let mut models = self.models.lock();
        if let Some(known) = models.get(model) {
            return Arc::clone(known);
        }
        if models.len() >= MOST_MODELS {
            // Those that no candidate holds were called by a name that nobody lists.
            models.retain(|_, state| Arc::strong_count(state) > 1);
            if models.len() >= MOST_MODELS {
                return Arc::clone(&self.others);
            }
        }
        let state = Arc::new(ModelState::new(&self.name, model));
        models.insert(model.into(), Arc::clone(&state));
        state
    }

    /// The settings of a configuration hold from now on. Keys that are not in it any more are forgotten.
    pub(crate) fn apply(&self, configured: &Configured) {
        self.breaker.reconfigure(breaker(configured));
        let current = self.keys_of(&configured.keys);
        self.keys.lock().retain(|key| current.iter().any(|other| Arc::ptr_eq(key, other)));
        for (state, key) in current.iter().zip(&configured.keys) {
            let mut before = state.configured.lock();
            let now = role(key);
            if *before != now {
                state.health.set_role(now);
                *before = now;
            }
        }
    }

    pub(crate) fn keys(&self) -> Vec<Arc<KeyState>> {
        self.keys.lock().clone()
    }

    pub(crate) fn key(&self, name: &str) -> Result<Arc<KeyState>, UnknownTarget> {
        let found = self.keys.lock().iter().find(|key| *key.name == *name).map(Arc::clone);
        found.ok_or_else(|| UnknownTarget::Key { provider: self.name.to_string(), key: name.to_owned() })
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// The breaker has changed its state.
    #[cold]
    pub(crate) fn changed(&self, transition: Transition) {
        let (provider, cause) = (&*self.name, transition.cause.as_str());
        match transition.state {
            BreakerState::Open => tracing::warn!(provider, cause, "a provider is left alone for a while"),
            BreakerState::HalfOpen => tracing::info!(provider, cause, "a provider is tried again"),
            BreakerState::Closed => {
                tracing::info!(provider, cause, "a provider is back");
                let models: Vec<_> = self.models.lock().values().map(Arc::clone).collect();
                models.iter().chain([&self.others]).for_each(|model| model.restart(transition.at));
            }
        }
    }

    pub(crate) fn report(&self, now: Nanos) -> ProviderReport {
        let models: Vec<_> = self.models.lock().values().map(Arc::clone).collect();
        let keys = self.keys();
        let mut reports: Vec<ModelReport> = models.iter().map(|model| model.report(now)).collect();
        reports.sort_by(|one, other| one.model.cmp(&other.model));
        ProviderReport {
            name: self.name.to_string(),
            held: self.is_held(),
            breaker: self.breaker_report(now),
            retries_left: self.budget.left(),
            in_flight: keys.iter().map(|key| key.health.in_flight()).sum(),
            keys: keys.iter().map(|key| key_report(key, &reports, now)).collect(),
            models: reports,
        }
    }

    fn breaker_report(&self, now: Nanos) -> BreakerReport {
        let status = self.breaker.status(now);
        let history = status.history.iter().map(|change| TransitionReport {
            ago_ms: millis(change.at.until(now)),
            state: change.state.as_str(),
            cause: change.cause.as_str(),
        });
        BreakerReport {
            state: status.state.as_str(),
            retry_in_ms: status.until.map(|until| millis(now.until(until))),
            results: status.results,
            failures: status.failures,
            consecutive: status.consecutive,
            history: history.collect(),
        }
    }
}

fn key_report(key: &KeyState, models: &[ModelReport], now: Nanos) -> KeyReport {
    let status = key.health.status(now);
    let until = match status.state {
        HealthState::Healthy => None,
        HealthState::Cooling { until, .. } | HealthState::Suspect { until, .. } | HealthState::Dead { until } => {
            Some(millis(now.until(until)))
        }
    };
    let held = models.iter().flat_map(|model| &model.quotas).filter(|quota| *quota.group == *key.name);
    let held = held.filter_map(|quota| quota.held_ms).max().filter(|_| status.state == HealthState::Healthy);
    KeyReport {
        name: key.name.to_string(),
        role: status.role.as_str(),
        state: if held.is_some() { "throttled" } else { status.state.as_str() },
        retry_in_ms: until.or(held),
        error_rate: status.error_rate,
        consecutive: status.consecutive,
        in_flight: status.in_flight,
        calls: status.calls,
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
