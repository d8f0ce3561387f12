//! Moves of traffic as operators see them, and what operators may say about them.
//!
//! Who says something and why goes into the migration's history, so both come with every order. An order that cannot be
//! carried out now is a 409 with the reason; one that is carried out is answered with what the migration is then.

use crate::api::problem;
use crate::operator::Operator;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_relay::{EntryReport, MigrationError, MigrationOrder, MigrationReport};
use std::sync::Arc;

/// Migrations at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationsPage {
    /// `sluicegate.migrations/v1`
    pub schema: String,
    /// The version of the configuration in force.
    pub config: String,
    /// All of them, or the one that was asked for.
    pub migrations: Vec<MigrationReport>,
}

/// What has happened to a migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationHistory {
    /// `sluicegate.migrations.history/v1`
    pub schema: String,
    /// The migration.
    pub name: String,
    /// The oldest first; at most 200.
    pub entries: Vec<EntryReport>,
}

impl MigrationsPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.migrations/v1";

    fn of(operator: &Operator, migrations: Vec<MigrationReport>) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), config: operator.relay().version().to_string(), migrations }
    }
}

impl MigrationHistory {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.migrations.history/v1";
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Start,
    Advance,
    Pause,
    Resume,
    Rollback,
    Promote,
}

impl From<Order> for MigrationOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Start => Self::Start,
            Order::Advance => Self::Advance,
            Order::Pause => Self::Pause,
            Order::Resume => Self::Resume,
            Order::Rollback => Self::Rollback,
            Order::Promote => Self::Promote,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Said {
    /// Who says it.
    #[serde(default)]
    who: String,
    /// Why.
    #[serde(default)]
    why: String,
    /// Although a guard says that the new side is worse.
    #[serde(default)]
    in_spite: bool,
}

/// The part of the operators' API that is about migrations.
pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new()
        .route("/admin/api/migrations", get(all))
        .route("/admin/api/migrations/{name}", get(one))
        .route("/admin/api/migrations/{name}/history", get(history))
        .route("/admin/api/migrations/{name}/{order}", post(order))
}

async fn all(State(operator): State<Arc<Operator>>) -> Json<MigrationsPage> {
    Json(MigrationsPage::of(&operator, operator.relay().migrations()))
}

async fn one(State(operator): State<Arc<Operator>>, Path(name): Path<String>) -> Response {
    match operator.relay().migration(&name) {
        Ok(report) => Json(MigrationsPage::of(&operator, vec![report])).into_response(),
        Err(error) => refused(&error),
    }
}

async fn history(State(operator): State<Arc<Operator>>, Path(name): Path<String>) -> Response {
    match operator.relay().migration_history(&name) {
        Ok(entries) => {
            Json(MigrationHistory { schema: MigrationHistory::SCHEMA.to_owned(), name, entries }).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn order(
    State(operator): State<Arc<Operator>>,
    Path((name, order)): Path<(String, Order)>,
    Query(said): Query<Said>,
) -> Response {
    let Said { who, why, in_spite } = said;
    let who = if who.is_empty() { "an operator".to_owned() } else { who };
    let relay = operator.relay_handle();
    // What is decided is kept before it is answered, and a disk may be slow.
    let done =
        tokio::task::spawn_blocking(move || relay.order_migration(&name, order.into(), &who, &why, in_spite)).await;
    match done {
        Ok(Ok(report)) => Json(MigrationsPage::of(&operator, vec![report])).into_response(),
        Ok(Err(error)) => refused(&error),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the order could not be carried out"),
    }
}

fn refused(error: &MigrationError) -> Response {
    let (status, kind) = match error {
        MigrationError::Unknown(..) => (StatusCode::NOT_FOUND, "not_found"),
        MigrationError::Refused(_) => (StatusCode::CONFLICT, "conflict"),
        MigrationError::NotKept(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    problem(status, kind, &error.to_string())
}
