//! `GET /v1/models`, and one model of any dialect.

use serde_json::{Value, json};
use sluicegate_vocabulary::Dialect;

use crate::call::{Call, Reply};
use crate::refusal::{Outcome, Refusal};
use crate::{anthropic, gemini};

/// The list of models.
pub(crate) fn list(call: &Call<'_>) -> Value {
    let data: Vec<Value> = call.shared.options.listed().iter().map(|id| model(id)).collect();
    json!({ "object": "list", "data": data })
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_792_540_800, "owned_by": "sluicegate-simulator" })
}

/// One model, in the shape the caller's headers ask for.
pub(crate) fn one(call: &Call<'_>, id: &str) -> Outcome<Reply> {
    if !call.shared.options.knows(id) {
        return Err(match call.dialect {
            Dialect::OpenAi => {
                Refusal::new(404, format!("The model '{id}' does not exist")).param("model").code("model_not_found")
            }
            Dialect::Anthropic => Refusal::new(404, format!("model: {id}")),
            Dialect::Gemini => Refusal::new(404, format!("Model models/{id} is not found.")),
        });
    }
    Ok(Reply::json(&match call.dialect {
        Dialect::OpenAi => model(id),
        Dialect::Anthropic => anthropic::one(id),
        Dialect::Gemini => gemini::one(id),
    }))
}
