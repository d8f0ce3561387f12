//! What each call is held to.
//!
//! The configuration says what is allowed to whom; here that becomes, for each owner, a short list of [`Spec`]s. A
//! call's own set is put together from its key's, its tenant's, its endpoint's, its model's and the overall ones by the
//! process's [`Table`], which keeps the levels: across calls, across reloads, and only as long as somebody uses
//! them. The narrow ones come first, so that a caller over his own limit takes nothing of what he shares.

use super::{Candidate, Route};
use crate::call::Caller;
use crate::limit_headers::{Told, words};
use crate::room::Table;
use sluicegate_config::{Config, Limit as Configured, Rate, RateKind, Shape};
use sluicegate_flow::{Algorithm, Kind, Label, Limit, LimitSet, Nanos, Quota, Scope, SetId, Spec};
use sluicegate_vocabulary::{Endpoint, Priority};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What one owner is held to.
pub(crate) type Specs = Arc<[Spec]>;

/// Turns an owner's part of the configuration into limits. `revision` is the configuration's.
pub(crate) fn specs(scope: Scope, name: &str, configured: &Configured, revision: u64) -> Specs {
    let label = Label::new(scope, name);
    let spec = |kind, quota: Quota| {
        let quota = if configured.shadow { quota.in_shadow() } else { quota };
        Spec { label: label.clone(), kind, quota, revision }
    };
    let rates = configured.rates.iter().map(|rate| {
        let kind = match rate.kind {
            RateKind::Requests => Kind::Requests,
            RateKind::Tokens => Kind::Tokens,
        };
        spec(kind, quota(rate))
    });
    let permits = configured.concurrency.map(|most| spec(Kind::Concurrency, Quota::concurrency(most)));
    rates.chain(permits).collect()
}

fn quota(rate: &Rate) -> Quota {
    let window = rate.window.duration();
    match rate.shape {
        Shape::SlidingWindow => Quota::window(rate.amount, window),
        Shape::TokenBucket { capacity, step } => {
            let refill_step = step.map(|step| Duration::from_millis(step.millis()));
            let algorithm = Algorithm::TokenBucket { capacity, refill_step };
            Quota { algorithm, ..Quota::window(rate.amount, window) }
        }
    }
}

/// A number that no other owner has. Sets of limits are kept by such numbers.
pub(crate) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The limits that calls share by what they call.
#[derive(Debug)]
pub(crate) struct Limits {
    overall: Specs,
    endpoints: Vec<OfEndpoint>,
}

#[derive(Debug)]
struct OfEndpoint {
    specs: Specs,
    priority: Option<Priority>,
}

/// What a route or a candidate is held to, and the number its sets are kept by.
#[derive(Debug)]
pub(crate) struct Owned {
    number: u64,
    specs: Specs,
}

impl Owned {
    /// What it is held to.
    pub(crate) fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// `None` where nothing is limited.
    pub(crate) fn new(specs: Specs) -> Option<Self> {
        (!specs.is_empty()).then(|| Self::even_if_empty(specs))
    }

    /// Where a limit may come to be later.
    pub(crate) fn even_if_empty(specs: Specs) -> Self {
        Self { number: number(), specs }
    }
}

impl Limits {
    pub(crate) fn new(config: &Config, revision: u64) -> Self {
        let endpoint = |endpoint: Endpoint| {
            let entry = config.limits.endpoints.get(&endpoint);
            let specs =
                entry.map(|entry| specs(Scope::Endpoint, endpoint.path(), &entry.limit, revision)).unwrap_or_default();
            OfEndpoint { specs, priority: entry.and_then(|entry| entry.priority) }
        };
        Self {
            overall: specs(Scope::Overall, "overall", &config.limits.global, revision),
            endpoints: Endpoint::ALL.into_iter().map(endpoint).collect(),
        }
    }

    /// What a call is held to before it may go anywhere; `None` for a call that nothing limits.
    pub(crate) fn ingress(
        &self,
        table: &Table,
        caller: &Caller,
        endpoint: Endpoint,
        route: &Route,
        now: Nanos,
    ) -> Option<Told> {
        let own = caller.key.as_ref().map(|key| &key.limits);
        let tenant = caller.tenant().map(|tenant| &tenant.limits);
        let of_endpoint = self.endpoints.get(endpoint as usize).map(|entry| &entry.specs);
        let model = route.limits.as_ref().map(|owned| &owned.specs);
        let parts = [own, tenant, of_endpoint, model, Some(&self.overall)];
        if parts.iter().flatten().all(|specs| specs.is_empty()) {
            return None;
        }
        let model = route.limits.as_ref().map_or(0, |owned| owned.number);
        // Numbers are handed out one by one and come nowhere near 2^56.
        let id = SetId(caller.limits << 8 | endpoint as u64, model);
        let make = || parts.into_iter().flatten().flat_map(|specs| specs.iter().cloned());
        let (set, words) = table.set_with_note(id, now, make, words);
        Some(Told::new(set, words))
    }

    /// What one try at a candidate with one of its credentials is held to.
    pub(crate) fn egress(table: &Table, candidate: &Candidate, credential: usize, now: Nanos) -> Option<LimitSet> {
        let owned = candidate.limits.get(credential)?;
        match candidate.standing.adaptive(now) {
            None if owned.specs.is_empty() => None,
            None => Some(table.set(SetId(0, owned.number), now, || owned.specs.iter().cloned())),
            Some(adaptive) => {
                let specs = || owned.specs.iter().chain([&adaptive.spec]).cloned();
                Some(table.set(SetId(1, owned.number), now, specs))
            }
        }
    }

    /// Whether calls wait for room at a candidate, whatever the credential.
    pub(crate) fn is_contended(table: &Table, candidate: &Candidate, now: Nanos) -> bool {
        let set = |credential| Self::egress(table, candidate, credential, now);
        (0..candidate.limits.len()).all(|credential| set(credential).is_some_and(|set| set.is_contended()))
    }

    /// Every limit that some call of this caller would meet, each once.
    pub(crate) fn of_caller<'a>(
        &self,
        table: &Table,
        caller: &Caller,
        routes: impl Iterator<Item = &'a Arc<Route>>,
        now: Nanos,
    ) -> Vec<Arc<Limit>> {
        let own = caller.key.iter().flat_map(|key| key.limits.iter());
        let tenant = caller.tenant().into_iter().flat_map(|tenant| tenant.limits.iter());
        let endpoints = self.endpoints.iter().flat_map(|entry| entry.specs.iter());
        let models = routes.filter_map(|route| route.limits.as_ref()).flat_map(|owned| owned.specs.iter());
        let all = own.chain(tenant).chain(endpoints).chain(models).chain(self.overall.iter());
        all.map(|spec| table.limit(spec, now)).collect()
    }

    /// The limits that all callers share: the overall ones and the endpoints'.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &Spec> {
        self.overall.iter().chain(self.endpoints.iter().flat_map(|entry| entry.specs.iter()))
    }

    /// The highest class of calls to this endpoint, if it has one.
    pub(crate) fn priority(&self, endpoint: Endpoint) -> Option<Priority> {
        self.endpoints.get(endpoint as usize)?.priority
    }
}
