//! What is known of those who answer, and what to do when they fail.
//!
//! Towards a client a limit is a promise of ours. Towards a provider it is a guess: its limits are told in headers or
//! not at all, its capacity changes by the minute, and its keys run dry or are refused. This module holds what has been
//! learned of a provider and decides from it: whether a target may be called at all, by which key, how many calls at
//! once, how fast, and what to do with a call that failed.
//!
//! - [`Breaker`] isolates a target that is dead, and finds out with one call at a time when it is back.
//! - [`decide`] says what to do with a failed try, within a [`RetryBudget`] of the target and a [`FailoverBudget`] of all
//!   that can stand in for it, which keep a storm from being made worse.
//! - [`Pool`] chooses the key for a call, by each one's [`Health`] and what is left of its quota.
//! - [`Shadow`] keeps a copy of a provider's own count of what is left, so that calls wait here rather than be refused.
//! - [`SloAimd`] finds out how many calls a target bears at once from how long first tokens take.
//! - [`Latencies`] keeps how long first tokens, or whole answers, take; [`Hedging`] asks a second target when the first is
//!   late, if told to, and [`trial_patience`] says how long one that is being tried is waited for.
//! - [`Throttle`] tells the kinds of "too many requests" apart, since each wants another answer.
//!
//! A call towards a provider passes them in this order:
//!
//! ```
//! use sluicegate_flow::Nanos;
//! use sluicegate_flow::egress::{
//!     Breaker, BreakerSettings, Charge, Decision, Failed, Health, Levels, Member, Payers, Pool, RetryBudget, Role, Shadow, Told, decide,
//! };
//! use sluicegate_vocabulary::AttemptResult;
//! use std::{sync::Arc, time::Duration};
//!
//! let (now, draw) = (Nanos(1_000_000_000), 0.5);
//! let breaker = Arc::new(Breaker::new(BreakerSettings::default()));
//! let (health, quota) = (Arc::new(Health::new(Role::Primary)), Arc::new(Shadow::new(1.0)));
//! let key = Member { id: 1, health, quota, capacity: 64, share: 1 };
//! let (pool, budget) = (Pool::new([key]), RetryBudget::new());
//!
//! // Before sending: is the target alive, and which key has room?
//! let pass = breaker.admit(now).unwrap();
//! let charge = Charge { requests: 1, tokens: 4_000, ..Charge::default() };
//! let lease = pool.choose(now, charge, None, 0x1234_5678_9abc_def0).unwrap();
//!
//! // With the head of the answer: what the provider tells of its levels.
//! let requests = Told { limit: Some(600), remaining: Some(599), reset: None };
//! lease.observe(now, &Levels { requests: Some(requests), ..Levels::default() });
//!
//! // At the end: how it went.
//! breaker.record(pass, AttemptResult::ServerError, now, None, draw);
//! lease.record(AttemptResult::ServerError, None, now, draw);
//!
//! // And what to do about it.
//! let failed = Failed {
//!     result: AttemptResult::ServerError,
//!     throttle: None,
//!     retry_after: None,
//!     should_retry: None,
//!     tries: 1,
//!     max_retries: 2,
//!     deadline: now.after(Duration::from_secs(30)),
//!     waits_until: now.after(Duration::from_secs(30)),
//!     first_byte: Duration::from_secs(1),
//!     other_credential: false,
//!     other_candidate: true,
//!     bytes_sent: false,
//!     repeatable: true,
//! };
//! let payers = Payers { own: &budget, all: None };
//! assert_eq!(decide(&failed, payers, now, draw), Decision::RetrySame { after: Duration::from_millis(125) });
//! ```
//!
//! Everything here is told the time and the chance: the caller passes [`crate::Nanos`] and draws. While all is well each
//! of these costs a call one atomic load or a mutex held for some nanoseconds.

mod breaker;
mod breakers;
mod budget;
mod failover;
mod gate;
mod health;
mod hedge;
mod latencies;
mod pool;
mod pulse;
mod purse;
mod retry;
mod shadow;
mod slo_aimd;
mod throttle;
mod trial;

pub use breaker::{Breaker, BreakerSettings, BreakerState, BreakerStatus, Cause, Isolated, Pass, Transition};
pub use breakers::Breakers;
pub use budget::RetryBudget;
pub use failover::FailoverBudget;
pub use health::{Health, HealthState, HealthStatus, Role};
pub use hedge::{HedgeBudget, Hedging};
pub use latencies::Latencies;
pub use pool::{Lease, Member, Pool, Tried, Unavailable, Wanted, Why};
pub use retry::{Decision, Failed, Payers, decide};
pub use shadow::{Charge, Levels, Sent, Shadow, ShadowStatus, Told};
pub use slo_aimd::{LOAD_IS_FRESH, ServerLoad, SloAimd, SloAimdLast, SloAimdSettings, SloAimdStatus};
pub use throttle::{Refused, Throttle};
pub use trial::trial_patience;
