//! `migrate`: moves of traffic, and what is said about them.

mod arguments;
mod view;

pub(crate) use arguments::{MIGRATE_EXAMPLES, MigrateCommand};

use super::providers::escaped;
use super::remote::{data_dir, question};
use crate::cli::RemoteArguments;
use crate::outcome::{Code, Failure, Outcome, written};
use crate::terminal;
use arguments::{HistoryArguments, OrderArguments, StatusArguments};
use http::Method;
use sluicegate_config::Period;
use sluicegate_control::{MigrationHistory, MigrationsPage};
use std::time::{Duration, Instant};

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(5);
/// Time between two looks of `--wait`.
const LOOK: Duration = Duration::from_millis(250);
const MIGRATIONS: &str = "/admin/api/migrations";

pub(crate) fn migrate(command: &MigrateCommand) -> Outcome {
    match command {
        MigrateCommand::List(arguments) => list(&arguments.remote),
        MigrateCommand::Status(arguments) => status(arguments),
        MigrateCommand::History(arguments) => history(arguments),
        MigrateCommand::Start(arguments) => order(arguments, "start"),
        MigrateCommand::Advance(arguments) => order(arguments, "advance"),
        MigrateCommand::Pause(arguments) => order(arguments, "pause"),
        MigrateCommand::Resume(arguments) => order(arguments, "resume"),
        MigrateCommand::Rollback(arguments) => order(arguments, "rollback"),
        MigrateCommand::Promote(arguments) => order(arguments, "promote"),
    }
}

fn page(remote: &RemoteArguments, name: Option<&str>) -> Outcome<(String, MigrationsPage)> {
    let path = name.map_or_else(|| MIGRATIONS.to_owned(), |name| format!("{MIGRATIONS}/{}", escaped(name)));
    question(&data_dir(remote), Method::GET, &path, LIMIT)
}

fn list(remote: &RemoteArguments) -> Outcome {
    let (body, page) = page(remote, None)?;
    if page.migrations.is_empty() && !remote.json {
        terminal::tell("no migration is configured: see `migrations:` in the reference of the configuration");
        return Ok(Code::Done);
    }
    written(terminal::results(&if remote.json { format!("{body}\n") } else { view::table(&page.migrations) }))
}

fn status(arguments: &StatusArguments) -> Outcome {
    match &arguments.name {
        None => {
            let (body, page) = page(&arguments.remote, None)?;
            let text = || page.migrations.iter().map(view::whole).collect::<Vec<_>>().join("\n");
            written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { text() }))?;
            Ok(Code::Done)
        }
        Some(name) if arguments.wait => wait(&arguments.remote, name, arguments.timeout),
        Some(name) => {
            let (body, page) = page(&arguments.remote, Some(name))?;
            shown(&arguments.remote, &body, &page)?;
            Ok(ending(&page))
        }
    }
}

/// What a page says as an exit code: no, where its migration was rolled back.
fn ending(page: &MigrationsPage) -> Code {
    if page.migrations.iter().any(|migration| migration.phase == "rolled_back") { Code::No } else { Code::Done }
}

fn shown(remote: &RemoteArguments, body: &str, page: &MigrationsPage) -> Outcome {
    let text = || page.migrations.iter().map(view::whole).collect::<String>();
    written(terminal::results(&if remote.json { format!("{body}\n") } else { text() }))
}

/// Looks until it is over, and tells each change on the way.
fn wait(remote: &RemoteArguments, name: &str, timeout: Option<Period>) -> Outcome {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let (body, page) = page(remote, Some(name))?;
        let Some(migration) = page.migrations.first() else {
            return Err(Failure::other(format!("no migration is called {name:?}")));
        };
        if matches!(&*migration.phase, "promoted" | "rolled_back") {
            shown(remote, &body, &page)?;
            return Ok(ending(&page));
        }
        let stands = (migration.phase.clone(), migration.step);
        if told.as_ref() != Some(&stands) {
            terminal::tell(&view::line(migration));
            told = Some(stands);
        }
        if timeout.is_some_and(|timeout| begun.elapsed() >= timeout.duration()) {
            shown(remote, &body, &page)?;
            return Ok(Code::No);
        }
        std::thread::sleep(LOOK);
    }
}

fn order(arguments: &OrderArguments, word: &str) -> Outcome {
    let who = arguments
        .who
        .clone()
        .unwrap_or_else(|| user(|name| std::env::var(name).ok(), rustix::process::getuid().as_raw()));
    let path = format!(
        "{MIGRATIONS}/{}/{word}?who={}&why={}&in_spite={}",
        escaped(&arguments.name),
        escaped(&who),
        escaped(&arguments.why),
        arguments.in_spite
    );
    let (body, page): (String, MigrationsPage) = question(&data_dir(&arguments.remote), Method::POST, &path, LIMIT)?;
    if arguments.wait {
        return wait(&arguments.remote, &arguments.name, arguments.timeout);
    }
    if arguments.remote.json {
        return written(terminal::results(&format!("{body}\n")));
    }
    written(terminal::results(&page.migrations.iter().map(|it| view::line(it) + "\n").collect::<String>()))
}

/// Who gives the order: the user by name, and by number where no variable has the name, as under `cron`.
fn user(variable: impl Fn(&str) -> Option<String>, uid: u32) -> String {
    let named = ["USER", "LOGNAME"].into_iter().filter_map(variable).find(|name| !name.trim().is_empty());
    named.unwrap_or_else(|| format!("uid {uid}"))
}

fn history(arguments: &HistoryArguments) -> Outcome {
    let path = format!("{MIGRATIONS}/{}/history", escaped(&arguments.name));
    let (body, history): (String, MigrationHistory) =
        question(&data_dir(&arguments.remote), Method::GET, &path, LIMIT)?;
    let text = || history.entries.iter().map(view::entry).collect::<String>();
    written(terminal::results(&if arguments.remote.json { format!("{body}\n") } else { text() }))
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
