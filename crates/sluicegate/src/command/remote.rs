//! `status` and `reload`: asking the relay that runs on this machine, over the socket in its data directory.

use super::words::{grouped, lasting};
use crate::cli::{ConfigArguments, RemoteArguments};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::Source;
use crate::terminal::{self, DIM, GOOD, STRONG, WARN};
use bytes::Bytes;
use http::{Method, StatusCode};
use owo_colors::OwoColorize as _;
use serde::de::DeserializeOwned;
use sluicegate_config::Server;
use sluicegate_control::{AlertLevel, AskError, ReloadReport, SOCKET_FILE, Status, ask_at, ask_with};
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
    let place = Place::Folder(data_dir.to_owned());
    match question::<Status>(&place, Method::GET, "/admin/api/status", STATUS_LIMIT) {
        Ok((_, status)) => Ok(Some(status)),
        Err(failure) if failure.code == Code::Unreachable => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The relay that a command asks.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The one that runs with this data directory.
    Folder(PathBuf),
    /// One elsewhere, by its URL.
    Url(String),
}

/// Which relay is asked: as the flags say, else as the environment says, else that of the configuration's data directory.
pub(super) fn data_dir(arguments: &RemoteArguments) -> Place {
    let set =
        || std::env::var("SLUICEGATE_ADMIN_URL").ok().filter(|url| !url.is_empty() && arguments.data_dir.is_none());
    match arguments.admin_url.clone().or_else(set) {
        Some(url) => Place::Url(url),
        None => Place::Folder(local_dir(arguments)),
    }
}

impl Place {
    /// Asks it, with a body of JSON.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Outcome<Result<(StatusCode, Bytes), AskError>> {
        let url = match self {
            Self::Folder(folder) => return Ok(ask_with(&folder.join(SOCKET_FILE), method, path, body, limit).await),
            Self::Url(url) => url,
        };
        let wrong = || {
            let what = "a relay elsewhere is named by http://HOST:PORT; its answers are not encrypted, so go there by a tunnel";
            Failure::other(format!("{url}: {what}"))
        };
        let address = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        let port = address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !port {
            return Err(wrong());
        }
        let token = std::env::var("SLUICEGATE_ADMIN_TOKEN").ok().filter(|token| !token.trim().is_empty());
        let token = token.ok_or_else(|| {
            Failure::new(Code::NotAllowed, "a relay elsewhere asks for a token: set SLUICEGATE_ADMIN_TOKEN")
        })?;
        Ok(ask_at(address, token.trim(), method, path, body, limit).await)
    }

    /// Why it gave no answer.
    pub(super) fn silent(&self, error: &AskError) -> Failure {
        let code = match error {
            AskError::NotAllowed => Code::NotAllowed,
            AskError::NotRunning | AskError::Timeout(_) => Code::Unreachable,
            AskError::Broken(_) => Code::Failed,
        };
        match self {
            Self::Url(url) if matches!(error, AskError::NotRunning) => {
                Failure::new(code, format!("{url}: no relay takes orders there"))
            }
            Self::Url(url) => Failure::new(code, format!("{url}: {error}")),
            Self::Folder(folder) if code == Code::Unreachable => {
                let hint = "start one with sluicegate serve, or name its folder with --data-dir";
                Failure::new(code, format!("{}: {error}\n       {hint}", folder.display()))
            }
            Self::Folder(folder) => Failure::new(code, format!("{}: {error}", folder.display())),
        }
    }
}

/// Where the relay of this machine keeps its socket: as the flag says, else as the configuration says. A configuration that
/// is wrong at the moment is no reason not to ask the relay about it.
pub(super) fn local_dir(arguments: &RemoteArguments) -> PathBuf {
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
    place: &Place,
    method: Method,
    path: &str,
    limit: Duration,
) -> Outcome<(String, T)> {
    runtime()?.block_on(asked(place, method, path, limit))
}

pub(super) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let failed = |error| Failure::other(format!("cannot start: {error}"));
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// The same on a runtime that is there.
pub(super) async fn asked<T: DeserializeOwned>(
    place: &Place,
    method: Method,
    path: &str,
    limit: Duration,
) -> Outcome<(String, T)> {
    let answer = place.ask(method, path, Bytes::new(), limit).await?;
    let (status, body) = answer.map_err(|error| place.silent(&error))?;
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
