//! The parts of an answer, and why it ended: what whole answers and streams share.

use crate::translate::json::{Object, compact};
use crate::translate::media;
use crate::translate::neutral::{Finish, Part, Signature, ToolCall};
use crate::translate::seal::{self, Sealed};
use serde::Serialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Whether an ending was forced by a filter.
const FILTERED: [&str; 11] = [
    "SAFETY",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "RECITATION",
    "LANGUAGE",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Endings that are errors of the model's or the provider's.
const FAILED: [&str; 8] = [
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "OTHER",
];

/// What a finish reason means. `STOP` stands for tool calls too, and a word that is new means a plain end.
pub(super) fn finish(reason: &str, calls: bool) -> Finish {
    match reason {
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        reason if FILTERED.contains(&reason) => Finish::Filtered,
        reason if FAILED.contains(&reason) => Finish::Failed(reason.to_owned()),
        _ if calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// The finish reason a client gets.
pub(super) const fn reason(finish: Option<&Finish>) -> &'static str {
    match finish {
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::Filtered) => "SAFETY",
        Some(Finish::Failed(_)) => "OTHER",
        Some(Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Paused) | None => "STOP",
    }
}

/// Appends what one part of a provider's answer says. What only Google's own tools make is left out: none was asked for.
pub(super) fn read(part: Object<'_>, out: &mut Vec<Part>) -> Result<(), Fault> {
    let mut part = part.camel_case();
    let thought = part.bool("thought")?.unwrap_or(false);
    let place = part.string("thoughtSignature")?.filter(|place| !place.is_empty());
    let signature = place.map(|text| Signature { from: Format::Generate, text });
    if let Some(call) = part.object("functionCall")? {
        let mut call = call.camel_case();
        out.push(Part::ToolCall(ToolCall {
            id: call.string("id")?.unwrap_or_default(),
            name: call.string("name")?.unwrap_or_default(),
            arguments: call.raw("args").map_or_else(|| "{}".to_owned(), |raw| compact(raw.get())),
            signature,
        }));
        return Ok(());
    }
    let text = part.string("text")?.unwrap_or_default();
    if thought {
        if !text.is_empty() || signature.is_some() {
            out.push(Part::Thinking { text, signature });
        }
        return Ok(());
    }
    if !text.is_empty() {
        out.push(Part::Text(text));
    }
    if signature.is_some() {
        out.push(Part::Thinking { text: String::new(), signature });
    }
    if let Some(data) = part.object("inlineData")? {
        let mut data = data.camel_case();
        if let (Some(mime), Some(bytes)) = (data.string("mimeType")?, data.string("data")?)
            && let Ok(read) = media::base64(&mime, &bytes, "").and_then(|source| media::part(source, &mime, None, ""))
        {
            out.push(read);
        }
    }
    Ok(())
}

/// Parts that continue each other as one: text joins to text, and thinking to the thinking that its signature closes.
pub(super) fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut whole: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (whole.last_mut(), part) {
            (Some(Part::Text(said)), Part::Text(more)) => said.push_str(&more),
            (Some(Part::Thinking { text, signature: open @ None }), Part::Thinking { text: more, signature }) => {
                text.push_str(&more);
                *open = signature;
            }
            (_, part) => whole.push(part),
        }
    }
    whole
}

/// One part as a client gets it.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    name: &'a str,
    args: &'a RawValue,
}

impl<'a> Piece<'a> {
    /// Text, which the last piece of a stream may have none of.
    pub(super) fn text(text: &'a str) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// Thinking, with what closes it.
    pub(super) fn thought(text: &'a str, signature: Option<&Signature>) -> Self {
        let thought_signature =
            signature.map(|signature| seal::seal(&Sealed::Thinking(signature.clone()), Format::Generate));
        Self { text: Some(text), thought: Some(true), thought_signature, ..Self::default() }
    }

    /// Thinking that came encrypted.
    pub(super) fn redacted(data: &str) -> Self {
        let sealed = seal::seal(&Sealed::Redacted(data.to_owned()), Format::Generate);
        Self { text: Some(""), thought: Some(true), thought_signature: Some(sealed), ..Self::default() }
    }

    /// A whole call; `None` when its arguments are not a JSON object.
    pub(super) fn call(call: &'a ToolCall) -> Option<Self> {
        let args: &RawValue = serde_json::from_str(&call.arguments).ok()?;
        if !args.get().starts_with('{') {
            return None;
        }
        let thought_signature =
            call.signature.as_ref().map(|signature| seal::seal(&Sealed::Thinking(signature.clone()), Format::Generate));
        let function_call = Some(Call { id: &call.id, name: &call.name, args });
        Some(Self { function_call, thought_signature, ..Self::default() })
    }
}

/// One candidate as a client gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'static str>,
    pub(super) index: u32,
}

/// What a candidate says.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub(super) parts: Vec<Piece<'a>>,
    pub(super) role: &'static str,
}

/// A whole answer, or one piece of a stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<crate::usage::GenerateUsage>,
    pub(super) model_version: &'a str,
    pub(super) response_id: &'a str,
}
