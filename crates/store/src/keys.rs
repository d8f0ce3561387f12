//! Keys of clients that were made while the relay ran.
//!
//! They have a file of their own, `keys.db`, because a relay has keys also where it keeps no books, and because whoever
//! holds up the books must not hold up the revocation of a key. Of a key's secret only the SHA-256 is here. A key may have
//! several secrets for a while: the newest, and those that were rotated away and are good until their grace is over. What
//! a key may do is a JSON text, its terms, which this crate does not look into.
//!
//! Each change is one transaction that is on the disk when it returns.

use crate::error::StoreError;
use crate::schema;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "keys.db";
/// Random bytes of a secret.
const SECRET: usize = 24;
/// How long a change waits for somebody else's transaction.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys of one data directory.
#[derive(Debug)]
pub struct KeyStore(Mutex<Connection>);

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its number, never given to another.
    pub id: i64,
    /// Its name; unique.
    pub name: String,
    /// What it may do, as JSON.
    pub terms: String,
    /// What its operator noted about it, as a JSON object of texts.
    pub metadata: String,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Until when it is good, in milliseconds since the Unix epoch; for ever where it is not said.
    pub expires_ms: Option<i64>,
    /// When it was made.
    pub created_ms: i64,
    /// When something was last changed about it.
    pub changed_ms: i64,
    /// What a client's key must hash to: one of these, the newest first.
    pub secrets: Vec<StoredSecret>,
}

/// One secret of a key, as its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// Until when it is good, where it was rotated away.
    pub until_ms: Option<i64>,
}

/// What is looked up for every call, without what only operators ask for.
#[derive(Debug, Clone, Copy)]
pub struct KeyEntry<'a> {
    /// The secret's SHA-256.
    pub hash: [u8; 32],
    /// The key's number.
    pub id: i64,
    /// The key's name.
    pub name: &'a str,
    /// What it may do, as JSON.
    pub terms: &'a str,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Until when this secret of it is good: the earlier of the key's end and the secret's.
    pub until_ms: Option<i64>,
}

/// A key that is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its secret's SHA-256.
    pub hash: [u8; 32],
    /// What it may do, as JSON.
    pub terms: &'a str,
    /// What is noted about it, as a JSON object of texts.
    pub metadata: &'a str,
    /// Until when it is good.
    pub expires_ms: Option<i64>,
}

/// A change that was not made.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The name is another key's.
    #[error("there is a key {0} already")]
    NameTaken(String),
    /// The secret is one that is known already.
    #[error("this secret is known already: it is a secret of key {0}")]
    SecretTaken(String),
    /// There is no such key.
    #[error("no key is called {0}")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for KeyStoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A secret that nobody can guess: 192 random bits.
///
/// # Errors
/// The system gave no random bytes.
pub fn new_secret() -> Result<String, StoreError> {
    let mut bytes = [0; SECRET];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::NoRandom)?;
    Ok(format!("sk-sg-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

impl KeyStore {
    /// Where a data directory has its keys.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Opens the keys of a data directory, and makes their file if it is not there.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(schema::keys(&Self::path(dir), PATIENCE)?)))
    }

    /// Opens them if there have ever been any.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open_existing(dir: &Path) -> Result<Option<Self>, StoreError> {
        if Self::path(dir).exists() { Self::open(dir).map(Some) } else { Ok(None) }
    }

    /// Tells every secret of every key, in no order.
    ///
    /// # Errors
    /// The database refused.
    pub fn each(&self, mut told: impl FnMut(KeyEntry<'_>)) -> Result<(), StoreError> {
        let connection = self.0.lock();
        // Both in the order of the keys' numbers, and of the secrets the index alone: nothing is sought here and there.
        let sql = "SELECT s.hash, k.id, k.name, k.terms, k.disabled, min(coalesce(k.expires_ms, 9223372036854775807),
             coalesce(s.until_ms, 9223372036854775807))
             FROM keys k CROSS JOIN secrets s INDEXED BY secrets_key ON s.key = k.id";
        let mut query = connection.prepare(sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
            told(KeyEntry {
                hash: row.get(0)?,
                id: row.get(1)?,
                name: text(2)?,
                terms: text(3)?,
                disabled: row.get(4)?,
                until_ms: Some(row.get(5)?).filter(|until| *until < i64::MAX),
            });
        }
        Ok(())
    }

    /// How many keys there are.
    ///
    /// # Errors
    /// The database refused.
    pub fn count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.0.lock().query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Keeps keys, all or none.
    ///
    /// # Errors
    /// A name or a secret is taken, or the database refused.
    pub fn create(&self, keys: &[NewKey<'_>], now_ms: i64) -> Result<(), KeyStoreError> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for key in keys {
            let added = transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO keys(name, terms, metadata, disabled, expires_ms, created_ms, changed_ms)
                     VALUES (?1, ?2, ?3, 0, ?4, ?5, ?5)",
                )?
                .execute(params![key.name, key.terms, key.metadata, key.expires_ms, now_ms])?;
            if added == 0 {
                return Err(KeyStoreError::NameTaken(key.name.to_owned()));
            }
            let id = transaction.last_insert_rowid();
            add_secret(&transaction, id, key.hash, now_ms)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// One key, if there is such a one.
    ///
    /// # Errors
    /// The database refused.
    pub fn get(&self, name: &str) -> Result<Option<StoredKey>, StoreError> {
        get(&self.0.lock(), name)
    }

    /// A page of keys, by name: so many at most, those after a name.
    ///
    /// # Errors
    /// The database refused.
    pub fn list(&self, after: &str, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
        let connection = self.0.lock();
        let mut query = connection.prepare_cached(&format!("{KEY} WHERE name > ?1 ORDER BY name LIMIT ?2"))?;
        let mut keys = query.query_map(params![after, limit], key)?.collect::<Result<Vec<_>, _>>()?;
        for key in &mut keys {
            key.secrets = secrets(&connection, key.id)?;
        }
        Ok(keys)
    }

    /// Switches a key off or on.
    ///
    /// # Errors
    /// There is no such key, or the database refused.
    pub fn disable(&self, name: &str, disabled: bool, now_ms: i64) -> Result<StoredKey, KeyStoreError> {
        self.change(name, |transaction, key| {
            let sql = "UPDATE keys SET disabled = ?1, changed_ms = ?2 WHERE id = ?3";
            transaction.execute(sql, params![disabled, now_ms, key.id])?;
            Ok(())
        })
    }

    /// Says until when a key is good.
    ///
    /// # Errors
    /// There is no such key, or the database refused.
    pub fn expire(&self, name: &str, expires_ms: Option<i64>, now_ms: i64) -> Result<StoredKey, KeyStoreError> {
        self.change(name, |transaction, key| {
            let sql = "UPDATE keys SET expires_ms = ?1, changed_ms = ?2 WHERE id = ?3";
            transaction.execute(sql, params![expires_ms, now_ms, key.id])?;
            Ok(())
        })
    }

    /// Gives a key another secret. Those it had are good for so long yet, unless they end earlier.
    ///
    /// # Errors
    /// There is no such key, the secret is known already, or the database refused.
    pub fn rotate(&self, name: &str, hash: [u8; 32], grace: Duration, now_ms: i64) -> Result<StoredKey, KeyStoreError> {
        let until = now_ms.saturating_add(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
        self.change(name, |transaction, key| {
            transaction.execute("DELETE FROM secrets WHERE key = ?1 AND until_ms <= ?2", params![key.id, now_ms])?;
            let sql = "UPDATE secrets SET until_ms = min(coalesce(until_ms, ?1), ?1) WHERE key = ?2";
            transaction.execute(sql, params![until, key.id])?;
            transaction.execute("UPDATE keys SET changed_ms = ?1 WHERE id = ?2", params![now_ms, key.id])?;
            add_secret(transaction, key.id, hash, now_ms)
        })
    }

    /// Forgets a key, and tells what it was.
    ///
    /// # Errors
    /// There is no such key, or the database refused.
    pub fn delete(&self, name: &str) -> Result<StoredKey, KeyStoreError> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let key = get(&transaction, name)?.ok_or_else(|| KeyStoreError::Unknown(name.to_owned()))?;
        transaction.execute("DELETE FROM secrets WHERE key = ?1", [key.id])?;
        transaction.execute("DELETE FROM keys WHERE id = ?1", [key.id])?;
        transaction.commit()?;
        Ok(key)
    }

    /// Changes a key, and tells what it is then.
    fn change(
        &self,
        name: &str,
        act: impl FnOnce(&Transaction<'_>, &StoredKey) -> Result<(), KeyStoreError>,
    ) -> Result<StoredKey, KeyStoreError> {
        let unknown = || KeyStoreError::Unknown(name.to_owned());
        let mut connection = self.0.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        act(&transaction, &get(&transaction, name)?.ok_or_else(unknown)?)?;
        let changed = get(&transaction, name)?.ok_or_else(unknown)?;
        transaction.commit()?;
        Ok(changed)
    }
}

fn add_secret(transaction: &Transaction<'_>, key: i64, hash: [u8; 32], now_ms: i64) -> Result<(), KeyStoreError> {
    let added = transaction
        .prepare_cached("INSERT OR IGNORE INTO secrets(hash, key, created_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![hash, key, now_ms])?;
    if added == 1 {
        return Ok(());
    }
    let sql = "SELECT k.name FROM secrets s JOIN keys k ON k.id = s.key WHERE s.hash = ?1";
    let owner: String = transaction.query_row(sql, [hash], |row| row.get(0))?;
    Err(KeyStoreError::SecretTaken(owner))
}

const KEY: &str = "SELECT id, name, terms, metadata, disabled, expires_ms, created_ms, changed_ms FROM keys";

fn key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        id: row.get(0)?,
        name: row.get(1)?,
        terms: row.get(2)?,
        metadata: row.get(3)?,
        disabled: row.get(4)?,
        expires_ms: row.get(5)?,
        created_ms: row.get(6)?,
        changed_ms: row.get(7)?,
        secrets: Vec::new(),
    })
}

fn get(connection: &Connection, name: &str) -> Result<Option<StoredKey>, StoreError> {
    let found = connection.prepare_cached(&format!("{KEY} WHERE name = ?1"))?.query_row([name], key).optional()?;
    let Some(mut found) = found else { return Ok(None) };
    found.secrets = secrets(connection, found.id)?;
    Ok(Some(found))
}

fn secrets(connection: &Connection, key: i64) -> Result<Vec<StoredSecret>, StoreError> {
    let sql = "SELECT hash, until_ms FROM secrets WHERE key = ?1 ORDER BY until_ms IS NOT NULL, created_ms DESC";
    let mut query = connection.prepare_cached(sql)?;
    let secrets = query.query_map([key], |row| Ok(StoredSecret { hash: row.get(0)?, until_ms: row.get(1)? }))?;
    Ok(secrets.collect::<Result<_, _>>()?)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
