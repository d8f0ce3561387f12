//! Reading the messages of an Anthropic request.
//!
//! Blocks map to parts one to one. Signed thinking keeps its signature, or what stands in its place: another
//! provider's signature on thinking or on a tool call, put there when the answer was translated.

use crate::translate::json::{self, Object, Side, as_text, first_byte};
use crate::translate::media;
use crate::translate::neutral::{Media, Part, Prompt, Role, Signature, ToolCall, ToolResult, Turn};
use crate::translate::notes::{Notes, bad_request};
use crate::translate::seal::{self, Sealed};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

pub(super) fn read(messages: Vec<Object<'_>>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    for mut message in messages {
        let role = match message.required_string("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            other => {
                let path = message.at("role");
                let why = format!("`{path}` is `{other}`; it must be user, assistant or system");
                return Err(bad_request(path, why));
            }
        };
        let parts = content(&mut message, 0, notes)?;
        prompt.turns.push(Turn { role, name: None, parts });
        message.ignore(&["id", "type", "cache_control"]);
        message.note_rest(notes)?;
    }
    Ok(())
}

/// A member that is a string or a list of text blocks.
pub(super) fn texts(object: &mut Object<'_>, key: &str) -> Result<Vec<String>, Fault> {
    let path = object.at(key);
    let mut texts = Vec::new();
    for block in blocks(object, key)? {
        match block {
            Block::Text(text) => texts.push(text),
            Block::Object(mut block) => match block.text("type")?.as_deref() {
                Some("text") => texts.push(block.required_string("text")?),
                _ => return Err(json::mistyped(&path, "a string or a list of text blocks")),
            },
        }
    }
    Ok(texts)
}

/// One element of `content`: the whole of it as a string, or a block.
enum Block<'a> {
    Text(String),
    Object(Object<'a>),
}

fn blocks<'a>(object: &mut Object<'a>, key: &str) -> Result<Vec<Block<'a>>, Fault> {
    let path = object.at(key);
    let Some(raw) = object.raw(key) else { return Ok(Vec::new()) };
    match first_byte(raw) {
        b'"' => {
            let text = as_text(raw).ok_or_else(|| json::mistyped(&path, "a string of valid Unicode"))?;
            Ok(vec![Block::Text(text.into_owned())])
        }
        b'[' => {
            let list: Vec<&'a RawValue> =
                serde_json::from_str(raw.get()).map_err(|_| json::mistyped(&path, "a string or a list of blocks"))?;
            let mut blocks = Vec::with_capacity(list.len());
            for (i, raw) in list.into_iter().enumerate() {
                blocks.extend(Object::parse(raw, format!("{path}[{i}]"), Side::Client)?.map(Block::Object));
            }
            Ok(blocks)
        }
        _ => Err(json::mistyped(&path, "a string or a list of blocks")),
    }
}

/// How deep blocks may hold blocks: a message a tool result, a tool result a document, a document its content.
const MAX_DEPTH: usize = 2;

fn content(object: &mut Object<'_>, depth: usize, notes: &mut Notes) -> Result<Vec<Part>, Fault> {
    if depth > MAX_DEPTH {
        let path = object.at("content");
        let why = format!("`{path}` nests blocks deeper than any provider reads them");
        return Err(bad_request(path, why));
    }
    let mut parts = Vec::new();
    // A signature on the next tool call, which has no place for it in this format.
    let mut for_call: Option<Signature> = None;
    for block in blocks(object, "content")? {
        let mut block = match block {
            Block::Text(text) => {
                parts.push(Part::Text(text));
                continue;
            }
            Block::Object(block) => block,
        };
        match block.required_string("type")?.as_str() {
            "text" => {
                parts.push(Part::Text(block.required_string("text")?));
                // What was cited is in the text already.
                block.ignore(&["citations"]);
            }
            "image" => {
                if let Source::Media(source) = source(&mut block, notes)? {
                    parts.push(Part::Image { source, detail: None });
                }
            }
            "document" => document(&mut block, &mut parts, depth, notes)?,
            "search_result" => parts.push(search_result(&mut block)?),
            "thinking" => {
                let text = block.string("thinking")?.unwrap_or_default();
                let place = block.string("signature")?.unwrap_or_default();
                match seal::open(&place, Format::Messages) {
                    Sealed::Call(signature) => for_call = Some(signature),
                    _ => parts.push(seal::thinking(text, &place, Format::Messages)),
                }
            }
            "redacted_thinking" => parts.push(Part::RedactedThinking(block.required_string("data")?)),
            "tool_use" => {
                let id = block.required_string("id")?;
                let name = block.required_string("name")?;
                let arguments = block.raw("input").map_or_else(|| "{}".to_owned(), |raw| json::compact(raw.get()));
                parts.push(Part::ToolCall(ToolCall { id, name, arguments, signature: for_call.take() }));
                block.ignore(&["caller"]);
            }
            "tool_result" => {
                let id = block.required_string("tool_use_id")?;
                let is_error = block.bool("is_error")?.unwrap_or(false);
                let content = content(&mut block, depth + 1, notes)?;
                parts.push(Part::ToolResult(ToolResult { id, name: None, parts: content, is_error }));
            }
            other => {
                let path = block.at("type");
                let why = format!(
                    "a `{other}` block belongs to Anthropic alone and cannot be carried to the chosen provider"
                );
                notes.refuse_named(path, why)?;
                continue;
            }
        }
        block.ignore(&["cache_control"]);
        block.note_rest(notes)?;
    }
    Ok(parts)
}

/// `source` of an image or a document.
enum Source<'a> {
    Media(Media),
    /// A document made of blocks.
    Blocks(Object<'a>),
    /// A kind of source that a lenient caller accepts to lose.
    Lost,
}

fn source<'a>(block: &mut Object<'a>, notes: &mut Notes) -> Result<Source<'a>, Fault> {
    let path = block.at("source");
    let mut source = block.object("source")?.ok_or_else(|| json::mistyped(&path, "an object"))?;
    Ok(Source::Media(match source.required_string("type")?.as_str() {
        "base64" => {
            let mime = source.required_string("media_type")?;
            let data = source.required_string("data")?;
            media::base64(&mime, &data, &source.at("data"))?
        }
        "url" => Media::Url { url: source.required_string("url")?, mime: None },
        "file" => Media::File(source.required_string("file_id")?),
        "text" => Media::Text(source.required_string("data")?),
        "content" => return Ok(Source::Blocks(source)),
        other => {
            let path = source.at("type");
            notes.refuse_named(path, format!("a source of type `{other}` cannot be carried to the chosen provider"))?;
            return Ok(Source::Lost);
        }
    }))
}

fn document(block: &mut Object<'_>, parts: &mut Vec<Part>, depth: usize, notes: &mut Notes) -> Result<(), Fault> {
    let name = block.string("title")?;
    let path = block.at("citations");
    // Asking for citations is a wish about the form of the answer.
    if let Some(mut citations) = block.object("citations")?
        && citations.bool("enabled")? == Some(true)
    {
        notes.drop_named(path)?;
    }
    match source(block, notes)? {
        Source::Media(source) => parts.push(Part::Document { source, name }),
        Source::Blocks(mut source) => parts.extend(content(&mut source, depth + 1, notes)?),
        Source::Lost => {}
    }
    Ok(())
}

/// A search result that the caller found: its text under its title, as it would be quoted.
fn search_result(block: &mut Object<'_>) -> Result<Part, Fault> {
    let title = block.string("title")?.unwrap_or_default();
    let address = block.string("source")?.unwrap_or_default();
    let texts = texts(block, "content")?;
    block.ignore(&["citations"]);
    Ok(Part::Text(format!("{title}\n{address}\n{}", texts.join("\n"))))
}
