//! The world outside the file: environment variables and files with secrets.
//!
//! Everything the loader wants from the machine goes through one small trait, so a test brings its own world and no test
//! depends on the variables of whoever runs it.

use std::io::Read as _;
use std::path::Path;

/// What a configuration may ask of the machine it is read on.
pub trait Environment {
    /// The value of an environment variable, if it is set and is text.
    fn variable(&self, name: &str) -> Option<String>;

    /// All variables whose name begins with a prefix, as (name, value).
    fn variables(&self, prefix: &str) -> Vec<(String, String)>;

    /// The text of a small file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &Path) -> Result<String, String>;
}

/// The machine itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

/// A secret is a line and a list of certificates some hundred kilobytes; a file beyond this size is the wrong file.
const LARGEST: u64 = 1 << 20;

impl Environment for System {
    fn variable(&self, name: &str) -> Option<String> {
        // The standard library panics on names that no variable can have.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        possible.then(|| std::env::var(name).ok()).flatten()
    }

    fn variables(&self, prefix: &str) -> Vec<(String, String)> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let mut found: Vec<_> =
            std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(prefix)).collect();
        found.sort();
        found
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if text.len() as u64 > LARGEST {
            return Err(format!("it is larger than {} KiB", LARGEST >> 10));
        }
        Ok(text)
    }
}
