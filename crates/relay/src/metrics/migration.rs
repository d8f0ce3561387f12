//! What is counted of migrations.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sluicegate_migration::{Action, Phase, Share};
use sluicegate_vocabulary::{Moved, Receipt};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    migration: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    migration: Arc<str>,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ArmLabels {
    migration: Arc<str>,
    arm: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CopyLabels {
    migration: Arc<str>,
    outcome: &'static str,
}

/// The counters of migrations. Their names are the configuration's own, so there are few.
#[derive(Debug, Clone, Default)]
pub(crate) struct MigrationMetrics {
    weight: Family<NameLabels, Gauge<f64, AtomicU64>>,
    under_way: Family<NameLabels, Gauge>,
    events: Family<ActionLabels, Counter>,
    calls: Family<ArmLabels, Counter>,
    copies: Family<CopyLabels, Counter>,
}

impl MigrationMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("migration_weight", "The new side's share of calls, 0 to 1", self.weight.clone());
        registry.register(
            "migration_under_way",
            "1 while calls are divided by steps, 0 before, after, and when rolled back",
            self.under_way.clone(),
        );
        registry.register("migration_events", "What happened to migrations", self.events.clone());
        registry.register(
            "migration_calls",
            "Calls by the side they were given and how they ended",
            self.calls.clone(),
        );
        registry.register(
            "migration_copies",
            "Copies of calls for a new side by what became of them, those that were left out among them",
            self.copies.clone(),
        );
    }

    /// How a migration stands.
    pub(crate) fn standing(&self, name: &Arc<str>, share: Share, phase: Phase) {
        let labels = NameLabels { migration: Arc::clone(name) };
        self.weight.get_or_create(&labels).set(share.fraction());
        self.under_way.get_or_create(&labels).set(i64::from(phase.is_under_way()));
    }

    /// Something happened to it.
    pub(crate) fn happened(&self, name: &str, action: Action) {
        self.events.get_or_create(&ActionLabels { migration: name.into(), action: action.as_str() }).inc();
    }

    /// A copy was made and compared, or left out.
    pub(crate) fn copied(&self, name: &Arc<str>, outcome: &'static str) {
        self.copies.get_or_create(&CopyLabels { migration: Arc::clone(name), outcome }).inc();
    }

    pub(super) fn count(&self, receipt: &Receipt, Moved { migration, arm }: &Moved) {
        let labels = ArmLabels { migration: Arc::clone(migration), arm: arm.as_str(), outcome: receipt.end.as_str() };
        self.calls.get_or_create(&labels).inc();
    }
}
