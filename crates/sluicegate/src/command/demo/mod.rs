//! `demo`: a story told by a real relay with simulated providers.
//!
//! A burst that the relay's own limit spreads, an upstream that answers 429, and a new target that gets worse when it has a
//! twentieth of the calls. Nothing of it is staged in the relay: it is the same program with a configuration that is read
//! again between the chapters. What is told at the end was counted by the clients and by the relay's metrics.

mod story;
mod traffic;

use crate::cli::ConfigArguments;
use crate::engine::{DataDir, Engine, choose_cryptography};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::{Source, unusable};
use crate::{terminal, tracer};
use clap::Args;
use sluicegate_config::Config;
use sluicegate_control::LogFormat;
use sluicegate_relay::{MigrationOrder, MigrationReport};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use story::{CHAPTERS, Chapter, MIGRATION};
use traffic::Traffic;

/// How long the canary may take to be judged.
const LONGEST: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) const DEMO_EXAMPLES: &str = "\
Examples:
  sluicegate demo                             about a minute and a half
  sluicegate demo --speed 4                   the first chapters four times as short
  sluicegate demo --keep                      go on afterwards, to look around, until Ctrl-C";

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// What the simulated providers' chance begins with.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    seed: u64,

    /// So many times as fast; a canary still gets the calls that it takes to judge it.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    speed: f64,

    /// Let the relay run on when the story is over, until Ctrl-C, and say where it is.
    #[arg(long)]
    keep: bool,
}

fn factor(text: &str) -> Result<f64, String> {
    let text = text.trim_end_matches('x');
    text.parse().ok().filter(|speed| (0.1..=20.0).contains(speed)).ok_or_else(|| "a factor from 0.1 to 20".to_owned())
}

pub(crate) fn demo(arguments: &DemoArguments, verbose: u8) -> Outcome {
    tracer::start(verbose, LogFormat::Human { colour: terminal::stderr_has_colour() });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(told(arguments));
    runtime.shutdown_background();
    outcome
}

async fn told(arguments: &DemoArguments) -> Outcome {
    choose_cryptography();
    let data = DataDir::passing()?;
    let file = data.path().join("sluicegate.yaml");
    write(&file, &story::configuration(CHAPTERS.first(), arguments.seed, data.path()))?;
    let source = Source::new(&ConfigArguments { file: Some(file.clone()) }).listening("127.0.0.1:0");
    let config = source.load().map_err(unusable)?.config;
    let folder = data.path().to_owned();
    let mut engine = Engine::start(source, config, data, LogFormat::Human { colour: false }).await?;
    let address = *engine.relay().addresses().first().ok_or_else(|| Failure::other("the relay listens nowhere"))?;
    terminal::tell(&format!(
        "a relay on http://{address} with simulated providers: nothing leaves this machine, nothing costs money\n"
    ));
    let begun = Instant::now();
    let traffic = Arc::new(Traffic::default());
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
        .map_err(|error| Failure::other(format!("cannot hear signals: {error}")))?;
    let cut_short = tokio::select! {
        done = play(arguments, &mut engine, &file, &folder, address, &traffic) => { done?; false }
        _ = stop.recv() => true,
    };
    let summary = summary(&engine, &traffic, begun.elapsed(), cut_short);
    let errors = traffic.errors();
    let kept = arguments.keep && !cut_short;
    if kept {
        written(terminal::results(&summary))?;
        terminal::tell(&around(&engine.relay().config(), address, &folder));
        kept_on(&mut engine, &mut stop).await;
    }
    let _ = engine.drain(FAREWELL).await;
    engine.finish();
    if !kept {
        written(terminal::results(&summary))?;
    }
    Ok(match (cut_short, errors) {
        (true, _) => Code::Interrupted,
        (false, 0) => Code::Done,
        (false, _) => Code::No,
    })
}

/// Answers whoever asks until Ctrl-C.
async fn kept_on(engine: &mut Engine, stop: &mut tokio::signal::unix::Signal) {
    loop {
        tokio::select! {
            order = engine.next_order() => {
                // Whoever asked may have gone away.
                let _ = order.send(engine.reload());
            }
            _ = stop.recv() => return,
        }
    }
}

/// Where a relay is that runs on, and what to try there.
fn around(config: &Config, address: SocketAddr, folder: &Path) -> String {
    let model = config.models.values().find(|model| !model.builtin).map_or("sim", |model| model.name.as_str());
    let folder = folder.display();
    format!(
        "
the relay runs on until Ctrl-C, at  http://{address}
  try it        curl {address}/v1/chat/completions -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'
  metrics       curl {address}/metrics
  interface     curl {address}/openapi.json
  watch it      sluicegate top --data-dir {folder}
  at a glance   sluicegate status --data-dir {folder}
  the canary    sluicegate migrate history {MIGRATION} --data-dir {folder}
  play          edit {folder}/sluicegate.yaml, then sluicegate reload --data-dir {folder}
"
    )
}

async fn play(
    arguments: &DemoArguments,
    engine: &mut Engine,
    file: &PathBuf,
    folder: &Path,
    address: SocketAddr,
    traffic: &Arc<Traffic>,
) -> Outcome<()> {
    for chapter in &CHAPTERS {
        write(file, &story::configuration(Some(chapter), arguments.seed, folder))?;
        let report = engine.reload();
        if !report.ok {
            return Err(Failure::other(report.text));
        }
        terminal::tell(&format!("{}: {}", chapter.title, chapter.what));
        if chapter.starts {
            order(engine, MigrationOrder::Start)?;
        }
        let calls = tokio::spawn(Arc::clone(traffic).send(address, chapter.title, chapter.rate));
        tokio::time::sleep(chapter.lasts.div_f64(arguments.speed)).await;
        if chapter.until_judged {
            judged(engine).await;
        }
        calls.abort();
    }
    traffic.quiet().await;
    Ok(())
}

/// Waits until the canary has been judged, or it has taken too long.
async fn judged(engine: &Engine) {
    let begun = Instant::now();
    while migration(engine).is_some_and(|it| it.phase == "running") && begun.elapsed() < LONGEST {
        tokio::time::sleep(LOOK).await;
    }
}

fn order(engine: &Engine, order: MigrationOrder) -> Outcome<()> {
    let done = engine.relay().order_migration(MIGRATION, order, "demo", "the story goes so", false);
    done.map(drop).map_err(|error| Failure::other(error.to_string()))
}

fn migration(engine: &Engine) -> Option<MigrationReport> {
    engine.relay().migration(MIGRATION).ok()
}

fn write(file: &PathBuf, text: &str) -> Outcome<()> {
    std::fs::write(file, text).map_err(|error| Failure::other(format!("{}: {error}", file.display())))
}

/// What was counted.
fn summary(engine: &Engine, traffic: &Traffic, took: Duration, cut_short: bool) -> String {
    let over = if cut_short { "demo cut short" } else { "demo over" };
    let (sent, answered, errors) = traffic.counts();
    let metrics = engine.relay().metrics().encode().unwrap_or_default();
    let upstream_429 = counted(&metrics, "sluicegate_attempts_total{", "result=\"rate_limited\"");
    let mut text = format!(
        "\n{over} after {} s\n  sent {sent} · answered {answered} · errors shown to clients {errors}\n",
        took.as_secs()
    );
    for chapter in &CHAPTERS {
        if let Some(line) = traffic.line(chapter.title) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let shown = traffic.shown_429();
    text.push_str(&format!(
        "  upstream answered 429 × {upstream_429}: clients saw {shown}, the others were met by waiting, by another key or by another target\n"
    ));
    if let Some(it) = migration(engine) {
        let verdict = match (&*it.phase, &it.last) {
            ("rolled_back", Some(last)) => format!("rolled back by {}: {}", last.who, last.why),
            (phase, _) => format!("{}, which is not how the story ends: {}", phase.replace('_', " "), it.next),
        };
        text.push_str(&format!("  migration {MIGRATION}: {verdict}\n"));
    }
    text.push_str("  next: sluicegate config init > sluicegate.yaml\n");
    text
}

/// The sum of a counter's series that have this label.
fn counted(metrics: &str, name: &str, label: &str) -> u64 {
    let series = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// What a chapter is about.
impl Chapter {
    const fn new(title: &'static str, what: &'static str, seconds: u64, rate: u32) -> Self {
        Self {
            title,
            what,
            lasts: Duration::from_secs(seconds),
            rate,
            storm: false,
            worse: false,
            starts: false,
            until_judged: false,
        }
    }
}
