//! One guard and what is known for it.
//!
//! The kinds of metric differ only in what is counted and which claim is tested, so each is one row of [`Test`].

use super::Verdict;
use super::gap::{Gap, Scale};
use super::pairing::{Pair, Pairing};
use super::spread::Spread;
use super::wager::{fewer_than, more_than};
use crate::assign::Arm;
use crate::metric::{Guard, Limit, Observation, Sort};
use crate::reading::{Amount, Reading};
use serde::{Deserialize, Serialize};

/// Blocks from which the largest mean that counts is learned, before any of them is evidence.
const WARM_UP: u32 = 20;
/// How many times the mean of the first blocks a single value counts at most. Costs have no upper bound and a wager needs
/// one; one value of more than this would otherwise decide everything.
const CAP: f64 = 10.0;
/// How much of the chance of error is spent on false alarms: a bad target is to be left soon, while a good one may wait to
/// be certain. An interval's two ends together keep to the confidence asked for.
const ALARMS: f64 = 0.8;
/// The same for a guard without a margin: that two sides are exactly equal can never be shown, so there is next to nothing
/// for the other end to say.
const ALARMS_WITHOUT_MARGIN: f64 = 0.98;
/// How finely the bounds of one proportion are told.
const PROPORTION_STEP: f64 = 1e-4;

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Count {
    calls: u64,
    hits: f64,
}

impl Count {
    fn add(&mut self, value: f64) {
        self.calls += 1;
        self.hits += value;
    }

    fn share(self) -> Option<f64> {
        (self.calls > 0).then(|| self.hits / self.calls as f64)
    }
}

/// What a claim is tested with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Test {
    /// A share is at most so much more than the old side's.
    ShareIncrease { open: Pairing, gap: Gap },
    /// A share is at most this.
    ShareMax { old: Count, new: Count },
    /// A quantile is at most so many times the old side's.
    TimeIncrease { open: Pairing, old: Spread, new: Spread },
    /// A quantile is at most this.
    TimeMax { old: Spread, new: Spread },
    /// A mean is at most so many times the old side's.
    MeanIncrease { open: Pairing, gap: Gap, warm: u32, sum: f64, cap: Option<f64> },
    /// A mean is at most this. The gap compares with the limit itself.
    MeanMax { old: Count, gap: Gap },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    guard: Guard,
    /// How many guards share the chance of a false alarm.
    together: usize,
    old_calls: u64,
    new_calls: u64,
    test: Test,
    verdict: Verdict,
}

impl Watch {
    pub(super) fn new(guard: Guard, together: usize) -> Self {
        let open = Pairing::default();
        let test = match (guard.metric.sort(), guard.limit) {
            (Sort::Proportion, Limit::MaxIncrease(by)) => {
                Test::ShareIncrease { open, gap: Gap::new(Scale::Difference, by) }
            }
            (Sort::Proportion, Limit::Max(_)) => Test::ShareMax { old: Count::default(), new: Count::default() },
            (Sort::Time(_), Limit::MaxIncrease(_)) => {
                Test::TimeIncrease { open, old: Spread::default(), new: Spread::default() }
            }
            (Sort::Time(_), Limit::Max(_)) => Test::TimeMax { old: Spread::default(), new: Spread::default() },
            (Sort::Mean, Limit::MaxIncrease(by)) => {
                Test::MeanIncrease { open, gap: Gap::new(Scale::Ratio, 1.0 + by), warm: 0, sum: 0.0, cap: None }
            }
            (Sort::Mean, Limit::Max(_)) => Test::MeanMax { old: Count::default(), gap: Gap::new(Scale::Ratio, 1.0) },
        };
        Self { guard, together: together.max(1), old_calls: 0, new_calls: 0, test, verdict: Verdict::Undecided }
    }

    pub(super) const fn guard(&self) -> Guard {
        self.guard
    }

    pub(super) fn observe(&mut self, arm: Arm, seen: &Observation) {
        let Some(value) = self.guard.metric.of(seen) else { return };
        match arm {
            Arm::Old => self.old_calls += 1,
            Arm::New => self.new_calls += 1,
        }
        if self.add(arm, value) {
            self.verdict = self.judged();
        }
    }

    /// Whether there is something new to be judged.
    fn add(&mut self, arm: Arm, value: f64) -> bool {
        let new_side = arm == Arm::New;
        match &mut self.test {
            Test::ShareIncrease { open, gap } => open.add(arm, value).map(|pair| gap.add(pair)).is_some(),
            Test::ShareMax { old, new } => {
                if new_side {
                    new.add(value)
                } else {
                    old.add(value)
                }
                new_side
            }
            Test::TimeIncrease { open, old, new } => {
                // One call of each side for each group, so that both sides' times stem from the same hours.
                let Some(pair) = open.add(arm, value) else { return false };
                old.add(pair.one_old);
                new.add(pair.new);
                new.has_grown()
            }
            Test::TimeMax { old, new } => {
                if new_side {
                    new.add(value)
                } else {
                    old.add(value)
                }
                new_side && new.has_grown()
            }
            Test::MeanIncrease { open, gap, warm, sum, cap } => {
                let capped = cap.map_or(value, |cap| (value / cap).min(1.0));
                let Some(pair) = open.add(arm, capped) else { return false };
                if cap.is_some() {
                    gap.add(pair);
                    return true;
                }
                *warm += 1;
                *sum += pair.old.max(pair.new);
                if *warm >= WARM_UP && *sum > 0.0 {
                    *cap = Some(CAP * *sum / f64::from(*warm));
                    // What waits is not measured by the cap.
                    *open = Pairing::default();
                }
                false
            }
            Test::MeanMax { old, gap } => {
                let Limit::Max(most) = self.guard.limit else { return false };
                if new_side {
                    let new = (value / (CAP * most)).min(1.0);
                    gap.add(Pair { old: 1.0 / CAP, new, one_old: 1.0 / CAP });
                } else {
                    old.add(value);
                }
                new_side
            }
        }
    }

    /// The part of the chance of error that is for alarms.
    fn alarms(&self) -> f64 {
        if self.guard.limit == Limit::MaxIncrease(0.0) { ALARMS_WITHOUT_MARGIN } else { ALARMS }
    }

    /// The chance that this guard ever speaks of worse without reason.
    fn alarm(&self) -> f64 {
        let error = 1.0 - self.guard.confidence;
        (error / self.together as f64).min(self.alarms() * error)
    }

    /// The chance that it ever speaks of good without reason.
    fn pass(&self) -> f64 {
        (1.0 - self.alarms()) * (1.0 - self.guard.confidence)
    }

    pub(super) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn judged(&self) -> Verdict {
        let (alarm, pass) = (self.alarm(), self.pass());
        let (worse, good) = match (&self.test, self.guard.limit) {
            (Test::ShareIncrease { gap, .. }, Limit::MaxIncrease(by)) => {
                (gap.is_above(by, alarm), gap.is_below(by, pass))
            }
            (Test::ShareMax { new, .. }, Limit::Max(most)) => {
                (more_than(most, new.hits, new.calls as f64, alarm), fewer_than(most, new.hits, new.calls as f64, pass))
            }
            (Test::MeanIncrease { gap, .. }, Limit::MaxIncrease(by)) => {
                (gap.is_above(1.0 + by, alarm), gap.is_below(1.0 + by, pass))
            }
            (Test::MeanMax { gap, .. }, _) => (gap.is_above(1.0, alarm), gap.is_below(1.0, pass)),
            (_, Limit::MaxIncrease(limit) | Limit::Max(limit)) => {
                let (low, high) = self.interval();
                (low.is_some_and(|low| low > limit), high.is_some_and(|high| high <= limit))
            }
        };
        match (worse, good) {
            (true, false) => Verdict::Worse,
            (false, true) => Verdict::BetterOrEqual,
            // Both only where the truth has changed meanwhile; then nothing is certain of now.
            _ => Verdict::Undecided,
        }
    }

    /// The bounds of what the limit concerns: a difference, a relative change, or a value.
    fn interval(&self) -> (Option<f64>, Option<f64>) {
        let (alarm, pass) = (self.alarm(), self.pass());
        let shifted = |(low, high): (Option<f64>, Option<f64>)| (low.map(|low| low - 1.0), high.map(|high| high - 1.0));
        match (&self.test, self.guard.metric.sort(), self.guard.limit) {
            (Test::ShareIncrease { gap, .. }, ..) => gap.interval(alarm, pass),
            (Test::MeanIncrease { gap, .. }, ..) => shifted(gap.interval(alarm, pass)),
            (Test::MeanMax { gap, .. }, _, Limit::Max(most)) => {
                let (low, high) = gap.interval(alarm, pass);
                (low.map(|low| low * most), high.map(|high| high * most))
            }
            (Test::ShareMax { new, .. }, ..) => {
                let n = new.calls as f64;
                let low = highest(|at| more_than(at, new.hits, n, alarm));
                let high = highest(|at| fewer_than(1.0 - at, new.hits, n, pass)).map(|at| 1.0 - at);
                (low, high)
            }
            (Test::TimeMax { new, .. }, Sort::Time(percentile), _) => new.bounds(percentile.quantile(), alarm, pass),
            (Test::TimeIncrease { old, new, .. }, Sort::Time(percentile), _) => {
                // Either bound can be wrong on either side, so each side gets half of the chance.
                let q = percentile.quantile();
                let (new_low, new_high) = new.bounds(q, alarm / 2.0, pass / 2.0);
                let (old_low, old_high) = old.bounds(q, pass / 2.0, alarm / 2.0);
                let ratio = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a / b - 1.0);
                (ratio(new_low, old_high), ratio(new_high, old_low))
            }
            _ => (None, None),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        let (old, new) = self.values();
        let (low, high) = self.interval();
        let change = match self.guard.limit {
            Limit::Max(_) => None,
            Limit::MaxIncrease(_) if self.guard.metric.sort() == Sort::Proportion => {
                old.zip(new).map(|(old, new)| new - old)
            }
            Limit::MaxIncrease(_) => old.zip(new).filter(|(old, _)| *old > 0.0).map(|(old, new)| new / old - 1.0),
        };
        Reading {
            guard: self.guard,
            amount: Amount::of(self.guard.metric),
            old_calls: self.old_calls,
            new_calls: self.new_calls,
            old,
            new,
            change,
            low,
            high,
            verdict: self.judged(),
        }
    }

    /// What each side is like, as far as known: over the same blocks where they are compared with each other.
    fn values(&self) -> (Option<f64>, Option<f64>) {
        let q = match self.guard.metric.sort() {
            Sort::Time(percentile) => percentile.quantile(),
            Sort::Proportion | Sort::Mean => 0.5,
        };
        match (&self.test, self.guard.limit) {
            (Test::ShareIncrease { gap, .. }, _) => gap.means().unzip(),
            (Test::MeanIncrease { gap, cap, .. }, _) => {
                let scale = cap.unwrap_or(1.0);
                gap.means().map(|(old, new)| (old * scale, new * scale)).unzip()
            }
            (Test::MeanMax { old, gap }, Limit::Max(most)) => {
                (old.share(), gap.means().map(|(_, new)| new * CAP * most))
            }
            (Test::MeanMax { .. }, Limit::MaxIncrease(_)) => (None, None),
            (Test::ShareMax { old, new }, _) => (old.share(), new.share()),
            (Test::TimeMax { old, new } | Test::TimeIncrease { old, new, .. }, _) => (old.quantile(q), new.quantile(q)),
        }
    }
}

/// The highest share of which this is true, where it is true of all below; `None` when of none.
fn highest(is_true: impl Fn(f64) -> bool) -> Option<f64> {
    let steps = (1.0 / PROPORTION_STEP) as u32;
    let (mut low, mut high) = (0, steps);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if is_true(f64::from(middle) * PROPORTION_STEP) { low = middle } else { high = middle }
    }
    (low > 0).then(|| f64::from(low) * PROPORTION_STEP)
}
