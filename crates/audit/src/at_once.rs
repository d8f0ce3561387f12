//! Calls at once: bursts that grow until one is refused in part.
//!
//! A limit at once refuses while others are under way and lets through again as soon as those have ended; a limit by the
//! minute lets through again when time has passed, whatever has ended. Which of both refused the endpoint mostly says.
//! Where it does not, and where it was a limit by the minute, the same burst comes again with all the room of a minute:
//! then one that is refused after all and lets the same number through again right afterwards, but none in between, is
//! refused for being too many at once. Where a minute has less room than the burst wants, nobody can know.
//!
//! Answers must last for calls to be under way together. Where they are so quick that some had ended before the last call
//! came, what a burst let through says too much, so the limit is looked for between the largest burst that was let through
//! whole and the smallest that was not.

use crate::call::{TooMuch, Went};
use crate::limits::{Because, Bound, Endpoint, FREED, Probe, Tried};
use crate::speech::Ask;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOnce {
    pub(crate) bound: Bound,
    pub(crate) because: Option<Because>,
    /// So many calls may be under way together without being refused for that.
    pub(crate) safe: usize,
}

impl AtOnce {
    fn at(limit: usize) -> Self {
        Self { bound: Bound::At(limit as f64), because: None, safe: limit }
    }

    fn none_up_to(together: usize, because: Because) -> Self {
        let bound = if together == 0 { Bound::Unknown } else { Bound::NoneUpTo(together as f64) };
        Self { bound, because: Some(because), safe: together }
    }
}

/// What refused a part of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refuser {
    AtOnce,
    Minute,
    /// It does not say.
    Silent,
    /// The allowance had no room to find out.
    Unasked,
}

struct Burst {
    passed: Vec<Tried>,
    refused: Vec<(Tried, Option<TooMuch>)>,
    failed: usize,
}

impl Burst {
    /// Whether no call that was let through had ended before the last refusal came.
    fn overlapped(&self) -> bool {
        let first_end = self.passed.iter().map(|call| call.ended).min();
        let last_refusal = self.refused.iter().map(|(call, _)| call.ended).max();
        first_end >= last_refusal
    }

    /// How long half of the calls took that were let through.
    fn typical(&self) -> Duration {
        let mut times: Vec<_> =
            self.passed.iter().map(|call| call.ended.saturating_duration_since(call.began)).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// How many calls were under way together, if one alone takes so long: those that take much longer have waited for
    /// each other, here or there.
    fn together(&self, alone: Duration) -> usize {
        let typical = self.typical().as_secs_f64();
        let part = if typical > 0.0 { (2.0 * alone.as_secs_f64() / typical).min(1.0) } else { 1.0 };
        ((self.passed.len() as f64 * part) as usize).max(usize::from(!self.passed.is_empty()))
    }

    fn refuser(&self) -> Refuser {
        let told = |kinds: &[TooMuch]| self.refused.iter().any(|(_, told)| told.is_some_and(|it| kinds.contains(&it)));
        match (told(&[TooMuch::Concurrency]), told(&[TooMuch::Requests, TooMuch::Tokens])) {
            // Refused for what came before it, not for its size.
            _ if self.passed.is_empty() => Refuser::Minute,
            (true, false) => Refuser::AtOnce,
            (_, true) => Refuser::Minute,
            (false, false) => Refuser::Silent,
        }
    }
}

/// A call that takes a while.
fn slow(salt: u64) -> Ask {
    Ask::words(10, salt, 64)
}

impl<E: Endpoint> Probe<E> {
    /// The largest number of calls at once that is let through.
    pub(crate) async fn at_once(&mut self) -> AtOnce {
        let mut alone = Duration::ZERO;
        // Calls that were under way together, the largest burst that was let through, and the smallest one too large.
        let (mut together, mut whole, mut too_many) = (0, 0, None);
        let mut size = 1;
        let mut rested = false;
        loop {
            self.endpoint.phase("how many at once");
            let Some(burst) = self.burst(size).await else {
                return AtOnce::none_up_to(together, Because::Allowance);
            };
            if burst.failed > 0 {
                return AtOnce::none_up_to(together, Because::Failures);
            }
            if burst.refused.is_empty() {
                if size == 1 {
                    alone = burst.typical();
                }
                together = together.max(burst.together(alone));
                (whole, rested) = (size, false);
            } else {
                match self.refuser(&burst, alone, rested).await {
                    Refuser::Unasked => {
                        return AtOnce::none_up_to(together.max(burst.together(alone)), Because::Allowance);
                    }
                    Refuser::Minute if rested && whole == 0 => {
                        return AtOnce::none_up_to(0, Because::Refused);
                    }
                    Refuser::AtOnce if burst.overlapped() => return AtOnce::at(burst.passed.len()),
                    Refuser::AtOnce => (too_many, rested) = (Some(size), false),
                    Refuser::Minute | Refuser::Silent if rested => {
                        return AtOnce::none_up_to(together.max(burst.together(alone)), Because::Minute);
                    }
                    Refuser::Minute | Refuser::Silent => {
                        self.rest().await;
                        rested = true;
                        continue;
                    }
                }
            }
            size = match too_many {
                Some(too_many) if too_many <= whole + 1 && together == whole && whole > 0 => return AtOnce::at(whole),
                Some(too_many) if too_many <= whole + 1 => return AtOnce::none_up_to(together, Because::Quick),
                Some(too_many) => (whole + too_many) / 2,
                None if whole < self.search.most_at_once => (whole * 2).min(self.search.most_at_once),
                None if together < whole => return AtOnce::none_up_to(together, Because::Quick),
                None => return AtOnce::none_up_to(together, Because::Untried),
            };
        }
    }

    /// What refused a part of a burst, by what is said and, with all the room of a minute, by what is done.
    async fn refuser(&mut self, burst: &Burst, alone: Duration, rested: bool) -> Refuser {
        if burst.refuser() != Refuser::Silent || !rested {
            return burst.refuser();
        }
        let endpoint = Arc::clone(&self.endpoint);
        let between = tokio::spawn(async move {
            tokio::time::sleep(FREED + alone / 2).await;
            endpoint.ask(&slow(endpoint.salt())).await
        });
        let again = self.burst(burst.passed.len() + burst.refused.len()).await;
        let (Some(again), Ok(Some(between))) = (again, between.await) else { return Refuser::Unasked };
        let closed = matches!(between.went, Went::Limited(_));
        if closed && again.passed.len() * 10 >= burst.passed.len() * 9 { Refuser::AtOnce } else { Refuser::Minute }
    }

    /// `None` where the allowance has no room for it: a part of it would tell nothing.
    async fn burst(&mut self, size: usize) -> Option<Burst> {
        if self.endpoint.room(&slow(0)) < size as u64 {
            return None;
        }
        tokio::time::sleep(FREED).await;
        let mut calls = JoinSet::new();
        for _ in 0..size {
            let endpoint = Arc::clone(&self.endpoint);
            calls.spawn(async move { endpoint.ask(&slow(endpoint.salt())).await });
        }
        let mut burst = Burst { passed: Vec::new(), refused: Vec::new(), failed: 0 };
        while let Some(call) = calls.join_next().await {
            let call = call.ok().flatten()?;
            self.endpoint.over();
            match call.went {
                Went::Ok => {
                    let (began, ended) = (self.seconds(call.began), self.seconds(call.ended));
                    self.seen.passed(began, ended - began, call.tokens);
                    burst.passed.push(call);
                }
                Went::Limited(told) => burst.refused.push((call, told)),
                Went::Failed(_) => burst.failed += 1,
            }
        }
        Some(burst)
    }
}
