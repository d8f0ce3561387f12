//! Gemini's endpoints.

mod contents;
mod embed;
mod read;
mod schema;
mod write;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::{Call, Reply};
use crate::refusal::Outcome;
use crate::route::{Verb, query_value};

/// `POST /v1beta/models/{model}:{verb}`.
pub(crate) fn handle(call: &mut Call<'_>, model: &str, verb: Verb, query: Option<&str>) -> Outcome<Reply> {
    let body = call.parse()?;
    match verb {
        Verb::Generate | Verb::Stream => {
            let (ask, wish) = read::read(call, &body, model)?;
            call.begin(&ask)?;
            call.allow(wish.candidates)?;
            let answers: Vec<Answer> = (0..wish.candidates).map(|index| call.answer(&ask, index)).collect();
            let writer = write::Writer::new(call, &ask, &wish, &answers);
            if verb == Verb::Generate {
                return Ok(writer.whole());
            }
            let sse = query.and_then(|query| query_value(query, "alt")) == Some("sse");
            Ok(Reply::Events(writer.stream(sse)))
        }
        Verb::CountTokens => {
            let inner = field(&body, "generateContentRequest").unwrap_or(&body);
            let (ask, _) = read::read(call, inner, model)?;
            call.begin_with(model, &ask.user, 0, 0)?;
            Ok(Reply::json(&json!({
                "totalTokens": ask.input_tokens,
                "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": ask.input_tokens }],
            })))
        }
        Verb::Embed => embed::one(call, model, &body),
        Verb::BatchEmbed => embed::batch(call, model, &body),
    }
}

/// The list of models.
pub(crate) fn models(call: &Call<'_>) -> Value {
    let ids = call.shared.options.listed();
    json!({ "models": ids.iter().map(|id| one(id)).collect::<Vec<_>>() })
}

/// One model.
pub(crate) fn one(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": format!("{id} (simulated)"),
        "description": "A simulated model.",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
        "temperature": 1.0,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2.0,
    })
}

/// A field under its name in camel case or in snake case; the API takes both.
fn field<'v>(object: &'v Value, camel: &str) -> Option<&'v Value> {
    let value = object.get(camel).or_else(|| object.get(snake(camel)));
    value.filter(|value| !value.is_null())
}

/// `maxOutputTokens` as `max_output_tokens`.
fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
