//! The cache of whole answers: what is kept, for whom, and for how long.

use crate::units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cache that answers what has been asked before, to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// How long an answer is good for.
    pub ttl: Period,
    /// Bytes of memory that answers may take.
    pub max_size: Size,
    /// The largest answer that is kept.
    pub max_answer: Size,
    /// Which calls may be answered from it.
    pub only_when: OnlyWhen,
    /// Who shares answers.
    pub scope: CacheScope,
    /// How long a call waits for another that asks the same and is under way; 0 when each goes by itself.
    pub wait_for_same: Period,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            ttl: Period::from_secs(3600),
            max_size: Size::from_bytes(256 << 20),
            max_answer: Size::from_bytes(1 << 20),
            only_when: OnlyWhen::default(),
            scope: CacheScope::default(),
            wait_for_same: Period::from_secs(30),
        }
    }
}

/// Which calls may be answered from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnlyWhen {
    /// Those that ask for a sampling temperature of 0, and those for embeddings, where nothing is sampled.
    #[default]
    TemperatureZero,
    /// All, whatever their temperature.
    Always,
}

/// Who shares answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// The keys of one tenant. A key without a tenant shares with nobody.
    #[default]
    Tenant,
    /// Nobody: each key has its own.
    Key,
}
