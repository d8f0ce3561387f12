//! Falling back to a lower tier: every step leads down, to a model that exists, and somebody has agreed to it.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::model::Model;
use crate::near::nearest;
use sluicegate_vocabulary::Mode;
use std::collections::{BTreeMap, BTreeSet};

impl Compiler<'_> {
    /// Checks where every `lower_tier` leads.
    pub(super) fn lower_tiers(&mut self, models: &BTreeMap<String, Model>) {
        let circles = circles(models);
        for (name, model) in models {
            let Some(lower) = &model.lower_tier else { continue };
            let path = ["models", name, "lower_tier"];
            let Some(below) = models.get(lower) else {
                let what = format!("no public name `{lower}` is among the models");
                let mut diagnostic = Diagnostic::new(codes::UNKNOWN_LOWER_TIER, what);
                let own = models.values().filter(|model| !model.builtin).map(|model| model.name.as_str());
                if let Some(near) = nearest(lower, own) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                self.say(diagnostic.remedy("name an entry under `models:`"), &path);
                continue;
            };
            if let (Some(tier), Some(under)) = (model.tier, below.tier)
                && under >= tier
            {
                let what = format!("`{lower}` is {}, which is not below {}", under.as_str(), tier.as_str());
                let remedy = "name a model of a lower tier, or correct the tiers";
                self.say(Diagnostic::new(codes::NOT_LOWER, what).remedy(remedy), &path);
            } else if circles.contains(name.as_str()) {
                let what = format!("following `lower_tier` from `{name}` leads back to `{name}`");
                self.say(Diagnostic::new(codes::NOT_LOWER, what), &path);
            }
        }
    }

    /// Warns where a fallback to a lower tier was prepared on one side only. `terms` are mode and consent of each key, in
    /// the order of the file.
    pub(super) fn agreed(&mut self, terms: &[(Mode, bool)], models: &BTreeMap<String, Model>) {
        let prepared = models.values().find(|model| model.lower_tier.is_some());
        if let Some(model) = prepared.filter(|_| !terms.contains(&(Mode::Graceful, true))) {
            let what = "no call falls back: it takes a key in `graceful` mode with `accept_lower_tier: true`";
            self.say(Diagnostic::new(codes::ONE_SIDED_TIER, what), &["models", &model.name, "lower_tier"]);
        }
        for (at, (mode, accepts)) in terms.iter().enumerate() {
            let at = at.to_string();
            let path = ["keys", &at, "accept_lower_tier"];
            // What comes from the tenant may be meant for other keys of it.
            if !accepts || self.document.find(&path).is_none() {
                continue;
            }
            if *mode != Mode::Graceful {
                let what = format!("no effect in `{}` mode: only `graceful` falls back", mode.as_str());
                self.say(Diagnostic::new(codes::ONE_SIDED_TIER, what), &path);
            } else if prepared.is_none() {
                let what = "no model has a `lower_tier` to fall back to";
                self.say(Diagnostic::new(codes::ONE_SIDED_TIER, what), &path);
            }
        }
    }
}

/// One name of every circle that `lower_tier` goes round in: its first.
fn circles(models: &BTreeMap<String, Model>) -> BTreeSet<&str> {
    let next = |name: &str| models.get(name).and_then(|model| model.lower_tier.as_deref());
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for name in models.keys() {
        let mut way: Vec<&str> = Vec::new();
        let mut at = Some(name.as_str());
        while let Some(here) = at.filter(|here| seen.insert(*here)) {
            way.push(here);
            at = next(here);
        }
        // Where the way ends at a name it has passed itself, the part from there on is a circle.
        let circle = at.and_then(|end| way.iter().skip_while(|passed| **passed != end).min());
        found.extend(circle);
    }
    found
}
