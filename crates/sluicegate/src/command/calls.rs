//! `calls`: single calls, from the books.

use super::books::{escaped, other};
use super::remote::{data_dir, question};
use super::words::{brief, fitted, grouped};
use crate::cli::CallsArguments;
use crate::outcome::{Outcome, written};
use crate::terminal::{self, DIM, WARN};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{CallLine, CallsPage};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(10);
/// A name that is longer is cut.
const NAME: usize = 18;

pub(crate) fn calls(arguments: &CallsArguments) -> Outcome {
    let CallsArguments { key, tenant, model, label, status, request_id, before, limit, remote } = arguments;
    let mut path = format!("/admin/api/calls?limit={limit}");
    let status = status.map(|status| status.to_string());
    for (name, value) in [
        ("key", key),
        ("tenant", tenant),
        ("model", model),
        ("label", label),
        ("status", &status),
        ("request_id", request_id),
        ("before", before),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    let (body, page): (String, CallsPage) = question(&data_dir(remote), Method::GET, &path, LIMIT)?;
    let text = if remote.json { format!("{body}\n") } else { table(&page) };
    let code = written(terminal::results(&text))?;
    if let (Some(next), false) = (&page.next, remote.json) {
        terminal::tell(&format!("calls before these: --before {next}"));
    }
    Ok(code)
}

fn table(page: &CallsPage) -> String {
    if page.calls.is_empty() {
        return "no such calls\n".to_owned();
    }
    let widest = page.calls.iter().map(|call| call.request_id.chars().count()).max().unwrap_or(0).max(10);
    let heading = format!(
        "{:<24}  {:<widest$}  {:<NAME$}  {:<NAME$}  {:<NAME$}  {:>6}  {:>11}  {:>11}  {:>13}  {:>8}  END",
        "TIME", "REQUEST ID", "KEY", "MODEL", "PROVIDER", "STATUS", "TOKENS IN", "TOKENS OUT", "BILLED", "TOOK"
    );
    let mut text = format!("{}\n", heading.style(DIM));
    for call in &page.calls {
        text.push_str(&row(call, widest));
        text.push('\n');
    }
    text
}

fn row(call: &CallLine, widest: usize) -> String {
    let name = |name: &str| fitted(if name.is_empty() { "-" } else { name }, NAME);
    let number = |number: i64| grouped(u64::try_from(number).unwrap_or(0));
    // Padded before it is coloured, since colours are characters too.
    let status = format!("{:>6}", call.status);
    let status = if call.status < 400 { status } else { status.style(WARN).to_string() };
    let other = other(&call.other, "billed").map(|other| format!("  {other}")).unwrap_or_default();
    format!(
        "{:<24}  {:<widest$}  {:<NAME$}  {:<NAME$}  {:<NAME$}  {status}  {:>11}  {:>11}  {:>13}  {:>8}  {}{other}",
        call.at,
        fitted(&call.request_id, widest),
        name(&call.key),
        name(&call.model),
        name(&call.provider),
        number(call.input),
        number(call.output),
        format!("${}", call.billed_usd),
        brief(Duration::from_micros(call.total_us.unsigned_abs()).as_secs_f64() * 1e3),
        call.end,
    )
}
