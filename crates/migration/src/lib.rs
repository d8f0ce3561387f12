//! Moving traffic from one provider, model or key to another under full load, and back by itself when the evidence says so.
//!
//! ```
//! use sluicegate_migration::*;
//! use std::time::Duration;
//!
//! let plan = Plan::double_every(Share::percent(5.0)?, Duration::from_secs(6 * 3600), 0)?;
//! let (from, to) = (Target::new("openai", "gpt-5.4"), Target::new("openai", "gpt-5.5"));
//! let mut migration = Migration::new(Definition::new("to-5.5", "smart", from, to, plan), Seed(42));
//! migration.start(Moment(0), "ada", "the new model is cheaper")?;
//! assert_eq!(migration.share().to_string(), "5 %");
//!
//! // The new side fails one call in five, the old one none.
//! for call in 0..4_000_u64 {
//!     let arm = migration.arm(&call.to_le_bytes());
//!     let seen = Observation { failed: arm == Arm::New && call % 5 == 0, ..Observation::default() };
//!     migration.observe(arm, &seen);
//!     migration.tick(Moment(call));
//! }
//! assert_eq!(migration.phase(), Phase::RolledBack);
//! assert!(migration.history().last().unwrap().why.starts_with("error rate"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Plan`]: by which steps, ending with everything.
//! - [`Seed::arm`]: who is on which side; worked out, not remembered.
//! - [`Evidence`]: what is known of both sides, valid at any time one looks; [`Guard`]: what must not get worse.
//! - [`Migration`]: all of it as one value that survives a restart, with its [`History`].
//! - [`mirror`]: comparing answers to the same call where the new side answers for nobody.
//!
//! Pure code: no I/O, no task, no clock and no chance; [`Moment`] and [`Seed`] are arguments.

mod assign;
mod definition;
mod evidence;
mod history;
mod machine;
mod metric;
pub mod mirror;
mod plan;
mod reading;
mod share;

pub use assign::{Arm, Seed, StickyBy, StickyError};
pub use definition::{Definition, DefinitionError, OnBreach, OnInconclusive, Target};
pub use evidence::{Evidence, Verdict};
pub use history::{Action, Entry, History, KEPT, Moment};
pub use machine::{KillSwitch, Migration, Phase, Refused, Started};
pub use metric::{Guard, GuardError, Limit, Metric, MetricError, Observation, Percentile};
pub use plan::{MOST_STEPS, Plan, PlanError, Step};
pub use reading::{Amount, Reading};
pub use share::{Share, ShareError};
