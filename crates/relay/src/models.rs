//! `GET /v1/models`, in the shape the caller's client expects.

use crate::call::{Caller, PathTarget, Request};
use crate::reply::{Content, Reply};
use crate::route;
use crate::snapshot::{Listed, Route, Snapshot, Tariff};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sluicegate_ledger::{Multiplier, Rate};
use sluicegate_vocabulary::{Dialect, Fault};
use std::sync::Arc;

/// One model a caller may ask for.
struct Entry {
    id: String,
    provider: String,
    /// What the name leads to, for an alias.
    to: Option<String>,
    listed: Listed,
    tariff: Option<Arc<Tariff>>,
}

/// The list, or one entry of it.
///
/// # Errors
/// No model of that name, or one the key may not use.
pub(crate) fn list(request: &Request, caller: &Caller, snapshot: &Snapshot) -> Result<Reply, Fault> {
    let dialect = request.dialect;
    let body = match &request.target {
        PathTarget::Model(id) => {
            let id = id.strip_prefix("models/").unwrap_or(id);
            let leads_to = snapshot.choices.get(id).map_or(id, |chooser| &chooser.choice.default);
            let route = snapshot.names.resolve(leads_to)?;
            one(&entry(id, &route, caller, snapshot).ok_or_else(|| route::forbidden(caller, id))?, dialect)
        }
        _ => all(&entries(caller, snapshot), dialect),
    };
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Reply { status: StatusCode::OK, headers, content: Content::Whole(body.to_string().into()) })
}

fn entries(caller: &Caller, snapshot: &Snapshot) -> Vec<Entry> {
    let names = &snapshot.names;
    let may_use = |id: &str, provider: &str| caller.key.as_ref().is_none_or(|key| key.may_use(id, provider));
    let aliases = names.aliases.iter().filter_map(|(id, route)| entry(id, route, caller, snapshot));
    let listed = names.homes.iter().flat_map(|(provider, home)| {
        let ids = home.listed.iter().map(move |(model, listed)| (format!("{provider}/{model}"), model, listed));
        ids.filter(|(id, ..)| may_use(id, provider)).map(move |(id, model, listed)| {
            let tariff = names.tariff(home, model);
            Entry { id, provider: provider.clone(), to: None, listed: listed.clone(), tariff }
        })
    });
    let choices = snapshot.choices.values().filter_map(|chooser| {
        let route = names.resolve(&chooser.choice.default).ok()?;
        entry(&chooser.choice.name, &route, caller, snapshot)
    });
    aliases.chain(choices).chain(listed).collect()
}

/// What a name leads to: the best of its candidates that the caller may have, or `None` when he may have none.
fn entry(id: &str, route: &Route, caller: &Caller, snapshot: &Snapshot) -> Option<Entry> {
    let names = &snapshot.names;
    let candidate = route.candidates().find(|candidate| route::may_use(caller, id, candidate))?;
    let provider = &*candidate.provider.name;
    let mut listed =
        names.homes.get(provider).and_then(|home| home.listed.get(&*candidate.model)).cloned().unwrap_or_default();
    listed.context_window = listed.context_window.or_else(|| candidate.tariff.as_ref()?.price().context_window);
    listed.max_output = listed.max_output.or_else(|| candidate.tariff.as_ref()?.price().max_output);
    Some(Entry {
        id: id.to_owned(),
        provider: provider.to_owned(),
        to: names.aliases.contains_key(id).then(|| format!("{provider}/{}", candidate.model)),
        listed,
        tariff: candidate.tariff.clone(),
    })
}

fn all(entries: &[Entry], dialect: Dialect) -> Value {
    let data: Vec<Value> = entries.iter().map(|entry| one(entry, dialect)).collect();
    let id = |entry: Option<&Entry>| entry.map_or(Value::Null, |entry| entry.id.as_str().into());
    match dialect {
        Dialect::OpenAi => json!({"object": "list", "data": data}),
        Dialect::Anthropic => json!({
            "data": data,
            "has_more": false,
            "first_id": id(entries.first()),
            "last_id": id(entries.last()),
        }),
        Dialect::Gemini => json!({"models": data}),
    }
}

fn one(entry: &Entry, dialect: Dialect) -> Value {
    let Listed { context_window, max_output, .. } = entry.listed;
    let mut value = match dialect {
        Dialect::OpenAi => json!({"id": entry.id, "object": "model", "created": 0, "owned_by": entry.provider}),
        Dialect::Anthropic => json!({
            "type": "model",
            "id": entry.id,
            "display_name": entry.id,
            "created_at": "1970-01-01T00:00:00Z",
            "max_input_tokens": context_window,
            "max_tokens": max_output,
        }),
        Dialect::Gemini => json!({
            "name": format!("models/{}", entry.id),
            "displayName": entry.id,
            "inputTokenLimit": context_window,
            "outputTokenLimit": max_output,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        }),
    };
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
        ours(entry, fields);
    }
    value
}

/// What no vendor tells: who serves it, how much fits, what it costs.
fn ours(entry: &Entry, fields: &mut Map<String, Value>) {
    fields.insert("provider".into(), entry.provider.as_str().into());
    if let Some(to) = &entry.to {
        fields.insert("resolves_to".into(), to.as_str().into());
    }
    if let Some(window) = entry.listed.context_window {
        fields.insert("context_window".into(), window.into());
    }
    if let Some(most) = entry.listed.max_output {
        fields.insert("max_output_tokens".into(), most.into());
    }
    fields.insert("pricing".into(), entry.tariff.as_deref().map_or(Value::Null, price));
}

/// Dollars per million tokens, as decimal text so that nothing is rounded.
fn price(tariff: &Tariff) -> Value {
    let price = tariff.price();
    let mut value = Map::new();
    value.insert("currency".into(), "USD".into());
    value.insert("per".into(), "1M tokens".into());
    let text = |rate: Rate| Value::from(rate.to_string());
    value.extend(price.rates.stated().map(|(name, rate)| (name.to_owned(), text(rate))));
    if let Some(fee) = price.fees.request {
        value.insert("request".into(), fee.to_string().into());
    }
    if let Some(long) = &price.long_context {
        let rates = json!({"above": long.above, "input": text(long.rates.input), "output": text(long.rates.output)});
        value.insert("long_context".into(), rates);
    }
    if tariff.multiplier != Multiplier::ONE {
        value.insert("multiplier".into(), tariff.multiplier.to_string().into());
    }
    let said = [("as_of", Some(&tariff.entry.as_of)), ("source", tariff.entry.source.as_ref())];
    let said = said.into_iter().filter_map(|(name, text)| Some((name, text?))).filter(|(_, text)| !text.is_empty());
    value.extend(said.map(|(name, text)| (name.to_owned(), text.as_str().into())));
    value.into()
}
