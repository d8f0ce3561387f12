//! `cache`: what the running relay has kept, and throwing it out.

use super::remote::{data_dir, question};
use super::words::grouped;
use crate::cli::{CacheCommand, PurgeArguments, RemoteArguments};
use crate::outcome::{Outcome, written};
use crate::terminal::{self, DIM};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{CachePage, Purged};
use std::time::Duration;

/// A relay that has not answered by then will not.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn cache(command: &CacheCommand) -> Outcome {
    match command {
        CacheCommand::Show(arguments) => show(arguments),
        CacheCommand::Purge(arguments) => purge(arguments),
    }
}

fn show(arguments: &RemoteArguments) -> Outcome {
    let (body, page): (String, CachePage) = question(&data_dir(arguments), Method::GET, "/admin/api/cache", LIMIT)?;
    written(terminal::results(&if arguments.json { format!("{body}\n") } else { screen(&page) }))
}

fn screen(page: &CachePage) -> String {
    if !page.enabled {
        return "there is no cache; cache.exact in the configuration switches it on\n".to_owned();
    }
    let row = |name: &str, value: String| format!("{}{value}\n", format!("{name:<10}").style(DIM));
    let asked = page.hits + page.misses;
    let share = if asked == 0 { 0.0 } else { page.hits as f64 * 100.0 / asked as f64 };
    [
        row("Answers", format!("{}, good for {} s", grouped(page.entries), grouped(page.ttl_seconds))),
        row("Memory", format!("{} of {} bytes", grouped(page.bytes), grouped(page.max_bytes))),
        row("Hits", format!("{} of {} calls ({share:.1} %)", grouped(page.hits), grouped(asked))),
        row("Bypassed", format!("{} calls", grouped(page.bypassed))),
        row("Saved", format!("${:.6}", page.saved_usd)),
    ]
    .concat()
}

fn purge(arguments: &PurgeArguments) -> Outcome {
    let PurgeArguments { tenant, key, model, remote } = arguments;
    let mut query = form_urlencoded(&[("tenant", tenant), ("key", key), ("model", model)]);
    query.insert_str(0, "/admin/api/cache/purge");
    let (body, purged): (String, Purged) = question(&data_dir(remote), Method::POST, &query, LIMIT)?;
    let text = if remote.json { body } else { format!("{} answers thrown out", grouped(purged.purged)) };
    written(terminal::results(&format!("{text}\n")))
}

/// What is given as the query of a URL, its question mark included.
fn form_urlencoded(fields: &[(&str, &Option<String>)]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let given = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { query } else { format!("?{query}") }
}
