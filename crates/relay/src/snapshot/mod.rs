//! The configuration as calls use it.
//!
//! A configuration is compiled whole into one immutable [`Snapshot`] and swapped in with one store. A call loads it
//! once and ends under the snapshot it began with. What must survive a change (the fill of limits, connections, counts)
//! is not in here but behind it, and is found again by name.

mod candidate;
mod compile;
mod keys;
mod limits;
mod names;
mod tariff;

pub(crate) use candidate::{Candidate, Route, Target};
pub use compile::{CompileError, Simulators};
pub(crate) use compile::{Inputs, compile, duration};
pub(crate) use keys::{Key, KeyRing, Live, Prefix, Tenant};
pub(crate) use limits::{Limits, number};
pub(crate) use names::{Listed, Names};
pub(crate) use tariff::{Bill, Searches, Tariff};

use crate::books::{Books, Payments};
use crate::cache::Cache;
use crate::choose::Choices;
use http::HeaderValue;
use sluicegate_config::{Config, Priorities};
use sluicegate_flow::Spec;
use sluicegate_ledger::Payer;
use sluicegate_upstream::{Provider, Speaks};
use sluicegate_vocabulary::{ConfigVersion, Mode, Priority};
use sluicegate_wire::translate::Policy;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything a call needs to know, immutable.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Which configuration this is.
    pub(crate) version: ConfigVersion,
    /// The same, as a header.
    pub(crate) version_header: HeaderValue,
    /// Which compilation this is: a later one has a higher number.
    pub(crate) revision: u64,
    /// What it was compiled from.
    pub(crate) config: Arc<Config>,
    /// Bounds on requests.
    pub(crate) server: ServerRules,
    /// Client keys.
    pub(crate) keys: KeyRing,
    /// Names of models.
    pub(crate) names: Names,
    /// Configured providers, by name in order.
    pub(crate) providers: Vec<Arc<Provider>>,
    /// Who pays, and what is kept; `None` where nobody asked for it.
    pub(crate) books: Option<Arc<Books>>,
    /// Names that lead to one model or another.
    pub(crate) choices: Choices,
    /// Names that clients may give their calls, and what bounds each.
    pub(crate) labels: HashMap<Arc<str>, Payer>,
    /// Who is believed about payments.
    pub(crate) payments: Option<Arc<Payments>>,
    /// Answers that are kept to be given again; `None` where none are.
    pub(crate) cache: Option<Cache>,
    /// What calls are held to.
    pub(crate) limits: Limits,
    /// What is done with a call without a key that finds no room.
    pub(crate) mode: Mode,
    /// Who waits how long.
    pub(crate) priorities: Priorities,
    /// How much a translation may lose where the model's entry does not say.
    pub(crate) policy: Policy,
}

impl Snapshot {
    /// Everything that is limited, whether or not anybody meets it.
    pub(crate) fn every_limit(&self) -> impl Iterator<Item = &Spec> {
        let keys = self.keys.iter().flat_map(|key| key.limits.iter());
        let tenants = self.keys.tenants().flat_map(|tenant| tenant.limits.iter());
        self.limits.shared().chain(keys).chain(tenants).chain(self.names.every_limit())
    }
}

/// By which weights classes are served: low, normal, high, critical.
pub(crate) fn weights(priorities: &Priorities) -> [u32; 4] {
    [Priority::Low, Priority::Normal, Priority::High, Priority::Critical].map(|class| priorities.of(class).weight)
}

/// Bounds on requests, ready to compare with.
#[derive(Debug, Clone)]
pub(crate) struct ServerRules {
    pub(crate) max_body: usize,
    pub(crate) max_url: usize,
    pub(crate) max_depth: usize,
    pub(crate) body_read_timeout: Duration,
    pub(crate) disabled: Speaks,
    /// Others can reach us.
    pub(crate) reachable: bool,
    /// No key is needed although others can reach us: the operator insisted.
    pub(crate) open: bool,
    /// After how long a waiting stream's client is told that it waits.
    pub(crate) stream_keepalive: Option<Duration>,
}
