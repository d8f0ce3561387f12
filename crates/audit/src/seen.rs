//! What a search has seen: which calls were let through and when, and when one was refused.
//!
//! A limit by the minute is read off a stretch in which calls were asked for until refused, all along:
//!
//! - A **bucket** refills evenly, so its pace is what it lets through from one call to another, if both were let through
//!   as soon as there was room: shortly after a refusal, and without being held up on the way. Then neither how full the
//!   bucket was matters nor how evenly it was asked, on a machine that stands still for a while either.
//! - A **window** lets nothing through until it is over, and then what it let through in the minute up to a refusal is the
//!   limit.
//!
//! Which of both it is shows sooner than after a minute when more is let through in the minute up to now than in the one
//! up to the first refusal: no window does that.

use std::time::Duration;

/// So much a minute, or in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pace {
    pub(crate) calls: f64,
    pub(crate) tokens: f64,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Calls,
    Tokens,
}

impl Pace {
    pub(crate) const fn of(self, unit: Unit) -> f64 {
        match unit {
            Unit::Calls => self.calls,
            Unit::Tokens => self.tokens,
        }
    }

    fn times(self, factor: f64) -> Self {
        Self { calls: self.calls * factor, tokens: self.tokens * factor }
    }
}

#[derive(Debug, Clone, Copy)]
struct Event {
    /// Seconds since the search began.
    at: f64,
    /// Tokens of a call that was let through, and how long it took.
    passed: Option<(u64, f64)>,
}

/// Events in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<Event>);

const MINUTE: f64 = 60.0;
/// After so long what was let through before the first refusal has come again where a window is what limits, so that no
/// window looks as if it refilled evenly.
const ECHOED: f64 = 75.0;
/// Calls let through that tell a pace where a whole minute has been seen, where less has, and where little has.
const FEW: usize = 5;
const ENOUGH: usize = 12;
const PLENTY: usize = 60;
/// How far off a pace may be for the calls at its ends having been late.
const LATE: f64 = 0.04;
/// Amounts that differ by less are the same.
const ALIKE: f64 = 0.1;

impl Seen {
    pub(crate) fn passed(&mut self, at: f64, took: f64, tokens: u64) {
        self.add(Event { at, passed: Some((tokens, took)) });
    }

    pub(crate) fn refused(&mut self, at: f64) {
        self.add(Event { at, passed: None });
    }

    fn add(&mut self, event: Event) {
        let place = self.0.partition_point(|other| other.at <= event.at);
        self.0.insert(place, event);
    }

    /// Events after `from` and until `to`.
    fn stretch(&self, from: f64, to: f64) -> &[Event] {
        let place = |time: f64| self.0.partition_point(|event| event.at <= time);
        self.0.get(place(from)..place(to)).unwrap_or_default()
    }

    /// What was let through after `from` and until `to`.
    pub(crate) fn through(&self, from: f64, to: f64) -> Pace {
        sum(self.stretch(from, to).iter().filter_map(|event| event.passed.map(|(tokens, _)| tokens)))
    }

    /// What a limit lets through in a minute, if what was seen from the refusal at `since` on tells. Calls asked for after
    /// `until` may not have been answered.
    pub(crate) fn pace(&self, since: f64, until: f64, unit: Unit, watch: Duration) -> Option<Pace> {
        let refusal = self.stretch(since, until).iter().rev().find(|event| event.passed.is_none())?.at;
        let watched = refusal - since;
        let watch = watch.as_secs_f64();
        if watched < watch / 3.0 {
            return None;
        }
        let enough = if watched < watch { PLENTY } else { ENOUGH };
        let [before, now] = [since, refusal].map(|end| self.through(end - MINUTE, end));
        let [was, is] = [before, now].map(|pace| pace.of(unit));
        if let Some((pace, calls)) = self.steady(since, refusal)
            && (watched >= ECHOED || calls >= enough && is > was * (1.0 + ALIKE))
        {
            return Some(pace);
        }
        // Where both minutes differ, the earlier one was another limit's, or two windows that touch.
        let alike = (is - was).abs() <= was * ALIKE;
        (is > 0.0 && (watched >= MINUTE && alike || watched >= 2.0 * MINUTE)).then_some(now)
    }

    /// The pace of what refills, and of how many calls it is known: `None` where it is not even, or not known well enough.
    pub(crate) fn steady(&self, since: f64, until: f64) -> Option<(Pace, usize)> {
        let stretch = self.stretch(since, until);
        let shortest = stretch.iter().filter_map(|event| event.passed).map(|(_, took)| took).fold(f64::MAX, f64::min);
        let mut refusal = since;
        let mut passed = Vec::new();
        for event in stretch {
            match event.passed {
                // One that took longer than another may have arrived as much later.
                Some((tokens, took)) => passed.push((event.at, event.at - refusal + took - shortest, tokens)),
                None => refusal = event.at,
            }
        }
        let quarter = (until - since) / 4.0;
        let promptest = |from: f64, to: f64| {
            let within = passed.iter().enumerate().filter(|(_, (at, ..))| (from..=to).contains(at));
            within.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map(|(place, (at, late, _))| (place, *at, *late))
        };
        let (first, from, late) = promptest(since, since + quarter)?;
        let (last, to, later) = promptest(until - quarter, until)?;
        let counted = passed.get(first + 1..=last)?;
        let seconds = to - from;
        let mut quarters = [0_usize; 4];
        for (at, ..) in counted {
            if let Some(quarter) = quarters.get_mut((((at - from) / seconds * 4.0) as usize).min(3)) {
                *quarter += 1;
            }
        }
        let mean = counted.len() as f64 / 4.0;
        let even = quarters.iter().all(|count| (*count as f64 - mean).abs() <= (mean / 2.0).max(1.0));
        let known = counted.len() >= FEW && late + later <= LATE * seconds;
        let pace = sum(counted.iter().map(|(.., tokens)| *tokens)).times(MINUTE / seconds);
        (even && known).then_some((pace, counted.len()))
    }
}

fn sum(tokens: impl Iterator<Item = u64>) -> Pace {
    tokens.fold(Pace::default(), |sum, tokens| Pace { calls: sum.calls + 1.0, tokens: sum.tokens + tokens as f64 })
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
