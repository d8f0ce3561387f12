//! The part of `/metrics` that is about providers: breakers, keys, quotas, retries, limits that follow a speed.
//!
//! Attempts by result are counted where calls end; here is the state of one moment. Series are bounded by the
//! configuration's providers and keys, and by [`MOST`] models of each provider, since a provider that lists nothing can be
//! asked for any name.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use sluicegate_relay::{BreakerReport, KeyReport, ModelReport, ProvidersReport};
use std::sync::atomic::AtomicU64;

/// Models of one provider that are listed.
const MOST: usize = 100;
/// What a breaker can be doing.
const BREAKER_STATES: [&str; 3] = ["closed", "open", "half open"];
/// How a key can be.
const KEY_STATES: [&str; 5] = ["healthy", "throttled", "cooling", "suspect", "dead"];

type Level = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    provider: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    provider: String,
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyStateLabels {
    provider: String,
    key: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    provider: String,
    model: String,
}

/// A model of ours, not a provider's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    provider: String,
    account: String,
    model: String,
}

/// Registers everything that is known of providers.
pub(crate) fn register(registry: &mut Registry, report: &ProvidersReport) {
    breakers(registry, report);
    keys(registry, report);
    models(registry, report);
    loads(registry, report);
    failovers(registry, report);
}

/// A state as a label: one word.
fn word(state: &str) -> String {
    state.replace(' ', "_")
}

fn breakers(registry: &mut Registry, report: &ProvidersReport) {
    let states = Family::<BreakerLabels, Gauge>::default();
    let transitions = Family::<BreakerLabels, Counter>::default();
    let held = Family::<ProviderLabels, Gauge>::default();
    let retries = Family::<ProviderLabels, Level>::default();
    for provider in &report.providers {
        let BreakerReport { state: now, opened, closed, .. } = &provider.breaker;
        let labels = |state: &str| BreakerLabels { provider: provider.name.clone(), state: word(state) };
        for state in BREAKER_STATES {
            states.get_or_create(&labels(state)).set(i64::from(now == state));
        }
        transitions.get_or_create(&labels("open")).inc_by(*opened);
        transitions.get_or_create(&labels("closed")).inc_by(*closed);
        let labels = ProviderLabels { provider: provider.name.clone() };
        held.get_or_create(&labels).set(i64::from(provider.held));
        retries.get_or_create(&labels).set(provider.retries_left);
    }
    registry.register("breaker_state", "1 for what a provider's breaker is doing", states);
    registry.register("breaker_transitions", "How often a provider's breaker opened, and closed again", transitions);
    registry.register("provider_held", "1 while an operator holds a provider", held);
    registry.register("retry_budget", "Retries that a provider's successes have earned and that are left", retries);
}

fn keys(registry: &mut Registry, report: &ProvidersReport) {
    let states = Family::<KeyStateLabels, Gauge>::default();
    let in_flight = Family::<KeyLabels, Gauge>::default();
    let (errors, headroom) = (Family::<KeyLabels, Level>::default(), Family::<KeyLabels, Level>::default());
    for provider in &report.providers {
        for key in &provider.keys {
            let KeyReport { name, state: now, .. } = key;
            for state in KEY_STATES {
                let labels = KeyStateLabels { provider: provider.name.clone(), key: name.clone(), state };
                states.get_or_create(&labels).set(i64::from(now == state));
            }
            let labels = KeyLabels { provider: provider.name.clone(), key: name.clone() };
            in_flight.get_or_create(&labels).set(i64::from(key.in_flight));
            errors.get_or_create(&labels).set(key.error_rate);
            if let Some(left) = key.headroom {
                headroom.get_or_create(&labels).set(left);
            }
        }
    }
    registry.register("provider_key_state", "1 for how a provider's key is", states);
    registry.register("provider_key_in_flight", "Calls under way with a provider's key", in_flight);
    let lately = "The part of the calls with a provider's key that failed lately";
    registry.register_with_unit("provider_key_error", lately, Unit::Ratios, errors);
    let left = "What is left of the quota of a provider's key, as far as the provider tells";
    registry.register_with_unit("provider_key_headroom", left, Unit::Ratios, headroom);
}

fn failovers(registry: &mut Registry, report: &ProvidersReport) {
    let (left, most) = (Family::<NameLabels, Level>::default(), Family::<NameLabels, Level>::default());
    for budget in &report.failovers {
        let labels = NameLabels { model: budget.model.clone() };
        left.get_or_create(&labels).set(budget.left);
        most.get_or_create(&labels).set(budget.most);
    }
    registry.register("failover_budget", "Extra tries that the calls to a model have earned and that are left", left);
    registry.register("failover_budget_most", "The most extra tries that a model's calls may save at present", most);
}

fn loads(registry: &mut Registry, report: &ProvidersReport) {
    let (waiting, cache) = (Family::<ProviderLabels, Level>::default(), Family::<ProviderLabels, Level>::default());
    for provider in &report.providers {
        let Some(load) = &provider.load else { continue };
        let labels = ProviderLabels { provider: provider.name.clone() };
        if let Some(calls) = load.waiting {
            waiting.get_or_create(&labels).set(calls);
        }
        if let Some(used) = load.cache_used {
            cache.get_or_create(&labels).set(used);
        }
    }
    registry.register(
        "server_waiting_calls",
        "Calls that wait inside a provider's server, as its metrics tell",
        waiting,
    );
    let used = "The part of a provider's memory for context that is in use, as its metrics tell";
    registry.register_with_unit("server_cache_used", used, Unit::Ratios, cache);
}

fn models(registry: &mut Registry, report: &ProvidersReport) {
    let vetoed = Family::<ModelLabels, Gauge>::default();
    let limits = Family::<ModelLabels, Gauge>::default();
    let waiting = Family::<ModelLabels, Gauge>::default();
    let headroom = Family::<QuotaLabels, Level>::default();
    for provider in &report.providers {
        // What is called without a model has no name.
        let named = provider.models.iter().filter(|model| !model.model.is_empty());
        for ModelReport { model, adaptive, quotas, waiting: count, .. } in named.take(MOST) {
            let labels = ModelLabels { provider: provider.name.clone(), model: model.clone() };
            if let Some(adaptive) = adaptive {
                limits.get_or_create(&labels).set(i64::from(adaptive.limit));
                if provider.load.is_some() {
                    vetoed.get_or_create(&labels).set(i64::from(adaptive.vetoed));
                }
            }
            if !quotas.is_empty() {
                waiting.get_or_create(&labels).set(i64::from(*count));
            }
            for quota in quotas {
                let (provider, account) = (provider.name.clone(), quota.group.clone());
                let labels = QuotaLabels { provider, account, model: model.clone() };
                headroom.get_or_create(&labels).set(quota.headroom);
            }
        }
    }
    registry.register("adaptive_limit", "Calls that a provider's model may have at once, as its speed allows", limits);
    let full = "1 while what a provider's server shows of its load keeps that limit from growing";
    registry.register("adaptive_limit_vetoed", full, vetoed);
    registry.register("quota_waiting_calls", "Calls that wait for a provider's quota", waiting);
    let left = "What is left of an account's quota for a model, as far as the provider tells";
    registry.register_with_unit("quota_headroom", left, Unit::Ratios, headroom);
}

#[cfg(test)]
#[path = "provider_metrics_tests.rs"]
mod tests;
