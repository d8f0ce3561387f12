//! What an audit has found: one value for programs, and its text for people.

use crate::client::Target;
use crate::conformance::{Check, Finding};
use crate::limits::{Because, Bound, Limits};
use crate::measure::Step;
use serde::Serialize;
use std::fmt::Write as _;

/// How much below a limit that was found the suggestion stays.
const HEADROOM: f64 = 0.9;
/// Cells of the longest bar of a plot.
const BAR: usize = 40;

/// What to write into a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Suggested {
    /// `max_concurrency`.
    pub max_concurrency: Option<u64>,
    /// `requests_per_minute`.
    pub requests_per_minute: Option<u64>,
    /// `tokens_per_minute`.
    pub tokens_per_minute: Option<u64>,
}

/// What was found. Only ever grows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which form this is.
    pub schema: &'static str,
    /// The endpoint.
    pub url: String,
    /// The model that was asked for.
    pub model: String,
    /// Conformance, identity and counts.
    pub checks: Vec<Check>,
    /// Load, step by step.
    pub steps: Vec<Step>,
    /// Limits, where they were sought.
    pub limits: Option<Limits>,
    /// Objectives that did not hold throughout.
    pub missed: Vec<String>,
    /// Calls sent.
    pub calls: u64,
    /// What they cost, in dollars; `None` where the model has no price.
    pub cost_usd: Option<String>,
    /// Whether something was left out for want of room in the allowance.
    pub cut_short: bool,
    /// What to write into a configuration.
    pub suggested: Suggested,
}

impl Report {
    pub(crate) fn new(target: &Target, checks: Vec<Check>) -> Self {
        Self {
            schema: "sluicegate.audit/v1",
            url: target.url.clone(),
            model: target.model.clone(),
            checks,
            steps: Vec::new(),
            limits: None,
            missed: Vec::new(),
            calls: 0,
            cost_usd: None,
            cut_short: false,
            suggested: Suggested::default(),
        }
    }

    /// Checks that came out bad.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.finding == Finding::Bad).count()
    }

    /// Whether all is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed() == 0 && self.missed.is_empty()
    }

    pub(crate) fn suggest(&mut self) {
        let below = |limit: f64| (limit * HEADROOM).floor().max(1.0) as u64;
        if let Some(limits) = self.limits {
            self.suggested = Suggested {
                max_concurrency: limits.concurrency.found().map(|most| most as u64),
                requests_per_minute: limits.requests_per_minute.found().map(below),
                tokens_per_minute: limits.tokens_per_minute.found().map(below),
            };
        }
        // Without a search it may be any limit that refused, and this one is the careful guess.
        if self.limits.is_none() && self.steps.last().is_some_and(|last| last.limited > 0) {
            let clean = self.steps.iter().rev().find(|step| step.limited == 0);
            self.suggested.max_concurrency = clean.and_then(|step| step.concurrency).map(|most| most as u64);
        }
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::from("CONFORMANCE\n");
        for check in &self.checks {
            let _ = writeln!(out, "{} {}", mark(check.finding), check.told);
        }
        if !self.steps.is_empty() {
            let _ = write!(out, "\nLOAD\n{}\n{}", self.table(), self.plot());
        }
        self.rest(&mut out);
        out
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# Audit of {} at {}\n\n## Conformance\n\n", self.model, self.url);
        for check in &self.checks {
            let _ = writeln!(out, "- {} {}", mark(check.finding), check.told);
        }
        if !self.steps.is_empty() {
            let _ = write!(out, "\n## Load\n\n```\n{}\n{}```\n", self.table(), self.plot());
        }
        out.push_str("\n## Findings\n");
        self.rest(&mut out);
        out
    }

    fn table(&self) -> String {
        let mut out = format!(
            "{:>9} {:>6} {:>6} {:>5}   {:>19}   {:>19}   {:>10} {:>8}\n",
            "", "ok", "429", "err", "first token p50/p95", "total p50/p95/p99", "tok/s each", "in all"
        );
        for step in &self.steps {
            let what = match (step.concurrency, step.rate) {
                (Some(at_once), _) => format!("{at_once} at once"),
                (_, Some(rate)) => format!("{rate}/s"),
                _ => String::new(),
            };
            let first = step.first_token.map_or_else(|| "-".to_owned(), |t| format!("{:.0} / {:.0} ms", t.p50, t.p95));
            let total =
                step.total.map_or_else(|| "-".to_owned(), |t| format!("{:.0}/{:.0}/{:.0} ms", t.p50, t.p95, t.p99));
            let each = step.tokens_per_second_each.map_or_else(|| "-".to_owned(), |each| format!("{each:.0}"));
            let _ = writeln!(
                out,
                "{what:>9} {:>6} {:>6} {:>5}   {first:>19}   {total:>19}   {each:>10} {:>8.0}",
                step.ok,
                step.limited,
                step.failed(),
                step.tokens_per_second
            );
        }
        out
    }

    /// First token by step, as bars: half of the calls, and 95 of 100.
    fn plot(&self) -> String {
        let most = self.steps.iter().filter_map(|step| step.first_token).map(|times| times.p95).fold(0.0, f64::max);
        if most <= 0.0 {
            return String::new();
        }
        let cells = |ms: f64| ((ms / most * BAR as f64).round() as usize).clamp(1, BAR);
        let mut out = String::from("first token: █ half of the calls  ░ 95 of 100\n");
        for step in &self.steps {
            let Some(times) = step.first_token else { continue };
            let what =
                step.concurrency.map_or_else(|| format!("{}/s", step.rate.unwrap_or_default()), |c| c.to_string());
            let (half, rest) = (cells(times.p50), cells(times.p95).saturating_sub(cells(times.p50)));
            let _ = writeln!(out, "{what:>9} {}{} {:.0} ms", "█".repeat(half), "░".repeat(rest), times.p95);
        }
        out
    }

    fn rest(&self, out: &mut String) {
        out.push('\n');
        if let Some(times) = self.steps.first().and_then(|step| step.first_token.zip(step.tokens_per_second_each)) {
            let _ = writeln!(out, "One user:  first token in {:.0} ms, then {:.0} tokens/s.", times.0.p50, times.1);
        }
        let peak = self.steps.iter().map(|step| step.calls_per_second).fold(0.0, f64::max);
        if peak > 0.0 {
            let _ = writeln!(out, "Peak:      {peak:.1} calls/s answered.");
        }
        if let Some(limits) = &self.limits {
            out.push_str(&told(limits));
        }
        let Suggested { max_concurrency, requests_per_minute, tokens_per_minute } = self.suggested;
        let lines = [
            ("max_concurrency", max_concurrency),
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
        ];
        let suggested: Vec<String> =
            lines.iter().filter_map(|(name, value)| value.map(|value| format!("{name}: {value}"))).collect();
        if !suggested.is_empty() {
            let _ = writeln!(out, "Suggested: {}", suggested.join(", "));
        }
        if !self.missed.is_empty() {
            let _ = writeln!(out, "Missed:    {}", self.missed.join(", "));
        }
        let cost = self.cost_usd.as_ref().map_or_else(|| "no price known".to_owned(), |cost| format!("${cost}"));
        let _ = writeln!(
            out,
            "Sent:      {} calls, {cost}{}",
            self.calls,
            if self.cut_short { "; cut short by the allowance" } else { "" }
        );
    }
}

/// The limits that were found in one line, and each that was not in one of its own with what was in the way.
fn told(limits: &Limits) -> String {
    let because = limits.because;
    let all = [
        (limits.concurrency, "at once", "calls at once", because.concurrency),
        (limits.requests_per_minute, "calls/min", "calls a minute", because.requests_per_minute),
        (limits.tokens_per_minute, "tokens/min", "tokens a minute", because.tokens_per_minute),
    ];
    let found = |(bound, unit, ..): &(Bound, &str, &str, _)| Some(format!("{} {unit}", rounded(bound.found()?)));
    let found: Vec<String> = all.iter().filter_map(found).collect();
    let mut out =
        format!("Limits:    {}\n", if found.is_empty() { "none found".to_owned() } else { found.join(" · ") });
    for (bound, _, what, because) in all {
        let why = because.map_or("", told_reason);
        let _ = match bound {
            Bound::At(_) => Ok(()),
            Bound::NoneUpTo(seen) => {
                writeln!(out, "Not found: a limit on {what}; none below {}{why}", shortened(seen, f64::floor))
            }
            Bound::Unknown => writeln!(out, "Not found: a limit on {what}{why}"),
        };
    }
    out
}

const fn told_reason(because: Because) -> &'static str {
    match because {
        Because::Minute => ", as a limit by the minute refuses larger bursts",
        Because::Refused => ", as every call was refused, also after a wait of a minute",
        Because::Concurrency => ", as the limit on calls at once lets no more through in a minute",
        Because::Requests => ", as the limit on calls a minute is reached first",
        Because::Tokens => ", as the limit on tokens a minute is reached first",
        Because::Quick => ", as answers end too soon for more of them to be under way together",
        Because::Allowance => ", as the allowance has no room to look further",
        Because::Failures => ", as calls fail",
        Because::Unclear => ", as calls were let through too unevenly to tell",
        Because::Unsure => ", as it may be the limit on calls a minute that is reached first",
        Because::Untried => "; more was not tried",
    }
}

/// As people round: to three digits.
fn rounded(number: f64) -> f64 {
    shortened(number, f64::round)
}

/// To three digits, the rest as `end` does it.
fn shortened(number: f64, end: fn(f64) -> f64) -> f64 {
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 2.0).max(0.0));
    end(number / unit) * unit
}

fn mark(finding: Finding) -> char {
    match finding {
        Finding::Good => '✓',
        Finding::Doubtful => '!',
        Finding::Bad => '✗',
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
