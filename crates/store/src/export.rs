//! Everything that moved money, one line each, for whoever keeps other books.
//!
//! Pages go by place and are cheap wherever they are. What has been entered is never edited, so pages that are asked for one
//! after the other are one list, whatever is entered meanwhile: first the calls, by number, which rises with time; then all
//! other entries, as they came.

use crate::error::StoreError;
use crate::record::read_arithmetic;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use sluicegate_ledger::Line;
use sluicegate_vocabulary::Money;

/// Where a page ends, and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// After this call and attempt.
    Call(u64, u16),
    /// After this entry, all calls being behind.
    Entry(u64),
}

/// Which movements are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovementsQuery {
    /// From when, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Until when; this moment is not in it.
    pub to_ms: Option<i64>,
    /// Of this account only.
    pub account: Option<String>,
    /// After this one.
    pub after: Option<Mark>,
    /// Movements at most.
    pub limit: u32,
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Its place in the list.
    pub mark: Mark,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it is about: `charge` for a call, else the kind of the entry.
    pub kind: String,
    /// What is its own: a call's number and attempt, an operator's reference.
    pub reference: String,
    /// Whose account; empty for calls that no account pays for.
    pub account: String,
    /// By what the account changed: less than zero for a call.
    pub amount: Money,
    /// What more is known of a call.
    pub call: Option<MovedByCall>,
}

/// What is known of a call that moved money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedByCall {
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
    pub upstream: String,
    /// Tokens in that no cache served.
    pub input: u64,
    /// Tokens in that a cache of the provider's served.
    pub cached: u64,
    /// Tokens in that were written to one.
    pub written: u64,
    /// Tokens out.
    pub output: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// In which tier the provider served it.
    pub tier: String,
    /// Where the usage came from.
    pub source: String,
    /// What the provider is owed; nothing where the model has no price.
    pub cost: Option<Money>,
    /// What was charged.
    pub billed: Money,
    /// What was earned beyond cost.
    pub revenue: Money,
    /// The version of the price.
    pub price: u64,
    /// The arithmetic of the cost: quantity times rate, class by class.
    pub lines: Vec<Line>,
}

pub(crate) fn movements(main: &Connection, query: &MovementsQuery) -> Result<Vec<Movement>, StoreError> {
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut found = match query.after {
        Some(Mark::Entry(_)) => Vec::new(),
        _ => charges(main, query, limit)?,
    };
    if found.len() < limit {
        found.extend(entries(main, query, limit - found.len())?);
    }
    Ok(found)
}

/// What every question has in common.
fn conditions(query: &MovementsQuery, values: &mut Vec<Value>) -> String {
    let mut sql = String::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
    };
    if let Some(from) = query.from_ms {
        add("at_ms >=", from.into());
    }
    if let Some(to) = query.to_ms {
        add("at_ms <", to.into());
    }
    if let Some(account) = &query.account {
        add("account =", account.clone().into());
    }
    sql
}

fn charges(main: &Connection, query: &MovementsQuery, limit: usize) -> Result<Vec<Movement>, StoreError> {
    let (call, attempt) = match query.after {
        Some(Mark::Call(call, attempt)) => (call.cast_signed(), i64::from(attempt)),
        _ => (-1, 0),
    };
    let mut values = vec![Value::from(call), Value::from(attempt), Value::from(limit.cast_signed() as i64)];
    let conditions = conditions(query, &mut values);
    let sql = format!(
        "SELECT call, attempt, at_ms, account, tenant, key, model, label, provider, upstream, input, cached, written,
            output, reasoning, source, cost, billed, paid, revenue, price, arithmetic, tier
         FROM charges WHERE (call, attempt) > ($1, $2){conditions} ORDER BY call, attempt LIMIT $3"
    );
    let mut query = main.prepare(&sql)?;
    let mut rows = query.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(charge(row)?);
    }
    Ok(found)
}

fn charge(row: &Row<'_>) -> Result<Movement, StoreError> {
    let count = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
    let money = |at: usize| row.get(at).map(Money::from_nanos);
    let (call, attempt) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?);
    let arithmetic: Vec<u8> = row.get(21)?;
    Ok(Movement {
        mark: Mark::Call(call, attempt),
        at_ms: row.get(2)?,
        kind: sluicegate_ledger::Kind::Charge.as_str().to_owned(),
        reference: format!("{call}/{attempt}"),
        account: row.get(3)?,
        amount: -money(18)?,
        call: Some(MovedByCall {
            tenant: row.get(4)?,
            key: row.get(5)?,
            model: row.get(6)?,
            label: row.get(7)?,
            provider: row.get(8)?,
            upstream: row.get(9)?,
            input: count(10)?,
            cached: count(11)?,
            written: count(12)?,
            output: count(13)?,
            reasoning: count(14)?,
            tier: row.get(22)?,
            source: row.get(15)?,
            cost: row.get::<_, Option<i64>>(16)?.map(Money::from_nanos),
            billed: money(17)?,
            revenue: money(19)?,
            price: row.get::<_, i64>(20)?.cast_unsigned(),
            lines: read_arithmetic(&arithmetic).map(|lines| lines.to_vec()).unwrap_or_default(),
        }),
    })
}

fn entries(main: &Connection, query: &MovementsQuery, limit: usize) -> Result<Vec<Movement>, StoreError> {
    let after = match query.after {
        Some(Mark::Entry(id)) => id.cast_signed(),
        _ => 0,
    };
    let mut values = vec![Value::from(after), Value::from(limit.cast_signed() as i64)];
    let conditions = conditions(query, &mut values);
    let sql = format!(
        "SELECT id, at_ms, kind, reference, account, amount FROM entries
         WHERE id > $1{conditions} ORDER BY id LIMIT $2"
    );
    let mut query = main.prepare(&sql)?;
    let rows = query.query_map(params_from_iter(values), |row| {
        Ok(Movement {
            mark: Mark::Entry(row.get::<_, i64>(0)?.cast_unsigned()),
            at_ms: row.get(1)?,
            kind: row.get(2)?,
            reference: row.get(3)?,
            account: row.get(4)?,
            amount: Money::from_nanos(row.get(5)?),
            call: None,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
