//! `route`: why a request goes where it goes.
//!
//! What decides is the configuration's own code, so what is said here is what the relay does.

use crate::cli::{RouteArguments, RouteCommand};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::{Source, unusable};
use crate::terminal::{self, DIM, GOOD, STRONG};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use sluicegate_config::{Choice, Config, Verdict};
use sluicegate_wire::peek::MAX_DEPTH;
use sluicegate_wire::traits::{self, Traits};
use std::io::Read as _;
use std::path::Path;

/// The largest request that is read, in bytes.
const LARGEST: u64 = 256 << 20;

pub(crate) fn route(command: &RouteCommand) -> Outcome {
    match command {
        RouteCommand::Explain(arguments) => explain(arguments),
    }
}

/// Why a request goes where it goes.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    schema: &'static str,
    choice: &'a str,
    class: &'static str,
    traits: Traits,
    rule: &'a str,
    model: &'a str,
    rules: Vec<Verdict>,
}

fn explain(arguments: &RouteArguments) -> Outcome {
    let config = Source::new(&arguments.config).load().map_err(unusable)?.config;
    let body = read(&arguments.request)?;
    let named = serde_json::from_slice::<serde_json::Value>(&body).map_err(|error| {
        Failure::other(format!("{} is not the body of a request: {error}", arguments.request.display()))
    })?;
    let named = named.get("model").and_then(|model| model.as_str());
    let choice = choice(&config, arguments.choice.as_deref(), named)?;
    let traits = traits::read(&body, MAX_DEPTH, &choice.reasoning_words);
    let (rule, model) = choice.decide(&traits, arguments.class);
    let explanation = Explanation {
        schema: "sluicegate.route.explain/v1",
        choice: &choice.name,
        class: arguments.class.as_str(),
        traits,
        rule,
        model,
        rules: choice.verdicts(&traits, arguments.class),
    };
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(&explanation);
        format!("{}\n", json.map_err(|error| Failure::other(error.to_string()))?)
    } else {
        screen(&explanation)
    };
    written(terminal::results(&text))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut body = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut body))
    };
    read.map_err(|error| Failure::other(format!("{} cannot be read: {error}", path.display())))?;
    Ok(body)
}

fn choice<'a>(config: &'a Config, wanted: Option<&str>, named: Option<&str>) -> Outcome<&'a Choice> {
    let by_name = wanted.or(named).and_then(|name| config.choices.get(name));
    let mut all = config.choices.values();
    let only = all.next().filter(|_| all.next().is_none());
    by_name.or(only.filter(|_| wanted.is_none())).ok_or_else(|| {
        let names: Vec<&str> = config.choices.keys().map(String::as_str).collect();
        let there_are = if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") };
        Failure::new(Code::Failed, format!("say which choice with --choice; there are: {there_are}"))
    })
}

fn screen(explanation: &Explanation<'_>) -> String {
    let Traits { tokens, code, tools, images, reasoning, language } = explanation.traits;
    let flags = [("code", code), ("tools", tools), ("images", images), ("reasoning", reasoning)];
    let seen: Vec<String> = [format!("about {tokens} tokens"), format!("language {language}")]
        .into_iter()
        .chain(flags.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()))
        .chain([format!("class {}", explanation.class)])
        .collect();
    let mut text = format!("{} {}\n", "seen".style(DIM), seen.join(" · "));
    let width = explanation.rules.iter().map(|rule| rule.rule.chars().count()).max().unwrap_or_default();
    for Verdict { rule, to, verdict, because } in &explanation.rules {
        let because = because.as_deref().unwrap_or_default();
        let line = match *verdict {
            "chosen" => format!("  {rule:<width$}  {:<6}  {to}", "chosen".style(GOOD)),
            verdict => format!("  {rule:<width$}  {verdict:<6}  {to}  {}", because.style(DIM)),
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("{} goes to {}\n", explanation.choice, explanation.model.style(STRONG)));
    text
}
