//! Whole answers.

use super::part::{self, Body, Candidate, Content, Piece};
use super::stream;
use crate::translate::json::{Object, to_vec};
use crate::translate::neutral::{Answer, Choice, Delta, Finish, Part};
use crate::translate::notes::broken;
use crate::translate::{Context, deltas, upstream_fault};
use crate::usage;
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's answer.
///
/// # Errors
/// `UpstreamBroken` when it is not one, and whatever an error inside it says.
pub fn read(body: &[u8]) -> Result<Answer, Fault> {
    // Asked for a stream without server-sent events, Gemini sends the pieces as one list.
    if body.trim_ascii_start().starts_with(b"[") {
        return read_list(body);
    }
    let mut top = Object::answer(body)?.camel_case();
    if top.has("error") {
        return Err(upstream_fault(body, Format::Generate));
    }
    let mut choices = Vec::new();
    for candidate in top.objects("candidates")?.unwrap_or_default() {
        choices.push(choice(candidate.camel_case())?);
    }
    if choices.is_empty() {
        choices.push(blocked(&mut top)?);
    }
    Ok(Answer {
        id: top.string("responseId")?.unwrap_or_default(),
        model: top.string("modelVersion")?.unwrap_or_default(),
        created: None,
        choices,
        usage: top.raw("usageMetadata").and_then(|raw| usage::read_generate(raw.get())),
    })
}

fn read_list(body: &[u8]) -> Result<Answer, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| broken("the provider's answer is not UTF-8"))?;
    let mut steps = Vec::new();
    let mut reader = stream::Reader::default();
    reader.read(None, text, &mut steps)?;
    reader.close(&mut steps);
    match steps.last() {
        Some(Delta::End) => Ok(deltas::join(steps)),
        Some(Delta::Error { fault }) => Err(fault.clone()),
        _ => Err(broken("the provider's answer ended before it was complete")),
    }
}

fn choice(mut candidate: Object<'_>) -> Result<Choice, Fault> {
    let mut parts = Vec::new();
    if let Some(mut content) = candidate.object("content")? {
        for piece in content.objects("parts")?.unwrap_or_default() {
            part::read(piece, &mut parts)?;
        }
    }
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let finish = candidate.string("finishReason")?.map(|reason| part::finish(&reason, calls));
    Ok(Choice { parts: part::joined(parts), finish })
}

/// A prompt that was blocked is answered with a good status and no candidate.
pub(super) fn blocked(top: &mut Object<'_>) -> Result<Choice, Fault> {
    let Some(feedback) = top.object("promptFeedback")? else {
        return Err(broken("the provider's answer holds no candidate"));
    };
    match feedback.camel_case().string("blockReason")? {
        Some(_) => Ok(Choice { parts: Vec::new(), finish: Some(Finish::Filtered) }),
        None => Err(broken("the provider's answer holds no candidate")),
    }
}

/// Writes the answer a client gets.
///
/// # Errors
/// `UpstreamBroken` for a call whose arguments are not a JSON object, unless the answer was cut off inside them.
pub fn write(answer: &Answer, _context: &Context) -> Result<Vec<u8>, Fault> {
    let mut candidates = Vec::with_capacity(answer.choices.len());
    for (index, choice) in (0..).zip(&answer.choices) {
        let mut parts = Vec::with_capacity(choice.parts.len());
        for part in &choice.parts {
            parts.extend(piece(part, choice.finish.as_ref())?);
        }
        candidates.push(Candidate {
            content: Content { parts, role: "model" },
            finish_reason: Some(part::reason(choice.finish.as_ref())),
            index,
        });
    }
    to_vec(&Body {
        candidates,
        usage_metadata: answer.usage.as_ref().map(usage::write_generate),
        model_version: &answer.model,
        response_id: &answer.id,
    })
}

fn piece<'a>(part: &'a Part, finish: Option<&Finish>) -> Result<Option<Piece<'a>>, Fault> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => None,
        Part::Text(text) | Part::Refusal(text) => Some(Piece::text(text)),
        Part::Thinking { text, signature } => Some(Piece::thought(text, signature.as_ref())),
        Part::RedactedThinking(data) => Some(Piece::redacted(data)),
        Part::ToolCall(call) => match Piece::call(call) {
            None if finish == Some(&Finish::Length) => None,
            None => return Err(bad_arguments(&call.name)),
            whole => whole,
        },
        // An answer holds no results, and no provider that is asked for text answers with media.
        Part::Image { .. } | Part::Audio { .. } | Part::Document { .. } | Part::ToolResult(_) => None,
    })
}

/// The fault for a call that Gemini's format cannot hold.
pub(super) fn bad_arguments(name: &str) -> Fault {
    broken(format!("the model called `{name}` with arguments that are not a JSON object; trying again may help"))
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
