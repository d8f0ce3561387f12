//! Migrations as operators see them.

use super::mirror::Shown;
use serde::{Deserialize, Serialize};
use sluicegate_migration::mirror::{Difference, Sample};
use sluicegate_migration::{Entry, Migration, Moment, Phase, Reading, Share, Target, Verdict};
use sluicegate_vocabulary::{Arm, Stamp};
use std::collections::BTreeMap;

/// Differences that are shown at most.
const SAMPLES: usize = 20;

/// A migration at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// Its name.
    pub name: String,
    /// The model whose calls it moves.
    pub model: String,
    /// Where they come from, as `provider/model`, and `provider/model[key]` where the side names keys.
    pub from: Vec<String>,
    /// Where they go.
    pub to: Vec<String>,
    /// `idle`, `running`, `awaiting_approval`, `paused`, `rolled_back` or `promoted`.
    pub phase: String,
    /// What keeps its side: `key`, `user`, `header:NAME` or `call`.
    pub sticky_by: String,
    /// The number that sides are worked out from, as text, since it has 64 bits.
    pub seed: String,
    /// How often it has been started.
    pub run: u32,
    /// The new side's share now, in percent.
    pub share_percent: f64,
    /// The step it stands at, from 1.
    pub step: usize,
    /// All its steps.
    pub steps: Vec<StepReport>,
    /// How long it has been running at this step, in milliseconds.
    pub held_ms: u64,
    /// Calls of the new side in this step.
    pub step_calls: u64,
    /// Calls of the old side since it was started.
    pub old_calls: u64,
    /// Calls of the new side since then.
    pub new_calls: u64,
    /// All guards together: `better_or_equal`, `worse` or `undecided`.
    pub verdict: String,
    /// Guard by guard.
    pub guards: Vec<WatchReport>,
    /// What copies of calls have shown, where there is a mirror.
    #[serde(default)]
    pub mirror: Option<MirrorReport>,
    /// What happened last.
    pub last: Option<EntryReport>,
    /// What comes next, in one sentence.
    pub next: String,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The new side's share, in percent.
    pub share_percent: f64,
    /// How long it lasts at least, in milliseconds.
    pub hold_ms: u64,
    /// Calls of the new side that it wants.
    pub min_requests: u64,
    /// Whether a person must agree before the next one.
    pub approval: bool,
}

/// What is known for one guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchReport {
    /// The metric, as configurations name it.
    pub metric: String,
    /// What people call it.
    pub title: String,
    /// The old side's value, if known: `0.8 %`, `840 ms`.
    pub old: Option<String>,
    /// The new side's.
    pub new: Option<String>,
    /// By how much they differ: `+0.3 pp`, `+8 %`.
    pub change: Option<String>,
    /// Between what the truth certainly lies.
    pub interval: String,
    /// The limit: `+1 pp`, `2 %`.
    pub limit: String,
    /// `better_or_equal`, `worse` or `undecided`.
    pub verdict: String,
    /// All of it in one sentence.
    pub sentence: String,
    /// Calls of the old side that had a value.
    pub old_calls: u64,
    /// Calls of the new side that had one.
    pub new_calls: u64,
}

/// What copies of calls have shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MirrorReport {
    /// Calls compared.
    pub calls: u64,
    /// Calls of which the answers differ in something that ought to be alike.
    pub differing: u64,
    /// Copies that were not made, for want of room or money.
    pub left_out: u64,
    /// How many differ in what: `status`, `finish`, `empty`, `tool_names`, `tool_arguments`, `tool_json`, `json`, `length`.
    pub by_kind: BTreeMap<String, u64>,
    /// How alike the texts are on average, 0 to 1.
    pub similarity: Option<f64>,
    /// How many times as long the new texts are, on average.
    pub length: Option<f64>,
    /// How many times as long the new side took to its first token (geometric mean).
    pub first_token: Option<f64>,
    /// And to the end.
    pub total: Option<f64>,
    /// How many times as much it cost.
    pub cost: Option<f64>,
    /// What the copies of today have cost, in dollars, as an exact decimal.
    pub spent_today_usd: String,
    /// At most twenty of the kept differences.
    pub samples: Vec<SampleReport>,
}

/// A call of which the answers differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleReport {
    /// The call's id.
    pub call: String,
    /// In what.
    pub differences: Vec<String>,
    /// How the old side's answer begins, where texts are kept.
    pub old: String,
    /// How the new side's begins.
    pub new: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryReport {
    /// When: `2026-11-21T12:19:44Z`.
    pub at: String,
    /// By whom: a person's name, or `sluicegate`.
    pub who: String,
    /// What: `started`, `advanced`, `rolled_back`, ...
    pub action: String,
    /// Why, in one sentence.
    pub why: String,
    /// The step it stood at afterwards, from 1.
    pub step: usize,
    /// The new side's share afterwards, in percent.
    pub share_percent: f64,
    /// What it was afterwards.
    pub phase: String,
    /// What was known then, one sentence for each guard.
    pub evidence: Vec<String>,
}

pub(super) fn of(machine: &Migration, now: Moment) -> MigrationReport {
    let definition = machine.definition();
    let targets = |targets: &[Target]| targets.iter().map(Target::to_string).collect();
    let step = |step: &sluicegate_migration::Step| StepReport {
        share_percent: percent(step.share),
        hold_ms: millis(step.hold),
        min_requests: step.min_calls,
        approval: step.approval,
    };
    let evidence = machine.evidence();
    MigrationReport {
        name: definition.name.clone(),
        model: definition.model.clone(),
        from: targets(&definition.from),
        to: targets(&definition.to),
        phase: machine.phase().as_str().to_owned(),
        sticky_by: definition.sticky_by.to_string(),
        seed: machine.seed().0.to_string(),
        run: machine.run(),
        share_percent: percent(machine.share()),
        step: machine.step_index() + 1,
        steps: definition.plan.steps().iter().map(step).collect(),
        held_ms: millis(machine.held_until(now)),
        step_calls: machine.step_calls(),
        old_calls: evidence.calls(Arm::Old),
        new_calls: evidence.calls(Arm::New),
        verdict: evidence.verdict().as_str().to_owned(),
        guards: evidence.readings().iter().map(watch).collect(),
        mirror: None,
        last: machine.history().last().map(entry),
        next: next(machine, now),
    }
}

fn watch(reading: &Reading) -> WatchReport {
    let value = |value: Option<f64>| value.map(|value| reading.amount.value(value));
    WatchReport {
        metric: reading.guard.metric.as_str().to_owned(),
        title: reading.guard.metric.title().to_owned(),
        old: value(reading.old),
        new: value(reading.new),
        change: reading.change.map(|change| reading.amount.change(change)),
        interval: reading.interval(),
        limit: reading.limit(),
        verdict: reading.verdict.as_str().to_owned(),
        sentence: reading.sentence(),
        old_calls: reading.old_calls,
        new_calls: reading.new_calls,
    }
}

pub(super) fn mirror(shown: &Shown) -> MirrorReport {
    let tally = &shown.tally;
    let word = |difference: &Difference| difference.as_str().to_owned();
    let sample = |sample: &Sample| SampleReport {
        call: sample.call.clone(),
        differences: sample.differences.iter().map(word).collect(),
        old: sample.old.clone(),
        new: sample.new.clone(),
    };
    let counted = Difference::ALL.iter().map(|kind| (word(kind), tally.count(*kind)));
    MirrorReport {
        calls: tally.calls(),
        differing: tally.differing(),
        left_out: shown.left_out,
        by_kind: counted.filter(|(_, count)| *count > 0).collect(),
        similarity: tally.similarity(),
        length: tally.length(),
        first_token: tally.first_token(),
        total: tally.total(),
        cost: tally.cost(),
        spent_today_usd: shown.spent().to_string(),
        samples: tally.samples().iter().take(SAMPLES).map(sample).collect(),
    }
}

pub(super) fn entry(entry: &Entry) -> EntryReport {
    let mut at = String::with_capacity(20);
    Stamp::default().write_seconds(&mut at, entry.at.0);
    EntryReport {
        at,
        who: entry.who.clone(),
        action: entry.action.as_str().to_owned(),
        why: entry.why.clone(),
        step: entry.step + 1,
        share_percent: percent(entry.share),
        phase: entry.phase.as_str().to_owned(),
        evidence: entry.evidence.clone(),
    }
}

fn next(machine: &Migration, now: Moment) -> String {
    let name = &machine.definition().name;
    match machine.phase() {
        Phase::Idle => format!("not begun: sluicegate migrate start {name}"),
        Phase::Paused => format!("stays here until: sluicegate migrate resume {name}"),
        Phase::AwaitingApproval => format!("waits for approval: sluicegate migrate advance {name}"),
        Phase::RolledBack => {
            format!("all calls go to the old side, and it does not begin by itself: sluicegate migrate start {name}")
        }
        Phase::Promoted if machine.definition().moves_keys_only() => {
            "over: take the old side's keys out of their provider and the migration out, in one change".to_owned()
        }
        Phase::Promoted if machine.definition().mapped => {
            "over: write the new provider into the models' entries and take the migration out".to_owned()
        }
        Phase::Promoted => {
            format!(
                "over: write the new target into models.{}.to and take the migration out",
                machine.definition().model
            )
        }
        Phase::Running => {
            let step = machine.step();
            let calls = step.min_calls.saturating_sub(machine.step_calls());
            let time = step.hold.saturating_sub(machine.held_until(now));
            let lasts = lasting(time);
            match (calls, time.is_zero()) {
                (0, true) => undecided(machine),
                (0, false) => format!("the step lasts {lasts} more"),
                (calls, true) => format!("the step wants {calls} more calls on the new side"),
                (calls, false) => {
                    format!("the step lasts {lasts} more and wants {calls} more calls on the new side")
                }
            }
        }
    }
}

/// A time that is left, in the largest units that say something; rounded up, so that it is never over too soon.
fn lasting(time: std::time::Duration) -> String {
    let seconds = time.as_millis().div_ceil(1_000);
    let minutes = seconds.div_ceil(60);
    match minutes {
        0..=2 => format!("{seconds} s"),
        3..=120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// What a step that is over waits for.
fn undecided(machine: &Migration) -> String {
    let definition = machine.definition();
    let calls = machine.evidence().calls(Arm::New);
    let promotes = definition.plan.step(machine.step_index() + 1).share > Share::HALF;
    let (before_back, before_all) =
        (definition.min_calls_rollback.saturating_sub(calls), definition.min_calls_promotion.saturating_sub(calls));
    match machine.evidence().verdict() {
        Verdict::Worse if before_back > 0 => {
            format!("a guard is beyond its limit; nothing follows before {before_back} more calls on the new side")
        }
        Verdict::Undecided | Verdict::BetterOrEqual if promotes && before_all > 0 => {
            format!("before everything moves it wants {before_all} more calls on the new side")
        }
        _ => "the guards have not decided yet".to_owned(),
    }
}

fn percent(share: Share) -> f64 {
    f64::from(share.millionths()) / 10_000.0
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
