//! Opaque values of one provider in the keeping of another format's client.
//!
//! A model that thinks signs its thoughts, and its provider refuses the next turn of a tool loop when the signature does
//! not come back. Every format has one place that its clients return unread: `signature` in Anthropic's thinking
//! blocks, `encrypted_content` in Responses, `thoughtSignature` in Gemini. So a foreign signature is put there behind a
//! prefix that says whose it is, and taken out again when the conversation returns. A value without the prefix belongs
//! to the format it stands in.
//!
//! Gemini's clients treat the place as bytes and write it again in base64 of either alphabet, so there, and only there,
//! the sealed value is base64 as a whole.

use super::neutral::{Part, Signature};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sluicegate_vocabulary::Format;

/// What is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// The signature of thinking.
    Thinking(Signature),
    /// The signature of a tool call (Gemini), where the carrying format has no place beside the call itself.
    Call(Signature),
    /// Thinking that its provider encrypted whole.
    Redacted(String),
}

const PREFIX: &str = "sluicegate.";
const CALL: &str = "call-";
const REDACTED: &str = "redacted";

/// The text to put into the opaque place of format `own`. What belongs there goes in as it is.
#[must_use]
pub fn seal(value: &Sealed, own: Format) -> String {
    let sealed = match value {
        Sealed::Thinking(signature) if signature.from == own => return signature.text.clone(),
        Sealed::Thinking(signature) => format!("{PREFIX}{}.{}", signature.from.as_str(), signature.text),
        Sealed::Call(signature) => format!("{PREFIX}{CALL}{}.{}", signature.from.as_str(), signature.text),
        Sealed::Redacted(data) => format!("{PREFIX}{REDACTED}.{data}"),
    };
    if own == Format::Generate { STANDARD.encode(sealed) } else { sealed }
}

/// What stands in the opaque place of format `own`.
#[must_use]
pub fn open(text: &str, own: Format) -> Sealed {
    let decoded = if own == Format::Generate { decode(text) } else { None };
    unwrap(decoded.as_deref().unwrap_or(text))
        .unwrap_or_else(|| Sealed::Thinking(Signature { from: own, text: text.to_owned() }))
}

/// The part that thinking with this text in the opaque place of format `own` is. An empty place holds no signature.
#[must_use]
pub fn thinking(text: String, place: &str, own: Format) -> Part {
    if place.is_empty() {
        return Part::Thinking { text, signature: None };
    }
    match open(place, own) {
        Sealed::Thinking(signature) | Sealed::Call(signature) => Part::Thinking { text, signature: Some(signature) },
        Sealed::Redacted(data) => Part::RedactedThinking(data),
    }
}

/// The signature's text if the provider of this format made it, and it says anything.
#[must_use]
pub fn native(signature: Option<&Signature>, format: Format) -> Option<&str> {
    signature.filter(|s| s.from == format && !s.text.is_empty()).map(|s| s.text.as_str())
}

fn unwrap(text: &str) -> Option<Sealed> {
    let (kind, value) = text.strip_prefix(PREFIX)?.split_once('.')?;
    if kind == REDACTED {
        return Some(Sealed::Redacted(value.to_owned()));
    }
    let (call, word) = kind.strip_prefix(CALL).map_or((false, kind), |word| (true, word));
    let from = Format::ALL.into_iter().find(|format| format.as_str() == word)?;
    let signature = Signature { from, text: value.to_owned() };
    Some(if call { Sealed::Call(signature) } else { Sealed::Thinking(signature) })
}

/// The text inside base64 of either alphabet, padded or not; only text that begins like ours is worth decoding.
fn decode(text: &str) -> Option<String> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    if !plain.starts_with("c2x1aWNlZ2F0ZS") {
        return None;
    }
    String::from_utf8(STANDARD_NO_PAD.decode(plain).ok()?).ok()
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
