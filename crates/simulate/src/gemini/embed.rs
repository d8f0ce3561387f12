//! `embedContent` and `batchEmbedContents`.

use serde_json::{Value, json};

use super::{contents, field};
use crate::ask::Ask;
use crate::call::{Call, Reply};
use crate::openai::embeddings::vector;
use crate::refusal::{Outcome, Refusal};

const DIMENSIONS: u64 = 3072;

pub(super) fn one(call: &mut Call<'_>, model: &str, body: &Value) -> Outcome<Reply> {
    let (values, text, tokens) = embed(call, body)?;
    call.begin_with(model, &text, tokens, 0)?;
    Ok(Reply::json(&json!({ "embedding": { "values": values } })))
}

pub(super) fn batch(call: &mut Call<'_>, model: &str, body: &Value) -> Outcome<Reply> {
    let requests = field(body, "requests").and_then(Value::as_array).filter(|requests| !requests.is_empty());
    let requests =
        requests.ok_or_else(|| Refusal::bad("* BatchEmbedContentsRequest.requests: requests is not specified\n"))?;
    if requests.len() > 100 {
        return Err(Refusal::bad("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"));
    }
    let mut embeddings = Vec::with_capacity(requests.len());
    let (mut last, mut total) = (String::new(), 0);
    for request in requests {
        let (values, text, tokens) = embed(call, request)?;
        embeddings.push(json!({ "values": values }));
        last = text;
        total += tokens;
    }
    call.begin_with(model, &last, total, 0)?;
    Ok(Reply::json(&json!({ "embeddings": embeddings })))
}

/// The vector for one request, its text and its tokens.
fn embed(call: &Call<'_>, request: &Value) -> Outcome<(Vec<f32>, String, u64)> {
    let content = field(request, "content");
    let content = content.ok_or_else(|| Refusal::bad("* EmbedContentRequest.content: content is not specified\n"))?;
    let mut ask = Ask::new(call.shared.options.seed, "".into());
    contents::system(&mut ask, content)?;
    let parts = field(content, "parts").and_then(Value::as_array);
    let text: Vec<&str> = parts.into_iter().flatten().filter_map(|part| part["text"].as_str()).collect();
    let text = text.join("\n");
    let dimensions = field(request, "outputDimensionality").map_or(Some(DIMENSIONS), Value::as_u64);
    let dimensions = dimensions.filter(|dimensions| (1..=DIMENSIONS).contains(dimensions));
    let dimensions =
        dimensions.ok_or_else(|| Refusal::bad("* EmbedContentRequest.output_dimensionality: out of range\n"))?;
    Ok((vector(&text, call.shared.options.seed, dimensions as usize), text, ask.input_tokens))
}
