//! The evening by which flow control is judged.
//!
//! A provider allows 50 calls a second. For an hour 30 arrive, and every two minutes for eight seconds 3.4 times as many,
//! which is more than twice what is allowed: no more in all than fits, but not at once. Then for ten minutes 75 arrive,
//! half as many again as can ever be answered, and somebody has to be told no. Arrivals are Poisson, in four classes.
//!
//! The trace is kept as counts by second in `traces/evening.csv`, drawn once from [`traffic`], so that the laboratory,
//! a load generator over real sockets and anybody else's tool are given the same evening.

use super::call::{ByClass, Kinds, rank};
use super::policy::Retry;
use super::provider::{Ceiling, Counted, Form, Provider};
use super::record::Run;
use super::relay::{Concerns, Relay, Rule};
use super::report::Report;
use super::run::{Control, Experiment};
use super::trace::{Trace, TraceError};
use super::traffic::{Offered, Part, Shape, Spacing, Traffic};
use sluicegate_flow::{Kind, Label, Nanos, Quota, Scope};
use std::ops::Range;
use std::time::Duration;

/// Calls a second that the provider allows.
pub const LIMIT: u64 = 50;
/// What the trace is drawn from, and its calls' sizes and keys after it.
pub const SEED: u64 = 2026;
/// The trace: calls of each class by second.
pub const TRACE: &str = include_str!("../../traces/evening.csv");

const SECOND: Duration = Duration::from_secs(1);
const SPIKES: Duration = Duration::from_secs(3600);
const SUSTAINED: Duration = Duration::from_secs(600);

/// What the trace was drawn from.
#[must_use]
pub fn traffic() -> Traffic {
    let limit = LIMIT as f64;
    let spikes = Shape::Spike { base: 0.6 * limit, factor: 3.4, length: 8 * SECOND, every: 120 * SECOND };
    let sustained = Shape::Steady { rate: 1.5 * limit };
    Traffic {
        parts: vec![Part { shape: spikes, length: SPIKES }, Part { shape: sustained, length: SUSTAINED }],
        spacing: Spacing::Poisson,
        kinds: kinds(),
    }
}

/// What its calls are like: a tenth critical, a fifth high, two fifths normal, the rest low, of 20 keys of which the
/// largest makes every fourth call and the smallest every seventieth.
#[must_use]
pub fn kinds() -> Kinds {
    Kinds { classes: ByClass([0.1, 0.2, 0.4, 0.3]), ..Kinds::default() }
}

/// The calls of the trace, from four callers: a program of each class, with a key of its own.
///
/// # Errors
/// The file in the repository has been damaged.
pub fn trace() -> Result<Trace, TraceError> {
    let mut trace = trace_of_many()?;
    for call in &mut trace.calls {
        call.key = rank(call.class) as u32;
    }
    Ok(trace)
}

/// The same calls from 20 callers of very different size, each of whom has calls of all classes. Harder, because room
/// is shared evenly among those who want it: the largest caller waits longest.
///
/// # Errors
/// The file in the repository has been damaged.
pub fn trace_of_many() -> Result<Trace, TraceError> {
    Trace::counts(TRACE, &kinds(), SEED)
}

/// The provider: the limit holds in any second, and a refused attempt does not count.
#[must_use]
pub fn provider() -> Provider {
    let ceiling = Ceiling { counted: Counted::Requests, amount: LIMIT, window: SECOND, form: Form::Window };
    Provider { ceilings: vec![ceiling], ..Provider::default() }
}

/// Sluicegate, told the provider's limit and nothing else.
#[must_use]
pub fn relay() -> Relay {
    let quota = Quota::window(LIMIT, SECOND);
    let label = Label::new(Scope::Provider, "provider");
    let rule = Rule { label, kind: Kind::Requests, quota, concerns: Concerns::All };
    Relay { egress: vec![rule], lead: provider().first_token, ..Relay::default() }
}

/// What is compared, and under which name. The semaphore has as many permits as calls are in flight at the limit, and
/// lets a call wait as long as the highest class would.
#[must_use]
pub fn controls() -> Vec<(&'static str, Control)> {
    let service = provider().service(kinds().tokens_out.mean());
    let permits = (LIMIT as f64 * service.as_secs_f64()).round() as u32;
    vec![
        ("no control", Control::None),
        ("retry with backoff", Control::Retry(Retry::default())),
        ("fixed semaphore", Control::Semaphore { permits, timeout: 10 * SECOND }),
        ("sluicegate", Control::Relay(Box::new(relay()))),
    ]
}

/// The evening under one control.
#[derive(Debug, Clone)]
pub struct Evening {
    /// All of it.
    pub run: Run,
    /// The hour of spikes.
    pub spikes: Report,
    /// The ten minutes of overload.
    pub sustained: Report,
    /// Calls of the overload that were sent after its end.
    pub late: u64,
}

impl Evening {
    /// Lets it happen.
    #[must_use]
    pub fn spend(trace: &Trace, control: Control) -> Self {
        let offered = Offered::Replayed(trace.clone());
        let run = Experiment { offered, provider: provider(), control, seed: SEED }.run();
        Self::of(run)
    }

    /// Looks at one that has happened.
    #[must_use]
    pub fn of(run: Run) -> Self {
        let (noon, dusk) = (Nanos::ZERO.after(SPIKES), Nanos::ZERO.after(SPIKES + SUSTAINED));
        let stretch = |stretch: Range<Nanos>| Report::of_stretch(&run, stretch);
        let (spikes, sustained) = (stretch(Nanos::ZERO..noon), stretch(noon..dusk));
        let late = run.records.iter().filter(|record| record.wait().is_some());
        let late = late.filter(|record| record.sent.is_some_and(|sent| sent >= dusk)).count() as u64;
        Self { run, spikes, sustained, late }
    }

    /// Calls of the overload that nobody could have answered in it: what arrived beyond the limit, less what was kept
    /// waiting and sent after its end.
    #[must_use]
    pub fn excess(&self) -> f64 {
        let room = LIMIT as f64 * SUSTAINED.as_secs_f64();
        self.sustained.offered as f64 - room - self.late as f64
    }

    /// What it is held to.
    #[must_use]
    pub fn bars(&self) -> Vec<Bar> {
        let sustained = &self.sustained;
        let share = |of: f64| 100.0 * of / sustained.offered as f64;
        let refused: Vec<f64> =
            sustained.classes.iter().map(|class| class.refused as f64 / (class.offered as f64).max(1.0)).collect();
        let out_of_order = refused.windows(2).filter(|pair| pair.first() > pair.last()).count();
        vec![
            Bar::at_most("spikes: refusals of every kind, % of calls", 100.0 * self.spikes.refused_share(), 0.02),
            Bar::at_most(
                "sustained: refusals off the excess, % of calls",
                share((sustained.refusals() as f64 - self.excess()).abs()),
                1.0,
            ),
            Bar::at_most("sustained: 99 of 100 refusals told within, ms", sustained.told.p99, 100.0),
            Bar::at_most("sustained: classes refused more than a lower one", out_of_order as f64, 0.0),
            Bar::at_least("sustained: goodput, % of the limit", 100.0 * sustained.goodput / LIMIT as f64, 97.0),
            Bar::at_most(
                "most calls sent in any second",
                self.run.worst_window(SECOND, Counted::Requests) as f64,
                LIMIT as f64,
            ),
        ]
    }
}

/// A measured value and what it must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// What was measured, with its unit.
    pub what: &'static str,
    /// The value.
    pub measured: f64,
    /// The bar.
    pub bar: f64,
    /// Whether the value must not be lower, instead of not higher.
    pub at_least: bool,
}

impl Bar {
    const fn at_most(what: &'static str, measured: f64, bar: f64) -> Self {
        Self { what, measured, bar, at_least: false }
    }

    const fn at_least(what: &'static str, measured: f64, bar: f64) -> Self {
        Self { what, measured, bar, at_least: true }
    }

    /// Whether it is cleared.
    #[must_use]
    pub fn passed(&self) -> bool {
        if self.at_least { self.measured >= self.bar } else { self.measured <= self.bar }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.passed() { "pass" } else { "MISS" };
        let side = if self.at_least { "at least" } else { "at most" };
        write!(f, "{word}  {}: {:.3} ({side} {})", self.what, self.measured, self.bar)
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
