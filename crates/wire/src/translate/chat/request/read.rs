//! Reading the parameters of a chat completion request; the conversation has a file of its own.

use super::conversation;
use crate::translate::json::{self, Object, Side, as_text, first_byte};
use crate::translate::neutral::{Output, Prompt, Reasoning, Sampling, Tool, ToolChoice};
use crate::translate::notes::{Notes, bad_request, unsupported};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Members that say where a request goes, what it is called or how long it is kept: nothing about its answer.
const SILENT: [&str; 7] =
    ["model", "metadata", "store", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "audio"];

/// Reads a client's request.
///
/// # Errors
/// The client's mistakes and what cannot be translated, each with its path.
pub fn read(body: &[u8], stream: Option<bool>, notes: &mut Notes) -> Result<Prompt, Fault> {
    let mut root = Object::request(body)?;
    let mut prompt = Prompt { source: Some(Format::Chat), ..Prompt::default() };
    let messages = root
        .objects("messages")?
        .ok_or_else(|| bad_request("messages", "`messages` is missing; it must be a list of messages"))?;
    conversation::read(messages, &mut prompt, notes)?;
    tools(&mut root, &mut prompt)?;
    prompt.parallel_tool_calls = root.bool("parallel_tool_calls")?.or(prompt.parallel_tool_calls);
    prompt.max_output = root.u64("max_completion_tokens")?.or(root.u64("max_tokens")?);
    prompt.stop = match root.raw("stop") {
        None => Vec::new(),
        Some(raw) => stop(raw)?,
    };
    prompt.sampling = Sampling {
        temperature: root.f64("temperature")?,
        top_p: root.f64("top_p")?,
        // Not OpenAI's, but many compatible servers and their clients have it.
        top_k: root.u64("top_k")?,
        seed: root.i64("seed")?,
        presence_penalty: root.f64("presence_penalty")?,
        frequency_penalty: root.f64("frequency_penalty")?,
        logit_bias: root.raw("logit_bias").filter(|raw| raw.get() != "{}").map(ToOwned::to_owned),
    };
    prompt.answers = root.u64("n")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let alternatives = root.u64("top_logprobs")?;
    if root.bool("logprobs")? == Some(true) {
        prompt.logprobs = Some(u32::try_from(alternatives.unwrap_or(0)).unwrap_or(u32::MAX));
    }
    prompt.reasoning = reasoning(&mut root)?;
    prompt.output = output(&mut root)?;
    prompt.verbosity = root.string("verbosity")?;
    prompt.stream = root.bool("stream")?.or(stream).unwrap_or(false);
    if let Some(mut options) = root.object("stream_options")? {
        prompt.include_usage = options.bool("include_usage")?.unwrap_or(false);
        options.ignore(&["include_obfuscation"]);
        options.note_rest(notes)?;
    }
    prompt.user = root.string("safety_identifier")?.or(root.string("user")?);
    prompt.service_tier = root.string("service_tier")?;
    modalities(&mut root, notes)?;
    if root.raw("web_search_options").is_some() {
        notes.refuse_named(
            "web_search_options",
            "web search is run by OpenAI itself and cannot be carried to the chosen provider; remove it, or choose an \
             OpenAI model",
        )?;
    }
    root.ignore(&SILENT);
    root.note_rest(notes)?;
    Ok(prompt)
}

fn stop(raw: &RawValue) -> Result<Vec<String>, Fault> {
    if let Some(one) = as_text(raw) {
        return Ok(vec![one.into_owned()]);
    }
    serde_json::from_str(raw.get()).map_err(|_| json::mistyped("stop", "a string or a list of strings"))
}

fn modalities(root: &mut Object<'_>, notes: &mut Notes) -> Result<(), Fault> {
    if let Some(wanted) = root.strings("modalities")?
        && wanted.iter().any(|m| m != "text")
    {
        notes.refuse_named("modalities", "the chosen provider answers in text only; ask for `[\"text\"]`")?;
    }
    Ok(())
}

/// `reasoning_effort`, and the `thinking` switch of the servers that have one.
fn reasoning(root: &mut Object<'_>) -> Result<Option<Reasoning>, Fault> {
    let switch = match root.object("thinking")? {
        Some(mut thinking) => match thinking.text("type")?.as_deref() {
            Some("disabled") => Some(Reasoning::Disabled),
            _ => thinking.u64("budget_tokens")?.map(Reasoning::Budget).or(Some(Reasoning::Adaptive)),
        },
        None => None,
    };
    let effort = root.string("reasoning_effort")?.map(|effort| match effort.as_str() {
        "none" => Reasoning::Disabled,
        _ => Reasoning::Effort(effort),
    });
    Ok(match switch {
        Some(Reasoning::Disabled) => switch,
        _ => effort.or(switch),
    })
}

fn output(root: &mut Object<'_>) -> Result<Output, Fault> {
    let Some(mut format) = root.object("response_format")? else { return Ok(Output::Text) };
    match format.required_string("type")?.as_str() {
        "text" => Ok(Output::Text),
        "json_object" => Ok(Output::JsonObject),
        "json_schema" => {
            let path = format.at("json_schema");
            let mut inner = format
                .object("json_schema")?
                .ok_or_else(|| bad_request(path.clone(), format!("`{path}` is missing; it must hold the schema")))?;
            let Some(schema) = inner.raw("schema") else { return Ok(Output::JsonObject) };
            Ok(Output::JsonSchema {
                name: inner.string("name")?,
                description: inner.string("description")?,
                schema: schema.to_owned(),
                strict: inner.bool("strict")?,
            })
        }
        other => Err(unsupported(
            "response_format.type",
            format!("`response_format.type` is `{other}`; `text`, `json_object` and `json_schema` are known"),
        )),
    }
}

fn tools(root: &mut Object<'_>, prompt: &mut Prompt) -> Result<(), Fault> {
    for mut tool in root.objects("tools")?.unwrap_or_default() {
        let kind = tool.text("type")?.unwrap_or("function".into());
        if kind != "function" {
            let path = tool.at("type");
            let why = format!(
                "`{path}` is `{kind}`; only function tools can be carried to the chosen provider, so describe it as a \
                 function"
            );
            return Err(unsupported(path, why));
        }
        let path = tool.at("function");
        let function = tool
            .object("function")?
            .ok_or_else(|| bad_request(path.clone(), format!("`{path}` is missing; it must describe the function")))?;
        prompt.tools.push(function_tool(function)?);
    }
    // The older spelling of the same, which knows one call at a time.
    if let Some(functions) = root.objects("functions")?.filter(|functions| !functions.is_empty()) {
        prompt.legacy_functions = true;
        prompt.parallel_tool_calls = Some(false);
        for function in functions {
            prompt.tools.push(function_tool(function)?);
        }
    }
    prompt.tool_choice = match (root.raw("tool_choice"), root.raw("function_call")) {
        (Some(raw), _) => Some(tool_choice(raw, "tool_choice")?),
        (None, Some(raw)) => Some(tool_choice(raw, "function_call")?),
        (None, None) => None,
    };
    Ok(())
}

fn function_tool(mut function: Object<'_>) -> Result<Tool, Fault> {
    Ok(Tool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        schema: function.raw("parameters").map(ToOwned::to_owned),
        strict: function.bool("strict")?,
    })
}

fn tool_choice(raw: &RawValue, path: &'static str) -> Result<ToolChoice, Fault> {
    if first_byte(raw) == b'"' {
        return match as_text(raw).as_deref() {
            Some("none") => Ok(ToolChoice::None),
            Some("auto") => Ok(ToolChoice::Auto),
            Some("required" | "any") => Ok(ToolChoice::Required),
            _ => Err(json::mistyped(path, "`none`, `auto`, `required` or an object naming a function")),
        };
    }
    let Some(mut choice) = Object::parse(raw, path.to_owned(), Side::Client)? else { return Ok(ToolChoice::Auto) };
    match choice.text("type")?.as_deref() {
        // `function_call: {"name": ...}` has no type.
        None if choice.has("name") => Ok(ToolChoice::Named(choice.required_string("name")?)),
        None | Some("function") => {
            let name = match choice.object("function")? {
                Some(mut function) => function.required_string("name")?,
                None => choice.required_string("name")?,
            };
            Ok(ToolChoice::Named(name))
        }
        Some("allowed_tools") => {
            let mut allowed = choice.object("allowed_tools")?.unwrap_or(choice);
            let required = allowed.text("mode")?.as_deref() == Some("required");
            let mut names = Vec::new();
            for mut tool in allowed.objects("tools")?.unwrap_or_default() {
                names.push(match tool.object("function")? {
                    Some(mut function) => function.required_string("name")?,
                    None => tool.required_string("name")?,
                });
            }
            Ok(ToolChoice::Allowed { names, required })
        }
        Some(other) => Err(unsupported(
            path,
            format!("`{path}.type` is `{other}`; only functions can be chosen with this provider"),
        )),
    }
}
