//! Choices: names of their own that lead to models that exist.

use super::{Compiler, usable_name};
use crate::choice::{Choice, ChoiceRule, DEFAULT_RULE, When};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::model::Model;
use crate::near::nearest;
use sluicegate_wire::traits::{LANGUAGES, REASONING_WORDS};
use std::collections::BTreeMap;

impl Compiler<'_> {
    pub(super) fn choices(
        &mut self,
        stated: &BTreeMap<String, file::Choice>,
        models: &BTreeMap<String, Model>,
        named: &[String],
    ) -> BTreeMap<String, Choice> {
        let mut choices = BTreeMap::new();
        for (name, stated) in stated {
            if !usable_name(name) {
                let what = "the name of a choice is letters, digits, `-`, `_` and `.`, at most 64";
                self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &["choices", name]);
            }
            if models.get(name).is_some_and(|model| !model.builtin) {
                let what = format!("`{name}` is an entry of `models` already");
                self.say_at_name(Diagnostic::new(codes::DUPLICATE_NAME, what), &["choices", name]);
            }
            self.leads_to_a_model(&stated.default, models, named, &["choices", name, "default"]);
            let mut rules: Vec<ChoiceRule> = Vec::new();
            for (at, rule) in stated.rules.iter().enumerate() {
                let at = at.to_string();
                let path = |field| ["choices", name, "rules", &at, field];
                if !usable_name(&rule.name) || rule.name == DEFAULT_RULE {
                    let what = "the name of a rule is letters, digits, `-`, `_` and `.`, at most 64, and not `default`";
                    self.say(Diagnostic::new(codes::BAD_NAME, what), &path("name"));
                }
                if rules.iter().any(|before| before.name == rule.name) {
                    let what = format!("there is a rule `{}` already", rule.name);
                    self.say(Diagnostic::new(codes::DUPLICATE_NAME, what), &path("name"));
                }
                self.leads_to_a_model(&rule.to, models, named, &path("use"));
                for language in rule.when.language.iter().filter(|language| !LANGUAGES.contains(&language.as_str())) {
                    let what = format!("`{language}` is not a language that is told apart");
                    let remedy = format!("one of {}", LANGUAGES.join(", "));
                    let path = ["choices", name, "rules", &at, "when", "language"];
                    self.say(Diagnostic::new(codes::UNKNOWN_WORD, what).remedy(remedy), &path);
                }
                rules.push(ChoiceRule { name: rule.name.clone(), when: when(&rule.when), to: rule.to.clone() });
            }
            let reasoning_words = match &stated.reasoning_words {
                Some(words) => words.iter().map(|word| word.to_lowercase()).collect(),
                None => REASONING_WORDS.map(str::to_owned).to_vec(),
            };
            let choice = Choice { name: name.clone(), default: stated.default.clone(), rules, reasoning_words };
            choices.insert(name.clone(), choice);
        }
        choices
    }

    fn leads_to_a_model(&mut self, to: &str, models: &BTreeMap<String, Model>, named: &[String], path: &[&str]) {
        if models.contains_key(to) {
            return;
        }
        if to.contains('/') {
            self.target(to, named, path);
            return;
        }
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_CHOSEN, format!("no entry of `models` is called `{to}`"));
        if let Some(near) = nearest(to, models.keys().map(String::as_str)) {
            diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
        }
        self.say(diagnostic.remedy("name an entry under `models:`, or write `provider/model`"), path);
    }
}

fn when(stated: &file::When) -> When {
    When {
        longer_than: stated.longer_than,
        shorter_than: stated.shorter_than,
        code: stated.code,
        tools: stated.tools,
        images: stated.images,
        reasoning: stated.reasoning,
        language: stated.language.clone(),
        class: stated.class.iter().map(|class| (*class).into()).collect(),
    }
}
