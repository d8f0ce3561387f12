//! `keys`: clients' keys that are made and changed while the relay runs, or while it is stopped.
//!
//! A running relay is asked over its socket. Where none runs, the data directory's lock is taken and the same orders are
//! carried out here, by the same code. A secret goes to standard output alone, once, so that it can be sent to a file.

mod arguments;

pub(crate) use arguments::{KEYS_EXAMPLES, KeysCommand};

use super::remote::{Place, data_dir, runtime};
use super::words::fitted;
use crate::cli::RemoteArguments;
use crate::engine::{DataDir, choose_cryptography};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::{Source, unusable};
use crate::terminal::{self, DIM, GOOD, WARN};
use arguments::KeyTerms;
use bytes::Bytes;
use http::StatusCode;
use owo_colors::OwoColorize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sluicegate_config::{Ledger, Period};
use sluicegate_control::{AskError, KeyInfo, KeyOrder, KeyPage, KeysPage, NotDone, Wanted, carry_out};
use sluicegate_relay::{Books, KeyError, Keys};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

/// A relay that has not answered an order by then will not.
const LIMIT: Duration = Duration::from_secs(15);
/// A name that is longer is cut.
const NAME: usize = 32;
/// Keys that are asked for at once.
const PAGE: u32 = 1000;

pub(crate) fn keys(command: &KeysCommand) -> Outcome {
    match command {
        KeysCommand::Create { name, terms, expires, remote } => {
            create(wanted(name, terms, expires.as_deref(), None)?, remote)
        }
        KeysCommand::Import { name, sha256, terms, expires, remote } => {
            create(wanted(name, terms, expires.as_deref(), Some(sha256))?, remote)
        }
        KeysCommand::List(remote) => list(remote),
        KeysCommand::Show { name, remote } => {
            let (body, page): (String, KeyPage) = carried(remote, KeyOrder::Show(checked(name)?))?;
            written(terminal::results(&if remote.json { body + "\n" } else { details(&page.key) }))
        }
        KeysCommand::Disable { name, remote } => changed(remote, KeyOrder::Disable(checked(name)?)),
        KeysCommand::Enable { name, remote } => changed(remote, KeyOrder::Enable(checked(name)?)),
        KeysCommand::Expire { name, at, never, remote } => {
            let at = if *never { None } else { Some(at.as_deref().map_or_else(|| Ok(now_ms()), moment)?) };
            changed(remote, KeyOrder::Expire(checked(name)?, at))
        }
        KeysCommand::Rotate { name, grace, remote } => {
            shown(remote, KeyOrder::Rotate(checked(name)?, Duration::from_millis(grace.millis())))
        }
        KeysCommand::Delete { name, yes, remote } => {
            confirm(name, *yes)?;
            let (body, _): (String, KeyPage) = carried(remote, KeyOrder::Delete(checked(name)?))?;
            let text = format!("key {name} is gone; what it used stays in the books\n");
            written(terminal::results(&if remote.json { body + "\n" } else { text }))
        }
    }
}

/// The name of a key as a part of a path.
fn checked(name: &str) -> Outcome<String> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.bytes().all(usable) && name != "." && name != ".." {
        return Ok(name.to_owned());
    }
    Err(Failure::other(format!("no key is called {name}: a name is letters, digits, `-`, `_` and `.`")))
}

fn wanted(name: &str, terms: &KeyTerms, expires: Option<&str>, sha256: Option<&str>) -> Outcome<Wanted> {
    let metadata = terms.note.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    Ok(Wanted {
        name: name.to_owned(),
        terms: stated(terms)?,
        metadata,
        expires_ms: expires.map(moment).transpose()?,
        sha256: sha256.map(str::to_owned),
    })
}

/// The terms that flags state, laid over those of a file.
fn stated(flags: &KeyTerms) -> Outcome<Map<String, Value>> {
    let mut terms: Map<String, Value> = match &flags.terms {
        None => Map::new(),
        Some(file) => {
            let text = crate::source::read(file).map_err(|why| Failure::other(format!("{}: {why}", file.display())))?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::other(format!("{}: no JSON object: {error}", file.display())))?
        }
    };
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            terms.insert(name.to_owned(), value);
        }
    };
    let list = |items: &[String]| (!items.is_empty()).then(|| json!(items));
    set("models", list(&flags.models));
    set("endpoints", list(&flags.endpoints));
    set("priority", flags.priority.clone().map(Value::from));
    set("mode", flags.mode.map(|mode| mode.as_str().into()));
    set("accept_lower_tier", flags.accept_lower_tier.then(|| true.into()));
    set("tenant", flags.tenant.clone().map(Value::from));
    set("owner", flags.owner.clone().map(Value::from));
    set("label", flags.label.clone().map(Value::from));
    let limits: Map<String, Value> = [("rpm", flags.rpm), ("tpm", flags.tpm), ("concurrency", flags.concurrency)]
        .into_iter()
        .filter_map(|(name, number)| Some((name.to_owned(), number?.into())))
        .collect();
    set("limits", (!limits.is_empty()).then(|| limits.into()));
    let budgets: Vec<Value> = flags.budget.iter().map(|text| budget(text)).collect::<Outcome<_>>()?;
    set("budget", (!budgets.is_empty()).then(|| budgets.into()));
    let credits = flags.account.as_ref().map(|account| json!({ "account": account }));
    set("credits", credits.or_else(|| flags.prepaid.then(|| json!({}))));
    Ok(terms)
}

/// `50/day` for dollars, `200000t/month` for tokens.
fn budget(text: &str) -> Outcome<Value> {
    let wrong =
        || Failure::other(format!("--budget {text}: write it as 50/day for dollars, or as 200000t/month for tokens"));
    let (amount, per) = text.split_once('/').ok_or_else(wrong)?;
    match amount.strip_suffix('t') {
        Some(tokens) => Ok(json!({ "tokens": tokens.parse::<u64>().map_err(|_| wrong())?, "per": per })),
        None => {
            let number: serde_json::Number =
                serde_json::from_str(amount.trim_start_matches('$')).map_err(|_| wrong())?;
            Ok(json!({ "usd": number, "per": per }))
        }
    }
}

/// A moment: so long from now (`90d`), a date (`2027-02-01`) or a time (`2027-02-01T12:00:00Z`).
fn moment(text: &str) -> Outcome<i64> {
    let from_now = text.parse::<Period>().ok().and_then(|period| i64::try_from(period.millis()).ok());
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    from_now
        .map(|millis| now_ms().saturating_add(millis))
        .or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond))
        .or_else(|| day().map(|day| day.timestamp().as_millisecond()))
        .ok_or_else(|| Failure::other(format!("{text}: write it as 90d, 2027-02-01 or 2027-02-01T12:00:00Z")))
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn create(wanted: Wanted, remote: &RemoteArguments) -> Outcome {
    checked(&wanted.name)?;
    shown(remote, KeyOrder::Create(Box::new(wanted)))
}

/// Has an order carried out from which a secret may come.
fn shown(remote: &RemoteArguments, order: KeyOrder) -> Outcome {
    let (body, page): (String, KeyPage) = carried(remote, order)?;
    if remote.json {
        return written(terminal::results(&format!("{body}\n")));
    }
    if let Some(secret) = &page.secret {
        written(terminal::results(&format!("{secret}\n")))?;
        terminal::tell(&format!("key {}: this is its secret, and it is not shown again", page.key.name));
    }
    if let Some(until) = &page.key.old_secret_until {
        terminal::tell(&format!("the secret before it is good until {until}"));
    }
    if let Some(granted) = &page.granted_usd {
        terminal::tell(&format!("its account was given ${granted}"));
    }
    page.warnings.iter().for_each(|warning| terminal::tell(&format!("{} {warning}", "note:".style(WARN))));
    terminal::tell(line(&page.key).trim_end());
    Ok(Code::Done)
}

fn changed(remote: &RemoteArguments, order: KeyOrder) -> Outcome {
    let (body, page): (String, KeyPage) = carried(remote, order)?;
    written(terminal::results(&if remote.json { format!("{body}\n") } else { line(&page.key) }))
}

fn list(remote: &RemoteArguments) -> Outcome {
    let mut all: Option<KeysPage> = None;
    loop {
        let after = all.as_ref().and_then(|all| all.next.clone()).unwrap_or_default();
        let (_, page): (String, KeysPage) = carried(remote, KeyOrder::List { after, limit: PAGE })?;
        let more = page.next.is_some();
        match &mut all {
            None => all = Some(page),
            Some(all) => {
                all.keys.extend(page.keys);
                all.next = page.next;
            }
        }
        if !more {
            break;
        }
    }
    let keys = all.map(|all| all.keys).unwrap_or_default();
    let text = if remote.json {
        format!("{}\n", json!({ "schema": KeysPage::SCHEMA, "keys": keys }))
    } else if keys.is_empty() {
        "there are no keys; sluicegate keys create NAME makes one\n".to_owned()
    } else {
        let heading = format!(
            "{:<NAME$}  {:<9}  {:<4}  {:<10}  {:>6}  {:>12}  {:<16}  {}",
            "NAME", "STATE", "FROM", "SECRET", "CALLS", "SPENT", "LAST USED", "TERMS"
        );
        let rows: String = keys.iter().map(line).collect();
        format!("{}\n{rows}", heading.style(DIM))
    };
    written(terminal::results(&text))
}

fn line(key: &KeyInfo) -> String {
    let state = format!("{:<9}", key.state);
    let state = if key.state == "active" { state.style(GOOD) } else { state.style(WARN) }.to_string();
    let secret = key.fingerprints.first().map_or_else(|| "-".to_owned(), |digits| format!("{digits}…"));
    let until = key.expires_at.as_ref().map(|at| format!(" · until {at}")).unwrap_or_default();
    let name = fitted(&key.name, NAME);
    let calls = key.in_flight.map_or_else(|| "-".to_owned(), |calls| calls.to_string());
    let spent = key.spent_usd.as_ref().map_or_else(|| "-".to_owned(), |spent| format!("${spent}"));
    let last = last_used(key);
    let terms = summary(&key.terms);
    let from = &key.from;
    format!("{name:<NAME$}  {state}  {from:<4}  {secret:<10}  {calls:>6}  {spent:>12}  {last:<16}  {terms}{until}\n")
}

/// When a key was used last, to the minute, in UTC.
fn last_used(key: &KeyInfo) -> String {
    key.last_used.as_deref().and_then(|at| at.get(..16)).map_or_else(|| "-".to_owned(), |at| at.replace('T', " "))
}

/// Terms in a line.
fn summary(terms: &Map<String, Value>) -> String {
    let shown: Vec<String> = terms
        .iter()
        .filter(|(name, value)| {
            *name != "source" && !value.is_null() && *value != &json!(false) && *value != &json!({})
        })
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        })
        .collect();
    if shown.is_empty() { "everything".to_owned() } else { shown.join(" · ") }
}

fn details(key: &KeyInfo) -> String {
    let row = |name: &str, value: &str| format!("  {}{value}\n", format!("{name:<12}").style(DIM));
    let mut text = format!("{}\n", key.name);
    text.push_str(&row("State", &key.state));
    text.push_str(&row("Declared in", if key.from == "file" { "the configuration file; read-only here" } else { "-" }));
    text.push_str(&row("Secrets", &key.fingerprints.join(", ")));
    if let Some(calls) = key.in_flight {
        text.push_str(&row("In flight", &calls.to_string()));
    }
    if let Some(spent) = &key.spent_usd {
        text.push_str(&row("Spent", &format!("${spent}")));
        text.push_str(&row("Last used", &last_used(key)));
    }
    for (name, value) in
        [("Made", &key.created_at), ("Good until", &key.expires_at), ("Old secret", &key.old_secret_until)]
    {
        if let Some(value) = value {
            text.push_str(&row(name, value));
        }
    }
    for (name, value) in &key.terms {
        text.push_str(&row(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    for (name, value) in &key.metadata {
        text.push_str(&row(&format!("note {name}"), value.as_str().unwrap_or_default()));
    }
    text
}

/// Asks whether a key is really to go.
fn confirm(name: &str, yes: bool) -> Outcome<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::other(format!("key {name} is deleted for good: say --yes")));
    }
    terminal::tell(&format!("Key {name} is deleted for good; whoever uses it is refused. Type its name to go on:"));
    let mut typed = String::new();
    let read = std::io::stdin().lock().read_line(&mut typed);
    if read.is_ok() && typed.trim() == name { Ok(()) } else { Err(Failure::other("nothing was deleted")) }
}

/// Has an order carried out by the running relay, or here where none runs.
fn carried<T: DeserializeOwned>(remote: &RemoteArguments, order: KeyOrder) -> Outcome<(String, T)> {
    let place = data_dir(remote);
    let (method, path, body) = order.request();
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let asked = runtime()?.block_on(place.ask(method, &path, body, LIMIT))?;
    let text = match asked {
        Ok((status, body)) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            if status != StatusCode::OK {
                let said = serde_json::from_str::<Value>(&text).ok();
                let said = said.as_ref().and_then(|body| body.pointer("/error/message")?.as_str());
                return Err(Failure::other(said.unwrap_or("the relay cannot do that now")));
            }
            text
        }
        Err(error) => match &place {
            Place::Folder(dir) if matches!(error, AskError::NotRunning) => here(remote, dir, order)?.to_string(),
            _ => return Err(place.silent(&error)),
        },
    };
    let parsed = serde_json::from_str(&text).map_err(|error| {
        Failure::other(format!("the running relay answers differently than this version expects: {error}"))
    })?;
    Ok((text, parsed))
}

/// Carries an order out with the keys of a relay that is stopped.
fn here(remote: &RemoteArguments, dir: &Path, order: KeyOrder) -> Outcome<Value> {
    choose_cryptography();
    let config = Source::new(&remote.config).load().map_err(unusable)?.config;
    let data = DataDir::take(dir)?;
    let keys = Keys::open(data.path()).map_err(|error| Failure::other(error.to_string()))?;
    let create = |wanted: &_| match keys.create(&config, None, wanted) {
        Err(KeyError::NoBooks(_)) => {
            let (books, _) = Books::open(data.path(), &config.ledger.unwrap_or_else(Ledger::default))?;
            let made = keys.create(&config, Some(&books), wanted);
            books.store().close();
            made
        }
        made => made,
    };
    carry_out(order, &keys, &config, None, create).map_err(|NotDone { message, .. }| Failure::other(message))
}
