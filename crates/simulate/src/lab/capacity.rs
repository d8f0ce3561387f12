//! Whether the adaptive limit finds what a server bears.
//!
//! Calls come to a gateway with a short queue, which lets as many at once go to an [`engine`](super::engine) as its limit
//! says. The limit is a fixed number or the production code's [`SloAimd`]; nothing else differs. A call is good if its
//! first token came within the promise, counted from its arrival, and its answer ended. The best of many fixed limits,
//! chosen afterwards for each situation, is what the adaptive one is measured against: nobody knows it beforehand.
//!
//! The queue is newest-first with a short patience while it does not empty, oldest-first otherwise.

use super::draw::Draw;
use super::engine::{Engine, Happened, Job, Machine};
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{SloAimd, SloAimdSettings};
use std::collections::VecDeque;
use std::time::Duration;

/// A situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// Seven tenths of what the server bears.
    Light,
    /// 1.6 times of it.
    Overload,
    /// A minute at half, a minute at twice of it, and so on.
    Bursts,
    /// Answers three times as long in the middle third.
    LongerAnswers,
    /// Half of the server gone in the middle third.
    HalfGone,
    /// Overload for four hours.
    Hours,
    /// Overload of a server an eighth as fast, with sixteen slots.
    SmallServer,
    /// Overload of a server an eighth as fast, with slots enough and memory for sixteen calls of the usual size. One large
    /// call takes half of it. The hardest case for a limit that counts calls.
    TightMemory,
}

impl Situation {
    /// Those in which the law must keep up with the best fixed limit.
    pub const ALL: [Self; 7] = [
        Self::Light,
        Self::Overload,
        Self::Bursts,
        Self::LongerAnswers,
        Self::HalfGone,
        Self::Hours,
        Self::SmallServer,
    ];

    /// How long it lasts, in seconds.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        match self {
            Self::Hours => 4.0 * 3600.0,
            _ => 1800.0,
        }
    }

    const fn machine(self) -> Machine {
        let large = Machine {
            slots: 256,
            memory: 220_000,
            chunk: 2048,
            step: 0.018,
            per_answer: 0.000_18,
            per_input_token: 0.000_04,
        };
        let slow = Machine { per_answer: 0.001_44, per_input_token: 0.000_32, ..large };
        match self {
            Self::SmallServer => Machine { slots: 16, memory: 60_000, ..slow },
            Self::TightMemory => Machine { slots: 32, memory: 27_500, ..slow },
            _ => large,
        }
    }

    /// Calls a second that come at `now`.
    fn rate(self, now: f64) -> f64 {
        match self {
            Self::Light => 0.7 * BEARS,
            Self::Overload | Self::Hours => 1.6 * BEARS,
            Self::Bursts if ((now / 60.0) as u64).is_multiple_of(2) => 0.5 * BEARS,
            Self::Bursts => 2.0 * BEARS,
            Self::LongerAnswers | Self::HalfGone => 0.9 * BEARS,
            Self::SmallServer | Self::TightMemory => 1.6 * BEARS / 8.0,
        }
    }

    fn middle_third(self, now: f64) -> bool {
        (1.0..2.0).contains(&(now / self.seconds() * 3.0))
    }
}

/// Calls a second that the large server bears.
const BEARS: f64 = 6.8;
const INPUT_MEAN: f64 = 1500.0;
const OUTPUT_MEAN: f64 = 250.0;
/// Seconds within which the first token is promised, and after which a client goes.
const PROMISE: f64 = 5.0;
const PATIENCE: f64 = 30.0;
/// Seconds a call may wait in a queue that empties now and then, and in one that does not.
const WAIT: f64 = 4.0;
const WAIT_STANDING: f64 = 0.5;

/// What limits how many are in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Always so many.
    Fixed(u32),
    /// The production law.
    Adaptive(SloAimdSettings),
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Calls that came.
    pub offered: usize,
    /// Calls that were good.
    pub good: usize,
    /// The limit at the end of each second.
    pub limits: Vec<u32>,
    /// Good calls by the second in which they came.
    pub good_by_second: Vec<u32>,
    /// Calls by the second in which they came.
    pub offered_by_second: Vec<u32>,
    /// Time of the first token of those that got one, in seconds, in ascending order.
    pub first_tokens: Vec<f64>,
}

impl Verdict {
    /// Part of the calls that were good.
    #[must_use]
    pub fn good_part(&self) -> f64 {
        self.good as f64 / self.offered.max(1) as f64
    }

    /// Time of the first token that so large a part of those who got one had at most.
    #[must_use]
    pub fn first_token(&self, part: f64) -> f64 {
        let at = (self.first_tokens.len() as f64 * part) as usize;
        self.first_tokens.get(at.min(self.first_tokens.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

#[derive(Debug, Clone, Copy)]
struct Call {
    came: f64,
    sent: f64,
    input: u64,
    output: u64,
    first_token: Option<f64>,
}

struct Gateway {
    engine: Engine,
    law: Option<SloAimd>,
    fixed: u32,
    queue: VecDeque<usize>,
    /// When the queue was last empty.
    emptied: f64,
    in_flight: u32,
    calls: Vec<Call>,
    verdict: Verdict,
}

/// Plays a situation under a law.
#[must_use]
pub fn judge(situation: Situation, law: Law, seed: u64) -> Verdict {
    let seconds = situation.seconds() as usize;
    let (law, fixed) = match law {
        Law::Fixed(limit) => (None, limit),
        Law::Adaptive(settings) => (Some(SloAimd::new(settings, None, Nanos::ZERO)), 0),
    };
    let mut gateway = Gateway {
        engine: Engine::new(situation.machine()),
        law,
        fixed,
        queue: VecDeque::new(),
        emptied: 0.0,
        in_flight: 0,
        calls: Vec::new(),
        verdict: Verdict {
            offered: 0,
            good: 0,
            limits: Vec::new(),
            good_by_second: vec![0; seconds + 1],
            offered_by_second: vec![0; seconds + 1],
            first_tokens: Vec::new(),
        },
    };
    gateway.play(situation, seed);
    gateway.verdict.first_tokens.sort_by(f64::total_cmp);
    gateway.verdict
}

impl Gateway {
    fn play(&mut self, situation: Situation, seed: u64) {
        let (mut arrivals, mut sizes) = (Draw::new(seed, 1), Draw::new(seed, 2));
        let mut next = arrivals.exponential(situation.rate(0.0));
        let (mut now, mut happened) = (0.0, Vec::new());
        let end = situation.seconds();
        while now < end + PATIENCE {
            while next <= now && next < end {
                self.arrive(situation, next, &mut sizes);
                next += arrivals.exponential(situation.rate(next));
            }
            self.engine.halve(situation == Situation::HalfGone && situation.middle_third(now));
            self.dispatch(now);
            if self.engine.is_idle() {
                now = if next < end { next } else { end + PATIENCE };
                continue;
            }
            now += self.engine.step(now, &mut happened);
            for what in happened.drain(..) {
                self.hear(now, what);
            }
            while (self.verdict.limits.len() as f64) < now.min(end) {
                let limit = self.limit();
                self.verdict.limits.push(limit);
            }
        }
    }

    fn arrive(&mut self, situation: Situation, now: f64, sizes: &mut Draw) {
        let longer = situation == Situation::LongerAnswers && situation.middle_third(now);
        let output = if longer { 3.0 * OUTPUT_MEAN } else { OUTPUT_MEAN };
        // The median of a lognormal of that mean, with a sigma of 1.
        let median = |mean: f64| mean * (-0.5_f64).exp();
        let input = sizes.lognormal(median(INPUT_MEAN), 1.0).clamp(1.0, 16_000.0) as u64;
        let output = sizes.lognormal(median(output), 1.0).clamp(1.0, 8_000.0) as u64;
        self.verdict.offered += 1;
        count(&mut self.verdict.offered_by_second, now);
        self.queue.push_back(self.calls.len());
        self.calls.push(Call { came: now, sent: now, input, output, first_token: None });
    }

    fn limit(&self) -> u32 {
        self.law.as_ref().map_or(self.fixed, SloAimd::limit)
    }

    fn dispatch(&mut self, now: f64) {
        let standing = now - self.emptied > WAIT_STANDING;
        let patience = if standing { WAIT_STANDING } else { WAIT };
        while let Some(&oldest) = self.queue.front() {
            if self.calls.get(oldest).is_some_and(|call| now - call.came <= patience) {
                break;
            }
            self.queue.pop_front();
        }
        while self.in_flight < self.limit() {
            let next = if standing { self.queue.pop_back() } else { self.queue.pop_front() };
            let Some((id, call)) = next.and_then(|id| Some((id, self.calls.get_mut(id)?))) else { break };
            call.sent = now;
            self.in_flight += 1;
            self.engine.submit(Job { id, input: call.input, output: call.output, gives_up: call.came + PATIENCE });
        }
        if self.queue.is_empty() {
            self.emptied = now;
        }
    }

    fn hear(&mut self, now: f64, what: Happened) {
        let (Happened::FirstToken(id) | Happened::Done(id) | Happened::GaveUp(id)) = what;
        let in_flight = self.in_flight;
        let Some(call) = self.calls.get_mut(id) else { return };
        match what {
            Happened::FirstToken(_) => {
                call.first_token = Some(now);
                self.verdict.first_tokens.push(now - call.came);
                if let Some(law) = &self.law {
                    let took = Duration::from_secs_f64(now - call.sent);
                    law.sample(Nanos((now * 1e9) as u64), took, call.input, in_flight);
                }
                return;
            }
            Happened::Done(_) => {
                if call.first_token.is_some_and(|at| at - call.came <= PROMISE) {
                    self.verdict.good += 1;
                    count(&mut self.verdict.good_by_second, call.came);
                }
            }
            Happened::GaveUp(_) => {}
        }
        self.in_flight -= 1;
    }
}

fn count(seconds: &mut [u32], now: f64) {
    if let Some(count) = seconds.get_mut(now as usize) {
        *count += 1;
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
