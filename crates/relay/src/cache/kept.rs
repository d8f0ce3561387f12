//! Answers that are kept.
//!
//! What is thrown out when memory is short is decided by quick_cache, which lets what was asked for once only make room
//! first and never holds more than it was told to (decision 20). How old an answer may be is decided here, when it is
//! found: an entry that is too old is as good as none, and the answer that comes instead takes its place.

use super::flight::Flights;
use crate::metrics::CacheMetrics;
use crate::snapshot::{Candidate, duration};
use bytes::Bytes;
use http::HeaderValue;
use quick_cache::sync::DefaultLifecycle;
use quick_cache::{OptionsBuilder, Weighter};
use sluicegate_config::{Cache as Configured, CacheScope, OnlyWhen};
use sluicegate_vocabulary::Usage;
use sluicegate_wire::fingerprint::Secret;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an entry takes beside its bytes, roughly.
const BESIDE: u64 = 512;
/// What is expected of the size of an answer, to make room for the table.
const USUAL: usize = 4096;

/// The cache as calls use it under one configuration.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) ttl: Duration,
    /// How long a call waits for an identical one.
    pub(crate) wait: Duration,
    pub(crate) only_when: OnlyWhen,
    pub(crate) scope: CacheScope,
    /// The largest answer that is kept, in bytes.
    pub(crate) largest: usize,
    /// What is kept. Outlives the configuration.
    pub(crate) kept: Arc<Kept>,
}

impl Cache {
    /// As configured, with what the one before has kept.
    pub(crate) fn new(configured: &Configured, before: Option<&Self>, metrics: &CacheMetrics) -> Self {
        let bounds = (configured.max_size.bytes(), configured.max_answer.len());
        let kept = before.filter(|before| before.kept.bounds == bounds).map(|before| Arc::clone(&before.kept));
        Self {
            ttl: duration(configured.ttl),
            wait: duration(configured.wait_for_same),
            only_when: configured.only_when,
            scope: configured.scope,
            largest: configured.max_answer.len(),
            kept: kept.unwrap_or_else(|| Arc::new(Kept::new(bounds.0, bounds.1, metrics.clone()))),
        }
    }
}

/// The form in which an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    /// Events.
    Stream {
        /// What was used is told in them.
        usage_shown: bool,
    },
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) form: Form,
    pub(super) bytes: Bytes,
    /// Its content type.
    pub(super) kind: HeaderValue,
    /// What its translation had to leave out.
    pub(super) dropped: Option<HeaderValue>,
    /// What it used when it was made.
    pub(crate) usage: Usage,
    pub(super) born: Instant,
    /// Whose it is: `tenant:acme`, `key:web`, `-`.
    pub(super) owner: Arc<str>,
    pub(super) provider: Arc<str>,
    pub(super) model: Arc<str>,
}

impl Entry {
    pub(super) fn is_from(&self, candidate: &Candidate) -> bool {
        *self.provider == *candidate.provider.name && *self.model == *candidate.model
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u128, Arc<Entry>> for Weight {
    fn weight(&self, _: &u128, entry: &Arc<Entry>) -> u64 {
        entry.bytes.len() as u64 + BESIDE
    }
}

/// Keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

type Entries = quick_cache::sync::Cache<u128, Arc<Entry>, Weight, BuildHasherDefault<AsItIs>>;

/// All that is kept, and what is under way to be.
pub(crate) struct Kept {
    entries: Entries,
    pub(super) flights: Arc<Flights>,
    pub(super) secret: Secret,
    bounds: (u64, usize),
    metrics: CacheMetrics,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheReport {
    /// Answers.
    pub entries: u64,
    /// Bytes of memory they take.
    pub bytes: u64,
    /// Bytes they may take.
    pub max_bytes: u64,
    /// How long one is good for.
    pub ttl: Duration,
}

/// Which answers are thrown out: all that fit everything that is given.
#[derive(Debug, Clone, Default)]
pub struct Purge {
    /// Whose: `tenant:acme`, `key:web`.
    pub owner: Option<String>,
    /// From this model of a provider, by the provider's own name of it.
    pub model: Option<String>,
}

impl Kept {
    fn new(max_size: u64, largest: usize, metrics: CacheMetrics) -> Self {
        let expected = usize::try_from(max_size).unwrap_or(usize::MAX) / USUAL;
        // A part of it must have room for several of the largest.
        let parts = usize::try_from(max_size / (4 * largest.max(1) as u64)).unwrap_or(1).clamp(1, 16);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(expected.clamp(64, 1 << 20))
            .weight_capacity(max_size)
            .shards(parts)
            .build();
        let entries = match options {
            Ok(options) => Entries::with_options(options, Weight, Default::default(), DefaultLifecycle::default()),
            Err(_) => Entries::with(64, max_size, Weight, Default::default(), DefaultLifecycle::default()),
        };
        Self { entries, flights: Arc::default(), secret: Secret::random(), bounds: (max_size, largest), metrics }
    }

    /// An answer that is not too old, and its age.
    pub(super) fn find(&self, key: u128, oldest: Duration, now: Instant) -> Option<(Arc<Entry>, Duration)> {
        let entry = self.entries.get(&key)?;
        let age = now.saturating_duration_since(entry.born);
        (age < oldest).then_some((entry, age))
    }

    pub(super) fn keep(&self, key: u128, entry: &Arc<Entry>) {
        self.entries.insert(key, Arc::clone(entry));
        self.tell();
    }

    /// Throws out what is asked for, and says how many there were.
    pub(crate) fn purge(&self, purge: &Purge) -> u64 {
        let before = self.entries.len();
        let goes = |entry: &Entry| {
            purge.owner.as_ref().is_none_or(|owner| **owner == *entry.owner)
                && purge.model.as_ref().is_none_or(|model| **model == *entry.model)
        };
        self.entries.retain(|_, entry| !goes(entry));
        self.tell();
        before.saturating_sub(self.entries.len()) as u64
    }

    pub(crate) fn report(&self, ttl: Duration) -> CacheReport {
        let (entries, bytes) = (self.entries.len() as u64, self.entries.weight());
        CacheReport { entries, bytes, max_bytes: self.bounds.0, ttl }
    }

    fn tell(&self) {
        self.metrics.entries.set(i64::try_from(self.entries.len()).unwrap_or(i64::MAX));
        self.metrics.bytes.set(i64::try_from(self.entries.weight()).unwrap_or(i64::MAX));
    }
}
