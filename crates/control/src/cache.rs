//! The cache, as operators see and empty it.

use crate::api::problem;
use crate::operator::Operator;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_relay::Purge;
use std::sync::Arc;

/// What the cache holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachePage {
    /// `sluicegate.cache/v1`
    pub schema: String,
    /// Whether there is one.
    pub enabled: bool,
    /// Answers in it.
    pub entries: u64,
    /// Bytes of memory they take.
    pub bytes: u64,
    /// Bytes they may take.
    pub max_bytes: u64,
    /// How long an answer is good for, in seconds.
    pub ttl_seconds: u64,
    /// Calls answered from it since the start.
    pub hits: u64,
    /// Calls that were not.
    pub misses: u64,
    /// Calls that had to go around it.
    pub bypassed: u64,
    /// What the calls that it answered would have cost, in dollars, rounded as metrics are.
    pub saved_usd: f64,
}

/// What was thrown out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// `sluicegate.cache.purged/v1`
    pub schema: String,
    /// Answers that are gone.
    pub purged: u64,
}

#[derive(Debug, Deserialize)]
struct Which {
    /// Only this tenant's.
    tenant: Option<String>,
    /// Only those of this key, which shares with nobody.
    key: Option<String>,
    /// Only those of this model, by its provider's name of it.
    model: Option<String>,
}

pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new().route("/admin/api/cache", get(show)).route("/admin/api/cache/purge", post(purge))
}

async fn show(State(operator): State<Arc<Operator>>) -> Json<CachePage> {
    let relay = operator.relay();
    let report = relay.cache();
    let ((hits, misses, bypassed), saved_usd) = relay.metrics().cache_counts();
    Json(CachePage {
        schema: "sluicegate.cache/v1".to_owned(),
        enabled: report.is_some(),
        entries: report.map_or(0, |report| report.entries),
        bytes: report.map_or(0, |report| report.bytes),
        max_bytes: report.map_or(0, |report| report.max_bytes),
        ttl_seconds: report.map_or(0, |report| report.ttl.as_secs()),
        hits,
        misses,
        bypassed,
        saved_usd,
    })
}

async fn purge(State(operator): State<Arc<Operator>>, Query(which): Query<Which>) -> Response {
    let owner = match (which.tenant, which.key) {
        (Some(_), Some(_)) => {
            return problem(StatusCode::BAD_REQUEST, "bad_request", "name a tenant or a key, not both");
        }
        (Some(tenant), None) => Some(format!("tenant:{tenant}")),
        (None, Some(key)) => Some(format!("key:{key}")),
        (None, None) => None,
    };
    match operator.relay().purge_cache(&Purge { owner, model: which.model }) {
        Some(purged) => Json(Purged { schema: "sluicegate.cache.purged/v1".to_owned(), purged }).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not_found", "there is no cache; cache.exact switches it on"),
    }
}
