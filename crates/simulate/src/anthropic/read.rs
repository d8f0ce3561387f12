//! Reading a request for messages, and refusing what Anthropic refuses.

use std::borrow::Cow;

use serde_json::Value;

use super::content;
use super::models::traits;
use crate::ask::{Ask, Choice, Output};
use crate::call::Call;
use crate::refusal::{Outcome, Refusal};

/// What a request wants beside the answer itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Thinking blocks come without their text.
    pub(super) thinking_omitted: bool,
}

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "metadata",
    "service_tier",
    "speed",
    "inference_geo",
    "container",
    "diagnostics",
    "context_management",
    "mcp_servers",
];

/// The version from which sampling parameters are unknown.
const WITHOUT_SAMPLING: &str = "2026-10-21";

pub(super) fn read<'v>(call: &Call<'_>, body: &'v Value, generates: bool) -> Outcome<(Ask<'v>, Wish)> {
    let model = text(body, "model")?.ok_or_else(|| required("model"))?;
    let mut ask = Ask::new(call.shared.options.seed, Cow::Borrowed(model));
    if call.is_strict()
        && let Some((name, _)) =
            body.as_object().into_iter().flatten().find(|(name, _)| !FIELDS.contains(&name.as_str()))
    {
        return Err(Refusal::bad(format!("{name}: Extra inputs are not permitted")));
    }
    if generates {
        let most = body.get("max_tokens").ok_or_else(|| required("max_tokens"))?;
        let most = most.as_i64().ok_or_else(|| Refusal::bad("max_tokens: Input should be a valid integer"))?;
        if most < 1 {
            return Err(Refusal::bad("max_tokens: Input should be greater than or equal to 1"));
        }
        ask.max_tokens = Some(most.unsigned_abs());
    }
    ask.stream = match body.get("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => *stream,
        Some(_) => return Err(Refusal::bad("stream: Input should be a valid boolean")),
    };
    let mut wish = Wish::default();
    system(&mut ask, body)?;
    let seed = call.shared.options.seed;
    content::conversation(&mut ask, body, seed, traits(model))?;
    tools(&mut ask, body)?;
    choice(&mut ask, body)?;
    sampling(&ask, body, call)?;
    stop(&mut ask, body)?;
    thinking(&mut ask, &mut wish, body)?;
    output(&mut ask, body)?;
    ask.breakpoint(body.get("cache_control"));
    Ok((ask, wish))
}

pub(super) fn required(path: &str) -> Box<Refusal> {
    Refusal::bad(format!("{path}: Field required"))
}

fn text<'v>(body: &'v Value, name: &str) -> Outcome<Option<&'v str>> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::bad(format!("{name}: Input should be a valid string"))),
    }
}

fn system(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    match body.get("system") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => {
            ask.message();
            ask.text(text);
        }
        Some(Value::Array(blocks)) => {
            ask.message();
            for (at, block) in blocks.iter().enumerate() {
                if block["type"] != "text" {
                    return Err(Refusal::bad(format!("system.{at}.type: Input should be 'text'")));
                }
                let text = block["text"].as_str().ok_or_else(|| required(&format!("system.{at}.text")))?;
                if text.is_empty() {
                    return Err(Refusal::bad("system: text content blocks must be non-empty"));
                }
                ask.text(text);
                ask.breakpoint(block.get("cache_control"));
            }
        }
        Some(_) => return Err(Refusal::bad("system: Input should be a valid string or a list of text blocks")),
    }
    Ok(())
}

fn tools(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    let list = match body.get("tools") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::bad("tools: Input should be a valid list")),
    };
    for (at, tool) in list.iter().enumerate() {
        let name = tool["name"].as_str().ok_or_else(|| required(&format!("tools.{at}.custom.name")))?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return Err(Refusal::bad(format!(
                "tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if ask.tools.iter().any(|other| other.name == name) {
            return Err(Refusal::bad("tools: Tool names must be unique."));
        }
        if tool.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "custom") {
            // A tool that runs at Anthropic is accepted; the simulator has none and never uses it.
            continue;
        }
        let path = format!("tools.{at}.custom.input_schema");
        let schema = tool.get("input_schema").ok_or_else(|| required(&path))?;
        if !schema.is_object() {
            return Err(Refusal::bad(format!("{path}: Input should be a valid dictionary")));
        }
        match schema.get("type") {
            None => return Err(required(&format!("{path}.type"))),
            Some(kind) if kind != "object" => {
                return Err(Refusal::bad(format!("{path}.type: Input should be 'object'")));
            }
            Some(_) => {}
        }
        ask.tool(name, tool.get("description").and_then(Value::as_str), Some(schema.clone()));
    }
    Ok(())
}

fn choice(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(()) };
    let kind = choice["type"].as_str().ok_or_else(|| required("tool_choice.type"))?;
    if body.get("tools").is_none() {
        return Err(Refusal::bad("tool_choice may only be specified while providing tools"));
    }
    ask.parallel = choice["disable_parallel_tool_use"] != true;
    ask.choice = match kind {
        "auto" => Choice::Auto,
        "none" => Choice::Never,
        "any" => Choice::Required,
        "tool" => {
            let name = choice["name"].as_str().ok_or_else(|| required("tool_choice.tool.name"))?;
            if !ask.tools.iter().any(|tool| tool.name == name) {
                return Err(Refusal::bad(format!("Tool '{name}' not found in provided tools")));
            }
            Choice::Named(name.to_owned())
        }
        other => {
            return Err(Refusal::bad(format!(
                "tool_choice: Input tag '{other}' found using 'type' does not match any of the expected tags: 'auto', \
                 'any', 'tool', 'none'"
            )));
        }
    };
    let forced = matches!(ask.choice, Choice::Required | Choice::Named(_));
    if forced && traits(&ask.model).no_forced_tool {
        return Err(Refusal::bad("tool_choice: This model does not support forcing tool use."));
    }
    Ok(())
}

fn sampling(ask: &Ask<'_>, body: &Value, call: &Call<'_>) -> Outcome<()> {
    let version = call.headers.get("anthropic-version").and_then(|version| version.to_str().ok()).unwrap_or_default();
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = body.get(name).filter(|value| !value.is_null()) else { continue };
        if version >= WITHOUT_SAMPLING {
            return Err(Refusal::bad(format!("{name}: Extra inputs are not permitted")));
        }
        let number = value.as_f64().ok_or_else(|| Refusal::bad(format!("{name}: Input should be a valid number")))?;
        if name != "top_k" && !(0.0..=1.0).contains(&number) {
            return Err(Refusal::bad(format!("{name}: range: 0..1")));
        }
        if traits(&ask.model).fixed_sampling && !(name == "temperature" && number == 1.0 && body.get("top_p").is_none())
        {
            return Err(Refusal::bad(format!("`{name}` may not be set to a non-default value on this model.")));
        }
    }
    Ok(())
}

fn stop(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    for (at, stop) in body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let stop = stop.as_str();
        let stop = stop.ok_or_else(|| Refusal::bad(format!("stop_sequences.{at}: Input should be a valid string")))?;
        if stop.trim().is_empty() {
            return Err(Refusal::bad("stop_sequences: each stop sequence must contain non-whitespace"));
        }
        ask.stop.push(stop.to_owned());
    }
    Ok(())
}

fn thinking(ask: &mut Ask<'_>, wish: &mut Wish, body: &Value) -> Outcome<()> {
    let Some(thinking) = body.get("thinking").filter(|thinking| !thinking.is_null()) else { return Ok(()) };
    let kind = thinking["type"].as_str().ok_or_else(|| required("thinking.type"))?;
    wish.thinking_omitted = thinking["display"] == "omitted";
    match kind {
        "disabled" | "enabled" if traits(&ask.model).adaptive_only => {
            return Err(Refusal::bad(format!(
                "thinking.type: '{kind}' is not supported on this model. Use 'adaptive' or leave thinking out."
            )));
        }
        "disabled" => return Ok(()),
        "adaptive" | "between_tools" => {}
        "enabled" => {
            let budget =
                thinking["budget_tokens"].as_u64().ok_or_else(|| required("thinking.enabled.budget_tokens"))?;
            if budget < 1024 {
                return Err(Refusal::bad(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                ));
            }
            if ask.max_tokens.is_some_and(|most| most <= budget) {
                return Err(Refusal::bad("`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
            if body.get("temperature").and_then(Value::as_f64).is_some_and(|temperature| temperature != 1.0) {
                return Err(Refusal::bad("`temperature` may only be set to 1 when thinking is enabled."));
            }
            content::thinking_comes_first(body)?;
        }
        other => {
            return Err(Refusal::bad(format!(
                "thinking: Input tag '{other}' found using 'type' does not match any of the expected tags: 'disabled', \
                 'enabled', 'adaptive', 'between_tools'"
            )));
        }
    }
    if matches!(ask.choice, Choice::Required | Choice::Named(_)) {
        return Err(Refusal::bad("Thinking may not be enabled when tool_choice forces tool use."));
    }
    ask.thinking = true;
    Ok(())
}

fn output(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    let Some(config) = body.get("output_config").filter(|config| !config.is_null()) else { return Ok(()) };
    if let Some(effort) = config.get("effort").and_then(Value::as_str)
        && !["low", "medium", "high", "xhigh", "max"].contains(&effort)
    {
        return Err(Refusal::bad("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"));
    }
    let Some(format) = config.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    if format["type"] != "json_schema" {
        return Err(Refusal::bad("output_config.format.type: Input should be 'json_schema'"));
    }
    let schema = format.get("schema").filter(|schema| schema.is_object());
    let schema = schema.ok_or_else(|| required("output_config.format.schema"))?;
    closed(schema)?;
    ask.output = Output::Schema(schema.clone());
    Ok(())
}

/// Every object of a schema must be closed.
fn closed(schema: &Value) -> Outcome<()> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if fields.get("type").is_some_and(|kind| kind == "object")
        && fields.get("additionalProperties") != Some(&Value::Bool(false))
    {
        return Err(Refusal::bad(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ));
    }
    for key in ["properties", "$defs"] {
        for inner in fields.get(key).and_then(Value::as_object).into_iter().flatten().map(|(_, inner)| inner) {
            closed(inner)?;
        }
    }
    for inner in fields.get("anyOf").and_then(Value::as_array).into_iter().flatten().chain(fields.get("items")) {
        closed(inner)?;
    }
    Ok(())
}
