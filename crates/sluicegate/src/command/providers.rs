//! `providers`: how those who answer and their keys are, and what is said about them.

use super::remote::{data_dir, question};
use super::words::{brief, grouped};
use crate::cli::{DrainArguments, ProvidersArguments, ProvidersCommand, TargetArguments};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::terminal::{self, BAD, DIM, GOOD, STRONG, WARN};
use http::Method;
use owo_colors::{OwoColorize as _, Style};
use sluicegate_control::{ProvidersPage, Tested, TestsPage};
use sluicegate_relay::{FailoverReport, KeyReport, LoadReport, ModelReport, ProviderReport, QuotaReport};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(5);
/// A provider is given ten seconds for each of its keys.
const TEST_LIMIT: Duration = Duration::from_secs(120);
/// Where providers are told.
pub(super) const PROVIDERS: &str = "/admin/api/providers";
/// Changes of a breaker that are shown.
const CHANGES: usize = 8;

pub(crate) fn providers(command: Option<&ProvidersCommand>, arguments: &ProvidersArguments) -> Outcome {
    match command {
        None => list(arguments),
        Some(ProvidersCommand::List(arguments)) => list(arguments),
        Some(ProvidersCommand::Show(arguments)) => show(arguments),
        Some(ProvidersCommand::Test(arguments)) => test(arguments),
        Some(ProvidersCommand::Hold(arguments)) => order(arguments, "hold"),
        Some(ProvidersCommand::Resume(arguments)) => order(arguments, "resume"),
        Some(ProvidersCommand::Promote(arguments)) => of_a_key(arguments, "promote"),
        Some(ProvidersCommand::Demote(arguments)) => of_a_key(arguments, "demote"),
        Some(ProvidersCommand::Drain(arguments)) => drain(arguments, "drain"),
        Some(ProvidersCommand::Retire(arguments)) => {
            key_of(&arguments.target)?;
            drain(arguments, "retire")
        }
    }
}

fn list(arguments: &ProvidersArguments) -> Outcome {
    let (body, page): (String, ProvidersPage) = question(&data_dir(&arguments.remote), Method::GET, PROVIDERS, LIMIT)?;
    written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { table(&page) }))
}

fn show(arguments: &TargetArguments) -> Outcome {
    let (provider, key) = parts(&arguments.target);
    let path = format!("{PROVIDERS}/{}", escaped(provider));
    let (body, page): (String, ProvidersPage) = question(&data_dir(&arguments.remote), Method::GET, &path, LIMIT)?;
    known(&page, provider, key)?;
    written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { whole(&page) }))
}

fn test(arguments: &TargetArguments) -> Outcome {
    let path = format!("{}/test", path(&arguments.target));
    let (body, page): (String, TestsPage) = question(&data_dir(&arguments.remote), Method::POST, &path, TEST_LIMIT)?;
    let text: String = page.tests.iter().map(tried).collect();
    written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { text }))?;
    let all_work = page.tests.iter().all(|test| test.verdict == "works");
    Ok(if all_work { Code::Done } else { Code::No })
}

/// `openai/org-a  works  200 in 123 ms`
fn tried(test: &Tested) -> String {
    let name = if test.key == "-" { test.provider.clone() } else { format!("{}/{}", test.provider, test.key) };
    let style = match &*test.verdict {
        "works" => GOOD,
        "refused" => BAD,
        _ => WARN,
    };
    let status = test.status.map_or_else(String::new, |status| format!("{status} "));
    let why = if test.verdict == "unknown" { format!(" · {}", test.result) } else { String::new() };
    format!("{name}  {}  {status}in {}{why}\n", test.verdict.style(style), brief(test.millis.max(1) as f64))
}

/// Says something about a provider or a key, and shows what became of it.
fn order(arguments: &TargetArguments, word: &str) -> Outcome {
    said(arguments, word, LIMIT).map(|_| Code::Done)
}

fn said(arguments: &TargetArguments, word: &str, limit: Duration) -> Outcome<ProvidersPage> {
    let path = format!("{}/{word}", path(&arguments.target));
    let (body, page): (String, ProvidersPage) = question(&data_dir(&arguments.remote), Method::POST, &path, limit)?;
    written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { table(&page) }))?;
    Ok(page)
}

fn of_a_key(arguments: &TargetArguments, word: &str) -> Outcome {
    key_of(&arguments.target)?;
    order(arguments, word)
}

fn drain(arguments: &DrainArguments, word: &str) -> Outcome {
    let target = TargetArguments { remote: arguments.remote.clone(), target: arguments.target.clone() };
    let limit = Duration::from_millis(arguments.timeout.millis());
    let word = format!("{word}?timeout_ms={}", arguments.timeout.millis());
    let page = said(&target, &word, limit + LIMIT)?;
    let (provider, key) = parts(&target.target);
    let left = under_way(&page, provider, key);
    if left == 0 {
        return Ok(Code::Done);
    }
    terminal::tell(&format!("{} still has {left} under way; it gets no new calls", target.target));
    Ok(Code::No)
}

fn under_way(page: &ProvidersPage, provider: &str, key: Option<&str>) -> u32 {
    let providers = page.report.providers.iter().filter(|known| known.name == provider);
    providers
        .map(|provider| match key {
            None => provider.in_flight,
            Some(key) => provider.keys.iter().filter(|known| known.name == key).map(|key| key.in_flight).sum(),
        })
        .sum()
}

/// `provider/key` in its parts.
fn parts(target: &str) -> (&str, Option<&str>) {
    target.split_once('/').map_or((target, None), |(provider, key)| (provider, Some(key)))
}

fn key_of(target: &str) -> Outcome<&str> {
    let missing = || Failure::new(Code::Failed, format!("name a key as PROVIDER/KEY, such as {target}/KEY"));
    parts(target).1.ok_or_else(missing)
}

fn known(page: &ProvidersPage, provider: &str, key: Option<&str>) -> Outcome<()> {
    let Some(key) = key else { return Ok(()) };
    let found = page.report.providers.iter().flat_map(|provider| &provider.keys).any(|known| known.name == key);
    if found { Ok(()) } else { Err(Failure::other(format!("the provider {provider:?} has no key called {key:?}"))) }
}

/// Where a target is in the operators' API.
fn path(target: &str) -> String {
    match parts(target) {
        (provider, None) => format!("{PROVIDERS}/{}", escaped(provider)),
        (provider, Some(key)) => format!("{PROVIDERS}/{}/keys/{}", escaped(provider), escaped(key)),
    }
}

/// A name as part of a URL.
pub(super) fn escaped(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A line of the table.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) in_flight: u32,
    /// The part that failed lately; `None` where there was nothing.
    pub(super) errors: Option<f64>,
    /// What is left of its quota; `None` where nothing is known.
    pub(super) headroom: Option<f64>,
    /// What else there is to say.
    pub(super) rest: String,
}

impl Row {
    fn of_provider(provider: &ProviderReport) -> Self {
        let breaker = &provider.breaker;
        let mut rest = Vec::new();
        if let Some(millis) = breaker.retry_in_ms {
            rest.push(format!("tried again in {}", brief(millis as f64)));
        }
        if breaker.consecutive > 0 {
            rest.push(format!("{} failures in a row", breaker.consecutive));
        }
        if provider.retries_left < 50.0 {
            rest.push(format!("{:.0} retries left", provider.retries_left));
        }
        let waiting: u32 = provider.models.iter().map(|model| model.waiting).sum();
        if waiting > 0 {
            rest.push(format!("{waiting} waiting for its quota"));
        }
        let state = if provider.held { "held" } else { &*breaker.state };
        let errors = (breaker.results > 0).then(|| f64::from(breaker.failures) / f64::from(breaker.results));
        Self {
            name: provider.name.clone(),
            state: state.to_owned(),
            in_flight: provider.in_flight,
            errors,
            headroom: None,
            rest: rest.join(" · "),
        }
    }

    fn of_key(key: &KeyReport) -> Self {
        let mut rest = Vec::new();
        if key.role != "primary" {
            rest.push(key.role.to_string());
        }
        if let Some(millis) = key.retry_in_ms {
            let what = if key.state == "throttled" { "refills" } else { "tried again" };
            rest.push(format!("{what} in {}", brief(millis as f64)));
        }
        if key.consecutive > 0 {
            rest.push(format!("{} errors in a row", key.consecutive));
        }
        rest.push(format!("{} calls", grouped(key.calls)));
        Self {
            name: format!("  {}", key.name),
            state: key.state.to_string(),
            in_flight: key.in_flight,
            errors: (key.calls > 0).then_some(key.error_rate),
            headroom: key.headroom,
            rest: rest.join(" · "),
        }
    }
}

/// Whether a state is well, and whether it is bad.
pub(super) fn is_well(state: &str) -> (bool, bool) {
    (matches!(state, "closed" | "healthy"), matches!(state, "open" | "suspect" | "dead"))
}

fn mood(state: &str) -> Style {
    match is_well(state) {
        (true, _) => GOOD,
        (_, true) => BAD,
        _ => WARN,
    }
}

pub(super) fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".to_owned(), |part| format!("{:.0}%", part * 100.0))
}

/// Providers, each with its keys below it.
pub(super) fn rows(providers: &[ProviderReport]) -> Vec<Row> {
    let with_keys = |provider: &ProviderReport| {
        let keys: Vec<Row> = provider.keys.iter().map(Row::of_key).collect();
        std::iter::once(Row::of_provider(provider)).chain(keys)
    };
    providers.iter().flat_map(with_keys).collect()
}

/// All of them as a table.
fn table(page: &ProvidersPage) -> String {
    if page.report.providers.is_empty() {
        return "no provider is configured\n".to_owned();
    }
    let rows = rows(&page.report.providers);
    let names = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max("PROVIDER/KEY".len());
    let states = rows.iter().map(|row| row.state.chars().count()).max().unwrap_or_default().max("STATE".len());
    let heading = format!(
        "{:<names$}  {:<states$}  {:>9}  {:>6}  {:>8}",
        "PROVIDER/KEY", "STATE", "IN FLIGHT", "ERRORS", "HEADROOM"
    );
    let mut text = format!("{}\n", heading.style(DIM));
    for row in &rows {
        let state = format!("{:<states$}", row.state);
        let line = format!(
            "{:<names$}  {}  {:>9}  {:>6}  {:>8}  {}",
            row.name,
            state.style(mood(&row.state)),
            row.in_flight,
            percent(row.errors),
            percent(row.headroom),
            row.rest,
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&extra_tries(&page.report.failovers));
    text
}

/// What calls may cost in extra tries, by the names they ask for.
fn extra_tries(budgets: &[FailoverReport]) -> String {
    if budgets.is_empty() {
        return String::new();
    }
    let names = budgets.iter().map(|it| it.model.chars().count()).max().unwrap_or_default().max("MODEL".len());
    let heading = format!("{:<names$}  {}", "MODEL", "EXTRA TRIES LEFT");
    let mut text = format!("\n{}\n", heading.style(DIM));
    for FailoverReport { model, left, most } in budgets {
        let style = if *left < most / 4.0 { WARN } else { GOOD };
        let left = format!("{left:.0}");
        text.push_str(&format!("{model:<names$}  {} of {most:.0}\n", left.style(style)));
    }
    text
}

/// The table, and what is known beside it: models, quotas, what the breaker did.
fn whole(page: &ProvidersPage) -> String {
    let mut text = table(page);
    for provider in &page.report.providers {
        let models: Vec<&ModelReport> = provider.models.iter().filter(|model| says_something(model)).collect();
        if !models.is_empty() {
            text.push_str(&format!("\n{}\n", "models".style(STRONG)));
        }
        for model in models {
            text.push_str(&told(model));
        }
        if let Some(load) = &provider.load {
            text.push_str(&format!("\n{}\n  {}\n", "server".style(STRONG), shown_load(load)));
        }
        let breaker = &provider.breaker;
        text.push_str(&format!("\n{}\n", "breaker".style(STRONG)));
        text.push_str(&format!(
            "  {} · {} of {} results in the last 10 s were failures · opened {} times\n",
            breaker.state, breaker.failures, breaker.results, breaker.opened
        ));
        for change in breaker.history.iter().rev().take(CHANGES) {
            let ago = format!("{} ago", brief(change.ago_ms as f64));
            text.push_str(&format!("  {ago:>12}  {:<9}  {}\n", change.state, change.cause));
        }
        text.push_str(&format!("\n{}\n  {:.1} of 100 left\n", "retries".style(STRONG), provider.retries_left));
    }
    text
}

/// `3 calls wait inside it · 91% of its memory for context is in use`
fn shown_load(load: &LoadReport) -> String {
    let mut parts = Vec::new();
    if let Some(waiting) = load.waiting {
        parts.push(format!("{waiting:.0} calls wait inside it"));
    }
    if let Some(used) = load.cache_used {
        parts.push(format!("{:.0}% of its memory for context is in use", used * 100.0));
    }
    if let Some(why) = &load.blind {
        parts.push(format!("its metrics cannot be read: {why}"));
    }
    if parts.is_empty() { "not looked at so far".to_owned() } else { parts.join(" · ") }
}

fn says_something(model: &ModelReport) -> bool {
    model.first_token_p50_ms.is_some() || model.adaptive.is_some() || !model.quotas.is_empty() || model.waiting > 0
}

fn told(model: &ModelReport) -> String {
    let name = if model.model.is_empty() { "(no model)" } else { &model.model };
    let mut text = format!("  {name}\n");
    if let (Some(half), Some(nearly)) = (model.first_token_p50_ms, model.first_token_p95_ms) {
        let (half, nearly) = (brief(half as f64), brief(nearly as f64));
        text.push_str(&format!("    first token  p50 {half} · p95 {nearly}\n"));
    }
    if let Some(adaptive) = &model.adaptive {
        let grows = match (adaptive.vetoed, adaptive.slow_start) {
            (true, _) => " · does not grow, its server is full",
            (false, true) => " · not cut so far",
            (false, false) => "",
        };
        let cut = adaptive.threshold_ms.map_or_else(
            || "learned from its refusals".to_owned(),
            |threshold| format!("cut when first tokens take longer than {}", brief(threshold as f64)),
        );
        text.push_str(&format!("    at once      {} of {} · {cut}{grows}\n", adaptive.in_flight, adaptive.limit));
    }
    if model.waiting > 0 {
        text.push_str(&format!("    waiting      {} for its quota\n", model.waiting));
    }
    for quota in &model.quotas {
        text.push_str(&format!("    quota        {}\n", left_of(quota)));
    }
    text
}

/// `org-a: requests 512 of 600 · tokens 80 000 of 1 200 000`
fn left_of(quota: &QuotaReport) -> String {
    let counts = [
        ("requests", quota.requests),
        ("tokens", quota.tokens),
        ("input tokens", quota.input_tokens),
        ("output tokens", quota.output_tokens),
    ];
    let known = counts.iter().filter_map(|(name, count)| count.map(|(left, most)| (name, left, most)));
    let mut parts: Vec<String> =
        known.map(|(name, left, most)| format!("{name} {} of {} left", grouped(left), grouped(most))).collect();
    if let Some(millis) = quota.held_ms {
        parts.push(format!("nothing goes for {}", brief(millis as f64)));
    }
    if quota.share < 0.995 {
        parts.push(format!("{:.0}% of it taken for ours", quota.share * 100.0));
    }
    format!("{}: {}", quota.group, parts.join(" · "))
}

#[cfg(test)]
#[path = "providers_tests.rs"]
pub(crate) mod tests;
