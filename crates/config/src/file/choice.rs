//! Choices of a model, as a file says them.

use super::Class;
use schemars::JsonSchema;
use serde::Deserialize;

/// A name that leads to one model or another, by what a request looks like.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// The model that is asked where no rule holds, and against which savings are counted: an entry of `models`, or
    /// `provider/model`.
    pub default: String,
    /// The rules, in order: the first whose conditions all hold decides.
    pub rules: Vec<ChoiceRule>,
    /// Words by which somebody asks for reasoning, in place of those that come with the program.
    pub reasoning_words: Option<Vec<String>>,
}

/// One rule of a choice.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChoiceRule {
    /// What it is called in headers and metrics.
    pub name: String,
    /// When it holds; always when absent.
    #[serde(default)]
    pub when: When,
    /// The model that is asked then: an entry of `models`, or `provider/model`.
    #[serde(rename = "use")]
    pub to: String,
}

/// Conditions, all of which must hold.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// The input has more tokens than this, by estimate.
    pub longer_than: Option<u64>,
    /// The input has fewer tokens than this, by estimate.
    pub shorter_than: Option<u64>,
    /// There is code in it, or with `false` there is none.
    pub code: Option<bool>,
    /// It brings tools, or with `false` none.
    pub tools: Option<bool>,
    /// There are pictures in it, or with `false` none.
    pub images: Option<bool>,
    /// Its last question asks for reasoning, or with `false` does not.
    pub reasoning: Option<bool>,
    /// Its last question is in one of these languages: en, de, fr, es, pt, it, zh, ja, ko, ru, ar, he, el, hi, th, other.
    #[serde(default)]
    pub language: Vec<String>,
    /// The call is of one of these classes.
    #[serde(default)]
    pub class: Vec<Class>,
}
