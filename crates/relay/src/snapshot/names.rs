//! What a client's name of a model leads to.
//!
//! In this order: an alias; `provider/model` when the first segment is a configured provider; an exact id that one
//! provider lists; the only provider there is. The simulator alone answers to any name. What is left is told with the
//! names nearest to it.
//!
//! Whatever is listed is resolved when the configuration is compiled. A name that is not is resolved at its first call
//! and then remembered, because making a candidate costs far more than finding one. Clients choose these names, so
//! only so many are remembered, and none that is overlong.

use super::candidate::{Candidate, Keyed, Route, Target, number_of};
use super::limits::{Owned, specs};
use super::tariff::{Tariff, Tariffs};
use crate::metrics::{CandidateMetrics, Metrics, RouteMetrics};
use crate::migrations::Mover;
use crate::providers::{ProviderState, Standing};
use parking_lot::RwLock;
use sluicegate_config::{Provider as Configured, ProviderKey, nearest};
use sluicegate_flow::egress::Breakers;
use sluicegate_flow::{Ladder, Scope, Spec};
use sluicegate_upstream::Provider;
use sluicegate_vocabulary::{AttemptResult, Fault, FaultKind};
use sluicegate_wire::quirks::Table;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A model that some provider is known to serve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    /// Tokens of its context window, where known.
    pub(crate) context_window: Option<u64>,
    /// Tokens it can put out, where known.
    pub(crate) max_output: Option<u64>,
    /// Azure's name of the deployment that serves it.
    pub(crate) deployment: Option<String>,
}

/// A provider as the configuration has it.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) provider: Arc<Provider>,
    /// The vendor's name in the price book.
    pub(crate) vendor: Option<String>,
    /// The models it lists.
    pub(crate) listed: BTreeMap<String, Listed>,
    /// What is known of it.
    pub(crate) state: Arc<ProviderState>,
    /// What the configuration says of it.
    pub(crate) configured: Configured,
    /// Names of keys that only new sides of migrations use.
    pub(crate) apart: BTreeSet<String>,
}

/// One provider as names resolve to it.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) provider: Arc<Provider>,
    /// The vendor's name in the price book.
    pub(crate) vendor: Option<String>,
    pub(crate) listed: BTreeMap<String, Listed>,
    metrics: Arc<CandidateMetrics>,
    state: Arc<ProviderState>,
    /// With the keys that all calls may use.
    configured: Configured,
    /// All its keys, those of new sides too.
    keys: Vec<ProviderKey>,
    /// Passthrough calls go here, without a model.
    pub(crate) whole: Arc<Route>,
}

/// What a try is held to, by credential: by the credential's own limits first, then the model's, then the provider's.
fn held_to(configured: &Configured, model: &str, revision: u64) -> Vec<Owned> {
    let name = &configured.name;
    let own = configured.model_limits.get(model);
    let model = own.map(|limits| specs(Scope::Model, &format!("{name}/{model}"), limits, revision));
    let whole = specs(Scope::Provider, name, &configured.limits, revision);
    let shared = || model.iter().flat_map(|model| model.iter()).chain(whole.iter()).cloned();
    let own = |key: &ProviderKey| {
        let own = specs(Scope::Credential, &format!("{name}/{}", key.name), &key.limits, revision);
        Owned::even_if_empty(own.iter().cloned().chain(shared()).collect())
    };
    match configured.keys.as_slice() {
        [] => vec![Owned::even_if_empty(shared().collect())],
        keys => keys.iter().map(own).collect(),
    }
}

/// The keys of this configuration of a provider, which are all of its keys or some.
fn keyed(
    provider: &Provider,
    state: &Arc<ProviderState>,
    configured: &Configured,
    model: &str,
    revision: u64,
) -> Keyed {
    let is_one = |name: &str| configured.keys.iter().any(|key| key.name == name);
    Keyed {
        credentials: provider.credentials().iter().filter(|it| is_one(&it.name)).map(Arc::clone).collect(),
        limits: held_to(configured, model, revision),
        standing: Standing::new(state, model, configured),
    }
}

/// Everything a name can lead to.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) aliases: BTreeMap<String, Arc<Route>>,
    pub(crate) homes: BTreeMap<String, Home>,
    by_id: HashMap<String, Vec<Arc<Route>>>,
    quirks: Arc<Table>,
    pub(crate) tariffs: Tariffs,
    other: Arc<RouteMetrics>,
    revision: u64,
    /// Names resolved by earlier calls.
    remembered: RwLock<HashMap<Box<str>, Arc<Route>>>,
}

/// Names that nobody listed and that are remembered all the same.
const MOST_REMEMBERED: usize = 4096;
/// The longest name that is remembered, in bytes.
const LONGEST_REMEMBERED: usize = 256;

impl Names {
    /// `revision` is the configuration's, as limits know it.
    pub(crate) fn new(
        homes: Vec<Serving>,
        quirks: Arc<Table>,
        tariffs: Tariffs,
        metrics: &Metrics,
        revision: u64,
    ) -> Self {
        let mut names = Self {
            aliases: BTreeMap::new(),
            homes: BTreeMap::new(),
            by_id: HashMap::new(),
            quirks,
            tariffs,
            other: metrics.other(),
            revision,
            remembered: RwLock::default(),
        };
        for serving in homes {
            let Serving { provider, vendor, listed, state, mut configured, apart } = serving;
            let keys = configured.keys.clone();
            configured.keys.retain(|key| !apart.contains(&key.name));
            let metrics = Arc::new(metrics.provider(&provider.name));
            let quirks = names.quirks.for_model(provider.kind.as_str(), "");
            let keyed = keyed(&provider, &state, &configured, "", revision);
            let bare = Arc::new(Candidate::new(&provider, "", Listed::default(), quirks, None, &metrics, keyed));
            let whole = Arc::new(names.single(provider.name.as_ref(), bare, true));
            let name = provider.name.to_string();
            let home = Home { provider, vendor, listed, metrics, state, configured, keys, whole };
            names.homes.insert(name, home);
        }
        let listed: Vec<(String, String)> = names
            .homes
            .iter()
            .flat_map(|(name, home)| home.listed.keys().map(|id| (name.clone(), id.clone())))
            .collect();
        for (provider, id) in listed {
            if let Some(candidate) = names.candidate(&provider, &id) {
                let route = Arc::new(names.single(&id, candidate, true));
                names.by_id.entry(id).or_default().push(route);
            }
        }
        names
    }

    /// Says of each listed model which migration moves it when it is asked for by its provider's own name.
    pub(crate) fn move_listed(&mut self, mover: impl Fn(&Self, &str, &str) -> Option<Arc<Mover>>) {
        let mut by_id = std::mem::take(&mut self.by_id);
        for route in by_id.values_mut().flatten().filter_map(Arc::get_mut) {
            let Some(target) = route.targets.first_mut() else { continue };
            route.mover = mover(self, &target.candidate.provider.name, &target.candidate.model);
            if let Some([old]) = route.mover.as_ref().map(|mover| mover.from.as_slice()) {
                // It may have keys of its own.
                target.candidate = Arc::clone(old);
            }
        }
        self.by_id = by_id;
    }

    /// The candidate for one model of one configured provider.
    pub(crate) fn candidate(&self, provider: &str, model: &str) -> Option<Arc<Candidate>> {
        self.candidate_with(provider, model, &[])
    }

    /// The same with these of its keys only; with none named, with those that all calls may use.
    pub(crate) fn candidate_with(&self, provider: &str, model: &str, keys: &[String]) -> Option<Arc<Candidate>> {
        let home = self.homes.get(provider)?;
        let quirks = self.quirks.for_model(home.provider.kind.as_str(), model);
        let listed = home.listed.get(model).cloned().unwrap_or_default();
        let tariff = self.tariff(home, model);
        let keyed = if keys.is_empty() {
            keyed(&home.provider, &home.state, &home.configured, model, self.revision)
        } else {
            let named = home.keys.iter().filter(|key| keys.contains(&key.name)).cloned().collect();
            let configured = Configured { keys: named, ..home.configured.clone() };
            keyed(&home.provider, &home.state.pool(&configured), &configured, model, self.revision)
        };
        Some(Arc::new(Candidate::new(&home.provider, model, listed, quirks, tariff, &home.metrics, keyed)))
    }

    /// The price of a model at a provider, or `None` when nobody told us.
    pub(crate) fn tariff(&self, home: &Home, model: &str) -> Option<Arc<Tariff>> {
        self.tariffs.find(&home.provider, home.vendor.as_deref(), model)
    }

    fn single(&self, name: &str, candidate: Arc<Candidate>, known: bool) -> Route {
        Route {
            name: name.into(),
            number: number_of(name),
            known,
            breakers: Breakers::new([Arc::clone(&candidate.standing.provider.breaker)]),
            targets: vec![Target { candidate, weight: 1 }],
            fallbacks: Vec::new(),
            fallback_on: Vec::new(),
            fallback_on_length: false,
            failovers: None,
            policy: None,
            hedge: false,
            resume: false,
            metrics: if known { Arc::new(RouteMetrics::new(name)) } else { Arc::clone(&self.other) },
            limits: None,
            budgets: Vec::new(),
            lower_tier: None,
            ladder: Arc::new(Ladder::new()),
            mover: None,
        }
    }

    /// What models and providers are held to.
    pub(crate) fn every_limit(&self) -> impl Iterator<Item = &Spec> {
        let routes = self.aliases.values().chain(self.by_id.values().flatten());
        let own = routes.clone().filter_map(|route| route.limits.as_ref());
        let candidates = routes
            .flat_map(|route| route.every_candidate())
            .chain(self.homes.values().flat_map(|home| home.whole.candidates()));
        let theirs = candidates.flat_map(|candidate| candidate.limits.iter());
        own.chain(theirs).flat_map(|owned| owned.specs().iter())
    }

    /// Every price that calls may have been charged by, with whose it is.
    pub(crate) fn every_tariff(&self) -> Vec<(Arc<str>, Arc<str>, Arc<Tariff>)> {
        let remembered: Vec<Arc<Route>> = self.remembered.read().values().map(Arc::clone).collect();
        let routes = self.aliases.values().chain(self.by_id.values().flatten()).chain(&remembered);
        let of = |candidate: &Arc<Candidate>| {
            let tariff = candidate.tariff.as_ref()?;
            Some((Arc::clone(&candidate.provider.name), Arc::clone(&candidate.model), Arc::clone(tariff)))
        };
        routes.flat_map(|route| route.every_candidate().filter_map(of).collect::<Vec<_>>()).collect()
    }

    /// Resolves a name.
    ///
    /// # Errors
    /// An unknown name, with the nearest known ones; a name that several providers list.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<Route>, Fault> {
        if let Some(route) = self.aliases.get(name) {
            return Ok(Arc::clone(route));
        }
        if let Some(route) = self.remembered.read().get(name) {
            return Ok(Arc::clone(route));
        }
        if let Some((provider, model)) = name.split_once('/')
            && !model.is_empty()
            && let Some(candidate) = self.candidate(provider, model)
        {
            let known = self.homes.get(provider).is_some_and(|home| home.listed.contains_key(model));
            return Ok(self.remember(self.single(name, candidate, known)));
        }
        match self.by_id.get(name).map(Vec::as_slice) {
            Some([route]) => return Ok(Arc::clone(route)),
            Some([first, rest @ ..]) if !rest.is_empty() => return Err(ambiguous(name, first, rest)),
            _ => {}
        }
        let mut homes = self.homes.iter();
        match (homes.next(), homes.next()) {
            (Some((provider, home)), None) => {
                let known = home.listed.contains_key(name);
                let candidate = self.candidate(provider, name).ok_or_else(|| self.unknown(name))?;
                Ok(self.remember(self.single(name, candidate, known)))
            }
            _ => Err(self.unknown(name)),
        }
    }

    /// Keeps a route for the next call by its name. Names that a provider lists are few and always have room.
    fn remember(&self, route: Route) -> Arc<Route> {
        let route = Arc::new(route);
        if route.known || route.name.len() <= LONGEST_REMEMBERED {
            let mut remembered = self.remembered.write();
            if route.known || remembered.len() < MOST_REMEMBERED {
                remembered.insert(Box::from(&*route.name), Arc::clone(&route));
            }
        }
        route
    }

    /// Resolves a name for a call that insists on a provider: a name that is whole by itself (an alias, a
    /// `provider/model`) as ever, any other as that provider's.
    ///
    /// # Errors
    /// As [`Self::resolve`]; no provider has this name.
    pub(crate) fn resolve_at(&self, provider: &str, name: &str) -> Result<Arc<Route>, Fault> {
        let names_another = name.split_once('/').is_some_and(|(first, _)| self.homes.contains_key(first));
        let Some(home) = self.homes.get(provider) else {
            return Err(Fault::new(
                FaultKind::BadRequest,
                format!("X-Provider insists on {provider:?}; no provider is called that here."),
            )
            .param("X-Provider"));
        };
        if self.aliases.contains_key(name) || (names_another && !home.listed.contains_key(name)) {
            return self.resolve(name);
        }
        self.resolve(&format!("{provider}/{name}"))
    }

    /// Whether a provider is known to serve what this bare name means.
    pub(crate) fn serves(&self, provider: &str, name: &str) -> bool {
        self.homes.len() == 1 || self.homes.get(provider).is_some_and(|home| home.listed.contains_key(name))
    }

    /// The route of a passthrough call.
    ///
    /// # Errors
    /// No provider has this name.
    pub(crate) fn provider(&self, name: &str) -> Result<Arc<Route>, Fault> {
        self.homes.get(name).map(|home| Arc::clone(&home.whole)).ok_or_else(|| {
            let known: Vec<&str> = self.homes.keys().map(String::as_str).collect();
            Fault::new(
                FaultKind::UnknownPath,
                format!("No provider is called {name:?}; configured are: {}.", known.join(", ")),
            )
        })
    }

    fn unknown(&self, name: &str) -> Fault {
        let listed = self.homes.values().flat_map(|home| home.listed.keys());
        let names = self.aliases.keys().chain(listed).map(String::as_str);
        let hint = match nearest(name, names) {
            Some(near) => format!(" Did you mean {near:?}?"),
            None => " GET /v1/models lists what there is; any model of a provider can be called as provider/model."
                .to_owned(),
        };
        let shown: String = name.chars().take(100).collect();
        Fault::new(FaultKind::UnknownModel, format!("No model is called {shown:?} here.{hint}")).param("model")
    }
}

fn ambiguous(name: &str, first: &Arc<Route>, rest: &[Arc<Route>]) -> Fault {
    let providers: Vec<&str> = std::iter::once(first)
        .chain(rest)
        .filter_map(|route| route.targets.first())
        .map(|target| &*target.candidate.provider.name)
        .collect();
    let example = providers.first().copied().unwrap_or_default();
    Fault::new(
        FaultKind::UnknownModel,
        format!("Several providers serve {name:?}: {}. Say which, as in {example}/{name}.", providers.join(", ")),
    )
    .param("model")
}

/// Which failures lead to a fallback, as attempts name them.
pub(crate) fn fallback_results(on: &[sluicegate_config::FallbackOn]) -> Vec<AttemptResult> {
    use sluicegate_config::FallbackOn as On;
    on.iter()
        .flat_map(|on| match on {
            On::Connect => [AttemptResult::Connect].as_slice(),
            On::Timeout => &[AttemptResult::Timeout],
            On::ServerError => &[AttemptResult::ServerError, AttemptResult::Overloaded, AttemptResult::Broken],
            On::RateLimited => &[AttemptResult::RateLimited],
            // No result of its own: the answer's body tells it.
            On::ContextLength => &[],
        })
        .copied()
        .collect()
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
