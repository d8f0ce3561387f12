//! The running relay as its operators see it: what the pages, the API, the log and the alerts share.

use crate::alerts::{Change, Evaluator};
use crate::recent::{LastMinute, Recent};
use crate::webhooks::{Event, Webhooks};
use parking_lot::Mutex;
use sluicegate_relay::Relay;
use sluicegate_vocabulary::{ConfigVersion, Receipt, Stamp};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

use crate::api::ReloadReport;

/// Reloads that may wait their turn.
const RELOADS_WAITING: usize = 8;

/// An order to read the configuration again, and where the report goes.
pub type Reload = oneshot::Sender<ReloadReport>;

/// The running relay, as the operators' pages see it.
#[derive(Debug)]
pub struct Operator {
    relay: Arc<Relay>,
    version: &'static str,
    source: String,
    figures: Arc<Figures>,
    alerts: Mutex<Watched>,
    webhooks: Webhooks,
    pub(crate) reloads: mpsc::Sender<Reload>,
}

/// The rules in force, and of which configuration they are.
#[derive(Debug, Default)]
struct Watched {
    rules: Evaluator,
    of: Option<ConfigVersion>,
}

impl Operator {
    /// A relay of this version, configured from `source` (a file's path, or `environment`), and the orders to reload it.
    #[must_use]
    pub fn new(relay: Arc<Relay>, version: &'static str, source: String) -> (Arc<Self>, mpsc::Receiver<Reload>) {
        let (reloads, orders) = mpsc::channel(RELOADS_WAITING);
        let (figures, alerts) = (Arc::default(), Mutex::default());
        let webhooks = Webhooks::default();
        (Arc::new(Self { relay, version, source, figures, alerts, webhooks, reloads }), orders)
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The same, for a thread of its own.
    pub(crate) fn relay_handle(&self) -> Arc<Relay> {
        Arc::clone(&self.relay)
    }

    pub(crate) const fn version(&self) -> &'static str {
        self.version
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The numbers of the last minute, for whoever fills them.
    #[must_use]
    pub const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Where clients reach the relay, as URLs.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let scheme = if self.relay.config().server.tls.is_some() { "https" } else { "http" };
        self.relay.addresses().iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    pub(crate) fn address(&self) -> String {
        self.addresses().into_iter().next().unwrap_or_default()
    }

    /// Tells whoever wants to know, without waiting for anybody.
    pub(crate) fn tell(&self, event: Event) {
        self.webhooks.tell(&self.relay, event);
    }

    /// Calls being served now.
    pub(crate) fn in_flight(&self) -> u64 {
        u64::try_from(self.relay.metrics().in_flight.get()).unwrap_or(0)
    }

    /// Does something with the rules of the configuration in force, and says what became of those of the one before.
    pub(crate) fn with_rules<T>(&self, act: impl FnOnce(&mut Evaluator) -> T) -> (Vec<Change>, T) {
        let mut watched = self.alerts.lock();
        let version = self.relay.version();
        let mut over = Vec::new();
        // The whole configuration is copied to read it, so it is read only when it is another one.
        if watched.of != Some(version) {
            over = watched.rules.configure(&self.relay.config().alerts);
            watched.of = Some(version);
        }
        let done = act(&mut watched.rules);
        (over, done)
    }
}

/// What is measured of calls beside the counters: the last minute. Filled by [`crate::LogWriter`].
#[derive(Debug)]
pub struct Figures {
    started: Instant,
    /// The same moment on the wall clock, in milliseconds since the Unix epoch.
    started_ms: u64,
    recent: Mutex<Recent>,
}

impl Default for Figures {
    fn default() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), started_ms, recent: Mutex::default() }
    }
}

impl Figures {
    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A time since the start as a moment: `2026-11-21T05:21:39Z`.
    pub(crate) fn moment(&self, since_start: Duration) -> String {
        let millis = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        let mut text = String::with_capacity(20);
        Stamp::default().write_seconds(&mut text, self.started_ms.saturating_add(millis));
        text
    }

    pub(crate) fn count(&self, receipts: &[Receipt]) {
        self.recent.lock().count(self.now(), receipts);
    }

    pub(crate) fn last_minute(&self) -> LastMinute {
        self.recent.lock().last_minute(self.now())
    }
}
