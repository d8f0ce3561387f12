//! What is in effect, value by value, and where each came from.

use crate::config::Config;
use crate::document::{Document, Node};
use crate::endpoint::EndpointPath;
use crate::provider::{Provider, Timeouts};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One value in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its path in the file: `server.listen`.
    pub path: String,
    /// The value, as it would be written. Secrets are never among them, only where they are.
    pub value: String,
    /// Where it came from: `sluicegate.yaml:14`, `env NAME`, `flag --listen` or `default`.
    pub from: String,
}

/// Every value in effect. A path that the older format sets is shown under its new name, with its old place.
pub(crate) fn settings(config: &Config, document: &Document) -> Vec<Setting> {
    let mut found = Vec::new();
    walk(&canonical(config), &mut Vec::new(), &mut |path, value| {
        let from = from(document, path);
        let value = written(value);
        found.push(Setting { path: path.join("."), value, from });
    });
    found
}

/// The configuration as one JSON value without any secret, in a fixed order and with the names of the file.
pub(crate) fn canonical(config: &Config) -> Value {
    let providers: Map<_, _> = config.providers.values().map(|p| (p.name.clone(), provider(p))).collect();
    // The built-in names follow from the providers, and would bury the file's own.
    let own = config.models.values().filter(|model| !model.builtin);
    let models: Map<_, _> =
        own.map(|model| (model.name.clone(), without(value(model), &["name", "builtin"]))).collect();
    let endpoints: Map<_, _> = config
        .limits
        .endpoints
        .iter()
        .map(|(endpoint, entry)| {
            let mut fields = value(&entry.limit);
            if let (Value::Object(fields), Some(priority)) = (&mut fields, entry.priority) {
                fields.insert("priority".into(), priority.as_str().into());
            }
            (endpoint.path().to_owned(), fields)
        })
        .collect();
    let tenants: Map<_, _> =
        config.tenants.values().map(|tenant| (tenant.name.clone(), without(value(tenant), &["name"]))).collect();
    let labels: Map<_, _> =
        config.labels.iter().map(|(name, budgets)| (name.clone(), json!({ "budget": value(budgets) }))).collect();
    json!({
        "name": config.name,
        "server": value(&config.server),
        "providers": providers,
        "models": models,
        "migrations": value(&config.migrations),
        "mode": value(&config.mode),
        "priorities": value(&config.priorities),
        "tenants": tenants,
        "keys": value(&config.keys),
        "rate_limits": { "global": value(&config.limits.global), "per_endpoint": endpoints },
        "metrics": value(&config.alerts),
        "alerts": { "to": config.receivers.iter().map(|it| (it.name.clone(), value(it))).collect::<Map<_, _>>() },
        "labels": labels,
        "prices": value(&config.prices),
        "credits": { "signup": config.signup.to_string() },
        "ledger": value(&config.ledger),
        "choices": config.choices.values().map(|choice| (choice.name.clone(), without(value(choice), &["name"]))).collect::<Map<_, _>>(),
        "payments": value(&config.payments),
        "cache": cache(config),
        "quirks_file": config.quirks_file,
    })
}

/// Under `exact`, as the file has it; nothing where there is none.
fn cache(config: &Config) -> Value {
    config.cache.map_or(Value::Null, |cache| json!({ "exact": value(&cache) }))
}

fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

fn without(mut value: Value, names: &[&str]) -> Value {
    if let Value::Object(fields) = &mut value {
        names.iter().for_each(|name| drop(fields.shift_remove(*name)));
    }
    value
}

/// A provider with the fields of its parts beside its own, as the file has them.
fn provider(provider: &Provider) -> Value {
    let mut whole = without(value(provider), &["name", "timeouts", "azure", "simulation"]);
    if provider.models_bundled {
        whole = without(whole, &["models"]);
    }
    if let Value::Object(fields) = &mut whole {
        let parts = [value(&provider.azure), value(&provider.simulation)];
        fields.extend(
            parts
                .into_iter()
                .filter_map(|part| if let Value::Object(part) = part { Some(part) } else { None })
                .flatten(),
        );
        let Timeouts { connect, first_byte, stream_idle, total } = &provider.timeouts;
        let times = [
            ("connect_timeout", value(connect)),
            ("first_byte_timeout", value(first_byte)),
            ("stream_idle_timeout", value(stream_idle)),
            ("total_timeout", value(total)),
        ];
        fields.extend(times.map(|(name, time)| (name.to_owned(), time)));
    }
    whole
}

/// A value as a file would have it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Visits every value that is no mapping; a list of texts or numbers is one value.
fn walk(value: &Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &Value)) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(name.clone());
                walk(value, path, visit);
                path.pop();
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                walk(item, path, visit);
                path.pop();
            }
        }
        other => visit(path, other),
    }
}

/// Fields whose value another field of the file decides. A `*` stands for any one name.
const DECIDED_BY: [(&str, &[&str]); 23] = [
    ("name", &["gateway.name"]),
    ("providers.default.base_url", &["gateway.base_url"]),
    ("providers.default.keys.0.source", &["gateway.api_key_env"]),
    ("providers.default.first_byte_timeout", &["gateway.timeout_ms"]),
    ("providers.default.max_retries", &["gateway.max_retries"]),
    ("providers.*.first_byte_timeout", &["server.first_byte_timeout"]),
    ("providers.*.connect_timeout", &["server.connect_timeout"]),
    ("providers.*.stream_idle_timeout", &["server.stream_idle_timeout"]),
    ("providers.*.breaker.failure_threshold", &["circuit_breaker.failure_threshold"]),
    ("providers.*.breaker.recovery_timeout", &["circuit_breaker.recovery_timeout_seconds"]),
    ("providers.*.breaker.half_open_max_requests", &["circuit_breaker.half_open_max_requests"]),
    ("providers.*.limits.concurrency", &["providers.*.max_concurrency"]),
    ("tenants.*.mode", &["mode"]),
    ("*.requests_per_minute", &["*.rpm"]),
    ("*.tokens_per_minute", &["*.tpm"]),
    ("*.requests_per_second_bucket", BURST),
    ("*.requests_per_minute_bucket", BURST),
    ("*.requests_per_hour_bucket", BURST),
    ("*.requests_per_day_bucket", BURST),
    ("*.tokens_per_minute_bucket", BURST),
    ("*.tokens_per_hour_bucket", BURST),
    ("*.tokens_per_day_bucket", BURST),
    ("rate_limits.*.refill_rate_ms", &["rate_limits.global.refill_rate_ms"]),
];

/// What makes a bucket: the entry's own multiplier, or for an endpoint the global one.
const BURST: &[&str] = &["*.burst_multiplier", "rate_limits.global.burst_multiplier"];

/// Where a value came from: its own field, the field that decides it, or the entry it belongs to.
fn from(document: &Document, path: &[String]) -> String {
    let mut path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ["rate_limits", "per_endpoint", endpoint, ..] = path.as_mut_slice() {
        // The file may spell it with a version.
        let same = EndpointPath::parse(endpoint);
        *endpoint = document
            .spelled(&["rate_limits", "per_endpoint"], |key| EndpointPath::parse(key) == same)
            .unwrap_or(endpoint);
    }
    let found = document.find(&path).or_else(|| decided_by(document, &path)).or_else(|| entry(document, &path));
    found.map_or_else(|| "default".to_owned(), |node| document.describe(&node.place))
}

fn decided_by<'a>(document: &'a Document, path: &[&str]) -> Option<&'a Node> {
    let deciders = DECIDED_BY.iter().filter_map(|(pattern, deciders)| Some((matched(pattern, path)?, deciders)));
    deciders.flat_map(|(star, deciders)| deciders.iter().map(move |decider| (star.clone(), decider))).find_map(
        |(star, decider)| {
            let steps: Vec<&str> =
                decider.split('.').flat_map(|step| if step == "*" { star.clone() } else { vec![step] }).collect();
            document.find(&steps)
        },
    )
}

/// Matches a path with a pattern and returns what its `*` stands for, which may be several steps.
fn matched<'a>(pattern: &str, path: &[&'a str]) -> Option<Vec<&'a str>> {
    let steps: Vec<&str> = pattern.split('.').collect();
    let Some(star) = steps.iter().position(|step| *step == "*") else {
        return (steps == path).then(Vec::new);
    };
    let (head, tail) = (steps.get(..star)?, steps.get(star + 1..)?);
    let fits = path.len() > head.len() + tail.len() && path.starts_with(head) && path.ends_with(tail);
    fits.then(|| path.get(head.len()..path.len() - tail.len()).unwrap_or_default().to_vec())
}

/// The entry that fields without a field of their own come with: a key's source with the key, a target's parts with the
/// target.
fn entry<'a>(document: &'a Document, path: &[&str]) -> Option<&'a Node> {
    match path {
        ["keys", at, field @ ("mode" | "accept_lower_tier")] => of_tenant(document, at, field),
        ["keys", at, ..] => document.find(&["keys", at]),
        ["models", name, field, ..] => document.find(&["models", name, field]),
        ["providers", name, "kind"] => document.find(&["providers", name]),
        ["providers", name, "keys", at, ..] => {
            let ways = [vec!["keys", *at], vec!["api_key_env"], vec!["api_key"], vec![]];
            ways.into_iter()
                .find_map(|way| document.find(&["providers", name].into_iter().chain(way).collect::<Vec<_>>()))
        }
        ["providers", name, field @ ("models" | "style" | "adaptive_concurrency"), ..] => {
            document.find(&["providers", name, field])
        }
        _ => None,
    }
}

/// What a key has from its tenant, and its tenant from the file.
fn of_tenant<'a>(document: &'a Document, key: &str, field: &str) -> Option<&'a Node> {
    let tenant = document.find(&["keys", key, "tenant"]).and_then(Node::as_text);
    let own = tenant.and_then(|tenant| document.find(&["tenants", tenant, field]));
    own.or_else(|| document.find(&[field]))
}

#[cfg(test)]
#[path = "effective_tests.rs"]
mod tests;
