//! Trying keys that a provider refused, with the one call that every provider answers for free: its list of models.
//!
//! A refused key gets no client's call while another works, so somebody else has to find out when it is taken again.
//! This runs beside all calls, one small request at a time. An operator's test of a key is the same call, and its answer
//! counts as much.

use super::provider::ProviderState;
use super::{Providers, UnknownTarget};
use http_body_util::{BodyExt, Limited};
use sluicegate_flow::egress::{Health, Member, Pool as Keys, Shadow};
use sluicegate_upstream::{Pool, Provider};
use sluicegate_vocabulary::AttemptResult;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a provider may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes, to use its connection again.
const LARGEST: usize = 1 << 20;

/// What a provider said to one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tested {
    /// How it went. A list of models that is not there is no failure of the key.
    pub result: AttemptResult,
    /// The provider's status, 0 for none.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
}

impl Providers {
    /// Asks a provider for its models with one of its keys, and believes what it says of the key: taken, it is used
    /// again; refused, it is not.
    ///
    /// # Errors
    /// There is no such key.
    pub async fn test(&self, pool: &Pool, provider: &Provider, key: &str) -> Result<Tested, UnknownTarget> {
        let health = Arc::clone(&self.find(&provider.name)?.key(key)?.health);
        let tested = ask(pool, provider, key).await;
        match tested.result {
            AttemptResult::Ok => health.revive(),
            result => record(&health, result, self.room.now()),
        }
        Ok(tested)
    }

    /// Probes every key that is due, each once whatever comes of it.
    pub(crate) async fn probe_due(&self, pool: &Pool, providers: &[Arc<Provider>]) {
        for provider in providers {
            let Ok(state) = self.find(&provider.name) else { continue };
            self.probe(pool, provider, &state).await;
        }
    }

    async fn probe(&self, pool: &Pool, provider: &Provider, state: &ProviderState) {
        let keys = state.keys();
        for key in keys.iter().filter(|key| key.health.take_doubt()) {
            let result = ask(pool, provider, &key.name).await.result;
            if result == AttemptResult::AuthError {
                record(&key.health, result, self.room.now());
            }
        }
        for key in keys {
            // Before a pool is made for it: of nearly all keys this is all there is to ask.
            if !key.health.wants_probe(self.room.now()) {
                continue;
            }
            let Some(lease) = alone(&key.health).probe(self.room.now()) else { continue };
            let tested = ask(pool, provider, &key.name).await;
            tracing::info!(
                provider = &*provider.name,
                key = &*key.name,
                result = tested.result.as_str(),
                status = tested.status,
                "a key that was refused has been tried"
            );
            lease.record(tested.result, None, self.room.now(), fastrand::f64());
        }
    }
}

/// A pool of this one key, whose quota is no matter here.
fn alone(health: &Arc<Health>) -> Keys {
    let quota = Arc::new(Shadow::new(1.0));
    Keys::new([Member { id: 0, health: Arc::clone(health), quota, capacity: 1, share: 1 }])
}

/// Takes note of a test that failed.
fn record(health: &Arc<Health>, result: AttemptResult, now: sluicegate_flow::Nanos) {
    if let Ok(lease) = alone(health).lease_at(0, now, Default::default) {
        lease.record(result, None, now, fastrand::f64());
    }
}

async fn ask(pool: &Pool, provider: &Provider, key: &str) -> Tested {
    let began = Instant::now();
    let answer = async {
        let credential = provider.credentials().iter().find(|credential| *credential.name == *key);
        let request = provider.models_request(credential.map(|credential| &**credential))?;
        let answer = pool.send(&provider.destination, request).await.ok()?;
        // Read to its end, so that the connection can be used again.
        let _ = Limited::new(answer.body, LARGEST).collect().await;
        Some(answer.status.as_u16())
    };
    let status = match tokio::time::timeout(LIMIT, answer).await {
        Ok(status) => status.ok_or(AttemptResult::Connect),
        Err(_) => Err(AttemptResult::Timeout),
    };
    let result = match status {
        Ok(401 | 403) => AttemptResult::AuthError,
        Ok(429) => AttemptResult::RateLimited,
        Ok(500..) => AttemptResult::ServerError,
        Ok(_) => AttemptResult::Ok,
        Err(result) => result,
    };
    Tested { result, status: status.unwrap_or(0), took: began.elapsed() }
}
