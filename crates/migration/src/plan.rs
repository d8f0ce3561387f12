//! The steps of a migration.
//!
//! A plan is written out in full before it begins, also when it was asked for as "double every six hours", so that what
//! comes next can be shown, and a restart does not have to work out again where it stood.
//!
//! It always ends with all traffic on the new side. A step over one half goes to everything at once: from there on more
//! calls are already gone than are left to protect, and the old side has too few to compare with for long.

use crate::share::Share;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A plan of more steps is a mistake.
pub const MOST_STEPS: usize = 64;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The share of traffic on the new side.
    pub share: Share,
    /// How long it lasts at least. Time in which the migration was paused does not count.
    pub hold: Duration,
    /// Calls that the new side must have had in this step before the next one.
    pub min_calls: u64,
    /// Whether a person must agree before the next one.
    pub approval: bool,
}

impl Step {
    /// A step of this share that ends as soon as there is anything to end it.
    #[must_use]
    pub const fn new(share: Share) -> Self {
        Self { share, hold: Duration::ZERO, min_calls: 0, approval: false }
    }

    /// Lasts at least so long.
    #[must_use]
    pub const fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Wants at least so many calls of the new side.
    #[must_use]
    pub const fn min_calls(mut self, calls: u64) -> Self {
        self.min_calls = calls;
        self
    }

    /// Wants a person's approval before the next step.
    #[must_use]
    pub const fn approval(mut self) -> Self {
        self.approval = true;
        self
    }
}

/// Why a plan cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no step in it.
    #[error("a migration needs at least one step")]
    Empty,
    /// More steps than anybody can want.
    #[error("a migration has at most {MOST_STEPS} steps")]
    TooMany,
    /// A share that is not larger than the one before it.
    #[error(
        "step {step} ({share}) is not larger than the step before it; a migration only grows, going back is a rollback"
    )]
    NotGrowing {
        /// Which step, from 1.
        step: usize,
        /// Its share.
        share: Share,
    },
    /// A first step of nothing.
    #[error("the first step moves no traffic; start with a small share such as 1 %")]
    Nothing,
}

/// The steps, each larger than the one before, the last with all traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
pub struct Plan(Vec<Step>);

impl Plan {
    /// These steps. What is over one half becomes everything and ends the plan; a plan that stops earlier gets a last
    /// step with all traffic.
    ///
    /// # Errors
    /// When there are none, too many, or one does not grow.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Result<Self, PlanError> {
        let mut plan: Vec<Step> = Vec::new();
        for (index, mut step) in steps.into_iter().enumerate() {
            let before = plan.last().map_or(Share::NONE, |last| last.share);
            if before == Share::ALL && step.share > Share::HALF {
                // What was over one half has already become everything.
                continue;
            }
            if step.share == Share::NONE {
                return Err(PlanError::Nothing);
            }
            if step.share <= before {
                return Err(PlanError::NotGrowing { step: index + 1, share: step.share });
            }
            if index >= MOST_STEPS {
                return Err(PlanError::TooMany);
            }
            if step.share > Share::HALF {
                step.share = Share::ALL;
            }
            plan.push(step);
        }
        match plan.last() {
            None => Err(PlanError::Empty),
            Some(last) if last.share == Share::ALL => Ok(Self(plan)),
            Some(_) => {
                plan.push(Step::new(Share::ALL));
                Ok(Self(plan))
            }
        }
    }

    /// Twice the share each time, from `start`, each step lasting `every`: 5, 10, 20, 40 and then everything.
    ///
    /// # Errors
    /// When it starts with nothing.
    pub fn double_every(start: Share, every: Duration, min_calls: u64) -> Result<Self, PlanError> {
        let mut share = start;
        let mut steps = Vec::new();
        while share <= Share::HALF && share > Share::NONE {
            steps.push(Step::new(share).hold(every).min_calls(min_calls));
            share = share.doubled();
        }
        steps.push(Step::new(if start == Share::NONE { start } else { Share::ALL }));
        Self::new(steps)
    }

    /// All steps, in order; at least one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The step of this number, from 0; the last one for whatever lies behind it.
    #[must_use]
    pub fn step(&self, index: usize) -> Step {
        self.0.get(index).or(self.0.last()).copied().unwrap_or(Step::new(Share::ALL))
    }

    /// The number of the last step.
    #[must_use]
    pub fn last(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// Where somebody stands in this plan who has `share` now: the first step that is no smaller, so that nobody moves
    /// back when a plan is replaced.
    #[must_use]
    pub fn standing_at(&self, share: Share) -> usize {
        self.0.iter().position(|step| step.share >= share).unwrap_or(self.last())
    }
}

impl TryFrom<Vec<Step>> for Plan {
    type Error = PlanError;
    fn try_from(steps: Vec<Step>) -> Result<Self, PlanError> {
        Self::new(steps)
    }
}

impl From<Plan> for Vec<Step> {
    fn from(plan: Plan) -> Self {
        plan.0
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
