//! A value that fits a schema.
//!
//! Used for the arguments of tools and for structured output. It understands what the providers accept there: types
//! (in lower or Gemini's upper case, or a list of them), `enum`, `const`, `anyOf`, `oneOf`, `allOf`, `$ref` into the
//! schema itself, nested objects and arrays, bounds of numbers, lengths, common formats and `nullable`. Of a `pattern`
//! only what [`crate::schema::pattern`] can write is kept. A schema that refers to itself ends, because below a
//! certain depth only what is required is written, and the shortest way is taken.

use fastrand::Rng;
use serde_json::{Map, Value, json};

mod pattern;

/// Below this depth optional parts are left out.
const FULL: usize = 5;

/// Below this depth nothing more is written.
const DEEPEST: usize = 24;

/// Values written at most; beyond it everything is null.
const MOST_VALUES: usize = 5_000;

/// Items an array has at most, whatever its schema wants.
const MOST_ITEMS: u64 = 64;

/// Characters a text has at most, whatever its schema wants.
const LONGEST: u64 = 2_000;

/// Example values for names that tools often use, so that simulated calls can be read.
const EXAMPLES: &[(&str, &str)] = &[
    ("city", "Paris"),
    ("location", "Paris"),
    ("country", "France"),
    ("name", "Ada Lovelace"),
    ("email", "ada@example.com"),
    ("date", "2026-11-21"),
    ("time", "10:00:00"),
    ("timezone", "Europe/Paris"),
    ("unit", "celsius"),
    ("language", "en"),
    ("currency", "EUR"),
    ("url", "https://example.com/"),
    ("expression", "6 * 7"),
    ("path", "notes/example.txt"),
    ("command", "echo simulated"),
];

const FORMATS: &[(&str, &str)] = &[
    ("date", "2026-11-21"),
    ("date-time", "2026-11-21T10:00:05Z"),
    ("time", "10:00:05Z"),
    ("duration", "PT5M"),
    ("email", "ada@example.com"),
    ("hostname", "example.com"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uri", "https://example.com/"),
    ("url", "https://example.com/"),
    ("uuid", "00000000-0000-4000-8000-000000000042"),
];

/// A value for `schema`, drawn with `rng`.
pub(crate) fn value(schema: &Value, rng: &mut Rng) -> Value {
    Writer { root: schema, rng, left: MOST_VALUES }.write(schema, "", 0)
}

struct Writer<'a> {
    root: &'a Value,
    rng: &'a mut Rng,
    /// Values that may still be written.
    left: usize,
}

impl Writer<'_> {
    fn write(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let Some(fields) = schema.as_object() else { return Value::Null };
        if depth > DEEPEST || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            let target = to.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.write(target, name, depth + 1));
        }
        if let Some(value) = fields.get("const") {
            return value.clone();
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array) {
            return self.rng.choice(values).cloned().unwrap_or(Value::Null);
        }
        for key in ["anyOf", "oneOf", "any_of"] {
            if let Some(ways) = fields.get(key).and_then(Value::as_array)
                && !ways.is_empty()
            {
                return self.one_of(ways, name, depth);
            }
        }
        if let Some(parts) = fields.get("allOf").and_then(Value::as_array) {
            // Merging copies, so it costs more of what may be written.
            self.left = self.left.saturating_sub(100);
            return self.write(&merged(self.root, fields, parts), name, depth + 1);
        }
        match kind(fields).as_str() {
            "object" => self.object(fields, depth),
            "array" => self.array(fields, name, depth),
            "integer" => self.integer(fields),
            "number" => self.number(fields),
            "boolean" => Value::Bool(self.rng.bool()),
            "null" => Value::Null,
            _ => Value::String(self.text(fields, name)),
        }
    }

    /// The first way that is not null; deep down, the one that is written shortest.
    fn one_of(&mut self, ways: &[Value], name: &str, depth: usize) -> Value {
        if depth < FULL {
            let real = ways.iter().find(|way| way["type"] != "null").or(ways.first());
            return real.map_or(Value::Null, |way| self.write(way, name, depth + 1));
        }
        let simple = |way: &&Value| way.get("$ref").is_none() && way.get("properties").is_none();
        let way = ways.iter().find(|way| way["type"] == "null").or_else(|| ways.iter().find(simple)).or(ways.first());
        way.map_or(Value::Null, |way| self.write(way, name, depth + 1))
    }

    fn object(&mut self, fields: &Map<String, Value>, depth: usize) -> Value {
        let mut out = Map::new();
        let required: Vec<&str> =
            fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
            for (name, schema) in properties {
                if depth < FULL || required.contains(&name.as_str()) {
                    out.insert(name.clone(), self.write(schema, name, depth + 1));
                }
            }
        }
        for name in required {
            if !out.contains_key(name) {
                let schema = fields.get("additionalProperties").filter(|s| s.is_object()).cloned();
                out.insert(name.to_owned(), self.write(&schema.unwrap_or(json!({})), name, depth + 1));
            }
        }
        if let Some(schema) = fields.get("additionalProperties").filter(|s| s.is_object())
            && out.is_empty()
            && depth < FULL
        {
            out.insert("sample".to_owned(), self.write(schema, "sample", depth + 1));
        }
        Value::Object(out)
    }

    fn array(&mut self, fields: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let least = whole(fields, "minItems").unwrap_or(0);
        let most = whole(fields, "maxItems").unwrap_or(u64::MAX);
        let usual = if depth < FULL { 2 } else { 0 };
        let mut out = Vec::new();
        for schema in fields.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            out.push(self.write(schema, name, depth + 1));
        }
        let length = usual.max(least).min(most).min(MOST_ITEMS) as usize;
        let Some(schema) = fields.get("items").filter(|schema| schema.is_object()) else {
            while out.len() < least.min(MOST_ITEMS) as usize {
                out.push(json!("sample"));
            }
            return Value::Array(out);
        };
        let unique = fields.get("uniqueItems") == Some(&Value::Bool(true));
        let mut tries = 0;
        while out.len() < length && tries < 20 * (length + 1) {
            tries += 1;
            let item = self.write(schema, name.strip_suffix('s').unwrap_or(name), depth + 1);
            if !unique || !out.contains(&item) {
                out.push(item);
            } else if let Value::String(text) = &item
                && schema.get("enum").is_none()
            {
                out.push(Value::String(format!("{text} {}", out.len() + 1)));
            }
        }
        Value::Array(out)
    }

    fn integer(&mut self, fields: &Map<String, Value>) -> Value {
        let bound = |key: &str| fields.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|s| *s >= 1.0).map_or(1, |s| s as i64);
        let above = |key, shift: f64| bound(key).map(|v| ((v + shift) as i64).div_euclid(step));
        let least = bound("minimum")
            .map(|v| v.ceil() as i64)
            .or(bound("exclusiveMinimum").map(|v| (v.floor() as i64).saturating_add(1)));
        let least = least.map(|v| v.div_euclid(step).saturating_add(i64::from(v.rem_euclid(step) != 0)));
        let most = above("maximum", 0.0)
            .or_else(|| bound("exclusiveMaximum").map(|v| ((v.ceil() as i64).saturating_sub(1)).div_euclid(step)));
        let (least, most) = match (least, most) {
            (Some(least), Some(most)) => (least, most.max(least)),
            (Some(least), None) => (least, least.saturating_add(41)),
            (None, Some(most)) => (most.saturating_sub(41).max(0).min(most), most),
            (None, None) => (1, 42),
        };
        json!(self.rng.i64(least..=most.min(least.saturating_add(1_000))).saturating_mul(step))
    }

    fn number(&mut self, fields: &Map<String, Value>) -> Value {
        let bound = |key: &str| fields.get(key).and_then(Value::as_f64);
        if bound("multipleOf").is_some_and(|step| step >= 1.0) {
            return self.integer(fields);
        }
        let least = bound("minimum").or(bound("exclusiveMinimum"));
        let most = bound("maximum").or(bound("exclusiveMaximum"));
        let (least, most) = match (least, most) {
            (Some(least), Some(most)) => (least, most.max(least)),
            (Some(least), None) => (least, least + 42.0),
            (None, Some(most)) => (most - 42.0, most),
            (None, None) => (0.5, 42.0),
        };
        let drawn = least + (most - least) * f64::from(self.rng.u32(1..100)) / 100.0;
        let round = (drawn * 100.0).round() / 100.0;
        json!(if round > least && round < most { round } else { drawn })
    }

    fn text(&mut self, fields: &Map<String, Value>, name: &str) -> String {
        let least = whole(fields, "minLength").unwrap_or(0).min(LONGEST) as usize;
        let most = whole(fields, "maxLength").unwrap_or(LONGEST).min(LONGEST) as usize;
        if let Some(text) = fields.get("pattern").and_then(Value::as_str).and_then(|p| pattern::write(p, self.rng)) {
            return text;
        }
        if let Some(format) = fields.get("format").and_then(Value::as_str)
            && let Some((_, text)) = FORMATS.iter().find(|(known, _)| *known == format)
        {
            return (*text).to_owned();
        }
        let known = EXAMPLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut text = known.map_or_else(
            || if name.is_empty() { "sample".to_owned() } else { format!("sample {name}") },
            |(_, text)| (*text).to_owned(),
        );
        while text.chars().count() < least {
            text.push_str(" sample");
        }
        text.chars().take(most.max(least)).collect()
    }
}

/// The type, in lower case; the first that is not null if there are several; guessed from other keys if there is none.
fn kind(fields: &Map<String, Value>) -> String {
    let named = match fields.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").or(Some("null"))
        }
        _ => None,
    };
    let guess = || {
        if fields.contains_key("properties") || fields.contains_key("required") {
            "object"
        } else if fields.contains_key("items") || fields.contains_key("prefixItems") {
            "array"
        } else if fields.contains_key("minimum") || fields.contains_key("maximum") {
            "number"
        } else {
            "string"
        }
    };
    named.unwrap_or_else(guess).to_ascii_lowercase()
}

/// `allOf` as one schema: later parts add properties and requirements to earlier ones.
fn merged(root: &Value, fields: &Map<String, Value>, parts: &[Value]) -> Value {
    let mut out = fields.clone();
    out.remove("allOf");
    for part in parts {
        let pointer = part.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        let part = pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(part);
        for (key, value) in part.as_object().into_iter().flatten() {
            match (out.get_mut(key), value) {
                (Some(Value::Object(mine)), Value::Object(more)) => mine.extend(more.clone()),
                (Some(Value::Array(mine)), Value::Array(more)) => mine.extend(more.iter().cloned()),
                _ => {
                    out.insert(key.clone(), value.clone());
                }
            }
        }
    }
    Value::Object(out)
}

/// A whole number that Gemini may write as a string.
fn whole(fields: &Map<String, Value>, key: &str) -> Option<u64> {
    let value = fields.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
