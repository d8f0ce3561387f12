//! A relay with all that stands around it: its data directory, its simulated providers, its operators' pages, its log.
//!
//! The order matters in both directions. What may fail without a trace comes first, listening for clients last but for
//! the pages; and at the end the calls go first, then the lines about them, then the folder.

mod data_dir;
mod process;
mod simulated;

pub(crate) use data_dir::DataDir;
pub(crate) use process::{allow_many_files, choose_cryptography};

use crate::outcome::{Code, Failure, Outcome};
use crate::source::Source;
use crate::tracer::NOTICE;
use crate::{VERSION, terminal};
use simulated::Simulated;
use sluicegate_config::{Config, Diagnostic, ProviderKind, Severity};
use sluicegate_control::{
    LogFormat, LogWriter, Memory, Operator, Reload, ReloadReport, Surface, operator_api, pages, serve_local, serve_tcp,
    serve_unix, watch,
};
use sluicegate_relay::{Relay, Settings, StartError};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long the last lines of the log may take.
const LOG_LIMIT: Duration = Duration::from_secs(2);

/// A running relay.
#[derive(Debug)]
pub(crate) struct Engine {
    relay: Arc<Relay>,
    source: Source,
    simulated: Simulated,
    log: LogWriter,
    memory: Arc<Memory>,
    reloads: mpsc::Receiver<Reload>,
    _data: DataDir,
}

impl Engine {
    /// Starts a relay; it answers when this returns. The operators' side runs on the present runtime.
    ///
    /// # Errors
    /// Says what keeps it from starting.
    pub(crate) async fn start(source: Source, config: Config, data: DataDir, format: LogFormat) -> Outcome<Self> {
        let mut simulated = Simulated::default();
        let prepared = simulated
            .prepare(&config)
            .map_err(|error| Failure::other(format!("the simulated provider cannot start: {error}")))?;
        let server = config.server.clone();
        let admin = match server.admin_listen {
            None => None,
            Some(address) => Some(TcpListener::bind(address.socket()).await.map_err(|error| {
                Failure::other(format!("cannot listen on {} (server.admin_listen): {error}", address.socket()))
            })?),
        };
        let (memory, learned) = Memory::recall(data.path());
        let settings = Settings {
            version: VERSION,
            simulators: prepared.addresses.clone(),
            learned,
            data_dir: data.path().to_owned(),
        };
        let (relay, local) = Relay::start(config, settings).map_err(|error| cannot_start(&error))?;
        simulated.settle(prepared);
        let (operator, reloads) = Operator::new(Arc::clone(&relay), VERSION, source.name());
        let log = LogWriter::start(Arc::clone(&relay), &server.request_log, format, Arc::clone(operator.figures()))
            .map_err(|error| Failure::new(Code::Config, error.to_string()))?;
        tokio::spawn(watch(Arc::clone(&operator)));
        tokio::spawn(Arc::clone(&relay).tend());
        tokio::spawn(Arc::clone(&memory).keep(Arc::clone(&relay)));
        let main = if admin.is_some() { Surface::Clients } else { Surface::Everything };
        tokio::spawn(serve_local(local, pages(Arc::clone(&operator), main)));
        if let Some(listener) = admin {
            tokio::spawn(serve_tcp(listener, pages(Arc::clone(&operator), Surface::Operators)));
        }
        match sluicegate_control::bind(&data.socket()) {
            Ok(listener) => {
                tokio::spawn(serve_unix(listener, operator_api(operator)));
            }
            Err(error) => {
                let socket = data.socket();
                tracing::warn!(
                    "`status`, `top` and `reload` cannot reach this relay: {}: {error}. SIGHUP reloads all the same.",
                    socket.display()
                );
            }
        }
        let engine = Self { relay, source, simulated, log, memory, reloads, _data: data };
        engine.list_simulated_models();
        Ok(engine)
    }

    pub(crate) const fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// The next order to reload. Never ready while nobody asks.
    pub(crate) async fn next_order(&mut self) -> Reload {
        match self.reloads.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }

    /// Reads the configuration again and puts it in force, all of it or nothing.
    pub(crate) fn reload(&mut self) -> ReloadReport {
        let report = self.reload_from(self.source.clone());
        let (before, after) = (&report.before, &report.after);
        if !report.ok {
            tracing::error!(target: NOTICE, "configuration {after} stays in force, the new one was refused:\n{}", report.text);
        } else if before == after {
            tracing::info!(target: NOTICE, "configuration {after} read again, nothing changed");
        } else {
            tracing::info!(target: NOTICE, "configuration {after} is in force, was {before}");
        }
        if !report.needs_restart.is_empty() {
            tracing::warn!(target: NOTICE, "changed but needs a restart: {}", report.needs_restart.join(", "));
        }
        report
    }

    /// Puts the configuration of another source in force; the source is kept if that succeeds.
    pub(crate) fn reload_from(&mut self, source: Source) -> ReloadReport {
        let before = self.relay.version().to_string();
        let report = |ok, after, needs_restart: Vec<&str>, diagnostics: &[Diagnostic], text: String| ReloadReport {
            schema: ReloadReport::SCHEMA.to_owned(),
            ok,
            before: before.clone(),
            after,
            needs_restart: needs_restart.into_iter().map(str::to_owned).collect(),
            diagnostics: diagnostics.iter().map(Diagnostic::json).collect(),
            text,
        };
        let refused = |engine: &Self, diagnostics: &[Diagnostic], text: String| {
            engine.relay.metrics().reload_ok.set(0);
            report(false, before.clone(), Vec::new(), diagnostics, text)
        };
        let loaded = match source.load_to_listen() {
            Ok(loaded) => loaded,
            Err(diagnostics) => return refused(self, &diagnostics, rendered(&diagnostics)),
        };
        let prepared = match self.simulated.prepare(&loaded.config) {
            Ok(prepared) => prepared,
            Err(error) => return refused(self, &[], format!("the simulated provider cannot start: {error}")),
        };
        match self.relay.reload(loaded.config, prepared.addresses.clone()) {
            Ok(reloaded) => {
                self.simulated.settle(prepared);
                self.source = source;
                self.list_simulated_models();
                self.log.reopen();
                let after = reloaded.after.to_string();
                report(true, after, reloaded.needs_restart, &loaded.diagnostics, warnings(&loaded.diagnostics))
            }
            Err(error) => refused(self, &[], error.to_string()),
        }
    }

    /// What simulated providers answer to, so that it can be listed and asked for by its plain name.
    fn list_simulated_models(&self) {
        let config = self.relay.config();
        let unlisted = |provider: &&sluicegate_config::Provider| {
            provider.kind == ProviderKind::Simulated && provider.models.is_empty()
        };
        for provider in config.providers.values().filter(unlisted) {
            self.found_models(&provider.name, simulated::MODELS.map(str::to_owned).to_vec());
        }
    }

    /// Makes the models that a provider was found to serve known.
    pub(crate) fn found_models(&self, provider: &str, models: Vec<String>) {
        if let Err(error) = self.relay.found_models(provider, models) {
            tracing::warn!(%error, provider, "the models found cannot be listed");
        }
    }

    /// Begins to stop: no new calls, open ones have until the grace period is over. The result is ready when all are.
    pub(crate) fn drain(&self, grace: Duration) -> oneshot::Receiver<()> {
        let relay = Arc::clone(&self.relay);
        let (done, drained) = oneshot::channel();
        let draining = std::thread::Builder::new().name("drain".into()).spawn(move || {
            relay.drain(grace);
            // Nobody waits any more after a second Ctrl-C.
            let _ = done.send(());
        });
        if let Err(error) = draining {
            tracing::error!(%error, "cannot wait for open calls");
        }
        drained
    }

    /// Writes the last lines of the log and what was learned, and gives the folder back.
    pub(crate) fn finish(self) {
        self.memory.write(&self.relay);
        self.log.finish(LOG_LIMIT);
    }
}

/// Diagnostics as they are shown to people.
pub(crate) fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

fn warnings(diagnostics: &[Diagnostic]) -> String {
    let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    warnings.map(|diagnostic| terminal::brief(diagnostic) + "\n").collect()
}

fn cannot_start(error: &StartError) -> Failure {
    match error {
        StartError::Compile(_) | StartError::Tls(_) => Failure::new(Code::Config, error.to_string()),
        StartError::Listen { address, source } if source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::other(format!(
                "cannot listen on {address}: another program has this port\n       take another with --listen \
             {}:0 (a free one), or see sluicegate status",
                address.ip()
            ))
        }
        _ => Failure::other(error.to_string()),
    }
}
