//! `POST /v1/moderations`. A text is flagged for the categories whose first word it contains.

use serde_json::{Map, Value, json};

use super::check;
use crate::call::{Call, Reply};
use crate::refusal::Outcome;
use crate::tokens;

const CATEGORIES: &[&str] = &[
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// The model when a request does not say.
const USUAL_MODEL: &str = "omni-moderation-latest";

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>) -> Outcome<Reply> {
    let body = call.parse()?;
    let model = check::text(&body, "model")?.unwrap_or(USUAL_MODEL);
    check::fields(&body, &["model", "input"], call.is_strict())?;
    let inputs = inputs(&body)?;
    let count = inputs.iter().map(|input| tokens::count(input)).sum();
    let last = inputs.last().map(String::as_str).unwrap_or_default();
    call.begin_with(model, last, count, 0)?;
    let results: Vec<Value> = inputs.iter().map(|input| result(input)).collect();
    Ok(Reply::json(&json!({ "id": call.id("modr-", 24, 0), "model": call.model_name(model), "results": results })))
}

/// The texts to judge. A list of parts is one input, a list of strings several.
fn inputs(body: &Value) -> Outcome<Vec<String>> {
    match body.get("input") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) && !list.is_empty() => {
            Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(Value::Array(list)) if list.iter().all(Value::is_object) && !list.is_empty() => {
            let texts: Vec<&str> = list.iter().filter_map(|part| part["text"].as_str()).collect();
            Ok(vec![texts.join("\n")])
        }
        None | Some(Value::Null) => Err(check::missing("input")),
        Some(other) => Err(check::wrong_type("input", "one of a string or array", other)),
    }
}

fn result(input: &str) -> Value {
    let lower = input.to_lowercase();
    let (mut flags, mut scores, mut kinds) = (Map::new(), Map::new(), Map::new());
    for category in CATEGORIES {
        let hit = !category.contains('/') && lower.contains(category);
        flags.insert((*category).to_owned(), json!(hit));
        scores.insert((*category).to_owned(), json!(if hit { 0.97 } else { 0.000_1 }));
        kinds.insert((*category).to_owned(), json!(["text"]));
    }
    json!({
        "flagged": flags.values().any(|flag| flag == true),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": kinds,
    })
}
