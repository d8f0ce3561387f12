//! `run -- COMMAND`: a program whose AI clients go through a relay.
//!
//! If a relay runs with the data directory that the configuration here names, the program is pointed at that one.
//! Otherwise it gets a relay of its own on a free loopback port, which ends with it and leaves nothing behind.

use super::remote::{configured_data_dir, running};
use crate::cli::RunArguments;
use crate::engine::{DataDir, Engine, choose_cryptography};
use crate::outcome::{Code, Failure, Outcome};
use crate::source::{Source, unusable};
use crate::{terminal, tracer};
use rustix::process::{Pid, Signal as Number, kill_process};
use sluicegate_config::{Config, RequestLog};
use sluicegate_control::{LogFormat, Status};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The variable with the client's key for a relay that wants one.
const KEY_VARIABLE: &str = "SLUICEGATE_KEY";
/// What stands for a key where none is needed; SDKs insist on having one.
const ANY_KEY: &str = "sluicegate";
/// How long calls that the program left behind may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Variables that would lead an SDK past the relay, or disagree with what we set.
const IN_THE_WAY: [&str; 4] =
    ["GOOGLE_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_BASE", "GOOGLE_GENAI_USE_VERTEXAI"];
const MODEL_VARIABLES: [&str; 3] = ["OPENAI_MODEL", "ANTHROPIC_MODEL", "GEMINI_MODEL"];

pub(crate) fn run(arguments: RunArguments, verbose: u8) -> Outcome {
    tracer::start(verbose, LogFormat::Human { colour: terminal::stderr_has_colour() });
    let found = running(&configured_data_dir(&arguments.config))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        match found {
            Some(status) => {
                let (url, key) = existing(&status)?;
                tracing::info!("using the relay at {url} (pid {})", status.pid);
                accompany(&arguments, &url, &key).await
            }
            None => beside_a_relay_of_its_own(&arguments, verbose).await,
        }
    });
    runtime.shutdown_background();
    outcome
}

/// The address and key for a relay that runs already.
fn existing(status: &Status) -> Outcome<(String, String)> {
    let url = status.addresses.first().ok_or_else(|| Failure::other("the running relay listens nowhere"))?;
    let key = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.trim().is_empty());
    match key {
        Some(key) => Ok((reachable(url), key)),
        None if status.keys_required => Err(Failure::new(
            Code::NotAllowed,
            format!("the relay running at {url} wants a key from its clients\n       put one into {KEY_VARIABLE}"),
        )),
        None => Ok((reachable(url), ANY_KEY.to_owned())),
    }
}

/// An address for this machine: one that stands for every interface is reached by loopback.
fn reachable(url: &str) -> String {
    url.replacen("://0.0.0.0:", "://127.0.0.1:", 1).replacen("://[::]:", "://[::1]:", 1)
}

async fn beside_a_relay_of_its_own(arguments: &RunArguments, verbose: u8) -> Outcome {
    choose_cryptography();
    let source = Source::new(&arguments.config).listening("127.0.0.1:0");
    let mut loaded = source.load().map_err(unusable)?;
    make_private(&mut loaded.config, verbose);
    let simulated = loaded.config.simulated_only();
    let data = DataDir::passing()?;
    let format = LogFormat::Human { colour: terminal::stderr_has_colour() };
    let engine = Engine::start(source, loaded.config, data, format).await?;
    let url = engine.relay().addresses().first().map(SocketAddr::to_string).unwrap_or_default();
    let url = format!("http://{url}");
    if simulated {
        terminal::tell("sluicegate: no provider keys found, so AI calls go to a SIMULATED model");
    }
    tracing::info!("a relay for this program listens at {url}");
    let outcome = accompany(arguments, &url, ANY_KEY).await;
    // The program is over: whoever listened to what is still open has gone.
    let _ = engine.drain(FAREWELL).await;
    engine.finish();
    outcome
}

/// For one program on this machine: no keys, no TLS, no other listener, and nothing in the program's output.
fn make_private(config: &mut Config, verbose: u8) {
    config.keys.clear();
    let server = &mut config.server;
    server.tls = None;
    server.admin_listen = None;
    server.insecure_open = false;
    server.workers = Some(NonZeroUsize::MIN);
    server.request_log = if verbose > 0 { RequestLog::Stderr } else { RequestLog::None };
}

fn spawn(arguments: &RunArguments, url: &str, key: &str) -> Outcome<Child> {
    let Some((program, rest)) = arguments.command.split_first() else {
        return Err(Failure::other("no command was given"));
    };
    let mut command = Command::new(program);
    command.args(rest);
    IN_THE_WAY.iter().for_each(|name| {
        command.env_remove(name);
    });
    let openai = format!("{url}/v1");
    for (name, value) in [
        ("OPENAI_BASE_URL", openai.as_str()),
        ("OPENAI_API_KEY", key),
        ("ANTHROPIC_BASE_URL", url),
        ("ANTHROPIC_API_KEY", key),
        ("GOOGLE_GEMINI_BASE_URL", url),
        ("GEMINI_API_KEY", key),
    ] {
        command.env(name, value);
    }
    if let Some(model) = &arguments.model {
        MODEL_VARIABLES.iter().for_each(|name| {
            command.env(name, model);
        });
    }
    command.spawn().map_err(|error| {
        // The codes that a shell gives for the same.
        let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        Failure::new(Code::Other(code), format!("cannot run {}: {error}", program.display()))
    })
}

/// Runs the program, handing signals on, and gives its end as ours.
async fn accompany(arguments: &RunArguments, url: &str, key: &str) -> Outcome {
    // Before there is a program, so that no signal ends us alone.
    let listen = |kind| signal(kind).map_err(|error| Failure::other(format!("cannot hear signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut quit = listen(SignalKind::quit())?;
    let mut child = spawn(arguments, url, key)?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // From a terminal Ctrl-C and Ctrl-\ reach the program without us.
    let from_terminal = std::io::stdin().is_terminal();
    loop {
        let number = tokio::select! {
            status = child.wait() => {
                return status.map(code).map_err(|error| {
                    Failure::other(format!("cannot wait for {}: {error}", arguments.command.join(" ".as_ref()).display()))
                });
            }
            _ = terminate.recv() => Some(Number::TERM),
            _ = hangup.recv() => Some(Number::HUP),
            _ = interrupt.recv() => (!from_terminal).then_some(Number::INT),
            _ = quit.recv() => (!from_terminal).then_some(Number::QUIT),
        };
        if let (Some(pid), Some(number)) = (pid, number)
            && let Err(error) = kill_process(pid, number)
        {
            tracing::warn!(%error, "a signal could not be handed on");
        }
    }
}

/// A program's end as a code: its own, or as a shell tells a signal.
fn code(status: ExitStatus) -> Code {
    let code = status.code().or_else(|| status.signal().map(|signal| signal + 128)).unwrap_or(1);
    Code::Other(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
