//! What is known of one provider.

use super::UnknownTarget;
use super::affinity::Stored;
use super::load::Watched;
use super::memory::Known;
use super::model::{ModelState, millis};
use super::report::{BreakerReport, KeyReport, ModelReport, ProviderReport, TransitionReport};
use super::terms::{breaker, quota_group, role};
use crate::room::Room;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use sluicegate_config::{Provider as Configured, ProviderKey};
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{
    Breaker, BreakerState, Health, HealthState, HedgeBudget, RetryBudget, Role, Shadow, Transition,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Models of one provider of which something is known; all others share one state.
const MOST_MODELS: usize = 1024;

/// One provider.
#[derive(Debug)]
pub(crate) struct ProviderState {
    pub(crate) name: Arc<str>,
    pub(crate) breaker: Arc<Breaker>,
    /// The operator holds it.
    pub(crate) held: AtomicBool,
    /// How often its breaker opened, and how often it closed again.
    opened: AtomicU64,
    closed: AtomicU64,
    pub(crate) budget: RetryBudget,
    pub(crate) hedges: HedgeBudget,
    pub(crate) room: Arc<Room>,
    /// What it shows of its load.
    pub(super) load: Mutex<Watched>,
    /// Whose the responses are that it stores.
    pub(crate) stored: Stored,
    keys: Mutex<Vec<Arc<KeyState>>>,
    models: Mutex<HashMap<Arc<str>, Arc<ModelState>>>,
    others: Arc<ModelState>,
    /// Those of its keys that a side of a migration has to itself, as long as a candidate uses them.
    pools: Mutex<Vec<Weak<Self>>>,
    /// The provider that this is some keys of.
    whole: Option<Arc<Self>>,
    /// What the process before this one knew of its models.
    recalled: Known,
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
    configured: Mutex<Terms>,
}

/// What the configuration says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    role: Role,
    group: Arc<str>,
}

impl Terms {
    fn of(key: &ProviderKey) -> Self {
        Self { role: role(key), group: quota_group(key).into() }
    }
}

/// What stands for the key of a provider that wants none.
const NO_KEY: &str = "-";

impl KeyState {
    fn new(name: &str, fingerprint: u64, terms: Terms) -> Arc<Self> {
        let (name, id) = (Arc::from(name), hash_of(name));
        let health = Arc::new(Health::new(terms.role));
        Arc::new(Self { name, id, fingerprint, health, configured: Mutex::new(terms) })
    }

    /// It stands where another of its name stood, with another secret: what the operator ordered of that one holds for
    /// it, unless the configuration now says otherwise.
    fn takes_over(&self, before: &Self) {
        let (said, says) = (before.configured.lock().role, self.configured.lock().role);
        let ordered = before.health.role();
        if said == says && ordered != said {
            self.health.set_role(ordered);
        }
    }
}

impl ProviderState {
    pub(super) fn new(configured: &Configured, room: &Arc<Room>, recalled: Known) -> Self {
        Self {
            name: configured.name.as_str().into(),
            breaker: Arc::new(Breaker::new(breaker(configured))),
            held: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            budget: RetryBudget::new(),
            hedges: HedgeBudget::new(),
            room: Arc::clone(room),
            load: Watched::at(configured.metrics_url.clone()),
            stored: Stored::default(),
            keys: Mutex::default(),
            models: Mutex::default(),
            others: Arc::new(ModelState::new(&configured.name, "*", None)),
            pools: Mutex::default(),
            whole: None,
            recalled,
        }
    }

    /// The state of some of its keys that one side of a migration has to itself. What goes wrong with one side must not
    /// be held against the other, so it has a breaker, budgets and learned limits of its own, as another provider would.
    /// The keys are the same, and so are their accounts' quotas and what an operator orders.
    pub(crate) fn pool(self: &Arc<Self>, configured: &Configured) -> Arc<Self> {
        let names: Vec<&str> = configured.keys.iter().map(|key| key.name.as_str()).collect();
        let name = format!("{}[{}]", self.name, names.join(","));
        let mut pools = self.pools.lock();
        if let Some(known) = pools.iter().filter_map(Weak::upgrade).find(|pool| *pool.name == *name) {
            return known;
        }
        let named = Configured { name, metrics_url: None, ..configured.clone() };
        let pool = Arc::new(Self {
            held: AtomicBool::new(self.is_held()),
            keys: Mutex::new(self.keys_of(&configured.keys)),
            whole: Some(Arc::clone(self)),
            ..Self::new(&named, &self.room, Known::default())
        });
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        pool
    }

    /// The pools of its keys that sides of migrations have to themselves.
    pub(super) fn pools(&self) -> Vec<Arc<Self>> {
        self.pools.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// The copy of what an account has left for a model. An account has one, whichever side uses it.
    pub(super) fn quota(&self, model: &ModelState, group: &str) -> Arc<Shadow> {
        match &self.whole {
            Some(whole) => whole.model(model.model()).quota(group),
            None => model.quota(group),
        }
    }

    /// Sends no new calls to it, or does again.
    pub(super) fn hold(&self, hold: bool) {
        self.held.store(hold, Ordering::Relaxed);
        self.pools().iter().for_each(|pool| pool.hold(hold));
    }

    /// The operator says that it works again.
    pub(super) fn revive(&self) {
        self.breaker.close(self.room.now());
        self.keys().iter().for_each(|key| key.health.revive());
        self.pools().iter().for_each(|pool| pool.revive());
    }

    /// The state of each of the configured keys, in their order; one for a provider that wants no key.
    pub(crate) fn keys_of(&self, configured: &[ProviderKey]) -> Vec<Arc<KeyState>> {
        if let Some(whole) = &self.whole {
            return whole.keys_of(configured);
        }
        let mut known = self.keys.lock();
        let mut find = |name: &str, fingerprint: u64, terms: Terms| {
            let same = |key: &&Arc<KeyState>| *key.name == *name && key.fingerprint == fingerprint;
            let found = known.iter().find(same).map(Arc::clone);
            found.unwrap_or_else(|| {
                let key = KeyState::new(name, fingerprint, terms);
                known.iter().filter(|before| *before.name == *name).for_each(|before| key.takes_over(before));
                known.push(Arc::clone(&key));
                key
            })
        };
        if configured.is_empty() {
            return vec![find(NO_KEY, 0, Terms { role: Role::Primary, group: NO_KEY.into() })];
        }
        configured.iter().map(|key| find(&key.name, hash_of(key.secret.expose_secret()), Terms::of(key))).collect()
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
        let state = Arc::new(ModelState::new(&self.name, model, self.recalled.get(model).copied()));
        models.insert(model.into(), Arc::clone(&state));
        state
    }

    /// Where the limits of its models stand, those that were recalled and not asked for so far included.
    pub(super) fn known(&self, now_ms: u64) -> Known {
        let mut known = self.recalled.clone();
        for (model, state) in &*self.models.lock() {
            if let Some(kept) = state.kept(now_ms) {
                known.insert(Arc::clone(model), kept);
            }
        }
        known
    }

    /// The settings of a configuration hold from now on. Keys that are not in it any more are forgotten.
    pub(crate) fn apply(&self, configured: &Configured) {
        self.breaker.reconfigure(breaker(configured));
        self.load.lock().moved(configured.metrics_url.clone());
        let current = self.keys_of(&configured.keys);
        let is_current = |key: &Arc<KeyState>| current.iter().any(|other| Arc::ptr_eq(key, other));
        self.keys.lock().retain(|before| {
            // What was ordered since the new one was made.
            let after = current.iter().find(|key| key.name == before.name);
            after.filter(|_| !is_current(before)).into_iter().for_each(|key| key.takes_over(before));
            is_current(before)
        });
        for (state, key) in current.iter().zip(&configured.keys) {
            let mut before = state.configured.lock();
            let now = Terms::of(key);
            if before.role != now.role {
                state.health.set_role(now.role);
            }
            *before = now;
        }
        for pool in self.pools() {
            pool.breaker.reconfigure(breaker(configured));
            let mut keys = pool.keys.lock();
            *keys = current.iter().filter(|key| keys.iter().any(|its| its.name == key.name)).map(Arc::clone).collect();
        }
    }

    /// The states of all its models, that of those without one of their own last.
    pub(super) fn models(&self) -> Vec<Arc<ModelState>> {
        let mut models: Vec<_> = self.models.lock().values().map(Arc::clone).collect();
        models.push(Arc::clone(&self.others));
        models
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
            BreakerState::Open => {
                self.opened.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(provider, cause, "a provider is left alone for a while");
            }
            BreakerState::HalfOpen => tracing::info!(provider, cause, "a provider is tried again"),
            BreakerState::Closed => {
                self.closed.fetch_add(1, Ordering::Relaxed);
                tracing::info!(provider, cause, "a provider is back");
                self.models().iter().for_each(|model| model.restart(transition.at));
            }
        }
    }

    pub(crate) fn report(&self, now: Nanos) -> ProviderReport {
        let models: Vec<_> = self.models.lock().values().map(Arc::clone).collect();
        let keys = self.keys();
        // Those of a pool are told of once, with their provider.
        let told = if self.whole.is_some() { &[][..] } else { &keys };
        let mut reports: Vec<ModelReport> = models.iter().map(|model| model.report(now)).collect();
        reports.sort_by(|one, other| one.model.cmp(&other.model));
        ProviderReport {
            name: self.name.to_string(),
            held: self.is_held(),
            breaker: self.breaker_report(now),
            retries_left: self.budget.left(),
            in_flight: keys.iter().map(|key| key.health.in_flight()).sum(),
            load: self.load.lock().report(now),
            keys: told.iter().map(|key| key_report(key, &reports, now)).collect(),
            models: reports,
        }
    }

    fn breaker_report(&self, now: Nanos) -> BreakerReport {
        let status = self.breaker.status(now);
        let history = status.history.iter().map(|change| TransitionReport {
            ago_ms: millis(change.at.until(now)),
            state: change.state.as_str().into(),
            cause: change.cause.as_str().into(),
        });
        BreakerReport {
            state: status.state.as_str().into(),
            opened: self.opened.load(Ordering::Relaxed),
            closed: self.closed.load(Ordering::Relaxed),
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
    let group = Arc::clone(&key.configured.lock().group);
    let quotas = || models.iter().flat_map(|model| &model.quotas).filter(|quota| *quota.group == *group);
    let held = quotas().filter_map(|quota| quota.held_ms).max().filter(|_| status.state == HealthState::Healthy);
    KeyReport {
        name: key.name.to_string(),
        role: status.role.as_str().into(),
        state: if held.is_some() { "throttled" } else { status.state.as_str() }.into(),
        headroom: quotas().map(|quota| quota.headroom).reduce(f64::min),
        group: group.to_string(),
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
