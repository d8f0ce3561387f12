//! How many calls a target can bear at once, found out from how long the first token takes.
//!
//! How long a whole answer takes says little: three times the length takes three times as long from an idle server. The
//! first token is different. It comes after the time in the server's queue and the reading of the input, whatever the
//! length of the answer, and that time rises sharply where the server is full. So the limit grows while first tokens come
//! within a threshold and calls do use it, and shrinks when they do not: additive increase, multiplicative decrease, by
//! which several relays in front of one server tend to equal shares.
//!
//! The threshold is absolute, a fifth of what the operator promises for the first token. Laws that measure against a
//! baseline of their own forget what an idle server was like, and those on whole answers collapsed in at least one of
//! seven simulated situations. What is counted as in use is the most that was in flight in the window, and it must reach
//! eight tenths of the limit before that grows: a limit far above its use protects nothing when the server loses half of
//! its capacity.
//!
//! Answers that come in one piece have no first token; the law lives from streamed calls and from refusals. Calls that
//! the client gave up are no sample.
//!
//! **Promises.** The limit is never below the floor nor above the ceiling, nor ever raised above five times what was in
//! flight. It is raised at most once in a window of at least a second, and cut at most once in the time an answer takes.

use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// What an adaptive limit is held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SloAimdSettings {
    /// The least that may be in flight; 1 or more.
    pub floor: u32,
    /// The most that may be in flight.
    pub ceiling: u32,
    /// Where to begin when nothing is known.
    pub initial: u32,
    /// How long the first token may take at most, by the operator's promise.
    pub first_token: Duration,
    /// What each token of input, the cached ones aside, adds to the time of the first token.
    pub per_input_token: Duration,
}

impl Default for SloAimdSettings {
    fn default() -> Self {
        Self {
            floor: 2,
            ceiling: 10_000,
            initial: 20,
            first_token: Duration::from_secs(5),
            per_input_token: Duration::ZERO,
        }
    }
}

/// Where a limit had come to that another goes on from: one of before a restart, or of other settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SloAimdLast {
    /// How many were let be in flight.
    pub limit: f64,
    /// It was never cut, so what the target bears was still unknown.
    pub slow_start: bool,
}

/// An adaptive limit for display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SloAimdStatus {
    /// How many may be in flight.
    pub limit: f64,
    /// The time of the first token above which the limit is cut.
    pub threshold: Duration,
    /// Still growing by half with each window, since it was never cut.
    pub slow_start: bool,
    /// When it was last cut.
    pub cut_at: Option<Nanos>,
}

/// Shortest window, with enough samples.
const WINDOW: Duration = Duration::from_secs(1);
const SAMPLES: u32 = 10;
/// Window for slow targets, with few samples.
const LONG_WINDOW: Duration = Duration::from_secs(5);
const FEW_SAMPLES: u32 = 3;
/// The threshold as a part of the promise, and its bounds.
const PART: f64 = 0.2;
const THRESHOLD: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));
const CUT: f64 = 0.9;
const CUT_AFTER_REFUSAL: f64 = 0.7;
/// In seconds.
const BETWEEN_CUTS: (f64, f64) = (1.0, 5.0);
const IN_USE: f64 = 0.8;
const SLOW_START: f64 = 1.5;
const HEADROOM: f64 = 5.0;
const WARM: f64 = 0.7;

/// The number of calls that one target bears at once.
#[derive(Debug)]
pub struct SloAimd {
    settings: SloAimdSettings,
    threshold: f64,
    limit: AtomicU32,
    veto: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: f64,
    /// What the target said to be its limit.
    told: f64,
    slow_start: bool,
    window: Window,
    cool_until: Nanos,
    cut_at: Option<Nanos>,
}

/// Halves of a second from one to five, with what is below and above.
const BINS: usize = 10;

#[derive(Debug, Default)]
struct Window {
    since: Nanos,
    samples: u32,
    /// Calls answered whole.
    answers: u32,
    sum: f64,
    bins: [u32; BINS],
    most_in_flight: u32,
    refused: bool,
}

impl SloAimd {
    /// A limit that begins at seven tenths of where the last one ended (`last`, when it was remembered), or at the
    /// initial one. One that was never cut had found out nothing that speaks against the initial one.
    #[must_use]
    pub fn new(settings: SloAimdSettings, last: Option<SloAimdLast>, now: Nanos) -> Self {
        let (low, high) = THRESHOLD;
        let threshold = settings.first_token.mul_f64(PART).clamp(low, high).as_secs_f64();
        let initial = f64::from(settings.initial);
        let limit = last.map_or(initial, |last| {
            let warm = last.limit * WARM;
            if last.slow_start { warm.max(initial) } else { warm }
        });
        let state = State {
            limit: 0.0,
            told: f64::INFINITY,
            slow_start: last.is_none_or(|last| last.slow_start),
            window: Window { since: now, ..Window::default() },
            cool_until: now,
            cut_at: None,
        };
        let this = Self {
            settings,
            threshold,
            limit: AtomicU32::new(0),
            veto: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        this.set(&mut this.state.lock(), limit);
        this
    }

    /// How many may be in flight now.
    #[must_use]
    #[inline]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// The first token of a streamed call has come: so long after sending, for so many tokens of input that no cache had,
    /// with so many calls in flight.
    pub fn sample(&self, now: Nanos, first_token: Duration, uncached_input: u64, in_flight: u32) {
        let expected = self.settings.per_input_token.as_secs_f64() * uncached_input as f64;
        let queued = (first_token.as_secs_f64() - expected).max(0.0);
        let mut state = self.state.lock();
        let window = &mut state.window;
        window.samples += 1;
        window.sum += queued;
        window.most_in_flight = window.most_in_flight.max(in_flight);
        let bin = ((queued - BETWEEN_CUTS.0) * 2.0).floor().clamp(-1.0, (BINS - 2) as f64);
        if let Some(count) = window.bins.get_mut((bin + 1.0) as usize) {
            *count += 1;
        }
        self.close_if_due(&mut state, now);
    }

    /// A call was answered whole, with so many in flight. How long its first token took nobody saw, but it was not
    /// refused: where nothing is streamed, that is what lets the limit grow.
    pub fn answered(&self, now: Nanos, in_flight: u32) {
        let mut state = self.state.lock();
        state.window.answers += 1;
        state.window.most_in_flight = state.window.most_in_flight.max(in_flight);
        self.close_if_due(&mut state, now);
    }

    /// The target refused a call because too many were in flight, was overloaded, or gave no first token in time.
    /// `told` is how many may be, where it said so.
    pub fn refused(&self, now: Nanos, told: Option<u32>, in_flight: u32) {
        let mut state = self.state.lock();
        if let Some(told) = told {
            state.told = f64::from(told);
            let limit = state.limit;
            self.set(&mut state, limit);
        }
        state.window.refused = true;
        state.window.most_in_flight = state.window.most_in_flight.max(in_flight);
        self.close_if_due(&mut state, now);
    }

    /// What the target itself shows of its queue or memory forbids more, or no longer does.
    pub fn veto(&self, more_is_too_much: bool) {
        self.veto.store(more_is_too_much, Ordering::Relaxed);
    }

    /// The target comes back from being isolated: begin at the floor.
    pub fn restart(&self, now: Nanos) {
        let mut state = self.state.lock();
        state.slow_start = true;
        state.told = f64::INFINITY;
        state.window = Window { since: now, ..Window::default() };
        self.set(&mut state, 0.0);
    }

    /// The limit for display, and for remembering when the relay stops.
    #[must_use]
    pub fn status(&self) -> SloAimdStatus {
        let state = self.state.lock();
        SloAimdStatus {
            limit: state.limit,
            threshold: Duration::from_secs_f64(self.threshold),
            slow_start: state.slow_start,
            cut_at: state.cut_at,
        }
    }

    fn close_if_due(&self, state: &mut State, now: Nanos) {
        let age = state.window.since.until(now);
        let samples = state.window.samples + state.window.answers;
        let full = age >= WINDOW && samples >= SAMPLES || age >= LONG_WINDOW && samples >= FEW_SAMPLES;
        // When everything is refused there are no samples to wait for.
        if full || (age >= WINDOW && state.window.refused) {
            let window = std::mem::replace(&mut state.window, Window { since: now, ..Window::default() });
            self.judge(state, &window, now);
        }
    }

    fn judge(&self, state: &mut State, window: &Window, now: Nanos) {
        let slow = window.samples > 0 && window.sum / f64::from(window.samples) > self.threshold;
        if window.refused || slow {
            if now >= state.cool_until {
                let cut = if window.refused { CUT_AFTER_REFUSAL } else { CUT };
                let limit = state.limit * cut;
                state.cool_until = Nanos(now.0.saturating_add(nanos(window.median())));
                state.cut_at = Some(now);
                state.slow_start = false;
                self.set(state, limit);
            }
            return;
        }
        let in_flight = f64::from(window.most_in_flight);
        if in_flight < IN_USE * state.limit || self.veto.load(Ordering::Relaxed) {
            return;
        }
        let more = if state.slow_start {
            state.limit * SLOW_START
        } else {
            state.limit + (0.25 * state.limit.sqrt()).max(1.0)
        };
        let limit = more.min((HEADROOM * in_flight).max(state.limit));
        self.set(state, limit);
    }

    fn set(&self, state: &mut State, limit: f64) {
        let ceiling = f64::from(self.settings.ceiling).min(state.told);
        let floor = f64::from(self.settings.floor.max(1));
        state.limit = limit.min(ceiling).max(floor);
        self.limit.store(state.limit as u32, Ordering::Relaxed);
    }
}

impl Window {
    /// The median sample, as far as it lies between one and five seconds.
    fn median(&self) -> Duration {
        let half = self.samples.div_ceil(2);
        let mut counted = 0;
        let bin = self.bins.iter().position(|count| {
            counted += count;
            counted >= half
        });
        let (least, most) = BETWEEN_CUTS;
        Duration::from_secs_f64((least + 0.5 * bin.unwrap_or(0) as f64).min(most))
    }
}

#[cfg(test)]
#[path = "slo_aimd_tests.rs"]
mod tests;
