//! Reading what OpenAI's conversational endpoints share: parts, tools, tool choice, output form.

use serde_json::Value;

use super::check;
use crate::ask::{Ask, Choice, Output};
use crate::picture::Picture;
use crate::refusal::{Outcome, Refusal};

/// Models that reason: they refuse `max_tokens` (`stands for` prefixes of names).
const REASONING: &[&str] = &["o1", "o3", "o4-", "gpt-5", "gpt-6"];

/// Models that take tools on chat completions only with `reasoning_effort: "none"`.
const TOOLS_NEED_NO_EFFORT: &[&str] = &["gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6"];

pub(super) fn refuses_max_tokens(model: &str) -> bool {
    REASONING.iter().any(|prefix| model.starts_with(prefix))
}

pub(super) fn refuses_tools_with_effort(model: &str) -> bool {
    TOOLS_NEED_NO_EFFORT.iter().any(|prefix| model.starts_with(prefix))
}

/// Takes an image given by URL into the request.
pub(super) fn image(ask: &mut Ask<'_>, url: &str, param: &str) -> Outcome<()> {
    let fine = url.starts_with("https://") || url.starts_with("http://") || url.starts_with("data:image/");
    let picture = Picture::from_url(url).filter(|_| fine);
    let picture = picture.ok_or_else(|| {
        Refusal::bad(format!(
            "Invalid '{param}'. Expected a valid URL, or a base64-encoded data URL with an image MIME type."
        ))
        .param(param)
        .code("invalid_image_url")
    })?;
    ask.picture(picture);
    Ok(())
}

/// Takes one tool into the request. `inner` has its fields: the tool itself (Responses) or its `function` (chat).
pub(super) fn tool(ask: &mut Ask<'_>, inner: &Value, param: &str, free_text: bool) -> Outcome<()> {
    let name = inner.get("name").ok_or_else(|| check::missing(&format!("{param}.name")))?;
    let name = name.as_str().ok_or_else(|| check::wrong_type(&format!("{param}.name"), "a string", name))?;
    check::function_name(name, &format!("{param}.name"))?;
    let schema = match inner.get("parameters") {
        _ if free_text => None,
        None | Some(Value::Null) => Some(serde_json::json!({ "type": "object", "properties": {} })),
        Some(schema @ Value::Object(fields)) => {
            if fields.get("type").is_some_and(|kind| kind != "object") {
                return Err(Refusal::bad(format!(
                    "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got \
                     'type: {}'.",
                    fields.get("type").unwrap_or(&Value::Null)
                ))
                .param(format!("{param}.parameters"))
                .code("invalid_function_parameters"));
            }
            if inner.get("strict") == Some(&Value::Bool(true)) {
                strict_schema(schema, &format!("function '{name}'"), &format!("{param}.parameters"), "()")?;
            }
            Some(schema.clone())
        }
        Some(other) => return Err(check::wrong_type(&format!("{param}.parameters"), "an object", other)),
    };
    ask.tool(name, inner.get("description").and_then(Value::as_str), schema);
    Ok(())
}

/// What OpenAI demands of a schema under `strict`: closed objects whose properties are all required.
pub(super) fn strict_schema(schema: &Value, whose: &str, param: &str, at: &str) -> Outcome<()> {
    let refuse = |what: String| {
        Err(Refusal::bad(format!("Invalid schema for {whose}: In context={at}, {what}"))
            .param(param)
            .code(if param.starts_with("tools") { "invalid_function_parameters" } else { "invalid_json_schema" }))
    };
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if fields.get("type").is_some_and(|kind| kind == "object") {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return refuse("'additionalProperties' is required to be supplied and to be false.".to_owned());
        }
        let required: Vec<&Value> = fields.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        for (name, inner) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if !required.iter().any(|known| *known == name) {
                return refuse(format!(
                    "'required' is required to be supplied and to be an array including every key in properties. \
                     Missing '{name}'."
                ));
            }
            strict_schema(inner, whose, param, &format!("('properties', '{name}')"))?;
        }
    }
    if let Some(items) = fields.get("items") {
        strict_schema(items, whose, param, "('items')")?;
    }
    for (name, inner) in fields.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        strict_schema(inner, whose, param, &format!("('$defs', '{name}')"))?;
    }
    for inner in fields.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        strict_schema(inner, whose, param, "('anyOf')")?;
    }
    Ok(())
}

/// The tool choice. `inner` finds the named tool's fields: nested (chat) or flat (Responses).
pub(super) fn choice(ask: &mut Ask<'_>, body: &Value, nested: bool) -> Outcome<()> {
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(()) };
    if ask.tools.is_empty() && choice != "none" {
        return Err(Refusal::bad("'tool_choice' is only allowed when 'tools' are specified.").param("tool_choice"));
    }
    ask.choice = match choice {
        Value::String(word) => match word.as_str() {
            "none" => Choice::Never,
            "auto" => Choice::Auto,
            "required" => Choice::Required,
            other => return Err(check::wrong_value("tool_choice", other, &["none", "auto", "required"])),
        },
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            if kind == "allowed_tools" {
                let allowed = if nested { &choice["allowed_tools"] } else { choice };
                let name = |tool: &Value| {
                    let inner = if nested { tool.get("function").unwrap_or(tool) } else { tool };
                    inner["name"].as_str().map(str::to_owned)
                };
                let names: Vec<String> = allowed["tools"].as_array().into_iter().flatten().filter_map(name).collect();
                ask.tools.retain(|tool| names.contains(&tool.name));
                if allowed["mode"] == "required" { Choice::Required } else { Choice::Auto }
            } else {
                let inner = if nested { fields.get(kind) } else { Some(choice) };
                let name = inner.and_then(|inner| inner["name"].as_str());
                let name = name.ok_or_else(|| check::missing("tool_choice.function.name"))?;
                if !ask.tools.iter().any(|tool| tool.name == name) {
                    return Err(Refusal::bad(format!(
                        "Invalid value for 'tool_choice': tool '{name}' not found in 'tools' parameter."
                    ))
                    .param("tool_choice"));
                }
                Choice::Named(name.to_owned())
            }
        }
        other => return Err(check::wrong_type("tool_choice", "a string or an object", other)),
    };
    Ok(())
}

/// The form of the text. `format` is `response_format` (chat) or `text.format` (Responses), whose schema is flat.
pub(super) fn output(ask: &mut Ask<'_>, format: Option<&Value>, param: &str, nested: bool) -> Outcome<()> {
    let Some(format) = format.filter(|format| !format.is_null()) else { return Ok(()) };
    let kind = format["type"].as_str().ok_or_else(|| check::missing(&format!("{param}.type")))?;
    ask.output = match kind {
        "text" => Output::Text,
        "json_object" => Output::JsonObject,
        "json_schema" => {
            let (inner, param) = if nested {
                (&format["json_schema"], format!("{param}.json_schema"))
            } else {
                (format, param.to_owned())
            };
            if !inner.is_object() {
                return Err(check::missing(&param));
            }
            let name = inner["name"].as_str().ok_or_else(|| check::missing(&format!("{param}.name")))?;
            check::function_name(name, &format!("{param}.name"))?;
            let schema = inner.get("schema").filter(|schema| schema.is_object());
            let schema = schema.ok_or_else(|| check::missing(&format!("{param}.schema")))?;
            if inner["strict"] == true {
                strict_schema(schema, &format!("response_format '{name}'"), "response_format", "()")?;
            }
            Output::Schema(schema.clone())
        }
        other => {
            let known = ["json_object", "json_schema", "text"];
            return Err(check::wrong_value(&format!("{param}.type"), other, &known));
        }
    };
    Ok(())
}

/// Whether an effort asks for thinking; refuses unknown words.
pub(super) fn effort(word: Option<&str>, param: &str) -> Outcome<bool> {
    const KNOWN: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    match word {
        None => Ok(false),
        Some("none" | "minimal") => Ok(false),
        Some(word) if KNOWN.contains(&word) => Ok(true),
        Some(word) => Err(check::wrong_value(param, word, &KNOWN)),
    }
}
