//! Counting tokens for providers that do not count.
//!
//! Anthropic and Gemini answer how long a prompt is without answering the prompt. Where a model lives with a provider
//! that has no such endpoint, the question is answered here by an estimate, marked as one in a header; it is never
//! answered by asking the model something, which would cost money.

use crate::call::{Plan, Request};
use crate::headers;
use crate::reply::{Content, Reply};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::estimate;

/// Tokens that a picture or document in the request is taken for.
const MEDIUM: u64 = 1_500;
/// Tokens around each message and tool.
const FRAME: u64 = 4;

/// An estimate, if that is all there can be.
pub(crate) fn estimate(request: &Request, plan: &Plan) -> Option<Reply> {
    let counts = matches!(request.endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens);
    if !counts || plan.candidates.iter().any(|candidate| candidate.provider.speaks.contains(request.endpoint)) {
        return None;
    }
    // The body has been checked to be JSON, so this cannot fail but by memory.
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let parts = ["system", "messages", "tools", "systemInstruction", "contents", "generateContentRequest"];
    let tokens: u64 = parts.into_iter().filter_map(|part| body.get(part)).map(tokens).sum();
    let answer = match request.endpoint {
        Endpoint::CountTokens => json!({"input_tokens": tokens}),
        _ => json!({"totalTokens": tokens}),
    };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(&headers::X_SLUICEGATE_ESTIMATED, HeaderValue::from_static("true"));
    Some(Reply { status: StatusCode::OK, headers, content: Content::Whole(answer.to_string().into()) })
}

fn tokens(value: &Value) -> u64 {
    match value {
        Value::String(text) => estimate::tokens(text),
        Value::Array(items) => items.iter().map(tokens).sum(),
        Value::Object(fields) => {
            let medium = |key: &str| matches!(key, "source" | "inlineData" | "inline_data" | "fileData" | "file_data");
            let frame = if fields.contains_key("role") || fields.contains_key("name") { FRAME } else { 0 };
            let inside = fields.iter().map(|(key, value)| match key.as_str() {
                key if medium(key) => MEDIUM,
                "type" | "role" | "id" | "tool_use_id" | "cache_control" | "signature" => 0,
                _ => tokens(value),
            });
            frame + inside.sum::<u64>()
        }
        Value::Number(_) | Value::Bool(_) => 1,
        Value::Null => 0,
    }
}
