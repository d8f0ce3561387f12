//! The books, as operators see and mend them: accounts and budgets, credits, and the proof that all adds up.
//!
//! Whatever waits for the database runs on a thread that may wait, never on a worker.

use crate::api::problem;
use crate::operator::Operator;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_ledger::{Kind, Subject, Unit};
use sluicegate_relay::{AccountReport, Books, BudgetReport, CreditError};
use sluicegate_store::{By, Entered, Filter, Grain, RedeemError, StoreError, UsageQuery, UsageRow};
use sluicegate_vocabulary::Money;
use std::sync::Arc;
use std::time::Duration;

/// How long `verify` waits for the database to have everything that was written before.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Codes that are made at once at most.
const MOST_CODES: u32 = 1000;
/// The longest stretch of time that usage is told of.
const MOST_DAYS: u32 = 3660;
/// Lines of usage that are told at most.
const MOST_LINES: u32 = 1000;
const DAY_MS: i64 = 86_400_000;

/// Accounts and budgets, and how the books are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// `sluicegate.ledger/v1`
    pub schema: String,
    /// All accounts, by name.
    pub accounts: Vec<LedgerAccount>,
    /// All budgets, by whose they are.
    pub budgets: Vec<LedgerBudget>,
    /// Why nothing can be written at present, if so.
    #[serde(default)]
    pub failing: Option<String>,
    /// Records that the database does not have yet.
    pub behind: u64,
}

impl LedgerPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.ledger/v1";
}

/// An account. Amounts are dollars as decimal text, so that nothing is rounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerAccount {
    /// Its name.
    pub name: String,
    /// What is on it, holds not taken off.
    pub balance_usd: String,
    /// What is held for calls under way.
    pub held_usd: String,
    /// What calls may still take.
    pub left_usd: String,
}

/// A budget. Amounts are dollars, or tokens, as decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerBudget {
    /// Whose it is: `key web-app`.
    pub owner: String,
    /// What it counts: `usd` or `tokens`.
    pub counts: String,
    /// Its period: `hour`, `day`, `week`, `month` or `total`.
    pub per: String,
    /// What there is for a period.
    pub amount: String,
    /// What has been used in this one.
    pub used: String,
    /// What is held for calls under way.
    pub held: String,
    /// What may still be taken.
    pub left: String,
    /// When it begins anew, in milliseconds since the Unix epoch; never for one in all.
    #[serde(default)]
    pub resets_ms: Option<i64>,
}

/// What came of a credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditPage {
    /// `sluicegate.credit/v1`
    pub schema: String,
    /// False where the same had been entered before, and nothing changed.
    pub new: bool,
    /// The account now.
    pub account: LedgerAccount,
}

impl CreditPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.credit/v1";
}

/// Redemption codes, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodesPage {
    /// `sluicegate.codes/v1`
    pub schema: String,
    /// The codes.
    pub codes: Vec<String>,
}

impl CodesPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.codes/v1";
}

/// What came of adding everything up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictPage {
    /// `sluicegate.ledger-verdict/v1`
    pub schema: String,
    /// Charges looked at.
    pub charges: u64,
    /// Other entries looked at.
    pub entries: u64,
    /// Calls of the request log that were compared with their charges.
    pub calls: u64,
    /// What is wrong, in words; nothing if the books are right.
    pub wrong: Vec<String>,
}

impl VerdictPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.ledger-verdict/v1";
}

/// What calls have used and cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePage {
    /// `sluicegate.usage/v1`
    pub schema: String,
    /// By what it is told apart: `day`, `hour`, `key`, `tenant`, `model`, `provider` or `label`.
    pub by: String,
    /// How many days, today included.
    pub days: u32,
    /// A line for each; at most 1000.
    pub usage: Vec<UsageLine>,
}

impl UsagePage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.usage/v1";
}

/// What some calls have used and cost together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// Whose, or of which day of UTC; empty for calls without a key.
    pub name: String,
    /// Calls.
    pub calls: i64,
    /// Of which answered with an error, or not at all.
    pub errors: i64,
    /// Of which have no price.
    pub unpriced: i64,
    /// Tokens in.
    pub input: i64,
    /// Of which the provider's cache had.
    pub cached: i64,
    /// Tokens out.
    pub output: i64,
    /// What providers are owed, in dollars as decimal text.
    pub cost_usd: String,
    /// What was charged for it.
    pub billed_usd: String,
    /// Calls that the response cache answered.
    #[serde(default)]
    pub cache_hits: i64,
    /// How long a call took in the mean, in whole microseconds.
    #[serde(default)]
    pub mean_us: i64,
    /// How long it took in the mean until the first content, of those calls that had any; 0 where none had.
    #[serde(default)]
    pub mean_first_us: i64,
    /// What the response cache and choices of cheaper models have saved, in dollars.
    #[serde(default)]
    pub saved_usd: String,
}

pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new()
        .route("/admin/api/ledger", get(ledger))
        .route("/admin/api/ledger/verify", get(verify))
        .route("/admin/api/credits", post(credit))
        .route("/admin/api/usage", get(usage))
        .route("/admin/api/codes", post(issue))
        .route("/admin/api/codes/redeem", post(redeem))
}

/// What to do where no books are kept. `source` is the configuration's file, or `environment`.
fn no_books(source: &str) -> String {
    let (place, then) = match source {
        "environment" => ("a configuration file", "start with it: sluicegate serve --config FILE"),
        file => (file, "run: sluicegate reload"),
    };
    format!("no books are kept, so nobody knows what was used; write `ledger: {{}}` into {place} and {then}")
}

pub(crate) fn books(operator: &Operator) -> Result<Arc<Books>, Response> {
    operator.relay().books().ok_or_else(|| problem(StatusCode::NOT_FOUND, "no_books", &no_books(operator.source())))
}

async fn ledger(State(operator): State<Arc<Operator>>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let page = LedgerPage {
        schema: LedgerPage::SCHEMA.to_owned(),
        accounts: books.accounts().into_iter().map(LedgerAccount::from).collect(),
        budgets: books.budgets().into_iter().map(LedgerBudget::from).collect(),
        failing: books.store().journal().health().failing,
        behind: books.store().behind(),
    };
    Json(page).into_response()
}

async fn verify(State(operator): State<Arc<Operator>>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let verdict = tokio::task::spawn_blocking(move || {
        books.store().catch_up(CATCH_UP)?;
        books.store().verify()
    });
    match verdict.await {
        Ok(Ok(verdict)) => Json(VerdictPage {
            schema: VerdictPage::SCHEMA.to_owned(),
            charges: verdict.charges,
            entries: verdict.entries,
            calls: verdict.calls,
            wrong: verdict.wrong,
        })
        .into_response(),
        Ok(Err(error)) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

/// Codes that are made.
#[derive(Debug, Deserialize)]
struct Issue {
    count: u32,
    /// Dollars each.
    amount: String,
    note: Option<String>,
    /// How long they are good, in milliseconds; for ever where it is not said.
    lasts_ms: Option<u64>,
}

async fn issue(State(operator): State<Arc<Operator>>, Query(order): Query<Issue>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let bad = |what: &str| problem(StatusCode::BAD_REQUEST, "bad_request", what);
    let amount = match order.amount.parse::<Money>() {
        Ok(amount) if amount > Money::ZERO => amount,
        Ok(_) => return bad("a code is worth more than nothing"),
        Err(error) => return bad(&format!("amount: {error}")),
    };
    if !(1..=MOST_CODES).contains(&order.count) {
        return bad(&format!("from 1 to {MOST_CODES} codes are made at once"));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let lasts = order.lasts_ms.map(|lasts| i64::try_from(lasts).unwrap_or(i64::MAX));
    let (expires, note) = (lasts.map(|lasts| now.saturating_add(lasts)), order.note.unwrap_or_default());
    match tokio::task::spawn_blocking(move || books.issue(order.count, amount, expires, &note)).await {
        Ok(Ok(codes)) => {
            tracing::info!(count = order.count, %amount, "operator: redemption codes");
            let codes = codes.iter().map(|code| code.as_str().to_owned()).collect();
            Json(CodesPage { schema: CodesPage::SCHEMA.to_owned(), codes }).into_response()
        }
        Ok(Err(error)) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

/// A code that is redeemed.
#[derive(Debug, Deserialize)]
struct Redeem {
    code: String,
    account: String,
}

async fn redeem(State(operator): State<Arc<Operator>>, Query(order): Query<Redeem>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    match tokio::task::spawn_blocking(move || books.redeem(&order.code, &order.account)).await {
        Ok(Ok((_, account))) => {
            let (schema, account) = (CreditPage::SCHEMA.to_owned(), account.into());
            Json(CreditPage { schema, new: true, account }).into_response()
        }
        Ok(Err(CreditError::Store(error) | CreditError::Code(RedeemError::Store(error)))) => store_failed(&error),
        Ok(Err(error)) => problem(StatusCode::NOT_FOUND, "not_found", &error.to_string()),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

/// What may be asked about usage.
#[derive(Debug, Deserialize)]
struct UsageOrder {
    by: Option<String>,
    days: Option<u32>,
    /// Only calls of this key, tenant, model or label.
    key: Option<String>,
    tenant: Option<String>,
    model: Option<String>,
    label: Option<String>,
}

async fn usage(State(operator): State<Arc<Operator>>, Query(order): Query<UsageOrder>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let word = order.by.unwrap_or_else(|| "day".to_owned());
    let by = match word.as_str() {
        "day" | "hour" => By::Time,
        "key" => By::Key,
        "tenant" => By::Tenant,
        "model" => By::Model,
        "provider" => By::Provider,
        "label" => By::Label,
        _ => {
            let what = "usage is told apart by day, hour, key, tenant, model, provider or label";
            return problem(StatusCode::BAD_REQUEST, "bad_request", what);
        }
    };
    let days = order.days.unwrap_or(7).clamp(1, MOST_DAYS);
    let (grain, shown) = if word == "hour" { (Grain::Hour, "%Y-%m-%d %H:00") } else { (Grain::Day, "%Y-%m-%d") };
    let filter = Filter { key: order.key, tenant: order.tenant, model: order.model, label: order.label };
    let found = tokio::task::spawn_blocking(move || {
        // A question about the present waits a moment for what has just ended.
        let _ = books.store().catch_up(Duration::from_secs(1));
        let today = jiff::Timestamp::now().as_millisecond().div_euclid(DAY_MS) * DAY_MS;
        let from_ms = today - i64::from(days - 1) * DAY_MS;
        books.store().usage(&UsageQuery { grain, from_ms, to_ms: i64::MAX, filter, by: vec![by], limit: MOST_LINES })
    });
    let rows = match found.await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return store_failed(&error),
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    };
    let line = |row: UsageRow| {
        let name = row.by.into_iter().next().unwrap_or_default();
        let day = || jiff::Timestamp::from_millisecond(name.parse().ok()?).ok();
        let day = if by == By::Time { day().map(|at| at.strftime(shown).to_string()) } else { None };
        UsageLine {
            name: day.unwrap_or(name),
            calls: row.calls,
            errors: row.errors,
            unpriced: row.unpriced,
            input: row.input,
            cached: row.cached,
            output: row.output,
            cost_usd: row.cost.to_string(),
            billed_usd: row.billed.to_string(),
            cache_hits: row.cache_hits,
            mean_us: row.total_us.checked_div(row.calls).unwrap_or(0),
            mean_first_us: row.first_us.checked_div(row.first_calls).unwrap_or(0),
            saved_usd: row.saved.to_string(),
        }
    };
    let usage = rows.into_iter().map(line).collect();
    Json(UsagePage { schema: UsagePage::SCHEMA.to_owned(), by: word, days, usage }).into_response()
}

/// What is entered.
#[derive(Debug, Deserialize)]
struct Credit {
    account: String,
    /// Dollars; less than zero for a correction that takes off.
    amount: String,
    reference: String,
    kind: Option<String>,
}

async fn credit(State(operator): State<Arc<Operator>>, Query(order): Query<Credit>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let bad = |what: &str| problem(StatusCode::BAD_REQUEST, "bad_request", what);
    let amount: Money = match order.amount.parse() {
        Ok(amount) => amount,
        Err(error) => return bad(&format!("amount: {error}")),
    };
    let Some(kind) = kind(order.kind.as_deref().unwrap_or("top_up")) else {
        return bad("a kind of entry is top_up, refund or correction");
    };
    let Credit { account, reference, .. } = order;
    let entered = tokio::task::spawn_blocking(move || books.credit(kind, &reference, &account, amount));
    match entered.await {
        Ok(Ok((entered, account))) => {
            let new = entered == Entered::New;
            if new {
                tracing::info!(account = account.name, %amount, "operator: credit");
            }
            let (schema, account) = (CreditPage::SCHEMA.to_owned(), account.into());
            Json(CreditPage { schema, new, account }).into_response()
        }
        Ok(Err(error @ (CreditError::NoAccount(_) | CreditError::Code(_)))) => {
            problem(StatusCode::NOT_FOUND, "not_found", &error.to_string())
        }
        Ok(Err(CreditError::Store(error))) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

pub(crate) fn store_failed(error: &StoreError) -> Response {
    match error {
        StoreError::Entry(error) => problem(StatusCode::BAD_REQUEST, "bad_request", &error.to_string()),
        StoreError::Conflict(_) | StoreError::NotEmpty(_) => {
            problem(StatusCode::CONFLICT, "conflict", &error.to_string())
        }
        error => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

fn kind(word: &str) -> Option<Kind> {
    [Kind::TopUp, Kind::Refund, Kind::Correction].into_iter().find(|kind| kind.as_str() == word)
}

impl From<AccountReport> for LedgerAccount {
    fn from(account: AccountReport) -> Self {
        Self {
            name: account.name,
            balance_usd: account.balance.to_string(),
            held_usd: account.held.to_string(),
            left_usd: account.left.to_string(),
        }
    }
}

impl From<BudgetReport> for LedgerBudget {
    fn from(budget: BudgetReport) -> Self {
        let text = |amount: i64| match budget.unit {
            Unit::Money => Money::from_nanos(amount).to_string(),
            Unit::Tokens => amount.to_string(),
        };
        let standing = &budget.standing;
        Self {
            owner: owner(&budget.subject),
            counts: if budget.unit == Unit::Money { "usd" } else { "tokens" }.to_owned(),
            per: budget.per.as_str().to_owned(),
            amount: text(standing.amount),
            used: text(standing.used),
            held: text(standing.held),
            left: text(standing.left()),
            resets_ms: standing.span.ends_ms(),
        }
    }
}

fn owner(subject: &Subject) -> String {
    subject.to_string()
}
