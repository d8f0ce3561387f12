//! The same numbers from a log of calls, without sending any.
//!
//! One call a line, as JSON or as comma-separated values with a line of names first. Logs of different makers name the
//! same things differently, so a field is looked for under all the names in use (the tables below); what a log does not
//! have is not known, and never 0. A line without a time, that cannot be read or that tells of no call is counted and left out.
//!
//! A provider's export of usage has many calls to a line, those of a minute, an hour or a day, or holds them in pages of
//! such periods. How much came in all is known from it; how much came at once is not, unless its periods are that short.

use crate::measure::Times;
use serde::Serialize;
use serde_json::Value;
use sluicegate_ledger::Price;
use sluicegate_vocabulary::{Money, Usage, UsageSource};
use std::collections::BTreeMap;

const TIME: &[&str] = &[
    "ts",
    "timestamp",
    "time",
    "created_at",
    "created",
    "start_time",
    "startTime",
    "date",
    "start_time_iso",
    "starting_at",
    "usage_date_utc",
];
/// Where a period ends whose calls stand in one line.
const UNTIL: &[&str] = &["end_time", "ending_at", "end_time_iso"];
const MODEL: &[&str] = &["upstream_model", "model", "model_id", "model_name", "model_permaslug", "model_version"];
const STATUS: &[&str] = &["status", "status_code", "http_status", "response_status"];
const INPUT: &[&str] = &[
    "input_tokens",
    "prompt_tokens",
    "usage.prompt_tokens",
    "usage.input_tokens",
    "usage.input",
    "tokens.input",
    "tokens_prompt",
    "n_context_tokens_total",
    "promptTokens",
];
/// Input that no cache served, where a provider counts what one did beside it.
const FRESH: &[&str] = &["uncached_input_tokens", "usage_input_tokens_no_cache"];
const CACHED: &[&str] = &[
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "usage_input_tokens_cache_read",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
];
const OUTPUT: &[&str] = &[
    "output_tokens",
    "completion_tokens",
    "usage.completion_tokens",
    "usage.output_tokens",
    "usage.output",
    "tokens.output",
    "tokens_completion",
    "n_generated_tokens_total",
    "completionTokens",
    "usage_output_tokens",
];
const COST: &[&str] = &["cost_usd", "cost", "spend", "total_cost", "cost_total", "usage.cost"];
const FIRST: &[&str] = &["ms.first_token", "ttft_ms", "first_token_ms", "time_to_first_token_ms", "latency"];
const TOTAL: &[&str] = &["ms.total", "total_ms", "duration_ms", "latency_ms", "generation_time_ms", "response_time_ms"];
const CALLS: &[&str] = &["num_model_requests", "n_requests", "request_count"];

/// What a log says.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct History {
    /// Which form this is.
    pub schema: &'static str,
    /// Lines that were used.
    pub lines: u64,
    /// Calls, where the log counts them.
    pub calls: Option<u64>,
    /// Lines that could not be used.
    pub unread: u64,
    /// From the first call to the last, or to the end of the last period, in seconds.
    pub seconds: f64,
    /// Calls a second on average, and in the busiest second where calls stand by themselves.
    pub calls_per_second: Option<(f64, Option<u64>)>,
    /// Calls in the busiest minute, where the log tells minutes apart.
    pub peak_calls_per_minute: Option<u64>,
    /// Tokens in the busiest minute, by when their calls began.
    pub peak_tokens_per_minute: Option<u64>,
    /// Tokens of input.
    pub input: u64,
    /// Tokens of output.
    pub output: u64,
    /// The most calls under way at once, where the log says how long they took.
    pub peak_concurrency: Option<u64>,
    /// Time to the first token.
    pub first_token: Option<Times>,
    /// Time to the end.
    pub total: Option<Times>,
    /// Calls that failed, by status, where the log has one.
    pub errors: Option<BTreeMap<u16, u64>>,
    /// Calls by model; lines, where calls are not counted.
    pub models: BTreeMap<String, u64>,
    /// What a month (30 days) at this pace costs by the log's own figures, in dollars.
    pub logged_monthly_usd: Option<f64>,
}

/// One line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Seen {
    at: f64,
    /// How long the period lasts whose calls these are; nothing for a call by itself.
    period: f64,
    calls: Option<u64>,
    input: u64,
    output: u64,
    total: Option<f64>,
}

impl History {
    /// Reads a log. With `model`, only its calls; where that has a vendor before its name and the log has none, by the name.
    #[must_use]
    pub fn read(log: &str, model: Option<&str>) -> Self {
        let mut history = Self { schema: "sluicegate.audit.history/v1", ..Self::default() };
        let (mut seen, mut first, mut total, mut cost) = (Vec::new(), Vec::new(), Vec::new(), None);
        for record in records(log) {
            let Some(record) = record else {
                history.unread += 1;
                continue;
            };
            let name = find(&record, MODEL).and_then(|value| value.as_str().map(str::to_owned));
            let asked = find(&record, &["model"]).and_then(Value::as_str);
            if model.is_some_and(|model| ![name.as_deref(), asked].into_iter().flatten().any(|name| is_of(name, model)))
            {
                continue;
            }
            let time = find(&record, TIME);
            let Some(at) = time.and_then(moment).filter(|_| is_of_calls(&record)) else {
                history.unread += 1;
                continue;
            };
            let amount = |names: &[&str]| find(&record, names).and_then(number);
            let count = |names: &[&str]| amount(names).unwrap_or_default().max(0.0) as u64;
            let told = amount(CALLS).map(|calls| calls.max(0.0) as u64);
            let fresh = find(&record, FRESH).is_some();
            let is_period = told.is_some() || fresh;
            let calls = if is_period { told } else { Some(1) };
            let counted = calls.unwrap_or(1);
            if let Some(status) = amount(STATUS).map(|status| status as u16) {
                let errors = history.errors.get_or_insert_default();
                if status >= 400 || status == 0 {
                    *errors.entry(status).or_default() += counted;
                }
            }
            *history.models.entry(name.unwrap_or_else(|| "unknown".to_owned())).or_default() += counted;
            first.extend(amount(FIRST));
            let took = amount(TOTAL);
            total.extend(took);
            if let Some(dollars) = amount(COST) {
                cost = Some(cost.unwrap_or_default() + dollars);
            }
            // Our own log tells what a cache served, and reasoning, beside the rest.
            let beside = |names: &[&str]| names.iter().map(|name| count(&[*name])).sum::<u64>();
            let input = if fresh {
                count(FRESH) + beside(CACHED)
            } else {
                count(INPUT) + beside(&["usage.cache_read", "usage.cache_write", "usage.cache_write_long"])
            };
            let output = count(OUTPUT) + beside(&["usage.reasoning"]);
            let until =
                find(&record, UNTIL).and_then(moment).unwrap_or_else(|| at + if is_day(time) { DAY } else { 0.0 });
            let period = if is_period { (until - at).max(0.0) } else { 0.0 };
            seen.push(Seen { at, period, calls, input, output, total: took });
        }
        history.first_token = Times::of(first);
        history.total = Times::of(total);
        history.summed(seen, cost);
        history
    }

    fn summed(&mut self, mut seen: Vec<Seen>, cost: Option<f64>) {
        seen.sort_by(|a, b| a.at.total_cmp(&b.at));
        let Some(first) = seen.first().copied() else { return };
        self.lines = seen.len() as u64;
        self.seconds = seen.iter().map(|seen| seen.at + seen.period).fold(first.at, f64::max) - first.at;
        self.calls = seen.iter().map(|seen| seen.calls).sum();
        // What came within a period is not known to have come in its first second, nor evenly.
        let longest = seen.iter().map(|seen| seen.period).fold(0.0, f64::max);
        let grouped = seen.iter().any(|seen| seen.calls != Some(1));
        let minutes = !grouped || (longest > 0.0 && longest <= 60.0);
        self.input = seen.iter().map(|seen| seen.input).sum();
        self.output = seen.iter().map(|seen| seen.output).sum();
        let busiest = |span: f64, weight: fn(&Seen) -> u64| {
            let (mut from, mut sum, mut most) = (seen.iter(), 0_u64, 0_u64);
            let mut oldest = from.next();
            for here in &seen {
                sum += weight(here);
                while let Some(old) = oldest.filter(|old| old.at <= here.at - span) {
                    sum -= weight(old);
                    oldest = from.next();
                }
                most = most.max(sum);
            }
            most
        };
        if minutes {
            self.peak_calls_per_minute = self.calls.map(|_| busiest(60.0, |seen| seen.calls.unwrap_or_default()));
            self.peak_tokens_per_minute = Some(busiest(60.0, |seen| seen.input + seen.output));
        }
        if self.seconds > 0.0 {
            let second = (!grouped).then(|| busiest(1.0, |seen| seen.calls.unwrap_or_default()));
            self.calls_per_second = self.calls.map(|calls| (calls as f64 / self.seconds, second));
            self.logged_monthly_usd = cost.map(|dollars| dollars * MONTH / self.seconds);
        }
        // Each call adds one where it begins and takes one where it ends; ends come first at the same moment.
        let mut turns: Vec<(f64, i64)> = Vec::new();
        for seen in &seen {
            if let Some(ms) = seen.total {
                turns.extend([(seen.at, 1), (seen.at + ms / 1_000.0, -1)]);
            }
        }
        turns.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut now, mut most) = (0, 0);
        for (_, turn) in turns {
            now += turn;
            most = most.max(now);
        }
        self.peak_concurrency = (most > 0).then_some(most as u64);
    }

    /// What a month (30 days) at this pace costs at a price; `None` where the log is too short to say or the price has no
    /// rate for what was used.
    #[must_use]
    pub fn monthly(&self, price: &Price) -> Option<Money> {
        let usage = Usage { input: self.input, output: self.output, source: UsageSource::Reported, ..Usage::default() };
        let nanos = price.cost(&usage)?.nanos() as f64;
        (self.seconds > 0.0).then(|| Money::from_nanos((nanos * MONTH / self.seconds) as i64))
    }
}

/// Seconds of a day, and of 30.
const DAY: f64 = 86_400.0;
const MONTH: f64 = 30.0 * DAY;

/// The records of a log; `None` for a line that is none.
fn records(log: &str) -> Box<dyn Iterator<Item = Option<Value>> + '_> {
    let log = log.trim_start_matches('\u{feff}').trim_start();
    let mut lines = log.lines().filter(|line| !line.trim().is_empty());
    let object = |line: &str| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    let values = || serde_json::Deserializer::from_str(log).into_iter::<Value>();
    let is_a_value_a_line = lines.clone().next().is_some_and(|line| object(line).is_some());
    if !is_a_value_a_line && log.starts_with(['{', '[']) && values().next().is_some_and(|value| value.is_ok()) {
        return Box::new(values().map_while(Result::ok).flat_map(opened).map(Some));
    }
    // Before the first call a log may tell people something.
    if log.starts_with(['{', '[']) || lines.clone().any(|line| line.starts_with('{') && object(line).is_some()) {
        return Box::new(lines.flat_map(move |line| match object(line) {
            Some(value) => opened(value).into_iter().map(Some).collect(),
            None => vec![None],
        }));
    }
    let names: Vec<String> = lines.next().map(cells).unwrap_or_default();
    Box::new(lines.map(move |line| {
        let cells = cells(line);
        let record = names.iter().cloned().zip(cells.into_iter().map(Value::String));
        Some(Value::Object(record.collect()))
    }))
}

/// The records of a page of periods, each with what its period says; of a list, its items; else the value itself.
fn opened(value: Value) -> Vec<Value> {
    let mut value = match value {
        Value::Array(items) => return items.into_iter().flat_map(opened).collect(),
        other => other,
    };
    let periods = match value.get_mut("data") {
        Some(Value::Array(periods)) if periods.iter().any(|period| period.get("results").is_some()) => {
            std::mem::take(periods)
        }
        _ => return vec![value],
    };
    let mut records = Vec::new();
    for mut period in periods {
        let Some(Value::Array(results)) = period.get_mut("results").map(Value::take) else { continue };
        let Value::Object(period) = period else { continue };
        for result in results {
            let Value::Object(result) = result else { continue };
            let both = period.clone().into_iter().filter(|(name, _)| name != "results").chain(result);
            records.push(Value::Object(both.collect()));
        }
    }
    records
}

/// Whether a name in a log is that of a model, which may be told with its vendor.
fn is_of(name: &str, model: &str) -> bool {
    name == model || model.split_once('/').is_some_and(|(_, bare)| name == bare)
}

/// Whether a record tells of calls, and not of something that happened beside them.
fn is_of_calls(record: &Value) -> bool {
    [MODEL, STATUS, INPUT, FRESH, OUTPUT, COST, TOTAL, CALLS].into_iter().any(|names| find(record, names).is_some())
}

/// Whether a moment is a day without a time.
fn is_day(time: Option<&Value>) -> bool {
    time.and_then(Value::as_str).is_some_and(|text| text.trim().len() == 10 && text.contains('-'))
}

/// The cells of a line of comma-separated values, with quotes where there are some.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

/// The first of these fields that is there; a dot leads inside.
fn find<'a>(record: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let inside = |name: &str| match name.split_once('.') {
        None => record.get(name),
        Some((outer, inner)) => record.get(outer)?.get(inner),
    };
    names.iter().find_map(|name| inside(name).filter(|value| !value.is_null()))
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().trim_start_matches('$').parse().ok())?;
    number.is_finite().then_some(number)
}

/// A moment in seconds since 1970: a number of seconds or milliseconds, or `2026-11-21T10:00:00.5Z`.
fn moment(value: &Value) -> Option<f64> {
    if let Some(number) = number(value) {
        return Some(if number > 1e11 { number / 1_000.0 } else { number });
    }
    let text = value.as_str()?.trim();
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    // Howard Hinnant's days from civil.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let clock = match (part(11..13), part(14..16), part(17..19)) {
        (Some(hour), Some(minute), second) => hour * 3_600 + minute * 60 + second.unwrap_or_default(),
        _ => 0,
    };
    let rest = text.get(19..).unwrap_or_default();
    let digits: String = rest.strip_prefix('.').unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    let fraction = format!("0.{digits}").parse::<f64>().unwrap_or_default();
    let zone = rest.rfind(['+', '-']).and_then(|at| rest.get(at..)).map_or(0, |zone| {
        let part = |range: std::ops::Range<usize>| {
            zone.get(range).and_then(|part| part.parse::<i64>().ok()).unwrap_or_default()
        };
        let seconds = part(1..3) * 3_600 + part(4..6) * 60;
        if zone.starts_with('-') { -seconds } else { seconds }
    });
    Some((days * 86_400 + clock - zone) as f64 + fraction)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
