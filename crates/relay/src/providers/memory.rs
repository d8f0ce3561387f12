//! What was learned of providers and is worth keeping over a restart: where the limits stood that follow a speed.
//!
//! What a server bears is found out by meeting its bound, so a relay that forgot it would meet that bound again after each
//! restart. Kept is where each limit had come to and when; the next process begins at seven tenths of it
//! ([`SloAimdLast`]), since the server may have other callers by then. After [`KEPT_FOR`] nothing of it is believed any
//! more.
//!
//! Limits that were learned from refusals are not kept: they end by themselves within minutes. Nor are copies of
//! providers' own counts: the next answer tells them anew.
//!
//! **Promises.** What nothing has happened to since it was recalled is kept as it was, with its old time: a relay that is
//! restarted again and again does not come down to the floor by that, and does not make old knowledge young. Nothing here
//! reads a clock or a file.

use serde::{Deserialize, Serialize};
use sluicegate_flow::egress::SloAimdLast;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How old a remembered limit may be, in milliseconds: an hour.
const KEPT_FOR: u64 = 3_600_000;
/// How far ahead of ours the clock may be by which something was kept, in milliseconds.
const AHEAD: u64 = 60_000;
/// Limits that are kept at most.
const MOST: usize = 4096;

/// What was learned, for keeping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Limits that follow the speed of a model, at most 4096.
    pub limits: Vec<LearnedLimit>,
}

/// Where one limit stood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnedLimit {
    /// The provider.
    pub provider: String,
    /// Its configured address; empty where it has none. One that moved is another.
    pub address: String,
    /// The provider's own id of the model.
    pub model: String,
    /// Calls at once.
    pub limit: f64,
    /// It was never cut.
    pub slow_start: bool,
    /// When it stood there, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Learned {
    /// Keeps what can still be believed at `now_ms`, in milliseconds since 1970.
    #[must_use]
    pub fn believed(mut self, now_ms: u64) -> Self {
        self.limits.retain(|it| {
            let young = it.at_ms.saturating_add(KEPT_FOR) >= now_ms && it.at_ms <= now_ms.saturating_add(AHEAD);
            young && it.limit.is_finite() && it.limit >= 1.0
        });
        self.limits.truncate(MOST);
        self
    }

    /// What is known of the models of one provider.
    pub(super) fn of(&self, provider: &str, address: &str) -> Known {
        let own = self.limits.iter().filter(|it| it.provider == provider && it.address == address);
        own.map(|it| (Arc::from(&*it.model), Kept::from(it))).collect()
    }

    pub(super) fn add(&mut self, provider: &str, address: &str, known: Known) {
        let room = MOST.saturating_sub(self.limits.len());
        self.limits.extend(known.into_iter().take(room).map(|(model, kept)| LearnedLimit {
            provider: provider.to_owned(),
            address: address.to_owned(),
            model: model.to_string(),
            limit: kept.last.limit,
            slow_start: kept.last.slow_start,
            at_ms: kept.at_ms,
        }));
    }
}

/// Of each model of a provider where its limit stood.
pub(super) type Known = BTreeMap<Arc<str>, Kept>;

/// Where a limit stood, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    pub(super) last: SloAimdLast,
    pub(super) at_ms: u64,
}

impl From<&LearnedLimit> for Kept {
    fn from(it: &LearnedLimit) -> Self {
        Self { last: SloAimdLast { limit: it.limit, slow_start: it.slow_start }, at_ms: it.at_ms }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
