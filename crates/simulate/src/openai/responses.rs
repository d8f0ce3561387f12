//! `POST /v1/responses` and what hangs on it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::responses_events;
use super::stored::Kept;
use super::{check, input};
use crate::answer::{Answer, Finish};
use crate::ask::Ask;
use crate::call::{Call, Reply, unix_now};
use crate::json::{look, put};
use crate::refusal::{Outcome, Refusal};
use crate::seed;

const FIELDS: &[&str] = &[
    "input",
    "model",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "conversation",
    "prompt",
    "include",
    "store",
    "background",
    "truncation",
    "service_tier",
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "context_management",
    "top_logprobs",
    "temperature",
    "top_p",
    "stream",
    "stream_options",
    "safety_identifier",
    "user",
];

/// The least `max_output_tokens` that the API takes.
const LEAST_OUTPUT: i64 = 16;

const NOT_VERIFIED: &str = "could not be verified. Reason: Encrypted content could not be decrypted or parsed.";

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>) -> Outcome<Reply> {
    let body = call.parse()?;
    let items = items(call, &body)?;
    let ask = read(call, &body, &items)?;
    if *look(&body, &["background"]) == true {
        return Err(check::invalid("background", "Background responses are not simulated."));
    }
    call.begin(&ask)?;
    let answer = call.answer(&ask, 0);
    let response = response(call, &body, &ask, &answer);
    if *look(&body, &["store"]) != false {
        let id = look(&response, &["id"]).as_str().unwrap_or_default().to_owned();
        let mut all = items.clone();
        all.extend(look(&response, &["output"]).as_array().cloned().unwrap_or_default());
        call.shared.responses.lock().put(id, Kept { response: response.clone(), items: all });
    }
    Ok(if ask.stream {
        Reply::Events(responses_events::stream(call, &response, &answer))
    } else {
        Reply::timed(&response, answer.output_tokens)
    })
}

/// `POST /v1/responses/input_tokens`.
pub(crate) fn count(call: &mut Call<'_>) -> Outcome<Reply> {
    let body = call.parse()?;
    let items = items(call, &body)?;
    let ask = read(call, &body, &items)?;
    Ok(Reply::json(&json!({ "object": "response.input_tokens", "input_tokens": ask.input_tokens })))
}

/// `GET` and `DELETE /v1/responses/{id}`.
pub(crate) fn stored(call: &Call<'_>, id: &str) -> Outcome<Reply> {
    let mut stored = call.shared.responses.lock();
    let missing = || Refusal::new(404, format!("Response with id '{id}' not found."));
    if call.method == http::Method::DELETE {
        return if stored.remove(id) {
            Ok(Reply::json(&json!({ "id": id, "object": "response", "deleted": true })))
        } else {
            Err(missing())
        };
    }
    stored.get(id).map(|kept| Reply::json(&kept.response)).ok_or_else(missing)
}

/// The whole conversation: what was stored before, and what comes with this request.
fn items(call: &Call<'_>, body: &Value) -> Outcome<Vec<Value>> {
    let mut items = Vec::new();
    if let Some(id) = check::text(body, "previous_response_id")? {
        let stored = call.shared.responses.lock();
        let kept = stored.get(id).ok_or_else(|| {
            Refusal::bad(format!("Previous response with id '{id}' not found."))
                .param("previous_response_id")
                .code("previous_response_not_found")
        })?;
        items.extend(kept.items.iter().cloned());
    }
    match body.get("input") {
        None | Some(Value::Null) => return Err(check::missing("input")),
        Some(Value::String(text)) => items.push(json!({ "role": "user", "content": text })),
        Some(Value::Array(list)) => items.extend(list.iter().cloned()),
        Some(other) => return Err(check::wrong_type("input", "one of a string or array of items", other)),
    }
    Ok(items)
}

fn read<'v>(call: &Call<'_>, body: &'v Value, items: &'v [Value]) -> Outcome<Ask<'v>> {
    let mut ask = Ask::new(call.shared.options.seed, Cow::Borrowed(check::model(body, None)?));
    check::fields(body, FIELDS, call.is_strict())?;
    if let Some(instructions) = check::text(body, "instructions")? {
        ask.message();
        ask.text(instructions);
    }
    conversation(&mut ask, items, call)?;
    for (at, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let param = format!("tools[{at}]");
        let kind = tool["type"].as_str().ok_or_else(|| check::missing(&format!("{param}.type")))?;
        // Tools that run at OpenAI are accepted; the simulator has none and never uses them.
        if matches!(kind, "function" | "custom") {
            input::tool(&mut ask, tool, &param, kind == "custom")?;
        }
    }
    input::output(&mut ask, body.get("text").and_then(|text| text.get("format")), "text.format", false)?;
    for (param, least, most) in [("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)] {
        check::decimal(body, param, least, most)?;
    }
    let most = check::whole(body, "max_output_tokens", LEAST_OUTPUT, i64::MAX)?;
    ask.max_tokens = most.map(i64::unsigned_abs);
    ask.stream = check::flag(body, "stream")?.unwrap_or(false);
    ask.parallel = check::flag(body, "parallel_tool_calls")?.unwrap_or(true);
    if let Some(reasoning) = body.get("reasoning").filter(|reasoning| reasoning.is_object()) {
        ask.thinking = input::effort(check::text(reasoning, "effort")?, "reasoning.effort")?;
        ask.thinking |= reasoning["effort"].is_null() && reasoning["summary"].is_string();
    }
    Ok(ask)
}

fn conversation<'v>(ask: &mut Ask<'v>, items: &'v [Value], call: &Call<'_>) -> Outcome<()> {
    let mut calls: BTreeSet<&str> = BTreeSet::new();
    let mut answered: BTreeSet<&str> = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let param = format!("input[{at}]");
        let text = |name: &str| item[name].as_str().ok_or_else(|| check::missing(&format!("{param}.{name}")));
        match item["type"].as_str() {
            None | Some("message") => message(ask, item, &param)?,
            Some(kind @ ("function_call" | "custom_tool_call")) => {
                let id = text("call_id")?;
                check::call_id(id, &format!("{param}.call_id"))?;
                ask.message();
                ask.text(text("name")?);
                ask.text(text(if kind == "function_call" { "arguments" } else { "input" })?);
                ask.results.clear();
                calls.insert(id);
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let id = text("call_id")?;
                if !calls.contains(id) {
                    return Err(Refusal::bad(format!(
                        "No tool call found for function call output with call_id {id}."
                    ))
                    .param("input"));
                }
                answered.insert(id);
                ask.message();
                let told = output(ask, item.get("output"), &param)?;
                ask.text(&told);
                ask.results.push(told);
            }
            Some("reasoning") => reasoning(item, call)?,
            Some("item_reference") => text("id").map(|_| ())?,
            Some(kind) if kind.ends_with("_call") || kind.ends_with("_output") || kind == "compaction" => {}
            Some(other) => {
                return Err(check::wrong_value(&format!("{param}.type"), other, &["message", "function_call"]));
            }
        }
        if call.shared.options.prompt_cache {
            ask.cut();
        }
    }
    match calls.difference(&answered).next() {
        None => Ok(()),
        Some(id) => Err(Refusal::bad(format!("No tool output found for function call {id}.")).param("input")),
    }
}

fn message<'v>(ask: &mut Ask<'v>, item: &'v Value, param: &str) -> Outcome<()> {
    const ROLES: [&str; 4] = ["assistant", "system", "developer", "user"];
    let role = item["role"].as_str().ok_or_else(|| check::missing(&format!("{param}.role")))?;
    if !ROLES.contains(&role) {
        return Err(check::wrong_value(&format!("{param}.role"), role, &ROLES));
    }
    ask.message();
    let mut texts = Vec::new();
    match item.get("content") {
        Some(Value::String(text)) => {
            ask.text(text);
            texts.push(text.as_str());
        }
        Some(Value::Array(parts)) => {
            for (at, part) in parts.iter().enumerate() {
                let param = format!("{param}.content[{at}]");
                if let Some(text) = self::part(ask, part, role, &param)? {
                    ask.text(text);
                    texts.push(text);
                }
            }
        }
        _ => return Err(check::missing(&format!("{param}.content"))),
    }
    if role == "user" {
        ask.user = match texts.as_slice() {
            [only] => Cow::Borrowed(only),
            several => Cow::Owned(several.join("\n")),
        };
    }
    if role == "user" || role == "assistant" {
        ask.results.clear();
    }
    Ok(())
}

fn part<'v>(ask: &mut Ask<'_>, part: &'v Value, role: &str, param: &str) -> Outcome<Option<&'v str>> {
    const OUT: [&str; 2] = ["output_text", "refusal"];
    const IN: [&str; 4] = ["input_text", "input_image", "input_file", "input_audio"];
    let kind = part["type"].as_str().ok_or_else(|| check::missing(&format!("{param}.type")))?;
    let known: &[&str] = if role == "assistant" { &OUT } else { &IN };
    if !known.contains(&kind) {
        return Err(check::wrong_value(&format!("{param}.type"), kind, known));
    }
    match kind {
        "input_text" | "output_text" => {
            part["text"].as_str().map(Some).ok_or_else(|| check::missing(&format!("{param}.text")))
        }
        "refusal" => part["refusal"].as_str().map(Some).ok_or_else(|| check::missing(&format!("{param}.refusal"))),
        "input_image" => {
            let param = format!("{param}.image_url");
            match (part["image_url"].as_str(), part["file_id"].as_str()) {
                (Some(url), _) => input::image(ask, url, &param)?,
                (None, Some(id)) => ask.picture(crate::picture::Picture::at(id)),
                (None, None) => return Err(check::missing(&param)),
            }
            Ok(None)
        }
        _ => {
            ask.text(part["filename"].as_str().unwrap_or("(file)"));
            Ok(None)
        }
    }
}

/// The text of a tool's output: a string or parts.
fn output(ask: &mut Ask<'_>, output: Option<&Value>, param: &str) -> Outcome<String> {
    match output {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let mut told = String::new();
            for (at, part) in parts.iter().enumerate() {
                if let Some(text) = self::part(ask, part, "user", &format!("{param}.output[{at}]"))? {
                    told.push_str(text);
                }
            }
            Ok(told)
        }
        None | Some(Value::Null) => Err(check::missing(&format!("{param}.output"))),
        Some(other) => Err(check::wrong_type(&format!("{param}.output"), "one of a string or array", other)),
    }
}

/// Refuses a reasoning item whose encrypted content is not ours.
fn reasoning(item: &Value, call: &Call<'_>) -> Outcome<()> {
    let Some(content) = item["encrypted_content"].as_str() else { return Ok(()) };
    let fits = content
        .split_once('.')
        .is_some_and(|(nonce, seal)| seal == seed::seal(call.shared.options.seed, &["reasoning", nonce]));
    if fits {
        return Ok(());
    }
    let id = item["id"].as_str().unwrap_or_default();
    Err(Refusal::bad(format!("The encrypted content for item {id} {NOT_VERIFIED}")).code("invalid_encrypted_content"))
}

/// The whole response object.
fn response(call: &Call<'_>, body: &Value, ask: &Ask<'_>, answer: &Answer) -> Value {
    let cut = answer.finish == Finish::Length;
    let echo = |name: &str, usual: Value| body.get(name).filter(|value| !value.is_null()).cloned().unwrap_or(usual);
    let mut text = echo("text", json!({}));
    if text.get("format").is_none_or(Value::is_null) {
        put(&mut text, "format", json!({ "type": "text" }));
    }
    if text.get("verbosity").is_none_or(Value::is_null) {
        put(&mut text, "verbosity", "medium");
    }
    let mut reasoning = json!({ "effort": null, "summary": null });
    for name in ["effort", "summary"] {
        put(&mut reasoning, name, look(body, &["reasoning", name]).clone());
    }
    let mut response = json!({
        "id": call.id("resp_", 48, 0),
        "object": "response",
        "created_at": unix_now(),
        "status": if cut { "incomplete" } else { "completed" },
        "background": false,
        "error": null,
        "incomplete_details": if cut { json!({ "reason": "max_output_tokens" }) } else { Value::Null },
        "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"],
        "max_tool_calls": body["max_tool_calls"],
        "metadata": echo("metadata", json!({})),
        "model": call.model_name(&ask.model),
        "output": output_items(call, body, answer, cut),
        "parallel_tool_calls": echo("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": reasoning,
        "safety_identifier": body["safety_identifier"],
        "service_tier": "default",
        "store": echo("store", json!(true)),
        "temperature": echo("temperature", json!(1.0)),
        "text": text,
        "tool_choice": echo("tool_choice", json!("auto")),
        "tools": echo("tools", json!([])),
        "top_logprobs": echo("top_logprobs", json!(0)),
        "top_p": echo("top_p", json!(1.0)),
        "truncation": echo("truncation", json!("disabled")),
        "user": body["user"],
    });
    let usage = if call.orders.no_usage {
        Value::Null
    } else {
        json!({
            "input_tokens": ask.input_tokens,
            "input_tokens_details": { "cached_tokens": call.cached.0 },
            "output_tokens": answer.output_tokens,
            "output_tokens_details": { "reasoning_tokens": answer.thinking_tokens },
            "total_tokens": ask.input_tokens + answer.output_tokens,
        })
    };
    put(&mut response, "usage", usage);
    response
}

fn output_items(call: &Call<'_>, body: &Value, answer: &Answer, cut: bool) -> Vec<Value> {
    let mut items = Vec::new();
    let status = if cut { "incomplete" } else { "completed" };
    if let Some(thinking) = &answer.thinking {
        let shown = look(body, &["reasoning", "summary"]).is_string();
        let summary = if shown { json!([{ "type": "summary_text", "text": thinking }]) } else { json!([]) };
        let mut item = json!({ "id": call.id("rs_", 48, 1), "type": "reasoning", "summary": summary });
        let included =
            body["include"].as_array().into_iter().flatten().any(|name| name == "reasoning.encrypted_content");
        if included {
            let nonce = call.id("", 24, 2);
            let seal = seed::seal(call.shared.options.seed, &["reasoning", &nonce]);
            put(&mut item, "encrypted_content", format!("{nonce}.{seal}"));
        }
        items.push(item);
    }
    if let Some(text) = &answer.text {
        let part = if answer.finish == Finish::Refused {
            json!({ "type": "refusal", "refusal": text })
        } else {
            json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
        };
        items.push(json!({
            "id": call.id("msg_", 48, 3), "type": "message", "status": status, "role": "assistant", "content": [part],
        }));
    }
    for (at, tool) in answer.calls.iter().enumerate() {
        let number = 10 + 2 * at as u64;
        let (kind, prefix, field) = if tool.input.is_string() {
            ("custom_tool_call", "ctc_", "input")
        } else {
            ("function_call", "fc_", "arguments")
        };
        let mut item = json!({
            "id": call.id(prefix, 48, number), "type": kind, "status": status,
            "call_id": call.id("call_", 24, number + 1), "name": tool.name,
        });
        put(&mut item, field, tool.text.as_str());
        items.push(item);
    }
    items
}
