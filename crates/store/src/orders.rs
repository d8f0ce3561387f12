//! Orders, and what was paid for them.
//!
//! An order is entered before a customer is sent to a payment service with its reference. What the service then notifies is
//! matched with it and credited in one transaction, under the order's own reference: an order is credited once, whoever says
//! how often that it was paid. A second payment for an order that is paid is told apart, since somebody has to give it back.
//! An order is open for a while. A payment that comes later is credited all the same, since it has been made, and told apart.
//!
//! What a service gives back takes the same share of the credit off the account, by an entry of its own for each refund.
//! Shares are rounded so that a payment that was given back whole, in however many parts, takes off all that was credited.

use crate::credits::{Entered, enter};
use crate::error::StoreError;
use crate::payment::{Order, Paid, Payment, Refunded, Refusal};
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
    /// Until when it is to be paid, in milliseconds since the Unix epoch; for ever where it is not said.
    pub expires_ms: Option<i64>,
    /// What was given back of it, in the currency's smallest unit.
    pub refunded: u64,
}

/// What came of a payment that matches its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The account was credited.
    New(Order),
    /// The account was credited, though the order had expired.
    Late(Order),
    /// So much of the credit was taken off the account again, since it was given back.
    Refunded(Order, Money),
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

const COLUMNS: &str = "reference, account, amount, currency, credit, created_ms, service, payment, paid_ms, expires_ms,
    (SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.reference = orders.reference)";

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
    let refunded = row.get::<_, i64>(10)?.unsigned_abs();
    Ok(StoredOrder { order, created_ms: row.get(5)?, paid, expires_ms: row.get(9)?, refunded })
}

fn find(main: &Connection, reference: &str) -> Result<Option<StoredOrder>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE reference = ?1");
    Ok(main.query_row(&sql, [reference], stored).optional()?)
}

pub(crate) fn add(
    main: &mut Connection,
    order: &Order,
    now_ms: i64,
    expires_ms: Option<i64>,
) -> Result<Entered, StoreError> {
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
        "INSERT INTO orders(reference, account, amount, currency, credit, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![order.reference, order.account, amount, order.currency, order.credit.nanos(), now_ms, expires_ms],
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
        "UPDATE orders SET service = ?1, payment = ?2, paid_ms = ?3, transaction_id = ?4 WHERE reference = ?5",
        params![service, paid.payment, now_ms, paid.transaction, order.reference],
    )?;
    let entry = LedgerEntry::credit(&order.reference, now_ms, Kind::Payment, &order.account, order.credit);
    enter(&transaction, &entry.map_err(StoreError::from)?, &order.account, order.credit)?;
    transaction.commit()?;
    let late = found.expires_ms.is_some_and(|expires| expires <= now_ms);
    Ok(if late { Settled::Late(order) } else { Settled::New(order) })
}

/// Enters what a service says was given back.
pub(crate) fn refund(
    main: &mut Connection,
    service: &str,
    refunded: &Refunded,
    now_ms: i64,
) -> Result<Settled, PayError> {
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let reference: Option<String> = match &refunded.of {
        Payment::Order(reference) => Some(reference.clone()),
        Payment::Transaction(id) => transaction
            .query_row(
                "SELECT reference FROM orders WHERE transaction_id = ?1 AND service = ?2",
                [id, service],
                |row| row.get(0),
            )
            .optional()?,
    };
    let found = reference.map(|reference| find(&transaction, &reference)).transpose()?.flatten();
    // What was not paid here yet may be soon: the service says it again.
    let found = found.filter(|found| found.paid.as_ref().is_some_and(|(of, ..)| of == service));
    let StoredOrder { order, refunded: before, .. } = found.ok_or(Refusal::UnknownOrder)?;
    if order.currency != refunded.currency {
        return Err(Refusal::WrongCurrency.into());
    }
    let known: Option<i64> = transaction
        .query_row(
            "SELECT amount FROM refunds WHERE reference = ?1 AND refund = ?2",
            [&order.reference, &refunded.refund],
            |row| row.get(0),
        )
        .optional()?;
    let sum = if refunded.in_all { refunded.amount } else { before.saturating_add(refunded.amount) };
    if known.is_some() || sum <= before {
        return Ok(Settled::Before(order));
    }
    if sum > order.amount {
        return Err(Refusal::WrongAmount.into());
    }
    let back = share(&order, sum) - share(&order, before);
    let amount = i64::try_from(sum - before).map_err(|_| Refusal::WrongAmount)?;
    transaction.execute(
        "INSERT INTO refunds VALUES (?1, ?2, ?3, ?4)",
        params![order.reference, refunded.refund, amount, now_ms],
    )?;
    if back > Money::ZERO {
        let reference = format!("{}/{}", order.reference, refunded.refund);
        let entry = LedgerEntry::credit(&reference, now_ms, Kind::Refund, &order.account, -back);
        enter(&transaction, &entry.map_err(StoreError::from)?, &order.account, -back)?;
    }
    transaction.commit()?;
    Ok(Settled::Refunded(order, back))
}

/// The share of an order's credit that a part of its amount stands for.
fn share(order: &Order, part: u64) -> Money {
    let nanos = i128::from(order.credit.nanos()) * i128::from(part) / i128::from(order.amount.max(1));
    Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
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
