//! The part of `/metrics` that is measured when somebody asks: limits, who waits, providers, alerts, the configuration in
//! force.
//!
//! Counters are kept where calls end, in the relay. What is here is the state of one moment and would cost something on
//! every call if it were kept up to date; so it is read on demand and written by a registry that lives as long as the
//! page takes to make.
//!
//! The series are bounded. Limits of the configuration are as many as the configuration says, but those of keys and
//! tenants may be any number, so of each only the [`MOST`] fullest are listed, and `limits_unlisted` says how many more
//! there are.

use crate::alerts::Evaluator;
use crate::flow::{fill_percent, fullest};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use sluicegate_config::Alert;
use sluicegate_flow::{Kind, LimitStatus, Scope};
use sluicegate_relay::{FlowReport, LimitReport, ProvidersReport};
use std::sync::atomic::AtomicU64;

/// Limits of keys that are listed, and limits of tenants.
const MOST: usize = 100;

type Level = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    scope: &'static str,
    owner: String,
    counts: &'static str,
    window: String,
}

impl LimitLabels {
    fn of(level: &LimitStatus) -> Self {
        let window =
            if level.kind == Kind::Concurrency { String::new() } else { format!("{}s", level.window.as_secs_f64()) };
        Self {
            scope: level.label.scope.as_str(),
            owner: level.label.name.to_string(),
            counts: level.kind.as_str(),
            window,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    metric: &'static str,
    threshold: String,
}

/// The text of the metrics measured now, without the line that ends a page.
///
/// # Errors
/// Never in practice: writing to a string does not fail.
pub(crate) fn measured(
    report: FlowReport,
    providers: &ProvidersReport,
    low_accounts: usize,
    rules: &Evaluator,
    config: &str,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("sluicegate");
    registry.register("config", "The configuration in force", Info::new([("version", config.to_owned())]));
    waits(&mut registry, &report);
    levels(&mut registry, report.limits);
    crate::provider_metrics::register(&mut registry, providers);
    let low = Gauge::<i64>::default();
    low.set(i64::try_from(low_accounts).unwrap_or(i64::MAX));
    registry.register("accounts_low", "Accounts that have less than their low_balance_usd", low);
    alerts(&mut registry, rules);
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &registry)?;
    Ok(text)
}

fn waits(registry: &mut Registry, report: &FlowReport) {
    let (waiting, shed) = (Family::<ClassLabels, Gauge>::default(), Family::<ClassLabels, Counter>::default());
    let oldest = Family::<ClassLabels, Level>::default();
    for class in &report.waiting {
        let labels = ClassLabels { class: class.class.as_str() };
        waiting.get_or_create(&labels).set(i64::try_from(class.waiting).unwrap_or(i64::MAX));
        oldest.get_or_create(&labels).set(class.oldest.as_secs_f64());
        shed.get_or_create(&labels).inc_by(class.shed);
    }
    let bytes = Gauge::<i64>::default();
    bytes.set(i64::try_from(report.waiting_bytes).unwrap_or(i64::MAX));
    registry.register("waiting_calls", "Calls that wait for room in limits or at a provider", waiting);
    let first = "How long the first of those has waited that wait for room in limits";
    registry.register_with_unit("oldest_wait", first, Unit::Seconds, oldest);
    registry.register("waiting_bytes", "Bytes of the bodies of calls that wait", bytes);
    registry.register("shed", "Calls refused because they could not be let go in time or had no room to wait", shed);
}

fn levels(registry: &mut Registry, limits: Vec<LimitReport>) {
    let (listed, unlisted) = listed(limits);
    let fill = Family::<LimitLabels, Level>::default();
    let (left, capacity) = (Family::<LimitLabels, Gauge>::default(), Family::<LimitLabels, Gauge>::default());
    let would_refuse = Family::<LimitLabels, Counter>::default();
    for LimitReport { level, .. } in &listed {
        let labels = LimitLabels::of(level);
        fill.get_or_create(&labels).set(fill_percent(level));
        left.get_or_create(&labels).set(i64::try_from(level.left).unwrap_or(i64::MAX));
        capacity.get_or_create(&labels).set(i64::try_from(level.capacity).unwrap_or(i64::MAX));
        if level.shadow {
            would_refuse.get_or_create(&labels).inc_by(level.would_refuse);
        }
    }
    let more = Gauge::<i64>::default();
    more.set(i64::try_from(unlisted).unwrap_or(i64::MAX));
    registry.register("bucket_fill_percentage", "What is left of a limit in percent; 100 when nothing is in use", fill);
    registry.register("limit_left", "What can be taken from a limit now", left);
    registry.register("limit_capacity", "The most that can be left of a limit", capacity);
    registry.register("limit_would_refuse", "Refusals that a shadow limit would have made", would_refuse);
    registry.register("limits_unlisted", "Limits in use beyond those that are listed", more);
}

/// What is listed, and how much is not.
fn listed(limits: Vec<LimitReport>) -> (Vec<LimitReport>, usize) {
    let all = limits.len();
    let (mut keys, mut tenants) = (MOST, MOST);
    let listed: Vec<LimitReport> = fullest(limits, all)
        .filter(|limit| {
            let room = match limit.level.label.scope {
                Scope::Key => &mut keys,
                Scope::Tenant => &mut tenants,
                _ => return true,
            };
            let fits = *room > 0;
            *room = room.saturating_sub(1);
            fits
        })
        .collect();
    let unlisted = all - listed.len();
    (listed, unlisted)
}

fn alerts(registry: &mut Registry, rules: &Evaluator) {
    let firing = Family::<AlertLabels, Gauge>::default();
    for (Alert { metric, threshold, .. }, raised) in rules.rules() {
        let labels = AlertLabels { metric: metric.as_str(), threshold: threshold.to_string() };
        // Two rules may differ in nothing but how long they wait.
        firing.get_or_create(&labels).inc_by(i64::from(raised.is_some()));
    }
    registry.register("alert_firing", "Alerts of the configuration that are raised", firing);
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
