//! Blotting out secrets in the lines of a file that are shown to people.
//!
//! A diagnostic shows the line it is about and the lines around it, and any of them may hold a key that somebody wrote
//! into the file. Two passes find them: by the names of fields in the text, which works even when the text is not YAML,
//! and by the tree, which also finds values that run over several lines. What is covered is replaced character for
//! character, so columns stay where they are.

use crate::compile;
use crate::document::{Node, Place, Value};

/// Fields whose value is a secret.
pub(crate) const SECRET_FIELDS: [&str; 2] = ["value", "api_key"];

/// Fields that name a variable. People write the secret itself there; a text that is no variable's name is covered.
const VARIABLE_FIELDS: [&str; 4] = ["api_key_env", "value_env", "secret_env", "env"];

/// Sections all of whose values may be secrets.
const SECRET_SECTIONS: [&str; 1] = ["headers"];

/// How well-known keys begin: these are covered wherever they stand.
const KEY_PREFIXES: [&str; 7] = ["sk-", "sk_", "gsk_", "xai-", "AIza", "Bearer ", "hf_"];

const COVER: char = '*';

/// Covers what looks like a secret in text that may not be YAML.
pub(crate) fn secrets_in_text(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(text: &str) -> String {
    let mut out = text.to_owned();
    for field in SECRET_FIELDS {
        let mut from = 0;
        while let Some(found) = out.get(from..).and_then(|rest| rest.find(field)) {
            let at = from + found;
            from = at + field.len();
            let whole_word =
                out.get(..at).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            let after = out.get(from..).unwrap_or_default();
            let quoted = after.trim_start_matches(['"', '\'', ' ']);
            let refers = |value: &&str| value.trim_start_matches([' ', '"', '\'']).starts_with("${");
            if let Some(value) = quoted.strip_prefix(':').filter(|value| whole_word && !refers(value)) {
                let start = out.len() - value.len();
                let end = start + value.find([',', '}', '#', '\n', '{']).unwrap_or(value.len());
                cover(&mut out, start, end);
            }
        }
    }
    for prefix in KEY_PREFIXES {
        let mut from = 0;
        while let Some(found) = out.get(from..).and_then(|rest| rest.find(prefix)) {
            let start = from + found + prefix.len();
            let rest = out.get(start..).unwrap_or_default();
            let end =
                start + rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.+/=".contains(c))).unwrap_or(rest.len());
            cover(&mut out, start, end);
            from = end;
        }
    }
    out
}

/// Covers the values of secret fields by their place in the tree.
pub(crate) fn secrets_in_tree(text: &mut String, node: &Node) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| secrets_in_tree(text, item)),
        Value::Map(entries) => {
            for entry in entries {
                let misplaced = VARIABLE_FIELDS.contains(&entry.key.as_str()) && !names_a_variable(&entry.node);
                if misplaced || SECRET_FIELDS.contains(&entry.key.as_str()) {
                    cover_scalars(text, &entry.node, false);
                } else if SECRET_SECTIONS.contains(&entry.key.as_str()) {
                    cover_scalars(text, &entry.node, true);
                } else {
                    secrets_in_tree(text, &entry.node);
                }
            }
        }
        _ => {}
    }
}

fn names_a_variable(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if compile::secret::names_a_variable(text.trim()))
}

/// Covers a scalar, and everything below when `deep`; otherwise what is below is looked at by its own names.
fn cover_scalars(text: &mut String, node: &Node, deep: bool) {
    match &node.value {
        Value::List(items) if deep => items.iter().for_each(|item| cover_scalars(text, item, true)),
        Value::Map(entries) if deep => entries.iter().for_each(|entry| cover_scalars(text, &entry.node, true)),
        Value::List(_) | Value::Map(_) => secrets_in_tree(text, node),
        _ => {
            if let Place::File(mark) = &node.place {
                let bytes = mark.bytes();
                cover(text, bytes.start, bytes.end);
            }
        }
    }
}

/// Replaces every visible character of a stretch, unless the stretch only refers to a variable.
fn cover(text: &mut String, start: usize, end: usize) {
    let end = end.min(text.len());
    let Some(part) = text.get(start..end) else { return };
    let bare = part.trim().trim_matches(['"', '\'']);
    if bare.starts_with("${") && bare.ends_with('}') && bare.matches("${").count() == 1 && !bare.contains(":-") {
        return;
    }
    // One byte for one byte, so that marks made on the original text stay right: a character of several bytes gives as
    // many covers. Columns of what follows on that line can move by that, which is better than a secret shown.
    let covered: String = part
        .chars()
        .flat_map(|c| {
            let cover = if c.is_whitespace() || c == '"' || c == '\'' { c } else { COVER };
            std::iter::repeat_n(cover, c.len_utf8() / cover.len_utf8())
        })
        .collect();
    text.replace_range(start..end, &covered);
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
