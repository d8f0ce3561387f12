//! Whole answers of Anthropic messages.
//!
//! A client is shown thinking only if it asked for it, as Anthropic itself does it. Thinking of another provider
//! carries that provider's signature, marked as such, so that it can come back; a client that keeps its blocks, as it
//! must for Anthropic, thereby keeps them for everyone.

use super::{read_finish, stop_sequence, write_finish};
use crate::translate::json::{self, Object};
use crate::translate::neutral::{Answer, Choice, Finish, Part, Signature, ToolCall};
use crate::translate::notes::broken;
use crate::translate::seal::{self, Sealed};
use crate::translate::{Context, ids};
use crate::usage::{self, MessagesUsage};
use serde::Serialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format, Usage};
use std::borrow::Cow;

/// Reads a provider's answer.
///
/// # Errors
/// `UpstreamBroken` when it is not one.
pub fn read(body: &[u8]) -> Result<Answer, Fault> {
    let mut root = Object::answer(body)?;
    if root.has("error") {
        return Err(crate::translate::upstream_fault(body, Format::Messages));
    }
    let blocks = root.objects("content")?.ok_or_else(|| broken("the provider's answer has no `content`"))?;
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        parts.extend(part(block)?);
    }
    let stop = root.string("stop_sequence")?;
    let finish = root.text("stop_reason")?.map(|word| read_finish(&word, stop));
    Ok(Answer {
        id: root.string("id")?.unwrap_or_default(),
        model: root.string("model")?.unwrap_or_default(),
        created: None,
        choices: vec![Choice { parts, finish }],
        usage: root.raw("usage").and_then(|raw| usage::read_messages(raw.get())),
    })
}

/// A block, or `None` for one of Anthropic's own tools, whose results the text around it tells.
fn part(mut block: Object<'_>) -> Result<Option<Part>, Fault> {
    Ok(match block.text("type")?.as_deref() {
        Some("text") => block.string("text")?.filter(|text| !text.is_empty()).map(Part::Text),
        Some("thinking") => {
            let text = block.string("thinking")?.unwrap_or_default();
            let place = block.string("signature")?.unwrap_or_default();
            Some(seal::thinking(text, &place, Format::Messages))
        }
        Some("redacted_thinking") => block.string("data")?.map(Part::RedactedThinking),
        Some("tool_use") => Some(Part::ToolCall(ToolCall {
            id: block.string("id")?.unwrap_or_default(),
            name: block.string("name")?.unwrap_or_default(),
            arguments: block.raw("input").map_or_else(|| "{}".to_owned(), |raw| json::compact(raw.get())),
            signature: None,
        })),
        _ => None,
    })
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: MessagesUsage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: Cow<'a, str> },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: &'a RawValue },
}

/// Writes the answer a client gets.
///
/// # Errors
/// `UpstreamBroken` when a tool was called with arguments that are not a JSON object.
pub fn write(answer: &Answer, context: &Context) -> Result<Vec<u8>, Fault> {
    let none = Choice::default();
    // A message holds one answer; more are never asked for.
    let choice = answer.choices.first().unwrap_or(&none);
    let finish = choice.finish.as_ref().unwrap_or(&Finish::Stop);
    let mut content = Vec::with_capacity(choice.parts.len());
    for part in &choice.parts {
        blocks(part, finish, context, &mut content)?;
    }
    json::to_vec(&Body {
        id: ids::answer_id(&answer.id, "msg_"),
        r#type: "message",
        role: "assistant",
        model: &answer.model,
        content,
        stop_reason: write_finish(finish),
        stop_sequence: stop_sequence(finish),
        usage: usage_or_zero(answer.usage),
    })
}

fn blocks<'a>(part: &'a Part, finish: &Finish, context: &Context, content: &mut Vec<Block<'a>>) -> Result<(), Fault> {
    match part {
        Part::Text(text) | Part::Refusal(text) if !text.is_empty() => content.push(Block::Text { text }),
        Part::Thinking { text, signature } if shows_thinking(context) => {
            content.push(Block::Thinking { thinking: text, signature: place(signature.as_ref(), context).into() });
        }
        Part::RedactedThinking(data) if shows_thinking(context) => content.push(Block::RedactedThinking { data }),
        Part::ToolCall(call) => {
            let Some(input) = json::raw_object(&call.arguments) else {
                // Cut off in the middle of its arguments: there is no call to run.
                if *finish == Finish::Length {
                    return Ok(());
                }
                return Err(bad_arguments(&call.name));
            };
            if let Some(signature) = call.signature.as_ref().filter(|_| shows_thinking(context)) {
                content.push(Block::Thinking { thinking: "", signature: call_place(signature).into() });
            }
            content.push(Block::ToolUse { id: &call.id, name: &call.name, input });
        }
        _ => {}
    }
    Ok(())
}

/// Whether the client asked to see thinking.
pub(super) fn shows_thinking(context: &Context) -> bool {
    context.show_reasoning == Some(true)
}

/// What stands in the place of the signature: unsigned thinking is marked with where it came from, so that it is
/// never taken for Anthropic's.
pub(super) fn place(signature: Option<&Signature>, context: &Context) -> String {
    let unsigned = Signature { from: context.upstream, text: String::new() };
    seal::seal(&Sealed::Thinking(signature.cloned().unwrap_or(unsigned)), Format::Messages)
}

/// The signature of a tool call, in a block of thinking before it.
pub(super) fn call_place(signature: &Signature) -> String {
    seal::seal(&Sealed::Call(signature.clone()), Format::Messages)
}

/// The fault for a call that no client of this format could read.
pub(super) fn bad_arguments(name: &str) -> Fault {
    broken(format!("the model called `{name}` with arguments that are not a JSON object; trying again may help"))
}

/// Usage where none is known yet: the format insists on the figures.
pub(super) fn usage_or_zero(usage: Option<Usage>) -> MessagesUsage {
    usage::write_messages(&usage.unwrap_or_default())
}
