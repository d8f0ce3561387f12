//! What a person reads when the relay has started: where it listens, what it found, what to try next.
//!
//! Its first line is written as soon as the relay answers. The rest waits a moment for what the providers say about
//! their keys, so that it usually comes in one piece. A key is shown as its first and last characters, never whole.

use super::verify::{Verdict, variable};
use crate::VERSION;
use crate::engine::Engine;
use crate::terminal::{self, BAD, DIM, GOOD, STRONG, WARN};
use crate::tracer::NOTICE;
use owo_colors::OwoColorize as _;
use secrecy::ExposeSecret as _;
use sluicegate_config::{Config, Diagnostic, Provider, ProviderKind, Severity};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What is told at the start.
pub(crate) struct Banner {
    config: Config,
    addresses: Vec<SocketAddr>,
    source: String,
    from_file: bool,
    /// Clients need a key.
    keys: bool,
    version: String,
    diagnostics: Vec<Diagnostic>,
    verdicts: BTreeMap<String, Verdict>,
}

impl Banner {
    pub(crate) fn new(engine: &Engine, diagnostics: Vec<Diagnostic>) -> Self {
        let relay = engine.relay();
        Self {
            config: relay.config(),
            addresses: relay.addresses().to_vec(),
            source: engine.source().name(),
            from_file: engine.source().file().is_some(),
            keys: relay.needs_keys(),
            version: relay.version().to_string(),
            diagnostics,
            verdicts: BTreeMap::new(),
        }
    }

    /// Keeps what a provider said about its key.
    pub(crate) fn learned(&mut self, provider: String, verdict: Verdict) {
        self.verdicts.insert(provider, verdict);
    }

    /// The whole of it as one line of the log.
    pub(crate) fn log(&self) {
        let addresses: Vec<String> = self.addresses.iter().map(|address| self.url(*address)).collect();
        tracing::info!(
            target: NOTICE,
            version = VERSION,
            addresses = addresses.join(","),
            config = self.version,
            source = self.source,
            simulated = self.config.simulated_only(),
            "listening"
        );
        for warning in self.warnings() {
            tracing::warn!(target: NOTICE, "{}", terminal::brief(warning));
        }
    }

    /// The first line.
    pub(crate) fn head(&self) {
        let addresses: Vec<String> = self.addresses.iter().map(|address| self.url(*address)).collect();
        let reach = if !self.config.server.beyond_loopback() {
            "(loopback only)"
        } else if !self.keys {
            "(OPEN to the network, no keys)"
        } else {
            "(reachable from the network)"
        };
        let title = format!("sluicegate {VERSION}");
        terminal::tell(&format!(
            "{} · listening on {}            {}",
            title.style(STRONG),
            addresses.join(", ").style(STRONG),
            reach.style(DIM)
        ));
    }

    /// The rest.
    pub(crate) fn body(&self) {
        let mut text = String::from("\n");
        if self.from_file {
            self.configured(&mut text);
        } else if self.config.simulated_only() {
            self.simulated(&mut text);
        } else {
            self.found(&mut text);
        }
        for warning in self.warnings() {
            text.push_str(&format!("  {}\n", terminal::painted(&terminal::brief(warning))));
        }
        terminal::tell(&text);
    }

    fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    /// Nothing was found: the simulated model answers.
    fn simulated(&self, text: &mut String) {
        let what = "No provider keys found, so requests go to a SIMULATED model.".style(WARN).to_string();
        text.push_str(&format!("  {what} Nothing leaves this machine, nothing costs money.\n\n"));
        let body = r#"{"model":"sim","messages":[{"role":"user","content":"hi"}]}"#;
        text.push_str(&row("Try it", &format!("curl {}/v1/chat/completions -d '{body}'", self.authority())));
        text.push_str(&row("Use a key", "export OPENAI_API_KEY=…  then run this again"));
        text.push_str(&row("With a file", "sluicegate config init > sluicegate.yaml"));
        self.closing(text);
    }

    /// Keys were found in the environment.
    fn found(&self, text: &mut String) {
        text.push_str("  Providers from your environment\n");
        let providers: Vec<&Provider> = self.config.providers.values().collect();
        let columns: Vec<[String; 3]> = providers.iter().map(|provider| found_row(provider)).collect();
        let width = |at: usize| {
            columns
                .iter()
                .filter_map(|columns| columns.get(at))
                .map(|text| text.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2)];
        for (provider, [name, source, key]) in providers.iter().zip(&columns) {
            let verdict = self.verdicts.get(&provider.name);
            let (mark, said) = match verdict {
                Some(verdict) => (mark(verdict), said(verdict)),
                None if provider.kind == ProviderKind::Simulated => ("·".to_owned(), "SIMULATED".to_owned()),
                None => ("·".to_owned(), "still asking it about this key".to_owned()),
            };
            let [first, second, third] = widths;
            text.push_str(&format!("    {mark} {name:<first$}  {source:<second$}  {key:<third$}  {said}\n"));
        }
        text.push('\n');
        let base = format!("base_url = {}/v1", self.main_url());
        text.push_str(&row("Your client", &format!("{base}     {}", self.client_key())));
        text.push_str(&row("or", "sluicegate run -- python app.py     sets it up for one program"));
        self.closing(text);
    }

    /// There is a file.
    fn configured(&self, text: &mut String) {
        text.push_str(&row(
            "Config",
            &format!("{} · {} · version {}", self.source, self.config.summary(), self.version),
        ));
        let name = |provider: &Provider| match provider.kind {
            ProviderKind::Simulated => format!("{} (SIMULATED)", provider.name),
            _ => provider.name.clone(),
        };
        let names: Vec<String> = self.config.providers.values().map(name).collect();
        text.push_str(&row("Providers", &names.join(", ")));
        text.push_str(&row("Clients", &format!("base_url = {}/v1     {}", self.main_url(), self.client_key())));
        self.closing(text);
    }

    fn closing(&self, text: &mut String) {
        let operators = match self.config.server.admin_listen {
            Some(address) => format!("http://{}/metrics", address.socket()),
            None => format!("{}/metrics", self.main_url()),
        };
        text.push_str(&row("Metrics", &operators));
        text.push_str(&row("Stop", "Ctrl-C"));
    }

    fn client_key(&self) -> &'static str {
        match (!self.keys, self.config.server.beyond_loopback()) {
            (true, false) => "api_key = anything (loopback needs none)",
            (true, true) => "api_key = anything (none is needed)",
            (false, _) if self.config.keys.is_empty() => "api_key = one that sluicegate keys create made",
            (false, _) => "api_key = one of those under keys:",
        }
    }

    fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.config.server.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    fn main_url(&self) -> String {
        self.addresses.first().map(|address| self.url(*address)).unwrap_or_default()
    }

    /// What curl needs: the scheme only where it is not http.
    fn authority(&self) -> String {
        let url = self.main_url();
        url.strip_prefix("http://").map(str::to_owned).unwrap_or(url)
    }
}

fn row(name: &str, value: &str) -> String {
    format!("  {}{value}\n", format!("{name:<12}").style(DIM))
}

fn found_row(provider: &Provider) -> [String; 3] {
    let key = provider.keys.first();
    let source = match (key.and_then(variable), &provider.base_url) {
        (Some(variable), _) => variable,
        (None, Some(url)) => format!("found at {}", url.trim_start_matches("http://").trim_end_matches("/v1")),
        (None, None) => "built in".to_owned(),
    };
    [provider.name.clone(), source, key.map(|key| masked(key.secret.expose_secret())).unwrap_or_default()]
}

/// A key as it may be shown: enough to know it by, far too little to use it.
fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    match (characters.get(..3), characters.get(characters.len().saturating_sub(4)..)) {
        (Some(first), Some(last)) if characters.len() >= 20 => {
            format!("{}…{}", first.iter().collect::<String>(), last.iter().collect::<String>())
        }
        _ => "(set)".to_owned(),
    }
}

fn mark(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Works { .. } => "✓".style(GOOD).to_string(),
        Verdict::Refused { .. } => "✗".style(BAD).to_string(),
        Verdict::Unknown { .. } => "?".style(WARN).to_string(),
    }
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Works { models, checked } => {
            let unchecked = if *checked { "" } else { " (listed without asking for the key)" };
            let s = if models.len() == 1 { "" } else { "s" };
            format!("{} model{s}{unchecked}", models.len())
        }
        Verdict::Refused { status, host, left_out, .. } => {
            let so = if *left_out { "provider left out of routing" } else { "calls to it will fail" };
            format!("{status} from {host}: key refused; {so}")
        }
        Verdict::Unknown { why } => format!("not checked: {why}"),
    }
}

/// What became known about a provider later, as one line.
pub(crate) fn line(provider: &str, verdict: &Verdict) -> String {
    format!("provider {provider}: {}", said(verdict))
}

#[cfg(test)]
#[path = "banner_tests.rs"]
mod tests;
