//! The books for whoever keeps them elsewhere too: a copy of everything, and a list of what moved money.
//!
//! Both are asked over the socket alone: a copy is written where the order says, by the relay's own user.

use crate::api::problem;
use crate::books::{books, store_failed};
use crate::operator::Operator;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_store::{Copied, Mark, MovedByCall, Movement, MovementsQuery};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the first page of a list waits for the database to have what was written before.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Movements of a page.
const PAGE: u32 = 1000;

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPage {
    /// `sluicegate.copy/v1`
    pub schema: String,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of which moment the copy is, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl From<Copied> for CopyPage {
    fn from(copied: Copied) -> Self {
        let Copied { files, bytes, at_ms } = copied;
        Self { schema: "sluicegate.copy/v1".to_owned(), files, bytes, at_ms }
    }
}

/// A page of what moved money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovementsPage {
    /// `sluicegate.movements/v1`
    pub schema: String,
    /// Movements, oldest first: calls, then all other entries.
    pub movements: Vec<MovementLine>,
    /// What to ask for next; nothing where the list ends.
    #[serde(default)]
    pub next: Option<String>,
}

impl MovementsPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.movements/v1";
}

/// One movement of money. Amounts are dollars as decimal text, so that nothing is rounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementLine {
    /// When, as `2026-11-21T05:21:39.123Z`.
    pub at: String,
    /// `charge` for a call, else the kind of the entry.
    pub kind: String,
    /// What is its own: a call's number and attempt, an operator's reference.
    pub reference: String,
    /// Whose account; empty for calls that no account pays for.
    pub account: String,
    /// By what the account changed.
    pub amount_usd: String,
    /// What more is known of a call.
    #[serde(default, flatten)]
    pub call: Option<MovementCall>,
}

/// What is known of a call that moved money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementCall {
    /// The tenant.
    pub tenant: String,
    /// The key.
    pub key: String,
    /// The model as the client named it.
    pub model: String,
    /// What the client called it.
    pub label: String,
    /// Who answered.
    pub provider: String,
    /// The model as the provider names it.
    pub upstream_model: String,
    /// Tokens in that no cache served.
    pub input: u64,
    /// Tokens in that a cache of the provider's served.
    pub cached: u64,
    /// Tokens in that were written to one.
    pub cache_written: u64,
    /// Tokens out.
    pub output: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// In which tier the provider served it.
    pub tier: String,
    /// Where the usage came from.
    pub usage_source: String,
    /// What the provider is owed; nothing where the model has no price.
    pub cost_usd: Option<String>,
    /// What was charged.
    pub billed_usd: String,
    /// What was earned beyond cost.
    pub revenue_usd: String,
    /// The version of the price.
    pub price: String,
    /// The arithmetic of the cost: `1000 input at 2.5 + 20 output at 10`.
    pub arithmetic: String,
}

impl From<MovedByCall> for MovementCall {
    fn from(call: MovedByCall) -> Self {
        let arithmetic: Vec<String> = call.lines.iter().map(ToString::to_string).collect();
        Self {
            tenant: call.tenant,
            key: call.key,
            model: call.model,
            label: call.label,
            provider: call.provider,
            upstream_model: call.upstream,
            input: call.input,
            cached: call.cached,
            cache_written: call.written,
            output: call.output,
            reasoning: call.reasoning,
            tier: call.tier,
            usage_source: call.source,
            cost_usd: call.cost.map(|cost| cost.to_string()),
            billed_usd: call.billed.to_string(),
            revenue_usd: call.revenue.to_string(),
            price: format!("{:016x}", call.price),
            arithmetic: arithmetic.join(" + "),
        }
    }
}

impl From<Movement> for MovementLine {
    fn from(movement: Movement) -> Self {
        let at = jiff::Timestamp::from_millisecond(movement.at_ms).unwrap_or_default();
        Self {
            at: format!("{at:.3}"),
            kind: movement.kind,
            reference: movement.reference,
            account: movement.account,
            amount_usd: movement.amount.to_string(),
            call: movement.call.map(MovementCall::from),
        }
    }
}

pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new().route("/admin/api/backup", post(backup)).route("/admin/api/ledger/movements", get(movements))
}

#[derive(Debug, Deserialize)]
struct BackupOrder {
    to: PathBuf,
}

async fn backup(State(operator): State<Arc<Operator>>, Query(order): Query<BackupOrder>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    if !order.to.is_absolute() {
        return problem(StatusCode::BAD_REQUEST, "bad_request", "a backup goes into a folder named by its whole path");
    }
    match tokio::task::spawn_blocking(move || books.store().backup(&order.to)).await {
        Ok(Ok(copied)) => {
            tracing::info!(files = copied.files, bytes = copied.bytes, "operator: backup");
            Json(CopyPage::from(copied)).into_response()
        }
        Ok(Err(error)) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

#[derive(Debug, Deserialize)]
struct MovementsOrder {
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    account: Option<String>,
    /// What the page before said.
    after: Option<String>,
}

async fn movements(State(operator): State<Arc<Operator>>, Query(order): Query<MovementsOrder>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let after = order.after.as_deref().map(mark);
    if after == Some(None) {
        return problem(StatusCode::BAD_REQUEST, "bad_request", "after: not what a page said comes next");
    }
    let MovementsOrder { from_ms, to_ms, account, .. } = order;
    let query = MovementsQuery { from_ms, to_ms, account, after: after.flatten(), limit: PAGE };
    let found = tokio::task::spawn_blocking(move || {
        if query.after.is_none() {
            books.store().catch_up(CATCH_UP)?;
        }
        books.store().movements(&query)
    });
    match found.await {
        Ok(Ok(found)) => {
            let whole = found.len() == PAGE as usize;
            let next = found.last().filter(|_| whole).map(|last| match last.mark {
                Mark::Call(call, attempt) => format!("call-{call}-{attempt}"),
                Mark::Entry(id) => format!("entry-{id}"),
            });
            let movements = found.into_iter().map(MovementLine::from).collect();
            Json(MovementsPage { schema: MovementsPage::SCHEMA.to_owned(), movements, next }).into_response()
        }
        Ok(Err(error)) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

fn mark(text: &str) -> Option<Mark> {
    match text.split('-').collect::<Vec<_>>().as_slice() {
        ["call", call, attempt] => Some(Mark::Call(call.parse().ok()?, attempt.parse().ok()?)),
        ["entry", id] => Some(Mark::Entry(id.parse().ok()?)),
        _ => None,
    }
}
