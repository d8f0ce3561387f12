//! What is told to somebody whose file is wrong.
//!
//! A diagnostic answers four questions in the order in which they are asked: what is wrong, where, what was probably
//! meant, what to do. It carries the few lines of the file it talks about, with secrets blotted out, so it can be printed
//! by a process that no longer has the file, in three forms: for people, for programs, and for annotations in a pull
//! request.

use serde::Serialize;
use std::fmt::{self, Write as _};

/// How serious a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works, but probably not as meant. `--deny-warnings` refuses it.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl Severity {
    /// The severity that a code's letter stands for.
    pub(crate) fn of(code: &str) -> Self {
        match code.as_bytes().first() {
            Some(b'E') => Self::Error,
            Some(b'W') => Self::Warning,
            _ => Self::Note,
        }
    }

    /// The word that begins a printed diagnostic.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place in a file. Lines and columns are counted in characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The file's name, as it was given.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The first column of what is meant.
    pub column: usize,
    /// How many columns it takes on that line; at least 1.
    pub width: usize,
    /// The line itself with a line of context around it, as (line number, text).
    #[serde(skip)]
    pub excerpt: Vec<(usize, String)>,
}

/// One thing that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The code under which `explain` has more.
    pub code: &'static str,
    /// How serious it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where in the file.
    pub position: Option<Position>,
    /// Where else, when it is not in the file: `environment variable NAME`, `flag --listen`.
    pub from: Option<String>,
    /// A few words right under the place, such as "did you mean ...?".
    pub label: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// What else helps, such as the list of what is allowed.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic of a code, with nothing but its message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::of(code),
            message: message.into(),
            position: None,
            from: None,
            label: None,
            remedy: None,
            notes: Vec::new(),
        }
    }

    /// That a configuration file cannot be read at all. `reason` is the operating system's, in words.
    #[must_use]
    pub fn unreadable(file: &str, reason: impl fmt::Display) -> Self {
        Self::new(crate::codes::UNREADABLE, format!("{file} cannot be read: {reason}"))
            .remedy("name the file with -c FILE, or make one: sluicegate config init > sluicegate.yaml")
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// As one line of a GitHub workflow's log, which becomes an annotation at the place.
    #[must_use]
    pub fn github(&self) -> String {
        let level = match self.severity {
            Severity::Note => "notice",
            other => other.as_str(),
        };
        let mut text = format!("::{level} ");
        if let Some(at) = &self.position {
            let _ = write!(text, "file={},line={},col={},", property(&at.file), at.line, at.column);
        }
        let said = [Some(&self.message), self.label.as_ref(), self.remedy.as_ref()];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        let _ = write!(text, "title={}::{}", self.code, escaped(&said.join("; ")));
        text
    }

    /// As a JSON object.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// GitHub's escaping of a message.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// GitHub's escaping of a property, where commas and colons end the value.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// The form for people, several lines without a newline at the end.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {}", self.severity.as_str(), self.code, self.message)?;
        let mut remedy = self.remedy.as_deref();
        if let Some(at) = &self.position {
            let widest = at.excerpt.last().map_or(1, |(line, _)| line.to_string().len());
            let margin = " ".repeat(widest);
            write!(f, "\n{margin} ╭─[{}:{}:{}]", at.file, at.line, at.column)?;
            for (number, text) in &at.excerpt {
                write!(f, "\n{number:>widest$} │ {}", text.trim_end())?;
                if *number == at.line {
                    underline(f, &margin, at, self.label.as_deref())?;
                }
            }
            write!(f, "\n{margin} ╰─")?;
            if let Some(remedy) = remedy.take() {
                write!(f, " {remedy}")?;
            }
        }
        if let Some(from) = &self.from {
            write!(f, "\n   in the {from}")?;
        }
        if self.position.is_none()
            && let Some(label) = &self.label
        {
            write!(f, "\n   {label}")?;
        }
        for note in remedy.into_iter().chain(self.notes.iter().map(String::as_str)) {
            write!(f, "\n   {note}")?;
        }
        Ok(())
    }
}

/// The line that points at the place, and the words hanging from it.
fn underline(f: &mut fmt::Formatter<'_>, margin: &str, at: &Position, label: Option<&str>) -> fmt::Result {
    let indent = " ".repeat(at.column.saturating_sub(1));
    let middle = at.width.saturating_sub(1) / 2;
    let dash = |n: usize| "─".repeat(n);
    let Some(label) = label else {
        return write!(f, "\n{margin} · {indent}{}", dash(at.width));
    };
    write!(f, "\n{margin} · {indent}{}┬{}", dash(middle), dash(at.width.saturating_sub(middle + 1)))?;
    write!(f, "\n{margin} · {indent}{}╰── {label}", " ".repeat(middle))
}

#[cfg(test)]
#[path = "diagnostic_tests.rs"]
mod tests;
