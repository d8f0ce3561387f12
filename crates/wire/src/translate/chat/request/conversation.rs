//! Reading the messages of a chat completion request.
//!
//! OpenAI's roles are finer than the neutral ones: `tool` and `function` messages are results inside a user turn,
//! `developer` is another word for `system`. System messages before the conversation become its instructions; a later
//! one stays where it is, because moving it would change what the model reads and every prompt cache behind it.

use crate::translate::json::{self, Object, Side, as_text, first_byte};
use crate::translate::media;
use crate::translate::neutral::{Media, Part, Prompt, Role, Signature, ToolCall, ToolResult, Turn};
use crate::translate::notes::{Notes, bad_request, unsupported};
use crate::translate::seal;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

pub(super) fn read(messages: Vec<Object<'_>>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    for mut message in messages {
        let role = message.required_string("role")?;
        let name = if role == "function" { None } else { message.string("name")? };
        match role.as_str() {
            "system" | "developer" => {
                let texts: Vec<String> = content(&mut message)?.into_iter().filter_map(into_text).collect();
                if prompt.turns.is_empty() {
                    if name.is_some() {
                        notes.drop_named(message.at("name"))?;
                    }
                    prompt.system.extend(texts);
                } else {
                    let parts = texts.into_iter().map(Part::Text).collect();
                    prompt.turns.push(Turn { role: Role::System, name, parts });
                }
            }
            "user" => {
                let parts = content(&mut message)?;
                prompt.turns.push(Turn { role: Role::User, name, parts });
            }
            "assistant" => {
                let parts = assistant(&mut message)?;
                prompt.turns.push(Turn { role: Role::Assistant, name, parts });
            }
            "tool" | "function" => {
                let id = if role == "tool" { message.required_string("tool_call_id")? } else { String::new() };
                let function = if role == "function" { Some(message.required_string("name")?) } else { None };
                let result = ToolResult { id, name: function, parts: content(&mut message)?, is_error: false };
                prompt.turns.push(Turn { role: Role::User, name: None, parts: vec![Part::ToolResult(result)] });
            }
            other => {
                let path = message.at("role");
                let why =
                    format!("`{path}` is `{other}`; it must be system, developer, user, assistant, tool or function");
                return Err(bad_request(path, why));
            }
        }
        message.note_rest(notes)?;
    }
    Ok(())
}

fn into_text(part: Part) -> Option<String> {
    match part {
        Part::Text(text) => Some(text),
        _ => None,
    }
}

/// `content`: a string, a list of parts, or nothing.
fn content(message: &mut Object<'_>) -> Result<Vec<Part>, Fault> {
    let path = message.at("content");
    let Some(raw) = message.raw("content") else { return Ok(Vec::new()) };
    match first_byte(raw) {
        b'"' => {
            let text = as_text(raw).ok_or_else(|| json::mistyped(&path, "a string of valid Unicode"))?;
            Ok(vec![Part::Text(text.into_owned())])
        }
        b'[' => {
            let list: Vec<&RawValue> =
                serde_json::from_str(raw.get()).map_err(|_| json::mistyped(&path, "a string or a list of parts"))?;
            let mut parts = Vec::with_capacity(list.len());
            for (i, raw) in list.into_iter().enumerate() {
                // A bare string in the list is not OpenAI's, yet some clients send it.
                if let Some(text) = as_text(raw) {
                    parts.push(Part::Text(text.into_owned()));
                } else if let Some(object) = Object::parse(raw, format!("{path}[{i}]"), Side::Client)? {
                    parts.push(part(object)?);
                }
            }
            Ok(parts)
        }
        _ => Err(json::mistyped(&path, "a string or a list of parts")),
    }
}

fn part(mut part: Object<'_>) -> Result<Part, Fault> {
    match part.required_string("type")?.as_str() {
        "text" | "input_text" | "output_text" => Ok(Part::Text(part.required_string("text")?)),
        "refusal" => Ok(Part::Refusal(part.required_string("refusal")?)),
        "image_url" => image(&mut part),
        "input_audio" => {
            let path = part.at("input_audio");
            let mut audio = part.object("input_audio")?.ok_or_else(|| json::mistyped(&path, "an object"))?;
            let format = audio.required_string("format")?;
            let data = audio.required_string("data")?;
            Ok(Part::Audio { source: media::base64(&media::audio_mime(&format), &data, &audio.at("data"))? })
        }
        "file" => file(&mut part),
        other => {
            let path = part.at("type");
            let why = format!("`{path}` is `{other}`, which cannot be carried to the chosen provider");
            Err(unsupported(path, why))
        }
    }
}

fn image(part: &mut Object<'_>) -> Result<Part, Fault> {
    let path = part.at("image_url");
    let raw = part.raw("image_url").ok_or_else(|| json::mistyped(&path, "an object with a `url`"))?;
    let (url, detail) = match as_text(raw) {
        Some(url) => (url.into_owned(), None),
        None => {
            let mut image = Object::parse(raw, path.clone(), Side::Client)?
                .ok_or_else(|| json::mistyped(&path, "an object with a `url`"))?;
            (image.required_string("url")?, image.string("detail")?)
        }
    };
    Ok(Part::Image { source: media::from_url(&url, &format!("{path}.url"))?, detail })
}

fn file(part: &mut Object<'_>) -> Result<Part, Fault> {
    let path = part.at("file");
    let mut file = part.object("file")?.ok_or_else(|| json::mistyped(&path, "an object"))?;
    let name = file.string("filename")?;
    if let Some(id) = file.string("file_id")? {
        return Ok(Part::Document { source: Media::File(id), name });
    }
    let data = file.required_string("file_data")?;
    let path = file.at("file_data");
    let source = match media::from_url(&data, &path)? {
        // Not a `data:` address: bare base64, which OpenAI takes for a PDF.
        Media::Url { .. } => media::base64("application/pdf", &data, &path)?,
        Media::Base64 { mime, data } if mime.starts_with("text/") => media::decode_text(Media::Base64 { mime, data }),
        other => other,
    };
    Ok(Part::Document { source, name })
}

fn assistant(message: &mut Object<'_>) -> Result<Vec<Part>, Fault> {
    let mut parts = thinking(message)?;
    parts.extend(content(message)?);
    if let Some(refusal) = message.string("refusal")?.filter(|r| !r.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    if message.has("audio") {
        let path = message.at("audio");
        return Err(unsupported(path, "an earlier spoken answer is kept by OpenAI and means nothing to this provider"));
    }
    for mut call in message.objects("tool_calls")?.unwrap_or_default() {
        let id = call.string("id")?.unwrap_or_default();
        if call.text("type")?.is_some_and(|kind| kind != "function") {
            let path = call.at("type");
            return Err(unsupported(path, "only calls of functions can be carried to the chosen provider"));
        }
        let signature = google_signature(&mut call)?;
        let path = call.at("function");
        let mut function =
            call.object("function")?.ok_or_else(|| json::mistyped(&path, "an object with `name` and `arguments`"))?;
        let name = function.required_string("name")?;
        parts.push(Part::ToolCall(ToolCall { id, name, arguments: arguments(&mut function)?, signature }));
    }
    // The older spelling: one call, without an id; its result is matched by name.
    if let Some(mut function) = message.object("function_call")? {
        let name = function.required_string("name")?;
        let arguments = arguments(&mut function)?;
        parts.push(Part::ToolCall(ToolCall { id: String::new(), name, arguments, signature: None }));
    }
    message.ignore(&["annotations", "id"]);
    Ok(parts)
}

fn arguments(function: &mut Object<'_>) -> Result<String, Fault> {
    let path = function.at("arguments");
    Ok(match function.raw("arguments") {
        None => "{}".to_owned(),
        Some(raw) if first_byte(raw) == b'{' => json::compact(raw.get()),
        Some(raw) => {
            let text = as_text(raw).ok_or_else(|| json::mistyped(&path, "a string holding a JSON object"))?;
            if text.trim().is_empty() { "{}".to_owned() } else { text.into_owned() }
        }
    })
}

/// Gemini's signature on a call, where its own OpenAI-compatible surface puts it.
fn google_signature(call: &mut Object<'_>) -> Result<Option<Signature>, Fault> {
    let Some(mut extra) = call.object("extra_content")? else { return Ok(None) };
    let Some(mut google) = extra.object("google")? else { return Ok(None) };
    Ok(google.string("thought_signature")?.map(|text| Signature { from: Format::Generate, text }))
}

/// Earlier thinking: `thinking_blocks` with signatures, as an answer of ours had them, or `reasoning_content`.
fn thinking(message: &mut Object<'_>) -> Result<Vec<Part>, Fault> {
    let clear = message.string("reasoning_content")?.or(message.string("reasoning")?);
    let Some(blocks) = message.objects("thinking_blocks")? else {
        return Ok(clear.map(|text| Part::Thinking { text, signature: None }).into_iter().collect());
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for mut block in blocks {
        parts.push(if block.text("type")?.as_deref() == Some("redacted_thinking") {
            Part::RedactedThinking(block.required_string("data")?)
        } else {
            let text = block.string("thinking")?.unwrap_or_default();
            let signature = block.string("signature")?.unwrap_or_default();
            seal::thinking(text, &signature, Format::Messages)
        });
    }
    Ok(parts)
}
