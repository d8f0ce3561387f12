//! What a run was like, in numbers.
//!
//! Everything is computed from the records of single calls, after the run, for any stretch of it. Percentiles are those
//! of all values, not estimates. A call belongs to the stretch in which it *arrived*, whenever it was answered; goodput
//! is counted when the attempt was *sent*, because that is what the provider's limit is about.

use super::call::{ByClass, CLASSES, rank};
use super::provider::Counted;
use super::record::{End, Record, Run};
use serde::Serialize;
use sluicegate_flow::Nanos;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// A stretch of a run in numbers. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The stretch, in seconds from the start.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
    /// Calls that arrived.
    pub offered: u64,
    /// Those that were answered in full, however late.
    pub answered: u64,
    /// The others, by how they ended.
    pub refused: BTreeMap<&'static str, u64>,
    /// Attempts sent for them, retries included.
    pub attempts: u64,
    /// Answered calls a second, counted when they were sent.
    pub goodput: f64,
    /// From arrival to a refusal.
    pub told: Spread,
    /// The four classes, highest first.
    pub classes: Vec<ClassReport>,
}

/// One class in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub class: &'static str,
    /// Calls that arrived.
    pub offered: u64,
    /// Answered in full.
    pub answered: u64,
    /// Answered, and sent the moment they arrived.
    pub straight_through: u64,
    /// Not answered.
    pub refused: u64,
    /// What answered calls waited before they were sent.
    pub wait: Spread,
}

/// How values are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are.
    pub p99: f64,
    /// All are.
    pub max: f64,
}

impl Spread {
    /// The spread of these; zeros for none.
    #[must_use]
    pub fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil().max(1.0) as usize;
            values.get(rank - 1).map_or(0.0, |value| value.as_secs_f64() * 1000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl Report {
    /// The whole run.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        Self::of_stretch(run, Nanos::ZERO..Nanos::ZERO.after(run.length))
    }

    /// The stretch of a run.
    #[must_use]
    pub fn of_stretch(run: &Run, stretch: Range<Nanos>) -> Self {
        let arrived: Vec<&Record> = run.records.iter().filter(|record| stretch.contains(&record.call.at)).collect();
        let refusals = |end: End| arrived.iter().filter(|record| record.end == end).count() as u64;
        let told = arrived.iter().filter(|record| record.end != End::Answered);
        let good = run.records.iter().filter(|record| record.end == End::Answered);
        let good = good.filter(|record| record.sent.is_some_and(|sent| stretch.contains(&sent))).count();
        let seconds = stretch.start.until(stretch.end).as_secs_f64();
        Self {
            from_s: stretch.start.0 as f64 / 1e9,
            to_s: stretch.end.0 as f64 / 1e9,
            offered: arrived.len() as u64,
            answered: refusals(End::Answered),
            refused: End::REFUSALS
                .into_iter()
                .map(|(end, name)| (name, refusals(end)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            attempts: arrived.iter().map(|record| u64::from(record.attempts)).sum(),
            goodput: good as f64 / seconds.max(1e-9),
            told: Spread::of(told.map(|record| record.call.at.until(record.ended)).collect()),
            classes: CLASSES.into_iter().enumerate().map(|(index, _)| ClassReport::of(&arrived, index)).collect(),
        }
    }

    /// Calls that were not answered.
    #[must_use]
    pub const fn refusals(&self) -> u64 {
        self.offered - self.answered
    }

    /// What a share of the offered calls the refused ones are, 0 to 1.
    #[must_use]
    pub fn refused_share(&self) -> f64 {
        self.refusals() as f64 / (self.offered as f64).max(1.0)
    }
}

impl ClassReport {
    fn of(arrived: &[&Record], index: usize) -> Self {
        let own = || arrived.iter().filter(|record| rank(record.call.class) == index);
        let waits: Vec<Duration> = own().filter_map(|record| record.wait()).collect();
        let (offered, answered) = (own().count() as u64, waits.len() as u64);
        Self {
            class: CLASSES.get(index).map_or("", |class| class.as_str()),
            offered,
            answered,
            straight_through: waits.iter().filter(|wait| wait.is_zero()).count() as u64,
            refused: offered - answered,
            wait: Spread::of(waits),
        }
    }
}

/// The longest wait of those who arrived in each of `bins` equal stretches of the run, by class, in seconds: of answered
/// calls before they were sent, of refused ones until they were told.
#[must_use]
pub fn waiting(run: &Run, bins: usize) -> Vec<ByClass<f64>> {
    let mut longest = vec![ByClass([0.0; 4]); bins.max(1)];
    let width = (run.length.as_secs_f64() / longest.len() as f64).max(1e-9);
    for record in &run.records {
        let bin = (record.call.at.0 as f64 / 1e9 / width) as usize;
        let until = record.wait().unwrap_or_else(|| record.call.at.until(record.ended));
        if let Some(longest) = longest.get_mut(bin) {
            let longest = longest.of_mut(record.call.class);
            *longest = f64::max(*longest, until.as_secs_f64());
        }
    }
    longest
}

/// The most that was sent in any window of this length, beside what is allowed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstWindow {
    /// The limit, as its owner calls it.
    pub limit: String,
    /// What it allows.
    pub allowed: u64,
    /// The most there was.
    pub most: u64,
}

impl WorstWindow {
    /// Of requests or tokens in any stretch this long.
    #[must_use]
    pub fn of(run: &Run, limit: impl Into<String>, allowed: u64, window: Duration, counted: Counted) -> Self {
        Self { limit: limit.into(), allowed, most: run.worst_window(window, counted) }
    }
}
