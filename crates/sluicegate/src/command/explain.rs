//! `explain CODE`: the long text behind a code, without a network.

use crate::outcome::{Code, Failure, Outcome, written};
use crate::terminal::{self, STRONG};
use owo_colors::OwoColorize as _;
use sluicegate_config::{EXPLANATIONS, nearest};

/// Words on a line of an explanation.
const WIDTH: usize = 88;

pub(crate) fn explain(code: Option<&str>) -> Outcome {
    let Some(code) = code else {
        let list: String = EXPLANATIONS.iter().map(|entry| format!("{}  {}\n", entry.code, entry.title)).collect();
        return written(terminal::results(&list));
    };
    let Some(entry) = sluicegate_config::explain(code) else {
        let near = nearest(code, EXPLANATIONS.iter().map(|entry| entry.code));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let message = format!("there is no code {code:?}{near}\n       sluicegate explain lists all codes");
        return Err(Failure::new(Code::Failed, message));
    };
    let title = format!("{} ({}): {}", entry.code, entry.severity().as_str(), entry.title);
    written(terminal::results(&format!("{}\n\n{}\n", title.style(STRONG), wrapped(entry.text))))
}

/// Breaks text at spaces so that no line is longer than [`WIDTH`], unless a word is.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / WIDTH + 1);
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
