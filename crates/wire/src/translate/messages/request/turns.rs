//! Writing the conversation of a messages request.
//!
//! Anthropic merges adjacent turns of one role, wants tool results first in the turn that answers, refuses empty text,
//! and knows system messages inside a conversation only on some models and only in some places. Elsewhere such a
//! message becomes text of the user's: moving it to the top would change what was said when.

use crate::quirks::Quirks;
use crate::translate::field::Field;
use crate::translate::neutral::{Media, Part, Prompt, Role, Signature, ToolResult};
use crate::translate::notes::{Notes, bad_request};
use serde::Serialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// The types of pictures that Anthropic reads.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Content<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    File { file_id: &'a str },
}

/// The messages, and the texts of system messages that belong to the instructions because nothing stands before them.
pub(super) fn write<'a>(
    prompt: &'a Prompt,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<(Vec<Message<'a>>, Vec<&'a str>), Fault> {
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(prompt.turns.len());
    let mut leading = Vec::new();
    for (index, turn) in prompt.turns.iter().enumerate() {
        if turn.name.is_some() {
            notes.drop(Field::ParticipantName)?;
        }
        let blocks = blocks(&turn.parts, prompt, quirks, notes)?;
        if blocks.is_empty() {
            continue;
        }
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System if messages.is_empty() => {
                leading.extend(turn.parts.iter().filter_map(text));
                continue;
            }
            Role::System if quirks.mid_system && system_may_stand(prompt, index, &messages) => "system",
            Role::System => {
                notes.drop_named(format!("{}.role", Field::Turns.path(notes.client())))?;
                "user"
            }
        };
        match messages.last_mut().filter(|last| last.role == role && role != "system") {
            Some(Message { content: Content::Blocks(last), .. }) => last.extend(blocks),
            _ => messages.push(Message { role, content: Content::Blocks(blocks) }),
        }
    }
    for message in &mut messages {
        settle(&mut message.content);
    }
    if messages.is_empty() {
        let path = Field::Turns.path(notes.client());
        return Err(bad_request(path, format!("`{path}` holds nothing but empty messages; say something")));
    }
    prefill(&mut messages, quirks, notes)?;
    Ok((messages, leading))
}

fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A system message may stand behind a user turn, before an assistant turn or at the end.
fn system_may_stand(prompt: &Prompt, index: usize, before: &[Message<'_>]) -> bool {
    let next = prompt.turns.get(index + 1).map(|turn| turn.role);
    before.last().is_some_and(|last| last.role == "user") && matches!(next, None | Some(Role::Assistant))
}

/// Tool results to the front; a single text as a plain string.
fn settle(content: &mut Content<'_>) {
    let Content::Blocks(blocks) = content else { return };
    blocks.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    if let [Block::Text { text }] = blocks.as_slice() {
        *content = Content::Text(text);
    }
}

/// A last turn of the assistant's is the beginning of the answer wanted; it may not end in white space.
fn prefill(messages: &mut [Message<'_>], quirks: &Quirks, notes: &Notes) -> Result<(), Fault> {
    let Some(last) = messages.last_mut().filter(|last| last.role == "assistant") else { return Ok(()) };
    if !quirks.prefill {
        return Err(notes.fault(
            Field::Turns,
            "the chosen model cannot go on with an answer that was begun for it; end with a user message",
        ));
    }
    match &mut last.content {
        Content::Text(text) => *text = text.trim_end(),
        Content::Blocks(blocks) => {
            if let Some(Block::Text { text }) = blocks.last_mut() {
                *text = text.trim_end();
            }
        }
    }
    Ok(())
}

fn blocks<'a>(parts: &'a [Part], prompt: &Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Vec<Block<'a>>, Fault> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                if !text.is_empty() {
                    blocks.push(Block::Text { text });
                }
            }
            Part::Image { source, .. } => {
                blocks.extend(image(source, prompt, quirks, notes)?.map(|source| Block::Image { source }));
            }
            Part::Audio { .. } => {
                notes.refuse(Field::Turns, "the chosen provider does not hear audio; send its transcript")?;
            }
            Part::Document { source, name } => {
                let title = name.as_deref();
                blocks.extend(document(source, prompt, notes)?.map(|source| Block::Document { source, title }));
            }
            Part::ToolCall(call) => {
                // Checked to be an object before any writer ran.
                let input = serde_json::from_str(&call.arguments)
                    .map_err(|_| notes.fault(Field::Turns, "the arguments of an earlier call are not JSON"))?;
                blocks.push(Block::ToolUse { id: &call.id, name: &call.name, input });
            }
            Part::ToolResult(result) => blocks.push(tool_result(result, prompt, quirks, notes)?),
            // Thinking is worth sending only to who signed it.
            Part::Thinking { text, signature } => {
                let signed = |s: &&Signature| s.from == Format::Messages && !s.text.is_empty();
                if let Some(signature) = signature.as_ref().filter(signed) {
                    blocks.push(Block::Thinking { thinking: text, signature: &signature.text });
                }
            }
            Part::RedactedThinking(data) => blocks.push(Block::RedactedThinking { data }),
        }
    }
    Ok(blocks)
}

fn image<'a>(
    source: &'a Media,
    prompt: &Prompt,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<Option<Source<'a>>, Fault> {
    let why = match source {
        Media::Base64 { mime, data } if IMAGES.contains(&mime.as_str()) => {
            return Ok(Some(Source::Base64 { media_type: mime, data }));
        }
        Media::Base64 { mime, .. } => {
            format!("the chosen provider reads jpeg, png, gif and webp images, not `{mime}`")
        }
        Media::Url { url, .. } if quirks.url_images && url.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http")) => {
            return Ok(Some(Source::Url { url }));
        }
        Media::Url { .. } => "the chosen model cannot fetch this image; send it as base64".to_owned(),
        Media::File(file_id) if prompt.source == Some(Format::Messages) => return Ok(Some(Source::File { file_id })),
        Media::File(_) | Media::Text(_) => {
            "an image given by a file id is known to one provider only; send it as base64 or by address".to_owned()
        }
    };
    notes.refuse(Field::Turns, why)?;
    Ok(None)
}

fn document<'a>(source: &'a Media, prompt: &Prompt, notes: &mut Notes) -> Result<Option<Source<'a>>, Fault> {
    let why = match source {
        Media::Base64 { mime, data } if mime == "application/pdf" => {
            return Ok(Some(Source::Base64 { media_type: mime, data }));
        }
        Media::Base64 { mime, .. } => format!("the chosen provider reads PDF and plain text documents, not `{mime}`"),
        Media::Text(data) => return Ok(Some(Source::Text { media_type: "text/plain", data })),
        Media::Url { url, .. } if url.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http")) => {
            return Ok(Some(Source::Url { url }));
        }
        Media::Url { .. } => "the chosen provider cannot fetch this document; send it as base64".to_owned(),
        Media::File(file_id) if prompt.source == Some(Format::Messages) => return Ok(Some(Source::File { file_id })),
        Media::File(_) => "a document given by a file id is known to one provider only; send it as base64".to_owned(),
    };
    notes.refuse(Field::Turns, why)?;
    Ok(None)
}

fn tool_result<'a>(
    result: &'a ToolResult,
    prompt: &Prompt,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<Block<'a>, Fault> {
    let blocks = blocks(&result.parts, prompt, quirks, notes)?;
    let content = match blocks.as_slice() {
        [] => None,
        [Block::Text { text }] => Some(Content::Text(text)),
        _ => Some(Content::Blocks(blocks)),
    };
    Ok(Block::ToolResult { tool_use_id: &result.id, content, is_error: result.is_error })
}
