//! Ids and names that fit.
//!
//! A tool call's id and a function's name are chosen in one format and must be legal in another, where they may be
//! too long or hold forbidden characters. What fits is kept. What does not is replaced by a hash of itself: the same
//! text always gives the same replacement, so a call and its result keep matching, and a conversation sent again with
//! one turn more has an unchanged beginning (prompt caches and thinking signatures depend on that). A replaced name
//! is remembered for the way back; an id need not be, for the client's own conversation never contains it.

use super::neutral::{Part, Prompt, ToolChoice};
use sha2::{Digest, Sha256};
use sluicegate_vocabulary::Format;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest tool call id accepted everywhere.
const MAX_ID: usize = 64;

/// The prefixes by which formats mark an answer's id.
const ANSWER_PREFIXES: [&str; 4] = ["chatcmpl-", "chatcmpl_", "msg_", "resp_"];

/// The first `digits` hexadecimal digits of the text's hash.
fn hash(text: &str, digits: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(digits);
    hex
}

/// A tool call id that is legal in this format: itself, or a replacement that depends on nothing but itself.
#[must_use]
pub fn fit_call_id(id: &str, format: Format) -> Cow<'_, str> {
    let legal = !id.is_empty()
        && id.len() <= MAX_ID
        && match format {
            Format::Messages => id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
            Format::Chat | Format::Responses | Format::Generate => id.bytes().all(|b| b.is_ascii_graphic()),
        };
    if legal { Cow::Borrowed(id) } else { Cow::Owned(format!("{}{}", call_prefix(format), hash(id, 24))) }
}

/// A tool call id for a call that its provider or client gave none, made from what identifies the call.
#[must_use]
pub fn made_call_id(seed: &str, ordinal: usize, format: Format) -> String {
    format!("{}{}", call_prefix(format), hash(&format!("{seed}/{ordinal}"), 24))
}

const fn call_prefix(format: Format) -> &'static str {
    match format {
        Format::Messages => "toolu_",
        Format::Chat | Format::Responses | Format::Generate => "call_",
    }
}

/// An answer's id in this format: the provider's, with the format's own prefix in place of another's.
#[must_use]
pub fn answer_id(id: &str, prefix: &str) -> String {
    let bare = ANSWER_PREFIXES.iter().find_map(|p| id.strip_prefix(p)).unwrap_or(id);
    format!("{prefix}{bare}")
}

/// A function name that is legal in this format.
#[must_use]
pub fn fit_name(name: &str, format: Format) -> Cow<'_, str> {
    let (longest, dots) = match format {
        Format::Chat | Format::Responses => (64, false),
        Format::Messages => (128, false),
        Format::Generate => (128, true),
    };
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || (dots && matches!(c, '.' | ':'));
    // Gemini wants a letter or an underscore first.
    let bad_start = dots && !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !name.is_empty() && name.len() <= longest && !bad_start && name.chars().all(ok) {
        return Cow::Borrowed(name);
    }
    let mut fitted = String::with_capacity(longest);
    if bad_start {
        fitted.push('_');
    }
    fitted.extend(name.chars().map(|c| if ok(c) { c } else { '_' }).take(longest - 10));
    fitted.push('_');
    fitted.push_str(&hash(name, 8));
    Cow::Owned(fitted)
}

/// Replaced function names, for the way back.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Makes every function name in the prompt fit the format and remembers what was replaced.
    #[must_use]
    pub fn fit(prompt: &mut Prompt, format: Format) -> Self {
        let mut names = Self::default();
        for tool in &mut prompt.tools {
            names.replace(&mut tool.name, format);
        }
        match &mut prompt.tool_choice {
            Some(ToolChoice::Named(name)) => names.replace(name, format),
            Some(ToolChoice::Allowed { names: allowed, .. }) => {
                for name in allowed {
                    names.replace(name, format);
                }
            }
            _ => {}
        }
        for part in prompt.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            match part {
                Part::ToolCall(call) => names.replace(&mut call.name, format),
                Part::ToolResult(result) => {
                    if let Some(name) = &mut result.name {
                        names.replace(name, format);
                    }
                }
                _ => {}
            }
        }
        names
    }

    fn replace(&mut self, name: &mut String, format: Format) {
        if let Cow::Owned(fitted) = fit_name(name, format) {
            let original = std::mem::replace(name, fitted.clone());
            if !self.0.iter().any(|(known, _)| *known == fitted) {
                self.0.push((fitted, original));
            }
        }
    }

    /// Gives a name from the provider back the spelling the client used.
    pub fn restore(&self, name: &mut String) {
        if let Some((_, original)) = self.0.iter().find(|(fitted, _)| fitted == name) {
            name.clone_from(original);
        }
    }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
