//! JSON schemas between dialects of JSON schema.
//!
//! Three dialects meet: JSON Schema proper, OpenAI's strict subset (every property required, no others allowed), and
//! Gemini's older subset of OpenAPI (one type a schema, `nullable` beside it, no references). A schema that a provider
//! takes whole is carried as its very text; only where a provider is known to refuse it is it parsed and rewritten here.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Nesting of references beyond which a schema counts as recursive.
const MAX_REFERENCES: usize = 16;

/// The most nodes a schema may grow to while its references are written out.
const MAX_NODES: usize = 20_000;

/// What Gemini's OpenAPI subset knows, and what is kept of a schema.
const OPENAPI: [&str; 22] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];

/// Formats of values that Gemini's subset accepts; others are hints it refuses.
const OPENAPI_FORMATS: [&str; 8] = ["float", "double", "int32", "int64", "enum", "date-time", "date", "time"];

/// Whether OpenAI would take this schema as strict: every object closed and all its properties required.
#[must_use]
pub fn fits_strict(schema: &RawValue) -> bool {
    serde_json::from_str(schema.get()).is_ok_and(|schema: Value| strict(&schema))
}

/// The schema of a function's arguments as OpenAI takes it: an object must name its properties, were there none.
#[must_use]
pub fn with_properties(schema: &RawValue) -> Cow<'_, RawValue> {
    let text = schema.get();
    let bare = serde_json::from_str::<Top>(text)
        .is_ok_and(|top| top.kind.is_some_and(|kind| kind.get() == "\"object\"") && top.properties.is_none());
    let whole = text.strip_suffix('}').filter(|_| bare).map(|open| format!("{open},\"properties\":{{}}}}"));
    match whole.and_then(|whole| RawValue::from_string(whole).ok()) {
        Some(whole) => Cow::Owned(whole),
        None => Cow::Borrowed(schema),
    }
}

/// The two members that [`with_properties`] looks at.
#[derive(Deserialize)]
struct Top<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

fn strict(schema: &Value) -> bool {
    let Some(object) = schema.as_object() else { return false };
    let properties = object.get("properties").and_then(Value::as_object);
    let is_object = properties.is_some() || types(object).any(|t| t == "object");
    if is_object {
        let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
        let required = object.get("required").and_then(Value::as_array);
        let all = properties
            .into_iter()
            .flat_map(Map::keys)
            .all(|name| required.is_some_and(|required| required.iter().any(|word| word.as_str() == Some(name))));
        if !closed || !all {
            return false;
        }
    }
    let named = ["properties", "$defs", "definitions"].iter().filter_map(|key| object.get(*key)?.as_object());
    let listed = ["anyOf", "allOf", "oneOf"].iter().filter_map(|key| object.get(*key)?.as_array());
    named.flat_map(Map::values).chain(listed.flatten()).chain(object.get("items")).all(strict)
}

/// The types a schema names, in lower case.
fn types(schema: &Map<String, Value>) -> impl Iterator<Item = String> {
    let named = match schema.get("type") {
        Some(Value::String(one)) => vec![one.to_ascii_lowercase()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect(),
        _ => Vec::new(),
    };
    named.into_iter()
}

/// A schema in Gemini's OpenAPI subset, and whether anything it said was lost. `None` when it refers to itself, which
/// the subset cannot say.
#[must_use]
pub fn to_openapi(schema: &RawValue) -> Option<(Value, bool)> {
    let root: Value = serde_json::from_str(schema.get()).ok()?;
    let mut cleaning = Cleaning { root: &root, references: 0, nodes: 0, lost: false };
    let clean = cleaning.clean(&root)?;
    Some((clean, cleaning.lost))
}

struct Cleaning<'a> {
    root: &'a Value,
    references: usize,
    nodes: usize,
    lost: bool,
}

impl<'a> Cleaning<'a> {
    fn clean(&mut self, schema: &'a Value) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        let Some(object) = schema.as_object() else {
            // `true` allows anything, which an empty schema says too.
            return Some(Value::Object(Map::new()));
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(reference.strip_prefix('#')?)?;
            self.references += 1;
            let clean = if self.references > MAX_REFERENCES { None } else { self.clean(target) };
            self.references -= 1;
            return clean;
        }
        let mut out = Map::new();
        for (key, value) in object {
            self.member(key, value, &mut out)?;
        }
        Some(Value::Object(out))
    }

    fn member(&mut self, key: &str, value: &'a Value, out: &mut Map<String, Value>) -> Option<()> {
        match (key, value) {
            // Notes to tools, and definitions that were written out where they are used.
            ("$schema" | "$id" | "$comment" | "$defs" | "definitions" | "additionalProperties" | "strict", _) => {}
            ("const", value) => self.choices(std::slice::from_ref(value), out),
            ("enum", Value::Array(values)) => self.choices(values, out),
            ("type", Value::Array(_)) => return self.type_list(value, out),
            ("format", Value::String(format)) if !OPENAPI_FORMATS.contains(&format.as_str()) => self.lost = true,
            ("properties", Value::Object(properties)) => {
                let mut clean = Map::new();
                for (name, schema) in properties {
                    clean.insert(name.clone(), self.clean(schema)?);
                }
                out.insert(key.to_owned(), Value::Object(clean));
            }
            ("items", value) => {
                let clean = self.clean(value)?;
                out.insert(key.to_owned(), clean);
            }
            ("anyOf" | "oneOf", Value::Array(choices)) => return self.any_of(choices, out),
            ("allOf", Value::Array(parts)) => {
                for part in parts {
                    if let Value::Object(members) = self.clean(part)? {
                        out.extend(members);
                    }
                }
                self.lost |= parts.len() > 1;
            }
            ("exclusiveMinimum" | "exclusiveMaximum", value) => {
                out.insert(if key.ends_with("Minimum") { "minimum" } else { "maximum" }.to_owned(), value.clone());
                self.lost = true;
            }
            (key, value) if OPENAPI.contains(&key) => {
                out.insert(key.to_owned(), value.clone());
            }
            _ => self.lost = true,
        }
        Some(())
    }

    /// Gemini's enumerations are of strings only.
    fn choices(&mut self, values: &[Value], out: &mut Map<String, Value>) {
        if values.iter().all(Value::is_string) {
            out.insert("enum".to_owned(), Value::Array(values.to_vec()));
            out.entry("type").or_insert_with(|| Value::String("string".to_owned()));
        } else {
            self.lost = true;
        }
    }

    fn type_list(&mut self, value: &Value, out: &mut Map<String, Value>) -> Option<()> {
        let names: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
        let mut real = names.iter().filter(|name| **name != "null").map(|name| Value::String((*name).to_owned()));
        if names.contains(&"null") {
            out.insert("nullable".to_owned(), Value::Bool(true));
        }
        match (real.next(), real.next()) {
            (Some(only), None) => {
                out.insert("type".to_owned(), only);
            }
            (Some(first), Some(second)) => {
                let one = |name| Value::Object(Map::from_iter([("type".to_owned(), name)]));
                out.insert(
                    "anyOf".to_owned(),
                    Value::Array([first, second].into_iter().chain(real).map(one).collect()),
                );
            }
            _ => {}
        }
        Some(())
    }

    /// A choice with null in it is the other choices, nullable.
    fn any_of(&mut self, choices: &'a [Value], out: &mut Map<String, Value>) -> Option<()> {
        let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
        if choices.iter().any(|choice| is_null(&choice)) {
            out.insert("nullable".to_owned(), Value::Bool(true));
        }
        let mut real = Vec::with_capacity(choices.len());
        for choice in choices.iter().filter(|choice| !is_null(choice)) {
            real.push(self.clean(choice)?);
        }
        match (real.pop(), real.is_empty()) {
            (Some(Value::Object(only)), true) => out.extend(only),
            (Some(last), _) => {
                real.push(last);
                out.insert("anyOf".to_owned(), Value::Array(real));
            }
            (None, _) => {}
        }
        Some(())
    }
}

/// JSON Schema from Gemini's OpenAPI subset: types in lower case, `nullable` as a type.
///
/// # Errors
/// When the schema is not JSON that this program can hold.
pub fn from_openapi(schema: &RawValue) -> Result<Box<RawValue>, serde_json::Error> {
    let mut schema: Value = serde_json::from_str(schema.get())?;
    proper(&mut schema);
    serde_json::value::to_raw_value(&schema)
}

fn proper(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::String(name)) = object.get_mut("type") {
        name.make_ascii_lowercase();
    }
    for (snake, camel) in [("any_of", "anyOf"), ("max_items", "maxItems"), ("min_items", "minItems")] {
        if let Some(value) = object.shift_remove(snake) {
            object.insert(camel.to_owned(), value);
        }
    }
    // How Gemini orders what it writes; JSON Schema has no word for it.
    object.shift_remove("propertyOrdering");
    object.shift_remove("property_ordering");
    let nullable = object.shift_remove("nullable") == Some(Value::Bool(true));
    if nullable {
        let null = || Value::String("null".to_owned());
        if let Some(kind @ Value::String(_)) = object.get_mut("type") {
            *kind = Value::Array(vec![kind.take(), null()]);
        } else if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.push(Value::Object(Map::from_iter([("type".to_owned(), null())])));
        }
        if let Some(Value::Array(choices)) = object.get_mut("enum") {
            choices.push(Value::Null);
        }
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(proper);
    }
    if let Some(items) = object.get_mut("items") {
        proper(items);
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.iter_mut().for_each(proper);
    }
    // Counts are strings in Gemini's own spelling of 64-bit numbers.
    for key in ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"] {
        if let Some(value) = object.get_mut(key)
            && let Some(count) = value.as_str().and_then(|text| text.parse::<u64>().ok())
        {
            *value = Value::from(count);
        }
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
