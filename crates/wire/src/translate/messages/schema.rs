//! JSON schemas as Anthropic restricts them.
//!
//! Anthropic promises that an answer matches a schema only for part of JSON Schema: every object must be closed, and
//! limits on numbers, lengths and patterns are refused. An object that says nothing about further properties is
//! closed here, which changes no sensible answer; a limit that would not be enforced is left out and named.

use serde_json::{Map, Value};

/// Keywords that restrict values and that Anthropic's structured output does not take.
const UNENFORCED: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Keywords whose values are schemas by name.
const MAPS: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];

/// Keywords whose value is a schema or a list of schemas; all others (`enum`, `const`, `default`) hold plain values.
const SCHEMAS: [&str; 6] = ["items", "prefixItems", "anyOf", "oneOf", "allOf", "not"];

/// Closes every object and takes out what is not enforced. Returns the keywords taken out, each once.
///
/// The value comes from a parser that bounds its depth, and so is the recursion.
pub(super) fn close(schema: &mut Value) -> Vec<&'static str> {
    let mut removed = Vec::new();
    close_within(schema, &mut removed);
    removed
}

fn close_within(schema: &mut Value, removed: &mut Vec<&'static str>) {
    let Value::Object(map) = schema else { return };
    let mut note = |keyword| {
        if !removed.contains(&keyword) {
            removed.push(keyword);
        }
    };
    for keyword in UNENFORCED {
        if map.shift_remove(keyword).is_some() {
            note(keyword);
        }
    }
    // Anthropic takes 0 and 1 here.
    if map.get("minItems").and_then(Value::as_u64).is_some_and(|n| n > 1) {
        map.shift_remove("minItems");
        note("minItems");
    }
    map.shift_remove("$schema");
    if is_object_schema(map) {
        let before = map.insert("additionalProperties".to_owned(), Value::Bool(false));
        if before.is_some_and(|before| before != Value::Bool(false)) {
            note("additionalProperties");
        }
    }
    for (keyword, value) in map.iter_mut() {
        match value {
            Value::Object(named) if MAPS.contains(&keyword.as_str()) => {
                named.values_mut().for_each(|child| close_within(child, removed));
            }
            Value::Array(list) if SCHEMAS.contains(&keyword.as_str()) => {
                list.iter_mut().for_each(|child| close_within(child, removed));
            }
            Value::Object(_) if SCHEMAS.contains(&keyword.as_str()) => close_within(value, removed),
            _ => {}
        }
    }
}

fn is_object_schema(map: &Map<String, Value>) -> bool {
    match map.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => map.contains_key("properties"),
    }
}
