//! Reading secrets: one source each, trimmed, never empty, never repeated in a message.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::{Path, PathBuf};

/// Whether a text looks like the name of a variable. Keys are letters and digits too, but mixed.
pub(crate) fn names_a_variable(text: &str) -> bool {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mixed = text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().any(|b| b.is_ascii_digit());
    fits && !mixed && text.len() <= 64
}

/// A secret and where it was read.
pub(super) struct Found {
    pub(super) secret: SecretString,
    pub(super) source: String,
    pub(super) file: Option<PathBuf>,
}

/// Where a secret may be, by the names of the fields that say so.
pub(super) struct Sources<'a> {
    pub(super) variable: (&'a str, Option<&'a str>),
    pub(super) file: (&'a str, Option<&'a Path>),
    pub(super) value: (&'a str, Option<&'a str>),
}

impl Sources<'_> {
    /// Whether no place is named.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        [self.variable.1.is_some(), self.file.1.is_some(), self.value.1.is_some()].into_iter().filter(|is| *is).count()
    }
}

impl Compiler<'_> {
    /// Reads the one source that is named; `None` when there is none or it was reported.
    pub(super) fn secret(&mut self, sources: &Sources<'_>, path: &[&str]) -> Option<Found> {
        let names = [sources.variable.0, sources.file.0, sources.value.0];
        if sources.count() > 1 {
            let what = format!("name one place of this key: {}", names.join(", "));
            self.say_at_name(Diagnostic::new(codes::MANY_SOURCES, what), path);
            return None;
        }
        let below =
            |name| path.iter().copied().chain(Some(name).filter(|name: &&str| !name.is_empty())).collect::<Vec<_>>();
        match (sources.variable, sources.file, sources.value) {
            ((name, Some(variable)), _, _) => self.secret_in_variable(variable, &below(name)),
            (_, (name, Some(file)), _) => self.secret_in_file(file, &below(name)),
            (_, _, (name, Some(value))) => self.secret_in_text(value, &below(name)),
            _ => None,
        }
    }

    pub(super) fn secret_in_variable(&mut self, name: &str, path: &[&str]) -> Option<Found> {
        let variable = name.trim();
        let value = self.environment.variable(variable).filter(|value| !value.trim().is_empty());
        if !names_a_variable(variable) && value.is_none() {
            // Most likely the key itself was written here, so it is not repeated.
            let what = "no environment variable has this name, and it does not look like one's";
            let remedy = "write the variable's name here and put the key into the variable";
            self.say(Diagnostic::new(codes::BAD_VALUE, what).remedy(remedy), path);
            return None;
        }
        let source = format!("env {variable}");
        match value {
            Some(value) => self.sendable(value, source, path),
            None if !self.read_secrets => Some(Found { secret: SecretString::default(), source, file: None }),
            None => {
                let what = format!("the key is missing: environment variable {variable} is not set or is empty");
                let remedy = format!("export {variable}=..., or remove what needs it");
                self.say(Diagnostic::new(codes::NO_KEY, what).remedy(remedy), path);
                None
            }
        }
    }

    fn secret_in_file(&mut self, file: &Path, path: &[&str]) -> Option<Found> {
        let source = format!("file {}", file.display());
        let found = |found: Found| Found { file: Some(file.to_owned()), ..found };
        if !self.read_secrets {
            return Some(found(Found { secret: SecretString::default(), source, file: None }));
        }
        let read = self
            .environment
            .read(file)
            .and_then(|text| if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text) });
        match read {
            Ok(text) => self.sendable(text, source, path).map(found),
            Err(why) => {
                let what = format!("file {} cannot be read: {why}", file.display());
                let remedy = "create the file, or remove what needs it";
                self.say(Diagnostic::new(codes::UNREADABLE_SECRET, what).remedy(remedy), path);
                None
            }
        }
    }

    pub(super) fn secret_in_text(&mut self, value: &str, path: &[&str]) -> Option<Found> {
        // What came by interpolation is not in the file.
        let written = self.document.find(path).is_some_and(|node| !node.soft);
        if written {
            let diagnostic = Diagnostic::new(codes::LITERAL_SECRET, "a secret is written in the file");
            self.say(diagnostic.remedy("put it into an environment variable or a file and name that"), path);
        }
        if value.trim().is_empty() {
            self.say(Diagnostic::new(codes::NO_KEY, "the key is empty"), path);
            return None;
        }
        self.sendable(value.to_owned(), "value".to_owned(), path)
    }

    /// Trims a secret and refuses what no header can carry.
    fn sendable(&mut self, value: String, source: String, path: &[&str]) -> Option<Found> {
        let secret = SecretString::from(value.trim());
        if secret.expose_secret().bytes().all(|b| b.is_ascii_graphic()) {
            return Some(Found { secret, source, file: None });
        }
        let what =
            format!("the key from {source} has characters in it that no key has: spaces, line breaks or non-ASCII");
        self.say(Diagnostic::new(codes::BAD_SECRET, what), path);
        None
    }
}
