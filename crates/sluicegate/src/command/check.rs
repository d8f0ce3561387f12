//! `check`: whether a file can be used, and what its numbers mean.

use crate::cli::{CheckArguments, ReportFormat};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source;
use crate::terminal::{self, GOOD, STRONG};
use owo_colors::OwoColorize as _;
use serde_json::json;
use sluicegate_config::{Diagnostic, Loaded, Loader, Severity};

pub(crate) fn check(arguments: &CheckArguments) -> Outcome {
    let file = arguments.file();
    let name = file.display().to_string();
    let loader = if arguments.without_secrets { Loader::new().without_secrets() } else { Loader::new() };
    let checked = match source::read(file) {
        Ok(text) => loader.file(&text, &name),
        Err(why) => Err(vec![Diagnostic::unreadable(&name, why)]),
    };
    let checked = checked.and_then(|mut loaded| match loaded.config.refusal_to_listen() {
        Some(refusal) => {
            loaded.diagnostics.insert(0, refusal);
            Err(loaded.diagnostics)
        }
        None => Ok(loaded),
    });
    let (loaded, diagnostics) = match checked {
        Ok(mut loaded) => {
            let diagnostics = std::mem::take(&mut loaded.diagnostics);
            (Some(loaded), diagnostics)
        }
        Err(diagnostics) => (None, diagnostics),
    };
    let report = Report::new(name, loaded, diagnostics, arguments.deny_warnings);
    let format = if arguments.json { ReportFormat::Json } else { arguments.format };
    written(terminal::results(&match format {
        ReportFormat::Human => report.human(),
        ReportFormat::Json => report.json(),
        ReportFormat::Github => report.github(),
    }))?;
    if report.ok { Ok(Code::Done) } else { Err(Failure::new(Code::Config, "")) }
}

/// What came of a check.
struct Report {
    file: String,
    ok: bool,
    errors: usize,
    warnings: usize,
    loaded: Option<Loaded>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    fn new(file: String, loaded: Option<Loaded>, diagnostics: Vec<Diagnostic>, deny_warnings: bool) -> Self {
        let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let ok = loaded.is_some() && !(deny_warnings && warnings > 0);
        Self { file, ok, errors, warnings, loaded, diagnostics }
    }

    fn human(&self) -> String {
        let mut text = String::new();
        match &self.loaded {
            Some(loaded) if self.ok => {
                text.push_str(&format!("{}  {} · {}\n", self.file, "ok".style(GOOD), loaded.config.summary()));
            }
            _ => text.push_str(&format!("{}\n", self.file.style(STRONG))),
        }
        if let Some(loaded) = &self.loaded {
            text.push_str(&meaning(loaded));
        }
        for diagnostic in &self.diagnostics {
            // Those with an excerpt take several lines and are kept apart.
            let gap = if diagnostic.position.is_some() && !text.ends_with("\n\n") { "\n" } else { "" };
            text.push_str(&format!("{gap}{}\n", terminal::painted(&diagnostic.to_string())));
        }
        if !self.ok {
            let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
            let first = self.diagnostics.first().map_or("", |diagnostic| diagnostic.code);
            let (errors, warnings) = (count(self.errors, "error"), count(self.warnings, "warning"));
            let denied = if self.errors == 0 { " (denied)" } else { "" };
            text.push_str(&format!("\n{errors}, {warnings}{denied} · sluicegate explain {first}\n"));
        }
        text
    }

    fn json(&self) -> String {
        let document = json!({
            "schema": "sluicegate.check/v1",
            "file": self.file,
            "ok": self.ok,
            "errors": self.errors,
            "warnings": self.warnings,
            "version": self.loaded.as_ref().map(|loaded| loaded.version.to_string()),
            "summary": self.loaded.as_ref().map(|loaded| loaded.config.summary()),
            "meaning": self.loaded.as_ref().map(|loaded| &loaded.meaning),
            "diagnostics": self.diagnostics.iter().map(Diagnostic::json).collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }

    fn github(&self) -> String {
        self.diagnostics.iter().map(|diagnostic| format!("{}\n", diagnostic.github())).collect()
    }
}

/// What the limits mean, a subject in each row and its name only once.
fn meaning(loaded: &Loaded) -> String {
    let width = loaded.meaning.iter().map(|line| line.subject.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    let mut subject = "";
    for (at, line) in loaded.meaning.iter().enumerate() {
        let head = if at == 0 { "\nlimits" } else { "" };
        let shown = if line.subject == subject { "" } else { line.subject.as_str() };
        let column = if at == 0 { 13 } else { 12 };
        text.push_str(&format!("{head:<column$}{shown:<width$}  {}\n", line.text));
        subject = &line.subject;
    }
    text
}
