//! Keys of clients: read, hashed, and the plain text forgotten.

use super::secret::Sources;
use super::{Compiler, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::key::{ClientKey, KeyHash, ModelRule};
use crate::model::{Model, Target};
use crate::near::nearest;
use crate::provider::Provider;
use secrecy::ExposeSecret as _;
use sluicegate_vocabulary::Priority;
use std::collections::BTreeMap;

impl Compiler<'_> {
    pub(super) fn keys(
        &mut self,
        stated: Vec<file::ClientKey>,
        models: &BTreeMap<String, Model>,
        providers: &BTreeMap<String, Provider>,
        named: &[String],
    ) -> Vec<ClientKey> {
        let mut keys: Vec<ClientKey> = Vec::new();
        for (at, stated) in stated.into_iter().enumerate() {
            let at = at.to_string();
            let path = ["keys", &at];
            if !usable_name(&stated.name) {
                let what = "a key's name is letters, digits, `-`, `_` and `.`, at most 64";
                self.say(Diagnostic::new(codes::BAD_NAME, what), &["keys", &at, "name"]);
            }
            if keys.iter().any(|other| other.name == stated.name) {
                let what = format!("two keys are called `{}`", stated.name);
                self.say(Diagnostic::new(codes::DUPLICATE_NAME, what), &["keys", &at, "name"]);
            }
            let rules = stated.models.as_ref().map(|list| self.rules(list, models, providers, named, &path));
            let Some((hash, source)) = self.client_key(&stated, &path) else { continue };
            if let Some(same) = keys.iter().find(|other| other.hash == hash && self.read_secrets) {
                let what = format!("`{}` and `{}` are the same key", same.name, stated.name);
                self.say(Diagnostic::new(codes::SAME_KEY, what), &path);
            }
            let priority = stated.priority.map_or(Priority::Normal, Into::into);
            keys.push(ClientKey { name: stated.name, source, hash, models: rules, priority });
        }
        keys
    }

    fn client_key(&mut self, stated: &file::ClientKey, path: &[&str]) -> Option<(KeyHash, String)> {
        let sources = Sources {
            variable: ("value_env", stated.value_env.as_deref()),
            file: ("value_file", stated.value_file.as_deref()),
            value: ("value", stated.value.as_deref()),
        };
        match (&stated.sha256, sources.is_empty()) {
            (None, true) => {
                let what = format!("key `{}` has no value: name value_env, value_file or sha256", stated.name);
                self.say(Diagnostic::new(codes::NO_KEY_SOURCE, what), path);
                None
            }
            (Some(_), false) => {
                let what = "name either the key or its sha256";
                self.say(Diagnostic::new(codes::MANY_SOURCES, what), path);
                None
            }
            (Some(hex), true) => {
                let hash = KeyHash::from_hex(hex);
                if hash.is_none() {
                    let at: Vec<&str> = path.iter().copied().chain(["sha256"]).collect();
                    let diagnostic = Diagnostic::new(codes::BAD_HASH, "a SHA-256 is 64 hexadecimal digits");
                    self.say(diagnostic.remedy("printf %s \"$KEY\" | sha256sum"), &at);
                }
                hash.map(|hash| (hash, "sha256".to_owned()))
            }
            (None, false) => {
                let found = self.secret(&sources, path)?;
                Some((KeyHash::of(found.secret.expose_secret()), found.source))
            }
        }
    }

    fn rules(
        &mut self,
        list: &[String],
        models: &BTreeMap<String, Model>,
        providers: &BTreeMap<String, Provider>,
        named: &[String],
        path: &[&str],
    ) -> Vec<ModelRule> {
        let mut rules = Vec::new();
        for (at, text) in list.iter().enumerate() {
            let rule = ModelRule::parse(text.trim());
            let exists = match &rule {
                ModelRule::Provider(provider) => named.contains(provider),
                ModelRule::Name(name) => {
                    models.contains_key(name)
                        || Target::parse(name).is_some_and(|target| named.contains(&target.provider))
                        || providers.values().any(|provider| provider.listed(name).is_some())
                }
            };
            if !exists {
                let what = format!("no model `{}` is known, so this allows nothing", text.trim());
                let mut diagnostic = Diagnostic::new(codes::UNKNOWN_ALLOWED, what);
                let own = models.values().filter(|model| !model.builtin).map(|model| model.name.as_str());
                if let Some(near) = nearest(text.trim(), own) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                let at: Vec<String> =
                    path.iter().map(|step| (*step).to_owned()).chain(["models".to_owned(), at.to_string()]).collect();
                let at: Vec<&str> = at.iter().map(String::as_str).collect();
                self.say(diagnostic, &at);
            }
            rules.push(rule);
        }
        rules
    }
}
