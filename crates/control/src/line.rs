//! One receipt as one line.
//!
//! The JSON form is what programs read: one object, stable names, and nothing that says nothing. A field whose value
//! is absent, zero by nature or the ordinary case is left out, because these lines are kept by the million. It is
//! written straight into a buffer: this runs for every call. The human form is for somebody who watches a terminal.
//!
//! A client chooses the model's name and perhaps the request id, so nothing of theirs is ever written raw: a line stays
//! one line, and a terminal is not steered by it.

use owo_colors::{OwoColorize, Style};
use sluicegate_vocabulary::{AttemptRecord, CacheUse, ConfigVersion, EndReason, Money, Receipt, Stamp, Usage};
use std::fmt::Write as _;
use std::time::Duration;

/// A name with what stands around it in the middle of an object.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Appends a receipt as a JSON object and a newline.
pub fn json(out: &mut String, stamp: &mut Stamp, receipt: &Receipt) {
    out.push_str("{\"ts\":\"");
    stamp.write(out, receipt.arrived_ms);
    out.push('"');
    text(out, key!("id"), receipt.id.as_str());
    if let Some(endpoint) = receipt.endpoint {
        word(out, key!("endpoint"), endpoint.path());
    }
    word(out, key!("dialect"), receipt.dialect.as_str());
    if let Some(key) = &receipt.key {
        text(out, key!("key"), key);
    }
    word(out, key!("priority"), receipt.priority.as_str());
    if !receipt.model.is_empty() {
        text(out, key!("model"), &receipt.model);
    }
    if let Some(asked) = &receipt.degraded_from {
        text(out, key!("degraded_from"), asked);
    }
    if let Some(moved) = &receipt.moved {
        text(out, key!("migration"), &moved.migration);
        word(out, key!("arm"), moved.arm.as_str());
    }
    if receipt.stream {
        out.push_str(",\"stream\":true");
    }
    word(out, key!("end"), receipt.end.as_str());
    number(out, key!("status"), u64::from(receipt.status));
    if let Some(fault) = receipt.fault {
        word(out, key!("fault"), fault.as_str());
    }
    if let Some(by) = &receipt.refused_by {
        text(out, key!("refused_by"), by);
    }
    if let Some(last) = receipt.attempts.last() {
        text(out, key!("provider"), &last.provider);
        text(out, key!("upstream_model"), &last.model);
        out.push_str(",\"attempts\":[");
        for (index, attempt) in receipt.attempts.iter().enumerate() {
            out.push_str(if index == 0 { "{" } else { ",{" });
            attempted(out, attempt);
            out.push('}');
        }
        out.push(']');
    }
    if !receipt.resumed.is_empty() {
        out.push_str(",\"resumed_at_bytes\":[");
        for (index, at) in receipt.resumed.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            out.push_str(itoa::Buffer::new().format(*at));
        }
        out.push(']');
    }
    used(out, &receipt.usage);
    if receipt.reserved > 0 {
        number(out, key!("reserved"), receipt.reserved);
    }
    if let Some(cost) = receipt.cost {
        word(out, key!("cost_usd"), cost.text(&mut [0; Money::LONGEST]));
    }
    if let Some(saved) = receipt.saved {
        word(out, key!("saved_usd"), saved.text(&mut [0; Money::LONGEST]));
    }
    out.push_str(",\"ms\":{\"received\":");
    millis(out, receipt.times.received);
    if !receipt.times.queued.is_zero() {
        out.push_str(",\"queued\":");
        millis(out, receipt.times.queued);
    }
    if let Some(first) = receipt.times.first_token {
        out.push_str(",\"first_token\":");
        millis(out, first);
    }
    out.push_str(",\"total\":");
    millis(out, receipt.times.total);
    out.push('}');
    number(out, key!("bytes_in"), receipt.bytes_in);
    number(out, key!("bytes_out"), receipt.bytes_out);
    if let Some(chosen) = &receipt.chosen {
        text(out, key!("choice"), &chosen.choice);
        text(out, key!("rule"), &chosen.rule);
    }
    if receipt.cache != CacheUse::Off {
        word(out, key!("cache"), receipt.cache.as_str());
    }
    if receipt.simulated {
        out.push_str(",\"simulated\":true");
    }
    out.push_str(",\"config\":\"");
    version(out, receipt.config);
    out.push_str("\"}\n");
}

fn attempted(out: &mut String, attempt: &AttemptRecord) {
    out.push_str("\"provider\":");
    quoted(out, &attempt.provider);
    if !matches!(&*attempt.credential, "" | "-") {
        text(out, key!("credential"), &attempt.credential);
    }
    word(out, key!("result"), attempt.result.as_str());
    if attempt.status != 0 {
        number(out, key!("status"), u64::from(attempt.status));
    }
    out.push_str(",\"started_ms\":");
    millis(out, attempt.started);
    out.push_str(",\"took_ms\":");
    millis(out, attempt.took);
}

fn used(out: &mut String, usage: &Usage) {
    if usage.total() == 0 {
        return;
    }
    out.push_str(",\"usage\":{\"source\":\"");
    out.push_str(usage.source.as_str());
    out.push('"');
    let classes = [
        (key!("input"), usage.input),
        (key!("cache_read"), usage.cache_read),
        (key!("cache_write"), usage.cache_write),
        (key!("cache_write_long"), usage.cache_write_long),
        (key!("input_audio"), usage.input_audio),
        (key!("output"), usage.output),
        (key!("reasoning"), usage.reasoning),
        (key!("output_audio"), usage.output_audio),
    ];
    for (class, tokens) in classes.into_iter().filter(|(_, tokens)| *tokens > 0) {
        number(out, class, tokens);
    }
    out.push('}');
}

/// A field whose value is one of our own words, which need no escaping.
fn word(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    out.push('"');
    out.push_str(value);
    out.push('"');
}

/// A field whose value may hold anything.
fn text(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    quoted(out, value);
}

fn number(out: &mut String, key: &str, value: u64) {
    out.push_str(key);
    out.push_str(itoa::Buffer::new().format(value));
}

/// A configuration's version, by hand, because the formatter takes longer over it than all else here over a line.
fn version(out: &mut String, version: ConfigVersion) {
    for shift in (0..6).rev() {
        let digit = version.0 >> (shift * 4) & 0xf;
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

/// Milliseconds with microseconds behind the point: a relay's own share of a call is less than a millisecond.
fn millis(out: &mut String, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    out.push_str(itoa::Buffer::new().format(micros / 1000));
    let part = micros % 1000;
    if part > 0 {
        out.push('.');
        // A thousand more has all three digits, whatever they are.
        out.push_str(itoa::Buffer::new().format(1000 + part).get(1..).unwrap_or_default());
    }
}

/// A JSON string. Besides what JSON demands, control characters beyond ASCII and the separators that some readers take
/// for a line's end are escaped.
fn quoted(out: &mut String, value: &str) {
    out.push('"');
    // Every byte is looked at even when the first is odd, which the compiler makes into a few wide instructions.
    let odd = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\');
    if !value.bytes().fold(false, |found, byte| found | odd(byte)) {
        out.push_str(value);
        out.push('"');
        return;
    }
    let mut plain = 0;
    for (at, c) in value.char_indices() {
        let special = matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}') || c.is_control();
        if !special {
            continue;
        }
        out.push_str(value.get(plain..at).unwrap_or_default());
        plain = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // All of these are in the basic plane.
            _ => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push_str(value.get(plain..).unwrap_or_default());
    out.push('"');
}

/// Appends a receipt as a line for people, with a newline, coloured if `colour` is set.
pub fn human(out: &mut String, stamp: &mut Stamp, receipt: &Receipt, colour: bool) {
    let paint = |style: Style| if colour { style } else { Style::new() };
    let grey = paint(Style::new().dimmed());
    let mut time = String::new();
    stamp.write_time(&mut time, receipt.arrived_ms);
    let _ = write!(out, "{} ", time.style(grey));
    let mood = match receipt.end {
        EndReason::Done => Style::new().green(),
        EndReason::Refused | EndReason::ClientError | EndReason::ClientGone => Style::new().yellow(),
        _ => Style::new().red(),
    };
    let _ = write!(out, "{:>3} ", receipt.status.style(paint(mood)));
    out.push_str(receipt.endpoint.map_or("(no endpoint)", |endpoint| endpoint.path()));
    if receipt.stream {
        out.push_str(" stream");
    }
    if !receipt.model.is_empty() {
        out.push_str("  ");
        visible(out, &receipt.model);
    }
    if let Some(last) = receipt.attempts.last() {
        let _ = write!(out, " {} ", "→".style(grey));
        visible(out, &last.provider);
        out.push('/');
        visible(out, &last.model);
    }
    out.push_str("  ");
    brief(out, receipt.times.total);
    if let Some(first) = receipt.times.first_token.filter(|_| receipt.stream) {
        let mut text = String::from("(first ");
        brief(&mut text, first);
        text.push(')');
        let _ = write!(out, " {}", text.style(grey));
    }
    let usage = &receipt.usage;
    if usage.total() > 0 {
        let _ = write!(out, "  {} in {} out", usage.total_input(), usage.total_output());
    }
    if let Some(cost) = receipt.cost {
        let _ = write!(out, "  ${cost}");
    }
    if receipt.attempts.len() > 1 {
        let _ = write!(out, "  {} attempts", receipt.attempts.len());
    }
    for at in &receipt.resumed {
        let _ = write!(out, "  resumed at byte {at}");
    }
    if let Some(key) = &receipt.key {
        out.push_str("  key ");
        visible(out, key);
    }
    if receipt.simulated {
        let _ = write!(out, "  {}", "simulated".style(paint(Style::new().magenta())));
    }
    if receipt.end != EndReason::Done {
        let fault = receipt.fault.map_or(receipt.end.as_str(), |fault| fault.as_str());
        let _ = write!(out, "  {}", fault.style(paint(mood)));
        let _ = write!(out, " {}", receipt.id.as_str().style(grey));
    }
    out.push('\n');
}

fn visible(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
}

fn brief(out: &mut String, time: Duration) {
    let millis = time.as_millis();
    let _ = match millis {
        0..=9 => write!(out, "{:.1} ms", time.as_secs_f64() * 1000.0),
        10..=9_999 => write!(out, "{millis} ms"),
        _ => write!(out, "{:.1} s", time.as_secs_f64()),
    };
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
