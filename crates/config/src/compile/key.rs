//! Keys of clients: read, hashed, the plain text forgotten, and what they have from their tenant filled in.

use super::limit::Wider;
use super::secret::Sources;
use super::{Compiler, usable_name};
use crate::choice::Choice;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::key::{ClientKey, KeyHash, ModelRule, Tenant};
use crate::limits::Limit;
use crate::model::{Model, Target};
use crate::near::nearest;
use crate::provider::Provider;
use secrecy::ExposeSecret as _;
use sluicegate_vocabulary::{Mode, Priority};
use std::collections::BTreeMap;

/// The longest owner or label, in bytes.
const MOST_TEXT: usize = 128;

/// What a key's `models` may name.
pub(super) struct Names<'a> {
    pub(super) models: &'a BTreeMap<String, Model>,
    pub(super) choices: &'a BTreeMap<String, Choice>,
    pub(super) providers: &'a BTreeMap<String, Provider>,
    /// Every provider that the file names, those with mistakes of their own included.
    pub(super) named: &'a [String],
}

/// What a key belongs to, and has from there what it does not say itself.
pub(super) struct Owners<'a> {
    pub(super) tenants: &'a BTreeMap<String, Tenant>,
    pub(super) mode: Mode,
    pub(super) global: &'a Limit,
}

impl Compiler<'_> {
    /// The keys that can be used. What is wrong with the others is reported.
    pub(super) fn keys(
        &mut self,
        stated: Vec<file::ClientKey>,
        names: &Names<'_>,
        owners: &Owners<'_>,
    ) -> Vec<ClientKey> {
        let mut keys: Vec<ClientKey> = Vec::new();
        // A key with a mistake of its own has still agreed to what it has agreed to.
        let mut terms = Vec::new();
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
            let rules = stated.models.as_ref().map(|list| self.rules(list, names, &path));
            let tenant = self.tenant_of(&stated, owners, &path);
            let limits = self.key_limits(&stated, tenant, owners, &path);
            let mode = stated.mode.map(Into::into).or(tenant.map(|tenant| tenant.mode)).unwrap_or(owners.mode);
            let accept_lower_tier = stated.accept_lower_tier.or(tenant.map(|tenant| tenant.accept_lower_tier));
            let accept_lower_tier = accept_lower_tier.unwrap_or_default();
            terms.push((mode, accept_lower_tier));
            let Some((hash, source)) = self.client_key(&stated, &path) else { continue };
            if let Some(same) = keys.iter().find(|other| other.hash == hash && self.read_secrets) {
                let what = format!("`{}` and `{}` are the same key", same.name, stated.name);
                self.say(Diagnostic::new(codes::SAME_KEY, what), &path);
            }
            let budgets = self.budgets(stated.budget.as_ref(), &path);
            let credits = self.credits(stated.credits.as_ref(), &stated.name, &path);
            self.short_text(stated.owner.as_deref(), &["keys", &at, "owner"]);
            self.short_text(stated.label.as_deref(), &["keys", &at, "label"]);
            let priority = stated.priority.map_or(Priority::Normal, Into::into);
            keys.push(ClientKey {
                name: stated.name,
                source,
                hash,
                models: rules,
                endpoints: stated.endpoints,
                owner: stated.owner,
                label: stated.label,
                priority,
                tenant: stated.tenant,
                limits,
                budgets,
                credits,
                mode,
                accept_lower_tier,
            });
        }
        self.agreed(&terms, names.models);
        keys
    }

    /// A text that stands in tables and in the books is short and has no control characters.
    fn short_text(&mut self, text: Option<&str>, path: &[&str]) {
        if text.is_some_and(|text| text.is_empty() || text.len() > MOST_TEXT || text.chars().any(char::is_control)) {
            let what = format!("this is a text of 1 to {MOST_TEXT} bytes without control characters");
            self.say(Diagnostic::new(codes::BAD_NAME, what), path);
        }
    }

    fn tenant_of<'o>(&mut self, stated: &file::ClientKey, owners: &Owners<'o>, path: &[&str; 2]) -> Option<&'o Tenant> {
        let name = stated.tenant.as_ref()?;
        let tenant = owners.tenants.get(name);
        if tenant.is_none() {
            let [keys, at] = path;
            self.unknown_tenant(name, owners.tenants, &[keys, at, "tenant"]);
        }
        tenant
    }

    fn key_limits(
        &mut self,
        stated: &file::ClientKey,
        tenant: Option<&Tenant>,
        owners: &Owners<'_>,
        path: &[&str; 2],
    ) -> Limit {
        let [keys, at] = path;
        let shared = tenant.map(|tenant| (tenant, format!("tenants.{}.limits", tenant.name)));
        let tenant = shared.iter().map(|(tenant, at)| Wider { limit: &tenant.limits, name: "its tenant's limit", at });
        let wider: Vec<Wider<'_>> = tenant.chain([Wider::global(owners.global)]).collect();
        let who = format!("key {}", stated.name);
        self.limit(stated.limits.as_ref(), &who, &wider, &[keys, at, "limits"])
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

    fn rules(&mut self, list: &[String], names: &Names<'_>, path: &[&str]) -> Vec<ModelRule> {
        let Names { models, choices, providers, named } = *names;
        let mut rules = Vec::new();
        for (at, text) in list.iter().enumerate() {
            let rule = ModelRule::parse(text.trim());
            let exists = match &rule {
                ModelRule::Provider(provider) => named.contains(provider),
                ModelRule::Name(name) => {
                    models.contains_key(name)
                        || choices.contains_key(name)
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
