//! Whole chat completions.
//!
//! Real servers send less, and other, than OpenAI does: no id, `choices: null`, arguments as an object, content as a
//! list, a `finish_reason` of their own. All of that is read; what is written is exactly OpenAI's shape, with two
//! extensions that clients ignore or know: `reasoning_content`, and `thinking_blocks` with the signatures that must
//! come back with the next turn.

use super::{read_finish, write_finish};
use crate::translate::json::{self, Object, as_text, first_byte};
use crate::translate::neutral::{Answer, Choice, Part, Signature, ToolCall};
use crate::translate::notes::broken;
use crate::translate::seal::{self, Sealed};
use crate::translate::{Context, ids};
use crate::usage::{self, ChatUsage};
use serde::Serialize;
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's answer.
///
/// # Errors
/// `UpstreamBroken` when it is not one.
pub fn read(body: &[u8]) -> Result<Answer, Fault> {
    let mut root = Object::answer(body)?;
    if let Some(error) = root.raw("error") {
        return Err(upstream_error(error.get()));
    }
    let mut answer = Answer {
        id: root.string("id")?.unwrap_or_default(),
        model: root.string("model")?.unwrap_or_default(),
        created: root.u64("created")?.filter(|seconds| *seconds > 0),
        choices: Vec::new(),
        usage: root.raw("usage").and_then(|raw| usage::read_chat(raw.get())),
    };
    for mut choice in root.objects("choices")?.unwrap_or_default() {
        let Some(message) = choice.object("message")? else { continue };
        let parts = message_parts(message)?;
        let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let finish = choice.text("finish_reason")?.and_then(|word| read_finish(&word, has_calls));
        answer.choices.push(Choice { parts, finish });
    }
    if answer.choices.is_empty() {
        return Err(broken("the provider's answer has no `choices`"));
    }
    Ok(answer)
}

/// The fault for an `error` that came with a good status.
pub(super) fn upstream_error(raw: &str) -> Fault {
    let body = format!("{{\"error\":{raw}}}");
    crate::translate::upstream_fault(body.as_bytes(), Format::Chat)
}

fn message_parts(mut message: Object<'_>) -> Result<Vec<Part>, Fault> {
    let mut parts = thinking(&mut message)?;
    if let Some(text) = content(&mut message).filter(|text| !text.is_empty()) {
        parts.push(Part::Text(text));
    }
    if let Some(refusal) = message.string("refusal")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    for mut call in message.objects("tool_calls")?.unwrap_or_default() {
        let id = call.string("id")?.unwrap_or_default();
        let signature = google_signature(&mut call)?;
        let Some(mut function) = call.object("function")? else { continue };
        let name = function.string("name")?.unwrap_or_default();
        parts.push(Part::ToolCall(ToolCall { id, name, arguments: arguments(&mut function), signature }));
    }
    if let Some(mut function) = message.object("function_call")? {
        let name = function.string("name")?.unwrap_or_default();
        let arguments = arguments(&mut function);
        parts.push(Part::ToolCall(ToolCall { id: String::new(), name, arguments, signature: None }));
    }
    Ok(parts)
}

/// `content`: a string, or the list of parts that some servers send.
fn content(message: &mut Object<'_>) -> Option<String> {
    let raw = message.raw("content")?;
    if let Some(text) = as_text(raw) {
        return Some(text.into_owned());
    }
    let parts: Vec<Value> = serde_json::from_str(raw.get()).ok()?;
    Some(parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str())).collect())
}

/// Arguments as JSON text: a string, or the object that some servers send; nothing means no arguments.
pub(super) fn arguments(function: &mut Object<'_>) -> String {
    let text = match function.raw("arguments") {
        None => String::new(),
        Some(raw) if first_byte(raw) == b'"' => as_text(raw).unwrap_or_default().into_owned(),
        Some(raw) => json::compact(raw.get()),
    };
    if text.trim().is_empty() { "{}".to_owned() } else { text }
}

/// Gemini's signature on a call, where its OpenAI-compatible surface puts it.
pub(super) fn google_signature(call: &mut Object<'_>) -> Result<Option<Signature>, Fault> {
    let Some(mut extra) = call.object("extra_content")? else { return Ok(None) };
    let Some(mut google) = extra.object("google")? else { return Ok(None) };
    Ok(google.string("thought_signature")?.map(|text| Signature { from: Format::Generate, text }))
}

/// Thinking: `thinking_blocks` where they came with signatures, else `reasoning_content` or `reasoning`.
fn thinking(message: &mut Object<'_>) -> Result<Vec<Part>, Fault> {
    let clear = message.string("reasoning_content")?.or(message.string("reasoning")?);
    if let Some(blocks) = message.objects("thinking_blocks")?.filter(|blocks| !blocks.is_empty()) {
        return blocks.into_iter().map(thinking_block).collect();
    }
    let clear = clear.filter(|text| !text.is_empty());
    Ok(clear.map(|text| Part::Thinking { text, signature: None }).into_iter().collect())
}

/// One entry of `thinking_blocks`.
pub(super) fn thinking_block(mut block: Object<'_>) -> Result<Part, Fault> {
    if block.text("type")?.as_deref() == Some("redacted_thinking") {
        return Ok(Part::RedactedThinking(block.string("data")?.unwrap_or_default()));
    }
    let text = block.string("thinking")?.unwrap_or_default();
    let signature = block.string("signature")?.unwrap_or_default();
    Ok(seal::thinking(text, &signature, Format::Messages))
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChatUsage>,
}

#[derive(Serialize)]
struct ChoiceEntry<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
}

#[derive(Serialize)]
struct CallEntry<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes the answer a client gets.
///
/// # Errors
/// `Internal` only, for a defect.
pub fn write(answer: &Answer, context: &Context) -> Result<Vec<u8>, Fault> {
    let show = context.show_reasoning != Some(false);
    json::to_vec(&Body {
        id: ids::answer_id(&answer.id, "chatcmpl-"),
        object: "chat.completion",
        created: answer.created.unwrap_or(context.now),
        model: &answer.model,
        choices: (0..)
            .zip(&answer.choices)
            .map(|(index, choice)| ChoiceEntry {
                index,
                message: message(&choice.parts, show, context.legacy_functions),
                logprobs: None,
                finish_reason: choice
                    .finish
                    .as_ref()
                    .map_or("stop", |finish| write_finish(finish, context.legacy_functions)),
            })
            .collect(),
        usage: answer.usage.as_ref().map(usage::write_chat),
    })
}

fn message(parts: &[Part], show: bool, legacy_functions: bool) -> Message<'_> {
    let mut message = Message {
        role: "assistant",
        content: None,
        refusal: None,
        reasoning_content: None,
        thinking_blocks: Vec::new(),
        tool_calls: Vec::new(),
        function_call: None,
    };
    for part in parts {
        match part {
            Part::Text(text) => message.content.get_or_insert_default().push_str(text),
            Part::Refusal(text) => message.refusal.get_or_insert_default().push_str(text),
            Part::Thinking { text, signature } if show => {
                if !text.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(text);
                }
                if let Some(signature) = signature {
                    message.thinking_blocks.push(signed_block(text, signature));
                }
            }
            Part::RedactedThinking(data) if show => message.thinking_blocks.push(redacted_block(data)),
            Part::ToolCall(call) if legacy_functions => {
                // The older spelling has room for one call, and one was asked for.
                message.function_call.get_or_insert(Function { name: &call.name, arguments: &call.arguments });
            }
            Part::ToolCall(call) => message.tool_calls.push(CallEntry {
                id: &call.id,
                r#type: "function",
                function: Function { name: &call.name, arguments: &call.arguments },
                extra_content: call.signature.as_ref().and_then(extra_content),
            }),
            _ => {}
        }
    }
    let calls = !message.tool_calls.is_empty() || message.function_call.is_some();
    if message.content.is_none() && !calls && message.refusal.is_none() {
        message.content = Some(String::new());
    }
    message
}

/// A block of thinking with what its provider needs to see again.
pub(super) fn signed_block(text: &str, signature: &Signature) -> Value {
    let signature = seal::seal(&Sealed::Thinking(signature.clone()), Format::Messages);
    json!({"type": "thinking", "thinking": text, "signature": signature})
}

/// A block of thinking that its provider encrypted.
pub(super) fn redacted_block(data: &str) -> Value {
    json!({"type": "redacted_thinking", "data": data})
}

/// Gemini's signature on a call, where its OpenAI-compatible surface puts it.
pub(super) fn extra_content(signature: &Signature) -> Option<Value> {
    (signature.from == Format::Generate).then(|| json!({"google": {"thought_signature": signature.text}}))
}
