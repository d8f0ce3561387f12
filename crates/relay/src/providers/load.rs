//! The load that a server of one's own shows, looked at beside all calls.
//!
//! A server that tells how many calls wait inside it knows earlier than its first tokens show that more is too much. So
//! where a provider's `metrics_url` is configured its page is read once a second on the control runtime, and what it says
//! keeps the limits on calls at once from growing ([`SloAimd::observe`](sluicegate_flow::egress::SloAimd::observe)). It
//! lowers none: by such figures alone limits swing.
//!
//! **Promises.** A look takes a second and a few megabytes at most, however the page behaves; what could not be read says
//! nothing, and what was read says nothing after a few seconds.

use super::Providers;
use super::model::millis;
use super::provider::ProviderState;
use super::report::LoadReport;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{LOAD_IS_FRESH, ServerLoad};
use sluicegate_upstream::{Destination, Origin, Pool, Provider, RequestBody, Settings};
use sluicegate_wire::load;
use std::sync::Arc;
use std::time::Duration;

/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(1);
/// The longest page that is read, in bytes.
const LARGEST: usize = 4 << 20;

/// What is known of one provider's load.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Where it is shown, if anywhere.
    pub(super) url: Option<String>,
    seen: Option<(Nanos, ServerLoad)>,
    /// Why the last look brought nothing.
    blind: Option<String>,
}

impl Watched {
    pub(super) fn at(url: Option<String>) -> Mutex<Self> {
        Mutex::new(Self { url, ..Self::default() })
    }

    /// Another configuration is in force.
    pub(super) fn moved(&mut self, url: Option<String>) {
        if self.url != url {
            *self = Self { url, ..Self::default() };
        }
    }

    pub(super) fn report(&self, now: Nanos) -> Option<LoadReport> {
        self.url.as_ref()?;
        let fresh = self.seen.filter(|(at, _)| at.until(now) <= LOAD_IS_FRESH);
        Some(LoadReport {
            waiting: fresh.map(|(_, load)| load.waiting),
            cache_used: fresh.and_then(|(_, load)| load.cache_used),
            seen_ago_ms: self.seen.map(|(at, _)| millis(at.until(now))),
            blind: self.blind.clone(),
        })
    }
}

impl Providers {
    /// Looks once at what the servers show of their load whose `metrics_url` is configured, at all of them at once.
    pub async fn look_at_load(&self, pool: &Pool, providers: &[Arc<Provider>]) {
        let mut looks = tokio::task::JoinSet::new();
        for provider in providers {
            let Ok(state) = self.find(&provider.name) else { continue };
            let Some(url) = state.load.lock().url.clone() else { continue };
            let (pool, provider) = (pool.clone(), Arc::clone(provider));
            looks.spawn(async move {
                let look = tokio::time::timeout(LIMIT, look(&pool, &provider, &url)).await;
                state.saw(look.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs()))));
            });
        }
        while looks.join_next().await.is_some() {}
    }
}

impl ProviderState {
    /// A look has brought this.
    fn saw(&self, look: Result<ServerLoad, String>) {
        let now = self.room.now();
        let provider = &*self.name;
        let mut known = self.load.lock();
        match look {
            Ok(load) => {
                known.seen = Some((now, load));
                if known.blind.take().is_some() {
                    tracing::info!(provider, "a provider's metrics_url can be read again");
                }
                drop(known);
                let pools = self.pools();
                let models = pools.iter().flat_map(|pool| pool.models()).chain(self.models());
                models.for_each(|model| model.observe(now, &load));
            }
            // Once for each stretch of time in which it cannot be read.
            Err(why) => {
                if known.blind.is_none() {
                    tracing::warn!(
                        provider,
                        why,
                        "a provider's metrics_url cannot be read; its load keeps no limit down"
                    );
                }
                known.blind = Some(why);
            }
        }
    }
}

async fn look(pool: &Pool, provider: &Provider, url: &str) -> Result<ServerLoad, String> {
    let (origin, path) = Origin::split(url).map_err(|error| error.to_string())?;
    // The provider's own server is reached as for calls. Any other is reached directly.
    let destination = if *provider.origin() == origin {
        provider.destination.clone()
    } else {
        Arc::new(Destination::new(
            origin.clone(),
            Settings { connect_timeout: LIMIT, ..Settings::default() },
            None,
            None,
        ))
    };
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let mut request = Request::get(path).body(RequestBody::default()).map_err(|error| error.to_string())?;
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.to_string() };
    let host = HeaderValue::from_str(&format!("{host}:{}", origin.port)).map_err(|error| error.to_string())?;
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/plain"));
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let answer = pool.send(&destination, request).await.map_err(|error| error.to_string())?;
    let page = Limited::new(answer.body, LARGEST).collect().await.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("it answers {}", answer.status.as_u16()));
    }
    let load = load::read(&page.to_bytes()).ok_or("it says nothing of calls that wait")?;
    Ok(ServerLoad { waiting: load.waiting, cache_used: load.cache_used })
}
