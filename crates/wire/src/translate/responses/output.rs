//! Reading a provider's output items.

use crate::translate::json::Object;
use crate::translate::neutral::{Part, ToolCall};
use crate::translate::seal;
use sluicegate_vocabulary::{Fault, Format};

/// Appends what one output item says. Items that only built-in tools make are left out: no built-in tool was asked for.
pub(super) fn read_item(mut item: Object<'_>, parts: &mut Vec<Part>) -> Result<(), Fault> {
    match item.text("type")?.as_deref() {
        Some("message") => {
            for mut piece in item.objects("content")?.unwrap_or_default() {
                let part = match piece.text("type")?.as_deref() {
                    Some("refusal") => piece.string("refusal")?.map(Part::Refusal),
                    _ => piece.string("text")?.map(Part::Text),
                };
                match (parts.last_mut(), part) {
                    (Some(Part::Text(said)), Some(Part::Text(more))) => said.push_str(&more),
                    (_, Some(Part::Text(text) | Part::Refusal(text))) if text.is_empty() => {}
                    (_, part) => parts.extend(part),
                }
            }
        }
        Some("function_call") => {
            let id = match item.string("call_id")? {
                Some(id) => id,
                None => item.string("id")?.unwrap_or_default(),
            };
            parts.push(Part::ToolCall(ToolCall {
                id,
                name: item.string("name")?.unwrap_or_default(),
                arguments: arguments(&mut item)?,
                signature: None,
            }));
        }
        Some("reasoning") => {
            let summary = texts(&mut item, "summary")?;
            let text = if summary.is_empty() { texts(&mut item, "content")? } else { summary };
            let place = item.text("encrypted_content")?.unwrap_or_default();
            if !text.is_empty() || !place.is_empty() {
                parts.push(seal::thinking(text, &place, Format::Responses));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A call's arguments, which some servers send as an object rather than as its text.
pub(super) fn arguments(item: &mut Object<'_>) -> Result<String, Fault> {
    if let Some(raw) = item.raw("arguments") {
        let text = crate::translate::json::as_text(raw).map_or_else(|| raw.get().to_owned(), |text| text.into_owned());
        if !text.trim().is_empty() {
            return Ok(text);
        }
    }
    Ok("{}".to_owned())
}

/// The paragraphs of a summary, or of reasoning in clear.
pub(super) const PARAGRAPH: &str = "\n\n";

fn texts(item: &mut Object<'_>, key: &str) -> Result<String, Fault> {
    let mut texts = Vec::new();
    for mut part in item.objects(key)?.unwrap_or_default() {
        texts.extend(part.string("text")?.filter(|text| !text.is_empty()));
    }
    Ok(texts.join(PARAGRAPH))
}
