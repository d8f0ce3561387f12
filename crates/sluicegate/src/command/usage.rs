//! `usage`: what calls have used and cost, from the books.

use super::remote::{data_dir, question};
use super::words::{bar, fitted, grouped};
use crate::cli::UsageArguments;
use crate::outcome::{Outcome, written};
use crate::terminal::{self, DIM, GOOD};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{UsageLine, UsagePage};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(10);
/// A name that is longer is cut.
const NAME: usize = 32;
/// Cells of a bar.
const BAR: usize = 12;

pub(crate) fn usage(arguments: &UsageArguments) -> Outcome {
    let path = format!("/admin/api/usage?by={}&days={}", arguments.by.as_str(), arguments.days);
    let (body, page): (String, UsagePage) = question(&data_dir(&arguments.remote), Method::GET, &path, LIMIT)?;
    let text = if arguments.remote.json {
        format!("{body}\n")
    } else if arguments.csv {
        csv(&page)
    } else {
        table(&page, arguments.by.as_str())
    };
    written(terminal::results(&text))
}

fn csv(page: &UsagePage) -> String {
    let mut text =
        "name,calls,errors,unpriced,input_tokens,cached_tokens,output_tokens,cost_usd,billed_usd\n".to_owned();
    for line in &page.usage {
        let UsageLine { name, calls, errors, unpriced, input, cached, output, cost_usd, billed_usd, .. } = line;
        let name = if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() };
        text.push_str(&format!(
            "{name},{calls},{errors},{unpriced},{input},{cached},{output},{cost_usd},{billed_usd}\n"
        ));
    }
    text
}

fn table(page: &UsagePage, by: &str) -> String {
    if page.usage.is_empty() {
        return format!("no calls in the last {} days\n", page.days);
    }
    let dollars = |line: &UsageLine| line.billed_usd.parse::<f64>().unwrap_or_default();
    let most = page.usage.iter().map(dollars).fold(0.0, f64::max);
    let number = |number: i64| grouped(u64::try_from(number).unwrap_or(0));
    let heading = format!(
        "{:<NAME$}  {:>12}  {:>8}  {:>14}  {:>14}  {:>14}",
        by.to_uppercase(),
        "CALLS",
        "ERRORS",
        "TOKENS IN",
        "TOKENS OUT",
        "BILLED"
    );
    let mut text = format!("{}\n", heading.style(DIM));
    for line in &page.usage {
        let name = if line.name.is_empty() { "-" } else { &line.name };
        let (full, _) = bar(if most > 0.0 { dollars(line) / most } else { 0.0 }, BAR);
        let row = format!(
            "{:<NAME$}  {:>12}  {:>8}  {:>14}  {:>14}  {:>14}  {}",
            fitted(name, NAME),
            number(line.calls),
            number(line.errors),
            number(line.input),
            number(line.output),
            format!("${}", line.billed_usd),
            full.style(GOOD),
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}
