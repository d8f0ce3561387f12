//! Which model a call goes to whose client leaves that to us.
//!
//! A name under `choices` is no model: what the request looks like decides which one it leads to, by rules that are the
//! configuration's. Whoever may use the name may use what it leads to, because the operator wrote both. The answer says
//! which rule decided and by what, and the receipt what that saved against the model that would have been asked
//! otherwise.

use crate::call::{Caller, Request};
use crate::record::Record;
use crate::snapshot::{Candidate, Names, Snapshot};
use http::HeaderValue;
use sluicegate_config::{Choice, Config};
use sluicegate_vocabulary::Chosen;
use sluicegate_wire::traits::{self, Traits};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Every choice of a configuration, by name.
pub(crate) type Choices = BTreeMap<String, Chooser>;

/// One choice, ready to be made.
#[derive(Debug)]
pub(crate) struct Chooser {
    pub(crate) choice: Choice,
    name: Arc<str>,
    /// The names of its rules, and the default's.
    rules: BTreeMap<String, Arc<str>>,
    /// Who would be asked without it.
    default: Option<Arc<Candidate>>,
}

/// The choices of a configuration.
pub(crate) fn choices(config: &Config, names: &Names) -> Choices {
    let chooser = |choice: &Choice| {
        let rules = choice.rules.iter().map(|rule| rule.name.as_str()).chain([sluicegate_config::DEFAULT_RULE]);
        let default = names.resolve(&choice.default).ok();
        Chooser {
            name: choice.name.as_str().into(),
            rules: rules.map(|rule| (rule.to_owned(), rule.into())).collect(),
            default: default.and_then(|route| route.candidates().next().map(Arc::clone)),
            choice: choice.clone(),
        }
    };
    config.choices.values().map(|choice| (choice.name.clone(), chooser(choice))).collect()
}

/// What was chosen for a call, as its record keeps it.
pub(crate) struct Made {
    /// What the client is told.
    pub(crate) told: HeaderValue,
    /// Who would have been asked otherwise.
    pub(crate) default: Option<Arc<Candidate>>,
}

/// The model that a name leads to if it is a choice's.
pub(crate) fn choose<'a>(
    name: &str,
    request: &Request,
    caller: &Caller,
    snapshot: &'a Snapshot,
    record: &mut Record,
) -> Option<&'a str> {
    let chooser = snapshot.choices.get(name)?;
    let traits = traits::read(&request.body, snapshot.server.max_depth, &chooser.choice.reasoning_words);
    let (rule, model) = chooser.choice.decide(&traits, caller.priority);
    let told = crate::call::header_value(&in_words(model, rule, &traits, caller));
    let rule = chooser.rules.get(rule).map_or_else(|| rule.into(), Arc::clone);
    let chosen = Chosen { choice: Arc::clone(&chooser.name), rule };
    record.chosen(chosen, Made { told, default: chooser.default.clone() });
    Some(model)
}

/// `fast; rule=short; tokens=12; language=en; class=normal; code`
fn in_words(model: &str, rule: &str, traits: &Traits, caller: &Caller) -> String {
    let Traits { tokens, language, .. } = traits;
    let mut said = format!("{model}; rule={rule}; tokens={tokens}; language={language}");
    let _ = write!(said, "; class={}", caller.priority.as_str());
    let flags =
        [("code", traits.code), ("tools", traits.tools), ("images", traits.images), ("reasoning", traits.reasoning)];
    for (name, _) in flags.into_iter().filter(|(_, has)| *has) {
        said.push_str("; ");
        said.push_str(name);
    }
    said
}
