//! Limits that nobody tells.
//!
//! An endpoint's limit shows only in what it lets through, so that is what is measured, and what it says in headers or
//! errors is used only to tell limits apart.
//!
//! - **At once** ([`at_once`](Probe::at_once)): bursts that grow, of calls that take a while. A limit of this kind
//!   refuses while others are under way and lets through again as soon as those have ended.
//! - **A minute** ([`by_minute`](Probe::by_minute)), of calls and then of tokens: ask until refused, then go on asking
//!   and count what is let through. Calls of few tokens find the first of both limits to bind calls, calls of many the
//!   first to bind tokens; where those of many are let through as fast as those of few, it is not tokens that bind.
//!
//! A limit is in the way of finding another one, so a search waits a minute where a limit by the minute could be taken for
//! another: then its whole room is there. Calls by the minute are asked for by no more callers than were let through at
//! once, so that what refuses them is no limit at once. What is not found is said with what was in the way.

use crate::by_minute::Through;
use crate::call::Went;
use crate::seen::{Seen, Unit};
use crate::speech::Ask;
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How the search is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The largest burst.
    pub most_at_once: usize,
    /// How long it is waited for limits by the minute to have all their room again.
    pub rest: Duration,
    /// How long what is let through is counted at least, once calls are refused.
    pub watch: Duration,
    /// How long it is asked at most until calls are refused.
    pub patience: Duration,
    /// Words of a call that is to use many tokens.
    pub many: usize,
    /// Callers at once while a limit by the minute is sought.
    pub callers: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            most_at_once: 64,
            rest: Duration::from_secs(61),
            watch: Duration::from_secs(20),
            patience: Duration::from_secs(90),
            many: 1_500,
            callers: 16,
        }
    }
}

/// What was found of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The limit.
    At(f64),
    /// None up to this.
    NoneUpTo(f64),
    /// Nothing.
    Unknown,
}

impl Bound {
    /// The limit, where one was found.
    #[must_use]
    pub const fn found(self) -> Option<f64> {
        match self {
            Self::At(limit) => Some(limit),
            Self::NoneUpTo(_) | Self::Unknown => None,
        }
    }
}

/// Why a limit was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A limit by the minute refuses more at a time.
    Minute,
    /// Every call is refused.
    Refused,
    /// The limit on calls at once keeps more from being asked.
    Concurrency,
    /// The limit on calls a minute binds first.
    Requests,
    /// The limit on tokens a minute binds first.
    Tokens,
    /// Answers end too soon for more of them to be under way together.
    Quick,
    /// More would not be within the allowance.
    Allowance,
    /// Calls fail.
    Failures,
    /// What is let through keeps no pace.
    Unclear,
    /// It may be the limit on calls a minute that binds.
    Unsure,
    /// More was not tried.
    Untried,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Calls at once.
    pub concurrency: Bound,
    /// Calls a minute.
    pub requests_per_minute: Bound,
    /// Tokens a minute, of input and output together.
    pub tokens_per_minute: Bound,
    /// Calls that were let through at once before the first refusal, where a bucket was full.
    pub burst: Option<u64>,
    /// Why those were not found that were not.
    pub because: Reasons,
}

/// For each limit why it was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reasons {
    /// Calls at once.
    pub concurrency: Option<Because>,
    /// Calls a minute.
    pub requests_per_minute: Option<Because>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<Because>,
}

/// A call of the search.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) went: Went,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) tokens: u64,
}

/// Who is asked.
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// Asks; `None` when the allowance has no room for it.
    fn ask(&self, ask: &Ask) -> impl Future<Output = Option<Tried>> + Send;
    /// How many such calls the allowance has room for.
    fn room(&self, ask: &Ask) -> u64;
    /// A number that was not given before.
    fn salt(&self) -> u64;
    /// Something else begins.
    fn phase(&self, name: &str);
    /// A call is over.
    fn over(&self);
}

/// A search under way.
pub(crate) struct Probe<E> {
    pub(crate) endpoint: Arc<E>,
    pub(crate) search: Search,
    pub(crate) seen: Seen,
    started: Instant,
}

impl<E: Endpoint> Probe<E> {
    pub(crate) fn new(endpoint: &Arc<E>, search: &Search) -> Self {
        Self { endpoint: Arc::clone(endpoint), search: *search, seen: Seen::default(), started: Instant::now() }
    }

    /// Seconds from the search's beginning.
    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }

    /// Waits until what was asked for before counts in no minute.
    pub(crate) async fn rest(&self) {
        self.endpoint.phase("waiting until limits by the minute have room again");
        tokio::time::sleep(self.search.rest).await;
    }

    async fn calls_a_minute(&mut self, callers: usize) -> Through {
        self.endpoint.phase("how many calls a minute");
        self.by_minute(callers, FEW, Unit::Calls, None).await
    }

    async fn tokens_a_minute(&mut self, callers: usize, known: Option<f64>) -> Through {
        self.endpoint.phase("how many tokens a minute");
        let words = self.search.many;
        let through = self.by_minute(callers, words, Unit::Tokens, known).await;
        let Some(coarse) = through.pace.map(|pace| pace.calls).filter(|calls| *calls < COARSE) else { return through };
        // So few calls of that size are let through that their number says little.
        let smaller = words as f64 * coarse.max(1.0) / (2.0 * COARSE);
        self.by_minute(callers, smaller as usize, Unit::Tokens, known).await
    }
}

/// Calls that differ by less in their paces are bound by the same limit.
pub(crate) const SAME: f64 = 0.85;
/// A place that an answer has left may still be taken at the same moment. After so long it is free.
pub(crate) const FREED: Duration = Duration::from_millis(30);
/// Words of a call that is to use few tokens.
const FEW: usize = 3;
/// Calls a minute that are too few to tell a pace well.
const COARSE: f64 = 12.0;

/// Searches. Where there was `load` just before, what it used up is waited for first.
pub(crate) async fn limits<E: Endpoint>(endpoint: &Arc<E>, search: &Search, load: bool) -> Limits {
    let mut probe = Probe::new(endpoint, search);
    if load {
        probe.rest().await;
    }
    let at_once = probe.at_once().await;
    let mut found = Limits {
        concurrency: at_once.bound,
        requests_per_minute: Bound::Unknown,
        tokens_per_minute: Bound::Unknown,
        burst: None,
        because: Reasons { concurrency: at_once.because, ..Reasons::default() },
    };
    if at_once.because == Some(Because::Refused) {
        found.because.requests_per_minute = at_once.because;
        found.because.tokens_per_minute = at_once.because;
        return found;
    }
    let callers = at_once.safe.clamp(1, search.callers.max(1));
    // Where the limit at once leaves no more callers than that, it may be what keeps a pace low.
    let slowed = at_once.bound.found().is_some() && callers < search.callers;
    if at_once.because == Some(Because::Minute) {
        probe.rest().await;
    }
    let mut few = probe.calls_a_minute(callers).await;
    if few.stopped == Some(Because::Tokens) {
        // What was used up before may have been in the way.
        probe.rest().await;
        few = probe.calls_a_minute(callers).await;
    }
    found.burst = few.refused.then_some(few.before);
    (found.requests_per_minute, found.because.requests_per_minute) = few.bound(Unit::Calls, slowed);
    if few.pace.is_some() {
        probe.rest().await;
    }
    let many = probe.tokens_a_minute(callers, few.pace.map(|pace| pace.calls)).await;
    (found.tokens_per_minute, found.because.tokens_per_minute) = many.bound(Unit::Tokens, slowed);
    match (few.pace, many.pace) {
        (Some(fast), Some(slow)) if few.told.is_none() && fast.tokens >= slow.tokens * SAME => {
            // Even calls of few tokens used as many of them: what bound was tokens, both times.
            found.tokens_per_minute = Bound::At(fast.tokens);
            found.requests_per_minute = Bound::NoneUpTo(few.none_up_to(Unit::Calls));
            found.because.requests_per_minute = Some(Because::Tokens);
        }
        (Some(fast), Some(slow)) if many.told.is_none() && slow.calls >= fast.calls * SAME => {
            found.tokens_per_minute = Bound::NoneUpTo(many.none_up_to(Unit::Tokens));
            found.because.tokens_per_minute = Some(Because::Requests);
        }
        (None, Some(slow)) if many.told.is_none() && slow.calls >= few.none_up_to(Unit::Calls) => {
            found.tokens_per_minute = Bound::NoneUpTo(many.none_up_to(Unit::Tokens));
            found.because.tokens_per_minute = Some(Because::Unsure);
        }
        (Some(_), None) if few.told.is_none() && found.tokens_per_minute == Bound::Unknown => {
            // It may as well have been tokens that bound.
            found.requests_per_minute = Bound::NoneUpTo(few.none_up_to(Unit::Calls));
            found.because.requests_per_minute = found.because.tokens_per_minute;
        }
        _ => {}
    }
    found
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
