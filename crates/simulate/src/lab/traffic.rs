//! Who calls when.
//!
//! *Open* traffic does not care how its calls fare: the next comes when it comes, which is how many independent users
//! behave and the only kind that shows overload as it is. *Closed* traffic is a number of clients of whom each sends
//! its next call when the last has ended; it slows down with what it loads, and it is how one impatient program
//! behaves. Both are drawn under a seed, so the same traffic can be sent against everything that is to be compared.

use super::call::{Call, Dealer, Kinds};
use super::draw::Draw;
use super::trace::Trace;
use sluicegate_flow::Nanos;
use std::fmt;
use std::time::Duration;

/// How calls are spread over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Always at this rate.
    Steady {
        /// Calls per second.
        rate: f64,
    },
    /// A base rate, and in the middle of each period a time at a multiple of it.
    Spike {
        /// Calls per second between the spikes.
        base: f64,
        /// How many times the base a spike is.
        factor: f64,
        /// How long a spike lasts.
        length: Duration,
        /// From one spike to the next.
        every: Duration,
    },
    /// A rate that swings like a sine, highest in the middle of each period.
    Diurnal {
        /// Calls per second on the average.
        mean: f64,
        /// The swing as a share of the mean, 0 to 1.
        swing: f64,
        /// The length of a day.
        period: Duration,
    },
    /// So many calls within the hundredth of a window before each turn of it, and as many right after: what finds out
    /// whether a limit counts in fixed windows.
    Edge {
        /// Calls on each side.
        calls: u32,
        /// The window whose turns are hammered.
        window: Duration,
    },
    /// So many clients that send their next call as soon as the last has ended.
    Closed {
        /// How many.
        clients: u32,
        /// How long each pauses between its calls; at least a millisecond, the time that the way takes.
        think: Duration,
    },
}

/// How calls follow one another at a given rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// Independently, as those of many users do.
    #[default]
    Poisson,
    /// Like a clock.
    Even,
}

/// A stretch of traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// How calls are spread.
    pub shape: Shape,
    /// For how long.
    pub length: Duration,
}

/// Generated traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// One after another.
    pub parts: Vec<Part>,
    /// How calls follow one another.
    pub spacing: Spacing,
    /// What they are like.
    pub kinds: Kinds,
}

impl Traffic {
    /// One part of Poisson traffic of ordinary calls.
    #[must_use]
    pub fn new(shape: Shape, length: Duration) -> Self {
        Self { parts: vec![Part { shape, length }], spacing: Spacing::Poisson, kinds: Kinds::default() }
    }

    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.parts.iter().map(|part| part.length).sum()
    }
}

/// What is offered: generated traffic, or calls that are known one by one.
#[derive(Debug, Clone, PartialEq)]
pub enum Offered {
    /// Drawn under the run's seed.
    Generated(Traffic),
    /// Replayed.
    Replayed(Trace),
}

impl Offered {
    /// How long it lasts, from the start of the clock to the last arrival or the end of the last part.
    #[must_use]
    pub fn length(&self) -> Duration {
        match self {
            Self::Generated(traffic) => traffic.length(),
            Self::Replayed(trace) => trace.length(),
        }
    }

    /// Begins it.
    pub(crate) fn start(&self, seed: u64) -> Source<'_> {
        match self {
            Self::Generated(traffic) => Source::Generated(Box::new(Generator::new(traffic, seed))),
            Self::Replayed(trace) => Source::Replayed(trace.calls.iter()),
        }
    }
}

/// Traffic under way.
pub(crate) enum Source<'a> {
    Generated(Box<Generator<'a>>),
    Replayed(std::slice::Iter<'a, Call>),
}

impl Source<'_> {
    /// The next call that comes of itself; they come in order of time.
    pub(crate) fn next(&mut self) -> Option<Call> {
        match self {
            Self::Generated(generator) => generator.next(),
            Self::Replayed(calls) => calls.next().copied(),
        }
    }

    /// What a client of a closed loop sends after its last call has ended, if it goes on.
    pub(crate) fn after(&mut self, ended: Nanos, client: u32) -> Option<Call> {
        match self {
            Self::Generated(generator) => generator.after(ended, client),
            Self::Replayed(_) => None,
        }
    }
}

/// Draws the calls of a [`Traffic`].
pub(crate) struct Generator<'a> {
    traffic: &'a Traffic,
    dealer: Dealer,
    draw: Draw,
    /// The part under way.
    part: usize,
    /// When it began.
    began: Nanos,
    /// How far into it the last call was, in seconds.
    at: f64,
    /// How many calls of it have come, where they are counted.
    number: u64,
}

/// A closed loop's clients begin one after another within this time, so that they are not in step.
const CLOSED_START: f64 = 1.0;

impl<'a> Generator<'a> {
    fn new(traffic: &'a Traffic, seed: u64) -> Self {
        let (dealer, draw) = (Dealer::new(&traffic.kinds, seed), Draw::new(seed, 1));
        Self { traffic, dealer, draw, part: 0, began: Nanos::ZERO, at: 0.0, number: 0 }
    }

    fn next(&mut self) -> Option<Call> {
        loop {
            let Part { shape, length } = *self.traffic.parts.get(self.part)?;
            if let Some((at, client)) = self.offset(&shape, length.as_secs_f64()) {
                let at = self.began.after(Duration::from_secs_f64(at));
                return Some(self.dealer.deal(at, client));
            }
            self.part += 1;
            self.began = self.began.after(length);
            (self.at, self.number) = (0.0, 0);
        }
    }

    /// By the time, not by the part under way: open calls are drawn ahead of time.
    fn after(&mut self, ended: Nanos, client: u32) -> Option<Call> {
        let mut began = Nanos::ZERO;
        for Part { shape, length } in &self.traffic.parts {
            let end = began.after(*length);
            if ended < end {
                let Shape::Closed { think, .. } = shape else { return None };
                let at = ended.after((*think).max(Duration::from_millis(1)));
                return (ended >= began && at < end).then(|| self.dealer.deal(at, Some(client)));
            }
            began = end;
        }
        None
    }

    /// The next call's place in the part, in seconds, and its client; `None` when the part is over.
    fn offset(&mut self, shape: &Shape, length: f64) -> Option<(f64, Option<u32>)> {
        let within = |at: f64| (at < length).then_some(at);
        match *shape {
            Shape::Closed { clients, .. } => {
                let client = u32::try_from(self.number).ok().filter(|client| *client < clients)?;
                self.number += 1;
                within(CLOSED_START * f64::from(client) / f64::from(clients)).map(|at| (at, Some(client)))
            }
            Shape::Edge { calls, window } => {
                let each = 2 * u64::from(calls.max(1));
                let (turn, place) = (self.number / each + 1, self.number % each);
                self.number += 1;
                let window = window.as_secs_f64().max(0.001);
                let from_turn = (place as f64 + 0.5) / each as f64 - 0.5;
                within(window * (turn as f64 + from_turn / 50.0)).map(|at| (at, None))
            }
            _ => self.at_rate(shape, length).map(|at| (at, None)),
        }
    }

    /// The next call of a shape that is a rate over time.
    fn at_rate(&mut self, shape: &Shape, length: f64) -> Option<f64> {
        let most = shape.highest();
        if most <= 0.0 {
            return None;
        }
        loop {
            self.at += match self.traffic.spacing {
                Spacing::Poisson => self.draw.exponential(most),
                Spacing::Even => 1.0 / shape.rate(self.at).max(most / 1000.0),
            };
            if self.at >= length {
                return None;
            }
            // Drawn at the highest rate and thinned out, the rest follows the rate exactly.
            let kept = self.traffic.spacing == Spacing::Even || self.draw.unit() * most < shape.rate(self.at);
            if kept {
                return Some(self.at);
            }
        }
    }
}

impl Shape {
    /// Calls per second at a time from the part's start; 0 for what has no rate.
    #[must_use]
    pub fn rate(&self, at: f64) -> f64 {
        match *self {
            Self::Steady { rate } => rate,
            Self::Spike { base, factor, length, every } => {
                let (length, every) = (length.as_secs_f64(), every.as_secs_f64().max(0.001));
                let spiking = (0.0..length).contains(&(at.rem_euclid(every) - every / 2.0));
                if spiking { base * factor } else { base }
            }
            Self::Diurnal { mean, swing, period } => {
                let turn = std::f64::consts::TAU * at / period.as_secs_f64().max(0.001);
                mean * (1.0 - swing * turn.cos())
            }
            Self::Edge { .. } | Self::Closed { .. } => 0.0,
        }
    }

    /// Calls per second on the average; 0 for a closed loop, whose rate is decided by what it loads.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Steady { rate } => rate,
            Self::Spike { base, factor, length, every } => {
                let spiking = (length.as_secs_f64() / every.as_secs_f64().max(0.001)).min(1.0);
                base * (1.0 + spiking * (factor - 1.0))
            }
            Self::Diurnal { mean, .. } => mean,
            Self::Edge { calls, window } => 2.0 * f64::from(calls) / window.as_secs_f64().max(0.001),
            Self::Closed { .. } => 0.0,
        }
    }

    /// The highest rate it ever has.
    fn highest(&self) -> f64 {
        match *self {
            Self::Steady { rate } => rate,
            Self::Spike { base, factor, .. } => base * factor.max(1.0),
            Self::Diurnal { mean, swing, .. } => mean * (1.0 + swing.abs()),
            Self::Edge { .. } | Self::Closed { .. } => 0.0,
        }
    }
}

/// The sentence that describes it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Steady { rate } => write!(f, "{rate:.1} calls/s"),
            Self::Spike { base, factor, length, every } => {
                let (length, every) = (length.as_secs_f64(), every.as_secs_f64());
                write!(f, "{base:.1} calls/s, and {factor} times as many for {length} s every {every} s")
            }
            Self::Diurnal { mean, swing, period } => {
                let (low, high) = (mean * (1.0 - swing), mean * (1.0 + swing));
                write!(f, "from {low:.1} to {high:.1} calls/s and back in {} s", period.as_secs_f64())
            }
            Self::Edge { calls, window } => {
                write!(f, "{calls} calls on each side of every turn of {} s", window.as_secs_f64())
            }
            Self::Closed { clients, think } => {
                write!(f, "{clients} clients that pause {} s between calls", think.as_secs_f64())
            }
        }
    }
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
