//! A migration under way: what it is doing, and what may follow.
//!
//! Everything is one value that can be written down and read again. Whoever holds it hands it calls and the time, and
//! acts on what it says; after a restart it goes on at the same step, with the same callers on the same sides.
//!
//! What it promises:
//! - **Back is always possible and at once**: [`Migration::rollback`] works in every phase in which traffic has moved, and
//!   needs nothing to be decided.
//! - **Forward is never by accident**: a step lasts as long as it says, has the calls it says, and is left by itself only
//!   when every guard says better or equal (or [`OnInconclusive::Advance`] says that undecided will do).
//! - **It stays back** until a person starts it again, also over restarts and reloads.
//! - **Two starts are one**: starting what is under way changes nothing and says so.

use crate::assign::{Arm, Seed};
use crate::definition::{Definition, OnBreach, OnInconclusive};
use crate::evidence::{Evidence, Verdict};
use crate::history::{Action, Entry, History, ITSELF, Moment};
use crate::metric::Observation;
use crate::plan::Step;
use crate::share::Share;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a migration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not begun; no traffic has moved.
    Idle,
    /// At a step, and going on by itself.
    Running,
    /// At the end of a step, until a person approves.
    AwaitingApproval,
    /// At a step, until a person resumes.
    Paused,
    /// All traffic is back on the old side, until a person starts it again.
    RolledBack,
    /// All traffic is on the new side; it is over.
    Promoted,
}

impl Phase {
    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Paused => "paused",
            Self::RolledBack => "rolled_back",
            Self::Promoted => "promoted",
        }
    }

    /// Whether traffic is divided by steps.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::AwaitingApproval | Self::Paused)
    }
}

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It began.
    Now,
    /// It was under way already, and nothing changed.
    Already,
}

/// Why something cannot be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only what is under way can be advanced, paused or promoted.
    #[error("the migration is {}, not under way", words(*phase))]
    NotUnderWay {
        /// What it is.
        phase: Phase,
    },
    /// Only what is paused can be resumed.
    #[error("the migration is {}, not paused", words(*phase))]
    NotPaused {
        /// What it is.
        phase: Phase,
    },
    /// It is over.
    #[error("the migration is over: all traffic has moved; define a new one, or roll it back first")]
    Over,
    /// Nothing has moved that could go back.
    #[error("no traffic has moved, so nothing can go back")]
    NothingMoved,
    /// The kill switch is set.
    #[error("the kill switch is set by {0}; lift it there first")]
    Killed(&'static str),
    /// A guard says worse, and whoever wants to go on must say that he knows.
    #[error("a guard says that the new side is worse ({0}); say `--in-spite` (`in_spite=true`) to go on all the same")]
    Worse(String),
}

/// A phase as it stands in a sentence.
fn words(phase: Phase) -> String {
    phase.as_str().replace('_', " ")
}

/// What sets a kill switch besides a person: read at start and on every reload, and not part of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KillSwitch {
    /// The configuration says so.
    pub configuration: bool,
    /// An environment variable says so.
    pub environment: bool,
}

impl KillSwitch {
    /// Who says so.
    #[must_use]
    pub const fn set_by(self) -> Option<&'static str> {
        match self {
            Self { environment: true, .. } => Some("an environment variable"),
            Self { configuration: true, .. } => Some("the configuration"),
            _ => None,
        }
    }
}

/// A migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    definition: Definition,
    seed: Seed,
    phase: Phase,
    /// How often it has been started.
    run: u32,
    step: usize,
    /// How long it has been running at this step until `since`.
    held: Duration,
    /// Since when it has been running without a break; `None` while it is not.
    since: Option<Moment>,
    /// Calls of the new side in this step.
    step_calls: u64,
    evidence: Evidence,
    history: History,
    /// That it has been said at this step that it is held, or what a guard says.
    said: bool,
    #[serde(skip)]
    kill: KillSwitch,
}

impl Migration {
    /// A migration that has not begun. The seed decides who goes first, for good: draw it once.
    #[must_use]
    pub fn new(definition: Definition, seed: Seed) -> Self {
        let evidence = Evidence::new(&definition.guards);
        Self {
            definition,
            seed,
            phase: Phase::Idle,
            run: 0,
            step: 0,
            held: Duration::ZERO,
            since: None,
            step_calls: 0,
            evidence,
            history: History::default(),
            said: false,
            kill: KillSwitch::default(),
        }
    }

    /// Goes on under a definition that may have changed since this was kept, such as after a restart or a reload. The time
    /// in between, in which nothing ran, does not count as time at the step. With other sides it is another migration: not
    /// begun, with `seed`, its history kept. With other steps it stands where nobody moves back; with other guards they
    /// begin anew.
    #[must_use]
    pub fn adopt(mut self, definition: Definition, seed: Seed, now: Moment) -> Self {
        if !self.definition.is_same_move(&definition) {
            let mut fresh = Self::new(definition, seed);
            fresh.history = self.history;
            fresh.note(now, ITSELF, Action::Redefined, "its sides were changed, so it is another migration".to_owned());
            return fresh;
        }
        let share = self.share();
        if self.definition.plan != definition.plan && self.phase.is_under_way() {
            self.step = definition.plan.standing_at(share);
        }
        if self.definition.guards != definition.guards {
            self.evidence = Evidence::new(&definition.guards);
        }
        let changed = self.definition != definition;
        self.definition = definition;
        self.since = (self.phase == Phase::Running).then_some(now);
        if changed {
            self.note(now, ITSELF, Action::Redefined, "its configuration was changed".to_owned());
        }
        self
    }

    /// Counts the time at the step up to now, so that what is written down after this is complete.
    pub fn checkpoint(&mut self, now: Moment) {
        if self.since.is_some() {
            self.held = self.held_until(now);
            self.since = Some(now);
        }
    }

    /// Begins, or begins again after a rollback: with the same seed and so the same callers first.
    ///
    /// # Errors
    /// When it is over, or the kill switch is set.
    pub fn start(&mut self, now: Moment, who: &str, why: &str) -> Result<Started, Refused> {
        if self.phase.is_under_way() {
            return Ok(Started::Already);
        }
        if let Some(by) = self.kill.set_by() {
            return Err(Refused::Killed(by));
        }
        if self.phase == Phase::Promoted {
            return Err(Refused::Over);
        }
        self.run += 1;
        self.evidence = Evidence::new(&self.definition.guards);
        self.enter(0, now);
        self.note(now, who, Action::Started, why.to_owned());
        Ok(Started::Now)
    }

    /// Begins because the configuration says so: only what has never begun. What was rolled back stays back.
    pub fn start_unasked(&mut self, now: Moment) -> Started {
        if self.phase != Phase::Idle {
            return Started::Already;
        }
        self.start(now, ITSELF, "the configuration starts it").unwrap_or(Started::Already)
    }

    /// Goes on to the next step now, or approves it.
    ///
    /// # Errors
    /// When it is not under way, or a guard says worse and `in_spite` does not say that this is known.
    pub fn advance(&mut self, now: Moment, who: &str, why: &str, in_spite: bool) -> Result<(), Refused> {
        self.may_go_on(in_spite)?;
        self.go_on(now, who, why.to_owned());
        Ok(())
    }

    /// Moves all traffic now.
    ///
    /// # Errors
    /// As [`Migration::advance`].
    pub fn promote(&mut self, now: Moment, who: &str, why: &str, in_spite: bool) -> Result<(), Refused> {
        self.may_go_on(in_spite)?;
        self.finish(now, who, why.to_owned());
        Ok(())
    }

    /// Stays at this step until resumed; the traffic stays where it is. Guards still send it back when told to.
    ///
    /// # Errors
    /// When it is not under way.
    pub fn pause(&mut self, now: Moment, who: &str, why: &str) -> Result<(), Refused> {
        match self.phase {
            Phase::Paused => Ok(()),
            Phase::Running | Phase::AwaitingApproval => {
                self.stop_clock(now, Phase::Paused);
                self.note(now, who, Action::Paused, why.to_owned());
                Ok(())
            }
            phase => Err(Refused::NotUnderWay { phase }),
        }
    }

    /// Goes on with the step it was paused at.
    ///
    /// # Errors
    /// When it is not paused.
    pub fn resume(&mut self, now: Moment, who: &str, why: &str) -> Result<(), Refused> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Paused => {
                self.phase = Phase::Running;
                self.since = Some(now);
                self.said = false;
                self.note(now, who, Action::Resumed, why.to_owned());
                Ok(())
            }
            phase => Err(Refused::NotPaused { phase }),
        }
    }

    /// Sends all traffic back.
    ///
    /// # Errors
    /// When none has moved.
    pub fn rollback(&mut self, now: Moment, who: &str, why: &str) -> Result<(), Refused> {
        match self.phase {
            Phase::RolledBack => Ok(()),
            Phase::Idle => Err(Refused::NothingMoved),
            Phase::Running | Phase::AwaitingApproval | Phase::Paused | Phase::Promoted => {
                self.stop_clock(now, Phase::RolledBack);
                self.note(now, who, Action::RolledBack, why.to_owned());
                Ok(())
            }
        }
    }

    /// What the configuration and the environment say about stopping. Set, all traffic goes back and stays back; lifted,
    /// nothing starts again by itself.
    pub fn set_kill_switch(&mut self, kill: KillSwitch, now: Moment) {
        self.kill = kill;
        if let Some(by) = kill.set_by() {
            // Refused only where nothing has moved.
            let _ = self.rollback(now, ITSELF, &format!("the kill switch was set by {by}"));
        }
    }

    /// Adds a call of one side.
    pub fn observe(&mut self, arm: Arm, seen: &Observation) {
        if self.phase.is_under_way() {
            self.evidence.observe(arm, seen);
            self.step_calls += u64::from(arm == Arm::New);
        }
    }

    /// Does what is due: back when a guard says so, on when a step is over. To be called after calls and every second or
    /// so; what was done, if anything.
    pub fn tick(&mut self, now: Moment) -> Option<&Entry> {
        if self.phase.is_under_way() && self.act(now) { self.history.last() } else { None }
    }

    /// The side of `unit` now.
    #[must_use]
    pub fn arm(&self, unit: &[u8]) -> Arm {
        self.seed.arm(unit, self.share())
    }

    /// The share of the new side now.
    #[must_use]
    pub fn share(&self) -> Share {
        match self.phase {
            Phase::Idle | Phase::RolledBack => Share::NONE,
            Phase::Running | Phase::AwaitingApproval | Phase::Paused => self.step().share,
            Phase::Promoted => Share::ALL,
        }
    }

    /// What it was told to do.
    #[must_use]
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What its assignment is worked out from.
    #[must_use]
    pub const fn seed(&self) -> Seed {
        self.seed
    }

    /// What it is doing.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// How often it has been started.
    #[must_use]
    pub const fn run(&self) -> u32 {
        self.run
    }

    /// The number of the step it stands at, from 0.
    #[must_use]
    pub const fn step_index(&self) -> usize {
        self.step
    }

    /// The step it stands at.
    #[must_use]
    pub fn step(&self) -> Step {
        self.definition.plan.step(self.step)
    }

    /// Calls of the new side in this step.
    #[must_use]
    pub const fn step_calls(&self) -> u64 {
        self.step_calls
    }

    /// How long it has been running at this step.
    #[must_use]
    pub fn held_until(&self, now: Moment) -> Duration {
        let running = self.since.map_or(0, |since| now.0.saturating_sub(since.0));
        self.held.saturating_add(Duration::from_millis(running))
    }

    /// What is known of its two sides.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What has happened.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    fn act(&mut self, now: Moment) -> bool {
        let verdict = self.evidence.verdict();
        if verdict == Verdict::Worse && self.evidence.calls(Arm::New) >= self.definition.min_calls_rollback {
            return self.breach(now);
        }
        let step = self.step();
        let last = self.step >= self.definition.plan.last();
        let due =
            self.phase == Phase::Running && self.held_until(now) >= step.hold && self.step_calls >= step.min_calls;
        if !due {
            return false;
        }
        if last {
            self.finish(now, ITSELF, "the last step is over".to_owned());
            return true;
        }
        let promotes = self.definition.plan.step(self.step + 1).share > Share::HALF;
        if promotes && self.evidence.calls(Arm::New) < self.definition.min_calls_promotion {
            return false;
        }
        match (verdict, self.definition.on_inconclusive) {
            _ if self.definition.guards.is_empty() => {}
            (Verdict::BetterOrEqual, _) | (Verdict::Undecided, OnInconclusive::Advance) => {}
            (Verdict::Undecided, OnInconclusive::Rollback) => {
                let why = self.spoken(Verdict::Undecided);
                self.stop_clock(now, Phase::RolledBack);
                self.note(now, ITSELF, Action::RolledBack, why);
                return true;
            }
            (Verdict::Undecided | Verdict::Worse, _) => return self.say(now, Action::Held, verdict),
        }
        if step.approval {
            self.stop_clock(now, Phase::AwaitingApproval);
            let why = format!("the step of {} is over and the next one needs approval", step.share);
            self.note(now, ITSELF, Action::AwaitsApproval, why);
            return true;
        }
        let why = match self.definition.guards.len() {
            0 => format!("the step of {} is over", step.share),
            _ if verdict == Verdict::BetterOrEqual => {
                format!("the step of {} is over and all guards are within their limits", step.share)
            }
            _ => format!("the step of {} is over and no guard is beyond its limit", step.share),
        };
        self.go_on(now, ITSELF, why);
        true
    }

    fn may_go_on(&self, in_spite: bool) -> Result<(), Refused> {
        if self.phase == Phase::Promoted {
            return Err(Refused::Over);
        }
        if !self.phase.is_under_way() {
            return Err(Refused::NotUnderWay { phase: self.phase });
        }
        if self.evidence.verdict() == Verdict::Worse && !in_spite {
            return Err(Refused::Worse(self.spoken(Verdict::Worse)));
        }
        Ok(())
    }

    fn go_on(&mut self, now: Moment, who: &str, why: String) {
        if self.step >= self.definition.plan.last() {
            self.finish(now, who, why);
            return;
        }
        self.enter(self.step + 1, now);
        self.note(now, who, Action::Advanced, why);
    }

    fn finish(&mut self, now: Moment, who: &str, why: String) {
        self.step = self.definition.plan.last();
        self.stop_clock(now, Phase::Promoted);
        self.note(now, who, Action::Promoted, why);
    }

    fn enter(&mut self, step: usize, now: Moment) {
        self.step = step;
        self.phase = Phase::Running;
        self.held = Duration::ZERO;
        self.since = Some(now);
        self.step_calls = 0;
        self.said = false;
    }

    fn stop_clock(&mut self, now: Moment, phase: Phase) {
        self.held = self.held_until(now);
        self.since = None;
        self.phase = phase;
    }

    fn breach(&mut self, now: Moment) -> bool {
        let why = self.spoken(Verdict::Worse);
        match self.definition.on_breach {
            OnBreach::Rollback => {
                self.stop_clock(now, Phase::RolledBack);
                self.note(now, ITSELF, Action::RolledBack, why);
                true
            }
            OnBreach::Pause if self.phase != Phase::Paused => {
                self.stop_clock(now, Phase::Paused);
                self.note(now, ITSELF, Action::Paused, why);
                true
            }
            OnBreach::Alert => self.say(now, Action::Alerted, Verdict::Worse),
            OnBreach::Pause => false,
        }
    }

    /// Says something once a step.
    fn say(&mut self, now: Moment, action: Action, verdict: Verdict) -> bool {
        if std::mem::replace(&mut self.said, true) {
            return false;
        }
        let why = self.spoken(verdict);
        self.note(now, ITSELF, action, why);
        true
    }

    /// What the first guard with this verdict says.
    fn spoken(&self, verdict: Verdict) -> String {
        let readings = self.evidence.readings();
        readings.iter().find(|reading| reading.verdict == verdict).map(|reading| reading.sentence()).unwrap_or_default()
    }

    fn note(&mut self, now: Moment, who: &str, action: Action, why: String) {
        // Before the first call there is nothing to tell.
        let told = self.evidence.calls(Arm::Old) + self.evidence.calls(Arm::New) > 0;
        let readings = if told { self.evidence.readings() } else { Vec::new() };
        let evidence = readings.iter().map(|reading| reading.sentence()).collect();
        let (step, share, phase) = (self.step, self.share(), self.phase);
        self.history.add(Entry { at: now, who: who.to_owned(), action, why, step, share, phase, evidence })
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
