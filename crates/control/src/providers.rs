//! Providers and their keys as operators see them, and what operators may say about them.
//!
//! What is said holds until something else is said or the process ends: a held provider stays held through reloads. What
//! is under way is never cut off; whoever wants to wait for it says `drain`.

use crate::api::problem;
use crate::operator::Operator;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_config::KeyRole;
use sluicegate_flow::egress::Role;
use sluicegate_relay::{ProviderReport, ProvidersReport, Tested as Outcome, UnknownTarget};
use sluicegate_vocabulary::AttemptResult;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a drain waits when nobody says, and at most.
const DRAIN: Duration = Duration::from_secs(30);
const LONGEST_DRAIN: Duration = Duration::from_secs(600);
/// Time between two looks at what is still under way.
const LOOK: Duration = Duration::from_millis(20);

/// Providers at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvidersPage {
    /// `sluicegate.providers/v1`
    pub schema: String,
    /// The version of the configuration in force.
    pub config: String,
    /// All of them, or the one that was asked for.
    #[serde(flatten)]
    pub report: ProvidersReport,
}

impl ProvidersPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.providers/v1";

    fn of(operator: &Operator, report: ProvidersReport) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), config: operator.relay().version().to_string(), report }
    }
}

/// What came of asking providers for their models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsPage {
    /// `sluicegate.providers.test/v1`
    pub schema: String,
    /// One for each key that was tried, or one for a provider that wants none.
    pub tests: Vec<Tested>,
}

impl TestsPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.providers.test/v1";
}

/// What came of asking with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The provider.
    pub provider: String,
    /// The key, or `-` for a provider that wants none.
    pub key: String,
    /// `works`, `refused` (the provider does not take the key) or `unknown` (it did not say).
    pub verdict: Cow<'static, str>,
    /// How it went, in the words of the metrics: `ok`, `auth_error`, `connect`, `timeout`, ...
    pub result: Cow<'static, str>,
    /// The status it answered with, if it answered.
    pub status: Option<u16>,
    /// How long it took.
    pub millis: u64,
}

/// What an operator says about a provider or one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// No new calls; what is under way ends.
    Hold,
    /// The same, and the answer comes when nothing is under way any more or the time is over.
    Drain,
    /// Calls again, and whatever was held against it is forgotten.
    Resume,
    /// A key: used from now on.
    Promote,
    /// A key: used only when no other can be.
    Demote,
    /// A key: taken out of use; as `drain`.
    Retire,
}

#[derive(Debug, Deserialize)]
struct Patience {
    /// How long a drain may take, in milliseconds.
    timeout_ms: Option<u64>,
}

/// The part of the operators' API that is about providers.
pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new()
        .route("/admin/api/providers", get(all))
        .route("/admin/api/providers/{provider}", get(one))
        .route("/admin/api/providers/{provider}/test", post(test))
        .route("/admin/api/providers/{provider}/keys/{key}/test", post(test_key))
        .route("/admin/api/providers/{provider}/{order}", post(provider))
        .route("/admin/api/providers/{provider}/keys/{key}/{order}", post(key))
}

async fn all(State(operator): State<Arc<Operator>>) -> Json<ProvidersPage> {
    let report = operator.relay().standing().report();
    Json(ProvidersPage::of(&operator, report))
}

async fn one(State(operator): State<Arc<Operator>>, Path(provider): Path<String>) -> Response {
    shown(&operator, &provider)
}

async fn provider(
    State(operator): State<Arc<Operator>>,
    Path((name, order)): Path<(String, Order)>,
    Query(patience): Query<Patience>,
) -> Response {
    let providers = operator.relay().standing();
    let done = match order {
        Order::Hold | Order::Drain => providers.hold(&name, true),
        Order::Resume => providers.revive(&name).and_then(|()| providers.hold(&name, false)),
        Order::Promote | Order::Demote | Order::Retire => {
            let message = "promote, demote and retire are said of a key: /admin/api/providers/NAME/keys/KEY/promote";
            return problem(StatusCode::BAD_REQUEST, "invalid_request", message);
        }
    };
    answered(&operator, &name, None, done, order, patience).await
}

async fn key(
    State(operator): State<Arc<Operator>>,
    Path((name, key, order)): Path<(String, String, Order)>,
    Query(patience): Query<Patience>,
) -> Response {
    let providers = operator.relay().standing();
    let done = match order {
        Order::Hold | Order::Drain | Order::Retire => providers.set_role(&name, &key, Role::Held),
        Order::Promote => providers.set_role(&name, &key, Role::Primary),
        Order::Demote => providers.set_role(&name, &key, Role::Standby),
        Order::Resume => {
            let role = configured_role(&operator, &name, &key);
            providers.revive_key(&name, &key).and_then(|()| providers.set_role(&name, &key, role))
        }
    };
    answered(&operator, &name, Some(&key), done, order, patience).await
}

/// What the configuration says a key is for.
fn configured_role(operator: &Operator, provider: &str, key: &str) -> Role {
    let config = operator.relay().config();
    let keys = config.providers.get(provider).map(|provider| provider.keys.as_slice()).unwrap_or_default();
    match keys.iter().find(|known| known.name == key).map(|key| key.role) {
        Some(KeyRole::Standby) => Role::Standby,
        Some(KeyRole::Primary) | None => Role::Primary,
    }
}

async fn test(State(operator): State<Arc<Operator>>, Path(name): Path<String>) -> Response {
    tested(&operator, &name, None).await
}

async fn test_key(State(operator): State<Arc<Operator>>, Path((name, key)): Path<(String, String)>) -> Response {
    tested(&operator, &name, Some(&key)).await
}

/// Asks a provider with each of its keys, or with one.
async fn tested(operator: &Operator, name: &str, only: Option<&str>) -> Response {
    let relay = operator.relay();
    let report = relay.standing().report();
    let Some(provider) = report.providers.into_iter().find(|provider| provider.name == name) else {
        return problem(StatusCode::NOT_FOUND, "not_found", &UnknownTarget::Provider(name.to_owned()).to_string());
    };
    let keys = match only {
        Some(key) => vec![key.to_owned()],
        None => provider.keys.into_iter().map(|key| key.name).collect(),
    };
    let mut tests = Vec::with_capacity(keys.len());
    for key in keys {
        match relay.test_key(name, &key).await {
            Ok(outcome) => tests.push(Tested::of(name, key, &outcome)),
            Err(unknown) => return problem(StatusCode::NOT_FOUND, "not_found", &unknown.to_string()),
        }
    }
    Json(TestsPage { schema: TestsPage::SCHEMA.to_owned(), tests }).into_response()
}

impl Tested {
    fn of(provider: &str, key: String, outcome: &Outcome) -> Self {
        let verdict = match outcome.result {
            AttemptResult::Ok => "works",
            AttemptResult::AuthError => "refused",
            _ => "unknown",
        };
        Self {
            provider: provider.to_owned(),
            key,
            verdict: verdict.into(),
            result: outcome.result.as_str().into(),
            status: Some(outcome.status).filter(|status| *status > 0),
            millis: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

async fn answered(
    operator: &Operator,
    name: &str,
    key: Option<&str>,
    done: Result<(), UnknownTarget>,
    order: Order,
    patience: Patience,
) -> Response {
    if let Err(unknown) = done {
        return problem(StatusCode::NOT_FOUND, "not_found", &unknown.to_string());
    }
    tracing::info!(provider = name, key, "operator: {order:?}");
    if matches!(order, Order::Drain | Order::Retire) {
        let limit = patience.timeout_ms.map_or(DRAIN, Duration::from_millis).min(LONGEST_DRAIN);
        drained(operator, name, key, limit).await;
    }
    shown(operator, name)
}

/// Waits until nothing is under way any more, or the time is over.
async fn drained(operator: &Operator, name: &str, key: Option<&str>, limit: Duration) {
    let begun = Instant::now();
    let busy = || operator.relay().standing().in_flight(name, key).is_ok_and(|calls| calls > 0);
    while busy() && begun.elapsed() < limit {
        tokio::time::sleep(LOOK).await;
    }
}

fn shown(operator: &Operator, name: &str) -> Response {
    let all = operator.relay().standing().report();
    let providers: Vec<ProviderReport> = all.providers.into_iter().filter(|provider| provider.name == name).collect();
    if providers.is_empty() {
        return problem(StatusCode::NOT_FOUND, "not_found", &UnknownTarget::Provider(name.to_owned()).to_string());
    }
    Json(ProvidersPage::of(operator, ProvidersReport { providers, failovers: Vec::new() })).into_response()
}
