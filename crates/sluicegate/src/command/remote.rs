//! `status` and `reload`: asking the relay that runs on this machine, over the socket in its data directory.

use super::words::{grouped, lasting};
use crate::cli::{ConfigArguments, RemoteArguments};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::Source;
use crate::terminal::{self, DIM, GOOD, STRONG, WARN};
use http::{Method, StatusCode};
use owo_colors::OwoColorize as _;
use serde::de::DeserializeOwned;
use sluicegate_config::Server;
use sluicegate_control::{AlertLevel, AskError, ReloadReport, SOCKET_FILE, Status, ask};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const STATUS_LIMIT: Duration = Duration::from_secs(5);
/// A little more than the relay gives itself.
const RELOAD_LIMIT: Duration = Duration::from_secs(35);
/// Limits that a glance shows.
const LIMITS: usize = 8;

/// `reload`
pub(crate) fn reload(arguments: &RemoteArguments) -> Outcome {
    let (body, report): (String, ReloadReport) =
        question(&data_dir(arguments), Method::POST, "/admin/api/reload", RELOAD_LIMIT)?;
    if arguments.json {
        written(terminal::results(&format!("{body}\n")))?;
    } else if report.ok {
        let text = if report.before == report.after {
            format!("nothing changed: configuration {} stays in force", report.after)
        } else {
            format!("configuration {} is in force, was {}", report.after.style(STRONG), report.before)
        };
        written(terminal::results(&format!("{text}\n")))?;
        if !report.needs_restart.is_empty() {
            terminal::tell(&format!(
                "{} {}",
                "changed but needs a restart:".style(WARN),
                report.needs_restart.join(", ")
            ));
        }
    }
    if !arguments.json && !report.text.is_empty() {
        terminal::tell(report.text.trim_end());
    }
    if !report.ok {
        let message = format!("the new configuration was refused; {} stays in force", report.after);
        return Err(Failure::new(Code::Config, if arguments.json { String::new() } else { message }));
    }
    Ok(if report.needs_restart.is_empty() { Code::Done } else { Code::No })
}

/// `status`
pub(crate) fn status(arguments: &RemoteArguments) -> Outcome {
    let (body, status): (String, Status) =
        question(&data_dir(arguments), Method::GET, "/admin/api/status", STATUS_LIMIT)?;
    let text = if arguments.json { format!("{body}\n") } else { screen(&status) };
    written(terminal::results(&text))?;
    let calm = status.alerts.iter().all(|alert| !alert.firing);
    Ok(if status.ready && status.last_reload_ok && calm { Code::Done } else { Code::No })
}

/// What the relay running with this data directory says about itself; `None` when none runs.
pub(crate) fn running(data_dir: &Path) -> Outcome<Option<Status>> {
    match question::<Status>(data_dir, Method::GET, "/admin/api/status", STATUS_LIMIT) {
        Ok((_, status)) => Ok(Some(status)),
        Err(failure) if failure.code == Code::Unreachable => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Where the relay keeps its socket: as the flag says, else as the configuration says. A configuration that is wrong at
/// the moment is no reason not to ask the relay about it.
pub(super) fn data_dir(arguments: &RemoteArguments) -> PathBuf {
    arguments.data_dir.clone().unwrap_or_else(|| configured_data_dir(&arguments.config))
}

pub(crate) fn configured_data_dir(arguments: &ConfigArguments) -> PathBuf {
    let set = || std::env::var_os("SLUICEGATE_DATA").filter(|set| !set.is_empty()).map(PathBuf::from);
    match Source::new(arguments).load() {
        Ok(loaded) => loaded.config.server.data_dir,
        Err(_) => set().unwrap_or_else(|| Server::default().data_dir),
    }
}

/// Asks the relay, and gives its answer as text and read.
pub(super) fn question<T: DeserializeOwned>(
    data_dir: &Path,
    method: Method,
    path: &str,
    limit: Duration,
) -> Outcome<(String, T)> {
    runtime()?.block_on(asked(data_dir, method, path, limit))
}

pub(super) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let failed = |error| Failure::other(format!("cannot start: {error}"));
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// The same on a runtime that is there.
pub(super) async fn asked<T: DeserializeOwned>(
    data_dir: &Path,
    method: Method,
    path: &str,
    limit: Duration,
) -> Outcome<(String, T)> {
    let socket = data_dir.join(SOCKET_FILE);
    let (status, body) = ask(&socket, method, path, limit).await.map_err(|error| {
        let code = match error {
            AskError::NotAllowed => Code::NotAllowed,
            AskError::NotRunning | AskError::Timeout(_) => Code::Unreachable,
            AskError::Broken(_) => Code::Failed,
        };
        let hint = if code == Code::Unreachable {
            "\n       start one with sluicegate serve, or name its folder with --data-dir"
        } else {
            ""
        };
        Failure::new(code, format!("{}: {error}{hint}", data_dir.display()))
    })?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_client_error() && status != StatusCode::UNPROCESSABLE_ENTITY
        || status == StatusCode::SERVICE_UNAVAILABLE
    {
        let said = serde_json::from_str::<serde_json::Value>(&text).ok();
        let said = said.as_ref().and_then(|body| body.pointer("/error/message")?.as_str());
        return Err(Failure::other(said.unwrap_or("the relay cannot do that now")));
    }
    let parsed = serde_json::from_str(&text).map_err(|error| {
        Failure::other(format!("the running relay answers differently than this version expects: {error}"))
    })?;
    Ok((text, parsed))
}

fn screen(status: &Status) -> String {
    let row = |name: &str, value: &str| format!("  {}{value}\n", format!("{name:<11}").style(DIM));
    let ready = if status.ready { "ready".style(GOOD).to_string() } else { "stopping".style(WARN).to_string() };
    let title = format!("sluicegate {}", status.version);
    let mut text =
        format!("{} · {ready} · pid {} · up {}\n\n", title.style(STRONG), status.pid, lasting(status.uptime_seconds));
    text.push_str(&row("Listening", &status.addresses.join(", ")));
    let reload = if status.last_reload_ok {
        String::new()
    } else {
        format!("   {}", "the last reload was refused: sluicegate check".style(WARN))
    };
    text.push_str(&row("Config", &format!("{} · version {}{reload}", status.config_source, status.config)));
    text.push_str(&row("Clients", if status.keys_required { "need a key" } else { "need no key" }));
    text.push_str(&row("In flight", &status.in_flight.to_string()));
    let width = status.providers.iter().map(|provider| provider.name.chars().count()).max().unwrap_or_default();
    for (at, provider) in status.providers.iter().enumerate() {
        let name = if at == 0 { "Providers" } else { "" };
        let keys = match provider.keys {
            0 => "no key".to_owned(),
            1 => "1 key".to_owned(),
            many => format!("{many} keys"),
        };
        text.push_str(&row(name, &format!("{:<width$}  {}  {}  {keys}", provider.name, provider.kind, provider.host)));
    }
    for (at, limit) in status.limits.iter().take(LIMITS).enumerate() {
        let name = if at == 0 { "Limits" } else { "" };
        text.push_str(&row(
            name,
            &format!("{}  {} of {} {} left", limit.name, grouped(limit.left), grouped(limit.capacity), limit.counts),
        ));
    }
    if status.limits.len() > LIMITS {
        text.push_str(&row("", "more: sluicegate quota"));
    }
    let firing = |alert: &&AlertLevel| alert.firing;
    for (at, alert) in status.alerts.iter().filter(firing).enumerate() {
        let name = if at == 0 { "Alerts" } else { "" };
        text.push_str(&row(name, &raised(alert).style(WARN).to_string()));
    }
    text
}

/// An alert that is raised, in a line.
pub(super) fn raised(alert: &AlertLevel) -> String {
    let unit = if alert.threshold.ends_with('%') { "%" } else { "" };
    let value = alert.value.unwrap_or_default();
    let limit = alert.limit.as_deref().map(|limit| format!(": {limit}")).unwrap_or_default();
    let since = alert.since.as_deref().unwrap_or_default();
    format!("{} is {value}{unit} ({}){limit}, since {since}", alert.metric, alert.threshold)
}
