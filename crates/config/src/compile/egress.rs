//! What a provider is sent at most: over all, with one key, for one of its models.

use super::Compiler;
use super::limit::Wider;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::limits::Limit;
use crate::model::Model;
use crate::near::nearest;
use crate::provider::Provider;
use std::collections::{BTreeMap, BTreeSet};

impl Compiler<'_> {
    /// The limits of a provider as a whole.
    pub(super) fn provider_limits(&mut self, name: &str, stated: &file::Provider) -> Limit {
        let path = ["providers", name, "limits"];
        let mut limits = self.limit(stated.limits.as_ref(), &format!("provider {name}"), &[], &path);
        let Some(calls) = stated.max_concurrency else { return limits };
        let at = ["providers", name, "max_concurrency"];
        if limits.concurrency.is_some() {
            let what = "`max_concurrency` and `limits.concurrency` mean the same";
            self.say_at_name(Diagnostic::new(codes::BOTH_NAMES, what).remedy("keep one of them"), &at);
        }
        limits.concurrency = self.at_once(calls, &at).then_some(calls);
        limits
    }

    /// The limits of a provider's models.
    pub(super) fn model_limits(
        &mut self,
        name: &str,
        stated: &file::Provider,
        provider: &Limit,
    ) -> BTreeMap<String, Limit> {
        let at = format!("providers.{name}.limits");
        let mut all = BTreeMap::new();
        for (model, stated) in &stated.model_limits {
            let wider = Wider { limit: provider, name: "its provider's limit", at: &at };
            let path = ["providers", name, "model_limits", model];
            let limit = self.limit(Some(stated), &format!("{name}/{model}"), &[wider], &path);
            all.insert(model.clone(), limit);
        }
        all
    }

    /// Warns of a limit on a model that nothing leads to and no list has: most likely misspelt, and so without effect.
    pub(super) fn served_models(&mut self, providers: &BTreeMap<String, Provider>, models: &BTreeMap<String, Model>) {
        for provider in providers.values() {
            let targets = models
                .values()
                .flat_map(|model| model.to.iter().map(|entry| &entry.model).chain(&model.fallbacks))
                .filter(|target| target.provider == provider.name)
                .map(|target| target.model.as_str());
            let known: BTreeSet<&str> = targets.chain(provider.models.iter().map(|model| model.id.as_str())).collect();
            for model in provider.model_limits.keys().filter(|model| !known.contains(model.as_str())) {
                let what = format!("no `{model}` is among the models known of `{}`", provider.name);
                let mut diagnostic = Diagnostic::new(codes::UNKNOWN_LIMITED, what);
                if let Some(near) = nearest(model, known.iter().copied()) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                self.say_at_name(diagnostic, &["providers", &provider.name, "model_limits", model]);
            }
        }
    }
}
