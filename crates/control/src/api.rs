//! The operators' API, as the relay's own commands use it over the socket.
//!
//! A document here is the answer to one question, carries the name of its form in `schema`, and only ever grows. A
//! reload is carried out by whoever started the relay, because only they know where the configuration came from; the
//! API hands the order over and waits for the report, so a command can say what happened and end with the right code.

use crate::flow::{AlertLevel, alerts, flow, fullest};
use crate::operator::Operator;
use crate::pages::nothing;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_config::KeyHash;
use sluicegate_relay::LimitReport;
use sluicegate_upstream::Provider;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

/// How long a reload may take before whoever asked is told to look at the log.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
/// Limits that a glance shows at most.
const LIMITS: usize = 20;

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
    /// What is left of limits, the fullest first; at most twenty.
    pub limits: Vec<LimitLevel>,
    /// Every alert that is configured, and how it stands.
    #[serde(default)]
    pub alerts: Vec<AlertLevel>,
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

/// The relay at this moment.
fn glance(operator: &Operator) -> Status {
    let relay = operator.relay();
    let provider = |provider: &Arc<Provider>| ProviderStatus {
        name: provider.name.to_string(),
        kind: provider.kind.as_str().to_owned(),
        host: provider.origin().to_string(),
        keys: provider.credentials().len(),
    };
    let level = |limit: LimitReport| LimitLevel {
        name: limit.level.label.to_string(),
        counts: limit.level.kind.as_str().to_owned(),
        set: limit.level.set,
        window_seconds: limit.level.window.as_secs(),
        capacity: limit.level.capacity,
        left: limit.level.left,
    };
    let figures = operator.figures();
    Status {
        schema: Status::SCHEMA.to_owned(),
        version: operator.version().to_owned(),
        pid: std::process::id(),
        uptime_seconds: figures.now().as_secs(),
        ready: relay.is_ready(),
        config: relay.version().to_string(),
        config_source: operator.source().to_owned(),
        last_reload_ok: relay.metrics().reload_ok.get() == 1,
        addresses: operator.addresses(),
        keys_required: relay.needs_keys(),
        in_flight: relay.metrics().in_flight.get(),
        providers: relay.providers().iter().map(provider).collect(),
        limits: fullest(relay.flow_without_callers().limits, LIMITS).map(level).collect(),
        alerts: operator.with_rules(|rules| alerts(rules, figures)).1,
    }
}

/// The operators' API. It asks for no token: this belongs on the socket only.
pub fn operator_api(operator: Arc<Operator>) -> Router {
    routes().fallback(nothing).with_state(operator)
}

/// The same for an address that others reach: every order needs the token whose hash the configuration has, and without
/// one in the configuration there are no orders.
pub(crate) fn guarded(operator: &Arc<Operator>) -> Router<Arc<Operator>> {
    routes().route_layer(from_fn_with_state(Arc::clone(operator), guard))
}

async fn guard(State(operator): State<Arc<Operator>>, request: Request, next: Next) -> Response {
    let Some(KeyHash(wanted)) = operator.relay().config().server.admin_token() else {
        return nothing(request.uri().clone()).await.into_response();
    };
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).map(KeyHash::of);
    if sent.is_some_and(|KeyHash(hash)| bool::from(hash.ct_eq(&wanted))) {
        return next.run(request).await;
    }
    let what = "this needs the operators' token: authorization: Bearer TOKEN";
    problem(StatusCode::UNAUTHORIZED, "unauthorized", what)
}

fn routes() -> Router<Arc<Operator>> {
    Router::new()
        .route("/admin/api/status", get(status))
        .route("/admin/api/flow", get(flow_control))
        .route("/admin/api/reload", post(reload))
        .merge(crate::migrations::routes())
        .merge(crate::providers::routes())
        .merge(crate::books::routes())
        .merge(crate::calls::routes())
        .merge(crate::cache::routes())
        .merge(crate::keys::routes())
        .merge(crate::copies::routes())
        .merge(crate::payments::routes())
}

async fn status(State(operator): State<Arc<Operator>>) -> Json<Status> {
    Json(glance(&operator))
}

/// What may be asked of the picture of flow control.
#[derive(Debug, Deserialize)]
struct FlowQuery {
    /// Only this key's limits and calls.
    key: Option<String>,
}

async fn flow_control(State(operator): State<Arc<Operator>>, Query(query): Query<FlowQuery>) -> Response {
    match (flow(&operator, query.key.as_deref()), query.key) {
        (Some(flow), _) => Json(flow).into_response(),
        (None, key) => {
            let message = format!("there is no key {:?}", key.unwrap_or_default());
            problem(StatusCode::NOT_FOUND, "not_found", &message)
        }
    }
}

async fn reload(State(operator): State<Arc<Operator>>) -> Response {
    let (report, reported) = oneshot::channel();
    if operator.reloads.try_send(report).is_err() {
        return unavailable("too many reloads are waiting, or the relay is stopping");
    }
    match tokio::time::timeout(RELOAD_LIMIT, reported).await {
        Ok(Ok(report)) => {
            let status = if report.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            (status, Json(report)).into_response()
        }
        Ok(Err(_)) => unavailable("the relay is stopping"),
        Err(_) => unavailable("the reload takes long; its outcome will be in the relay's log"),
    }
}

fn unavailable(message: &str) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

pub(crate) fn problem(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "error": { "type": kind, "message": message } });
    (status, Json(body)).into_response()
}
