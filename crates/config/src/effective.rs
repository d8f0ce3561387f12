//! What is in effect, value by value, and where each came from.

use crate::config::Config;
use crate::document::Document;
use serde::Serialize;
use serde_json::{Map, Value};

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
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        found.push(Setting { path: path.join("."), value, from });
    });
    found
}

/// The configuration as one JSON value without any secret, in a fixed order.
pub(crate) fn canonical(config: &Config) -> Value {
    let to = |value: serde_json::Result<Value>| value.unwrap_or_default();
    let mut whole = Map::new();
    whole.insert("name".into(), config.name.as_str().into());
    whole.insert("server".into(), to(serde_json::to_value(&config.server)));
    whole.insert("providers".into(), to(serde_json::to_value(&config.providers)));
    // The built-in names follow from the providers, and would bury the file's own.
    let own: Map<String, Value> = config
        .models
        .values()
        .filter(|model| !model.builtin)
        .map(|model| (model.name.clone(), to(serde_json::to_value(model))))
        .collect();
    whole.insert("models".into(), own.into());
    whole.insert("keys".into(), to(serde_json::to_value(&config.keys)));
    let mut limits = Map::new();
    limits.insert("global".into(), to(serde_json::to_value(config.limits.global)));
    let mut endpoints = Map::new();
    for (endpoint, entry) in &config.limits.endpoints {
        let mut limit = to(serde_json::to_value(entry.limit));
        if let (Some(fields), Some(priority)) = (limit.as_object_mut(), entry.priority) {
            fields.insert("priority".into(), priority.as_str().into());
        }
        endpoints.insert(endpoint.path().into(), limit);
    }
    limits.insert("per_endpoint".into(), endpoints.into());
    whole.insert("rate_limits".into(), limits.into());
    if let Some(breaker) = &config.breaker {
        let mut fields = Map::new();
        fields.insert("failure_threshold".into(), breaker.failure_threshold.into());
        fields.insert("recovery_timeout".into(), breaker.recovery_timeout.map(|time| time.to_string()).into());
        fields.insert("half_open_max_requests".into(), breaker.half_open_max_requests.into());
        whole.insert("circuit_breaker".into(), fields.into());
    }
    if let Some(file) = &config.quirks_file {
        whole.insert("quirks_file".into(), file.display().to_string().into());
    }
    Value::Object(whole)
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

/// Where the older format says what has another path now.
const OLDER: [(&[&str], &[&str]); 5] = [
    (&["name"], &["gateway", "name"]),
    (&["providers", "default", "base_url"], &["gateway", "base_url"]),
    (&["providers", "default", "keys", "0", "source"], &["gateway", "api_key_env"]),
    (&["providers", "default", "timeouts", "first_byte"], &["gateway", "timeout_ms"]),
    (&["providers", "default", "max_retries"], &["gateway", "max_retries"]),
];

/// The nearest value in the tree that decides about a path.
fn from(document: &Document, path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let older = OLDER.iter().find_map(|(new, old)| (*new == path.as_slice()).then_some(*old));
    let decided = [Some(path.as_slice()), older].into_iter().flatten().find_map(|path| document.find(path));
    // Fields that are worked out from others lie below them: a limit's shape below the limit, a key's source below it.
    let within_limits = matches!(path.first(), Some(&"rate_limits" | &"keys" | &"models"))
        || matches!(path.get(2), Some(&"keys" | &"timeouts" | &"simulation" | &"azure"));
    let near = || {
        let depth = if path.first() == Some(&"rate_limits") { 2 } else { 3 };
        (2..path.len()).rev().take(depth).find_map(|length| document.find(path.get(..length)?))
    };
    let decided = decided.or_else(|| within_limits.then(near).flatten());
    decided.map_or_else(|| "default".to_owned(), |node| document.describe(&node.place))
}
