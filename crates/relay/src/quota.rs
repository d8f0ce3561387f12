//! `GET /v1/quota`: the caller's own limits, budgets and account, and what is left of them.
//!
//! It shows every limit that some call of this key would meet, those shared with others included, because what is left
//! of a shared limit is what is left for this caller too. It takes from none of them.

use crate::books::{self, BudgetReport};
use crate::call::Caller;
use crate::reply::{Content, Reply};
use crate::route::may_use;
use crate::server::Worker;
use crate::snapshot::{Route, Snapshot};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use sluicegate_flow::{Kind, Limit, Nanos};
use sluicegate_ledger::{Account, Budget, Unit};
use sluicegate_vocabulary::Money;
use std::sync::Arc;
use std::time::Duration;

/// The page of one caller.
pub(crate) fn page(worker: &Worker, caller: &Caller, snapshot: &Snapshot) -> Reply {
    let room = &worker.shared.room;
    let now = room.now();
    let may_use = |route: &&Arc<Route>| route.candidates().any(|candidate| may_use(caller, &route.name, candidate));
    let routes = snapshot.names.aliases.values().filter(may_use);
    let limits = snapshot.limits.of_caller(&room.table, caller, routes, now);
    let mut body = json!({
        "object": "quota",
        "schema": "sluicegate.quota/v1",
        "key": caller.key.as_ref().map(|key| &*key.name),
        "tenant": caller.tenant().map(|tenant| &*tenant.name),
        "class": caller.priority.as_str(),
        "mode": caller.mode.as_str(),
        "account": caller.key.as_ref().and_then(|key| key.payer.account.as_deref().map(account)),
        "budgets": caller.key.iter().flat_map(|key| &key.payer.budgets).map(|budget| spent(budget)).collect::<Vec<_>>(),
        "limits": limits.iter().map(|limit| level(limit, now)).collect::<Vec<_>>(),
        // The call for this page is none of those meant.
        "in_flight": caller.live.in_flight().saturating_sub(1),
        "waiting": room.waiting_of(caller.live.number),
    });
    told(&mut body, snapshot)
}

/// A page about the caller himself, which nobody keeps.
pub(crate) fn told(body: &mut Value, snapshot: &Snapshot) -> Reply {
    if let Some(display) = &snapshot.config.prices.display {
        display.beside(body);
    }
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Reply { status: StatusCode::OK, headers, content: Content::Whole(body.to_string().into()) }
}

/// The account that pays, in dollars as decimal text, so that nothing is rounded.
pub(crate) fn account(account: &Account) -> Value {
    json!({
        "name": &**account.name(),
        "balance_usd": account.balance().to_string(),
        "held_usd": account.held().to_string(),
        "left_usd": account.left().to_string(),
    })
}

pub(crate) fn spent(budget: &Budget) -> Value {
    let BudgetReport { subject, unit, per, standing } = books::standing(budget, books::now_ms());
    let text = |amount: i64| match unit {
        Unit::Money => Money::from_nanos(amount).to_string(),
        Unit::Tokens => amount.to_string(),
    };
    json!({
        "owner": subject.to_string(),
        "counts": if unit == Unit::Money { "usd" } else { "tokens" },
        "per": per.as_str(),
        "amount": text(standing.amount),
        "used": text(standing.used),
        "held": text(standing.held),
        "left": text(standing.left()),
        "resets_at": standing.span.ends_ms().and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).map(|at| at.to_string()),
    })
}

fn level(limit: &Arc<Limit>, now: Nanos) -> Value {
    let level = limit.status(now);
    let millis = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let rate = level.kind != Kind::Concurrency;
    json!({
        "name": level.label.to_string(),
        "scope": level.label.scope.as_str(),
        "counts": level.kind.as_str(),
        "window_seconds": rate.then_some(level.window.as_secs_f64()),
        "limit": level.set,
        "capacity": level.capacity,
        "remaining": level.left,
        "fill_percent": (level.fill * 1000.0).round() / 10.0,
        "refills_in_ms": rate.then(|| millis(level.refills_in)),
        "waiting": limit.waiting(),
        "shadow": level.shadow,
    })
}
