//! What the day is held to.

use std::time::Duration;

use super::load::Second;
use super::script::{PROVIDERS, Scene};
use crate::bars::Bar;

/// What was seen of one scene from beside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// Calls under way at the providers when they were struck.
    pub(crate) in_flight: u64,
    /// Tries that failed at them while it lasted, by the relay's own count.
    pub(crate) failures: u64,
}

/// Clients may see so many errors in a thousand calls while somebody could answer.
const ERRORS: f64 = 1.0;
/// Extra tries, in a hundred calls.
const EXTRA: f64 = 10.0;
/// A dead target is isolated after so many failures beside those that were in flight.
const FAILURES: f64 = 5.0;
/// Seconds to full recovery.
const RECOVERY: f64 = 60.0;
/// The same when everything had failed.
const RECOVERY_OF_ALL: f64 = 30.0;
/// For so many seconds.
const STEADY: usize = 3;
/// Errors may trail behind a scene for so long: a call that began in it may end so much later.
const TRAIL: Duration = Duration::from_secs(5);

/// How much is put down to the machine.
///
/// The long day is a measurement and wants a machine of its own. The short one is a proof that runs beside anything: it
/// is held to what follows from counting, however late everything is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Streams that were cut when their provider died are no one's to save.
    pub(crate) spares_broken: bool,
    /// Calls that fall due while a busy machine does something else, and are then sent all at once.
    pub(crate) piled_up: u64,
    /// A provider has recovered when it has so much of the share again that it had.
    pub(crate) share: f64,
}

impl Terms {
    pub(crate) const MEASURED: Self = Self { spares_broken: false, piled_up: 0, share: 0.8 };

    /// For so many calls a second beside other work.
    pub(crate) fn counted(rate: u32) -> Self {
        Self { spares_broken: true, piled_up: u64::from(rate / 2), share: 0.5 }
    }

    fn failed(self, second: &Second) -> u64 {
        second.failed - if self.spares_broken { second.broken.min(second.failed) } else { 0 }
    }
}

/// All bars of the day.
pub(crate) fn bars(seconds: &[Second], scenes: &[Scene], beside: &[Beside], held: u64, terms: Terms) -> Vec<Bar> {
    let mut bars = vec![errors(seconds, scenes, terms), extra(seconds)];
    for (scene, beside) in scenes.iter().zip(beside) {
        if matches!(scene.fault, super::script::Fault::Dead) {
            bars.push(isolation(scene, beside, terms));
        }
        if scene.returns {
            bars.push(recovery(seconds, scenes.first().unwrap_or(scene), scene, terms));
        }
    }
    bars.push(Bar {
        what: "permits, reservations and calls left over".into(),
        measured: held as f64,
        at_most: 0.0,
        unit: "of them",
    });
    bars
}

fn second(at: Duration) -> usize {
    usize::try_from(at.as_secs()).unwrap_or(usize::MAX)
}

fn errors(seconds: &[Second], scenes: &[Scene], terms: Terms) -> Bar {
    let excused = |number: usize| {
        let lost = |scene: &&Scene| scene.nobody_left;
        let recovery = Duration::from_secs_f64(RECOVERY_OF_ALL);
        // What was under way when they died had nobody left either.
        let from = |scene: &Scene| second(scene.begins).saturating_sub(1);
        scenes.iter().filter(lost).any(|it| (from(it)..second(it.ends() + recovery)).contains(&number))
    };
    let counted = || seconds.iter().enumerate().filter(|(number, _)| !excused(*number)).map(|(_, second)| second);
    let (calls, failed) =
        (counted().map(|it| it.calls).sum::<u64>(), counted().map(|it| terms.failed(it)).sum::<u64>());
    Bar {
        what: "calls that failed while somebody could answer".into(),
        measured: failed as f64 * 1000.0 / calls.max(1) as f64,
        at_most: ERRORS,
        unit: "in 1000",
    }
}

fn extra(seconds: &[Second]) -> Bar {
    let (calls, extra) =
        (seconds.iter().map(|it| it.calls).sum::<u64>(), seconds.iter().map(|it| it.extra).sum::<u64>());
    Bar {
        what: "extra tries".into(),
        measured: extra as f64 * 100.0 / calls.max(1) as f64,
        at_most: EXTRA,
        unit: "in 100 calls",
    }
}

/// One trial call for each wait that doubles from a second on, of which the last half may be left out by chance.
fn trials(scene: &Scene) -> u64 {
    let (mut at, mut wait, mut trials) = (0.0, 0.5, 0);
    while at < scene.lasts.as_secs_f64() {
        trials += 1;
        at += wait;
        wait = f64::min(wait * 2.0, 30.0);
    }
    trials
}

fn isolation(scene: &Scene, beside: &Beside, terms: Terms) -> Bar {
    let targets = scene.at.len() as u64;
    let in_flight = beside.in_flight + terms.piled_up;
    let allowed = in_flight + targets * trials(scene);
    Bar {
        what: format!(
            "{}: failures until isolated for each target, of {} beside {} in flight and {} trials",
            scene.name,
            beside.failures,
            in_flight,
            targets * trials(scene)
        ),
        measured: beside.failures.saturating_sub(allowed) as f64 / targets as f64,
        at_most: FAILURES,
        unit: "failures",
    }
}

/// Calls that were answered by the providers of a scene, as a part of all.
fn share(second: &Second, scene: &Scene) -> f64 {
    let answered: u64 = scene.at.iter().filter_map(|provider| second.by.get(*provider)).sum();
    answered as f64 / second.calls.max(1) as f64
}

/// When the calls were where they are on a quiet day again, and fine, after the end of a scene; in seconds. The day is
/// quiet until its first scene.
pub(crate) fn recovered(seconds: &[Second], first: &Scene, scene: &Scene, terms: Terms) -> Option<f64> {
    let quiet = second(first.begins);
    let quiet = seconds.get(quiet.saturating_sub(STEADY)..quiet)?;
    let usual = quiet.iter().map(|it| share(it, scene)).sum::<f64>() / quiet.len().max(1) as f64;
    let after = seconds.get(second(scene.ends())..)?;
    let well =
        |second: &Second| share(second, scene) >= terms.share * usual && terms.failed(second) * 1000 <= second.calls;
    after.windows(STEADY).position(|window| window.iter().all(well)).map(|at| at as f64 + 1.0)
}

fn recovery(seconds: &[Second], first: &Scene, scene: &Scene, terms: Terms) -> Bar {
    Bar {
        what: format!("{}: full recovery after its end", scene.name),
        measured: recovered(seconds, first, scene, terms).unwrap_or(f64::INFINITY),
        at_most: if scene.nobody_left { RECOVERY_OF_ALL } else { RECOVERY },
        unit: "s",
    }
}

/// Rows that tell the day in steps of so many seconds.
pub(crate) fn timeline(seconds: &[Second], scenes: &[Scene], step: usize) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["s".to_owned(), "calls".to_owned(), "failed".to_owned(), "extra".to_owned()]];
    if let Some(head) = rows.first_mut() {
        head.extend(PROVIDERS.iter().map(|(name, _)| format!("by {name}")));
        head.extend(["p50 ms", "p99 ms", "", "what happens"].map(str::to_owned));
    }
    for (number, part) in seconds.chunks(step).enumerate() {
        let from = number * step;
        let sum = |of: fn(&Second) -> u64| part.iter().map(of).sum::<u64>();
        let calls = sum(|it| it.calls);
        let mut times: Vec<u32> = part.iter().flat_map(|it| it.times.iter().copied()).collect();
        times.sort_unstable();
        let at =
            |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |it| f64::from(*it) / 1000.0);
        let mut row =
            vec![from.to_string(), calls.to_string(), sum(|it| it.failed).to_string(), sum(|it| it.extra).to_string()];
        for provider in 0..PROVIDERS.len() {
            row.push(part.iter().filter_map(|it| it.by.get(provider)).sum::<u64>().to_string());
        }
        let happens = |scene: &&Scene| second(scene.begins) < from + step && from < second(scene.ends());
        let bar = "#".repeat((sum(|it| it.by.iter().sum()) * 20 / calls.max(1)) as usize);
        row.extend([format!("{:.1}", at(0.5)), format!("{:.1}", at(0.99)), bar]);
        row.push(scenes.iter().filter(happens).map(|it| it.name).collect::<Vec<_>>().join(", "));
        rows.push(row);
    }
    rows
}

/// When a call that began in a scene has surely ended.
pub(crate) fn over(scene: &Scene) -> Duration {
    scene.ends() + TRAIL
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
