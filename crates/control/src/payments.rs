//! What payment services notify, and the orders that they notify about.
//!
//! Notifications come in at the clients' address, where anybody may send them. So nothing is believed that is not signed,
//! nothing is told to whoever sent it but whether it was taken, and each service is answered in its own form: what it takes
//! for a yes ends its repeats, anything else makes it come again.

use crate::api::problem;
use crate::books::{books, store_failed};
use crate::operator::Operator;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluicegate_config::Currency;
use sluicegate_relay::{CreditError, payment_outcome};
use sluicegate_store::payment::{Notification, Order};
use sluicegate_store::{Entered, PayError, Settled, StoredOrder};
use sluicegate_vocabulary::Money;
use std::sync::Arc;

/// Orders that are told at most.
const MOST: u32 = 1000;
/// What the payment services take for a reference: WeChat Pay is the strictest.
const REFERENCE: std::ops::RangeInclusive<usize> = 6..=32;

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Its reference, for the payment service.
    pub reference: String,
    /// The account.
    pub account: String,
    /// How much is to be paid: `9.90`.
    pub amount: String,
    /// The same in the currency's smallest unit, as payment services count.
    pub smallest: u64,
    /// In which currency.
    pub currency: String,
    /// What the account is credited for it, in dollars as decimal text.
    pub credit_usd: String,
    /// Who said that it was paid; nothing while it is open.
    #[serde(default)]
    pub service: Option<String>,
    /// The service's reference of the payment.
    #[serde(default)]
    pub payment: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub paid_ms: Option<i64>,
    /// Until when it is to be paid, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub expires_ms: Option<i64>,
    /// What was given back of it, in its currency; nothing where nothing was.
    #[serde(default)]
    pub refunded: Option<String>,
}

/// An order that was made, or the latest orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdersPage {
    /// `sluicegate.orders/v1`
    pub schema: String,
    /// Newest first; at most 1000.
    pub orders: Vec<OrderLine>,
    /// False where the same had been ordered before, and nothing changed.
    pub new: bool,
}

impl OrdersPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.orders/v1";
}

fn line(order: Order) -> OrderLine {
    OrderLine {
        amount: written(&order.currency, order.amount),
        smallest: order.amount,
        reference: order.reference,
        account: order.account,
        currency: order.currency,
        credit_usd: order.credit.to_string(),
        service: None,
        payment: None,
        paid_ms: None,
        expires_ms: None,
        refunded: None,
    }
}

fn written(currency: &str, amount: u64) -> String {
    Currency::try_from(currency.to_owned()).map_or_else(|_| amount.to_string(), |currency| currency.written(amount))
}

impl From<StoredOrder> for OrderLine {
    fn from(stored: StoredOrder) -> Self {
        let (service, payment, paid_ms) =
            stored.paid.map_or((None, None, None), |(service, payment, at)| (Some(service), Some(payment), Some(at)));
        let refunded = (stored.refunded > 0).then(|| written(&stored.order.currency, stored.refunded));
        Self { service, payment, paid_ms, expires_ms: stored.expires_ms, refunded, ..line(stored.order) }
    }
}

/// The operators' side.
pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new().route("/admin/api/orders", get(orders).post(order))
}

/// The payment services' side.
pub(crate) fn notifications() -> Router<Arc<Operator>> {
    Router::new().route("/payments/{service}", post(notified))
}

#[derive(Debug, Deserialize)]
struct OrdersQuery {
    account: Option<String>,
}

async fn orders(State(operator): State<Arc<Operator>>, Query(query): Query<OrdersQuery>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    match tokio::task::spawn_blocking(move || books.store().orders(query.account.as_deref(), MOST)).await {
        Ok(Ok(found)) => {
            let orders = found.into_iter().map(OrderLine::from).collect();
            Json(OrdersPage { schema: OrdersPage::SCHEMA.to_owned(), orders, new: false }).into_response()
        }
        Ok(Err(error)) => store_failed(&error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

/// What is ordered.
#[derive(Debug, Deserialize)]
struct Wanted {
    account: String,
    /// In the currency: `9.90`.
    amount: String,
    currency: String,
    /// Dollars; by the configured rate where it is not said.
    credit: Option<String>,
    reference: Option<String>,
}

async fn order(State(operator): State<Arc<Operator>>, Query(wanted): Query<Wanted>) -> Response {
    let books = match books(&operator) {
        Ok(books) => books,
        Err(response) => return response,
    };
    let bad = |what: &str| problem(StatusCode::BAD_REQUEST, "bad_request", what);
    let currency = match Currency::try_from(wanted.currency) {
        Ok(currency) => currency,
        Err(error) => return bad(&error.to_string()),
    };
    let amount = match currency.smallest(&wanted.amount) {
        Ok(amount) => amount,
        Err(error) => return bad(&error.to_string()),
    };
    let by_rate = || operator.relay().payments().and_then(|payments| payments.credit(&currency, amount));
    let credit = match wanted.credit.map(|credit| credit.parse::<Money>()) {
        Some(Ok(credit)) => credit,
        Some(Err(error)) => return bad(&format!("credit: {error}")),
        None => match by_rate() {
            Some(credit) => credit,
            None => {
                let currency = currency.as_str();
                return bad(&format!("say what it is worth: payments.credit has no rate for {currency}"));
            }
        },
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if wanted.reference.as_ref().is_some_and(|text| !REFERENCE.contains(&text.len()) || !plain(text)) {
        return bad("a reference has 6 to 32 letters, digits, `_` and `-`, as payment services want it");
    }
    let (account, reference) = (wanted.account, wanted.reference);
    let lasts = operator.relay().payments().map(|payments| payments.expire_after_ms());
    let expires_ms = lasts.map(|lasts| jiff::Timestamp::now().as_millisecond().saturating_add(lasts));
    let ordered = move || books.order(reference, &account, amount, &currency, credit, expires_ms);
    match tokio::task::spawn_blocking(ordered).await {
        Ok(Ok((entered, order))) => {
            let new = entered == Entered::New;
            // One that was there before keeps its time.
            let orders = vec![OrderLine { expires_ms: expires_ms.filter(|_| new), ..line(order) }];
            Json(OrdersPage { schema: OrdersPage::SCHEMA.to_owned(), orders, new }).into_response()
        }
        Ok(Err(CreditError::Store(error))) => store_failed(&error),
        Ok(Err(error)) => problem(StatusCode::NOT_FOUND, "not_found", &error.to_string()),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}

async fn notified(
    State(operator): State<Arc<Operator>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let relay = operator.relay();
    let found = relay.payments().filter(|payments| payments.service(&name).is_some()).zip(relay.books());
    let Some((payments, books)) = found else {
        return problem(StatusCode::NOT_FOUND, "not_found", "no such payment service is configured");
    };
    let service = name.clone();
    let done = tokio::task::spawn_blocking(move || {
        let headers: Vec<(&str, &str)> =
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let notification = Notification { headers: &headers, body: &body };
        payments.service(&service).map(|service| books.notified(service, &notification))
    });
    let Ok(Some(done)) = done.await else {
        return answer(&name, StatusCode::SERVICE_UNAVAILABLE);
    };
    relay.metrics().payment(&name, payment_outcome(&done));
    let status = match done {
        Ok(settled) => {
            match settled {
                Some(Settled::New(order)) => {
                    let Order { reference, account, credit, .. } = order;
                    tracing::info!(service = name, order = reference, account, %credit, "a payment was credited");
                }
                Some(Settled::Twice(order)) => {
                    let order = order.reference;
                    tracing::warn!(service = name, order, "an order was paid twice; give the second payment back");
                }
                Some(Settled::Late(order)) => {
                    let Order { reference, account, credit, .. } = order;
                    tracing::warn!(service = name, order = reference, account, %credit,
                        "a payment for an order that had expired was credited");
                }
                Some(Settled::Refunded(order, back)) => {
                    let Order { reference, account, .. } = order;
                    tracing::info!(service = name, order = reference, account, %back, "a refund was entered");
                }
                Some(Settled::Before(_)) | None => {}
            }
            StatusCode::OK
        }
        Err(PayError::Refused(refusal)) => {
            tracing::warn!(service = name, "a payment notification was refused: {refusal}");
            StatusCode::BAD_REQUEST
        }
        Err(PayError::Store(error)) => {
            tracing::error!(service = name, %error, "a payment could not be entered; the service will say it again");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    answer(&name, status)
}

/// What a service takes for a yes or a no.
fn answer(service: &str, status: StatusCode) -> Response {
    let well = status == StatusCode::OK;
    match service {
        "alipay" => (status, if well { "success" } else { "fail" }).into_response(),
        "wechat" if well => Json(serde_json::json!({ "code": "SUCCESS" })).into_response(),
        "wechat" => (status, Json(serde_json::json!({ "code": "FAIL", "message": "not taken" }))).into_response(),
        _ if well => Json(serde_json::json!({ "received": true })).into_response(),
        _ => problem(status, "not_taken", "the notification was not taken"),
    }
}
