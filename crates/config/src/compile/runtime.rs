//! Keys that are made while the relay runs: the same terms as an entry under `keys`, checked by the same code.
//!
//! What a key may have is written as JSON with the names of the file, so that whoever knows the file knows this too, and
//! a rule that the file gets is a rule here from then on.

use super::{Compiler, any_error, key};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::document::Document;
use crate::environment::System;
use crate::file::File;
use crate::key::{ClientKey, KeyHash};
use crate::shape::fill;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What of an entry is not terms, but says which key it is.
const NOT_TERMS: [&str; 6] = ["name", "value", "value_env", "value_file", "sha256", "source"];

/// Terms that cannot be given to a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTerms(String);

impl Config {
    /// A key with this name, hash and terms, as it is under this configuration; and what is worth knowing about it.
    /// `terms` is a JSON object with the fields of an entry under `keys`.
    ///
    /// # Errors
    /// Everything that is wrong with the terms: no object, fields that do not exist, a tenant that is not there.
    pub fn key_with_terms(
        &self,
        name: &str,
        hash: KeyHash,
        terms: &str,
    ) -> Result<(ClientKey, Vec<Diagnostic>), BadTerms> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(terms).map_err(|error| BadTerms(format!("the terms are no JSON object: {error}")))?;
        if let Some(field) = NOT_TERMS.into_iter().find(|field| fields.contains_key(*field)) {
            return Err(BadTerms(format!("`{field}` is none of the terms of a key")));
        }
        let digits = hash.0.iter().fold(String::with_capacity(64), |mut digits, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        fields.insert("name".to_owned(), name.into());
        fields.insert("sha256".to_owned(), digits.into());
        let text = json!({ "keys": [fields] }).to_string();
        let mut document = Document::parse(&text, name).map_err(|diagnostic| said(&[*diagnostic]))?;
        let file: File = fill(&mut document).map_err(|found| said(&found))?;
        let mut compiler = Compiler::new(&document, &System, true);
        let named: Vec<String> = self.providers.keys().cloned().collect();
        let names =
            key::Names { models: &self.models, choices: &self.choices, providers: &self.providers, named: &named };
        let owners = key::Owners { tenants: &self.tenants, mode: self.mode, global: &self.limits.global };
        let made = compiler.keys(file.keys, &names, &owners).pop();
        let found = compiler.found;
        match made {
            Some(key) if !any_error(&found) => Ok((key, found)),
            _ => Err(said(&found)),
        }
    }
}

/// The mistakes in words. Where they are in the text that was made of the terms is nobody's business.
fn said(found: &[Diagnostic]) -> BadTerms {
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let words: Vec<String> = errors
        .map(|diagnostic| {
            let hint = diagnostic.label.as_ref().or(diagnostic.remedy.as_ref());
            hint.map_or_else(|| diagnostic.message.clone(), |hint| format!("{} ({hint})", diagnostic.message))
        })
        .collect();
    BadTerms(words.join("; "))
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
