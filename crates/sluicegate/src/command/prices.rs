//! `prices`: what models cost by the lists, and lists of others made into ours.

use crate::cli::{ConfigArguments, ListFormat, PricesCommand};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::{Source, unusable};
use crate::terminal::{self, DIM};
use owo_colors::OwoColorize as _;
use sluicegate_ledger::{PriceBook, Rate, from_litellm, from_models_dev};
use std::path::Path;

/// Models that were left out of an import and are named.
const NAMED: usize = 10;

pub(crate) fn prices(command: &PricesCommand) -> Outcome {
    match command {
        PricesCommand::List { vendor, config } => list(vendor.as_deref(), config),
        PricesCommand::Show { model, config } => show(model, config),
        PricesCommand::Import { file, format } => import(file, *format),
    }
}

/// A price of the configuration's own: whose, and what input and output cost.
type Own = (String, Rate, Rate);

/// The program's list with the operator's over it, and the configuration's own prices as a list of their own.
fn book(arguments: &ConfigArguments) -> Outcome<(PriceBook, Vec<Own>)> {
    let config = Source::new(arguments).load().map_err(unusable)?.config;
    let mut book = PriceBook::bundled().clone();
    if let Some(path) = &config.prices.file {
        book.overlay(PriceBook::parse(&read(path)?).map_err(|error| unreadable(path, &error))?);
    }
    let own = config.prices.models.iter();
    Ok((book, own.map(|(name, price)| (name.clone(), price.rates.input, price.rates.output)).collect()))
}

fn list(only: Option<&str>, arguments: &ConfigArguments) -> Outcome {
    let (book, own) = book(arguments)?;
    let heading = format!("{:<48}  {:>10}  {:>10}  {:>10}  AS OF", "MODEL", "INPUT", "CACHED", "OUTPUT");
    let mut text = format!("{}\n", heading.style(DIM));
    for (name, input, output) in own.iter().filter(|(name, ..)| only.is_none_or(|only| name.starts_with(only))) {
        text.push_str(&format!(
            "{name:<48}  {:>10}  {:>10}  {:>10}  configuration\n",
            input.to_string(),
            "",
            output.to_string()
        ));
    }
    for vendor in book.vendors().filter(|vendor| only.is_none_or(|only| *vendor == only)) {
        for (model, entry) in book.models(vendor) {
            let rates = &entry.price.rates;
            let cached = rates.cached_input.map(|rate| rate.to_string()).unwrap_or_default();
            let (name, input, output) =
                (format!("{vendor}/{model}"), rates.input.to_string(), rates.output.to_string());
            text.push_str(&format!("{name:<48}  {input:>10}  {cached:>10}  {output:>10}  {}\n", entry.as_of));
        }
    }
    written(terminal::results(&text))
}

fn show(name: &str, arguments: &ConfigArguments) -> Outcome {
    let (book, own) = book(arguments)?;
    let own = own.iter().any(|(own, ..)| own == name);
    let found = name.split_once('/').and_then(|(vendor, model)| Some((vendor, model, book.entry(vendor, model)?)));
    let Some((vendor, model, entry)) = found else {
        let what =
            if own { "has its price in the configuration alone" } else { "is in no list; write it as VENDOR/MODEL" };
        return Err(Failure::new(Code::Failed, format!("{name} {what}")));
    };
    let mut one = PriceBook::default();
    one.insert(vendor, model, entry.clone());
    let csv = one.to_csv();
    let mut lines = csv.lines().map(|line| line.split(','));
    let (Some(heading), Some(fields)) = (lines.next(), lines.next()) else { return Ok(Code::Done) };
    let said = heading.zip(fields).filter(|(_, value)| !value.is_empty());
    let mut text: String = said.map(|(name, value)| format!("{:<22} {value}\n", name.style(DIM).to_string())).collect();
    if own {
        text.push_str("the configuration has a price of its own for this name, and that one counts\n");
    }
    written(terminal::results(&text))
}

fn import(path: &Path, format: ListFormat) -> Outcome {
    let text = read(path)?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let imported = match format {
        ListFormat::Litellm => from_litellm(&text, &today),
        ListFormat::ModelsDev => from_models_dev(&text, &today),
    };
    let imported = imported.map_err(|error| unreadable(path, &error))?;
    for finding in imported.left_out.iter().take(NAMED) {
        terminal::tell(&format!("left out {}: {}", finding.model, finding.why));
    }
    if imported.left_out.len() > NAMED {
        terminal::tell(&format!("and {} more", imported.left_out.len() - NAMED));
    }
    terminal::tell(&format!("{} models have a price, {} were left out", imported.models, imported.left_out.len()));
    written(terminal::results(&imported.book.to_csv()))
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::other(format!("{}: {error}", path.display()))
}
