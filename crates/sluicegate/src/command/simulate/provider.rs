//! `simulate provider`: the simulated provider alone.

use crate::cli::{Fault, ProviderArguments};
use crate::outcome::{Code, Failure, Outcome, written};
use crate::{terminal, tracer};
use sluicegate_control::LogFormat;
use sluicegate_simulate::{Faults, Options, Simulator};
use std::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn provider(arguments: &ProviderArguments, verbose: u8) -> Outcome {
    tracer::start(verbose, LogFormat::Human { colour: terminal::stderr_has_colour() });
    let options = options(arguments)?;
    let listener = TcpListener::bind(arguments.listen)
        .map_err(|error| Failure::other(format!("cannot listen on {}: {error}", arguments.listen)))?;
    let failed = |error: std::io::Error| Failure::other(format!("the simulated provider stopped: {error}"));
    let address = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let stop = async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        };
        written(terminal::results(&format!("http://{address}\n")))?;
        terminal::tell(
            "a SIMULATED provider: OpenAI below /v1, Anthropic and Gemini at the address itself; Ctrl-C stops it",
        );
        Simulator::new(options).serve(listener, stop).await.map_err(failed)?;
        Ok(Code::Done)
    })
}

fn options(arguments: &ProviderArguments) -> Outcome<Options> {
    let mut faults = Faults::default();
    for (fault, share) in &arguments.faults {
        let place = match fault {
            Fault::Reset => &mut faults.reset,
            Fault::Stall => &mut faults.stall,
            Fault::Truncate => &mut faults.truncate,
            Fault::ErrorInStream => &mut faults.error_in_stream,
            Fault::Empty => &mut faults.empty,
            Fault::SlowHeaders => &mut faults.slow_headers,
            Fault::MalformedChunk => &mut faults.malformed,
        };
        *place = *share;
    }
    let require_key = match &arguments.key_env {
        None => None,
        Some(name) => {
            let key = std::env::var(name).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
            Some(key.ok_or_else(|| Failure::new(Code::Config, format!("--key-env: the variable {name} is not set")))?)
        }
    };
    Ok(Options {
        seed: arguments.seed,
        latency: arguments.latency.duration(),
        ttft: arguments.ttft.duration(),
        tokens_per_second: arguments.tokens_per_second,
        error_rate: arguments.error_rate,
        faults,
        requests_per_minute: arguments.requests_per_minute,
        tokens_per_minute: arguments.tokens_per_minute,
        concurrency: arguments.concurrency,
        models: arguments.models.clone(),
        require_key,
        label: arguments.label,
        answer_tokens: arguments.answer_tokens,
        prompt_cache: arguments.prompt_cache,
        control: true,
        ..Options::default()
    })
}
