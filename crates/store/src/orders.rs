//! Orders, and what was paid for them.
//!
//! An order is entered before a customer is sent to a payment service with its reference. What the service then notifies is
//! matched with it and credited in one transaction, under the order's own reference: an order is credited once, whoever says
//! how often that it was paid. A second payment for an order that is paid is told apart, since somebody has to give it back.

use crate::credits::{Entered, enter};
use crate::error::StoreError;
use crate::payment::{Order, Paid, Refusal};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sluicegate_ledger::{Kind, LedgerEntry};
use sluicegate_vocabulary::Money;

/// An order as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// What was ordered.
    pub order: Order,
    /// When, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Who says that it was paid, the service's reference of the payment, and when; nothing while it is open.
    pub paid: Option<(String, String, i64)>,
}

/// What came of a payment that matches its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The account was credited.
    New(Order),
    /// This payment had been entered before; nothing changed.
    Before(Order),
    /// Another payment had been entered for the order; this one is not, and has to be given back.
    Twice(Order),
}

/// Why a payment was not entered.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// It is for no order of ours, or not what was ordered.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for PayError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

const COLUMNS: &str = "reference, account, amount, currency, credit, created_ms, service, payment, paid_ms";

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredOrder> {
    let order = Order {
        reference: row.get(0)?,
        account: row.get(1)?,
        amount: row.get::<_, i64>(2)?.unsigned_abs(),
        currency: row.get(3)?,
        credit: Money::from_nanos(row.get(4)?),
    };
    let paid = match (row.get::<_, Option<String>>(6)?, row.get::<_, Option<String>>(7)?, row.get(8)?) {
        (Some(service), Some(payment), Some(at_ms)) => Some((service, payment, at_ms)),
        _ => None,
    };
    Ok(StoredOrder { order, created_ms: row.get(5)?, paid })
}

fn find(main: &Connection, reference: &str) -> Result<Option<StoredOrder>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE reference = ?1");
    Ok(main.query_row(&sql, [reference], stored).optional()?)
}

pub(crate) fn add(main: &mut Connection, order: &Order, now_ms: i64) -> Result<Entered, StoreError> {
    // An order that could not be credited is none.
    LedgerEntry::credit(&order.reference, now_ms, Kind::Payment, &order.account, order.credit)?;
    let amount = i64::try_from(order.amount).ok().filter(|amount| *amount > 0);
    let amount = amount.ok_or_else(|| StoreError::Conflict(order.reference.clone()))?;
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match find(&transaction, &order.reference)? {
        Some(before) if before.order == *order => return Ok(Entered::Before),
        Some(_) => return Err(StoreError::Conflict(order.reference.clone())),
        None => {}
    }
    transaction.execute(
        "INSERT INTO orders(reference, account, amount, currency, credit, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![order.reference, order.account, amount, order.currency, order.credit.nanos(), now_ms],
    )?;
    transaction.commit()?;
    Ok(Entered::New)
}

pub(crate) fn pay(main: &mut Connection, service: &str, paid: &Paid, now_ms: i64) -> Result<Settled, PayError> {
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = find(&transaction, &paid.order)?.ok_or(Refusal::UnknownOrder)?;
    found.order.matches(paid)?;
    let order = found.order;
    match found.paid {
        Some((of, payment, _)) if of == service && payment == paid.payment => return Ok(Settled::Before(order)),
        Some(_) => return Ok(Settled::Twice(order)),
        None => {}
    }
    transaction.execute(
        "UPDATE orders SET service = ?1, payment = ?2, paid_ms = ?3 WHERE reference = ?4",
        params![service, paid.payment, now_ms, order.reference],
    )?;
    let entry = LedgerEntry::credit(&order.reference, now_ms, Kind::Payment, &order.account, order.credit);
    enter(&transaction, &entry.map_err(StoreError::from)?, &order.account, order.credit)?;
    transaction.commit()?;
    Ok(Settled::New(order))
}

/// The latest orders, newest first.
pub(crate) fn latest(main: &Connection, account: Option<&str>, limit: u32) -> Result<Vec<StoredOrder>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM orders WHERE ?1 IS NULL OR account = ?1 ORDER BY created_ms DESC, reference LIMIT ?2"
    );
    let mut query = main.prepare(&sql)?;
    let rows = query.query_map(params![account, limit], stored)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
