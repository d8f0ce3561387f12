//! The configuration as the relay runs it.

use crate::key::ClientKey;
use crate::limits::Limits;
use crate::model::Model;
use crate::provider::{Provider, ProviderKind};
use crate::server::Server;
use crate::units::Period;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything the relay needs to know, checked and complete. It is immutable: a reload makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The name this relay goes by in logs and metrics.
    pub name: String,
    /// Where it listens and what it allows one client to cost.
    pub server: Server,
    /// Who answers, by name.
    pub providers: BTreeMap<String, Provider>,
    /// Public names of models, by name: the file's and the built-in short names whose provider is configured.
    pub models: BTreeMap<String, Model>,
    /// Keys of clients. Empty means that none is needed.
    pub keys: Vec<ClientKey>,
    /// Limits of the old format.
    pub limits: Limits,
    /// The old file's circuit breaker, if it has one.
    pub breaker: Option<Breaker>,
    /// The old file's alerts.
    pub metrics: Vec<MetricAlert>,
    /// A file of models' quirks that replaces or adds to the built-in ones.
    pub quirks_file: Option<PathBuf>,
}

impl Config {
    /// Whether every provider is simulated, so that nothing leaves the machine.
    #[must_use]
    pub fn simulated_only(&self) -> bool {
        self.providers.values().all(|provider| provider.kind == ProviderKind::Simulated)
    }
}

/// The old file's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures open it.
    pub failure_threshold: Option<u32>,
    /// So long it stays open.
    pub recovery_timeout: Option<Period>,
    /// So many trial calls while it is half open.
    pub half_open_max_requests: Option<u32>,
}

/// One entry of the old file's `metrics`: alert when a measured value crosses a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricAlert {
    /// The metric's name.
    pub name: String,
    /// Which side of the threshold raises the alert; `None` when the entry sets no threshold.
    pub threshold: Option<Threshold>,
    /// For how long it must be crossed.
    pub lasting: Option<Period>,
}

/// A side of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// True for `<`, false for `>`.
    pub below: bool,
    /// The number; a percentage is kept as it is written, 20 for `20%`.
    pub value: f64,
    /// Whether it was written with a percent sign.
    pub percent: bool,
}
