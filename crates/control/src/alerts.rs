//! When an alert is raised and when it is over.
//!
//! A rule says that a measured value must not cross a threshold for longer than some time. What is measured and when is
//! the caller's business; here is only the decision, from values and a time that are arguments, so that tests drive the
//! same code as the clock.
//!
//! A rule about the fill of limits is about each of them: two limits that are low in turn are not one that is low all the
//! time. Of those that have been low for long enough the worst is named. A value that nobody can know, such as the
//! slowest call of a minute without calls, crosses nothing.
//!
//! **Promises.** An alert is raised only when its value has been crossed at every look for the whole of its time, and is
//! over with the first look at which it is not. A rule that stays the same through a reload keeps its state.

use crate::recent::LastMinute;
use sluicegate_config::{Alert, AlertMetric, Comparison};
use sluicegate_flow::{Kind, Label, LimitId, LimitStatus};
use sluicegate_relay::ProvidersReport;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Which limit, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitName {
    label: Label,
    counts: Kind,
    window: Duration,
}

impl LimitName {
    /// The name of a limit.
    pub(crate) fn of(level: &LimitStatus) -> Self {
        Self { label: level.label.clone(), counts: level.kind, window: level.window }
    }
}

/// `key:backend tokens per 60 s`
impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label, self.counts)?;
        if self.counts == Kind::Concurrency {
            return Ok(());
        }
        write!(f, " per {} s", self.window.as_secs_f64())
    }
}

/// Everything that a rule may be about, as it is at one moment.
#[derive(Debug)]
pub(crate) struct Measured<'a, L> {
    /// Every limit.
    pub(crate) limits: L,
    /// Calls that wait.
    pub(crate) waiting: u64,
    /// Calls being answered.
    pub(crate) in_flight: u64,
    /// Providers whose breaker is not closed, and keys of providers that were refused or have no credit.
    pub(crate) down: Down,
    /// Accounts that have less than their `low_balance_usd`.
    pub(crate) low: usize,
    /// The last minute.
    pub(crate) minute: &'a LastMinute,
}

/// Who gets no ordinary calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Down {
    /// Providers.
    pub(crate) providers: usize,
    /// Keys.
    pub(crate) keys: usize,
}

impl Down {
    /// Counted from what is known of providers.
    pub(crate) fn of(report: &ProvidersReport) -> Self {
        let keys = report.providers.iter().flat_map(|provider| &provider.keys);
        Self {
            providers: report.providers.iter().filter(|provider| provider.breaker.state != "closed").count(),
            keys: keys.filter(|key| matches!(&*key.state, "suspect" | "dead")).count(),
        }
    }
}

impl<'a, L: Iterator<Item = &'a LimitStatus> + Clone> Measured<'a, L> {
    /// A value that is one; the fill of limits is many.
    fn value(&self, metric: AlertMetric) -> Option<f64> {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let sums = &self.minute.sums;
        match metric {
            AlertMetric::BucketFillPercentage => None,
            AlertMetric::QueueDepth => Some(self.waiting as f64),
            AlertMetric::QueueWaitP50Ms => self.minute.waits().quantile(0.5).map(millis),
            AlertMetric::QueueWaitP99Ms => self.minute.waits().quantile(0.99).map(millis),
            AlertMetric::RefusalRate => self.minute.percent(sums.refusals()),
            AlertMetric::ErrorRate => self.minute.percent(sums.errors),
            AlertMetric::InFlight => Some(self.in_flight as f64),
            AlertMetric::TtftP95Ms => sums.first_token.quantile(0.95).map(millis),
            AlertMetric::LatencyP99Ms => sums.total.quantile(0.99).map(millis),
            AlertMetric::ProvidersDown => Some(self.down.providers as f64),
            AlertMetric::KeysDown => Some(self.down.keys as f64),
            AlertMetric::AccountsLow => Some(self.low as f64),
        }
    }

    /// What of a rule's subjects is on the wrong side, with its value.
    fn crossed(&self, alert: &Alert) -> Vec<(Option<&'a LimitStatus>, f64)> {
        let wrong = |value: &f64| alert.threshold.is_crossed(*value);
        if alert.metric != AlertMetric::BucketFillPercentage {
            return self.value(alert.metric).filter(wrong).map(|value| (None, value)).into_iter().collect();
        }
        let low = |level: &'a LimitStatus| {
            let fill = level.fill * 100.0;
            wrong(&fill).then_some((Some(level), fill))
        };
        self.limits.clone().filter_map(low).collect()
    }
}

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raised {
    /// The rule.
    pub(crate) alert: Alert,
    /// Since when the value has been crossed, counted from the start.
    pub(crate) since: Duration,
    /// The value at the latest look, in the metric's unit.
    pub(crate) value: f64,
    /// Whose fill it is, for a rule about limits.
    pub(crate) limit: Option<LimitName>,
}

/// What a look has changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// An alert is raised.
    Raised(Raised),
    /// One is over; it was like this at the last look before.
    Over(Raised),
}

#[derive(Debug)]
struct Rule {
    alert: Alert,
    /// Since when each subject has been crossed.
    crossed: HashMap<Option<LimitId>, Duration>,
    raised: Option<Raised>,
}

/// All rules and how they stand.
#[derive(Debug, Default)]
pub(crate) struct Evaluator {
    rules: Vec<Rule>,
}

impl Evaluator {
    /// Puts these rules in force. Those that were there before go on as they stand; gives those that were raised and are
    /// gone.
    pub(crate) fn configure(&mut self, alerts: &[Alert]) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.rules);
        self.rules = alerts
            .iter()
            .map(|alert| match before.iter().position(|rule| rule.alert == *alert) {
                Some(at) => before.swap_remove(at),
                None => Rule { alert: *alert, crossed: HashMap::new(), raised: None },
            })
            .collect();
        before.into_iter().filter_map(|rule| rule.raised.map(Change::Over)).collect()
    }

    /// Whether there is anything to look at.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every rule, and the alert if it is raised.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Alert, Option<&Raised>)> {
        self.rules.iter().map(|rule| (&rule.alert, rule.raised.as_ref()))
    }

    /// Looks at everything once.
    pub(crate) fn look<'a, L>(&mut self, now: Duration, measured: &Measured<'a, L>) -> Vec<Change>
    where
        L: Iterator<Item = &'a LimitStatus> + Clone,
    {
        self.rules.iter_mut().filter_map(|rule| rule.look(now, measured.crossed(&rule.alert))).collect()
    }
}

impl Rule {
    fn look(&mut self, now: Duration, crossed: Vec<(Option<&LimitStatus>, f64)>) -> Option<Change> {
        let before = std::mem::take(&mut self.crossed);
        let hold = self.alert.hold.duration();
        let mut worst: Option<Raised> = None;
        for (limit, value) in crossed {
            let subject = limit.map(|limit| limit.id);
            let since = before.get(&subject).copied().unwrap_or(now);
            if now.saturating_sub(since) >= hold
                && worst.as_ref().is_none_or(|worst| is_worse(self.alert.threshold.op, value, worst.value))
            {
                worst = Some(Raised { alert: self.alert, since, value, limit: limit.map(LimitName::of) });
            }
            self.crossed.insert(subject, since);
        }
        match (std::mem::replace(&mut self.raised, worst), &self.raised) {
            (None, Some(raised)) => Some(Change::Raised(raised.clone())),
            (Some(before), None) => Some(Change::Over(before)),
            _ => None,
        }
    }
}

fn is_worse(op: Comparison, value: f64, than: f64) -> bool {
    match op {
        Comparison::Below | Comparison::AtMost => value < than,
        Comparison::Above | Comparison::AtLeast => value > than,
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
