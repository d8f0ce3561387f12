//! Everything that moved money, one line each, for whoever keeps other books.
//!
//! Pages go by place and are cheap wherever they are. What has been entered is never edited, so pages that are asked for one
//! after the other are one list, whatever is entered meanwhile: first the calls, in the order in which they ended; then
//! all other entries, as they came.

use crate::chunk;
use crate::columns::Word;
use crate::error::StoreError;
use crate::record::{Charged, Ended, Record};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sluicegate_ledger::Line;
use sluicegate_vocabulary::Money;
use std::ops::ControlFlow;

/// Where a page ends, and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// After this record of a call's end, and this attempt of it.
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
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
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
    let after = match query.after {
        Some(Mark::Call(record, attempt)) => Some((record, attempt)),
        _ => None,
    };
    let word = |account: &String| (Word::Account, Word::Account.hash(account.as_bytes()));
    let words: Vec<(Word, u32)> = query.account.iter().map(word).collect();
    let mut found = Vec::new();
    chunk::oldest(main, after.map_or(0, |(record, _)| record), &words, &mut |record, bytes| {
        let Ok(Record::Ended(end)) = Record::read(bytes) else { return Ok(ControlFlow::Continue(())) };
        let wanted = query.from_ms.is_none_or(|from| from <= end.at_ms)
            && query.to_ms.is_none_or(|to| end.at_ms < to)
            && query.account.as_ref().is_none_or(|account| account == end.owner.account);
        let new = |charge: &&Charged<'_>| after.is_none_or(|after| after < (record, charge.attempt));
        for charge in end.charges.iter().filter(|_| wanted).filter(new).take(limit - found.len()) {
            found.push(movement(record, &end, charge));
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

fn movement(record: u64, end: &Ended<'_>, charge: &Charged<'_>) -> Movement {
    let (usage, owner) = (&charge.usage, &end.owner);
    let (paid, revenue) = charge.paid(owner.account);
    Movement {
        mark: Mark::Call(record, charge.attempt),
        at_ms: end.at_ms,
        kind: sluicegate_ledger::Kind::Charge.as_str().to_owned(),
        reference: format!("{}/{}", end.call, charge.attempt),
        account: owner.account.to_owned(),
        amount: Money::from_nanos(-paid),
        call: Some(MovedByCall {
            tenant: owner.tenant.to_owned(),
            key: owner.key.to_owned(),
            model: owner.model.to_owned(),
            label: owner.label.to_owned(),
            provider: charge.provider.to_owned(),
            upstream: charge.upstream.to_owned(),
            input: usage.input,
            cached: usage.cache_read,
            written: usage.cache_write.saturating_add(usage.cache_write_long),
            output: usage.output,
            reasoning: usage.reasoning,
            tier: usage.tier.as_str().to_owned(),
            source: usage.source.as_str().to_owned(),
            cost: charge.cost,
            billed: charge.billed,
            revenue: Money::from_nanos(revenue),
            price: charge.price.0,
            lines: charge.lines.to_vec(),
        }),
    }
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
         WHERE id > ?1{conditions} ORDER BY id LIMIT ?2"
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
