//! Single calls of the books, a page at a time.
//!
//! What was used is asked of sums ([`crate::books`]); this is for whoever looks for one call, or at the last ones of a key.
//! Pages follow one another by the place of their last call, so that a page far back costs no more than the first.

use crate::api::problem;
use crate::books::{books, page, store_failed};
use crate::operator::Operator;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluicegate_store::{CallRow, CallsQuery, Filter, Place};
use std::sync::Arc;
use std::time::Duration;

/// Calls of a page, where it is not said how many, and at most.
const CALLS: usize = 50;
const MOST_CALLS: usize = 1000;

/// Calls, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsPage {
    /// `sluicegate.calls/v1`
    pub schema: String,
    /// The calls.
    pub calls: Vec<CallLine>,
    /// What to ask for as `before` to have the page after this one; null where there is none.
    #[serde(default)]
    pub next: Option<String>,
}

impl CallsPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.calls/v1";
}

/// A call that has ended. Amounts are dollars as decimal text, so that nothing is rounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLine {
    /// When it arrived: RFC 3339, in UTC.
    pub at: String,
    /// Its `x-request-id`.
    pub request_id: String,
    /// The key's name; empty without a key.
    pub key: String,
    /// The model as its client named it.
    pub model: String,
    /// The provider that answered; empty where none was charged for.
    pub provider: String,
    /// The status that its client saw.
    pub status: i64,
    /// How it ended: `done`, `client_gone` and so on.
    pub end: String,
    /// Tokens in.
    pub input: i64,
    /// Tokens out.
    pub output: i64,
    /// What it cost; null without a price.
    pub cost_usd: Option<String>,
    /// What was charged for it.
    pub billed_usd: String,
    /// How long it took, in microseconds.
    pub total_us: i64,
    /// The same amounts in another currency, where one is shown: `billed_cny`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new().route("/admin/api/calls", get(calls))
}

/// What may be asked about single calls.
#[derive(Debug, Deserialize)]
struct CallsOrder {
    key: Option<String>,
    tenant: Option<String>,
    model: Option<String>,
    label: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    /// What the page before said comes `next`.
    before: Option<String>,
    limit: Option<usize>,
}

async fn calls(State(operator): State<Arc<Operator>>, Query(order): Query<CallsOrder>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let before = match order.before.as_deref().map(|before| place(before).ok_or(before)) {
        None => None,
        Some(Ok(place)) => Some(place),
        Some(Err(before)) => {
            let what = format!("before: `{before}` is not what a page said comes next");
            return problem(StatusCode::BAD_REQUEST, "bad_request", &what);
        }
    };
    let limit = order.limit.unwrap_or(CALLS).clamp(1, MOST_CALLS);
    let CallsOrder { key, tenant, model, label, status, request_id, .. } = order;
    let query = CallsQuery { filter: Filter { key, tenant, model, label }, status, request_id, before, limit };
    let found = tokio::task::spawn_blocking(move || {
        // A question about the present waits a moment for what has just ended.
        let _ = books.store().catch_up(Duration::from_secs(1));
        books.store().calls(&query)
    });
    let rows = match found.await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return store_failed(&error),
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    };
    let last = rows.last().filter(|_| rows.len() == limit);
    let next = last.map(|last| format!("{}.{}", last.place.day, last.place.record));
    let calls = rows.into_iter().map(line).collect();
    page(&operator, &CallsPage { schema: CallsPage::SCHEMA.to_owned(), calls, next })
}

/// A place as a page tells it.
fn place(text: &str) -> Option<Place> {
    let (day, record) = text.split_once('.')?;
    Some(Place { day: day.parse().ok()?, record: record.parse().ok().filter(|record| *record >= 0)? })
}

fn line(row: CallRow) -> CallLine {
    let at = jiff::Timestamp::from_millisecond(row.at_ms);
    CallLine {
        at: at.map_or_else(|_| row.at_ms.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        request_id: row.request_id,
        key: row.key,
        model: row.model,
        provider: row.provider,
        status: row.status,
        end: row.end,
        input: row.input,
        output: row.output,
        cost_usd: row.cost.map(|cost| cost.to_string()),
        billed_usd: row.billed.to_string(),
        total_us: row.total_us,
        other: Map::new(),
    }
}
