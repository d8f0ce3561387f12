//! `config`: the file itself, its schema, and what is in effect.

use crate::cli::{ConfigArguments, ConfigCommand};
use crate::outcome::{Outcome, written};
use crate::source::{Source, unusable};
use crate::terminal::{self, DIM};
use owo_colors::OwoColorize as _;
use serde_json::json;

/// A value wider than this does not push its neighbours' origins to the right.
const WIDEST: usize = 64;

pub(crate) fn config(command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Init => written(terminal::results(sluicegate_config::starter())),
        ConfigCommand::Schema => written(terminal::results(&format!("{:#}\n", sluicegate_config::schema()))),
        ConfigCommand::Show { config, effective, json } => show(config, *effective, *json),
    }
}

fn show(arguments: &ConfigArguments, effective: bool, json: bool) -> Outcome {
    let source = Source::new(arguments);
    let mut loaded = source.load().map_err(unusable)?;
    if !effective {
        loaded.settings.retain(|setting| setting.from != "default");
    }
    if json {
        let document = json!({
            "schema": "sluicegate.config.show/v1",
            "source": source.name(),
            "version": loaded.version.to_string(),
            "settings": loaded.settings,
        });
        return written(terminal::results(&format!("{document:#}\n")));
    }
    let width = |text: &str| text.chars().count().min(WIDEST);
    let paths = loaded.settings.iter().map(|setting| width(&setting.path)).max().unwrap_or_default();
    let values = loaded.settings.iter().map(|setting| width(&setting.value)).max().unwrap_or_default();
    let mut text = format!("{}\n", format!("{} · version {}", source.name(), loaded.version).style(DIM));
    for setting in &loaded.settings {
        let row = format!("{:<paths$}  {:<values$}  ", setting.path, setting.value);
        text.push_str(&format!("{row}{}\n", setting.from.style(DIM)));
    }
    written(terminal::results(&text))
}
