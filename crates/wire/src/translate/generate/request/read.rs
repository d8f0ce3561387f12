//! Reading a client's Gemini request.
//!
//! Keys come in camel case or in snake case; both are read, and paths in messages are in camel case, as in Google's
//! own reference.

use crate::translate::generate::part;
use crate::translate::json::{self, Object, Side, as_text, first_byte, mistyped};
use crate::translate::media;
use crate::translate::neutral::{
    Media, Output, Part, Prompt, Reasoning, Role, Signature, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::translate::notes::{Notes, bad_request, unsupported};
use crate::translate::schema;
use crate::translate::seal::{self, Sealed};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Fields that name state kept by Google, each with what to do instead.
const STATE: [(&str, &str); 2] = [
    ("cachedContent", "send the cached content itself in `contents` and `systemInstruction`"),
    ("continuationToken", "send the conversation so far in `contents`"),
];

/// Routing, storage and metadata: without meaning for another provider, so nothing is lost.
const IGNORED: [&str; 4] = ["model", "labels", "serviceTier", "store"];

/// Reads a client's request.
///
/// # Errors
/// The client's mistakes and what cannot be translated, each with its path.
pub fn read(body: &[u8], stream: Option<bool>, notes: &mut Notes) -> Result<Prompt, Fault> {
    let mut top = Object::request(body)?.camel_case();
    for (field, instead) in STATE {
        if top.raw(field).is_some() {
            return Err(unsupported(
                field,
                format!("`{field}` names something only Google keeps, and the chosen provider is another; {instead}"),
            ));
        }
    }
    let mut prompt = Prompt { source: Some(Format::Generate), stream: stream.unwrap_or(false), ..Prompt::default() };
    system(&mut top, &mut prompt, notes)?;
    contents(&mut top, &mut prompt, notes)?;
    prompt.tools = tools(&mut top, notes)?;
    prompt.tool_choice = tool_choice(&mut top, &prompt.tools, notes)?;
    if let Some(config) = object(&mut top, "generationConfig")? {
        generation(config, &mut prompt, notes)?;
    }
    top.ignore(&IGNORED);
    top.note_rest(notes)?;
    Ok(prompt)
}

fn object<'a>(parent: &mut Object<'a>, key: &str) -> Result<Option<Object<'a>>, Fault> {
    Ok(parent.object(key)?.map(Object::camel_case))
}

fn objects<'a>(parent: &mut Object<'a>, key: &str) -> Result<Vec<Object<'a>>, Fault> {
    Ok(parent.objects(key)?.unwrap_or_default().into_iter().map(Object::camel_case).collect())
}

fn system(top: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let path = top.at("systemInstruction");
    let Some(raw) = top.raw("systemInstruction") else { return Ok(()) };
    if let Some(text) = as_text(raw) {
        prompt.system.push(text.into_owned());
        return Ok(());
    }
    let Some(mut content) = Object::parse(raw, path.clone(), Side::Client)?.map(Object::camel_case) else {
        return Ok(());
    };
    content.ignore(&["role"]);
    for part in parts(&mut content, notes)? {
        match part {
            Part::Text(text) => prompt.system.push(text),
            _ => return Err(bad_request(path.clone(), format!("`{path}` must hold text parts only"))),
        }
    }
    Ok(())
}

fn contents(top: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    if !top.has("contents") {
        return Err(bad_request("contents", "`contents` is missing; it must be a list"));
    }
    for mut content in objects(top, "contents")? {
        let role = match content.string("role")?.as_deref() {
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(other) => {
                let path = content.at("role");
                let why = format!("`{path}` is `{other}`; it must be `user` or `model`");
                return Err(bad_request(path, why));
            }
        };
        let mut parts = parts(&mut content, notes)?;
        if role == Role::Assistant {
            // A streamed answer comes back in the pieces it was sent in.
            parts = part::joined(parts);
        }
        prompt.turns.push(Turn { role, name: None, parts });
    }
    Ok(())
}

fn parts(content: &mut Object<'_>, notes: &mut Notes) -> Result<Vec<Part>, Fault> {
    let mut read = Vec::new();
    for part in objects(content, "parts")? {
        read_part(part, &mut read, notes)?;
    }
    content.note_rest(notes)?;
    Ok(read)
}

/// One part of Gemini's may be two of ours: the text, and the signature that stands on it.
fn read_part(mut part: Object<'_>, out: &mut Vec<Part>, notes: &mut Notes) -> Result<(), Fault> {
    let thought = part.bool("thought")?.unwrap_or(false);
    let place = part.text("thoughtSignature")?.unwrap_or_default();
    if let Some(text) = part.string("text")? {
        if thought {
            out.push(seal::thinking(text, &place, Format::Generate));
        } else {
            if !text.is_empty() {
                out.push(Part::Text(text));
            }
            if !place.is_empty() {
                out.push(seal::thinking(String::new(), &place, Format::Generate));
            }
        }
    } else if let Some(mut data) = object(&mut part, "inlineData")? {
        let mime = data.required_string("mimeType")?;
        let (whole, path) = (data.path().to_owned(), data.at("data"));
        let bytes = data.required_string("data")?;
        // Google's clients write either alphabet of base64.
        let bytes = bytes.replace('-', "+").replace('_', "/");
        let name = data.string("displayName")?;
        out.push(media::part(media::base64(&mime, &bytes, &path)?, &mime, name, &whole)?);
    } else if let Some(mut file) = object(&mut part, "fileData")? {
        let path = file.at("fileUri");
        let url = file.required_string("fileUri")?;
        let mime = file.string("mimeType")?;
        let name = file.string("displayName")?;
        let source = Media::Url { url, mime: mime.clone() };
        out.push(media::part(source, mime.as_deref().unwrap_or("image/*"), name, &path)?);
    } else if let Some(call) = object(&mut part, "functionCall")? {
        out.push(Part::ToolCall(function_call(call, &place, notes)?));
    } else if let Some(response) = object(&mut part, "functionResponse")? {
        out.push(Part::ToolResult(function_response(response, notes)?));
    } else {
        let kind = part.rest().next().unwrap_or("nothing").to_owned();
        let path = part.path().to_owned();
        return notes.refuse_named(
            path.clone(),
            format!("`{path}` holds `{kind}`, which the chosen provider has no counterpart for"),
        );
    }
    part.ignore(&["partMetadata"]);
    part.note_rest(notes)
}

fn function_call(mut call: Object<'_>, place: &str, notes: &mut Notes) -> Result<ToolCall, Fault> {
    let path = call.at("args");
    let arguments = match call.raw("args") {
        None => "{}".to_owned(),
        Some(raw) if first_byte(raw) == b'{' => json::compact(raw.get()),
        Some(_) => return Err(mistyped(&path, "an object")),
    };
    let read = ToolCall {
        id: call.string("id")?.unwrap_or_default(),
        name: call.required_string("name")?,
        arguments,
        signature: call_signature(place),
    };
    call.note_rest(notes)?;
    Ok(read)
}

fn call_signature(place: &str) -> Option<Signature> {
    if place.is_empty() {
        return None;
    }
    match seal::open(place, Format::Generate) {
        Sealed::Thinking(signature) | Sealed::Call(signature) => Some(signature),
        Sealed::Redacted(_) => None,
    }
}

fn function_response(mut response: Object<'_>, notes: &mut Notes) -> Result<ToolResult, Fault> {
    let id = response.string("id")?.unwrap_or_default();
    let name = Some(response.required_string("name")?);
    let path = response.at("response");
    let (text, is_error) = match response.raw("response") {
        None => (String::new(), false),
        Some(raw) => outcome(raw, &path)?,
    };
    let mut parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
    for part in objects(&mut response, "parts")? {
        read_part(part, &mut parts, notes)?;
    }
    response.ignore(&["scheduling"]);
    response.note_rest(notes)?;
    Ok(ToolResult { id, name, parts, is_error })
}

/// What a function answered, and whether that is an error: `output`, `result` or `error` alone is unwrapped, anything
/// else is the answer itself.
fn outcome(raw: &RawValue, path: &str) -> Result<(String, bool), Fault> {
    let Some(mut object) = Object::parse(raw, path.to_owned(), Side::Client)? else {
        return Ok((String::new(), false));
    };
    let mut keys = object.rest();
    if let (Some(only), None) = (keys.next(), keys.next())
        && let Some(word) = ["output", "result", "error"].into_iter().find(|word| *word == only)
    {
        drop(keys);
        if let Some(value) = object.raw(word) {
            let text = as_text(value).map_or_else(|| json::compact(value.get()), |text| text.into_owned());
            return Ok((text, word == "error"));
        }
    }
    Ok((json::compact(raw.get()), false))
}

fn tools(top: &mut Object<'_>, notes: &mut Notes) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for mut group in objects(top, "tools")? {
        for declaration in objects(&mut group, "functionDeclarations")? {
            tools.push(declared(declaration, notes)?);
        }
        if let Some(other) = group.rest().next().map(str::to_owned) {
            let path = group.at(&other);
            let why =
                format!("`{path}` is a tool that only Google runs; the chosen provider takes function declarations");
            notes.refuse_named(path, why)?;
        }
    }
    Ok(tools)
}

fn declared(mut declaration: Object<'_>, notes: &mut Notes) -> Result<Tool, Fault> {
    let path = declaration.at("parameters");
    let subset = declaration.raw("parameters").map(|raw| proper_schema(raw, &path)).transpose()?;
    let whole = declaration.raw("parametersJsonSchema").map(ToOwned::to_owned);
    let tool = Tool {
        name: declaration.required_string("name")?,
        description: declaration.string("description")?,
        schema: whole.or(subset),
        strict: None,
    };
    // What a function returns is for the reader of the declaration; no other format says it.
    declaration.ignore(&["response", "responseJsonSchema", "behavior"]);
    declaration.note_rest(notes)?;
    Ok(tool)
}

fn proper_schema(raw: &RawValue, path: &str) -> Result<Box<RawValue>, Fault> {
    schema::from_openapi(raw).map_err(|_| mistyped(path, "a schema that is not nested too deeply"))
}

fn tool_choice(top: &mut Object<'_>, tools: &[Tool], notes: &mut Notes) -> Result<Option<ToolChoice>, Fault> {
    let Some(mut config) = object(top, "toolConfig")? else { return Ok(None) };
    let Some(mut calling) = object(&mut config, "functionCallingConfig")? else {
        config.note_rest(notes)?;
        return Ok(None);
    };
    let mode = calling.string("mode")?.unwrap_or_default().to_ascii_uppercase();
    let mut names = calling.strings("allowedFunctionNames")?.unwrap_or_default();
    let path = calling.at("mode");
    calling.note_rest(notes)?;
    config.note_rest(notes)?;
    let choice = match mode.as_str() {
        "" | "MODE_UNSPECIFIED" => return Ok(None),
        "AUTO" => ToolChoice::Auto,
        "NONE" => ToolChoice::None,
        "ANY" if names.is_empty() => ToolChoice::Required,
        "ANY" if names.len() == 1 => ToolChoice::Named(names.swap_remove(0)),
        "ANY" => ToolChoice::Allowed { names, required: true },
        "VALIDATED" => {
            // Calls that keep to their schema: other formats promise that tool by tool, if at all.
            notes.drop_named(path)?;
            if names.is_empty() { ToolChoice::Auto } else { ToolChoice::Allowed { names, required: false } }
        }
        other => {
            let why = format!("`{path}` is `{other}`; it must be `AUTO`, `ANY`, `NONE` or `VALIDATED`");
            return Err(bad_request(path, why));
        }
    };
    Ok(match choice {
        ToolChoice::Auto | ToolChoice::None if tools.is_empty() => None,
        choice => Some(choice),
    })
}

fn generation(mut config: Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    let sampling = &mut prompt.sampling;
    sampling.temperature = config.f64("temperature")?;
    sampling.top_p = config.f64("topP")?;
    sampling.top_k = config.u64("topK")?;
    sampling.seed = config.i64("seed")?;
    sampling.presence_penalty = config.f64("presencePenalty")?;
    sampling.frequency_penalty = config.f64("frequencyPenalty")?;
    prompt.max_output = config.u64("maxOutputTokens")?;
    prompt.stop = config.strings("stopSequences")?.unwrap_or_default();
    prompt.answers = config.u64("candidateCount")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let alternatives = config.u64("logprobs")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    prompt.logprobs = config.bool("responseLogprobs")?.filter(|wanted| *wanted).map(|_| alternatives.unwrap_or(0));
    prompt.output = output(&mut config)?;
    modalities(&mut config, notes)?;
    if let Some(thinking) = object(&mut config, "thinkingConfig")? {
        self::thinking(thinking, prompt, notes)?;
    }
    config.note_rest(notes)
}

fn output(config: &mut Object<'_>) -> Result<Output, Fault> {
    let mime = config.string("responseMimeType")?.unwrap_or_default();
    let path = config.at("responseSchema");
    let subset = config.raw("responseSchema").map(|raw| proper_schema(raw, &path)).transpose()?;
    let whole = config.raw("responseJsonSchema").map(ToOwned::to_owned);
    match (whole.or(subset), mime.as_str()) {
        (Some(schema), "application/json" | "") => {
            Ok(Output::JsonSchema { name: None, description: None, schema, strict: Some(true) })
        }
        (None, "application/json") => Ok(Output::JsonObject),
        (None, "" | "text/plain") => Ok(Output::Text),
        _ => {
            let path = config.at("responseMimeType");
            let why = format!("`{path}` is `{mime}`, which only a Gemini provider writes; use `application/json`");
            Err(unsupported(path, why))
        }
    }
}

fn modalities(config: &mut Object<'_>, notes: &mut Notes) -> Result<(), Fault> {
    let asked = config.strings("responseModalities")?.unwrap_or_default();
    match asked.iter().find(|modality| !modality.eq_ignore_ascii_case("text")) {
        Some(other) => notes.refuse_named(
            config.at("responseModalities"),
            format!("the answer is asked for as {other}, and only text can be translated between formats"),
        ),
        None => Ok(()),
    }
}

fn thinking(mut thinking: Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    prompt.show_reasoning = thinking.bool("includeThoughts")?;
    let budget = thinking.i64("thinkingBudget")?;
    let level = thinking.string("thinkingLevel")?.map(|level| level.to_ascii_lowercase());
    prompt.reasoning = match (budget, level.as_deref()) {
        (Some(_), Some(_)) => {
            let path = thinking.at("thinkingBudget");
            let why = format!("`{path}` and `thinkingLevel` exclude each other; send one of them");
            return Err(bad_request(path, why));
        }
        (Some(0), None) => Some(Reasoning::Disabled),
        (Some(budget), None) => Some(u64::try_from(budget).map_or(Reasoning::Adaptive, Reasoning::Budget)),
        (None, None | Some("thinking_level_unspecified")) => None,
        (None, Some(level)) => Some(Reasoning::Effort(level.to_owned())),
    };
    thinking.note_rest(notes)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
