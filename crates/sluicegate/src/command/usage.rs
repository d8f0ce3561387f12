//! `usage`: what calls have used and cost, from the books.

use super::books::{escaped, other};
use super::remote::{data_dir, question};
use super::words::{bar, brief, fitted, grouped};
use crate::cli::{Figure, UsageArguments, UsageBy};
use crate::outcome::{Outcome, written};
use crate::terminal::{self, DIM, GOOD};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{UsageLine, UsagePage};
use std::collections::HashMap;
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(10);
/// A name that is longer is cut.
const NAME: usize = 24;
/// Columns of a plot at most, and its rows.
const WIDEST: usize = 100;
const HEIGHT: usize = 8;
/// Cells of a bar.
const BAR: usize = 12;

pub(crate) fn usage(arguments: &UsageArguments) -> Outcome {
    let (body, page) = asked(arguments, arguments.by)?;
    let text = if arguments.remote.json {
        format!("{body}\n")
    } else if arguments.csv {
        csv(&page)
    } else {
        let plotted = match (arguments.plot, arguments.by) {
            (None, _) => String::new(),
            (Some(figure), UsageBy::Day | UsageBy::Hour) => plot(&page, arguments.by, figure, now()),
            // The table tells something else apart, so the plot's days are asked for beside it.
            (Some(figure), _) => plot(&asked(arguments, UsageBy::Day)?.1, UsageBy::Day, figure, now()),
        };
        plotted + &table(&page, arguments.by.as_str())
    };
    written(terminal::results(&text))
}

fn asked(arguments: &UsageArguments, by: UsageBy) -> Outcome<(String, UsagePage)> {
    let mut path = format!("/admin/api/usage?by={}&days={}", by.as_str(), arguments.days);
    let UsageArguments { key, tenant, model, label, .. } = arguments;
    for (name, value) in [("key", key), ("tenant", tenant), ("model", model), ("label", label)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    question(&data_dir(&arguments.remote), Method::GET, &path, LIMIT)
}

fn now() -> jiff::civil::DateTime {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime()
}

/// A figure over time, a column for each day or hour, those without a call too.
fn plot(page: &UsagePage, by: UsageBy, figure: Figure, now: jiff::civil::DateTime) -> String {
    let (hours, shown, title) = match by {
        UsageBy::Hour => (1, "%Y-%m-%d %H:00", "hour"),
        _ => (24, "%Y-%m-%d", "day"),
    };
    let value = |line: &UsageLine| match figure {
        Figure::Billed => line.billed_usd.parse().unwrap_or_default(),
        Figure::Calls => as_float(line.calls),
        Figure::Tokens => as_float(line.input.saturating_add(line.output)),
    };
    let known: HashMap<&str, f64> = page.usage.iter().map(|line| (line.name.as_str(), value(line))).collect();
    let columns = i64::from(page.days) * 24 / hours;
    let values: Vec<f64> = (0..columns)
        .rev()
        .filter_map(|back| now.checked_sub(jiff::Span::new().try_hours(back * hours).ok()?).ok())
        .map(|at| known.get(at.strftime(shown).to_string().as_str()).copied().unwrap_or_default())
        .collect();
    // Where there are more columns than fit, each is several.
    let each = values.len().div_ceil(WIDEST).max(1);
    let sums: Vec<f64> = values.chunks(each).map(|chunk| chunk.iter().sum()).collect();
    let most = sums.iter().copied().fold(0.0, f64::max);
    let told = match figure {
        Figure::Billed => format!("${most:.*}", places(most)),
        _ => grouped(whole(most)),
    };
    let mut text = format!("{}\n", format!("{told} at most in a column of {each} {title}(s)").style(DIM));
    for row in (0..HEIGHT).rev() {
        let cells: String = sums.iter().map(|sum| cell(if most > 0.0 { sum / most } else { 0.0 }, row)).collect();
        text.push_str(&format!("  {}\n", cells.trim_end().style(GOOD)));
    }
    let line = "─".repeat(sums.len());
    text.push_str(&format!("  {}\n\n", line.style(DIM)));
    text
}

/// Decimals with which an amount below a dollar still shows two figures.
fn places(dollars: f64) -> usize {
    let zeros = (0..8).take_while(|zeros| dollars > 0.0 && dollars * 10_f64.powi(*zeros) < 1.0).count();
    zeros.saturating_sub(1) + 2
}

/// What of a column as high as this share of the plot is in one of its rows.
fn cell(share: f64, row: usize) -> char {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let eighths = whole(share * as_float(HEIGHT as i64) * 8.0);
    // A little is not nothing.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let here = eighths.saturating_sub(8 * row as u64).min(8);
    usize::try_from(here).ok().and_then(|here| EIGHTHS.get(here)).copied().unwrap_or(' ')
}

#[expect(clippy::cast_precision_loss, reason = "a column of a plot has 64 heights")]
const fn as_float(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is plotted is not below zero")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn csv(page: &UsagePage) -> String {
    let mut text =
        "name,calls,errors,unpriced,input_tokens,cached_tokens,output_tokens,cost_usd,billed_usd,cache_hits,mean_us,mean_first_us,saved_usd\n".to_owned();
    for line in &page.usage {
        let UsageLine { name, calls, errors, unpriced, input, cached, output, cost_usd, billed_usd, .. } = line;
        let UsageLine { cache_hits, mean_us, mean_first_us, saved_usd, .. } = line;
        let name = if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() };
        text.push_str(&format!(
            "{name},{calls},{errors},{unpriced},{input},{cached},{output},{cost_usd},{billed_usd},{cache_hits},{mean_us},{mean_first_us},{saved_usd}\n"
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
        "{:<NAME$}  {:>11}  {:>8}  {:>11}  {:>14}  {:>13}  {:>13}  {:>13}  {:>8}  {:>8}",
        by.to_uppercase(),
        "CALLS",
        "ERRORS",
        "CACHE HITS",
        "TOKENS IN",
        "TOKENS OUT",
        "BILLED",
        "SAVED",
        "LATENCY",
        "FIRST"
    );
    let mut text = format!("{}\n", heading.style(DIM));
    for line in &page.usage {
        let name = if line.name.is_empty() { "-" } else { &line.name };
        let (full, _) = bar(if most > 0.0 { dollars(line) / most } else { 0.0 }, BAR);
        let other = other(&line.other, "billed").map(|other| format!("  {other}")).unwrap_or_default();
        let row = format!(
            "{:<NAME$}  {:>11}  {:>8}  {:>11}  {:>14}  {:>13}  {:>13}  {:>13}  {:>8}  {:>8}{other}  {}",
            fitted(name, NAME),
            number(line.calls),
            number(line.errors),
            number(line.cache_hits),
            number(line.input),
            number(line.output),
            format!("${}", line.billed_usd),
            format!("${}", line.saved_usd),
            brief(as_float(line.mean_us) / 1e3),
            brief(as_float(line.mean_first_us) / 1e3),
            full.style(GOOD),
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
