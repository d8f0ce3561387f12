//! Calls from a file: what really happened, or what everybody is to be judged by.
//!
//! Three forms are read.
//!
//! *Counts*, a table of how many calls of each class arrive in each second. It is what a trace in a repository should
//! be: small, readable, plotted by any spreadsheet, and free of anybody's data. Within its second a call's place is
//! drawn, uniformly, which makes of the counts of a Poisson stream the Poisson stream again.
//!
//! ```text
//! second,critical,high,normal,low
//! 0,3,6,12,9
//! ```
//!
//! *Lines*, one JSON object a call, for what other programs write:
//! `{"at_ms":12,"class":"high","key":"web","tokens_in":900,"tokens_out":200}`; only `at_ms` must be there.
//!
//! *A request log* of the relay itself, one receipt a line. Refused calls in it are calls like any other: that they were
//! refused is what the replay is to find out about.

use super::call::{ByClass, CLASSES, Call, Dealer, Kinds};
use super::draw::Draw;
use serde::Deserialize;
use sluicegate_flow::Nanos;
use sluicegate_vocabulary::{Endpoint, Priority};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

/// The most calls that are read from one file.
const MOST: usize = 20_000_000;

/// Calls in order of arrival.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// The calls.
    pub calls: Vec<Call>,
    /// What their numbers mean.
    pub names: Names,
}

/// The names behind the numbers in calls; empty where calls were drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Keys.
    pub keys: Vec<String>,
    /// Models.
    pub models: Vec<String>,
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceError {
    /// Where, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for TraceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 { write!(f, "line {}: {}", self.line, self.what) } else { f.write_str(&self.what) }
    }
}

impl std::error::Error for TraceError {}

/// A line of the second form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at_ms: f64,
    class: Option<String>,
    key: Option<String>,
    model: Option<String>,
    endpoint: Option<String>,
    tokens_in: Option<u32>,
    tokens_out: Option<u32>,
    deadline_ms: Option<u64>,
}

/// As much of a receipt as matters here.
#[derive(Deserialize)]
struct Logged {
    ts: String,
    endpoint: Option<String>,
    key: Option<String>,
    priority: Option<String>,
    model: Option<String>,
    usage: Option<LoggedUsage>,
    #[serde(default)]
    attempts: Vec<LoggedAttempt>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct LoggedUsage {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_long: u64,
    input_audio: u64,
    output: u64,
    reasoning: u64,
    output_audio: u64,
}

#[derive(Deserialize)]
struct LoggedAttempt {
    result: String,
    took_ms: f64,
}

impl Trace {
    /// How long it lasts: to the end of the second of the last arrival.
    #[must_use]
    pub fn length(&self) -> Duration {
        let last = self.calls.last().map_or(0, |call| call.at.0);
        Duration::from_secs(last / 1_000_000_000 + 1)
    }

    /// Reads counts by second. What calls are like apart from their class comes from `kinds`; their places within a
    /// second and all else that is open are drawn under `seed`.
    ///
    /// # Errors
    /// The first line that is none of such a table.
    pub fn counts(text: &str, kinds: &Kinds, seed: u64) -> Result<Self, TraceError> {
        let (mut dealer, mut draw) = (Dealer::new(kinds, seed), Draw::new(seed, 3));
        let mut calls: Vec<Call> = Vec::new();
        let mut last: Option<u64> = None;
        let mut places: Vec<(u64, Priority)> = Vec::new();
        for (number, row) in rows(text) {
            if row.starts_with("second") {
                continue;
            }
            let wrong = |what: &str| TraceError { line: number, what: what.to_owned() };
            let mut fields = row.split(',').map(|field| field.trim().parse::<u64>());
            let mut field = || match fields.next() {
                Some(Ok(field)) => Ok(field),
                _ => Err(wrong("not of the form second,critical,high,normal,low")),
            };
            let second = field()?;
            if last.is_some_and(|last| second <= last) || second > 10_000_000 {
                return Err(wrong("seconds must rise, and stay below ten million"));
            }
            last = Some(second);
            places.clear();
            for class in CLASSES {
                let count = field()?;
                if count > MOST as u64 || calls.len() + count as usize > MOST {
                    return Err(wrong("too many calls: at most 20 million are read"));
                }
                let within = |_| (second * 1_000_000_000 + (draw.unit() * 1e9) as u64, class);
                places.extend((0..count).map(within));
            }
            places.sort_unstable_by_key(|(at, _)| *at);
            calls.extend(places.iter().map(|(at, class)| dealer.of_class(Nanos(*at), *class, None)));
        }
        Self::of(calls, Names::default())
    }

    /// Writes counts by second, seconds without calls left out. Reading them back gives each call the same second and
    /// class, and another place within it.
    #[must_use]
    pub fn to_counts(&self) -> String {
        let mut text = String::from("second,critical,high,normal,low\n");
        let mut calls = self.calls.iter().peekable();
        while let Some(first) = calls.peek() {
            let second = first.at.0 / 1_000_000_000;
            let mut counts = ByClass([0_u32; 4]);
            while let Some(call) = calls.next_if(|call| call.at.0 / 1_000_000_000 == second) {
                *counts.of_mut(call.class) += 1;
            }
            let [critical, high, normal, low] = counts.0;
            let _ = writeln!(text, "{second},{critical},{high},{normal},{low}");
        }
        text
    }

    /// Reads calls as JSON lines. What a line leaves open is drawn from `kinds` under `seed`.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn lines(text: &str, kinds: &Kinds, seed: u64) -> Result<Self, TraceError> {
        let mut reader = Reader::new(kinds, seed);
        for (number, row) in rows(text) {
            let wrong = |what: String| TraceError { line: number, what };
            let line: Line = serde_json::from_str(row).map_err(|error| wrong(json_error(&error)))?;
            if !(0.0..1e13).contains(&line.at_ms) {
                return Err(wrong(format!("at_ms is {}, not a time in milliseconds", line.at_ms)));
            }
            let at = Nanos((line.at_ms * 1e6) as u64);
            let class = line.class.as_deref().map(str::parse::<Priority>).transpose();
            let class = class.map_err(|error| wrong(format!("class: {error}")))?;
            let mut call = reader.call(at, class, line.key, line.model, line.endpoint.as_deref());
            call.tokens_in = line.tokens_in.unwrap_or(call.tokens_in);
            if let Some(tokens) = line.tokens_out {
                call.tokens_out = tokens;
            }
            call.patience = line.deadline_ms.map(Duration::from_millis).or(call.patience);
            reader.keep(call).map_err(wrong)?;
        }
        reader.done()
    }

    /// Reads a request log. Lines that are no receipts are passed over, since a log may hold other events too; so the
    /// result says how many there were.
    ///
    /// # Errors
    /// None of the lines is a receipt.
    pub fn log(text: &str, kinds: &Kinds, seed: u64) -> Result<(Self, usize), TraceError> {
        let mut reader = Reader::new(kinds, seed);
        let (mut passed_over, mut first) = (0, None);
        for (number, row) in rows(text) {
            let parsed = serde_json::from_str::<Logged>(row).map_err(|error| json_error(&error));
            let parsed = parsed.and_then(|line| Ok((unix_nanos(&line.ts)?, line)));
            match parsed {
                Ok((at, line)) => {
                    let call = reader.logged(at, line);
                    reader.keep(call).map_err(|what| TraceError { line: number, what })?;
                }
                Err(what) => {
                    passed_over += 1;
                    first.get_or_insert(TraceError { line: number, what });
                }
            }
        }
        match (reader.calls.is_empty(), first) {
            (true, Some(error)) => Err(error),
            _ => Ok((reader.done()?, passed_over)),
        }
    }

    /// Puts calls in order.
    fn of(mut calls: Vec<Call>, names: Names) -> Result<Self, TraceError> {
        if calls.is_empty() {
            return Err(TraceError { line: 0, what: "it has no calls".to_owned() });
        }
        calls.sort_by_key(|call| call.at);
        Ok(Self { calls, names })
    }
}

/// The lines that say something, numbered from 1.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, row)| (index + 1, row.trim()));
    numbered.filter(|(_, row)| !row.is_empty() && !row.starts_with('#'))
}

/// What is wrong with a line of JSON, without the line number that is always 1.
fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line 1 ").map_or(text.clone(), |(what, place)| format!("{what} at {place}"))
}

/// Collects calls and gives numbers to names.
struct Reader {
    dealer: Dealer,
    calls: Vec<Call>,
    keys: Numbers,
    models: Numbers,
}

#[derive(Default)]
struct Numbers {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Numbers {
    fn of(&mut self, name: String) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }
}

impl Reader {
    fn new(kinds: &Kinds, seed: u64) -> Self {
        let dealer = Dealer::new(kinds, seed);
        Self { dealer, calls: Vec::new(), keys: Numbers::default(), models: Numbers::default() }
    }

    fn call(
        &mut self,
        at: Nanos,
        class: Option<Priority>,
        key: Option<String>,
        model: Option<String>,
        endpoint: Option<&str>,
    ) -> Call {
        let drawn = self.dealer.deal(at, None);
        let named = |path: &str| Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path);
        Call {
            class: class.unwrap_or(drawn.class),
            key: self.keys.of(key.unwrap_or_default()),
            model: self.models.of(model.unwrap_or_default()),
            endpoint: endpoint.and_then(named).unwrap_or(drawn.endpoint),
            ..drawn
        }
    }

    fn logged(&mut self, at: Nanos, line: Logged) -> Call {
        let class = line.priority.and_then(|word| word.parse().ok());
        let mut call = self.call(at, class, line.key, line.model, line.endpoint.as_deref());
        if let Some(usage) = line.usage {
            let input = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_long + usage.input_audio;
            call.tokens_in = u32::try_from(input).unwrap_or(u32::MAX);
            call.tokens_out = u32::try_from(usage.output + usage.reasoning + usage.output_audio).unwrap_or(u32::MAX);
        }
        let answered = line.attempts.last().filter(|attempt| attempt.result == "ok");
        call.service = answered.and_then(|attempt| Duration::try_from_secs_f64(attempt.took_ms / 1000.0).ok());
        call
    }

    fn keep(&mut self, call: Call) -> Result<(), String> {
        if self.calls.len() >= MOST {
            return Err("too many calls: at most 20 million are read".to_owned());
        }
        self.calls.push(call);
        Ok(())
    }

    /// Everything, with the first arrival at the start of the clock.
    fn done(mut self) -> Result<Trace, TraceError> {
        let first = self.calls.iter().map(|call| call.at.0).min().unwrap_or_default();
        for call in &mut self.calls {
            call.at = Nanos(call.at.0 - first);
        }
        Trace::of(self.calls, Names { keys: self.keys.names, models: self.models.names })
    }
}

/// The moment a log line begins with, `2026-11-21T04:43:44.123Z`, in nanoseconds since the Unix epoch.
fn unix_nanos(text: &str) -> Result<Nanos, String> {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u64>().ok());
    let form = || {
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let millis = match text.get(19..)? {
            "Z" => 0,
            rest if rest.starts_with('.') && rest.ends_with('Z') => {
                let digits = rest.trim_matches(['.', 'Z']);
                let padded = format!("{digits:0<9}");
                padded.get(..9)?.parse::<u64>().ok()?
            }
            _ => return None,
        };
        let right = text.is_ascii() && (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
        // Days since 1970 by Howard Hinnant's algorithm: years begin in March, so the leap day is the last.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
        let seconds = (days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second;
        (right && year < 2500).then(|| Nanos(seconds * 1_000_000_000 + millis))
    };
    form().ok_or_else(|| format!("ts is {text:?}, not a moment like 2026-11-21T04:43:44.123Z"))
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
