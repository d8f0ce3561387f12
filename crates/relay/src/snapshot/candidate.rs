//! Where a call can go: routes, and the candidates on them.

use super::limits::Owned;
use super::names::Listed;
use super::tariff::{Searches, Tariff};
use crate::call::header_value;
use crate::metrics::{CandidateMetrics, RouteMetrics};
use crate::migrations::Mover;
use crate::providers::Standing;
use http::HeaderValue;
use http::uri::PathAndQuery;
use sha2::{Digest as _, Sha256};
use sluicegate_flow::Ladder;
use sluicegate_flow::egress::{Breakers, FailoverBudget};
use sluicegate_ledger::Budget;
use sluicegate_upstream::{Credential, Provider};
use sluicegate_vocabulary::{AttemptResult, Endpoint, ProviderKind};
use sluicegate_wire::quirks::Quirks;
use sluicegate_wire::translate::Policy;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// One provider and one of its models, with everything a request to it needs.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) provider: Arc<Provider>,
    /// The provider's own id of the model.
    pub(crate) model: Arc<str>,
    /// Provider, host and model as a number, the same in every configuration.
    pub(crate) number: u128,
    /// `provider/model` as a header.
    pub(crate) model_header: HeaderValue,
    pub(crate) quirks: Quirks,
    pub(crate) tariff: Option<Arc<Tariff>>,
    pub(crate) searches: Searches,
    pub(crate) simulated: bool,
    /// What stands for the credential's name where there is none.
    pub(crate) no_credential: Arc<str>,
    /// Shared by all models of the provider.
    pub(crate) metrics: Arc<CandidateMetrics>,
    /// The keys it is called with, which need not be all of the provider's; none for a provider that wants none.
    pub(crate) credentials: Vec<Arc<Credential>>,
    /// What each try at it is held to, by the credential it is made with; one entry for a provider that wants no key.
    pub(crate) limits: Vec<Owned>,
    /// What is known of the provider, the model and those keys, in their order. Outlives the configuration.
    pub(crate) standing: Standing,
    /// Tokens of the model's context window, where known.
    pub(crate) context_window: Option<u64>,
    paths: Vec<Option<PathAndQuery>>,
}

/// The keys that a candidate is called with: three lists in the same order.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) credentials: Vec<Arc<Credential>>,
    pub(crate) limits: Vec<Owned>,
    pub(crate) standing: Standing,
}

impl Candidate {
    pub(crate) fn new(
        provider: &Arc<Provider>,
        model: &str,
        listed: Listed,
        quirks: Quirks,
        tariff: Option<Arc<Tariff>>,
        metrics: &Arc<CandidateMetrics>,
        keyed: Keyed,
    ) -> Self {
        let Keyed { credentials, limits, standing } = keyed;
        let in_path = listed.deployment.as_deref().unwrap_or(model);
        Self {
            context_window: listed.context_window.or_else(|| tariff.as_ref()?.price().context_window),
            paths: Endpoint::ALL.into_iter().map(|endpoint| provider.path(endpoint, in_path)).collect(),
            model: model.into(),
            number: target_number(&provider.name, provider.host.as_bytes(), model),
            model_header: header_value(model),
            searches: Searches::of(&quirks, tariff.as_deref()),
            quirks,
            tariff,
            simulated: provider.kind == ProviderKind::Simulated,
            no_credential: "-".into(),
            metrics: Arc::clone(metrics),
            credentials,
            limits,
            standing,
            provider: Arc::clone(provider),
        }
    }

    /// The path of an endpoint at this provider for this model.
    pub(crate) fn path(&self, endpoint: Endpoint) -> Option<&PathAndQuery> {
        self.paths.get(endpoint as usize)?.as_ref()
    }
}

/// Who answers, as a number that no two share: nobody's name holds a zero.
fn target_number(provider: &str, host: &[u8], model: &str) -> u128 {
    let hash = Sha256::new().chain_update(provider).chain_update([0]).chain_update(host).chain_update([0]);
    hash.chain_update(model).finalize().first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
}

/// A candidate and its share of the calls.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) weight: u32,
}

/// A name as a number.
pub(crate) fn number_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// What a name of a model leads to.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    /// The name as a number, the same in every configuration.
    pub(crate) number: u64,
    /// The name is the configuration's own and may be a metric label.
    pub(crate) known: bool,
    pub(crate) targets: Vec<Target>,
    pub(crate) fallbacks: Vec<Arc<Candidate>>,
    pub(crate) fallback_on: Vec<AttemptResult>,
    /// A request too long for one candidate goes to one with a larger window.
    pub(crate) fallback_on_length: bool,
    /// The breakers of all its candidates' providers, which can stand in for each other.
    pub(crate) breakers: Breakers,
    /// The extra tries that its calls have earned, where it has several candidates. Outlives the configuration.
    pub(crate) failovers: Option<Arc<FailoverBudget>>,
    pub(crate) policy: Option<Policy>,
    /// A second candidate is asked where the first is late.
    pub(crate) hedge: bool,
    /// A text stream that breaks is gone on with where the model can.
    pub(crate) resume: bool,
    pub(crate) metrics: Arc<RouteMetrics>,
    /// What calls by this name are held to.
    pub(crate) limits: Option<Owned>,
    /// What may be spent on calls by this name.
    pub(crate) budgets: Vec<Arc<Budget>>,
    /// The name to which calls step down whose callers accept a lower tier.
    pub(crate) lower_tier: Option<String>,
    /// Whether they do. Outlives the configuration.
    pub(crate) ladder: Arc<Ladder>,
    /// The migration that moves its calls, where there is one.
    pub(crate) mover: Option<Arc<Mover>>,
}

impl Route {
    /// Everything a call by this name can reach, best first.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        let targets = self.targets.iter().filter(|target| target.weight > 0).map(|target| &target.candidate);
        targets.chain(&self.fallbacks)
    }

    /// The same, and where a migration may move its calls.
    pub(crate) fn every_candidate(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        let moved = self.mover.iter().flat_map(|mover| mover.to.iter().map(|target| &target.candidate));
        self.candidates().chain(moved)
    }

    /// The most tokens that whoever answers first can put out, where known.
    pub(crate) fn longest_answer(&self) -> Option<u64> {
        self.targets.first()?.candidate.tariff.as_ref()?.price().max_output
    }

    /// Whether a failure of this kind leads to the next candidate. A refused key of ours always does: it is no fault of
    /// the client's, and nothing he could mend.
    pub(crate) fn falls_back_on(&self, result: AttemptResult) -> bool {
        result == AttemptResult::AuthError || self.fallback_on.contains(&result)
    }
}
