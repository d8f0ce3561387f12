//! Reading a request for generated content, and refusing what Gemini refuses.

use std::borrow::Cow;

use serde_json::Value;

use super::{contents, field, schema, snake};
use crate::ask::{Ask, Choice, Output};
use crate::call::Call;
use crate::refusal::{Outcome, Refusal};

/// What a request wants beside the answer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) candidates: u64,
    /// Thoughts are shown, not only counted.
    pub(super) thoughts: bool,
}

const FIELDS: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "serviceTier",
    "store",
    "continuationToken",
];

const CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "thinkingConfig",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "enableEnhancedCivicAnswers",
    "responseFormat",
];

/// A refusal in the words of Gemini's validator.
pub(super) fn invalid(path: &str, what: &str) -> Box<Refusal> {
    Refusal::bad(format!("* GenerateContentRequest.{path}: {what}\n"))
}

/// A field that the API does not have.
pub(super) fn unknown(name: &str, at: &str) -> Box<Refusal> {
    let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
    Refusal::bad(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
}

fn wrong_type(at: &str, kind: &str, got: &Value) -> Box<Refusal> {
    Refusal::bad(format!("Invalid value at '{at}' ({kind}), {got}"))
}

/// Refuses fields of `object` that are not among `known` in either spelling.
pub(super) fn fields(object: &Value, known: &[&str], at: &str, strict: bool) -> Outcome<()> {
    if !strict {
        return Ok(());
    }
    let found = object
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| !known.iter().any(|camel| *camel == name.as_str() || snake(camel) == name.as_str()));
    found.map_or(Ok(()), |(name, _)| Err(unknown(name, at)))
}

pub(super) fn read<'v>(call: &Call<'_>, body: &'v Value, model: &'v str) -> Outcome<(Ask<'v>, Wish)> {
    let mut ask = Ask::new(call.shared.options.seed, Cow::Borrowed(model));
    let strict = call.is_strict();
    fields(body, FIELDS, "", strict)?;
    if let Some(system) = field(body, "systemInstruction") {
        ask.message();
        contents::system(&mut ask, system)?;
    }
    contents::conversation(&mut ask, body, call.shared)?;
    tools(&mut ask, body)?;
    choice(&mut ask, body)?;
    let none = Value::Null;
    let config = field(body, "generationConfig").unwrap_or(&none);
    fields(config, CONFIG, "generation_config", strict)?;
    numbers(&mut ask, config)?;
    output(&mut ask, config)?;
    let thoughts = thinking(&mut ask, config)?;
    let candidates = whole(config, "candidateCount")?.unwrap_or(1);
    if !(1..=8).contains(&candidates) {
        return Err(invalid("generation_config.candidate_count", "candidate_count must be in the range [1, 8]"));
    }
    Ok((ask, Wish { candidates: candidates.unsigned_abs(), thoughts }))
}

fn whole(config: &Value, name: &str) -> Outcome<Option<i64>> {
    field(config, name)
        .map(|value| {
            let read = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            read.ok_or_else(|| wrong_type(&format!("generation_config.{}", snake(name)), "TYPE_INT32", value))
        })
        .transpose()
}

fn numbers(ask: &mut Ask<'_>, config: &Value) -> Outcome<()> {
    for (name, most, range) in [("temperature", 2.0, "[0.0, 2.0]"), ("topP", 1.0, "[0.0, 1.0]")] {
        let Some(value) = field(config, name) else { continue };
        let at = format!("generation_config.{}", snake(name));
        let number = value.as_f64().ok_or_else(|| wrong_type(&at, "TYPE_FLOAT", value))?;
        if !(0.0..=most).contains(&number) {
            return Err(invalid(&at, &format!("{} must be in the range {range}", snake(name))));
        }
    }
    if let Some(most) = whole(config, "maxOutputTokens")? {
        if most < 1 {
            return Err(invalid("generation_config.max_output_tokens", "max_output_tokens must be positive"));
        }
        ask.max_tokens = Some(most.unsigned_abs());
    }
    match field(config, "stopSequences") {
        None => {}
        Some(Value::Array(stops)) if stops.len() <= 5 => {
            ask.stop = stops.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        Some(Value::Array(_)) => {
            return Err(invalid("generation_config.stop_sequences", "at most 5 stop sequences may be given"));
        }
        Some(other) => return Err(wrong_type("generation_config.stop_sequences", "TYPE_STRING", other)),
    }
    Ok(())
}

fn output(ask: &mut Ask<'_>, config: &Value) -> Outcome<()> {
    let mime = field(config, "responseMimeType").and_then(Value::as_str).unwrap_or("text/plain");
    let subset = field(config, "responseSchema");
    let full = field(config, "responseJsonSchema").or_else(|| config.get("_responseJsonSchema"));
    if subset.is_some() && full.is_some() {
        return Err(Refusal::bad("Only one of response_schema and response_json_schema may be set."));
    }
    match mime {
        "application/json" => {}
        "text/x.enum" if subset.is_some() => {}
        "text/plain" if subset.is_none() && full.is_none() => return Ok(()),
        "text/plain" => {
            return Err(invalid(
                "generation_config.response_schema",
                "only allowed when response_mime_type is 'application/json' or 'text/x.enum'",
            ));
        }
        _ => {
            return Err(invalid(
                "generation_config.response_mime_type",
                "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and \
                 `text/x.enum`.",
            ));
        }
    }
    if !ask.tools.is_empty() && ask.model.starts_with("gemini-2") {
        return Err(Refusal::bad("Function calling with a response mime type: 'application/json' is unsupported"));
    }
    if let Some(schema) = subset {
        schema::check(schema, "generation_config.response_schema", 0)?;
    }
    ask.output = subset.or(full).map_or(Output::JsonObject, |schema| Output::Schema(schema.clone()));
    Ok(())
}

/// Whether thoughts are to be shown.
fn thinking(ask: &mut Ask<'_>, config: &Value) -> Outcome<bool> {
    let Some(thinking) = field(config, "thinkingConfig") else { return Ok(false) };
    let budget = whole(thinking, "thinkingBudget")?;
    let level = field(thinking, "thinkingLevel").and_then(Value::as_str);
    if budget.is_some() && level.is_some() {
        return Err(Refusal::bad("You can only set only one of thinking budget and thinking level."));
    }
    let shown = field(thinking, "includeThoughts") == Some(&Value::Bool(true));
    ask.thinking = match (budget, level) {
        (Some(budget), _) => budget != 0,
        (None, Some(level)) => !level.eq_ignore_ascii_case("minimal"),
        (None, None) => shown,
    };
    Ok(shown && ask.thinking)
}

fn tools(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    for (at, tool) in field(body, "tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let declared = field(tool, "functionDeclarations").and_then(Value::as_array);
        for (number, function) in declared.into_iter().flatten().enumerate() {
            let path = format!("tools[{at}].function_declarations[{number}]");
            let name = function["name"].as_str().unwrap_or_default();
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
            let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !first || name.len() > 128 || !name.chars().all(fits) {
                return Err(invalid(
                    &format!("{path}.name"),
                    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, \
                     0-9), underscores (_), dots (.), colons (:) or dashes (-), with a maximum length of 128.",
                ));
            }
            let subset = field(function, "parameters");
            let full = field(function, "parametersJsonSchema");
            if let Some(schema) = subset {
                if full.is_some() {
                    return Err(invalid(&path, "only one of parameters and parameters_json_schema may be set"));
                }
                schema::check(schema, &format!("{path}.parameters"), 0)?;
            }
            let empty = serde_json::json!({ "type": "object", "properties": {} });
            let schema = subset.or(full).cloned().unwrap_or(empty);
            ask.tool(name, function["description"].as_str(), Some(schema));
        }
    }
    Ok(())
}

fn choice(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    let config = field(body, "toolConfig").and_then(|config| field(config, "functionCallingConfig"));
    let Some(config) = config else { return Ok(()) };
    let mode = config["mode"].as_str().unwrap_or("AUTO").to_ascii_uppercase();
    let allowed = field(config, "allowedFunctionNames").and_then(Value::as_array);
    let forced = matches!(mode.as_str(), "ANY" | "VALIDATED");
    if allowed.is_some_and(|names| !names.is_empty()) && !forced {
        return Err(invalid(
            "tool_config.function_calling_config.allowed_function_names",
            "allowed_function_names should only be set when the function calling mode is ANY or VALIDATED.",
        ));
    }
    if mode == "ANY" && ask.tools.is_empty() {
        return Err(Refusal::bad("Function calling config is set without function_declarations."));
    }
    ask.choice = match mode.as_str() {
        "AUTO" | "MODE_UNSPECIFIED" | "VALIDATED" => Choice::Auto,
        "NONE" => Choice::Never,
        "ANY" => Choice::Required,
        _ => {
            return Err(wrong_type(
                "tool_config.function_calling_config.mode",
                "type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode",
                &config["mode"],
            ));
        }
    };
    if let Some(names) = allowed {
        let known = |name: &str| ask.tools.iter().any(|tool| tool.name == name);
        if names.iter().filter_map(Value::as_str).any(|name| !known(name)) {
            return Err(Refusal::bad("allowed_function_names contains a function that is not declared."));
        }
        ask.tools.retain(|tool| names.iter().any(|name| *name == tool.name.as_str()));
    }
    Ok(())
}
