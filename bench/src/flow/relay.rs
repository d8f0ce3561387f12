//! The relay under judgement: started with a configuration, and asked what it holds.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::provider::Provider;
use crate::Outcome;
use crate::servers::{self, CLIENT_KEY, Server};

/// A relay with one provider, `up`, and one key for each class, until it is dropped. Starting and dropping it hold up
/// the thread, so neither is done while callers are under way.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) provider: Provider,
    server: Server,
    binary: PathBuf,
    folder: TempDir,
}

/// The classes, highest first, with their weights.
pub(crate) const CLASSES: [(&str, u64); 4] = [("critical", 8), ("high", 4), ("normal", 2), ("low", 1)];

/// The key of a class, by its number in [`CLASSES`].
pub(crate) fn key(class: usize) -> String {
    format!("{CLIENT_KEY}{class}")
}

impl Relay {
    /// Starts one. `limits` is what its provider is sent at most, `rest` further sections of the configuration.
    pub(crate) fn start(binary: &Path, mode: &str, limits: &str, rest: &str) -> Outcome<Self> {
        Self::before(Provider::start(None)?, binary, mode, limits, rest)
    }

    /// The same, before a provider that has been started already.
    pub(crate) fn before(provider: Provider, binary: &Path, mode: &str, limits: &str, rest: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let keys: String = CLASSES
            .iter()
            .enumerate()
            .map(|(number, (class, _))| {
                format!("  - {{ name: {class}, value_env: KEY_{number}, priority: {class} }}\n")
            })
            .collect();
        let config = format!(
            "version: 1
mode: {mode}
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data }}
providers:
  up: {{ kind: openai_compatible, base_url: \"http://{}/v1\", {limits} }}
models:
  bench: {{ to: up/gpt-4.1-mini }}
keys:
{keys}{rest}
",
            provider.address
        );
        let keys: Vec<_> = (0..CLASSES.len()).map(|number| (format!("KEY_{number}"), key(number))).collect();
        let server = servers::relay_with(binary, &config, &keys, folder.path())?;
        Ok(Self { provider, server, binary: fs::canonicalize(binary)?, folder })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.buffered
    }

    /// What `quota --json` says.
    pub(crate) fn quota(&self) -> Outcome<Value> {
        let data = self.folder.path().join("relay/data");
        let output = Command::new(&self.binary).args(["quota", "--json", "--data-dir"]).arg(data).output()?;
        if !output.status.success() {
            return Err(format!("quota: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The lines of its request log.
    pub(crate) fn log(&self) -> Outcome<Vec<Value>> {
        let text = fs::read_to_string(self.folder.path().join("relay/requests.log"))?;
        // The last line may be on its way.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// What is wrong with the process, if anything.
    pub(crate) fn problem(&mut self) -> Outcome<Option<String>> {
        if let Some(status) = self.server.ended()? {
            return Ok(Some(format!("the relay ended with {status}: {}", self.server.output())));
        }
        let output = self.server.output();
        Ok(output.contains("panicked").then(|| format!("a panic: {output}")))
    }
}
