//! `GET /v1/key` and `GET /v1/usage`: what a key is told of itself.
//!
//! A key sees itself and nobody else: its own terms, and its own calls. What its calls cost the house is not its business;
//! what they cost its holder is.

use crate::call::{Caller, Request};
use crate::quota;
use crate::reply::Reply;
use crate::snapshot::{Key, Snapshot};
use serde_json::{Map, Value, json};
use sluicegate_store::{By, Filter, Grain, StoreError, UsageQuery, UsageRow};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::sync::Arc;
use std::time::Duration;

/// How long a question waits for calls that have just ended.
const CATCH_UP: Duration = Duration::from_millis(500);
/// Days that are told at once at most.
const MOST_DAYS: u32 = 366;
/// Days that are told where nothing is said.
const USUAL_DAYS: u32 = 30;
/// Lines at most.
const MOST_LINES: u32 = 1000;
/// By what a key's own usage is told apart.
const DIMENSIONS: [(&str, By); 4] = [("day", By::Time), ("hour", By::Time), ("model", By::Model), ("key", By::Key)];
const DAY_MS: i64 = 86_400_000;

/// What a key is and may do.
pub(crate) fn key(caller: &Caller) -> Reply {
    let key = caller.key.as_deref();
    let spec = key.map(Key::spec);
    quota::told(&json!({
        "object": "key",
        "schema": "sluicegate.key/v1",
        "name": key.map(|key| &*key.name),
        "owner": spec.and_then(|spec| spec.owner.as_deref()),
        "label": spec.and_then(|spec| spec.label.as_deref()),
        "tenant": caller.tenant().map(|tenant| &*tenant.name),
        "class": caller.priority.as_str(),
        "mode": caller.mode.as_str(),
        "models": spec.and_then(|spec| spec.models.as_ref()),
        "endpoints": spec.and_then(|spec| spec.endpoints.as_ref()),
        "limits": spec.map(|spec| &spec.limits),
        "budgets": key.iter().flat_map(|key| &key.payer.budgets).map(|budget| quota::spent(budget)).collect::<Vec<_>>(),
        "account": key.and_then(|key| key.payer.account.as_deref().map(quota::account)),
        "expires_at": key.and_then(|key| key.expires_ms).and_then(moment),
    }))
}

/// What a question about usage asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    by: Vec<(&'static str, By)>,
    days: u32,
}

impl Question {
    /// # Errors
    /// It asks for something that there is not.
    fn read(query: &str) -> Result<Self, Fault> {
        let mut question = Self { by: Vec::new(), days: USUAL_DAYS };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "by" => question.by = dimensions(&value.replace("%2C", ","))?,
                "days" => {
                    let days = value.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
                    question.days = days.ok_or_else(|| bad(format!("days is from 1 to {MOST_DAYS}."), "days"))?;
                }
                _ => {}
            }
        }
        if question.by.is_empty() {
            question.by = DIMENSIONS.into_iter().take(1).collect();
        }
        Ok(question)
    }
}

fn dimensions(text: &str) -> Result<Vec<(&'static str, By)>, Fault> {
    let words: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    let found: Option<Vec<_>> =
        words.iter().map(|word| DIMENSIONS.into_iter().find(|(name, _)| name == word)).collect();
    let times = |found: &Vec<(&str, By)>| found.iter().filter(|(_, by)| *by == By::Time).count() > 1;
    match found {
        Some(found) if found.len() <= 2 && !times(&found) => Ok(found),
        _ => {
            Err(bad("by is one or two of day, hour, model and key; day and hour do not go together.".to_owned(), "by"))
        }
    }
}

fn bad(message: String, param: &'static str) -> Fault {
    Fault::new(FaultKind::BadRequest, message).param(param)
}

/// What the caller's own calls have used.
///
/// # Errors
/// No books are kept, the question cannot be understood, or the books cannot be read.
pub(crate) async fn usage(request: &Request, caller: &Caller, snapshot: &Snapshot) -> Result<Reply, Fault> {
    let books = snapshot.books.as_ref().map(Arc::clone).ok_or_else(|| {
        let message =
            "This relay keeps no books, so nobody knows what was used. Its operator can add a `ledger` section.";
        Fault::new(FaultKind::UnknownPath, message)
    })?;
    let question = Question::read(request.parts.uri.query().unwrap_or_default())?;
    let name = caller.key.as_ref().map_or_else(String::new, |key| key.name.to_string());
    let today = crate::books::now_ms().div_euclid(DAY_MS) * DAY_MS;
    let from_ms = today - i64::from(question.days - 1) * DAY_MS;
    let asked = UsageQuery {
        grain: if question.by.iter().any(|(word, _)| *word == "hour") { Grain::Hour } else { Grain::Day },
        from_ms,
        to_ms: i64::MAX,
        filter: Filter { key: Some(name.clone()), ..Filter::default() },
        by: question.by.iter().map(|(_, by)| *by).collect(),
        limit: MOST_LINES,
    };
    let found = tokio::task::spawn_blocking(move || {
        let store = books.store();
        // A question about the present waits a moment for what has just ended.
        let _ = store.catch_up(CATCH_UP);
        let all = store.usage(&UsageQuery { by: Vec::new(), ..asked.clone() })?;
        Ok::<_, StoreError>((all.into_iter().next().unwrap_or_default(), store.usage(&asked)?))
    });
    let (all, rows) = match found.await {
        Ok(Ok(found)) => found,
        failed => {
            tracing::error!(?failed, "usage cannot be read");
            return Err(Fault::new(FaultKind::Overloaded, "The books cannot be read at present; try again."));
        }
    };
    Ok(quota::told(&json!({
        "object": "usage",
        "schema": "sluicegate.own-usage/v1",
        "key": caller.key.as_ref().map(|key| &*key.name),
        "from": moment(from_ms),
        "by": question.by.iter().map(|(word, _)| word).collect::<Vec<_>>(),
        "total": line(&[], &all),
        "data": rows.iter().map(|row| line(&question.by, row)).collect::<Vec<_>>(),
    })))
}

fn line(by: &[(&'static str, By)], row: &UsageRow) -> Value {
    let mut line = Map::new();
    for ((word, _), value) in by.iter().zip(&row.by) {
        let shown = match *word {
            "day" => value.parse().ok().and_then(moment).and_then(|at| at.get(..10).map(str::to_owned)),
            "hour" => value.parse().ok().and_then(moment),
            _ => None,
        };
        line.insert((*word).to_owned(), shown.unwrap_or_else(|| value.clone()).into());
    }
    let average = |sum: i64, of: i64| (of > 0).then(|| sum as f64 / of as f64 / 1000.0);
    let rounded = |millis: Option<f64>| millis.map(|millis| (millis * 10.0).round() / 10.0);
    for (name, value) in [
        ("calls", json!(row.calls)),
        ("errors", json!(row.errors)),
        ("cache_hits", json!(row.cache_hits)),
        ("input_tokens", json!(row.input)),
        ("cached_tokens", json!(row.cached)),
        ("output_tokens", json!(row.output)),
        ("cost_usd", json!(row.billed.to_string())),
        ("saved_usd", json!(row.saved.to_string())),
        ("unpriced_calls", json!(row.unpriced)),
        ("average_ms", json!(rounded(average(row.total_us, row.calls)))),
        ("average_first_token_ms", json!(rounded(average(row.first_us, row.first_calls)))),
    ] {
        line.insert(name.to_owned(), value);
    }
    Value::Object(line)
}

/// A moment as text: `2026-11-21T05:21:39Z`.
fn moment(ms: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
