//! OpenAI's way of refusing a field: which, why, and a code.
//!
//! The words are those of the API, because clients match on them.

use serde_json::Value;

use crate::refusal::{Outcome, Refusal};

/// What OpenAI calls the type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) fn missing(param: &str) -> Box<Refusal> {
    Refusal::bad(format!("Missing required parameter: '{param}'.")).param(param).code("missing_required_parameter")
}

pub(super) fn wrong_type(param: &str, expected: &str, got: &Value) -> Box<Refusal> {
    Refusal::bad(format!("Invalid type for '{param}': expected {expected}, but got {} instead.", kind(got)))
        .param(param)
        .code("invalid_type")
}

pub(super) fn wrong_value(param: &str, got: &str, known: &[&str]) -> Box<Refusal> {
    let listed = match known {
        [first] => format!("'{first}'"),
        [first, second] => format!("'{first}' and '{second}'"),
        [all @ .., last] => {
            format!("{}, and '{last}'", all.iter().map(|k| format!("'{k}'")).collect::<Vec<_>>().join(", "))
        }
        [] => String::new(),
    };
    Refusal::bad(format!("Invalid value: '{got}'. Supported values are: {listed}.")).param(param).code("invalid_value")
}

pub(super) fn invalid(param: &str, message: impl Into<std::borrow::Cow<'static, str>>) -> Box<Refusal> {
    Refusal::bad(message).param(param).code("invalid_value")
}

/// The model's name, from the path if it names one.
pub(super) fn model<'v>(body: &'v Value, deployment: Option<&'v str>) -> Outcome<&'v str> {
    match (deployment, body.get("model")) {
        (Some(name), _) => Ok(name),
        (None, Some(Value::String(name))) if !name.is_empty() => Ok(name),
        (None, Some(Value::String(_)) | None | Some(Value::Null)) => {
            Err(Refusal::bad("you must provide a model parameter"))
        }
        (None, Some(other)) => Err(wrong_type("model", "a string", other)),
    }
}

/// A field that is absent, null or of the right type.
pub(super) fn text<'v>(body: &'v Value, param: &str) -> Outcome<Option<&'v str>> {
    match body.get(param) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(param, "a string", other)),
    }
}

pub(super) fn flag(body: &Value, param: &str) -> Outcome<Option<bool>> {
    match body.get(param) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong_type(param, "a boolean", other)),
    }
}

pub(super) fn whole(body: &Value, param: &str, least: i64, most: i64) -> Outcome<Option<i64>> {
    let value = match body.get(param) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = value.as_i64().ok_or_else(|| wrong_type(param, "an integer", value))?;
    let side = if number < least {
        ("integer_below_min_value", "below minimum", ">=", least)
    } else if number > most {
        ("integer_above_max_value", "above maximum", "<=", most)
    } else {
        return Ok(Some(number));
    };
    let (code, what, sign, bound) = side;
    Err(Refusal::bad(format!(
        "Invalid '{param}': integer {what} value. Expected a value {sign} {bound}, but got {number} instead."
    ))
    .param(param)
    .code(code))
}

pub(super) fn decimal(body: &Value, param: &str, least: f64, most: f64) -> Outcome<Option<f64>> {
    let value = match body.get(param) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = value.as_f64().ok_or_else(|| wrong_type(param, "a decimal", value))?;
    let side = if number < least {
        ("decimal_below_min_value", "below minimum", ">=", least)
    } else if number > most {
        ("decimal_above_max_value", "above maximum", "<=", most)
    } else {
        return Ok(Some(number));
    };
    let (code, what, sign, bound) = side;
    Err(Refusal::bad(format!(
        "Invalid '{param}': decimal {what} value. Expected a value {sign} {bound}, but got {number} instead."
    ))
    .param(param)
    .code(code))
}

/// Stop strings: one or up to four.
pub(super) fn stop(body: &Value) -> Outcome<Vec<String>> {
    match body.get("stop") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(Value::Array(stops)) if stops.len() <= 4 => stops
            .iter()
            .map(|stop| stop.as_str().map(str::to_owned).ok_or_else(|| wrong_type("stop", "an array of strings", stop)))
            .collect(),
        Some(Value::Array(stops)) => Err(Refusal::bad(format!(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length {} \
             instead.",
            stops.len()
        ))
        .param("stop")
        .code("array_above_max_length")),
        Some(other) => Err(wrong_type("stop", "a string or an array of strings", other)),
    }
}

/// Refuses fields that are not in `known`.
pub(super) fn fields(body: &Value, known: &[&str], strict: bool) -> Outcome<()> {
    if !strict {
        return Ok(());
    }
    match body.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Refusal::bad(format!("Unrecognized request argument supplied: {name}"))),
        None => Ok(()),
    }
}

/// A name that a function may have.
pub(super) fn function_name(name: &str, param: &str) -> Outcome<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern \
         '^[a-zA-Z0-9_-]+$' of at most 64 characters."
    ))
    .param(param)
    .code("invalid_value"))
}

/// An id of at most 64 characters.
pub(super) fn call_id(id: &str, param: &str) -> Outcome<()> {
    if id.len() <= 64 {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "Invalid '{param}': string too long. Expected a string with maximum length 64, but got a string with length {} \
         instead.",
        id.len()
    ))
    .param(param)
    .code("string_above_max_length"))
}
