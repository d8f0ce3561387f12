//! Reports for people: tables, and waiting over time as a row of blocks for each class.

use super::call::{ByClass, CLASSES};
use super::report::{ClassReport, Report};
use std::fmt::Write as _;

/// A number with a thin gap between thousands: `3 600`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds as a person says them: `0`, `12 ms`, `3.4 s`, `5.0 min`.
#[must_use]
pub fn span(ms: f64) -> String {
    match ms {
        ms if ms <= 0.0 => "0".to_owned(),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms if ms < 120_000.0 => format!("{:.1} s", ms / 1000.0),
        ms => format!("{:.1} min", ms / 60_000.0),
    }
}

fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / (whole as f64).max(1.0);
    // A few of very many are not none.
    if part > 0 && share < 0.05 { "<0.1 %".to_owned() } else { format!("{share:.1} %") }
}

/// Rows under a head, as wide as they need to be: words to the left in the first column, numbers to the right in the
/// others.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(line, "{cell:<width$}") } else { write!(line, "   {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The four classes side by side.
#[must_use]
pub fn classes(report: &Report) -> String {
    let head = ["", "offered", "straight through", "waited", "refused", "wait p50", "p99", "longest"];
    let mut rows = vec![words(&head)];
    for class in report.classes.iter().filter(|class| class.offered > 0) {
        let ClassReport { offered, answered, straight_through, refused, wait, .. } = *class;
        rows.push(vec![
            class.class.to_owned(),
            grouped(offered),
            percent(straight_through, offered),
            percent(answered - straight_through, offered),
            percent(refused, offered),
            span(wait.p50),
            span(wait.p99),
            span(wait.max),
        ]);
    }
    table(&rows)
}

/// How calls that were not answered ended; empty when all were.
#[must_use]
pub fn refusals(report: &Report) -> String {
    if report.refused.is_empty() {
        return String::new();
    }
    let kinds: Vec<String> =
        report.refused.iter().map(|(kind, count)| format!("{} × {kind}", grouped(*count))).collect();
    let told = format!("told after {} (half), {} (all)", span(report.told.p50), span(report.told.max));
    format!("{}; {told}", kinds.join(", "))
}

/// Several controls side by side over the same stretch: how calls ended, and goodput against `limit` calls a second.
#[must_use]
pub fn comparison(rows: &[(&str, &Report)], limit: f64) -> String {
    let head = ["", "refused", "429 ours", "429 provider", "503", "504", "other", "attempts", "goodput"];
    let mut lines = vec![words(&head)];
    for (name, report) in rows {
        let kind = |name: &str| report.refused.get(name).copied().unwrap_or(0);
        let named = ["429 limit", "429 provider", "503 queue full", "504 deadline"].map(kind);
        let [limited, provider, full, late] = named.map(grouped);
        let other = report.refusals() - named.iter().sum::<u64>();
        lines.push(vec![
            (*name).to_owned(),
            format!("{:.2} %", 100.0 * report.refused_share()),
            limited,
            provider,
            full,
            late,
            grouped(other),
            grouped(report.attempts),
            format!("{:.1} %", 100.0 * report.goodput / limit),
        ]);
    }
    table(&lines)
}

/// Several controls side by side over the same stretch: for each class the share of its calls that was refused, and what
/// the others waited (half, 99 of 100).
#[must_use]
pub fn comparison_by_class(rows: &[(&str, &Report)]) -> String {
    let mut head = words(&[""]);
    head.extend(CLASSES.iter().map(|class| format!("{}: refused, p50, p99", class.as_str())));
    let mut lines = vec![head];
    for (name, report) in rows {
        let mut line = words(&[name]);
        line.extend(report.classes.iter().map(|class| {
            let refused = percent(class.refused, class.offered);
            format!("{refused:>7} {:>7} {:>7}", span(class.wait.p50), span(class.wait.p99))
        }));
        lines.push(line);
    }
    table(&lines)
}

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The longest waits over time as a row of blocks for each class, each as high as its share of the highest of all;
/// empty when nobody waited.
#[must_use]
pub fn plot(waits: &[ByClass<f64>], seconds: f64) -> String {
    let highest = waits.iter().flat_map(|waits| waits.0).fold(0.0, f64::max);
    if highest <= 0.0 {
        return String::new();
    }
    let mut text = String::new();
    for class in CLASSES {
        let own = waits.iter().map(|waits| *waits.of(class));
        let most = own.clone().fold(0.0, f64::max);
        // Whoever waited at all shows.
        let block = |wait: f64| BLOCKS.get((wait / highest * 8.0).ceil() as usize).copied().unwrap_or('█');
        let blocks: String = own.map(block).collect();
        let _ = writeln!(text, " {:<8} │{blocks}│ {}", class.as_str(), span(most * 1000.0));
    }
    let width = waits.len();
    let end = span(seconds * 1000.0);
    let _ = writeln!(text, " {:<8} 0{end:>width$}", "");
    text
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
