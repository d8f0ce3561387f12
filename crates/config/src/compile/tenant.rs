//! Tenants: what groups of keys share, and that every name leads to one.

use super::limit::Wider;
use super::{Compiler, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::key::Tenant;
use crate::limits::Limit;
use crate::near::nearest;
use sluicegate_vocabulary::Mode;
use std::collections::BTreeMap;

impl From<file::Mode> for Mode {
    fn from(mode: file::Mode) -> Self {
        match mode {
            file::Mode::Strict => Self::Strict,
            file::Mode::Adaptive => Self::Adaptive,
            file::Mode::Graceful => Self::Graceful,
        }
    }
}

impl Compiler<'_> {
    pub(super) fn tenants(
        &mut self,
        stated: &BTreeMap<String, file::Tenant>,
        keys: &[file::ClientKey],
        mode: Mode,
        global: &Limit,
    ) -> BTreeMap<String, Tenant> {
        let mut tenants = BTreeMap::new();
        // Where a key misspells its tenant, that is said there, and the tenant is not unused.
        let misspelt = keys.iter().filter_map(|key| key.tenant.as_ref()).any(|name| !stated.contains_key(name));
        for (name, stated) in stated {
            if !usable_name(name) {
                let what = "a tenant's name is letters, digits, `-`, `_` and `.`, at most 64";
                self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &["tenants", name]);
            }
            if !misspelt && !keys.iter().any(|key| key.tenant.as_ref() == Some(name)) {
                let what = format!("no key belongs to the tenant `{name}`");
                let remedy = format!("say `tenant: {name}` at its keys, or remove it");
                let diagnostic = Diagnostic::new(codes::UNUSED_TENANT, what).remedy(remedy);
                self.say_at_name(diagnostic, &["tenants", name]);
            }
            let who = format!("tenant {name}");
            let path = ["tenants", name, "limits"];
            let limits = self.limit(stated.limits.as_ref(), &who, &[Wider::global(global)], &path);
            let budgets = self.budgets(stated.budget.as_ref(), &["tenants", name]);
            let credits = self.credits(stated.credits.as_ref(), name, &["tenants", name]);
            let mode = stated.mode.map_or(mode, Into::into);
            let accept_lower_tier = stated.accept_lower_tier.unwrap_or_default();
            tenants
                .insert(name.clone(), Tenant { name: name.clone(), limits, budgets, credits, mode, accept_lower_tier });
        }
        tenants
    }

    /// Reports a tenant that a key names and that is not there.
    pub(super) fn unknown_tenant(&mut self, name: &str, tenants: &BTreeMap<String, Tenant>, path: &[&str]) {
        let what = format!("no tenant `{name}` is defined");
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_TENANT, what);
        if let Some(near) = nearest(name, tenants.keys().map(String::as_str)) {
            diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
        }
        let known: Vec<&str> = tenants.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        self.say(diagnostic.note(format!("tenants: {known}")), path);
    }
}

#[cfg(test)]
#[path = "tenant_tests.rs"]
mod tests;
