//! The configuration as the laboratory plays it: limits, classes, waits and modes, as the relay would compile them.
//!
//! Two simplifications, both told in the reference: a call goes to the target of its model that has the most weight, and
//! the credentials of a provider count as one that has the limits of all. Falling back to other targets or to a lower
//! tier is not played.

use sluicegate_config::{Config, Limit, Model, Provider, Rate, RateKind, Shape as RateShape};
use sluicegate_flow::{Algorithm, Bounds, Kind, Label, Quota, Scope};
use sluicegate_simulate::lab::{ByClass, CLASSES, Concerns, Kinds, Names, Relay, Rule, Size};
use sluicegate_vocabulary::{Endpoint, Priority};
use std::collections::HashMap;
use std::time::Duration;

/// A configuration, compiled for the laboratory.
#[derive(Debug)]
pub(super) struct Plan {
    /// The relay.
    pub(super) relay: Relay,
    /// What calls are like that are not replayed: of which keys and models, to which endpoints, in which classes.
    pub(super) kinds: Kinds,
}

impl Plan {
    /// Compiles a configuration. Calls that are replayed name their keys and models; other calls are of the configured
    /// ones, each as often.
    pub(super) fn new(config: &Config, replayed: Option<&Names>) -> Self {
        let names = replayed.cloned().unwrap_or_else(|| Names {
            keys: config.keys.iter().map(|key| key.name.clone()).collect(),
            models: own_models(config).map(|model| model.name.clone()).collect(),
        });
        let number = |names: &[String], name: &str| names.iter().position(|own| own == name).map(|at| at as u32);
        let mut ingress = Vec::new();
        for key in &config.keys {
            let concerned = number(&names.keys, &key.name).map(|key| Concerns::Keys(vec![key]));
            ingress.extend(concerned.into_iter().flat_map(|all| rules(Scope::Key, &key.name, &key.limits, &all)));
        }
        for (name, tenant) in &config.tenants {
            let own = config.keys.iter().filter(|key| key.tenant.as_ref() == Some(name));
            let keys = own.filter_map(|key| number(&names.keys, &key.name)).collect();
            ingress.extend(rules(Scope::Tenant, name, &tenant.limits, &Concerns::Keys(keys)));
        }
        for (endpoint, entry) in &config.limits.endpoints {
            ingress.extend(rules(Scope::Endpoint, endpoint.path(), &entry.limit, &Concerns::Endpoint(*endpoint)));
        }
        for model in config.models.values() {
            let concerned = number(&names.models, &model.name).map(|model| Concerns::Models(vec![model]));
            ingress.extend(concerned.into_iter().flat_map(|all| rules(Scope::Model, &model.name, &model.limits, &all)));
        }
        ingress.extend(rules(Scope::Overall, "overall", &config.limits.global, &Concerns::All));

        let modes = config.keys.iter().filter_map(|key| Some((number(&names.keys, &key.name)?, key.mode)));
        let weights = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];
        let weights = weights.map(|class| config.priorities.of(class).weight);
        let (calls, bytes) = (config.priorities.max_queue, config.priorities.max_queue_bytes.bytes());
        let relay = Relay {
            ingress,
            egress: egress(config, &names),
            mode: config.mode,
            modes: modes.collect::<HashMap<_, _>>(),
            waits: ByClass(CLASSES.map(|class| config.priorities.of(class).max_wait.duration())),
            bounds: Bounds { calls, bytes, weights, ..Bounds::default() },
            ..Relay::default()
        };
        Self { relay, kinds: kinds(config, &names) }
    }

    /// Calls a second that fit all limits, for calls of these kinds that take so long; `None` without a limit.
    pub(super) fn capacity(&self, service: Duration) -> Option<f64> {
        let tokens = self.kinds.mean_tokens();
        let fits = self.relay.ingress.iter().chain(&self.relay.egress).filter(|rule| !rule.quota.shadow);
        let fits = fits.filter_map(|rule| {
            let seconds = match rule.kind {
                Kind::Concurrency => service.as_secs_f64(),
                Kind::Requests | Kind::Tokens => rule.quota.window.as_secs_f64(),
            };
            let each = if rule.kind == Kind::Tokens { tokens.max(1.0) } else { 1.0 };
            let share = self.share(&rule.concerns);
            (share > 0.0).then(|| rule.quota.set as f64 / seconds.max(1e-3) / each / share)
        });
        fits.min_by(f64::total_cmp)
    }

    /// The share of calls that a limit concerns.
    fn share(&self, concerns: &Concerns) -> f64 {
        match concerns {
            Concerns::All => 1.0,
            Concerns::Endpoint(endpoint) => {
                let all: f64 = self.kinds.endpoints.iter().map(|(_, share)| share).sum();
                let own = self.kinds.endpoints.iter().filter(|(own, _)| own == endpoint).map(|(_, share)| share);
                own.sum::<f64>() / all
            }
            Concerns::Keys(keys) => keys.len() as f64 / f64::from(self.kinds.keys.max(1)),
            Concerns::EachKey => 1.0 / f64::from(self.kinds.keys.max(1)),
            Concerns::Models(models) => models.len() as f64 / f64::from(self.kinds.models.max(1)),
        }
    }
}

/// The models of the file; the short names that come with the program lead where nobody said that calls go.
fn own_models(config: &Config) -> impl Iterator<Item = &Model> {
    config.models.values().filter(|model| !model.builtin)
}

/// What is taken when a call is sent: limits of providers, of their credentials and of their models.
fn egress(config: &Config, names: &Names) -> Vec<Rule> {
    // Which provider and which of its models each model leads to. Names that are none of the file's, and calls that name
    // no model, go to the first provider.
    let lead = |name: &String| {
        let model = config.models.get(name);
        let target = model.and_then(|model| model.to.iter().max_by_key(|target| target.weight));
        target.map(|target| (target.model.provider.clone(), target.model.model.clone()))
    };
    let first = config.providers.keys().next().cloned().unwrap_or_default();
    let somewhere = |name: &String| (name.split_once('/').map_or(first.clone(), |(at, _)| at.to_owned()), name.clone());
    let mut leads: Vec<(String, String)> =
        names.models.iter().map(|name| lead(name).unwrap_or_else(|| somewhere(name))).collect();
    if leads.is_empty() {
        leads.push((first, String::new()));
    }
    let leading = |wanted: &dyn Fn(&(String, String)) -> bool| {
        let numbers = leads.iter().enumerate().filter(|(_, lead)| wanted(lead)).map(|(number, _)| number as u32);
        Concerns::Models(numbers.collect())
    };
    let mut all = Vec::new();
    for (name, provider) in &config.providers {
        for (model, limits) in &provider.model_limits {
            let concerned = leading(&|(at, own)| at == name && own == model);
            all.extend(rules(Scope::Model, &format!("{name}/{model}"), limits, &concerned));
        }
        let concerned = leading(&|(at, _)| at == name);
        all.extend(rules(Scope::Credential, name, &together(provider), &concerned));
        all.extend(rules(Scope::Provider, name, &provider.limits, &concerned));
    }
    all.retain(|rule| rule.concerns != Concerns::Models(Vec::new()));
    all
}

/// The limits of a provider's credentials, added up. What one of them is not held to, all together are not.
fn together(provider: &Provider) -> Limit {
    let mut keys = provider.keys.iter().map(|key| &key.limits);
    let Some(first) = keys.next() else { return Limit::default() };
    keys.fold(first.clone(), |sum, next| {
        let rates = sum.rates.iter().filter_map(|rate| {
            let other = next.rate(rate.kind, rate.window)?;
            let shape = match (rate.shape, other.shape) {
                (RateShape::TokenBucket { capacity, step }, RateShape::TokenBucket { capacity: more, .. }) => {
                    RateShape::TokenBucket { capacity: capacity + more, step }
                }
                _ => RateShape::SlidingWindow,
            };
            Some(Rate { amount: rate.amount + other.amount, shape, ..*rate })
        });
        let concurrency = sum.concurrency.zip(next.concurrency).map(|(one, other)| one + other);
        Limit { rates: rates.collect(), concurrency, shadow: sum.shadow || next.shadow }
    })
}

/// One owner's limits.
fn rules(scope: Scope, name: &str, limit: &Limit, concerns: &Concerns) -> Vec<Rule> {
    let rule = |kind, quota: Quota| Rule {
        label: Label::new(scope, name),
        kind,
        quota: if limit.shadow { quota.in_shadow() } else { quota },
        concerns: concerns.clone(),
    };
    let rates = limit.rates.iter().map(|rate| {
        let kind = match rate.kind {
            RateKind::Requests => Kind::Requests,
            RateKind::Tokens => Kind::Tokens,
        };
        let window = Quota::window(rate.amount, rate.window.duration());
        rule(
            kind,
            match rate.shape {
                RateShape::SlidingWindow => window,
                RateShape::TokenBucket { capacity, step } => {
                    let refill_step = step.map(|step| step.duration());
                    Quota { algorithm: Algorithm::TokenBucket { capacity, refill_step }, ..window }
                }
            },
        )
    });
    let permits = limit.concurrency.map(|most| rule(Kind::Concurrency, Quota::concurrency(most)));
    rates.chain(permits).collect()
}

/// What calls are like that are not replayed.
fn kinds(config: &Config, names: &Names) -> Kinds {
    let limited = config.limits.endpoints.iter();
    // As many as each endpoint's own limit allows, relative to the others; a limit on tokens says less about that.
    let requests = |limit: &Limit| {
        let rate = limit.rates.iter().find(|rate| rate.kind == RateKind::Requests)?;
        Some(rate.amount as f64 / rate.window.seconds() as f64)
    };
    let shares: Vec<(Endpoint, f64)> =
        limited.filter_map(|(endpoint, entry)| Some((*endpoint, requests(&entry.limit)?))).collect();
    let endpoints = if shares.is_empty() { vec![(Endpoint::ChatCompletions, 1.0)] } else { shares };
    let highest_of_endpoint = endpoints.iter().map(|(endpoint, _)| {
        let own = config.limits.endpoints.get(endpoint).and_then(|entry| entry.priority);
        // Without keys an endpoint that has no class is normal; with keys it leaves the class to them.
        let otherwise = if config.keys.is_empty() { Priority::Normal } else { Priority::Critical };
        (*endpoint, own.unwrap_or(otherwise))
    });
    Kinds {
        classes: ByClass([1.0, 0.0, 0.0, 0.0]),
        highest_of_key: config.keys.iter().map(|key| key.priority).collect(),
        highest_of_endpoint: highest_of_endpoint.collect(),
        endpoints,
        keys: names.keys.len().max(1) as u32,
        skew: 0.0,
        models: names.models.len().max(1) as u32,
        tokens_in: Size::Lognormal { median: 600, sigma: 1.0 },
        tokens_out: Size::Lognormal { median: 150, sigma: 0.8 },
        patience: None,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
