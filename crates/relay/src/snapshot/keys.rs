//! Client keys, by hash.
//!
//! A key is found by the SHA-256 of what was sent, so the time of a look-up says nothing about any stored key, and one
//! key costs as much as a million.

use super::limits::{Specs, number, specs};
use crate::books::Books;
use sluicegate_config::{ClientKey, Config, Tenant as ConfiguredTenant};
use sluicegate_flow::Scope;
use sluicegate_ledger::{Payer, Subject};
use sluicegate_store::{StoreError, Whose};
use sluicegate_vocabulary::{Endpoint, Mode, Priority};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use subtle::ConstantTimeEq;

/// What a key may do.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Arc<str>,
    pub(crate) priority: Priority,
    pub(crate) mode: Mode,
    pub(crate) tenant: Option<Arc<Tenant>>,
    pub(crate) limits: Specs,
    /// Who pays for its calls: its account or its tenant's, its budgets and its tenant's.
    pub(crate) payer: Payer,
    /// Who that is in the books.
    pub(crate) whose: Whose,
    /// By which the sets of its limits are kept, anew in each configuration.
    pub(crate) number: u64,
    pub(crate) live: Arc<Live>,
    /// Until when it is good, where that is known: in milliseconds since the Unix epoch.
    pub(crate) expires_ms: Option<i64>,
    spec: ClientKey,
}

/// Keys that share limits.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) name: Arc<str>,
    pub(crate) limits: Specs,
}

/// What goes on for a key right now. Outlives the configuration.
#[derive(Debug)]
pub(crate) struct Live {
    /// The key as the queues know it.
    pub(crate) number: u64,
    in_flight: AtomicU32,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { number: number(), in_flight: AtomicU32::new(0) })
    }

    /// Calls being served, those that wait included.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether anything goes on.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight() > 0
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Key {
    /// What it may do and what it is held to.
    pub(crate) const fn spec(&self) -> &ClientKey {
        &self.spec
    }

    /// Whether this key may call an endpoint.
    pub(crate) fn may_call(&self, endpoint: Endpoint) -> bool {
        self.spec.may_call(endpoint)
    }

    /// By what its calls are told apart in the books; empty where nothing was said.
    pub(crate) fn label(&self) -> &str {
        self.spec.label.as_deref().unwrap_or_default()
    }

    /// Whether this key may ask for a model by this name, which leads to this provider.
    pub(crate) fn may_use(&self, model: &str, provider: &str) -> bool {
        self.spec.may_use(model, provider)
    }

    /// Whether its calls may be answered by a lower tier.
    pub(crate) const fn accepts_lower_tier(&self) -> bool {
        self.spec.accept_lower_tier
    }
}

/// The hash of what is a hash already: its first bytes. Nobody can choose many keys whose SHA-256 begin alike.
#[derive(Debug, Default)]
pub(crate) struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    // The length of what follows, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A tenant as its keys share it.
#[derive(Debug)]
struct Shared {
    tenant: Arc<Tenant>,
    payer: Payer,
}

/// All keys of the configuration.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: HashMap<[u8; 32], Arc<Key>, BuildHasherDefault<Prefix>>,
    names: HashSet<Arc<str>>,
    tenants: HashMap<String, Shared>,
    /// Those who call without a key.
    pub(crate) anonymous: Arc<Live>,
    /// By which their limits are kept.
    pub(crate) anonymous_number: u64,
}

impl KeyRing {
    /// The keys of a configuration, whose `revision` this is. What goes on for a key that was there before goes on.
    ///
    /// # Errors
    /// The store refused to tell of an account or a budget.
    pub(crate) fn new(
        config: &Config,
        before: Option<&Self>,
        books: Option<&Books>,
        revision: u64,
    ) -> Result<Self, StoreError> {
        let shared = |configured: &ConfiguredTenant| {
            let limits = specs(Scope::Tenant, &configured.name, &configured.limits, revision);
            let tenant = Arc::new(Tenant { name: configured.name.as_str().into(), limits });
            let subject = Subject::Tenant(configured.name.as_str().into());
            let payer = books.map(|books| books.payer(&subject, configured.credits.as_ref(), &configured.budgets));
            Ok((configured.name.clone(), Shared { tenant, payer: payer.transpose()?.unwrap_or_default() }))
        };
        let tenants = config.tenants.values().map(shared).collect::<Result<_, StoreError>>()?;
        let mut ring = Self {
            keys: HashMap::default(),
            names: config.keys.iter().map(|key| key.name.as_str().into()).collect(),
            tenants,
            anonymous: before.map_or_else(Live::new, |before| Arc::clone(&before.anonymous)),
            anonymous_number: number(),
        };
        let known: HashMap<&str, &Arc<Live>> =
            before.into_iter().flat_map(|ring| ring.keys.values()).map(|key| (&*key.name, &key.live)).collect();
        let entry = |key: &ClientKey| {
            let live = known.get(key.name.as_str()).map_or_else(Live::new, |live| Arc::clone(live));
            Ok((key.hash.0, Arc::new(ring.key(key, live, books, revision)?)))
        };
        ring.keys = config.keys.iter().map(entry).collect::<Result<_, StoreError>>()?;
        Ok(ring)
    }

    /// A key under this configuration. `revision` is that of its limits.
    ///
    /// # Errors
    /// The store refused to tell of an account or a budget.
    pub(crate) fn key(
        &self,
        spec: &ClientKey,
        live: Arc<Live>,
        books: Option<&Books>,
        revision: u64,
    ) -> Result<Key, StoreError> {
        let shared = spec.tenant.as_deref().and_then(|name| self.tenants.get(name));
        let mut payer = Payer::default();
        if let Some(books) = books {
            let subject = Subject::Key(spec.name.as_str().into());
            payer = books.payer(&subject, spec.credits.as_ref(), &spec.budgets)?;
            if let Some(Shared { payer: shared, .. }) = shared {
                payer.account = payer.account.or_else(|| shared.account.clone());
                payer.budgets.extend(shared.budgets.iter().map(Arc::clone));
            }
        }
        let account = payer.account.as_ref().map_or("", |account| account.name());
        let whose = match books {
            Some(_) => Whose::new(shared.map_or("", |shared| &shared.tenant.name), &spec.name, account),
            None => Whose::NOBODY,
        };
        Ok(Key {
            name: spec.name.as_str().into(),
            priority: spec.priority,
            mode: spec.mode,
            tenant: shared.map(|shared| Arc::clone(&shared.tenant)),
            limits: specs(Scope::Key, &spec.name, &spec.limits, revision),
            payer,
            whose,
            number: number(),
            live,
            expires_ms: None,
            spec: spec.clone(),
        })
    }

    /// Whether a key of the configuration has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Every tenant.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values().map(|shared| &shared.tenant)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    /// The key whose secret hashes to this.
    pub(crate) fn find(&self, digest: &[u8; 32]) -> Option<&Arc<Key>> {
        let (stored, key) = self.keys.get_key_value(digest)?;
        bool::from(stored.ct_eq(digest)).then_some(key)
    }
}
