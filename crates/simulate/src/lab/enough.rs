//! What would have been enough.
//!
//! The limit that kept most calls from going is raised until nobody is refused any more; where that does not help, since
//! another one binds then, both are raised together, and so on. The answer is the smallest common factor, found by
//! trying: the same traffic under the same seed, again and again. How often is bounded by the number of calls and by
//! nothing else, so that the answer does not depend on the machine.

use super::record::Run;
use super::relay::{Relay, Rule};
use super::report::Report;
use super::run::{Control, Experiment};
use serde::Serialize;

/// Limits that would have been enough, with everything else as it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enough {
    /// The limits and what they would have to be.
    pub limits: Vec<Needed>,
    /// By what they are multiplied.
    pub factor: f64,
    /// The longest wait then, in milliseconds.
    pub longest_ms: f64,
}

/// One limit and what it would have to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// The limit's name.
    pub limit: String,
    /// What it is.
    pub is: u64,
    /// What would be enough.
    pub enough: u64,
}

/// No limit is raised by more than this.
const MOST: f64 = 64.0;
/// No more limits than this are raised together.
const MOST_LIMITS: usize = 4;
/// All tries together simulate about this many calls, but no less than [`LEAST_TRIES`] runs.
const CALLS: usize = 1_500_000;
const LEAST_TRIES: usize = 4;

/// What would have been enough for the traffic of this run; `None` if nobody was refused, if no limit of the relay is to
/// blame, or if raising those does not help.
#[must_use]
pub fn enough(experiment: &Experiment, run: &Run) -> Option<Enough> {
    let Control::Relay(relay) = &experiment.control else { return None };
    if Report::of(run).refusals() == 0 {
        return None;
    }
    let mut names: Vec<String> = vec![binding(relay, run, &[])?];
    let highest = loop {
        let raised = with(experiment, relay, &names, MOST).run();
        if Report::of(&raised).refusals() == 0 {
            break raised;
        }
        if names.len() == MOST_LIMITS {
            return None;
        }
        names.push(binding(relay, &raised, &names)?);
    };
    let tries = (CALLS / run.records.len().max(1)).clamp(LEAST_TRIES, 12);
    let (mut low, mut high, mut best) = (1.0_f64, MOST, highest);
    for _ in 0..tries {
        // By their geometric mean: whether it is 1.1 or 1.2 matters as much as whether it is 30 or 33.
        let middle = (low * high).sqrt();
        let raised = with(experiment, relay, &names, middle).run();
        if Report::of(&raised).refusals() == 0 {
            (high, best) = (middle, raised);
        } else {
            low = middle;
        }
    }
    let needed = |rule: &Rule| Needed { limit: rule.name(), is: rule.quota.set, enough: rule.scaled(high).quota.set };
    let longest = Report::of(&best).classes.iter().map(|class| class.wait.max).fold(0.0, f64::max);
    let limits = rules(relay).filter(|rule| names.contains(&rule.name())).map(needed).collect();
    Some(Enough { limits, factor: high, longest_ms: longest })
}

fn rules(relay: &Relay) -> impl Iterator<Item = &Rule> {
    relay.ingress.iter().chain(&relay.egress)
}

/// The limit that bound most, of those that are not known yet.
fn binding(relay: &Relay, run: &Run, known: &[String]) -> Option<String> {
    let raisable = |name: &&String| !known.contains(name) && rules(relay).any(|rule| rule.name() == **name);
    run.binding.iter().map(|(name, _)| name).find(raisable).cloned()
}

/// The same experiment with some limits raised.
fn with(experiment: &Experiment, relay: &Relay, names: &[String], factor: f64) -> Experiment {
    let mut relay = relay.clone();
    for rule in relay.ingress.iter_mut().chain(&mut relay.egress) {
        if names.contains(&rule.name()) {
            *rule = rule.scaled(factor);
        }
    }
    Experiment { control: Control::Relay(Box::new(relay)), ..experiment.clone() }
}

#[cfg(test)]
#[path = "enough_tests.rs"]
mod tests;
