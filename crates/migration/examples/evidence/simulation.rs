//! Simulated migrations: calls of two sides with known rates, looked at after every one of them.

use sluicegate_migration::{Arm, Evidence, Guard, Observation, Seed, Share, Verdict};
use std::time::Duration;

/// Two sides and who watches them.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// What is watched.
    pub(crate) guards: Vec<Guard>,
    /// Share of the new side.
    pub(crate) share: f64,
    /// Error rate of the old side.
    pub(crate) base: f64,
    /// How much more the new side fails.
    pub(crate) added: f64,
    /// How far both sides' error rate swings together, up and down, over 2,000 calls.
    pub(crate) swing: f64,
    /// How many times as long the new side takes.
    pub(crate) slower: f64,
    /// How many times as much it costs.
    pub(crate) dearer: f64,
    /// Calls of the new side that are looked at.
    pub(crate) calls: u64,
    /// Calls of the new side before which nothing is concluded.
    pub(crate) least: u64,
}

impl World {
    /// A world in which both sides are alike.
    pub(crate) fn alike(guards: Vec<Guard>, share: f64, base: f64) -> Self {
        Self { guards, share, base, added: 0.0, swing: 0.0, slower: 1.0, dearer: 1.0, calls: 1_000, least: 100 }
    }
}

/// How one simulated migration went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Calls of the new side at the first verdict of worse.
    pub(crate) worse: Option<u64>,
    /// And at the first of better or equal.
    pub(crate) good: Option<u64>,
    /// Failed calls of the new side until it ended.
    pub(crate) failed: u64,
}

/// One migration: until it is called worse, or all its calls are over.
pub(crate) fn run(world: &World, seed: u64) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut evidence = Evidence::new(&world.guards);
    let share = Share::percent(world.share).unwrap_or(Share::HALF);
    let mut outcome = Outcome { worse: None, good: None, failed: 0 };
    let mut call = 0_u64;
    while evidence.calls(Arm::New) < world.calls {
        call += 1;
        let arm = Seed(seed).arm(&call.to_le_bytes(), share);
        let new = arm == Arm::New;
        let phase = call as f64 / 2_000.0 * std::f64::consts::TAU;
        let rate = world.base * (1.0 + world.swing * phase.sin()) + if new { world.added } else { 0.0 };
        let failed = random.f64() < rate;
        // Times as providers have them: log-normal, here with a spread of one half around 400 ms; costs likewise.
        let spread = (0.5 * normal(&mut random)).exp();
        let first = 400.0 * spread * if new { world.slower } else { 1.0 };
        let dollars = 0.004 * (0.8 * normal(&mut random)).exp() * if new { world.dearer } else { 1.0 };
        let seen = Observation {
            failed,
            empty: (!failed).then_some(random.f64() < 0.001),
            first_token: (!failed).then(|| Duration::from_secs_f64(first / 1_000.0)),
            cost: (!failed).then(|| sluicegate_vocabulary::Money::from_nanos((dollars * 1e9) as i64)),
            ..Observation::default()
        };
        evidence.observe(arm, &seen);
        outcome.failed += u64::from(new && failed);
        match evidence.verdict() {
            Verdict::Worse if evidence.calls(Arm::New) >= world.least => {
                outcome.worse = Some(evidence.calls(Arm::New));
                return outcome;
            }
            Verdict::BetterOrEqual if outcome.good.is_none() => outcome.good = Some(evidence.calls(Arm::New)),
            _ => {}
        }
    }
    outcome
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}
