//! Keys that are made while the relay runs.
//!
//! They are kept in the data directory (`sluicegate_store::KeyStore`) and looked up in a table that all workers share
//! ([`table`]). An operator's change is written to the disk first and put into the table then, so that it is in force for
//! every worker when whoever asked for it is told, and is found again after a start. The keys of the configuration's file
//! are not among them: the file owns what the file declares, and a name that it uses is no other key's.
//!
//! The same code serves a running relay and a command that opens the keys of one that is stopped.

pub(crate) mod page;
mod table;
mod wake;

pub(crate) use table::{Entry, Look, Table};
pub(crate) use wake::wake;

use crate::books::{Books, CreditError, now_ms};
use crate::server::StartError;
use parking_lot::Mutex;
use sluicegate_config::{BadTerms, ClientKey, Config, KeyHash, Ledger};
use sluicegate_ledger::{Kind, Subject};
use sluicegate_store::{Entered, KeyStore, KeyStoreError, NewKey, StoreError, StoredKey, new_secret};
use sluicegate_vocabulary::Money;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What makes a key one that money bounds, as its terms spell it.
const MONEY: [&str; 2] = ["\"budget\"", "\"credits\""];

/// The keys of a data directory that were made at run time.
#[derive(Debug)]
pub struct Keys {
    dir: PathBuf,
    table: Table,
    /// Made when the first key is; one change at a time.
    store: Mutex<Option<Arc<KeyStore>>>,
    /// Whether some key has a budget or an account, or had one at the start.
    bounded: bool,
}

/// A key that is to be made.
#[derive(Debug, Clone, Default)]
pub struct WantedKey {
    /// Its name.
    pub name: String,
    /// What it may do: a JSON object with the fields of an entry under `keys`.
    pub terms: String,
    /// What is noted about it: a JSON object of texts.
    pub metadata: String,
    /// Until when it is good, in milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
    /// The SHA-256 of a secret that exists already; a new secret is made where there is none.
    pub sha256: Option<KeyHash>,
}

/// A key that was made.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// The key.
    pub key: StoredKey,
    /// Its secret, which nobody can be told again; `None` for one that was known by its hash.
    pub secret: Option<String>,
    /// What is worth knowing about its terms.
    pub warnings: Vec<String>,
    /// What its account was given, where it is the first of that account.
    pub granted: Option<Money>,
}

/// What was not done with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The terms are wrong.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// It is a key of the configuration.
    #[error("key {0} is declared in the configuration file: it is changed there, and by a reload")]
    OfTheFile(String),
    /// The key, its name or its secret.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A key that money bounds, where no books are kept.
    #[error(
        "key {0} has a budget or an account, and no books are kept here: add a `ledger` section to the configuration"
    )]
    NoBooks(String),
    /// The books could not be opened.
    #[error(transparent)]
    Start(Box<StartError>),
    /// Its account could not be credited.
    #[error(transparent)]
    Credit(#[from] CreditError),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Keys(error.into())
    }
}

impl From<StartError> for KeyError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

impl Keys {
    /// The keys of a data directory.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = KeyStore::open_existing(dir)?;
        let mut filling = table::Filling::default();
        if let Some(store) = &store {
            store.each(|entry| filling.add(entry))?;
        }
        let (table, bounded) = filling.done(&MONEY);
        Ok(Self { dir: dir.to_owned(), table, store: Mutex::new(store.map(Arc::new)), bounded })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) const fn table(&self) -> &Table {
        &self.table
    }

    /// The configuration with books, where a key needs them and it says nothing of them.
    #[must_use]
    pub fn with_books(&self, mut config: Config) -> Config {
        if self.bounded && config.ledger.is_none() {
            config.ledger = Some(Ledger::default());
        }
        config
    }

    /// Makes a key, and its account if it is a new one. It is in force when this returns. Waits for the disk.
    ///
    /// # Errors
    /// The terms are wrong, the name or the secret is taken, or something cannot be written.
    pub fn create(&self, config: &Config, books: Option<&Books>, wanted: &WantedKey) -> Result<MadeKey, KeyError> {
        not_of_the_file(config, &wanted.name)?;
        let (hash, secret) = match wanted.sha256 {
            Some(hash) => (hash, None),
            None => {
                let secret = new_secret()?;
                (KeyHash::of(&secret), Some(secret))
            }
        };
        let (key, warnings) = config.key_with_terms(&wanted.name, hash, &wanted.terms)?;
        let mut slot = self.store.lock();
        let store = match &*slot {
            Some(store) => Arc::clone(store),
            None => Arc::clone(slot.insert(Arc::new(KeyStore::open(&self.dir)?))),
        };
        if store.get(&wanted.name)?.is_some() {
            return Err(KeyStoreError::NameTaken(wanted.name.clone()).into());
        }
        // The account first: if this breaks off in between, nobody has a key without what it was promised.
        let granted = match (key.is_bounded(), books) {
            (false, _) => None,
            (true, None) => return Err(KeyError::NoBooks(key.name)),
            (true, Some(books)) => opened(config, books, &key)?,
        };
        let metadata = if wanted.metadata.is_empty() { "{}" } else { &wanted.metadata };
        let new =
            NewKey { name: &key.name, hash: hash.0, terms: &wanted.terms, metadata, expires_ms: wanted.expires_ms };
        store.create(&[new], now_ms())?;
        let key = store.get(&key.name)?.ok_or_else(|| KeyStoreError::Unknown(key.name.clone()))?;
        self.table.apply(&key);
        let warnings = warnings.into_iter().map(|warning| warning.message).collect();
        Ok(MadeKey { key, secret, warnings, granted })
    }

    /// A page of keys, by name: so many at most, those after a name.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn list(&self, after: &str, limit: u32) -> Result<Vec<StoredKey>, KeyError> {
        self.store().map_or_else(|| Ok(Vec::new()), |store| Ok(store.list(after, limit)?))
    }

    /// One key.
    ///
    /// # Errors
    /// There is no such key, or it cannot be read.
    pub fn get(&self, name: &str) -> Result<StoredKey, KeyError> {
        let found = self.store().map_or(Ok(None), |store| store.get(name))?;
        found.ok_or_else(|| KeyStoreError::Unknown(name.to_owned()).into())
    }

    /// Switches a key off or on. In force when this returns; calls under way end.
    ///
    /// # Errors
    /// There is no such key, or it cannot be written.
    pub fn disable(&self, config: &Config, name: &str, disabled: bool) -> Result<StoredKey, KeyError> {
        self.change(config, name, |store| store.disable(name, disabled, now_ms()))
    }

    /// Says until when a key is good.
    ///
    /// # Errors
    /// There is no such key, or it cannot be written.
    pub fn expire(&self, config: &Config, name: &str, expires_ms: Option<i64>) -> Result<StoredKey, KeyError> {
        self.change(config, name, |store| store.expire(name, expires_ms, now_ms()))
    }

    /// Gives a key a new secret; those it had are good for so long yet.
    ///
    /// # Errors
    /// There is no such key, or it cannot be written.
    pub fn rotate(&self, config: &Config, name: &str, grace: Duration) -> Result<MadeKey, KeyError> {
        let secret = new_secret()?;
        let before = self.get(name).ok();
        let key = self.change(config, name, |store| store.rotate(name, KeyHash::of(&secret).0, grace, now_ms()))?;
        // Secrets whose grace was over are no longer among those that were applied.
        let gone = before.iter().flat_map(|before| &before.secrets);
        for secret in gone.filter(|secret| key.secrets.iter().all(|left| left.hash != secret.hash)) {
            self.table.remove(&secret.hash);
        }
        Ok(MadeKey { key, secret: Some(secret), warnings: Vec::new(), granted: None })
    }

    /// Forgets a key. What it used stays in the books.
    ///
    /// # Errors
    /// There is no such key, or it cannot be written.
    pub fn delete(&self, config: &Config, name: &str) -> Result<StoredKey, KeyError> {
        not_of_the_file(config, name)?;
        let slot = self.store.lock();
        let unknown = || KeyStoreError::Unknown(name.to_owned());
        let key = slot.as_ref().ok_or_else(unknown)?.delete(name)?;
        key.secrets.iter().for_each(|secret| self.table.remove(&secret.hash));
        Ok(key)
    }

    fn store(&self) -> Option<Arc<KeyStore>> {
        self.store.lock().clone()
    }

    fn change(
        &self,
        config: &Config,
        name: &str,
        act: impl FnOnce(&KeyStore) -> Result<StoredKey, KeyStoreError>,
    ) -> Result<StoredKey, KeyError> {
        not_of_the_file(config, name)?;
        // Held until the table has it too: of two changes the later one counts in both places.
        let slot = self.store.lock();
        let key = act(slot.as_ref().ok_or_else(|| KeyStoreError::Unknown(name.to_owned()))?)?;
        self.table.apply(&key);
        Ok(key)
    }
}

/// Opens what a key is paid from, and gives its account what new accounts are given, once.
fn opened(config: &Config, books: &Books, key: &ClientKey) -> Result<Option<Money>, KeyError> {
    let subject = Subject::Key(key.name.as_str().into());
    let _ = books.payer(&subject, key.credits.as_ref(), &key.budgets)?;
    let Some(credits) = key.credits.as_ref().filter(|_| config.signup > Money::ZERO) else { return Ok(None) };
    let reference = format!("sign-up of {}", credits.account);
    let (entered, _) = books.credit(Kind::Grant, &reference, &credits.account, config.signup)?;
    Ok((entered == Entered::New).then_some(config.signup))
}

fn not_of_the_file(config: &Config, name: &str) -> Result<(), KeyError> {
    if config.keys.iter().any(|key| key.name == name) { Err(KeyError::OfTheFile(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
