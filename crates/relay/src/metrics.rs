//! What Prometheus is told.
//!
//! Everything here is counted from receipts, but for the live gauges. The label sets are bounded: models by the
//! configuration's own names (anything else is `other`), never keys or request ids. Handles are looked up once per
//! name and provider, so that counting a call is a few atomic additions; a series begins with the first thing it counts.

mod flow;
mod migration;

pub use flow::RefusedFor;
pub(crate) use migration::MigrationMetrics;

use crate::snapshot::{Candidate, Route};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use sluicegate_vocabulary::{AttemptResult, CacheUse, Chosen, EndReason, Endpoint, Money, Receipt};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

/// Labels of a finished call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// The endpoint's path, or `unknown` for a path that is none.
    pub endpoint: &'static str,
    /// The configured name of the model, or `other`.
    pub model: Arc<str>,
    /// How it ended.
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    receiver: Arc<str>,
    outcome: &'static str,
}

/// Labels of a time or a token count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabels {
    /// The endpoint's path.
    pub endpoint: &'static str,
    /// The configured name of the model, or `other`.
    pub model: Arc<str>,
}

/// Labels of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TokenLabels {
    /// The configured name of the model, or `other`.
    pub model: Arc<str>,
    /// `input`, `cache_read`, `cache_write`, `output` or `reasoning`.
    pub kind: &'static str,
}

/// Labels of what is told by model alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NameLabels {
    /// The configured name of the model, or `other`.
    pub model: Arc<str>,
}

/// Labels of what payment services notify.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PaymentLabels {
    service: String,
    outcome: &'static str,
}

type Dollars = Counter<f64, AtomicU64>;

/// Labels of a choice of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChoiceLabels {
    /// The choice's configured name.
    pub choice: Arc<str>,
    /// The rule that decided.
    pub rule: Arc<str>,
}

/// Labels of what the cache did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CacheLabels {
    /// `hit`, `miss` or `bypass`.
    pub result: &'static str,
}

/// What the cache holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheMetrics {
    /// Answers.
    pub(crate) entries: Gauge,
    /// The memory they take.
    pub(crate) bytes: Gauge,
}

/// Labels of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptLabels {
    /// The provider's configured name.
    pub provider: Arc<str>,
    /// How it went.
    pub result: &'static str,
}

type Make = fn() -> Histogram;

/// Every metric of the relay.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Calls being served now.
    pub in_flight: Gauge,
    /// Open client connections.
    pub connections: Gauge,
    /// Receipts that the request log could not keep up with.
    pub log_dropped: Counter,
    /// 1 when the last reload took effect.
    pub reload_ok: Gauge,
    calls: Family<CallLabels, Counter>,
    duration: Family<ModelLabels, Histogram, Make>,
    first_token: Family<ModelLabels, Histogram, Make>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<NameLabels, Dollars>,
    unpriced: Family<NameLabels, Counter>,
    resumed: Family<NameLabels, Counter>,
    payments: Family<PaymentLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    choices: Family<ChoiceLabels, Counter>,
    choices_saved: Family<ChoiceLabels, Gauge<f64, AtomicU64>>,
    cache: Family<CacheLabels, Counter>,
    saved: Dollars,
    pub(crate) cached: CacheMetrics,
    flow: flow::FlowMetrics,
    /// What receivers of `alerts` were told.
    deliveries: Family<DeliveryLabels, Counter>,
    /// What is counted of migrations.
    pub(crate) migrations: MigrationMetrics,
    /// For every name that is not the configuration's own.
    other: Arc<RouteMetrics>,
}

/// What stands for the endpoint of a call to a path that is none.
const UNKNOWN: &str = "unknown";

/// For a counter, which is a floating point number in any case; the books are exact.
fn dollars(amount: Money) -> f64 {
    amount.nanos() as f64 / 1e9
}

fn seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0])
}

const TOKEN_KINDS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

impl Metrics {
    /// All metrics at zero. `version` is this build's.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix("sluicegate");
        let metrics = Self {
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            log_dropped: Counter::default(),
            reload_ok: Gauge::default(),
            calls: Family::default(),
            duration: Family::new_with_constructor(seconds as Make),
            first_token: Family::new_with_constructor(seconds as Make),
            tokens: Family::default(),
            cost: Family::default(),
            unpriced: Family::default(),
            resumed: Family::default(),
            payments: Family::default(),
            attempts: Family::default(),
            choices: Family::default(),
            choices_saved: Family::default(),
            cache: Family::default(),
            saved: Dollars::default(),
            cached: CacheMetrics::default(),
            flow: flow::FlowMetrics::new(),
            deliveries: Family::default(),
            migrations: MigrationMetrics::default(),
            other: Arc::new(RouteMetrics::new("other")),
            registry: Registry::default(),
        };
        registry.register("build", "This build", Info::new([("version", version)]));
        registry.register("calls", "Finished calls by outcome", metrics.calls.clone());
        registry.register("calls_in_flight", "Calls being served now", metrics.in_flight.clone());
        registry.register("connections", "Open client connections", metrics.connections.clone());
        registry.register_with_unit(
            "call_duration",
            "From arrival to the last byte",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register_with_unit(
            "time_to_first_token",
            "From arrival to the first content from the provider",
            Unit::Seconds,
            metrics.first_token.clone(),
        );
        registry.register("tokens", "Tokens used, by disjoint kind", metrics.tokens.clone());
        registry.register("cost_usd", "What providers are owed, in dollars", metrics.cost.clone());
        registry.register(
            "unpriced_calls",
            "Calls that used tokens whose price is not known",
            metrics.unpriced.clone(),
        );
        registry.register("choices", "Calls whose model was chosen, by the rule that did", metrics.choices.clone());
        registry.register(
            "choice_saved_usd",
            "What choices have saved against the model that is asked where no rule holds, in dollars",
            metrics.choices_saved.clone(),
        );
        registry.register(
            "resumed_streams",
            "Streams that broke off after some of them was sent, and were gone on with",
            metrics.resumed.clone(),
        );
        registry.register(
            "payment_notifications",
            "What payment services have notified, by what came of it",
            metrics.payments.clone(),
        );
        registry.register("cache", "Calls for which the cache was asked, by what came of it", metrics.cache.clone());
        registry.register("cache_entries", "Answers in the cache", metrics.cached.entries.clone());
        registry.register_with_unit(
            "cache",
            "Memory that answers in the cache take",
            Unit::Bytes,
            metrics.cached.bytes.clone(),
        );
        registry.register(
            "cache_saved_usd",
            "What calls answered from the cache would have cost, in dollars",
            metrics.saved.clone(),
        );
        metrics.flow.register(&mut registry);
        metrics.migrations.register(&mut registry);
        registry.register(
            "webhook_deliveries",
            "What receivers of `alerts` were told, by what came of it",
            metrics.deliveries.clone(),
        );
        registry.register("attempts", "Tries at providers by result", metrics.attempts.clone());
        registry.register(
            "request_log_dropped",
            "Receipts that were counted but not logged because the log could not keep up",
            metrics.log_dropped.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "1 when the last reload took effect, 0 when it was refused",
            metrics.reload_ok.clone(),
        );
        // What somebody may wait for is there before it happens.
        let other = NameLabels { model: Arc::clone(&metrics.other.model) };
        drop(metrics.cost.get_or_create(&other));
        drop(metrics.unpriced.get_or_create(&other));
        for cache in [CacheUse::Hit, CacheUse::Miss, CacheUse::Bypass] {
            drop(metrics.cache.get_or_create(&CacheLabels { result: cache.as_str() }));
        }
        metrics.reload_ok.set(1);
        Self { registry, ..metrics }
    }

    /// A receiver was told of something, or was not: `delivered`, `retried`, `refused`, `given_up` or `dropped`.
    pub fn told(&self, receiver: &str, outcome: &'static str) {
        self.deliveries.get_or_create(&DeliveryLabels { receiver: receiver.into(), outcome }).inc();
    }

    /// How many calls the cache answered, did not and was gone around by, and what that saved in dollars.
    #[must_use]
    pub fn cache_counts(&self) -> ((u64, u64, u64), f64) {
        let of =
            |cache: CacheUse| self.cache.get(&CacheLabels { result: cache.as_str() }).map_or(0, |found| found.get());
        ((of(CacheUse::Hit), of(CacheUse::Miss), of(CacheUse::Bypass)), self.saved.get())
    }

    /// Counts a notification of a payment service that is configured.
    pub fn payment(&self, service: &str, outcome: &'static str) {
        self.payments.get_or_create(&PaymentLabels { service: service.to_owned(), outcome }).inc();
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The handles that all names share which are not the configuration's own.
    pub(crate) fn other(&self) -> Arc<RouteMetrics> {
        Arc::clone(&self.other)
    }

    /// The handles of a provider.
    pub(crate) fn provider(&self, provider: &Arc<str>) -> CandidateMetrics {
        let handle = |result: AttemptResult| {
            let labels = AttemptLabels { provider: Arc::clone(provider), result: result.as_str() };
            self.attempts.get_or_create(&labels).clone()
        };
        CandidateMetrics { attempts: AttemptResult::ALL.map(handle) }
    }

    /// Counts a finished call.
    pub(crate) fn count(&self, receipt: &Receipt, route: Option<&Route>, candidate: Option<&Candidate>) {
        self.flow.count(receipt);
        if let Some(Chosen { choice, rule }) = &receipt.chosen {
            let labels = ChoiceLabels { choice: Arc::clone(choice), rule: Arc::clone(rule) };
            if let Some(saved) = receipt.saved.filter(|_| receipt.cache != CacheUse::Hit) {
                self.choices_saved.get_or_create(&labels).inc_by(dollars(saved));
            }
            self.choices.get_or_create(&labels).inc();
        }
        if receipt.cache != CacheUse::Off {
            self.cache.get_or_create(&CacheLabels { result: receipt.cache.as_str() }).inc();
            if let Some(saved) = receipt.saved.filter(|_| receipt.cache == CacheUse::Hit) {
                self.saved.inc_by(dollars(saved));
            }
        }
        if let Some(moved) = &receipt.moved {
            self.migrations.count(receipt, moved);
        }
        match (receipt.endpoint, route) {
            (Some(endpoint), Some(route)) => self.count_routed(receipt, endpoint, &route.metrics),
            (endpoint, _) => {
                let endpoint = endpoint.map_or(UNKNOWN, Endpoint::path);
                self.outcome(endpoint, &self.other.model, receipt.end).inc();
            }
        }
        if let (Some(candidate), [only]) = (candidate, receipt.attempts.as_slice()) {
            candidate.metrics.count(only.result);
            return;
        }
        for attempt in &receipt.attempts {
            let labels = AttemptLabels { provider: Arc::clone(&attempt.provider), result: attempt.result.as_str() };
            self.attempts.get_or_create(&labels).inc();
        }
    }

    fn count_routed(&self, receipt: &Receipt, endpoint: Endpoint, handles: &RouteMetrics) {
        let cells = handles.calls.get_or_init(|| Endpoint::ALL.map(|_| OnceLock::new()));
        if let Some(cell) = cells.get(endpoint as usize) {
            let model = &handles.model;
            let handles = cell.get_or_init(|| self.endpoint_handles(endpoint, model));
            if let Some(counter) = handles.outcomes.get(receipt.end as usize) {
                counter.get_or_init(|| self.outcome(endpoint.path(), model, receipt.end)).inc();
            }
            handles.duration.observe(receipt.times.total.as_secs_f64());
            if let Some(first) = receipt.times.first_token {
                handles.first_token.observe(first.as_secs_f64());
            }
        }
        if !receipt.resumed.is_empty() {
            let labels = NameLabels { model: Arc::clone(&handles.model) };
            self.resumed.get_or_create(&labels).inc_by(receipt.resumed.len() as u64);
        }
        let used = &receipt.usage;
        if used.total() > 0 {
            let counters = handles.tokens.get_or_init(|| {
                TOKEN_KINDS.map(|kind| {
                    self.tokens.get_or_create(&TokenLabels { model: Arc::clone(&handles.model), kind }).clone()
                })
            });
            let amounts = [
                used.input + used.input_audio,
                used.cache_read,
                used.cache_write + used.cache_write_long,
                used.output + used.output_audio,
                used.reasoning,
            ];
            match receipt.cost {
                Some(cost) if cost > Money::ZERO => {
                    let labels = || NameLabels { model: Arc::clone(&handles.model) };
                    handles.cost.get_or_init(|| self.cost.get_or_create(&labels()).clone()).inc_by(dollars(cost));
                }
                Some(_) => {}
                None => drop(self.unpriced.get_or_create(&NameLabels { model: Arc::clone(&handles.model) }).inc()),
            }
            for (counter, amount) in counters.iter().zip(amounts).filter(|(_, amount)| *amount > 0) {
                counter.inc_by(amount);
            }
        }
    }

    fn outcome(&self, endpoint: &'static str, model: &Arc<str>, end: EndReason) -> Counter {
        let labels = CallLabels { endpoint, model: Arc::clone(model), outcome: end.as_str() };
        self.calls.get_or_create(&labels).clone()
    }

    fn endpoint_handles(&self, endpoint: Endpoint, model: &Arc<str>) -> EndpointHandles {
        let labels = ModelLabels { endpoint: endpoint.path(), model: Arc::clone(model) };
        EndpointHandles {
            outcomes: [const { OnceLock::new() }; 9],
            duration: self.duration.get_or_create(&labels).clone(),
            first_token: self.first_token.get_or_create(&labels).clone(),
        }
    }
}

/// Handles for one public name of a model.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    model: Arc<str>,
    calls: OnceLock<[OnceLock<EndpointHandles>; Endpoint::COUNT]>,
    tokens: OnceLock<[Counter; 5]>,
    cost: OnceLock<Dollars>,
}

impl RouteMetrics {
    /// Handles that are looked up when they are first needed.
    pub(crate) fn new(model: &str) -> Self {
        Self { model: model.into(), calls: OnceLock::new(), tokens: OnceLock::new(), cost: OnceLock::new() }
    }
}

#[derive(Debug)]
struct EndpointHandles {
    outcomes: [OnceLock<Counter>; 9],
    duration: Histogram,
    first_token: Histogram,
}

/// Handles for one provider.
#[derive(Debug)]
pub(crate) struct CandidateMetrics {
    attempts: [Counter; 10],
}

impl CandidateMetrics {
    fn count(&self, result: AttemptResult) {
        if let Some(counter) = self.attempts.get(result as usize) {
            counter.inc();
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
