//! `POST /v1/embeddings`, and the vectors of all dialects.
//!
//! A vector is the sum of what its tokens contribute, each to a few places, and has length one: texts that share words
//! are near each other, so that a search over simulated vectors finds something sensible.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::check;
use crate::call::{Call, Reply};
use crate::refusal::{Outcome, Refusal};
use crate::seed::Digest;
use crate::tokens;

const FIELDS: &[&str] = &["model", "input", "dimensions", "encoding_format", "user", "input_type"];

/// Inputs that one request may have.
const MOST_INPUTS: usize = 2048;

/// Tokens that one request may have.
const MOST_TOKENS: u64 = 300_000;

/// Places that one token contributes to.
const SPREAD: u64 = 16;

/// The vector of `text`.
pub(crate) fn vector(text: &str, seed: u64, dimensions: usize) -> Vec<f32> {
    let mut values = vec![0.0_f32; dimensions];
    // A little of the whole text, so that no two texts have the same vector and none is all zero.
    let mut whole = Digest::new(seed);
    whole.absorb(text.as_bytes());
    contribute(&mut values, whole, 0.25);
    for piece in tokens::pieces(text) {
        let mut digest = Digest::new(seed);
        digest.absorb(piece.trim().to_lowercase().as_bytes());
        contribute(&mut values, digest, 1.0);
    }
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = values.first_mut() {
        *first = 1.0;
    }
    values
}

fn contribute(values: &mut [f32], digest: Digest, weight: f32) {
    let places = values.len().max(1) as u64;
    for n in 0..SPREAD {
        let drawn = digest.with(n).value();
        if let Some(value) = values.get_mut((drawn % places) as usize) {
            *value += if drawn >> 63 == 0 { weight } else { -weight };
        }
    }
}

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, deployment: Option<&str>) -> Outcome<Reply> {
    let body = call.parse()?;
    let model = check::model(&body, deployment)?;
    check::fields(&body, FIELDS, call.is_strict())?;
    let inputs = inputs(&body)?;
    let usual = if model.contains("large") { 3072 } else { 1536 };
    let dimensions = check::whole(&body, "dimensions", 1, usual)?.unwrap_or(usual) as usize;
    let base64 = match check::text(&body, "encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(check::wrong_value("encoding_format", other, &["float", "base64"])),
    };
    let total: u64 = inputs.iter().map(|input| input.tokens).sum();
    if total > MOST_TOKENS {
        return Err(Refusal::bad(format!(
            "Invalid 'input': maximum request size is {MOST_TOKENS} tokens per request, but got {total}."
        ))
        .code("max_tokens_per_request"));
    }
    let last = inputs.last().map(|input| input.text.clone()).unwrap_or_default();
    call.begin_with(model, &last, total, 0)?;
    let seed = call.shared.options.seed;
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let values = vector(&input.text, seed, dimensions);
            let embedding = if base64 {
                let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(raw))
            } else {
                json!(values)
            };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    Ok(Reply::json(&json!({
        "object": "list",
        "data": data,
        "model": call.model_name(model),
        "usage": { "prompt_tokens": total, "total_tokens": total },
    })))
}

struct Input {
    text: String,
    tokens: u64,
}

fn inputs(body: &Value) -> Outcome<Vec<Input>> {
    let wrong = |got: &Value| check::wrong_type("input", "a string, an array of strings or arrays of tokens", got);
    let text = |text: &String| {
        if text.is_empty() {
            return Err(check::invalid("input", "Invalid 'input': input cannot be an empty string."));
        }
        Ok(Input { text: text.clone(), tokens: tokens::count(text) })
    };
    let tokens = |list: &[Value]| {
        let fine = !list.is_empty() && list.iter().all(Value::is_u64);
        fine.then(|| Input { text: Value::Array(list.to_vec()).to_string(), tokens: list.len() as u64 })
    };
    match body.get("input") {
        None | Some(Value::Null) => Err(check::missing("input")),
        Some(Value::String(one)) => Ok(vec![text(one)?]),
        Some(Value::Array(list)) if list.is_empty() => {
            Err(check::invalid("input", "Invalid 'input': input cannot be an empty array."))
        }
        Some(Value::Array(list)) if list.len() > MOST_INPUTS && !list.iter().all(Value::is_u64) => Err(Refusal::bad(
            format!("Invalid 'input': array too long. Expected an array with maximum length {MOST_INPUTS}."),
        )
        .param("input")
        .code("array_above_max_length")),
        Some(Value::Array(list)) => {
            if let Some(one) = tokens(list) {
                return Ok(vec![one]);
            }
            list.iter()
                .map(|item| match item {
                    Value::String(one) => text(one),
                    Value::Array(list) => tokens(list).ok_or_else(|| wrong(item)),
                    other => Err(wrong(other)),
                })
                .collect()
        }
        Some(other) => Err(wrong(other)),
    }
}
