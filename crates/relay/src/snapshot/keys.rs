//! Client keys, by hash.
//!
//! A key is found by the SHA-256 of what was sent, so the time of a look-up says nothing about any stored key, and one
//! key costs as much as a million.

use super::limits::{Specs, number, specs};
use crate::books::Books;
use sha2::{Digest, Sha256};
use sluicegate_config::{ClientKey, Config, Tenant as ConfiguredTenant};
use sluicegate_flow::Scope;
use sluicegate_ledger::{Payer, Subject};
use sluicegate_store::StoreError;
use sluicegate_vocabulary::{Mode, Priority};
use std::collections::HashMap;
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
    /// By which the sets of its limits are kept, anew in each configuration.
    pub(crate) number: u64,
    pub(crate) live: Arc<Live>,
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
    fn new() -> Arc<Self> {
        Arc::new(Self { number: number(), in_flight: AtomicU32::new(0) })
    }

    /// Calls being served, those that wait included.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Key {
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
struct Prefix(u64);

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

/// All keys of the configuration.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: HashMap<[u8; 32], Arc<Key>, BuildHasherDefault<Prefix>>,
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
        let mut payers = HashMap::new();
        if let Some(books) = books {
            for tenant in config.tenants.values() {
                let subject = Subject::Tenant(tenant.name.as_str().into());
                let payer = books.payer(&subject, tenant.credits.as_ref(), &tenant.budgets)?;
                payers.insert(tenant.name.as_str(), payer);
            }
        }
        let payer = |key: &ClientKey| -> Result<Payer, StoreError> {
            let Some(books) = books else { return Ok(Payer::default()) };
            let subject = Subject::Key(key.name.as_str().into());
            let mut payer = books.payer(&subject, key.credits.as_ref(), &key.budgets)?;
            if let Some(shared) = key.tenant.as_deref().and_then(|name| payers.get(name)) {
                payer.account = payer.account.or_else(|| shared.account.clone());
                payer.budgets.extend(shared.budgets.iter().map(Arc::clone));
            }
            Ok(payer)
        };
        let tenant = |tenant: &ConfiguredTenant| {
            let limits = specs(Scope::Tenant, &tenant.name, &tenant.limits, revision);
            Arc::new(Tenant { name: tenant.name.as_str().into(), limits })
        };
        let tenants: HashMap<&str, Arc<Tenant>> =
            config.tenants.values().map(|configured| (configured.name.as_str(), tenant(configured))).collect();
        let known: HashMap<&str, &Arc<Live>> =
            before.into_iter().flat_map(|ring| ring.keys.values()).map(|key| (&*key.name, &key.live)).collect();
        let entry = |key: &ClientKey| {
            let live = known.get(key.name.as_str()).map_or_else(Live::new, |live| Arc::clone(live));
            let payer = payer(key)?;
            let key = Key {
                name: key.name.as_str().into(),
                priority: key.priority,
                mode: key.mode,
                tenant: key.tenant.as_deref().and_then(|name| tenants.get(name)).map(Arc::clone),
                limits: specs(Scope::Key, &key.name, &key.limits, revision),
                payer,
                number: number(),
                live,
                spec: key.clone(),
            };
            Ok((key.spec.hash.0, Arc::new(key)))
        };
        Ok(Self {
            keys: config.keys.iter().map(entry).collect::<Result<_, StoreError>>()?,
            anonymous: before.map_or_else(Live::new, |before| Arc::clone(&before.anonymous)),
            anonymous_number: number(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    /// The key that hashes to one of ours.
    pub(crate) fn find(&self, presented: &str) -> Option<&Arc<Key>> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let (stored, key) = self.keys.get_key_value(&digest)?;
        bool::from(stored.ct_eq(&digest)).then_some(key)
    }
}
