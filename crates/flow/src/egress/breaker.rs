//! A circuit breaker: who answers nothing is not asked, until one call at a time shows that it answers again.
//!
//! Two signals open it, because each is blind where the other sees. Five failures one after another find the target that
//! is dead within five calls, however few calls there are. A success rate below half over the last ten seconds finds the
//! one that answers now and then, and wants twenty results before it judges. Both count exactly, so the same failures
//! give the same verdict whether they come in a burst or spread over the window.
//!
//! A failure is what the target did: no connection, a 5xx, no first byte in time, a stream that broke off. What the
//! caller did wrong, and a caller who went away, say nothing about the target. "Too many requests" is a signal for the
//! limits, not for the breaker. "Overloaded" lies between: the target is alive, so however often it says so it is not
//! dead; but one that says so to most calls answers few of them, and is left to recover while others can answer. A probe
//! that meets either has not shown that the target is back.
//!
//! Open, it stays so for a time that doubles with each failed probe, drawn at random so that many relays do not come
//! back together, or as long as the target asks if that is longer. Then one probe at a time is let through; three
//! successes in a row close it, and a [ramp](Breaker::share) brings the load back slowly. A probe that is not heard of in
//! a minute keeps others back no longer, but what it says in the end counts, as long as the breaker has not opened again
//! meanwhile: a target whose answers take minutes could not come back otherwise.
//!
//! Closed, a target that fails some of its calls is asked less: each failure makes an extra try somewhere else, and there is
//! a budget for those. Its [share](Breaker::share) of the usual load is such that about one call in twelve fails. So it
//! recovers if its load was the cause, and what is left of it is enough to see when it has.
//!
//! **Promises.** At most five calls and those in flight meet a dead target before it is isolated. While it is isolated at
//! most one probe goes in each back-off. A probe that ends without a verdict leaves no trace. Results of calls that began
//! before the breaker last changed its state are not counted. A probe whose answer began well and then broke off is a
//! failure like any other.

use crate::egress::gate::{Answer, Gate, Phase};
use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use sluicegate_vocabulary::AttemptResult;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// When a breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// Failures one after another that open it.
    pub consecutive: u32,
    /// Results within the last ten seconds below which the success rate is not judged.
    pub samples: u32,
    /// Success rate below which it opens, 0 to 1.
    pub success_rate: f64,
    /// How long it is open the first time; doubled with each failed probe.
    pub open_first: Duration,
    /// The longest it is open unless the target asks for more.
    pub open_longest: Duration,
    /// The shortest part of that time that chance may make of it, 0 to 1; 1 for no chance.
    pub least: f64,
    /// Probes that may be out at once.
    pub probes: u32,
    /// Successful probes in a row that close it.
    pub successes: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive: 5,
            samples: 20,
            success_rate: 0.5,
            open_first: Duration::from_secs(1),
            open_longest: Duration::from_secs(60),
            least: 0.5,
            probes: 1,
            successes: 3,
        }
    }
}

impl BreakerSettings {
    /// Opens after so many failures in a row, instead of five.
    #[must_use]
    pub fn with_failures(self, failures: u32) -> Self {
        Self { consecutive: failures.max(1), ..self }
    }

    /// Stays open exactly that long each time, instead of for a growing time drawn at random.
    #[must_use]
    pub fn with_open_for(self, open: Duration) -> Self {
        Self { open_first: open, open_longest: open, least: 1.0, ..self }
    }

    /// Lets so many trial calls out at once, instead of one; three successes close it, or all of them if fewer.
    #[must_use]
    pub fn with_trials(self, trials: u32) -> Self {
        let probes = trials.max(1);
        Self { probes, successes: Self::default().successes.min(probes), ..self }
    }
}

/// What a breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go.
    Closed,
    /// No call goes.
    Open,
    /// Probes go.
    HalfOpen,
}

impl BreakerState {
    /// The word for display.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half open",
        }
    }
}

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Too many failures one after another.
    Consecutive,
    /// Too low a success rate.
    Rate,
    /// Its time was over and a probe went.
    Due,
    /// A probe failed.
    ProbeFailed,
    /// Enough probes succeeded.
    Recovered,
    /// The operator said so.
    Ordered,
}

impl Cause {
    /// The words for display.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive => "failures one after another",
            Self::Rate => "too low a success rate",
            Self::Due => "due for a trial call",
            Self::ProbeFailed => "a trial call failed",
            Self::Recovered => "trial calls succeeded",
            Self::Ordered => "by command",
        }
    }
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Nanos,
    /// What it became.
    pub state: BreakerState,
    /// Why.
    pub cause: Cause,
}

/// A breaker for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerStatus {
    /// What it is doing.
    pub state: BreakerState,
    /// When the next probe may go, while open.
    pub until: Option<Nanos>,
    /// Results of the last ten seconds, failures among them.
    pub results: u32,
    /// Failures of the last ten seconds.
    pub failures: u32,
    /// Failures one after another.
    pub consecutive: u32,
    /// The last changes of state, oldest first; at most [`Breaker::HISTORY`].
    pub history: Vec<Transition>,
}

/// A target that is not to be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolated {
    /// When a probe may go at the earliest; `None` while one is under way, which decides.
    pub until: Option<Nanos>,
    /// It was isolated for its success rate alone, so some calls to it do succeed.
    pub on_rate: bool,
}

/// The right to call a target once. Say how it went with [`Breaker::record`]; dropped, nothing is learned from it.
#[derive(Debug)]
#[must_use = "a call without a pass is not counted"]
pub struct Pass(Kind);

#[derive(Debug)]
enum Kind {
    /// A call in this period of the breaker's life: through a closed one, or a probe that has been heard of.
    Free(u16),
    /// A call to show whether the target is back.
    Probe(Probe),
    /// A call let through an open breaker because nobody else was left.
    LastResort,
}

/// Holds one of the places for probes.
#[derive(Debug)]
struct Probe {
    breaker: Arc<Breaker>,
    period: u16,
    opening: u64,
}

/// Gives the place back.
impl Drop for Probe {
    fn drop(&mut self) {
        self.breaker.gate.give_back(self.period);
    }
}

impl Pass {
    /// Whether this call decides if the target is back. Say with [`Breaker::heard`] when the first event of its answer
    /// has come; after [`Breaker::LEASE`] it no longer holds its place, but still has its say.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        matches!(self.0, Kind::Probe(_))
    }

    pub(crate) const fn last_resort() -> Self {
        Self(Kind::LastResort)
    }
}

/// What a result says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// It lives, but wants less of this caller.
    Throttled,
    /// It lives, but wants less of everybody.
    Overloaded,
    Nothing,
}

const fn verdict(result: AttemptResult) -> Verdict {
    match result {
        AttemptResult::Ok => Verdict::Good,
        AttemptResult::Connect | AttemptResult::ServerError | AttemptResult::Timeout | AttemptResult::Broken => {
            Verdict::Bad
        }
        AttemptResult::RateLimited => Verdict::Throttled,
        AttemptResult::Overloaded => Verdict::Overloaded,
        AttemptResult::AuthError | AttemptResult::ClientError | AttemptResult::Cancelled => Verdict::Nothing,
    }
}

/// The longest time that a target is left alone because it asked for it.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// How long it takes until a target that came back has its whole load.
const RAMP: Duration = Duration::from_secs(10);
/// The least load: at the beginning of the ramp, and of one that fails many calls.
const LEAST_SHARE: f64 = 0.1;
/// The failures that a target may make before it is asked less, as a part of its usual calls. They are less than the
/// tenth that successes earn.
const BEARABLE: f64 = 0.08;

/// One target's breaker.
#[derive(Debug)]
pub struct Breaker {
    gate: Gate<AtomicU64>,
    /// When it has its whole share again, as far as is known; 0 if it has it.
    less_until: AtomicU64,
    /// When the ramp ends; 0 if there is none.
    ramp_end: AtomicU64,
    /// The share that its failures leave it, in millionths.
    share: AtomicU64,
    book: Mutex<Book>,
}

impl Breaker {
    /// How many changes of state are remembered.
    pub const HISTORY: usize = 16;
    /// How long a probe that says nothing keeps others from being sent.
    pub const LEASE: Duration = Duration::from_secs(60);

    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        let [less_until, ramp_end, share] = [0, 0, MILLION].map(AtomicU64::new);
        Self { gate: Gate::new(), less_until, ramp_end, share, book: Mutex::new(Book::new(settings)) }
    }

    /// Other settings, from the next result on. What is known of the target stays known.
    pub fn reconfigure(&self, settings: BreakerSettings) {
        self.book.lock().settings = settings;
    }

    /// Asks to call the target.
    ///
    /// # Errors
    /// The target is isolated.
    #[inline]
    pub fn admit(self: &Arc<Self>, now: Nanos) -> Result<Pass, Isolated> {
        let seen = self.gate.view();
        if seen.phase == Phase::Closed { Ok(Pass(Kind::Free(seen.period()))) } else { self.admit_probe(now) }
    }

    #[cold]
    fn admit_probe(self: &Arc<Self>, now: Nanos) -> Result<Pass, Isolated> {
        let mut book = self.book.lock();
        match self.gate.ask(now, book.settings.probes, now.after(Self::LEASE)) {
            Answer::Go(period) => Ok(Pass(Kind::Free(period))),
            Answer::Probe { period, first } => {
                if first {
                    book.begin_probing(now);
                }
                Ok(Pass(Kind::Probe(Probe { breaker: Arc::clone(self), period, opening: book.opening })))
            }
            Answer::No { until, on_rate } => Err(Isolated { until, on_rate }),
        }
    }

    /// The first event of the answer to this call has come. A probe is judged by that at once and gives its place back;
    /// its pass lives on for what comes of the rest. Returns what changed.
    pub fn heard(&self, pass: &mut Pass, now: Nanos) -> Option<Transition> {
        let Kind::Probe(probe) = &pass.0 else { return None };
        let mut book = self.book.lock();
        let view = self.gate.view();
        let counts = view.phase == Phase::HalfOpen && book.opening == probe.opening;
        let changed = if counts { self.judge_probe(&mut book, Verdict::Good, now, None, 0.0) } else { None };
        let period = if counts { self.gate.view().period() } else { probe.period };
        drop(book);
        pass.0 = Kind::Free(period);
        changed
    }

    /// Tells how a call went. `retry_after` is how long the target asks to be left alone; `draw` is a number between 0
    /// and 1 by chance, used if the breaker opens. Returns what changed.
    pub fn record(
        &self,
        pass: Pass,
        result: AttemptResult,
        now: Nanos,
        retry_after: Option<Duration>,
        draw: f64,
    ) -> Option<Transition> {
        let verdict = verdict(result);
        if verdict == Verdict::Nothing {
            return None;
        }
        let mut book = self.book.lock();
        let view = self.gate.view();
        match &pass.0 {
            Kind::Free(period) if view.phase == Phase::Closed && view.period() == *period => {
                let cause = book.judge(verdict, now);
                self.set_share(&book, now);
                let cause = cause?;
                Some(self.open(&mut book, now, cause, retry_after, draw))
            }
            // A probe that was heard of: that it went on well is nothing new.
            Kind::Free(period) if view.phase == Phase::HalfOpen && view.period() == *period => {
                if verdict != Verdict::Good {
                    self.judge_probe(&mut book, verdict, now, retry_after, draw)
                } else {
                    None
                }
            }
            Kind::Probe(probe) if view.phase == Phase::HalfOpen && book.opening == probe.opening => {
                self.judge_probe(&mut book, verdict, now, retry_after, draw)
            }
            // All its calls failing is no matter of rate any more: this one is dead.
            Kind::LastResort if view.phase != Phase::Closed && view.on_rate => {
                book.count_consecutive(verdict);
                let dead = book.consecutive >= book.settings.consecutive;
                dead.then(|| self.open(&mut book, now, Cause::Consecutive, retry_after, draw))
            }
            Kind::Free(_) | Kind::Probe(_) | Kind::LastResort => None,
        }
    }

    fn judge_probe(
        &self,
        book: &mut Book,
        verdict: Verdict,
        now: Nanos,
        retry_after: Option<Duration>,
        draw: f64,
    ) -> Option<Transition> {
        book.count_consecutive(verdict);
        if verdict != Verdict::Good {
            book.attempt = book.attempt.saturating_add(1);
            return Some(self.open(book, now, Cause::ProbeFailed, retry_after, draw));
        }
        book.successes += 1;
        if book.successes < book.settings.successes {
            return None;
        }
        let closed = Transition { at: now, state: BreakerState::Closed, cause: Cause::Recovered };
        book.forget();
        book.remember(closed);
        let ramp_end = nanos(RAMP).saturating_add(now.0);
        self.ramp_end.store(ramp_end, Ordering::Relaxed);
        self.share.store(MILLION, Ordering::Relaxed);
        self.less_until.store(ramp_end, Ordering::Relaxed);
        self.gate.close();
        Some(closed)
    }

    fn open(&self, book: &mut Book, now: Nanos, cause: Cause, retry_after: Option<Duration>, draw: f64) -> Transition {
        let settings = book.settings;
        let doubled = settings.open_first.saturating_mul(1 << book.attempt.min(16)).min(settings.open_longest);
        let chance = settings.least + (1.0 - settings.least) * draw.clamp(0.0, 1.0);
        let open = doubled.mul_f64(chance.clamp(0.0, 1.0)).max(retry_after.unwrap_or_default().min(LONGEST_ASKED));
        let was_on_rate = self.gate.view().on_rate;
        let dead = book.consecutive >= settings.consecutive;
        let on_rate = !dead && (cause == Cause::Rate || (cause == Cause::ProbeFailed && was_on_rate));
        let opened = Transition { at: now, state: BreakerState::Open, cause };
        book.remember(opened);
        book.opening += 1;
        self.gate.open(now.after(open), on_rate);
        opened
    }

    /// The operator says that the target is well: it is closed, whatever it was, and what was counted is forgotten.
    pub fn close(&self, now: Nanos) {
        let mut book = self.book.lock();
        if self.gate.view().phase != Phase::Closed {
            book.forget();
            book.remember(Transition { at: now, state: BreakerState::Closed, cause: Cause::Ordered });
            self.less_until.store(0, Ordering::Relaxed);
            self.gate.close();
        }
    }

    /// Follows the failures of the last ten seconds, which are forgotten with them.
    #[inline]
    fn set_share(&self, book: &Book, now: Nanos) {
        if book.sum.bad > 0 || self.share.load(Ordering::Relaxed) < MILLION {
            self.follow(book, now);
        }
    }

    #[cold]
    fn follow(&self, book: &Book, now: Nanos) {
        let share = book.share();
        self.share.store((share * MILLION as f64) as u64, Ordering::Relaxed);
        if share < 1.0 {
            self.less_until.fetch_max(now.0.saturating_add(SLOTS as u64 * SLOT), Ordering::Relaxed);
        }
    }

    /// The part of the usual load that the target should have now: below 1 for ten seconds after it came back, and while
    /// it fails more than one call in twelve.
    #[must_use]
    #[inline]
    pub fn share(&self, now: Nanos) -> f64 {
        let until = self.less_until.load(Ordering::Relaxed);
        if until <= now.0 { 1.0 } else { self.share_of(now) }
    }

    #[cold]
    fn share_of(&self, now: Nanos) -> f64 {
        let left = self.ramp_end.load(Ordering::Relaxed).saturating_sub(now.0) as f64 / nanos(RAMP) as f64;
        let ramp = 1.0 - left.min(1.0) * (1.0 - LEAST_SHARE);
        ramp.min(self.share.load(Ordering::Relaxed) as f64 / MILLION as f64)
    }

    /// Whether calls go, without asking for a probe.
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.gate.view().phase == Phase::Closed
    }

    /// Whether a call may go, be it to show that the target is back. Takes nothing.
    #[must_use]
    pub fn may_be_asked(&self, now: Nanos) -> bool {
        let seen = self.gate.view();
        seen.phase == Phase::Closed || seen.has_place(now, self.book.lock().settings.probes)
    }

    /// Probes that failed since it was last closed.
    #[must_use]
    pub fn failed_probes(&self) -> u32 {
        self.book.lock().attempt
    }

    /// What it is doing, for display.
    #[must_use]
    pub fn status(&self, now: Nanos) -> BreakerStatus {
        let mut book = self.book.lock();
        book.roll(now);
        let view = self.gate.view();
        BreakerStatus {
            state: match view.phase {
                Phase::Closed => BreakerState::Closed,
                Phase::Open => BreakerState::Open,
                Phase::HalfOpen => BreakerState::HalfOpen,
            },
            until: (view.phase == Phase::Open).then(|| view.until()),
            results: book.sum.good + book.sum.bad,
            failures: book.sum.bad,
            consecutive: book.consecutive,
            history: book.history.iter().copied().collect(),
        }
    }
}

/// A whole share.
const MILLION: u64 = 1_000_000;
/// Slots of a second each: the one under way and nine whole ones before it.
const SLOTS: usize = 10;
const SLOT: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    good: u32,
    bad: u32,
}

/// The results of the last ten seconds, and what they are judged by.
#[derive(Debug)]
struct Book {
    settings: BreakerSettings,
    slots: [Tally; SLOTS],
    sum: Tally,
    /// The second of the newest slot.
    head: u64,
    consecutive: u32,
    /// Probes that failed since it was last closed.
    attempt: u32,
    /// Probes that succeeded since it was last open.
    successes: u32,
    /// How often it opened: the verdict of a probe counts for the opening that it belongs to.
    opening: u64,
    history: VecDeque<Transition>,
}

impl Book {
    fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            slots: [Tally::default(); SLOTS],
            sum: Tally::default(),
            head: 0,
            consecutive: 0,
            attempt: 0,
            successes: 0,
            opening: 0,
            history: VecDeque::new(),
        }
    }

    /// Forgets what was counted, and keeps what happened.
    fn forget(&mut self) {
        let history = std::mem::take(&mut self.history);
        *self = Self { opening: self.opening, history, ..Self::new(self.settings) };
    }

    fn begin_probing(&mut self, now: Nanos) {
        self.successes = 0;
        self.remember(Transition { at: now, state: BreakerState::HalfOpen, cause: Cause::Due });
    }

    fn count_consecutive(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Good => self.consecutive = 0,
            Verdict::Bad => self.consecutive = self.consecutive.saturating_add(1),
            Verdict::Throttled | Verdict::Overloaded | Verdict::Nothing => {}
        }
    }

    /// Counts a result of a closed breaker; says why it should open, if it should.
    fn judge(&mut self, verdict: Verdict, now: Nanos) -> Option<Cause> {
        let settings = self.settings;
        self.count_consecutive(verdict);
        let count = match verdict {
            Verdict::Good => Tally { good: 1, bad: 0 },
            Verdict::Bad | Verdict::Overloaded => Tally { good: 0, bad: 1 },
            Verdict::Throttled | Verdict::Nothing => return None,
        };
        self.roll(now);
        if let Some(slot) = self.slots.get_mut((self.head % SLOTS as u64) as usize) {
            slot.add(count);
        }
        self.sum.add(count);
        if self.consecutive >= settings.consecutive {
            return Some(Cause::Consecutive);
        }
        let results = self.sum.good + self.sum.bad;
        let low = f64::from(self.sum.good) < settings.success_rate * f64::from(results);
        (results >= settings.samples && low).then_some(Cause::Rate)
    }

    /// The share of the usual load with which failures are bearable.
    fn share(&self) -> f64 {
        let results = self.sum.good + self.sum.bad;
        if results < self.settings.samples || self.sum.bad == 0 {
            return 1.0;
        }
        let failing = f64::from(self.sum.bad) / f64::from(results);
        (BEARABLE / failing).clamp(LEAST_SHARE, 1.0)
    }

    /// Forgets what is older than the window. A time before the newest seen is that newest.
    fn roll(&mut self, now: Nanos) {
        let second = now.0 / SLOT;
        let passed = second.saturating_sub(self.head).min(SLOTS as u64);
        for back in 0..passed {
            if let Some(slot) = self.slots.get_mut(((second - back) % SLOTS as u64) as usize) {
                self.sum.good -= slot.good;
                self.sum.bad -= slot.bad;
                *slot = Tally::default();
            }
        }
        self.head = self.head.max(second);
    }

    fn remember(&mut self, transition: Transition) {
        if self.history.len() == Breaker::HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(transition);
    }
}

impl Tally {
    const fn add(&mut self, other: Self) {
        self.good = self.good.saturating_add(other.good);
        self.bad = self.bad.saturating_add(other.bad);
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
