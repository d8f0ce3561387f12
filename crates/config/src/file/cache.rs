//! The cache, as a file says it.

use crate::cache::{CacheScope, OnlyWhen};
use crate::units::{Period, Size};
use schemars::JsonSchema;
use serde::Deserialize;

/// Answers that are kept to be given again. There is no cache where this section is absent.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cache {
    /// Answers to requests that say exactly the same.
    pub exact: Option<ExactCache>,
}

/// Answers to requests that say exactly the same. White space and the order of members in the JSON do not count.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExactCache {
    /// Whether there is one. `true` when absent.
    pub enabled: Option<bool>,
    /// How long an answer is good for. 1h when absent.
    pub ttl: Option<Period>,
    /// Memory that answers may take. 256MiB when absent.
    pub max_size: Option<Size>,
    /// The largest answer that is kept. 1MiB when absent.
    pub max_answer: Option<Size>,
    /// Which calls may be answered from it. `temperature_zero` when absent.
    pub only_when: Option<OnlyWhen>,
    /// Who shares answers. `tenant` when absent.
    pub scope: Option<CacheScope>,
    /// How long a call waits for another that asks the same and is under way, before it goes by itself; `0s` when each goes
    /// by itself at once. 30s when absent.
    pub wait_for_same: Option<Period>,
}
