//! `serve`: the relay, until it is told to stop.
//!
//! Everything that happens to a running relay from outside comes together in one loop: signals, orders from the socket,
//! and what was learned about the providers' keys. So two of them never happen at once.

mod banner;
mod ollama;
mod verify;

use crate::cli::{LogStyle, ServeArguments};
use crate::engine::{DataDir, Engine, allow_many_files, choose_cryptography};
use crate::outcome::{Code, Failure, Outcome};
use crate::source::{Source, unusable};
use crate::terminal;
use crate::tracer::{self, NOTICE};
use banner::Banner;
use sluicegate_config::Loaded;
use sluicegate_control::LogFormat;
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use verify::{Checks, Verdict};

/// How long the banner waits for what the providers say about their keys.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long streams may take to say goodbye when there is no time left.
const GOODBYE: Duration = Duration::from_millis(500);

pub(crate) fn serve(arguments: ServeArguments, verbose: u8) -> Outcome {
    let format = format(arguments.log_format);
    tracer::start(verbose, format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(served(&arguments, format));
    // What is still asked of the operators' pages is not waited for.
    runtime.shutdown_background();
    outcome
}

fn format(style: LogStyle) -> LogFormat {
    let human = match style {
        LogStyle::Auto => std::io::stderr().is_terminal(),
        LogStyle::Human => true,
        LogStyle::Json => false,
    };
    if human { LogFormat::Human { colour: terminal::stderr_has_colour() } } else { LogFormat::Json }
}

async fn served(arguments: &ServeArguments, format: LogFormat) -> Outcome {
    choose_cryptography();
    allow_many_files();
    let mut signals = Signals::new()?;
    let mut source = Source::of_serve(arguments);
    if source.file().is_none()
        && let Some(address) = ollama::find().await
    {
        source.found_ollama(format!("http://{address}/v1"));
    }
    let Loaded { config, diagnostics, .. } = source.load_to_listen().map_err(unusable)?;
    let data = DataDir::take(&config.server.data_dir)?;
    let grace = config.server.shutdown_grace;
    let mut engine = Engine::start(source, config, data, format).await?;
    let mut checks = Checks::default();
    let mut banner = Banner::new(&engine, diagnostics);
    if arguments.log_format == LogStyle::Json {
        banner.log();
    } else {
        banner.head();
    }
    if engine.source().file().is_none() {
        checks.begin(&engine);
        let until = tokio::time::Instant::now() + PATIENCE;
        while let Ok(Some((provider, mut verdict))) = tokio::time::timeout_at(until, checks.next()).await {
            learn(&mut engine, &mut checks, &provider, &mut verdict);
            banner.learned(provider, verdict);
        }
    }
    if arguments.log_format != LogStyle::Json {
        banner.body();
    }
    let why = loop {
        tokio::select! {
            order = engine.next_order() => {
                // Whoever asked may have gone away; the outcome is in the log all the same.
                let _ = order.send(engine.reload());
            }
            _ = signals.hangup.recv() => {
                engine.reload();
            }
            Some((provider, mut verdict)) = checks.next() => {
                learn(&mut engine, &mut checks, &provider, &mut verdict);
                tracing::info!(target: NOTICE, "{}", banner::line(&provider, &verdict));
            }
            _ = signals.terminate.recv() => break "SIGTERM",
            _ = signals.interrupt.recv() => break "Ctrl-C",
        }
    };
    let grace = engine.relay().config().server.shutdown_grace.max(grace).duration();
    stop(engine, &mut signals, why, grace).await
}

/// Acts on what a provider said about its key.
fn learn(engine: &mut Engine, checks: &mut Checks, provider: &str, verdict: &mut Verdict) {
    match verdict {
        Verdict::Works { models, .. } if !models.is_empty() => engine.found_models(provider, models.clone()),
        Verdict::Refused { variable: Some(variable), left_out, .. } => {
            let source = engine.source().without(provider, variable);
            // Without this provider only the simulated one might be left, and a call meant for a real one must not
            // quietly go there.
            let others = source.load().is_ok_and(|loaded| !loaded.config.simulated_only());
            if others && engine.reload_from(source).ok {
                *left_out = true;
                // Another variable may hold a key for the same provider.
                checks.again(engine, provider);
            }
        }
        _ => {}
    }
}

/// Lets open calls finish, and ends.
async fn stop(engine: Engine, signals: &mut Signals, why: &str, grace: Duration) -> Outcome {
    let open = engine.relay().metrics().in_flight.get();
    let wait = match open {
        0 => String::new(),
        1 => format!("; 1 call may take up to {} s more, Ctrl-C ends at once", grace.as_secs()),
        many => format!("; {many} calls may take up to {} s more, Ctrl-C ends at once", grace.as_secs()),
    };
    tracing::info!(target: NOTICE, "stopping ({why}){wait}");
    let mut drained = engine.drain(grace);
    let code = tokio::select! {
        _ = &mut drained => Code::Done,
        _ = signals.interrupt.recv() => {
            // Open streams end with an error event and every call gets its line, as far as that is a matter of moments.
            engine.relay().stop_now();
            let _ = tokio::time::timeout(GOODBYE, drained).await;
            Code::Interrupted
        }
    };
    engine.finish();
    tracing::info!(target: NOTICE, "stopped");
    Ok(code)
}

/// The signals we act on, heard from the start so that none is lost or kills us half-way.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Never asked: that it is heard makes a file that may not grow an error of whoever writes it, as a full disk is, and
    /// not the end of the process.
    _file_too_large: Signal,
}

/// `SIGXFSZ`
const FILE_TOO_LARGE: i32 = 25;

impl Signals {
    fn new() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|error| Failure::other(format!("cannot hear signals: {error}")));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            _file_too_large: listen(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }
}
