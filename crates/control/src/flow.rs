//! Flow control as a document: limits, who waits, and the last minute.
//!
//! It is a picture of one moment, made when somebody asks. `quota` and `top` show it to people, and programs read the
//! same. Its lists are bounded, because a relay with a hundred thousand keys in use has as many limits: what is fullest
//! is listed, and what was left out is counted. Asking for one key always shows that key.

use crate::alerts::{Evaluator, LimitName, Raised};
use crate::operator::{Figures, Operator};
use crate::recent::{CLASSES, LastMinute};
use serde::{Deserialize, Serialize};
use sluicegate_config::Alert;
use sluicegate_flow::{Kind, LimitStatus, Scope};
use sluicegate_relay::metrics::RefusedFor;
use sluicegate_relay::{CallerReport, ClassReport, FlowReport, LimitReport};
use std::time::Duration;

/// Limits that are listed at most.
const LIMITS: usize = 1000;
/// Callers that are listed at most.
const CALLERS: usize = 100;

/// Flow control at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// `sluicegate.flow/v1`
    pub schema: String,
    /// The program's version.
    pub version: String,
    /// Seconds since the relay started.
    pub uptime_seconds: u64,
    /// Whether it takes new calls.
    pub ready: bool,
    /// The version of the configuration in force.
    pub config: String,
    /// Calls being served now, those that wait included.
    pub in_flight: u64,
    /// Limits, the fullest first.
    pub limits: Vec<FlowLimit>,
    /// Limits in use that are not listed.
    #[serde(default)]
    pub limits_left_out: usize,
    /// Who waits.
    pub waiting: FlowWaiting,
    /// Keys with calls under way, those with most first.
    pub callers: Vec<FlowCaller>,
    /// Callers that are not listed.
    #[serde(default)]
    pub callers_left_out: usize,
    /// What ended in the last minute.
    pub last_minute: FlowMinute,
    /// Every alert that is configured, and how it stands.
    #[serde(default)]
    pub alerts: Vec<AlertLevel>,
}

impl Flow {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.flow/v1";
}

/// A limit in [`Flow`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowLimit {
    /// Whose it is: `endpoint:/chat/completions`.
    pub name: String,
    /// What sort of owner: `overall`, `tenant`, `key`, `endpoint`, `model`, `provider` or `credential`.
    pub scope: String,
    /// Which one.
    pub owner: String,
    /// What it counts: `requests`, `tokens` or `concurrency`.
    pub counts: String,
    /// The window in seconds; absent for concurrency.
    pub window_seconds: Option<f64>,
    /// What is allowed in each window, or at once.
    pub set: u64,
    /// The most that can be left.
    pub capacity: u64,
    /// What can be taken now.
    pub left: u64,
    /// `left` in percent of `capacity`.
    pub fill_percent: f64,
    /// Milliseconds until nothing is in use if nobody takes any; absent for concurrency.
    pub refills_in_ms: Option<u64>,
    /// Calls that wait for it.
    pub waiting: u32,
    /// How long the first of them has waited, in milliseconds.
    pub oldest_wait_ms: u64,
    /// It counts and reports, and refuses nobody.
    pub shadow: bool,
    /// Refusals that a shadow limit would have made.
    pub would_refuse: u64,
}

/// Who waits, in [`Flow`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowWaiting {
    /// Calls.
    pub calls: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// How long the first of all has waited, in milliseconds.
    pub oldest_wait_ms: u64,
    /// By class, highest first.
    pub classes: Vec<FlowClass>,
}

/// A class in [`Flow`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowClass {
    /// `critical`, `high`, `normal` or `low`.
    pub class: String,
    /// Calls that wait.
    pub waiting: u64,
    /// How long the first of them has waited, in milliseconds.
    #[serde(default)]
    pub oldest_wait_ms: u64,
    /// Calls refused since the start because they could not be let go in time or there was no room to wait.
    pub shed: u64,
}

/// A caller in [`Flow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCaller {
    /// The key's name, or `-` where none is needed.
    pub key: String,
    /// Calls being served, those that wait included.
    pub in_flight: u32,
    /// Calls waiting.
    pub waiting: u64,
}

/// The last minute in [`Flow`]. Times are those of calls that ended in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowMinute {
    /// How long it is: less than 60 right after the start.
    pub seconds: f64,
    /// Calls that ended.
    pub calls: u64,
    /// The same for each second.
    pub calls_per_second: f64,
    /// Calls that flow control refused.
    pub refusals: FlowRefusals,
    /// Calls that ended in an error that was not the client's.
    pub errors: u64,
    /// Waits by class, highest first.
    pub waits: Vec<FlowWait>,
    /// Milliseconds to the first token that 95 % of the calls stayed below.
    pub ttft_p95_ms: Option<f64>,
    /// Milliseconds to the end that 99 % of the answered calls stayed below.
    pub latency_p99_ms: Option<f64>,
    /// Tokens taken from limits.
    pub tokens_reserved: u64,
    /// Tokens used by the calls that took some.
    pub tokens_used: u64,
    /// Calls that ended in each second, oldest first; the last second is under way.
    pub calls_by_second: Vec<u64>,
    /// Refusals in each second.
    pub refusals_by_second: Vec<u64>,
}

/// Refusals by reason in [`FlowMinute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRefusals {
    /// A limit was used up.
    pub limit: u64,
    /// They could never have fitted a limit.
    pub never_fits: u64,
    /// There was no room to wait.
    pub queue_full: u64,
    /// They waited too long, or would have.
    pub deadline: u64,
}

impl FlowRefusals {
    /// For whatever reason.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.limit + self.never_fits + self.queue_full + self.deadline
    }
}

/// Waits of one class in [`FlowMinute`], of calls that were let go at once too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowWait {
    /// The class.
    pub class: String,
    /// Calls that asked to be let go.
    pub calls: u64,
    /// Milliseconds that half of them stayed below.
    pub p50_ms: Option<f64>,
    /// Milliseconds that 99 % of them stayed below.
    pub p99_ms: Option<f64>,
}

/// An alert and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertLevel {
    /// What is measured.
    pub metric: String,
    /// At which value it is raised: `<20%`.
    pub threshold: String,
    /// For how long the value must be there, in seconds.
    pub for_seconds: f64,
    /// Whether it is raised.
    pub firing: bool,
    /// Since when the value has been there, while it is raised.
    pub since: Option<String>,
    /// The value, while it is raised.
    pub value: Option<f64>,
    /// The limit that it is about, while one about limits is raised.
    pub limit: Option<String>,
}

/// The picture of this moment, of one key only if one is named; `None` when there is no such key.
pub(crate) fn flow(operator: &Operator, key: Option<&str>) -> Option<Flow> {
    let relay = operator.relay();
    let figures = operator.figures();
    let minute = figures.last_minute();
    let mut report = relay.flow();
    if let Some(key) = key {
        report.limits.retain(|limit| limit.level.label.scope == Scope::Key && *limit.level.label.name == *key);
        report.callers.retain(|caller| *caller.key == *key);
        let unknown = report.limits.is_empty() && report.callers.is_empty();
        if unknown && relay.config().keys.iter().all(|known| *known.name != *key) && relay.keys().get(key).is_err() {
            return None;
        }
    }
    Some(Flow {
        schema: Flow::SCHEMA.to_owned(),
        version: operator.version().to_owned(),
        uptime_seconds: figures.now().as_secs(),
        ready: relay.is_ready(),
        config: relay.version().to_string(),
        in_flight: operator.in_flight(),
        waiting: waiting(&report),
        limits_left_out: report.limits.len().saturating_sub(LIMITS),
        limits: fullest(report.limits, LIMITS).map(|limit| level(&limit)).collect(),
        callers_left_out: report.callers.len().saturating_sub(CALLERS),
        callers: callers(report.callers),
        last_minute: told(&minute),
        alerts: operator.with_rules(|rules| alerts(rules, figures)).1,
    })
}

/// The fullest limits, fullest first; of those that are as full those for which most wait.
pub(crate) fn fullest(mut limits: Vec<LimitReport>, most: usize) -> impl Iterator<Item = LimitReport> {
    limits.sort_by(|one, other| {
        let name = |limit: &LimitReport| (limit.level.label.scope, limit.level.window);
        let by_fill = one.level.fill.total_cmp(&other.level.fill);
        by_fill
            .then_with(|| other.waiting.cmp(&one.waiting))
            .then_with(|| name(one).cmp(&name(other)))
            .then_with(|| one.level.label.name.cmp(&other.level.label.name))
    });
    limits.into_iter().take(most)
}

fn level(limit: &LimitReport) -> FlowLimit {
    let LimitReport { level, waiting, oldest } = limit;
    let rate = level.kind != Kind::Concurrency;
    FlowLimit {
        name: level.label.to_string(),
        scope: level.label.scope.as_str().to_owned(),
        owner: level.label.name.to_string(),
        counts: level.kind.as_str().to_owned(),
        window_seconds: rate.then_some(level.window.as_secs_f64()),
        set: level.set,
        capacity: level.capacity,
        left: level.left,
        fill_percent: rounded(fill_percent(level)),
        refills_in_ms: rate.then(|| millis_up(level.refills_in)),
        waiting: *waiting,
        oldest_wait_ms: millis_up(*oldest),
        shadow: level.shadow,
        would_refuse: level.would_refuse,
    }
}

/// What is left of a limit in percent.
pub(crate) fn fill_percent(level: &LimitStatus) -> f64 {
    level.fill * 100.0
}

fn waiting(report: &FlowReport) -> FlowWaiting {
    let class = |class: &ClassReport| FlowClass {
        class: class.class.as_str().to_owned(),
        waiting: class.waiting,
        oldest_wait_ms: millis_up(class.oldest),
        shed: class.shed,
    };
    FlowWaiting {
        calls: report.waiting.iter().map(|class| class.waiting).sum(),
        bytes: report.waiting_bytes,
        oldest_wait_ms: millis_up(report.waiting.iter().map(|class| class.oldest).max().unwrap_or_default()),
        classes: report.waiting.iter().map(class).collect(),
    }
}

fn callers(mut callers: Vec<CallerReport>) -> Vec<FlowCaller> {
    callers.sort_by(|one, other| other.in_flight.cmp(&one.in_flight).then_with(|| one.key.cmp(&other.key)));
    let told = |caller: CallerReport| FlowCaller {
        key: caller.key.to_string(),
        in_flight: caller.in_flight,
        waiting: caller.waiting as u64,
    };
    callers.into_iter().take(CALLERS).map(told).collect()
}

fn told(minute: &LastMinute) -> FlowMinute {
    let sums = &minute.sums;
    let millis = |time: Option<Duration>| time.map(|time| rounded(time.as_secs_f64() * 1000.0));
    let refused = |reason: RefusedFor| sums.refused.get(reason as usize).copied().unwrap_or_default();
    let wait = |(class, waits): (sluicegate_vocabulary::Priority, &crate::histogram::Histogram)| FlowWait {
        class: class.as_str().to_owned(),
        calls: waits.count(),
        p50_ms: millis(waits.quantile(0.5)),
        p99_ms: millis(waits.quantile(0.99)),
    };
    FlowMinute {
        seconds: rounded(minute.length.as_secs_f64()),
        calls: sums.calls,
        calls_per_second: rounded(minute.per_second(sums.calls)),
        refusals: FlowRefusals {
            limit: refused(RefusedFor::Limit),
            never_fits: refused(RefusedFor::NeverFits),
            queue_full: refused(RefusedFor::QueueFull),
            deadline: refused(RefusedFor::Deadline),
        },
        errors: sums.errors,
        waits: CLASSES.into_iter().zip(&sums.waits).map(wait).collect(),
        ttft_p95_ms: millis(sums.first_token.quantile(0.95)),
        latency_p99_ms: millis(sums.total.quantile(0.99)),
        tokens_reserved: sums.reserved,
        tokens_used: sums.used,
        calls_by_second: minute.calls.clone(),
        refusals_by_second: minute.refusals.clone(),
    }
}

/// Every rule as it stands.
pub(crate) fn alerts(rules: &Evaluator, figures: &Figures) -> Vec<AlertLevel> {
    let level = |(alert, raised): (&Alert, Option<&Raised>)| AlertLevel {
        metric: alert.metric.as_str().to_owned(),
        threshold: alert.threshold.to_string(),
        for_seconds: alert.hold.duration().as_secs_f64(),
        firing: raised.is_some(),
        since: raised.map(|raised| figures.moment(raised.since)),
        value: raised.map(|raised| rounded(raised.value)),
        limit: raised.and_then(|raised| raised.limit.as_ref()).map(LimitName::to_string),
    };
    rules.rules().map(level).collect()
}

/// To a tenth, which is what people and graphs can use.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Milliseconds, rounded up so that waiting so long is long enough.
fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "flow_tests.rs"]
pub(crate) mod tests;
