//! Numbers from many calls.

use crate::call::{Sent, Went};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Percentiles of times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Times {
    /// The median.
    pub p50: f64,
    /// 19 of 20 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Times {
    /// The percentiles of these times; `None` of none.
    #[must_use]
    pub fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let rank = ((times.len() as f64 * q).ceil() as usize).saturating_sub(1);
            times.get(rank).copied()
        };
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)?, max: *times.last()? })
    }
}

/// How a number of calls went.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Step {
    /// Calls at once, where that was held constant (closed loop).
    pub concurrency: Option<usize>,
    /// Calls a second that were due, where that was held constant (open loop). Times then count from when a call was due,
    /// so that callers who had to wait are in them.
    pub rate: Option<f64>,
    /// Calls that succeeded.
    pub ok: u64,
    /// Calls that were answered 429.
    pub limited: u64,
    /// Other failures by kind.
    pub errors: BTreeMap<String, u64>,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// Time to the first token.
    pub first_token: Option<Times>,
    /// Time to the end.
    pub total: Option<Times>,
    /// Tokens a second after the first within one answer, the median.
    pub tokens_per_second_each: Option<f64>,
    /// Tokens of output a second in all.
    pub tokens_per_second: f64,
    /// Successful calls a second.
    pub calls_per_second: f64,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

impl Step {
    pub(crate) fn of(sent: &[Sent], lasted: Duration) -> Self {
        let ok: Vec<&Sent> = sent.iter().filter(|sent| sent.went == Went::Ok).collect();
        let mut errors = BTreeMap::new();
        for sent in sent {
            if let Went::Failed(word) = &sent.went {
                *errors.entry(word.clone()).or_default() += 1;
            }
        }
        let seconds = lasted.as_secs_f64().max(1e-9);
        let output: u64 = ok.iter().filter_map(|sent| sent.said.output).sum();
        let each = ok.iter().filter_map(|sent| {
            let after = (sent.total.checked_sub(sent.first?)?).as_secs_f64();
            let tokens = sent.said.output?.checked_sub(1)?;
            (after > 0.0 && tokens > 0).then(|| tokens as f64 / after)
        });
        Self {
            concurrency: None,
            rate: None,
            ok: ok.len() as u64,
            limited: sent.iter().filter(|sent| matches!(sent.went, Went::Limited(_))).count() as u64,
            errors,
            seconds,
            first_token: Times::of(ok.iter().filter_map(|sent| sent.first).map(millis).collect()),
            total: Times::of(ok.iter().map(|sent| millis(sent.total)).collect()),
            tokens_per_second_each: Times::of(each.collect()).map(|times| times.p50),
            tokens_per_second: output as f64 / seconds,
            calls_per_second: ok.len() as f64 / seconds,
        }
    }

    /// Failures other than 429.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// What must hold, such as `ttft_p95<1s`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// As it was written.
    pub written: String,
    what: What,
    below: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum What {
    First50,
    First95,
    First99,
    Total50,
    Total95,
    Total99,
    Errors,
}

const OBJECTIVES: [(&str, What); 7] = [
    ("ttft_p50", What::First50),
    ("ttft_p95", What::First95),
    ("ttft_p99", What::First99),
    ("total_p50", What::Total50),
    ("total_p95", What::Total95),
    ("total_p99", What::Total99),
    ("error_rate", What::Errors),
];

/// An objective that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write an objective as NAME<VALUE, such as ttft_p95<1s or error_rate<1%; names are {}", OBJECTIVES.map(|(name, _)| name).join(", "))]
pub struct ObjectiveError;

impl std::str::FromStr for Objective {
    type Err = ObjectiveError;
    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let (name, value) = text.split_once('<').ok_or(ObjectiveError)?;
        let what = OBJECTIVES.iter().find(|(known, _)| *known == name.trim()).map(|(_, what)| *what);
        let what = what.ok_or(ObjectiveError)?;
        let value = value.trim();
        let units: &[(&str, f64)] =
            if what == What::Errors { &[("%", 0.01), ("", 1.0)] } else { &[("ms", 1.0), ("s", 1_000.0)] };
        let (number, factor) = units
            .iter()
            .find_map(|(unit, factor)| value.strip_suffix(unit).map(|n| (n, factor)))
            .ok_or(ObjectiveError)?;
        let number: f64 = number.trim().parse().map_err(|_| ObjectiveError)?;
        if !(number > 0.0 && number.is_finite()) {
            return Err(ObjectiveError);
        }
        Ok(Self { written: text.to_owned(), what, below: number * factor })
    }
}

impl Objective {
    /// Whether a step keeps to it. A step in which nothing succeeded keeps to nothing.
    #[must_use]
    pub fn holds(&self, step: &Step) -> bool {
        let all = (step.ok + step.limited + step.failed()) as f64;
        let value = match self.what {
            What::First50 => step.first_token.map(|times| times.p50),
            What::First95 => step.first_token.map(|times| times.p95),
            What::First99 => step.first_token.map(|times| times.p99),
            What::Total50 => step.total.map(|times| times.p50),
            What::Total95 => step.total.map(|times| times.p95),
            What::Total99 => step.total.map(|times| times.p99),
            What::Errors => (all > 0.0).then(|| (step.limited + step.failed()) as f64 / all),
        };
        value.is_some_and(|value| value < self.below)
    }
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
