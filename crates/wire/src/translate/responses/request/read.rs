//! Reading a client's Responses request.
//!
//! Whatever refers to something a provider keeps (an earlier response, a conversation, a stored prompt, an item by its
//! id) is refused with what to send instead, because no other provider has it.

use crate::translate::json::{Object, Side, as_text, first_byte, mistyped};
use crate::translate::media;
use crate::translate::neutral::{
    Media, Output, Part, Prompt, Reasoning, Role, Signature, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::translate::notes::{Notes, bad_request, unsupported};
use crate::translate::seal::{self, Sealed};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Fields that name state kept by a provider, each with what to do instead.
const STATE: [(&str, &str); 3] = [
    ("previous_response_id", "send the whole conversation in `input` instead"),
    ("conversation", "send the whole conversation in `input` instead"),
    ("prompt", "send the prompt's text in `instructions` and `input` instead"),
];

/// Routing, storage and metadata: without meaning for another provider, so nothing is lost.
const IGNORED: [&str; 6] =
    ["model", "store", "stream_options", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"];

/// Reads a client's request.
///
/// # Errors
/// The client's mistakes and what cannot be translated, each with its path.
pub fn read(body: &[u8], stream: Option<bool>, notes: &mut Notes) -> Result<Prompt, Fault> {
    let mut top = Object::request(body)?;
    refuse_state(&mut top)?;
    let mut prompt = Prompt { source: Some(Format::Responses), ..Prompt::default() };
    prompt.system.extend(top.string("instructions")?.filter(|text| !text.is_empty()));
    input(&mut top, &mut prompt, notes)?;
    prompt.tools = tools(&mut top, notes)?;
    prompt.tool_choice = tool_choice(&mut top, &prompt.tools, notes)?;
    prompt.parallel_tool_calls = top.bool("parallel_tool_calls")?;
    prompt.max_output = top.u64("max_output_tokens")?;
    prompt.sampling.temperature = top.f64("temperature")?;
    prompt.sampling.top_p = top.f64("top_p")?;
    prompt.logprobs = logprobs(&mut top)?;
    reasoning(&mut top, &mut prompt, notes)?;
    text(&mut top, &mut prompt, notes)?;
    let user = top.string("user")?;
    prompt.user = top.string("safety_identifier")?.or(user);
    prompt.service_tier = top.string("service_tier")?;
    prompt.metadata = top.raw("metadata").map(ToOwned::to_owned);
    prompt.stream = top.bool("stream")?.or(stream).unwrap_or(false);
    if top.string("truncation")?.is_some_and(|how| how != "disabled") {
        notes.drop_named("truncation")?;
    }
    top.ignore(&IGNORED);
    top.note_rest(notes)?;
    Ok(prompt)
}

fn refuse_state(top: &mut Object<'_>) -> Result<(), Fault> {
    for (field, instead) in STATE {
        if top.raw(field).is_some() {
            return Err(unsupported(
                field,
                format!("`{field}` names something only the provider that made it keeps; {instead}"),
            ));
        }
    }
    if top.bool("background")? == Some(true) {
        return Err(unsupported(
            "background",
            "`background` responses are kept by the provider, and the chosen one has no such thing; leave it out and \
             stream the answer",
        ));
    }
    Ok(())
}

fn input(top: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let Some(raw) = top.raw("input") else {
        return Err(bad_request("input", "`input` is missing; it must be a string or a list of items"));
    };
    if let Some(text) = as_text(raw) {
        let parts = non_empty(text.into_owned());
        prompt.turns.push(Turn { role: Role::User, name: None, parts });
        return Ok(());
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| mistyped("input", "a string or a list of items"))?;
    // A tool call's signature travels in an item of its own before the call.
    let mut call_signature = None;
    for (i, raw) in items.into_iter().enumerate() {
        let Some(mut item) = Object::parse(raw, format!("input[{i}]"), Side::Client)? else { continue };
        let kind = item.string("type")?;
        let id = item.raw("id").and_then(as_text);
        item.ignore(&["status", "phase"]);
        match kind.as_deref() {
            None | Some("message") => message(&mut item, prompt, notes)?,
            Some("function_call") => {
                let call = ToolCall {
                    id: item.required_string("call_id")?,
                    name: item.required_string("name")?,
                    arguments: arguments(&mut item)?,
                    signature: call_signature.take(),
                };
                answer(prompt, vec![Part::ToolCall(call)]);
            }
            Some("function_call_output") => {
                let read = tool_result(&mut item, notes)?;
                result(prompt, read);
            }
            Some("reasoning") => {
                answer(prompt, reasoning_item(&mut item, &mut call_signature)?.into_iter().collect());
            }
            // A reference to thinking: without it the conversation is still whole.
            Some("item_reference") if id.is_some_and(|id| id.starts_with("rs_")) => {
                notes.drop_named(item.path().to_owned())?;
            }
            Some("item_reference") => {
                return Err(unsupported(
                    item.path().to_owned(),
                    format!(
                        "`{}` refers to an item that only the provider that made it keeps; send the item itself",
                        item.path()
                    ),
                ));
            }
            Some(other) => {
                notes.refuse_named(
                    item.path().to_owned(),
                    format!(
                        "`{}` is of type `{other}`, which only an OpenAI provider understands; the chosen one takes \
                         messages, function calls and their outputs",
                        item.path()
                    ),
                )?;
                continue;
            }
        }
        item.note_rest(notes)?;
    }
    Ok(())
}

fn message(item: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let role = item.required_string("role")?;
    let parts = content(item, "content", notes)?;
    match role.as_str() {
        "user" => prompt.turns.push(Turn { role: Role::User, name: None, parts }),
        "assistant" => answer(prompt, parts),
        "system" | "developer" if prompt.turns.is_empty() => {
            for part in parts {
                match part {
                    Part::Text(text) => prompt.system.push(text),
                    _ => {
                        let path = item.at("content");
                        return Err(bad_request(path.clone(), format!("`{path}` of a {role} message must be text")));
                    }
                }
            }
        }
        "system" | "developer" => prompt.turns.push(Turn { role: Role::System, name: None, parts }),
        other => {
            let path = item.at("role");
            return Err(bad_request(
                path.clone(),
                format!("`{path}` is `{other}`; it must be `user`, `assistant`, `system` or `developer`"),
            ));
        }
    }
    Ok(())
}

/// Adds to the answer that is being gathered: items of one answer follow each other.
fn answer(prompt: &mut Prompt, parts: Vec<Part>) {
    gather(prompt, Role::Assistant, parts, |turn| turn.role == Role::Assistant);
}

/// Adds a result to those that are being gathered.
fn result(prompt: &mut Prompt, result: ToolResult) {
    gather(prompt, Role::User, vec![Part::ToolResult(result)], |turn| {
        turn.role == Role::User && matches!(turn.parts.last(), Some(Part::ToolResult(_)))
    });
}

fn gather(prompt: &mut Prompt, role: Role, parts: Vec<Part>, continues: impl Fn(&Turn) -> bool) {
    match prompt.turns.last_mut() {
        _ if parts.is_empty() => {}
        Some(turn) if continues(turn) => turn.parts.extend(parts),
        _ => prompt.turns.push(Turn { role, name: None, parts }),
    }
}

fn arguments(item: &mut Object<'_>) -> Result<String, Fault> {
    let path = item.at("arguments");
    match item.raw("arguments") {
        None => Ok("{}".to_owned()),
        Some(raw) if first_byte(raw) == b'{' => Ok(raw.get().to_owned()),
        Some(raw) => match as_text(raw) {
            Some(text) if text.trim().is_empty() => Ok("{}".to_owned()),
            Some(text) => Ok(text.into_owned()),
            None => Err(mistyped(&path, "a string of JSON")),
        },
    }
}

fn tool_result(item: &mut Object<'_>, notes: &mut Notes) -> Result<ToolResult, Fault> {
    let id = item.required_string("call_id")?;
    if !item.has("output") {
        let path = item.at("output");
        return Err(bad_request(path.clone(), format!("`{path}` is missing; it must be a string or a list of parts")));
    }
    let parts = content(item, "output", notes)?;
    Ok(ToolResult { id, name: None, parts, is_error: false })
}

/// Reasoning comes back as its provider gave it; what was sealed into it for another provider is unsealed.
fn reasoning_item(item: &mut Object<'_>, call_signature: &mut Option<Signature>) -> Result<Option<Part>, Fault> {
    let summary = reasoning_texts(item, "summary")?;
    let content = reasoning_texts(item, "content")?;
    let text = if summary.is_empty() { content } else { summary };
    let sealed = item.text("encrypted_content")?.map(|text| seal::open(&text, Format::Responses));
    Ok(match sealed {
        Some(Sealed::Thinking(signature)) => Some(Part::Thinking { text, signature: Some(signature) }),
        Some(Sealed::Redacted(data)) => Some(Part::RedactedThinking(data)),
        Some(Sealed::Call(signature)) => {
            *call_signature = Some(signature);
            None
        }
        None if text.is_empty() => None,
        None => Some(Part::Thinking { text, signature: None }),
    })
}

fn reasoning_texts(item: &mut Object<'_>, key: &str) -> Result<String, Fault> {
    let mut texts = Vec::new();
    for mut part in item.objects(key)?.unwrap_or_default() {
        texts.extend(part.string("text")?);
    }
    Ok(texts.join("\n\n"))
}

fn content(item: &mut Object<'_>, key: &str, notes: &mut Notes) -> Result<Vec<Part>, Fault> {
    let path = item.at(key);
    let Some(raw) = item.raw(key) else { return Ok(Vec::new()) };
    if let Some(text) = as_text(raw) {
        return Ok(non_empty(text.into_owned()));
    }
    let list: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| mistyped(&path, "a string or a list of parts"))?;
    let mut parts = Vec::with_capacity(list.len());
    for (i, raw) in list.into_iter().enumerate() {
        if let Some(mut part) = Object::parse(raw, format!("{path}[{i}]"), Side::Client)? {
            parts.extend(content_part(&mut part, notes)?);
        }
    }
    Ok(parts)
}

fn content_part(part: &mut Object<'_>, notes: &mut Notes) -> Result<Option<Part>, Fault> {
    let kind = part.required_string("type")?;
    let read = match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            part.ignore(&["annotations", "logprobs", "prompt_cache_breakpoint"]);
            non_empty(part.required_string("text")?).pop()
        }
        "refusal" => Some(Part::Refusal(part.required_string("refusal")?)),
        "input_image" => Some(image(part)?),
        "input_file" => Some(file(part)?),
        "input_audio" => Some(audio(part)?),
        other => {
            notes.refuse_named(
                part.path().to_owned(),
                format!("`{}` is of type `{other}`, which the chosen provider has no counterpart for", part.path()),
            )?;
            return Ok(None);
        }
    };
    part.ignore(&["prompt_cache_breakpoint"]);
    part.note_rest(notes)?;
    Ok(read)
}

fn image(part: &mut Object<'_>) -> Result<Part, Fault> {
    let detail = part.string("detail")?;
    let path = part.at("image_url");
    let url = match part.raw("image_url") {
        // Chat completions nest the address, and clients mix the two up.
        Some(raw) if first_byte(raw) == b'{' => match Object::parse(raw, path.clone(), Side::Client)? {
            Some(mut nested) => Some(nested.required_string("url")?),
            None => None,
        },
        Some(raw) => Some(as_text(raw).ok_or_else(|| mistyped(&path, "a string"))?.into_owned()),
        None => None,
    };
    let source = match (url, part.string("file_id")?) {
        (Some(url), _) => media::from_url(&url, &path)?,
        (None, Some(id)) => Media::File(id),
        (None, None) => return Err(bad_request(path.clone(), format!("`{path}` is missing"))),
    };
    Ok(Part::Image { source, detail })
}

fn file(part: &mut Object<'_>) -> Result<Part, Fault> {
    let name = part.string("filename")?;
    part.ignore(&["detail"]);
    let (path, url_path) = (part.at("file_data"), part.at("file_url"));
    let (data, url, id) = (part.text("file_data")?, part.string("file_url")?, part.string("file_id")?);
    if let Some(data) = data {
        let source = if data.starts_with("data:") {
            media::from_url(&data, &path)?
        } else {
            media::base64("application/pdf", &data, &path)?
        };
        let mime = match &source {
            Media::Base64 { mime, .. } => mime.clone(),
            _ => String::new(),
        };
        return media::part(source, &mime, name, &path);
    }
    let source = match (url, id) {
        (Some(url), _) => media::from_url(&url, &url_path)?,
        (None, Some(id)) => Media::File(id),
        (None, None) => return Err(bad_request(path.clone(), format!("`{path}` is missing"))),
    };
    Ok(Part::Document { source, name })
}

fn audio(part: &mut Object<'_>) -> Result<Part, Fault> {
    let path = part.at("input_audio");
    let Some(mut nested) = part.object("input_audio")? else {
        return Err(bad_request(path.clone(), format!("`{path}` is missing")));
    };
    let format = nested.required_string("format")?;
    let data = nested.required_string("data")?;
    let source = media::base64(&media::audio_mime(&format), &data, &nested.at("data"))?;
    Ok(Part::Audio { source })
}

fn non_empty(text: String) -> Vec<Part> {
    if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] }
}

fn tools(top: &mut Object<'_>, notes: &mut Notes) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for mut tool in top.objects("tools")?.unwrap_or_default() {
        let kind = tool.required_string("type")?;
        if kind != "function" {
            notes.refuse_named(
                tool.path().to_owned(),
                format!(
                    "`{}` is of type `{kind}`, which only an OpenAI provider runs; the chosen one takes function tools",
                    tool.path()
                ),
            )?;
            continue;
        }
        tools.push(Tool {
            name: tool.required_string("name")?,
            description: tool.string("description")?,
            schema: tool.raw("parameters").map(ToOwned::to_owned),
            strict: tool.bool("strict")?,
        });
        tool.ignore(&["defer_loading"]);
        tool.note_rest(notes)?;
    }
    Ok(tools)
}

fn tool_choice(top: &mut Object<'_>, tools: &[Tool], notes: &mut Notes) -> Result<Option<ToolChoice>, Fault> {
    let Some(raw) = top.raw("tool_choice") else { return Ok(None) };
    let choice = match as_text(raw).as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        Some(other) => {
            return Err(bad_request(
                "tool_choice",
                format!("`tool_choice` is `{other}`; it must be `auto`, `none`, `required` or an object"),
            ));
        }
        None => {
            let Some(mut object) = Object::parse(raw, "tool_choice".to_owned(), Side::Client)? else {
                return Ok(None);
            };
            match object.required_string("type")?.as_str() {
                "function" => ToolChoice::Named(object.required_string("name")?),
                "allowed_tools" => allowed_tools(&mut object)?,
                other => {
                    notes.refuse_named(
                        "tool_choice",
                        format!(
                            "`tool_choice` is of type `{other}`; the chosen provider can only be made to call functions"
                        ),
                    )?;
                    return Ok(None);
                }
            }
        }
    };
    // A Responses client may repeat the default although it has no tools.
    match choice {
        ToolChoice::Auto | ToolChoice::None if tools.is_empty() => Ok(None),
        _ if tools.is_empty() => Err(bad_request("tool_choice", "`tool_choice` asks for a tool but `tools` is empty")),
        choice => Ok(Some(choice)),
    }
}

fn allowed_tools(choice: &mut Object<'_>) -> Result<ToolChoice, Fault> {
    let required = choice.string("mode")?.as_deref() == Some("required");
    let mut names = Vec::new();
    for mut tool in choice.objects("tools")?.unwrap_or_default() {
        names.push(tool.required_string("name")?);
    }
    Ok(ToolChoice::Allowed { names, required })
}

fn logprobs(top: &mut Object<'_>) -> Result<Option<u32>, Fault> {
    let asked = top.strings("include")?.unwrap_or_default().iter().any(|what| what == "message.output_text.logprobs");
    let top_logprobs = top.u64("top_logprobs")?.filter(|n| *n > 0);
    Ok(match top_logprobs {
        Some(n) => Some(u32::try_from(n).unwrap_or(u32::MAX)),
        None => asked.then_some(0),
    })
}

fn reasoning(top: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let Some(mut reasoning) = top.object("reasoning")? else { return Ok(()) };
    prompt.reasoning = reasoning.string("effort")?.map(|effort| match effort.as_str() {
        "none" => Reasoning::Disabled,
        _ => Reasoning::Effort(effort),
    });
    let older = reasoning.string("generate_summary")?;
    prompt.show_reasoning = reasoning.string("summary")?.or(older).map(|_| true);
    reasoning.note_rest(notes)
}

fn text(top: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let Some(mut text) = top.object("text")? else { return Ok(()) };
    prompt.verbosity = text.string("verbosity")?;
    if let Some(mut format) = text.object("format")? {
        prompt.output = match format.required_string("type")?.as_str() {
            "text" => Output::Text,
            "json_object" => Output::JsonObject,
            "json_schema" => Output::JsonSchema {
                name: format.string("name")?,
                description: format.string("description")?,
                schema: match format.raw("schema") {
                    Some(schema) if first_byte(schema) == b'{' => schema.to_owned(),
                    _ => return Err(mistyped("text.format.schema", "an object")),
                },
                strict: format.bool("strict")?,
            },
            other => {
                return Err(bad_request(
                    "text.format.type",
                    format!("`text.format.type` is `{other}`; it must be `text`, `json_object` or `json_schema`"),
                ));
            }
        };
        format.note_rest(notes)?;
    }
    text.note_rest(notes)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
