//! The operators' API, as the relay's own commands use it over the socket.
//!
//! A document here is the answer to one question, carries the name of its form in `schema`, and only ever grows. A
//! reload is carried out by whoever started the relay, because only they know where the configuration came from; the
//! API hands the order over and waits for the report, so a command can say what happened and end with the right code.

use crate::pages::nothing;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_flow::LimitStatus;
use sluicegate_relay::Relay;
use sluicegate_upstream::Provider;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long a reload may take before whoever asked is told to look at the log.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
/// Reloads that may wait their turn.
const RELOADS_WAITING: usize = 8;

/// An order to read the configuration again, and where the report goes.
pub type Reload = oneshot::Sender<ReloadReport>;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// `sluicegate.reload/v1`
    pub schema: String,
    /// Whether the new configuration is in force.
    pub ok: bool,
    /// The version in force before.
    pub before: String,
    /// The version in force now.
    pub after: String,
    /// Settings that changed but take effect only at the next start.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// What is wrong with the file, or worth knowing, as `check --json` says it.
    #[serde(default)]
    pub diagnostics: Vec<serde_json::Value>,
    /// The same for people; empty when there is nothing to say.
    #[serde(default)]
    pub text: String,
}

impl ReloadReport {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.reload/v1";
}

/// A running relay at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `sluicegate.status/v1`
    pub schema: String,
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Whether it takes new calls.
    pub ready: bool,
    /// The version of the configuration in force.
    pub config: String,
    /// Where the configuration came from: a file's path, or `environment`.
    pub config_source: String,
    /// False when the last reload was refused.
    pub last_reload_ok: bool,
    /// Where it listens, as URLs.
    pub addresses: Vec<String>,
    /// Whether clients need a key.
    pub keys_required: bool,
    /// Calls being served now.
    pub in_flight: i64,
    /// Who answers.
    pub providers: Vec<ProviderStatus>,
    /// What is left of every limit.
    pub limits: Vec<LimitLevel>,
}

impl Status {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.status/v1";
}

/// A provider in [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Its host and port.
    pub host: String,
    /// How many keys are configured for it.
    pub keys: usize,
}

/// A limit in [`Status`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitLevel {
    /// Whose it is: `endpoint:/chat/completions`.
    pub name: String,
    /// What it counts: `requests` or `tokens`.
    pub counts: String,
    /// What is allowed in each window.
    pub set: u64,
    /// The window, in seconds.
    pub window_seconds: u64,
    /// The most that can be left.
    pub capacity: u64,
    /// What can be taken now.
    pub left: u64,
}

/// The running relay, as the operators' pages see it.
#[derive(Debug)]
pub struct Operator {
    relay: Arc<Relay>,
    version: &'static str,
    source: String,
    started: Instant,
    reloads: mpsc::Sender<Reload>,
}

impl Operator {
    /// A relay of this version, configured from `source` (a file's path, or `environment`), and the orders to reload it.
    #[must_use]
    pub fn new(relay: Arc<Relay>, version: &'static str, source: String) -> (Arc<Self>, mpsc::Receiver<Reload>) {
        let (reloads, orders) = mpsc::channel(RELOADS_WAITING);
        (Arc::new(Self { relay, version, source, started: Instant::now(), reloads }), orders)
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    pub(crate) const fn version(&self) -> &'static str {
        self.version
    }

    /// Where clients reach the relay, as URLs.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let scheme = if self.relay.config().server.tls.is_some() { "https" } else { "http" };
        self.relay.addresses().iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    pub(crate) fn address(&self) -> String {
        self.addresses().into_iter().next().unwrap_or_default()
    }

    fn status(&self) -> Status {
        let relay = &self.relay;
        let provider = |provider: &Arc<Provider>| ProviderStatus {
            name: provider.name.to_string(),
            kind: provider.kind.as_str().to_owned(),
            host: provider.origin.to_string(),
            keys: provider.credentials().len(),
        };
        let level = |level: LimitStatus| LimitLevel {
            name: level.label.to_string(),
            counts: level.kind.as_str().to_owned(),
            set: level.set,
            window_seconds: level.window.as_secs(),
            capacity: level.capacity,
            left: level.left,
        };
        Status {
            schema: Status::SCHEMA.to_owned(),
            version: self.version.to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            ready: relay.is_ready(),
            config: relay.version().to_string(),
            config_source: self.source.clone(),
            last_reload_ok: relay.metrics().reload_ok.get() == 1,
            addresses: self.addresses(),
            keys_required: !relay.config().keys.is_empty(),
            in_flight: relay.metrics().in_flight.get(),
            providers: relay.providers().iter().map(provider).collect(),
            limits: relay.limits().into_iter().map(level).collect(),
        }
    }
}

/// The operators' API. It asks for no key: it belongs on the socket only.
pub fn operator_api(operator: Arc<Operator>) -> Router {
    Router::new()
        .route("/admin/api/status", get(status))
        .route("/admin/api/reload", post(reload))
        .fallback(nothing)
        .with_state(operator)
}

async fn status(State(operator): State<Arc<Operator>>) -> Json<Status> {
    Json(operator.status())
}

async fn reload(State(operator): State<Arc<Operator>>) -> Response {
    let (report, reported) = oneshot::channel();
    if operator.reloads.try_send(report).is_err() {
        return problem("too many reloads are waiting, or the relay is stopping");
    }
    match tokio::time::timeout(RELOAD_LIMIT, reported).await {
        Ok(Ok(report)) => {
            let status = if report.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            (status, Json(report)).into_response()
        }
        Ok(Err(_)) => problem("the relay is stopping"),
        Err(_) => problem("the reload takes long; its outcome will be in the relay's log"),
    }
}

fn problem(message: &str) -> Response {
    let body = serde_json::json!({ "error": { "type": "unavailable", "message": message } });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
