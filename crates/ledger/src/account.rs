//! Prepaid accounts: what may still be spent, and who has how much.
//!
//! An account never goes below its floor by a hold. It can by a settlement, when a provider used more than was held: what
//! was used is owed, and nothing is dropped; until it is topped up, further holds are refused. A call that holds the
//! ceiling of its cost cannot do that.

use crate::purse::Purse;
use parking_lot::RwLock;
use sluicegate_vocabulary::Money;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// An account, live. Its durable balance is in the store; this one runs ahead of it by what was not yet fed there.
#[derive(Debug)]
pub struct Account {
    name: Arc<str>,
    /// Balance less holds.
    available: Purse<AtomicI64>,
    held: AtomicI64,
    floor: AtomicI64,
    low: AtomicI64,
    is_low: AtomicBool,
    cuts_streams: AtomicBool,
}

/// What bounds an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The least that holds may leave: 0, or less where the account may be overdrawn.
    pub floor: Money,
    /// The balance below which somebody should be told; 0 for never.
    pub low: Money,
}

impl Account {
    /// An account with a balance.
    #[must_use]
    pub fn new(name: &str, balance: Money, terms: Terms) -> Self {
        Self {
            name: name.into(),
            available: Purse::new(balance.nanos()),
            held: AtomicI64::new(0),
            floor: AtomicI64::new(terms.floor.nanos()),
            low: AtomicI64::new(terms.low.nanos()),
            is_low: AtomicBool::new(balance < terms.low),
            cuts_streams: AtomicBool::new(false),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What holds may still take.
    #[must_use]
    pub fn left(&self) -> Money {
        Money::from_nanos(self.available.get()) - Money::from_nanos(self.floor.load(Ordering::Relaxed))
    }

    /// The balance, holds not taken off. While calls come and go the two parts are read a moment apart.
    #[must_use]
    pub fn balance(&self) -> Money {
        Money::from_nanos(self.available.get()) + self.held()
    }

    /// What is held for calls in flight.
    #[must_use]
    pub fn held(&self) -> Money {
        Money::from_nanos(self.held.load(Ordering::Relaxed))
    }

    /// Whether its balance is below what somebody should be told of.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.balance().nanos() < self.low.load(Ordering::Relaxed)
    }

    /// Whether a stream ends where the account has nothing left for it, rather than going on and being owed for.
    #[must_use]
    pub fn cuts_streams(&self) -> bool {
        self.cuts_streams.load(Ordering::Relaxed)
    }

    /// Says whether.
    pub fn set_cuts_streams(&self, cuts: bool) {
        self.cuts_streams.store(cuts, Ordering::Relaxed);
    }

    /// Changes the bounds.
    pub fn set_terms(&self, terms: Terms) {
        self.floor.store(terms.floor.nanos(), Ordering::Relaxed);
        self.low.store(terms.low.nanos(), Ordering::Relaxed);
        self.is_low.store(self.balance() < terms.low, Ordering::Relaxed);
    }

    /// Adds a credit, or takes off a correction, that the store has entered.
    pub fn credit(&self, amount: Money) {
        self.available.add(amount.nanos());
        if self.balance().nanos() >= self.low.load(Ordering::Relaxed) {
            self.is_low.store(false, Ordering::Relaxed);
        }
    }

    /// Takes an amount, or tells what may still be taken.
    pub(crate) fn hold(&self, amount: i64) -> Result<(), i64> {
        self.available.take(amount, self.floor.load(Ordering::Relaxed))?;
        self.held.fetch_add(amount, Ordering::Relaxed);
        Ok(())
    }

    /// Ends a hold with what was used of it. Tells the balance if it just became low.
    pub(crate) fn settle(&self, held: i64, used: i64) -> Option<Money> {
        self.available.add(held.saturating_sub(used));
        self.held.fetch_sub(held, Ordering::Relaxed);
        if used == 0 {
            return None;
        }
        let balance = self.balance();
        let low = balance.nanos() < self.low.load(Ordering::Relaxed);
        (low && !self.is_low.swap(true, Ordering::Relaxed)).then_some(balance)
    }
}

/// How many locks the accounts' names are spread over.
const SHARDS: usize = 64;

type Shard = RwLock<HashMap<Arc<str>, Arc<Account>>>;

/// All accounts by name. A key is bound to its account once, so a call does not come by here.
#[derive(Debug)]
pub struct Accounts {
    hasher: RandomState,
    shards: Box<[Shard]>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl Accounts {
    fn shard(&self, name: &str) -> Option<&Shard> {
        let hash = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0);
        self.shards.get(hash)
    }

    /// The account of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.shard(name)?.read().get(name).map(Arc::clone)
    }

    /// The account of a name, opened with this balance if there was none. Whoever comes second gets what is there.
    #[must_use]
    pub fn open(&self, name: &str, balance: Money, terms: Terms) -> Arc<Account> {
        let made = || Arc::new(Account::new(name, balance, terms));
        match self.shard(name) {
            Some(shard) => {
                let mut shard = shard.write();
                Arc::clone(shard.entry(name.into()).or_insert_with(made))
            }
            None => made(),
        }
    }

    /// How many are low. Not for the way of a call.
    #[must_use]
    pub fn low(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().values().filter(|account| account.is_low()).count()).sum()
    }

    /// Every account, in no order. Not for the way of a call.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.shards.iter().flat_map(|shard| shard.read().values().map(Arc::clone).collect::<Vec<_>>()).collect()
    }
}
