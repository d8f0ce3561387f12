//! What is known of a provider, as one candidate sees it: put together once, when a configuration is compiled.

use super::adaptive::Adaptive;
use super::model::ModelState;
use super::provider::ProviderState;
use super::terms;
use sluicegate_config::{Provider as Configured, ProviderKey};
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Member, Pool};
use std::collections::HashSet;
use std::sync::Arc;

/// Calls that a key is thought to bear at once where nothing is said.
const CAPACITY: u32 = 64;

/// One model of one provider with its keys.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) provider: Arc<ProviderState>,
    pub(crate) model: Arc<ModelState>,
    pub(crate) pool: Pool,
    /// What the provider tells of its limits is followed.
    pub(crate) learns: bool,
    /// Whose quotas its keys use: so many times it bears what it says that one account may have at once.
    pub(crate) accounts: u32,
    adaptive: Option<Arc<Adaptive>>,
}

impl Standing {
    pub(crate) fn new(provider: &Arc<ProviderState>, model: &str, configured: &Configured) -> Self {
        let state = provider.model(model);
        let now = provider.room.now();
        let member = |(index, key): (usize, &Arc<super::provider::KeyState>)| {
            let configured: Option<&ProviderKey> = configured.keys.get(index);
            let share = configured.map_or(1, terms::share);
            let concurrency = configured.and_then(|key| key.limits.concurrency);
            let concurrency = concurrency.and_then(|most| u32::try_from(most).ok());
            Member {
                id: key.id,
                health: Arc::clone(&key.health),
                quota: provider.quota(&state, configured.map_or(&*key.name, terms::quota_group)),
                capacity: concurrency.unwrap_or_else(|| CAPACITY.saturating_mul(share)),
                share,
            }
        };
        let keys = provider.keys_of(&configured.keys);
        let pool = Pool::new(keys.iter().enumerate().map(member));
        let accounts: HashSet<_> = pool.members().iter().map(|key| Arc::as_ptr(&key.quota)).collect();
        Self {
            accounts: u32::try_from(accounts.len()).unwrap_or(u32::MAX),
            pool,
            adaptive: terms::adaptive(configured).map(|settings| state.adaptive(&provider.room, settings, now)),
            learns: terms::learns(configured),
            provider: Arc::clone(provider),
            model: state,
        }
    }

    /// The limit on calls at once that is asked for or, if what the provider tells is followed, was learned.
    #[inline]
    pub(crate) fn adaptive(&self, now: Nanos) -> Option<Arc<Adaptive>> {
        match &self.adaptive {
            Some(configured) => Some(Arc::clone(configured)),
            None if self.learns => self.model.learned(now),
            None => None,
        }
    }

    /// Whether nothing is wrong with the provider, as far as is known.
    pub(crate) fn is_well(&self) -> bool {
        !self.provider.is_held() && self.provider.breaker.is_closed()
    }

    /// Whether a call that could not be answered elsewhere may be asked here, be it to show that the provider is back:
    /// nobody but calls finds that out.
    pub(crate) fn may_be_asked(&self, now: Nanos) -> bool {
        !self.provider.is_held() && self.provider.breaker.may_be_asked(now)
    }

    /// What is left of the quota of the key that has most left, 0 to 1; 0 where calls are not sent at present.
    pub(crate) fn headroom(&self, now: Nanos) -> f64 {
        if !self.may_be_asked(now) {
            return 0.0;
        }
        self.pool.headroom(now)
    }
}
