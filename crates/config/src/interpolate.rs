//! `${NAME}` in values.
//!
//! Interpolation comes after parsing, value by value, so what a variable holds can never become YAML of its own, and it
//! works inside quotes. A variable that is not set is an error with a place, never an empty text. What comes out is
//! marked as soft: in the environment everything is text, so `${RPM}` may stand where a number is wanted.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Node, Place, Value};

/// Reads environment variables.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every reference in the tree's values; names are left alone.
pub(crate) fn interpolate(document: &mut Document, text: &str, variables: Variables<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut root = std::mem::replace(&mut document.root, Node::map(Place::Found("".into())));
    walk(&mut root, text, variables, &mut mistakes);
    document.root = root;
    mistakes.into_iter().map(|(diagnostic, place)| document.at(diagnostic, &place)).collect()
}

fn walk(node: &mut Node, text: &str, variables: Variables<'_>, mistakes: &mut Vec<(Diagnostic, Place)>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, text, variables, mistakes)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| walk(&mut entry.node, text, variables, mistakes)),
        Value::Text(value) if value.contains("${") => match expand(value, variables) {
            Ok(expanded) => {
                *value = expanded;
                node.soft = true;
            }
            Err(mistake) => {
                let place = match &node.place {
                    Place::File(mark) => Place::File(mark.narrowed(text, &mistake.reference)),
                    other => other.clone(),
                };
                mistakes.push((mistake.diagnostic(), place));
                node.value = Value::Rejected;
            }
        },
        _ => {}
    }
}

/// Why a text cannot be expanded, and the reference that is to blame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    reference: String,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Unset(String),
    Required { name: String, message: String },
    Unreadable(&'static str),
}

impl Mistake {
    fn diagnostic(self) -> Diagnostic {
        match self.what {
            What::Unset(name) => {
                Diagnostic::new(codes::UNSET_VARIABLE, format!("environment variable {name} is not set"))
                    .remedy(format!("set it, or give a default: ${{{name}:-...}}"))
            }
            What::Required { name, message } => {
                Diagnostic::new(codes::UNSET_VARIABLE, format!("environment variable {name} is not set: {message}"))
            }
            What::Unreadable(why) => Diagnostic::new(codes::BAD_INTERPOLATION, why)
                .remedy("write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is a literal ${"),
        }
    }
}

/// Expands the references in one text. `$${` stands for `${`; any other `$` is itself.
pub(crate) fn expand(text: &str, variables: Variables<'_>) -> Result<String, Mistake> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            return Err(Mistake { reference: "${".to_owned(), what: What::Unreadable("`${` without its `}`") });
        };
        let value = resolve(inside, variables).map_err(|what| Mistake { reference: format!("${{{inside}}}"), what })?;
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of what stands between the braces.
fn resolve(inside: &str, variables: Variables<'_>) -> Result<String, What> {
    let (name, fallback) = match inside.split_once(':') {
        Some((name, fallback)) => (name, Some(fallback)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(What::Unreadable("what stands in `${...}` is not the name of a variable"));
    }
    let set = variables(name);
    let filled = set.clone().filter(|value| !value.is_empty());
    match fallback {
        None => set.ok_or_else(|| What::Unset(name.to_owned())),
        Some(fallback) => match (fallback.strip_prefix('-'), fallback.strip_prefix('?')) {
            (Some(default), _) => Ok(filled.unwrap_or_else(|| default.to_owned())),
            (_, Some(message)) => {
                filled.ok_or_else(|| What::Required { name: name.to_owned(), message: message.to_owned() })
            }
            _ => Err(What::Unreadable("after the name comes `:-` and a default, or `:?` and a message")),
        },
    }
}

#[cfg(test)]
#[path = "interpolate_tests.rs"]
mod tests;
