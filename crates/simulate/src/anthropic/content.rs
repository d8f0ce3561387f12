//! The conversation of a request for messages: turns, blocks, and the rules that tie tool calls to their results.

use std::borrow::Cow;

use serde_json::Value;

use super::models::Traits;
use super::read::required;
use crate::ask::Ask;
use crate::json::look;
use crate::picture::Picture;
use crate::refusal::{Outcome, Refusal};
use crate::seed;

const MEDIA: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The part of a seal that belongs to thinking blocks.
pub(super) const THINKING: &str = "thinking";

/// A walk through the messages.
struct Walk<'s> {
    seed: u64,
    /// Calls of the last assistant turn that have no result yet.
    open: Vec<&'s str>,
    /// Whether this user turn already had something that is no tool result.
    results_over: bool,
    texts: Vec<&'s str>,
}

/// Takes `messages` into `ask`.
pub(super) fn conversation<'v>(ask: &mut Ask<'v>, body: &'v Value, seed: u64, traits: Traits) -> Outcome<()> {
    let list = match body.get("messages") {
        None => return Err(required("messages")),
        Some(Value::Array(list)) if list.is_empty() => {
            return Err(Refusal::bad("messages: at least one message is required"));
        }
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::bad("messages: Input should be a valid list")),
    };
    let mut walk = Walk { seed, open: Vec::new(), results_over: false, texts: Vec::new() };
    let mut before = "";
    for (at, message) in list.iter().enumerate() {
        let fields = message.as_object();
        let fields =
            fields.ok_or_else(|| Refusal::bad(format!("messages.{at}: Input should be a valid dictionary")))?;
        if let Some((name, _)) = fields.iter().find(|(name, _)| *name != "role" && *name != "content") {
            return Err(Refusal::bad(format!("messages.{at}.{name}: Extra inputs are not permitted")));
        }
        let role = message["role"].as_str().ok_or_else(|| required(&format!("messages.{at}.role")))?;
        let last = at + 1 == list.len();
        match role {
            "user" | "assistant" => {}
            "system" => mid_system(at, before, list.get(at + 1), &walk, traits)?,
            _ => {
                return Err(Refusal::bad(format!(
                    "messages.{at}.role: Input should be 'user', 'assistant' or 'system'"
                )));
            }
        }
        // Turns of one role in a row are one turn.
        if role == "assistant" && before != "assistant" {
            walk.answered(at)?;
            ask.results.clear();
        }
        if role == "user" && before != "user" {
            walk.results_over = false;
            walk.texts.clear();
            ask.results.clear();
        }
        ask.message();
        if let (true, Some(begun)) =
            (role == "assistant" && last, message["content"].as_str().filter(|it| !it.is_empty()))
        {
            if begun.ends_with(char::is_whitespace) {
                return Err(Refusal::bad("messages: final assistant content cannot end with trailing whitespace"));
            }
            ask.begin(begun);
            before = role;
            continue;
        }
        walk.message(ask, message, role, at, last)?;
        before = role;
    }
    walk.answered(list.len())?;
    if before == "assistant" && traits.no_prefill {
        return Err(Refusal::bad(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    ask.user = match walk.texts.as_slice() {
        [only] => Cow::Borrowed(only),
        several => Cow::Owned(several.join("\n")),
    };
    Ok(())
}

/// With thinking enabled, the assistant turn that a tool result answers must begin with its thinking.
pub(super) fn thinking_comes_first(body: &Value) -> Outcome<()> {
    let list = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = list.iter().enumerate().rev().find(|(_, message)| message["role"] == "assistant");
    let Some((at, blocks)) = found.and_then(|(at, message)| Some((at, message["content"].as_array()?))) else {
        return Ok(());
    };
    let first = blocks.first().and_then(|block| block["type"].as_str()).unwrap_or_default();
    let calls = blocks.iter().any(|block| block["type"] == "tool_use");
    if calls && !matches!(first, "thinking" | "redacted_thinking") {
        return Err(Refusal::bad(format!(
            "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` \
             is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of \
             `tool_use` and `tool_result` blocks)."
        )));
    }
    Ok(())
}

fn mid_system(at: usize, before: &str, next: Option<&Value>, walk: &Walk<'_>, traits: Traits) -> Outcome<()> {
    if !traits.mid_system {
        return Err(Refusal::bad(format!("messages.{at}.role: role 'system' is not supported on this model")));
    }
    if at == 0 {
        return Err(Refusal::bad(
            "messages.0.role: use the top-level 'system' parameter for the initial system prompt",
        ));
    }
    let followed = next.is_none_or(|next| next["role"] == "assistant");
    if before != "user" || !walk.open.is_empty() || !followed {
        return Err(Refusal::bad(format!(
            "messages.{at}: a system message must follow a user turn and be last or followed by an assistant turn"
        )));
    }
    Ok(())
}

impl<'v> Walk<'v> {
    fn message(&mut self, ask: &mut Ask<'v>, message: &'v Value, role: &str, at: usize, last: bool) -> Outcome<()> {
        let empty = || {
            Refusal::bad(format!(
                "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            ))
        };
        match message.get("content") {
            None => return Err(required(&format!("messages.{at}.content"))),
            Some(Value::String(text)) => {
                if text.is_empty() && !(role == "assistant" && last) {
                    return Err(empty());
                }
                ask.text(text);
                self.text(text, role);
                return Ok(());
            }
            Some(Value::Array(blocks)) => {
                if blocks.is_empty() && !(role == "assistant" && last) {
                    return Err(empty());
                }
                for (number, block) in blocks.iter().enumerate() {
                    let path = format!("messages.{at}.content.{number}");
                    self.block(ask, block, role, at, &path)?;
                    ask.breakpoint(block.get("cache_control"));
                }
            }
            Some(_) => {
                return Err(Refusal::bad(format!("messages.{at}.content: Input should be a valid string or list")));
            }
        }
        Ok(())
    }

    fn block(&mut self, ask: &mut Ask<'v>, block: &'v Value, role: &str, at: usize, path: &str) -> Outcome<()> {
        let kind = block["type"].as_str().ok_or_else(|| required(&format!("{path}.type")))?;
        let text = |name: &str| block[name].as_str().ok_or_else(|| required(&format!("{path}.{kind}.{name}")));
        let mine = match kind {
            "thinking" | "redacted_thinking" | "tool_use" => "assistant",
            "tool_result" | "image" | "document" => "user",
            _ => role,
        };
        if role != mine {
            return Err(Refusal::bad(format!("{path}: `{kind}` blocks may only be in `{mine}` messages")));
        }
        match kind {
            "text" => {
                let said = text("text")?;
                if said.is_empty() {
                    return Err(Refusal::bad("messages: text content blocks must be non-empty"));
                }
                ask.text(said);
                self.text(said, role);
            }
            "image" => {
                ask.picture(image(&block["source"], path)?);
                self.results_over = true;
            }
            "document" | "search_result" => {
                let title = block["title"].as_str().unwrap_or("(document)");
                ask.text(
                    look(block, &["source", "data"])
                        .as_str()
                        .filter(|_| *look(block, &["source", "type"]) == "text")
                        .unwrap_or(title),
                );
                self.results_over = true;
            }
            "thinking" => {
                let thought = text("thinking")?;
                if text("signature")? != seed::seal(self.seed, &[THINKING, thought]) {
                    return Err(Refusal::bad(format!("{path}: Invalid `signature` in `thinking` block")));
                }
            }
            "redacted_thinking" => {
                text("data")?;
            }
            "tool_use" => {
                let (id, name) = (text("id")?, text("name")?);
                identifier(id, &format!("{path}.tool_use.id"))?;
                let input = block.get("input").ok_or_else(|| required(&format!("{path}.tool_use.input")))?;
                if !input.is_object() {
                    return Err(Refusal::bad(format!("{path}.tool_use.input: Input should be a valid dictionary")));
                }
                ask.text(name);
                ask.text(&input.to_string());
                if self.open.contains(&id) {
                    return Err(Refusal::bad("messages: `tool_use` ids must be unique"));
                }
                self.open.push(id);
            }
            "tool_result" => self.result(ask, block, at, path)?,
            "server_tool_use" | "container_upload" => {}
            kind if kind.ends_with("_tool_result") => {}
            other => {
                return Err(Refusal::bad(format!(
                    "{path}: Input tag '{other}' found using 'type' does not match any of the expected tags"
                )));
            }
        }
        Ok(())
    }

    fn result(&mut self, ask: &mut Ask<'v>, block: &'v Value, at: usize, path: &str) -> Outcome<()> {
        let id = block["tool_use_id"].as_str().ok_or_else(|| required(&format!("{path}.tool_result.tool_use_id")))?;
        if self.results_over && self.open.contains(&id) {
            return self.answered(at);
        }
        let Some(place) = self.open.iter().position(|open| *open == id) else {
            return Err(Refusal::bad(format!(
                "{path}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have \
                 a corresponding `tool_use` block in the previous message."
            )));
        };
        self.open.remove(place);
        let mut told = String::new();
        match block.get("content") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                ask.text(text);
                told.push_str(text);
            }
            Some(Value::Array(parts)) => {
                for (number, part) in parts.iter().enumerate() {
                    match part["type"].as_str() {
                        Some("text") => {
                            let text = part["text"].as_str();
                            let text = text.ok_or_else(|| required(&format!("{path}.content.{number}.text")))?;
                            ask.text(text);
                            told.push_str(text);
                        }
                        Some("image") => ask.picture(image(&part["source"], &format!("{path}.content.{number}"))?),
                        Some("document" | "search_result") => {}
                        _ => return Err(required(&format!("{path}.content.{number}.type"))),
                    }
                }
            }
            Some(_) => return Err(Refusal::bad(format!("{path}.content: Input should be a valid string or list"))),
        }
        ask.results.push(told);
        Ok(())
    }

    fn text(&mut self, text: &'v str, role: &str) {
        if role == "user" {
            self.results_over = true;
            self.texts.push(text);
        }
    }

    /// Refuses calls that have no result when the next turn, with number `at`, is over.
    fn answered(&self, at: usize) -> Outcome<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(Refusal::bad(format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
             block must have a corresponding `tool_result` block in the next message.",
            self.open.join(", ")
        )))
    }
}

fn identifier(id: &str, path: &str) -> Outcome<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.len() <= 64 && id.chars().all(fits) {
        return Ok(());
    }
    Err(Refusal::bad(format!("{path}: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")))
}

fn image(source: &Value, path: &str) -> Outcome<Picture> {
    let path = format!("{path}.image.source");
    match source["type"].as_str() {
        Some("base64") => {
            let kind = source["media_type"].as_str().ok_or_else(|| required(&format!("{path}.base64.media_type")))?;
            if !MEDIA.contains(&kind) {
                return Err(Refusal::bad(format!(
                    "{path}.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                )));
            }
            let data = source["data"].as_str().ok_or_else(|| required(&format!("{path}.base64.data")))?;
            Picture::inline(kind, data).ok_or_else(|| Refusal::bad(format!("{path}.base64: invalid base64 data")))
        }
        Some("url") => {
            let url = source["url"].as_str().ok_or_else(|| required(&format!("{path}.url.url")))?;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(Refusal::bad(format!("{path}.url.url: Only HTTPS URLs are supported.")));
            }
            Ok(Picture::at(url))
        }
        Some("file") => Ok(Picture::at(source["file_id"].as_str().unwrap_or_default())),
        _ => Err(required(&format!("{path}.type"))),
    }
}
