//! Gemini's `Schema`, the subset of JSON schema that `parameters` and `responseSchema` take.

use serde_json::Value;

use super::read::unknown;
use super::snake;
use crate::refusal::Outcome;

const FIELDS: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

const DEEPEST: usize = 64;

/// Refuses a schema that uses what the subset lacks.
pub(super) fn check(schema: &Value, at: &str, depth: usize) -> Outcome<()> {
    let Some(fields) = schema.as_object().filter(|_| depth < DEEPEST) else { return Ok(()) };
    for (name, value) in fields {
        if !FIELDS.iter().any(|known| *known == name || snake(known) == *name) {
            return Err(unknown(name, at));
        }
        match (name.as_str(), value) {
            // A list of types is JSON schema's way of saying `nullable`.
            ("type", Value::Array(_)) => return Err(unknown("type", at)),
            ("properties", Value::Object(properties)) => {
                for (number, inner) in properties.values().enumerate() {
                    check(inner, &format!("{at}.properties[{number}].value"), depth + 1)?;
                }
            }
            ("anyOf" | "any_of", Value::Array(ways)) => {
                for (number, inner) in ways.iter().enumerate() {
                    check(inner, &format!("{at}.any_of[{number}]"), depth + 1)?;
                }
            }
            ("items", inner) => check(inner, &format!("{at}.items"), depth + 1)?,
            _ => {}
        }
    }
    Ok(())
}
