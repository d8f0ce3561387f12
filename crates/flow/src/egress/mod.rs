//! What is known of those who answer, and what to do when they fail.
//!
//! Towards a client a limit is a promise of ours. Towards a provider it is a guess: its limits are told in headers or
//! not at all, its capacity changes by the minute, and its keys run dry or are refused. This module holds what has been
//! learned of a provider and decides from it: whether a target may be called at all, by which key, how many calls at
//! once, how fast, and what to do with a call that failed.
//!
//! - [`Breaker`] isolates a target that is dead, and finds out with one call at a time when it is back.
//! - [`decide`] says what to do with a failed try, within a [`RetryBudget`] that keeps a storm from being made worse.
//! - [`Pool`] chooses the key for a call, by each one's [`Health`] and what is left of its quota.
//! - [`Shadow`] keeps a copy of a provider's own count of what is left, so that calls wait here rather than be refused.
//! - [`SloAimd`] finds out how many calls a target bears at once from how long first tokens take.
//! - [`Throttle`] tells the kinds of "too many requests" apart, since each wants another answer.
//!
//! Everything here is told the time and the chance: the caller passes [`crate::Nanos`] and draws. While all is well each
//! of these costs a call one atomic load or a mutex held for some nanoseconds.

mod breaker;
mod breakers;
mod budget;
mod gate;
mod health;
mod pool;
mod pulse;
mod retry;
mod shadow;
mod slo_aimd;
mod throttle;

pub use breaker::{Breaker, BreakerSettings, BreakerState, BreakerStatus, Cause, Isolated, Pass, Transition};
pub use breakers::Breakers;
pub use budget::RetryBudget;
pub use health::{Health, HealthState, HealthStatus, Role};
pub use pool::{Lease, Member, Pool, Unavailable};
pub use retry::{Decision, Failed, decide};
pub use shadow::{Charge, Levels, Sent, Shadow, ShadowStatus, Told};
pub use slo_aimd::{SloAimd, SloAimdSettings, SloAimdStatus};
pub use throttle::{Refused, Throttle};
