//! `backup`, `restore` and `ledger export`: the books, for whoever keeps them elsewhere too.

use super::books::escaped;
use super::remote::{Place, data_dir, local_dir, question};
use crate::cli::{BackupArguments, ExportArguments, ExportForm, RestoreArguments};
use crate::engine::DataDir;
use crate::outcome::{Failure, Outcome, written};
use crate::source::Source;
use crate::terminal::{self, GOOD};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{CopyPage, MovementCall, MovementLine, MovementsPage};
use sluicegate_relay::Books;
use std::path::Path;
use std::time::Duration;

/// A copy of many gigabytes takes a while.
const COPY_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// So may the first page, which waits until the database has everything.
const PAGE_LIMIT: Duration = Duration::from_secs(60);
/// The file of the books in a data directory.
const BOOKS: &str = "books.db";

/// `backup`: by the relay where one runs, else by ourselves.
pub(crate) fn backup(arguments: &BackupArguments) -> Outcome {
    let folder = local_dir(&arguments.remote);
    let to = std::path::absolute(&arguments.to)
        .map_err(|error| Failure::other(format!("{}: {error}", arguments.to.display())))?;
    let page = if super::remote::running(&folder)?.is_some() {
        let order = to.to_str().ok_or_else(|| Failure::other("the folder's name is not UTF-8"))?;
        let path = format!("/admin/api/backup?to={}", escaped(order));
        question::<CopyPage>(&Place::Folder(folder), Method::POST, &path, COPY_LIMIT)?.1
    } else {
        offline(arguments, &folder, &to)?
    };
    let at = jiff::Timestamp::from_millisecond(page.at_ms).unwrap_or_default();
    let text = format!("{} files, {} bytes, as of {at:.0}: {}\n", page.files, page.bytes, to.display());
    told(arguments.remote.json, &page, text)
}

fn offline(arguments: &BackupArguments, folder: &Path, to: &Path) -> Outcome<CopyPage> {
    if !folder.join(BOOKS).exists() {
        return Err(Failure::other(format!(
            "{} has no books, and no relay is running with it\n       name its folder with --data-dir",
            folder.display()
        )));
    }
    let _data = DataDir::take(folder)?;
    // How calls are settled that a kill left open is the configuration's to say.
    let ledger = Source::new(&arguments.remote.config).load().ok().and_then(|loaded| loaded.config.ledger);
    let failed = |error: sluicegate_store::StoreError| Failure::other(error.to_string());
    let (books, _) = Books::open(folder, &ledger.unwrap_or_default()).map_err(failed)?;
    Ok(books.store().backup(to).map_err(failed)?.into())
}

/// `restore`
pub(crate) fn restore(arguments: &RestoreArguments) -> Outcome {
    let folder = local_dir(&arguments.remote);
    let _data = DataDir::take(&folder)?;
    let (copied, verdict) =
        sluicegate_store::restore(&arguments.from, &folder).map_err(|error| Failure::other(error.to_string()))?;
    let page = CopyPage::from(copied);
    let at = jiff::Timestamp::from_millisecond(page.at_ms).unwrap_or_default();
    let text = format!(
        "{} files, {} bytes, as of {at:.0}: {}\n{}: {} charges, {} other entries and {} calls were added up\n",
        page.files,
        page.bytes,
        folder.display(),
        "the books are right".style(GOOD),
        verdict.charges,
        verdict.entries,
        verdict.calls,
    );
    told(arguments.remote.json, &page, text)
}

fn told(json: bool, page: &CopyPage, text: String) -> Outcome {
    let text = if json { serde_json::to_string(page).unwrap_or_default() + "\n" } else { text };
    written(terminal::results(&text))
}

/// `ledger export`
pub(crate) fn export(arguments: &ExportArguments) -> Outcome {
    let folder = data_dir(&arguments.remote);
    let form = if arguments.remote.json { ExportForm::Jsonl } else { arguments.format };
    let mut asked = String::new();
    for (name, day) in [("from_ms", &arguments.from), ("to_ms", &arguments.to)] {
        if let Some(at_ms) = day {
            asked.push_str(&format!("&{name}={at_ms}"));
        }
    }
    if let Some(account) = &arguments.account {
        asked.push_str(&format!("&account={}", escaped(account)));
    }
    if form == ExportForm::Csv {
        written(terminal::results(HEADING))?;
    }
    let mut after = String::new();
    loop {
        let path = format!("/admin/api/ledger/movements?{}", format!("{asked}{after}").trim_start_matches('&'));
        let (_, page): (String, MovementsPage) = question(&folder, Method::GET, &path, PAGE_LIMIT)?;
        let line = |line: &MovementLine| match form {
            ExportForm::Csv => csv(line),
            ExportForm::Jsonl => serde_json::to_string(line).unwrap_or_default() + "\n",
        };
        let code = written(terminal::results(&page.movements.iter().map(line).collect::<String>()))?;
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(code),
        }
    }
}

const HEADING: &str = "at,kind,reference,account,amount_usd,tenant,key,model,label,provider,upstream_model,input,cached,\
    cache_written,output,reasoning,tier,usage_source,cost_usd,billed_usd,revenue_usd,price,arithmetic\n";

fn csv(line: &MovementLine) -> String {
    let MovementLine { at, kind, reference, account, amount_usd, call } = line;
    let mut fields = [at, kind, reference, account, amount_usd].map(|field| quoted(field)).to_vec();
    match call {
        None => fields.extend(std::iter::repeat_n(String::new(), HEADING.split(',').count() - fields.len())),
        Some(call) => {
            let MovementCall { tenant, key, model, label, provider, upstream_model, .. } = call;
            fields.extend([tenant, key, model, label, provider, upstream_model].map(|field| quoted(field)));
            let counts = [call.input, call.cached, call.cache_written, call.output, call.reasoning];
            fields.extend(counts.map(|count| count.to_string()));
            let cost = call.cost_usd.clone().unwrap_or_default();
            let rest = [
                &call.tier,
                &call.usage_source,
                &cost,
                &call.billed_usd,
                &call.revenue_usd,
                &call.price,
                &call.arithmetic,
            ];
            fields.extend(rest.map(|field| quoted(field)));
        }
    }
    fields.join(",") + "\n"
}

/// A field of CSV. What a spreadsheet would take for a formula is kept from being one.
fn quoted(field: &str) -> String {
    let number = field.parse::<f64>().is_ok();
    let formula = !number && field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}
