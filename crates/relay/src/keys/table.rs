//! The keys that were made at run time, as calls look them up.
//!
//! There may be a million of them, most of which nobody uses. So a key that is not in use is a few dozen bytes: the hash of
//! its secret, its name, and its terms as text, which keys with the same terms share. Only when somebody comes with it is
//! it made into a [`Key`], under the configuration of that moment, and only as long as it is used does it stay one.
//!
//! The table is cut into parts by the hash, each behind a lock of its own that is taken for reading for the length of one
//! look-up in a hash table; so it costs the same with one key as with a million. All workers share it: a change is in force
//! for all of them when it returns.

use crate::snapshot::{Key, Live, Prefix};
use parking_lot::RwLock;
use sluicegate_store::{KeyEntry, StoredKey};
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use subtle::ConstantTimeEq as _;

const PARTS: usize = 64;

/// All keys that were made at run time.
#[derive(Debug)]
pub(crate) struct Table {
    parts: Vec<RwLock<Part>>,
    secrets: AtomicUsize,
}

#[derive(Debug, Default)]
struct Part {
    known: HashSet<Known, BuildHasherDefault<Prefix>>,
    /// Those in use.
    awake: HashMap<[u8; 32], Awake, BuildHasherDefault<Prefix>>,
}

/// One secret of a key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) hash: [u8; 32],
    pub(crate) name: Box<str>,
    pub(crate) terms: Arc<str>,
    disabled: bool,
    /// Until when it is good, in milliseconds since the Unix epoch.
    until_ms: i64,
}

impl Entry {
    /// Until when it is good, where that has an end.
    pub(crate) fn expires_ms(&self) -> Option<i64> {
        Some(self.until_ms).filter(|until| *until < i64::MAX)
    }
}

/// An entry that is found by its hash.
#[derive(Debug)]
struct Known(Arc<Entry>);

impl Borrow<[u8; 32]> for Known {
    fn borrow(&self) -> &[u8; 32] {
        &self.0.hash
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for Known {}

/// A key in use.
#[derive(Debug)]
struct Awake {
    key: Arc<Key>,
    until_ms: i64,
    /// The configuration it was made under.
    revision: u64,
    /// Since somebody last looked for those that are not used any more.
    used: AtomicBool,
}

/// What is known of a secret.
#[derive(Debug)]
pub(crate) enum Look {
    /// The key, ready to be used.
    Ready(Arc<Key>),
    /// A key that has to be made ready first.
    Asleep(Arc<Entry>),
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// Nothing.
    Unknown,
}

impl Default for Table {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| RwLock::default()).collect(), secrets: AtomicUsize::new(0) }
    }
}

impl Table {
    /// Whether there is no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.load(Ordering::Relaxed) == 0
    }

    /// The part of a hash: by its last byte, since the first ones are the place in the part.
    fn part(&self, hash: &[u8; 32]) -> Option<&RwLock<Part>> {
        let [.., last] = hash;
        self.parts.get(usize::from(*last) % PARTS)
    }

    /// What is known of a secret at this time under the configuration of this revision.
    pub(crate) fn look(&self, hash: &[u8; 32], now_ms: impl FnOnce() -> i64, revision: u64) -> Look {
        let Some(part) = self.part(hash) else { return Look::Unknown };
        let part = part.read();
        if let Some((stored, awake)) = part.awake.get_key_value(hash)
            && awake.revision == revision
            && bool::from(stored.ct_eq(hash))
        {
            if awake.until_ms < i64::MAX && awake.until_ms <= now_ms() {
                return Look::Expired;
            }
            if !awake.used.load(Ordering::Relaxed) {
                awake.used.store(true, Ordering::Relaxed);
            }
            return Look::Ready(Arc::clone(&awake.key));
        }
        match part.known.get(hash) {
            Some(Known(entry)) if bool::from(entry.hash.ct_eq(hash)) => match entry {
                entry if entry.disabled => Look::Disabled,
                entry if entry.until_ms < i64::MAX && entry.until_ms <= now_ms() => Look::Expired,
                entry => Look::Asleep(Arc::clone(entry)),
            },
            _ => Look::Unknown,
        }
    }

    /// What goes on for a key that was made ready under another configuration.
    pub(crate) fn live(&self, hash: &[u8; 32]) -> Option<Arc<Live>> {
        Some(Arc::clone(&self.part(hash)?.read().awake.get(hash)?.key.live))
    }

    /// Keeps a key that was made ready, unless it has been changed or taken away meanwhile; and tells which one is to be
    /// used, since two calls may have come with it at once.
    pub(crate) fn keep(&self, entry: &Arc<Entry>, key: Key, revision: u64) -> Option<Arc<Key>> {
        let mut part = self.part(&entry.hash)?.write();
        if !part.known.get(&entry.hash).is_some_and(|Known(known)| Arc::ptr_eq(known, entry)) {
            return None;
        }
        if let Some(other) = part.awake.get(&entry.hash)
            && other.revision >= revision
        {
            return Some(Arc::clone(&other.key));
        }
        let key = Arc::new(key);
        let awake = Awake { key: Arc::clone(&key), until_ms: entry.until_ms, revision, used: AtomicBool::new(true) };
        part.awake.insert(entry.hash, awake);
        Some(key)
    }

    /// Adds an entry, or puts it in the place of the one with its hash.
    fn put(&self, entry: Entry) {
        let Some(part) = self.part(&entry.hash) else { return };
        let mut part = part.write();
        part.awake.remove(&entry.hash);
        if part.known.replace(Known(Arc::new(entry))).is_none() {
            self.secrets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a secret away.
    pub(crate) fn remove(&self, hash: &[u8; 32]) {
        let Some(part) = self.part(hash) else { return };
        let mut part = part.write();
        part.awake.remove(hash);
        if part.known.remove(hash) {
            self.secrets.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Puts a key with all its secrets in force as it is now.
    pub(crate) fn apply(&self, key: &StoredKey) {
        let terms: Arc<str> = key.terms.as_str().into();
        for secret in &key.secrets {
            self.put(Entry {
                hash: secret.hash,
                name: key.name.as_str().into(),
                terms: Arc::clone(&terms),
                disabled: key.disabled,
                until_ms: key.expires_ms.unwrap_or(i64::MAX).min(secret.until_ms.unwrap_or(i64::MAX)),
            });
        }
    }

    /// Keys that nobody has come with for a while, and that nothing is going on for, go back to sleep.
    pub(crate) fn tidy(&self) {
        for part in &self.parts {
            part.write().awake.retain(|_, awake| {
                awake.used.swap(false, Ordering::Relaxed)
                    || Arc::strong_count(&awake.key) > 1
                    || awake.key.live.is_busy()
            });
        }
    }

    /// Shows every key in use.
    pub(crate) fn each_awake(&self, mut show: impl FnMut(&Arc<Key>)) {
        for part in &self.parts {
            part.read().awake.values().for_each(|awake| show(&awake.key));
        }
    }
}

/// Fills a table. Terms that are the same are kept once.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    table: Table,
    terms: HashSet<Arc<str>>,
}

impl Filling {
    pub(crate) fn add(&mut self, entry: KeyEntry<'_>) {
        let terms = match self.terms.get(entry.terms) {
            Some(terms) => Arc::clone(terms),
            None => {
                let terms: Arc<str> = entry.terms.into();
                self.terms.insert(Arc::clone(&terms));
                terms
            }
        };
        self.table.put(Entry {
            hash: entry.hash,
            name: entry.name.into(),
            terms,
            disabled: entry.disabled,
            until_ms: entry.until_ms.unwrap_or(i64::MAX),
        });
    }

    /// The table, and whether some key's terms have one of these words.
    pub(crate) fn done(self, words: &[&str]) -> (Table, bool) {
        let has = self.terms.iter().any(|terms| words.iter().any(|word| terms.contains(word)));
        (self.table, has)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
