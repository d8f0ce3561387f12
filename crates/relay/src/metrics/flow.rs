//! What flow control did to calls: refusals, waits, and tokens reserved against tokens used.
//!
//! Read from receipts like everything else. A call that met no limit, waited for nothing and was refused by nobody costs
//! three comparisons here: waits are observed only where there was one, and tokens only where some were reserved.

use super::{Make, seconds};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sluicegate_vocabulary::{FaultKind, Receipt};

/// Why flow control refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedFor {
    /// A limit is used up.
    Limit,
    /// It can never fit a limit.
    NeverFits,
    /// There was no room to wait; of a caller in strict mode, who does not wait, none at the provider.
    QueueFull,
    /// It would have waited too long for a provider's limit.
    Deadline,
}

impl RefusedFor {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Limit, Self::NeverFits, Self::QueueFull, Self::Deadline];

    /// Why this call was refused, if flow control refused it.
    #[must_use]
    pub fn of(receipt: &Receipt) -> Option<Self> {
        let by = receipt.refused_by.as_deref();
        match receipt.fault? {
            FaultKind::LimitRequests | FaultKind::LimitTokens => Some(Self::Limit),
            FaultKind::NeverFits => Some(Self::NeverFits),
            FaultKind::Overloaded if by.is_some() => Some(Self::QueueFull),
            // A deadline that passes while the provider works names no limit.
            FaultKind::Timeout if by.is_some_and(|by| by.contains(':')) => Some(Self::Deadline),
            _ => None,
        }
    }

    /// The word used in metrics and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::NeverFits => "never_fits",
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
        }
    }
}

/// Labels of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
    scope: &'static str,
}

/// Labels of what is told by class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

/// Owners of limits.
const SCOPES: [&str; 7] = ["key", "endpoint", "model", "tenant", "overall", "provider", "credential"];

/// The counters of flow control.
#[derive(Debug)]
pub(super) struct FlowMetrics {
    refusals: Family<RefusalLabels, Counter>,
    waits: Family<ClassLabels, Histogram, Make>,
    reserved: Counter,
    used: Counter,
}

impl FlowMetrics {
    pub(super) fn new() -> Self {
        Self {
            refusals: Family::default(),
            waits: Family::new_with_constructor(seconds as Make),
            reserved: Counter::default(),
            used: Counter::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("refusals", "Calls that flow control refused", self.refusals.clone());
        registry.register_with_unit(
            "queue_wait",
            "How long calls waited for room in limits, of those that waited",
            Unit::Seconds,
            self.waits.clone(),
        );
        registry.register("reserved_tokens", "Tokens taken from limits before and during calls", self.reserved.clone());
        registry.register("used_tokens", "Tokens that the same calls used", self.used.clone());
    }

    pub(super) fn count(&self, receipt: &Receipt) {
        if receipt.reserved > 0 {
            self.reserved.inc_by(receipt.reserved);
            self.used.inc_by(receipt.usage.total());
        }
        if !receipt.times.queued.is_zero() {
            let labels = ClassLabels { class: receipt.priority.as_str() };
            self.waits.get_or_create(&labels).observe(receipt.times.queued.as_secs_f64());
        }
        if let Some(reason) = RefusedFor::of(receipt) {
            let by = receipt.refused_by.as_deref().and_then(|by| by.split(':').next()).unwrap_or_default();
            let scope = SCOPES.into_iter().find(|scope| *scope == by).unwrap_or("other");
            self.refusals.get_or_create(&RefusalLabels { reason: reason.as_str(), scope }).inc();
        }
    }
}
