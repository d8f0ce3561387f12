//! Limits by the minute: asking until refused, and on.
//!
//! After the first refusal calls are asked for at a pace that follows what becomes of them, faster after one that was let
//! through and slower after one that was refused: often enough that a bucket is never left full, and no more often, since
//! every refused call counts as sent.

use crate::call::{TooMuch, Went};
use crate::limits::{Because, Bound, Endpoint, FREED, Probe, SAME, Tried};
use crate::seen::{Pace, Unit};
use crate::speech::Ask;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What was let through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Through {
    /// Whether a refusal came that counts.
    pub(crate) refused: bool,
    /// What the last refusal by the minute said there was too much of.
    pub(crate) told: Option<TooMuch>,
    /// Calls let through before the first.
    pub(crate) before: u64,
    /// All that was let through, and in how many seconds.
    passed: Pace,
    seconds: f64,
    /// What is let through while calls are refused, where enough was seen to know.
    pub(crate) pace: Option<Pace>,
    /// Why it was not gone on.
    pub(crate) stopped: Option<Because>,
}

impl Through {
    /// A limit that did not refuse is no lower than this. A bucket may have been full and have been refilled meanwhile,
    /// and two windows may touch, so it may be less than was let through.
    pub(crate) fn none_up_to(&self, unit: Unit) -> f64 {
        self.passed.of(unit) / (1.0 + (self.seconds / 60.0).max(1.0))
    }

    /// Calls a minute, if a bucket was full at first.
    fn calls_of_a_bucket(&self) -> f64 {
        self.passed.calls / (1.0 + self.seconds / 60.0)
    }

    /// What this says of the limit, where `slowed` tells that calls were held back by a limit at once.
    pub(crate) fn bound(&self, unit: Unit, slowed: bool) -> (Bound, Option<Because>) {
        match self.pace {
            Some(pace) => (Bound::At(pace.of(unit)), None),
            None if self.refused => (Bound::Unknown, self.stopped.or(Some(Because::Unclear))),
            None if self.before == 0 => (Bound::Unknown, self.stopped),
            None => {
                let untried = match self.told {
                    Some(TooMuch::Requests) => Because::Requests,
                    _ if slowed => Because::Concurrency,
                    _ => Because::Untried,
                };
                (Bound::NoneUpTo(self.none_up_to(unit)), self.stopped.or(Some(untried)))
            }
        }
    }
}

/// When the next call is asked for.
#[derive(Debug)]
struct Rhythm {
    gap: Duration,
    next: Instant,
    /// How much longer a refusal makes it.
    slower: f64,
    longest: Duration,
}

/// How much shorter a call that was let through makes the time to the next.
const FASTER: f64 = 1.3;
const SHORTEST: Duration = Duration::from_millis(10);

impl Rhythm {
    fn new() -> Self {
        Self { gap: Duration::ZERO, next: Instant::now(), slower: 1.3, longest: Duration::from_secs(1) }
    }

    /// A limit that held so many calls is watched. What little a small bucket holds must not be left lying in it, or
    /// what it would have let through is lost.
    fn watch(&mut self, held: u64) {
        if held < 20 {
            (self.slower, self.longest) = (1.06, Duration::from_millis(400));
        }
    }

    fn asked(&mut self, now: Instant) {
        self.next = now + self.gap;
    }

    fn answered(&mut self, passed: bool) {
        let gap = if passed { self.gap.div_f64(FASTER) } else { self.gap.max(SHORTEST).mul_f64(self.slower) };
        self.gap = gap.min(self.longest);
    }
}

/// Calls whose recent pace is looked at to see whether another limit binds now, and how long they take at least.
const RECENT: usize = 20;
const A_WHILE: f64 = 5.0;
/// Failures after which it is no use, where fewer calls succeed.
const FAILURES: u64 = 20;
/// How many times the patience may be used up where calls are refused and the pace is not clear yet.
const UNCLEAR: u32 = 2;

/// Calls of one size, under way and let through.
struct Asking<'a, E> {
    probe: &'a mut Probe<E>,
    unit: Unit,
    known: Option<f64>,
    begun: Instant,
    /// The first refusal that counts, in seconds.
    since: Option<f64>,
    through: Through,
    recent: VecDeque<f64>,
    failures: u64,
}

impl<E: Endpoint> Probe<E> {
    /// Asks until refused and then watches. A refusal counts only when it is one of the limit's that is sought. With
    /// `known`, calls a minute that are let through if nothing but their number binds, it is one of the limit on tokens
    /// when it says so itself, or when fewer calls are let through than that.
    pub(crate) async fn by_minute(&mut self, callers: usize, words: usize, unit: Unit, known: Option<f64>) -> Through {
        let endpoint = Arc::clone(&self.endpoint);
        let new = || Ask::words(words, endpoint.salt(), 1);
        // Until it is refused no more than half of what is left, then half of what is left then: others come after this.
        let mut most = endpoint.room(&new()) / 2;
        tokio::time::sleep(FREED).await;
        let begun = Instant::now();
        let mut asking = Asking {
            probe: self,
            unit,
            known,
            begun,
            since: None,
            through: Through::default(),
            recent: VecDeque::new(),
            failures: 0,
        };
        let mut rhythm = Rhythm::new();
        let mut calls = JoinSet::new();
        // When those were asked for that are under way.
        let mut open = BTreeMap::new();
        let mut sent = 0;
        while asking.through.stopped.is_none() && !asking.is_settled(open.values().next().copied()) {
            let now = Instant::now();
            if sent >= most {
                asking.through.stopped = Some(Because::Allowance);
            } else if open.len() < callers && now >= rhythm.next {
                let (ask, endpoint) = (new(), Arc::clone(&endpoint));
                calls.spawn(async move {
                    let tried = endpoint.ask(&ask).await;
                    tokio::time::sleep(FREED).await;
                    (sent, tried)
                });
                open.insert(sent, now);
                sent += 1;
                rhythm.asked(now);
            } else {
                tokio::select! {
                    ended = calls.join_next(), if !open.is_empty() => match ended {
                        Some(Ok((number, tried))) => {
                            open.remove(&number);
                            let before = asking.since;
                            asking.answered(tried, &mut rhythm);
                            if before != asking.since {
                                most = sent + endpoint.room(&new()) / 2;
                            }
                        }
                        _ => asking.through.stopped = Some(Because::Failures),
                    },
                    () = tokio::time::sleep_until(rhythm.next), if open.len() < callers => {}
                }
            }
        }
        while let Some(Ok((_, tried))) = calls.join_next().await {
            asking.answered(tried, &mut rhythm);
        }
        asking.end()
    }
}

impl<E: Endpoint> Asking<'_, E> {
    fn answered(&mut self, tried: Option<Tried>, rhythm: &mut Rhythm) {
        let Some(tried) = tried else {
            self.through.stopped = Some(Because::Allowance);
            return;
        };
        self.probe.endpoint.over();
        let at = self.probe.seconds(tried.began);
        if let Went::Limited(told) = tried.went
            && told != Some(TooMuch::Concurrency)
        {
            self.through.told = told;
        }
        rhythm.answered(tried.went == Went::Ok);
        match tried.went {
            Went::Ok => {
                let took = self.probe.seconds(tried.ended) - at;
                self.probe.seen.passed(at, took, tried.tokens);
                self.through.passed.calls += 1.0;
                self.through.passed.tokens += tried.tokens as f64;
                self.through.seconds = self.through.seconds.max(at - self.probe.seconds(self.begun));
                self.recent.push_back(at);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
                // Calls that were under way at the first refusal had been let through before it.
                if self.since.is_none_or(|since| at <= since) {
                    self.through.before += 1;
                }
            }
            Went::Limited(told) if self.counts(told, at) => {
                self.probe.seen.refused(at);
                if self.since.is_none() {
                    self.since = Some(at);
                    self.through.refused = true;
                    rhythm.watch(self.through.before);
                }
            }
            Went::Limited(Some(TooMuch::Tokens)) => self.through.stopped = Some(Because::Tokens),
            Went::Limited(_) => {}
            Went::Failed(_) => self.failures += 1,
        }
    }

    fn counts(&self, told: Option<TooMuch>, at: f64) -> bool {
        match (told, self.known) {
            (Some(TooMuch::Concurrency), _) => false,
            (Some(TooMuch::Requests), _) => self.unit == Unit::Calls,
            (Some(TooMuch::Tokens), _) => self.unit == Unit::Tokens,
            (None, None) => true,
            (None, Some(known)) => {
                let begun = self.probe.seconds(self.begun);
                let from = self.recent.front().copied().filter(|_| self.recent.len() == RECENT).unwrap_or(begun);
                at - from >= A_WHILE && self.recent.len() as f64 * 60.0 < known * SAME * (at - from)
            }
        }
    }

    /// Whether nothing more is to be found out. The earliest call that is under way was asked for at `open`.
    fn is_settled(&mut self, open: Option<Instant>) -> bool {
        if self.failures >= FAILURES && self.failures > self.through.before {
            self.through.stopped = Some(Because::Failures);
            return true;
        }
        let Probe { search, seen, .. } = &*self.probe;
        let waited = self.begun.elapsed();
        let Some(since) = self.since else {
            // Calls are what binds, and more of them would not show a higher limit on tokens.
            let pointless = self.known.is_some_and(|known| self.through.calls_of_a_bucket() >= known * SAME);
            if pointless {
                self.through.stopped = Some(Because::Requests);
            }
            return pointless || waited >= search.patience;
        };
        let until = self.probe.seconds(open.unwrap_or_else(Instant::now));
        self.through.pace = seen.pace(since, until, self.unit, search.watch);
        self.through.pace.is_some() || waited >= search.patience * UNCLEAR
    }

    fn end(mut self) -> Through {
        if let (None, Some(since)) = (self.through.pace, self.since) {
            // What has been seen must do, if it is enough.
            let until = self.probe.seconds(Instant::now());
            self.through.pace = self.probe.seen.steady(since, until).map(|(pace, _)| pace);
        }
        self.through
    }
}
