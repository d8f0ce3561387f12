//! `quota`: every limit as it is now, the fullest first.

use super::remote::{data_dir, question, raised};
use super::words::{amount, bar, brief, counts, fitted, owner, used};
use crate::cli::QuotaArguments;
use crate::outcome::{Outcome, written};
use crate::terminal::{self, BAD, DIM, GOOD, WARN};
use http::Method;
use owo_colors::{OwoColorize as _, Style};
use sluicegate_control::{Flow, FlowLimit};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(5);
/// Cells of a bar.
const BAR: usize = 10;
/// A name that is longer is cut.
const NAME: usize = 40;

pub(crate) fn quota(arguments: &QuotaArguments) -> Outcome {
    let path = match &arguments.key {
        None => FLOW.to_owned(),
        Some(key) => format!("{FLOW}?key={}", escaped(key)),
    };
    let (body, flow): (String, Flow) = question(&data_dir(&arguments.remote), Method::GET, &path, LIMIT)?;
    let text = if arguments.remote.json { format!("{body}\n") } else { table(&flow) };
    written(terminal::results(&text))
}

/// Where flow control is told.
pub(crate) const FLOW: &str = "/admin/api/flow";

/// A key's name as part of a URL.
fn escaped(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// One line of the table.
struct Row {
    owner: String,
    counts: String,
    amount: String,
    refills: String,
    rest: String,
}

impl Row {
    fn of(limit: &FlowLimit) -> Self {
        let mut rest = Vec::new();
        if limit.waiting > 0 {
            rest.push(format!("{} waiting, oldest {}", limit.waiting, brief(limit.oldest_wait_ms as f64)));
        }
        if limit.shadow {
            rest.push(format!("shadow: would have refused {}", limit.would_refuse));
        }
        Self {
            owner: fitted(owner(limit), NAME),
            counts: counts(limit),
            amount: amount(limit),
            refills: limit.refills_in_ms.map_or_else(|| "-".to_owned(), |ms| brief(ms as f64)),
            rest: rest.join(" · "),
        }
    }
}

fn table(flow: &Flow) -> String {
    if flow.limits.is_empty() {
        return "no limit is in use; limits are set under rate_limits and keys\n".to_owned();
    }
    let rows: Vec<Row> = flow.limits.iter().map(Row::of).collect();
    let width = |heading: &str, cell: fn(&Row) -> &str| {
        rows.iter().map(|row| cell(row).chars().count()).chain([heading.len()]).max().unwrap_or_default()
    };
    let (owner, counts) = (width("LIMIT", |row| &row.owner), width("COUNTS", |row| &row.counts));
    let (used_of, refills) = (width("USED", |row| &row.amount), width("REFILLS IN", |row| &row.refills));
    let heading = format!(
        "{:<owner$}  {:<counts$}  {:>used_of$}  {:<room$}  {:>refills$}",
        "LIMIT",
        "COUNTS",
        "USED",
        "",
        "REFILLS IN",
        room = BAR + 5,
    );
    let mut text = format!("{}\n", heading.style(DIM));
    for (limit, row) in flow.limits.iter().zip(&rows) {
        let share = used(limit);
        let (full, rest) = bar(share, BAR);
        let line = format!(
            "{:<owner$}  {:<counts$}  {:>used_of$}  {}{} {:>3.0}%  {:>refills$}  {}",
            row.owner,
            row.counts,
            row.amount,
            full.style(mood(share)),
            rest.style(DIM),
            share * 100.0,
            row.refills,
            row.rest,
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if flow.limits_left_out > 0 {
        text.push_str(&format!("{}\n", format!("and {} more that are less full", flow.limits_left_out).style(DIM)));
    }
    for alert in flow.alerts.iter().filter(|alert| alert.firing) {
        text.push_str(&format!("{} {}\n", "alert:".style(WARN), raised(alert)));
    }
    text
}

const fn mood(share: f64) -> Style {
    match share {
        share if share >= 0.95 => BAD,
        share if share >= 0.8 => WARN,
        _ => GOOD,
    }
}

#[cfg(test)]
#[path = "quota_tests.rs"]
pub(crate) mod tests;
