//! Public names: every target leads to a provider that exists.

use super::limit::Wider;
use super::{Compiler, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file::{self, Targets};
use crate::limits::Limit;
use crate::model::{FallbackOn, Model, Target, WeightedTarget};
use crate::near::nearest;
use crate::provider::Provider;
use sluicegate_ledger::PriceBook;
use std::collections::BTreeMap;

/// Short names that come with the program: for each, where it may lead as `vendor/model`, in order of preference.
const BUILTIN: &str = include_str!("../../data/aliases.json");

impl Compiler<'_> {
    pub(super) fn models(
        &mut self,
        stated: &BTreeMap<String, file::Model>,
        providers: &BTreeMap<String, Provider>,
        named: &[String],
        global: &Limit,
    ) -> BTreeMap<String, Model> {
        let mut models = builtin(providers);
        for (name, stated) in stated {
            let hidden = Target::parse(name).is_some_and(|target| named.contains(&target.provider));
            if hidden {
                let what = format!("the alias `{name}` hides the model of that name");
                self.say_at_name(Diagnostic::new(codes::SHADOWS_TARGET, what), &["models", name]);
            }
            if name.trim().is_empty() {
                self.say_at_name(Diagnostic::new(codes::BAD_NAME, "the name of a model is empty"), &["models", name]);
            }
            let to = self.targets_at(&["models", name, "to"], &stated.to, named);
            let mut fallbacks = Vec::new();
            for (at, target) in stated.fallbacks.iter().enumerate() {
                let path = ["models", name, "fallbacks", &at.to_string()];
                fallbacks.extend(self.target(target, named, &path));
            }
            let fallback_on = stated.fallback_on.clone().unwrap_or_else(|| FallbackOn::DEFAULT.to_vec());
            self.wide_enough(name, &to, &fallbacks, &fallback_on, providers);
            self.somebody_helps(name, stated, &to, &fallbacks);
            let (who, wider) = (format!("model {name}"), [Wider::global(global)]);
            let limits = self.limit(stated.limits.as_ref(), &who, &wider, &["models", name, "limits"]);
            let budgets = self.budgets(stated.budget.as_ref(), &["models", name]);
            let usual = Model::new(name, to);
            let model = Model {
                fallbacks,
                fallback_on,
                translation: stated.translation,
                limits,
                budgets,
                tier: stated.tier,
                lower_tier: stated.lower_tier.clone(),
                hedge: stated.hedge.unwrap_or(usual.hedge),
                resume: stated.resume.unwrap_or(usual.resume),
                ..usual
            };
            models.insert(name.clone(), model);
        }
        self.lower_tiers(&models);
        models
    }

    /// The targets that a value at a path names.
    pub(super) fn targets_at(&mut self, path: &[&str], stated: &Targets, named: &[String]) -> Vec<WeightedTarget> {
        let list = match stated {
            Targets::One(text) => {
                let target = self.target(text, named, path);
                return target.into_iter().map(|model| WeightedTarget { model, weight: 1 }).collect();
            }
            Targets::Weighted(list) => list,
        };
        self.weights(path, list.iter().map(|entry| entry.weight));
        let mut targets = Vec::new();
        for (at, entry) in list.iter().enumerate() {
            let model = self.target(&entry.model, named, &[path, &[&at.to_string(), "model"]].concat());
            targets.extend(model.map(|model| WeightedTarget { model, weight: entry.weight }));
        }
        targets
    }

    /// The weights of a list at a path must lead somewhere.
    pub(super) fn weights(&mut self, path: &[&str], weights: impl Iterator<Item = u32> + Clone) {
        if weights.clone().all(|weight| weight == 0) {
            let what = "the list has no entry with a weight above 0, so no call can go anywhere";
            self.say(Diagnostic::new(codes::BAD_WEIGHTS, what), path);
        }
        for (at, weight) in weights.enumerate() {
            let at = at.to_string();
            let path = [path, &[&at, "weight"]].concat();
            if weight == 0 {
                self.say(Diagnostic::new(codes::UNUSED_WEIGHT, "a weight of 0 gets no calls"), &path);
            }
            self.within(weight, 0, 1_000_000, &path);
        }
    }

    pub(super) fn target(&mut self, text: &str, named: &[String], path: &[&str]) -> Option<Target> {
        let Some(target) = Target::parse(text) else {
            let what = "a target is written `provider/model`";
            let provider = named.iter().find(|name| usable_name(name)).map_or("openai", String::as_str);
            let model = Some(text.trim()).filter(|text| !text.is_empty() && !text.contains('/')).unwrap_or("gpt-4.1");
            let remedy = format!("for example {provider}/{model}");
            self.say(Diagnostic::new(codes::BAD_TARGET, what).remedy(remedy), path);
            return None;
        };
        if named.contains(&target.provider) {
            return Some(target);
        }
        let what = format!("no provider `{}` is configured", target.provider);
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_PROVIDER, what);
        if let Some(near) = nearest(&target.provider, named.iter().map(String::as_str)) {
            diagnostic = diagnostic.label(format!("did you mean `{near}/{}`?", target.model));
        }
        let known = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        self.say(diagnostic.note(format!("configured providers: {known}")), path);
        None
    }

    /// Warns of a fallback that takes less than the model it stands in for, and of calls that are too long for it with
    /// nobody to take them.
    fn wide_enough(
        &mut self,
        name: &str,
        to: &[WeightedTarget],
        fallbacks: &[Target],
        on: &[FallbackOn],
        providers: &BTreeMap<String, Provider>,
    ) {
        let window = |target: &Target| {
            let provider = providers.get(&target.provider)?;
            let stated = provider.listed(&target.model).and_then(|model| model.context_window);
            let vendor = provider.vendor.as_deref();
            let known = || PriceBook::bundled().price(vendor?, &target.model)?.context_window;
            stated.or_else(known)
        };
        let windows = || to.iter().filter_map(|entry| window(&entry.model));
        let Some(needed) = windows().max() else { return };
        for (at, fallback) in fallbacks.iter().enumerate() {
            if let Some(window) = window(fallback).filter(|window| *window < needed) {
                let what = format!("{fallback} takes {window} tokens, the model it stands in for {needed}");
                let path = ["models", name, "fallbacks", &at.to_string()];
                self.say(Diagnostic::new(codes::SMALLER_WINDOW, what), &path);
            }
        }
        let least = windows().min().unwrap_or(needed);
        let larger = |target: &Target| window(target).is_none_or(|window| window > least);
        if on.contains(&FallbackOn::ContextLength) && !fallbacks.iter().any(larger) {
            let what = "no fallback is known to take more than the model it stands in for";
            let remedy =
                "add a fallback with a larger window, or give its `context_window` under the provider's `models:`";
            self.say(Diagnostic::new(codes::NO_HELP, what).remedy(remedy), &["models", name, "fallback_on"]);
        }
    }

    /// Warns of a second target that is wanted where there is none.
    fn somebody_helps(&mut self, name: &str, stated: &file::Model, to: &[WeightedTarget], fallbacks: &[Target]) {
        if stated.hedge == Some(true) && to.len() + fallbacks.len() < 2 {
            let what = format!("`{name}` has one target only, and nobody else can be asked when that is late");
            let diagnostic = Diagnostic::new(codes::NO_HELP, what).remedy("name another under `fallbacks:`");
            self.say(diagnostic, &["models", name, "hedge"]);
        }
    }
}

/// The built-in short names for which a provider is configured. A name that a provider's own list in the file has is
/// left to that provider.
fn builtin(providers: &BTreeMap<String, Provider>) -> BTreeMap<String, Model> {
    let table: BTreeMap<String, Vec<String>> = serde_json::from_str(BUILTIN).unwrap_or_default();
    let stated =
        |name: &str| providers.values().any(|provider| !provider.models_bundled && provider.listed(name).is_some());
    let of_vendor = |vendor: &str| {
        let same = |provider: &&Provider| provider.vendor.as_deref() == Some(vendor);
        // Several may be of one vendor; the one that is called like it comes first, then the order of names.
        providers.get(vendor).filter(same).or_else(|| providers.values().find(same))
    };
    let model = |(name, targets): (String, Vec<String>)| {
        let target = targets.iter().filter_map(|text| Target::parse(text)).find_map(|target| {
            let provider = of_vendor(&target.provider)?;
            Some(Target { provider: provider.name.clone(), model: target.model })
        });
        let model = target.filter(|_| !stated(&name))?;
        let to = vec![WeightedTarget { model, weight: 1 }];
        let model = Model { builtin: true, ..Model::new(&name, to) };
        Some((name, model))
    };
    table.into_iter().filter_map(model).collect()
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
