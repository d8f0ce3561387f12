//! Client keys, by hash.
//!
//! A key is found by the SHA-256 of what was sent, so the time of a look-up says nothing about any stored key, and one
//! key costs as much as a million.

use sha2::{Digest, Sha256};
use sluicegate_config::ClientKey;
use sluicegate_vocabulary::Priority;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a key may do.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Arc<str>,
    pub(crate) priority: Priority,
    spec: ClientKey,
}

impl Key {
    /// Whether this key may ask for a model by this name, which leads to this provider.
    pub(crate) fn may_use(&self, model: &str, provider: &str) -> bool {
        self.spec.may_use(model, provider)
    }
}

/// All keys of the configuration.
#[derive(Debug, Default)]
pub(crate) struct KeyRing(HashMap<[u8; 32], Arc<Key>>);

impl KeyRing {
    pub(crate) fn new(keys: &[ClientKey]) -> Self {
        let entry = |key: &ClientKey| {
            let name = key.name.as_str().into();
            (key.hash.0, Arc::new(Key { name, priority: key.priority, spec: key.clone() }))
        };
        Self(keys.iter().map(entry).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that hashes to one of ours.
    pub(crate) fn find(&self, presented: &str) -> Option<&Arc<Key>> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let (stored, key) = self.0.get_key_value(&digest)?;
        bool::from(stored.ct_eq(&digest)).then_some(key)
    }
}
