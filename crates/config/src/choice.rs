//! Choosing a model by what a request looks like.
//!
//! A choice is a name that clients send like any model's, and a list of rules. The first rule whose conditions all hold
//! says which model is asked; where none does it is the default, against which savings are counted. Rules are data:
//! each can say by itself whether it holds and why not, so that the relay, `route explain` and a test read the same.

use serde::Serialize;
use sluicegate_vocabulary::Priority;
use sluicegate_wire::traits::Traits;

/// A name that leads to one model or another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The name clients send.
    pub name: String,
    /// The model that is asked where no rule holds.
    pub default: String,
    /// The rules, the first that holds decides.
    pub rules: Vec<ChoiceRule>,
    /// Words by which somebody asks for reasoning, in small letters.
    pub reasoning_words: Vec<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChoiceRule {
    /// What it is called in headers and metrics.
    pub name: String,
    /// When it holds.
    pub when: When,
    /// The model that is asked then.
    #[serde(rename = "use")]
    pub to: String,
}

/// Conditions, all of which must hold. One that is absent does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct When {
    /// The input has more tokens than this.
    pub longer_than: Option<u64>,
    /// The input has fewer tokens than this.
    pub shorter_than: Option<u64>,
    /// There is code in it, or not.
    pub code: Option<bool>,
    /// It brings tools, or not.
    pub tools: Option<bool>,
    /// There are pictures in it, or not.
    pub images: Option<bool>,
    /// It asks for reasoning, or not.
    pub reasoning: Option<bool>,
    /// Its last question is in one of these languages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub language: Vec<String>,
    /// The call is of one of these classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<Priority>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// It is not long enough.
    TooShort(u64),
    /// It is not short enough.
    TooLong(u64),
    /// It has what it should not have, or lacks what it should.
    Trait(&'static str, bool),
    /// It is in another language.
    Language,
    /// It is of another class.
    Class,
}

impl When {
    /// The first condition that does not hold.
    #[must_use]
    pub fn unmet(&self, traits: &Traits, class: Priority) -> Option<Unmet> {
        if let Some(least) = self.longer_than.filter(|least| traits.tokens <= *least) {
            return Some(Unmet::TooShort(least));
        }
        if let Some(most) = self.shorter_than.filter(|most| traits.tokens >= *most) {
            return Some(Unmet::TooLong(most));
        }
        let flags = [
            ("code", self.code, traits.code),
            ("tools", self.tools, traits.tools),
            ("images", self.images, traits.images),
            ("reasoning", self.reasoning, traits.reasoning),
        ];
        if let Some((name, _, has)) = flags.iter().find(|(_, wanted, has)| wanted.is_some_and(|wanted| wanted != *has))
        {
            return Some(Unmet::Trait(name, *has));
        }
        if !self.language.is_empty() && !self.language.iter().any(|language| language == traits.language) {
            return Some(Unmet::Language);
        }
        (!self.class.is_empty() && !self.class.contains(&class)).then_some(Unmet::Class)
    }
}

/// The name of what decides where no rule holds.
pub const DEFAULT_RULE: &str = "default";

/// One rule's word on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// The model it leads to.
    #[serde(rename = "use")]
    pub to: String,
    /// `chosen`, `holds` (one before it decided), or `no`.
    pub verdict: &'static str,
    /// Why not, where it does not hold.
    pub because: Option<String>,
}

impl Choice {
    /// Which rule decides, as its name and the model it leads to.
    #[must_use]
    pub fn decide(&self, traits: &Traits, class: Priority) -> (&str, &str) {
        let rule = self.rules.iter().find(|rule| rule.when.unmet(traits, class).is_none());
        rule.map_or((DEFAULT_RULE, &self.default), |rule| (&rule.name, &rule.to))
    }

    /// Every rule's word, in order, the default's last.
    #[must_use]
    pub fn verdicts(&self, traits: &Traits, class: Priority) -> Vec<Verdict> {
        let mut decided = false;
        let mut verdicts = Vec::new();
        let everything = When::default();
        let rules = self.rules.iter().map(|rule| (rule.name.as_str(), &rule.when, rule.to.as_str()));
        for (rule, when, to) in rules.chain([(DEFAULT_RULE, &everything, self.default.as_str())]) {
            let unmet = when.unmet(traits, class);
            let verdict = match (&unmet, decided) {
                (Some(_), _) => "no",
                (None, true) => "holds",
                (None, false) => "chosen",
            };
            decided |= unmet.is_none();
            let because = unmet.map(|unmet| unmet.in_words(traits, class));
            verdicts.push(Verdict { rule: rule.to_owned(), to: to.to_owned(), verdict, because });
        }
        verdicts
    }
}

impl Unmet {
    fn in_words(self, traits: &Traits, class: Priority) -> String {
        match self {
            Self::TooShort(least) => format!("{} tokens are not more than {least}", traits.tokens),
            Self::TooLong(most) => format!("{} tokens are not fewer than {most}", traits.tokens),
            Self::Trait(name, true) => format!("there is {name}"),
            Self::Trait(name, false) => format!("there is no {name}"),
            Self::Language => format!("the language is {}", traits.language),
            Self::Class => format!("the class is {}", class.as_str()),
        }
    }
}
