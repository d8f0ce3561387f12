//! What a migration is told to do.

use crate::assign::StickyBy;
use crate::metric::{Guard, GuardError};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where calls go: one of several places by weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The provider's configured name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Which of the provider's keys, by their names; none for its ordinary pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Its share among the targets of its side, relative to their weights.
    pub weight: u32,
}

impl Target {
    /// The name of a model that stands for all others.
    pub const ANY: &str = "*";

    /// The only target of its side.
    #[must_use]
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into(), keys: Vec::new(), weight: 1 }
    }
}

/// `provider/model`, and `provider/model[key]` where it is not the provider's ordinary pool.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)?;
        if self.keys.is_empty() { Ok(()) } else { write!(f, "[{}]", self.keys.join(",")) }
    }
}

/// What follows when a guard says "worse".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// All traffic back to the old side, at once.
    #[default]
    Rollback,
    /// No further step until a person says so; the traffic stays where it is.
    Pause,
    /// Only say so. The migration does not go on by itself either.
    Alert,
}

/// What follows when a step has lasted long enough and the guards have not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// Wait until they have.
    #[default]
    Hold,
    /// Go on: not shown to be worse is good enough.
    Advance,
    /// All traffic back.
    Rollback,
}

/// A migration as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name, which is its identity together with its two sides.
    pub name: String,
    /// The model whose calls it moves, as clients name it.
    pub model: String,
    /// Where traffic is.
    pub from: Vec<Target>,
    /// Where it goes.
    pub to: Vec<Target>,
    /// Whether each entry of `from` goes to the one of `to` at its place, so that several models move at once, instead of all
    /// calls of one model going to any of `to` by weight. A model of the name [`Target::ANY`] stands for all others of its
    /// provider, which keep their names.
    #[serde(default)]
    pub mapped: bool,
    /// By which steps.
    pub plan: Plan,
    /// What keeps its side.
    pub sticky_by: StickyBy,
    /// What must not get worse.
    pub guards: Vec<Guard>,
    /// What follows when something does.
    pub on_breach: OnBreach,
    /// What follows when nothing is decided.
    pub on_inconclusive: OnInconclusive,
    /// Calls that the new side must have had before anything is concluded against it.
    pub min_calls_rollback: u64,
    /// Calls that it must have had before it gets all traffic.
    pub min_calls_promotion: u64,
}

/// Why a definition cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A side without anywhere to go.
    #[error("the side `{0}` of a migration has no target with a weight over 0")]
    NoTarget(&'static str),
    /// Two sides that are to be read place by place and have not as many places.
    #[error("each model that is moved needs one that it becomes")]
    Uneven,
    /// Both sides are the same.
    #[error("both sides of the migration are the same; there is nothing to move")]
    SameSides,
    /// A guard that cannot decide anything.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

impl Definition {
    /// A migration of `model` with the defaults: sticky by key, the default guards, rolled back when worse, held when
    /// undecided, at least 100 calls before a rollback and 500 before everything moves.
    #[must_use]
    pub fn new(name: impl Into<String>, model: impl Into<String>, from: Target, to: Target, plan: Plan) -> Self {
        Self {
            name: name.into(),
            model: model.into(),
            from: vec![from],
            to: vec![to],
            mapped: false,
            plan,
            sticky_by: StickyBy::default(),
            guards: Guard::defaults(),
            on_breach: OnBreach::default(),
            on_inconclusive: OnInconclusive::default(),
            min_calls_rollback: 100,
            min_calls_promotion: 500,
        }
    }

    /// Whether it can be followed.
    ///
    /// # Errors
    /// When a side leads nowhere, both are the same, or a guard cannot decide anything.
    pub fn check(&self) -> Result<(), DefinitionError> {
        for (side, targets) in [("from", &self.from), ("to", &self.to)] {
            if targets.iter().all(|target| target.weight == 0) {
                return Err(DefinitionError::NoTarget(side));
            }
        }
        if self.mapped && self.from.len() != self.to.len() {
            return Err(DefinitionError::Uneven);
        }
        let same = |(from, to): (&Target, &Target)| from == to;
        if self.from == self.to || (self.mapped && self.from.iter().zip(&self.to).any(same)) {
            return Err(DefinitionError::SameSides);
        }
        self.guards.iter().try_for_each(|guard| guard.check().map_err(Into::into))
    }

    /// Where the calls of one provider's model go, of a migration whose sides are read place by place; `None` where it does
    /// not move them.
    #[must_use]
    pub fn goes_to(&self, provider: &str, model: &str) -> Option<Target> {
        let to = self.to.get(self.place_of(provider, model)?)?;
        let model = if to.model == Target::ANY { model.to_owned() } else { to.model.clone() };
        Some(Target { model, ..to.clone() })
    }

    /// Whether it leads to the same models of the same providers, and only to other keys.
    #[must_use]
    pub fn moves_keys_only(&self) -> bool {
        let place = |target: &Target| (target.provider.clone(), target.model.clone());
        self.from.iter().map(place).eq(self.to.iter().map(place))
    }

    /// The entry of the old side that stands for one provider's model, of such a migration.
    #[must_use]
    pub fn comes_from(&self, provider: &str, model: &str) -> Option<&Target> {
        self.from.get(self.place_of(provider, model)?)
    }

    fn place_of(&self, provider: &str, model: &str) -> Option<usize> {
        let named = |name: &str| self.from.iter().position(|from| from.provider == provider && from.model == name);
        named(model).or_else(|| named(Target::ANY)).filter(|_| self.mapped)
    }

    /// Whether `other` moves the same traffic between the same places.
    #[must_use]
    pub fn is_same_move(&self, other: &Self) -> bool {
        let same = self.name == other.name && self.model == other.model && self.mapped == other.mapped;
        same && self.from == other.from && self.to == other.to
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
