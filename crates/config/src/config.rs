//! The configuration as the relay runs it.

use crate::alert::Alert;
use crate::books::{Budget, Ledger};
use crate::cache::Cache;
use crate::choice::Choice;
use crate::key::{ClientKey, Tenant};
use crate::limits::Limits;
use crate::migration::Migration;
use crate::model::Model;
use crate::payments::Payments;
use crate::prices::Prices;
use crate::priorities::Priorities;
use crate::provider::Provider;
use crate::receiver::Receiver;
use crate::server::Server;
use sluicegate_vocabulary::{Mode, Money, ProviderKind};
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
    /// Moves of models' calls, by name; one at most for each model.
    pub migrations: BTreeMap<String, Migration>,
    /// Keys of clients. Empty means that none is needed.
    pub keys: Vec<ClientKey>,
    /// Groups of keys that share limits, by name.
    pub tenants: BTreeMap<String, Tenant>,
    /// What is done with a call that finds no room when it comes without a key; each key has its own.
    pub mode: Mode,
    /// Limits over all calls and by endpoint.
    pub limits: Limits,
    /// Who waits how long, and in what order.
    pub priorities: Priorities,
    /// Alerts on measured values, in the order of the file.
    pub alerts: Vec<Alert>,
    /// Who is told of alerts, and of what happens to migrations.
    pub receivers: Vec<Receiver>,
    /// Names that clients give their calls, and what may be spent on each.
    pub labels: BTreeMap<String, Vec<Budget>>,
    /// What models cost.
    pub prices: Prices,
    /// What an account is given when it is opened for a key that is made at run time.
    pub signup: Money,
    /// How the books are kept; `None` where they are not.
    pub ledger: Option<Ledger>,
    /// Names that lead to one model or another by what a request looks like.
    pub choices: BTreeMap<String, Choice>,
    /// Who is believed about payments; `None` where nobody is.
    pub payments: Option<Payments>,
    /// Answers that are kept to be given again; `None` where none are.
    pub cache: Option<Cache>,
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
