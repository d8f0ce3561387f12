//! Limits that nobody tells.
//!
//! An endpoint's limit shows only in what it lets through, so that is what is measured, and what it says in headers or
//! errors is used only to tell limits apart.
//!
//! - **At once**: bursts of one, two, four, ... calls that take a while. Of the first burst that is refused in part, what
//!   was let through is the limit, if a single call right afterwards is let through; else it was no limit of this kind.
//! - **A minute**, of calls and then of tokens: ask until refused, then go on asking and count what is let through. A
//!   bucket refills at the limit's pace, so the pace is the limit whatever the bucket held. A window lets nothing through
//!   until it is over, and then what it let through before is the limit.
//!
//! Calls of few tokens find the first of both limits to bind calls, calls of many the first to bind tokens. Where the
//! calls of many are let through as fast as those of few, it is not tokens that bind.

use crate::audit::Context;
use crate::call::{Sent, TooMuch, Went};
use crate::speech::Ask;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How the search is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The largest burst.
    pub most_at_once: usize,
    /// How long what is let through is counted, once calls are refused.
    pub watch: Duration,
    /// How long each search lasts at most.
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
    /// Not looked for, or cut short by the budget.
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
}

pub(crate) async fn limits(context: &Arc<Context>, search: &Search) -> Limits {
    context.progress.phase("how many at once");
    let concurrency = at_once(context, search).await;
    let room = concurrency.found().map_or(search.callers, |most| (most as usize).min(search.callers)).max(1);
    context.progress.phase("how many calls a minute");
    let few = let_through(context, search, room, 3, None).await;
    let mut found = Limits {
        concurrency,
        requests_per_minute: few.map_or(Bound::Unknown, |through| through.calls()),
        tokens_per_minute: Bound::Unknown,
        burst: few.and_then(|through| through.refused.then_some(through.before)),
    };
    context.progress.phase("how many tokens a minute");
    let pace = few.and_then(|through| through.calls().found());
    let Some(many) = let_through(context, search, room, search.many, pace).await else { return found };
    let (Some(fast), Some(slow)) = (pace, many.calls().found()) else {
        found.tokens_per_minute = many.tokens();
        return found;
    };
    // As many calls of many tokens as of few: what binds is calls.
    found.tokens_per_minute = if slow >= fast * SAME { Bound::NoneUpTo(many.tokens_value()) } else { many.tokens() };
    if let (Some(few), Some(tokens)) = (few, found.tokens_per_minute.found())
        && few.tokens_value() >= tokens * SAME
    {
        // Even calls of few tokens used as many of them: what bound was tokens, both times.
        found.requests_per_minute = Bound::NoneUpTo(fast);
    }
    found
}

/// Paces that differ by less are the same.
const SAME: f64 = 0.85;

/// The largest number of calls at once that is let through.
async fn at_once(context: &Arc<Context>, search: &Search) -> Bound {
    let mut size = 1;
    let mut all = 0;
    while size <= search.most_at_once {
        let Some(burst) = burst(context, size).await else { return Bound::Unknown };
        if burst.refused == 0 {
            all = burst.ok;
            size *= 2;
            continue;
        }
        // Refused for want of room at once, if there is room now that they are over.
        let Some(after) = context.send(&Ask::words(3, context.salt(), 1)).await else { return Bound::Unknown };
        if matches!(after.went, Went::Limited(_)) || !burst.overlapped {
            return Bound::NoneUpTo(all as f64);
        }
        // Once more just at the limit, since a call may have ended before the last one came.
        let Some(again) = self::burst(context, burst.ok).await else { return Bound::At(burst.ok as f64) };
        return Bound::At(if again.refused == 0 { burst.ok } else { again.ok.max(1) } as f64);
    }
    Bound::NoneUpTo(all as f64)
}

struct Burst {
    ok: usize,
    refused: usize,
    /// Whether those that were let through were all there together.
    overlapped: bool,
}

async fn burst(context: &Arc<Context>, size: usize) -> Option<Burst> {
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..size {
        let context = Arc::clone(context);
        calls.spawn(async move { context.send(&Ask::words(10, context.salt(), 64)).await });
    }
    let mut sent: Vec<Sent> = Vec::new();
    while let Some(call) = calls.join_next().await {
        sent.push(call.ok().flatten()?);
    }
    let ok: Vec<&Sent> = sent.iter().filter(|sent| sent.went == Went::Ok).collect();
    let refused: Vec<&Sent> = sent.iter().filter(|sent| matches!(sent.went, Went::Limited(_))).collect();
    // The first to end must not have ended before the last refusal came.
    let first_end = ok.iter().map(|sent| sent.ended).min().unwrap_or(begun);
    let last_refusal = refused.iter().map(|sent| sent.ended).max().unwrap_or(begun);
    context.progress.calls(sent.len());
    Some(Burst { ok: ok.len(), refused: refused.len(), overlapped: first_end >= last_refusal })
}

/// What was let through.
#[derive(Debug, Clone, Copy)]
struct Through {
    /// Whether anything was refused.
    refused: bool,
    /// Calls let through before the first refusal, and how long that took.
    before: u64,
    before_seconds: f64,
    /// Calls and their tokens let through after the first one after it, and from then to the last of them.
    after: u64,
    after_tokens: u64,
    after_seconds: f64,
    /// Tokens of a call.
    tokens_each: f64,
}

impl Through {
    /// Whether anything is let through while calls are refused: a bucket that refills, and no window.
    fn refills(&self) -> bool {
        self.after >= 3
            && self.after_seconds > 0.0
            && self.after as f64 * 60.0 / self.after_seconds > 0.05 * self.before as f64
    }

    fn calls(&self) -> Bound {
        if !self.refused {
            return Bound::NoneUpTo(self.before as f64 * 60.0 / self.before_seconds.max(60.0));
        }
        Bound::At(if self.refills() { self.after as f64 * 60.0 / self.after_seconds } else { self.before as f64 })
    }

    fn tokens(&self) -> Bound {
        match self.calls() {
            Bound::At(_) => Bound::At(self.tokens_value()),
            Bound::NoneUpTo(calls) => Bound::NoneUpTo(calls * self.tokens_each),
            Bound::Unknown => Bound::Unknown,
        }
    }

    /// Tokens a minute that were let through.
    fn tokens_value(&self) -> f64 {
        if self.refused && self.refills() {
            self.after_tokens as f64 * 60.0 / self.after_seconds
        } else {
            self.before as f64 * self.tokens_each
        }
    }
}

/// Calls let through after a refusal that are enough to know their pace.
const ENOUGH: u64 = 12;
/// Calls whose recent pace is looked at to see whether another limit binds now.
const RECENT: usize = 20;

/// How often it is asked while calls are refused, in times the pace that is expected. Before a refusal counts the limit's
/// own pace is kept, to see whether another binds. Afterwards a bucket that holds little must not be left full, or what
/// it would have let through is lost; one that holds much loses nothing, and every refused call counts as sent.
const fn often(counts: bool, held: u64) -> f64 {
    match (counts, held) {
        (false, _) => 1.5,
        (true, ..20) => 8.0,
        (true, _) => 3.0,
    }
}

/// Asks until refused and then watches. With `pace`, calls a minute that are known to be let through, a refusal counts only
/// when it is not one of that limit's: when it says so itself, or when fewer are let through than that.
async fn let_through(
    context: &Arc<Context>,
    search: &Search,
    callers: usize,
    words: usize,
    pace: Option<f64>,
) -> Option<Through> {
    let begun = Instant::now();
    let mut through = Through {
        refused: false,
        before: 0,
        before_seconds: 0.0,
        after: 0,
        after_tokens: 0,
        after_seconds: 0.0,
        tokens_each: 0.0,
    };
    let (mut tokens, mut calls) = (0_u64, 0_u64);
    let (mut refused_at, mut first_after): (Option<Instant>, Option<Instant>) = (None, None);
    let mut recent: VecDeque<Instant> = VecDeque::new();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < callers {
            let context = Arc::clone(context);
            let ask = Ask::words(words, context.salt(), 1);
            under_way.spawn(async move { context.send(&ask).await });
        }
        let sent = match under_way.join_next().await {
            Some(sent) => sent.ok().flatten(),
            None => None,
        };
        let now = Instant::now();
        let Some(sent) = sent else {
            // No room in the budget: what has been seen must do, if it is enough.
            return (refused_at.is_some() && through.after >= 3).then_some(through);
        };
        match &sent.went {
            Went::Ok => {
                let used = sent.said.input.unwrap_or_default() + sent.said.output.unwrap_or_default();
                calls += 1;
                tokens += used;
                through.tokens_each = tokens as f64 / calls as f64;
                recent.push_back(now);
                if recent.len() > RECENT {
                    recent.pop_front();
                }
                // Calls that were under way at the first refusal had been let through before it.
                match refused_at.filter(|at| sent.ended.checked_sub(sent.total).is_some_and(|sent| sent >= *at)) {
                    None => through.before += 1,
                    Some(_) => match first_after {
                        // Counted is what comes after this one, so that it does not matter how full a bucket was.
                        None => first_after = Some(now),
                        Some(first) => {
                            through.after += 1;
                            through.after_tokens += used;
                            through.after_seconds = now.saturating_duration_since(first).as_secs_f64();
                        }
                    },
                }
            }
            Went::Limited(too_much) => {
                let counts = match (pace, too_much) {
                    (None, _) | (Some(_), Some(TooMuch::Tokens)) => true,
                    (Some(_), Some(TooMuch::Requests | TooMuch::Concurrency)) => false,
                    (Some(pace), None) => {
                        let seconds =
                            recent.front().map_or(0.0, |first| now.saturating_duration_since(*first).as_secs_f64());
                        recent.len() < RECENT && begun.elapsed() > Duration::from_secs(10)
                            || recent.len() as f64 * 60.0 < pace * SAME * seconds
                    }
                };
                if counts && refused_at.is_none() {
                    refused_at = Some(now);
                    through.refused = true;
                    through.before_seconds = now.saturating_duration_since(begun).as_secs_f64();
                }
                let expected = pace.unwrap_or(through.before as f64).max(20.0);
                let pause = Duration::from_secs_f64(60.0 / (often(refused_at.is_some(), through.before) * expected))
                    .clamp(Duration::from_millis(10), Duration::from_millis(400));
                tokio::time::sleep(pause).await;
            }
            Went::Failed(_) => {}
        }
        context.progress.calls(1);
        if let Some(at) = refused_at {
            let watched = now.saturating_duration_since(at);
            if watched >= search.watch && (through.after >= ENOUGH || watched >= search.watch * 3) {
                return Some(through);
            }
        } else if begun.elapsed() >= search.patience {
            through.before_seconds = begun.elapsed().as_secs_f64();
            return Some(through);
        }
    }
}
