//! Loading: from a text, the environment and the command line to a configuration, or to everything that is wrong.
//!
//! Precedence is flags, then environment, then file, then defaults, and it is not worked out anywhere: each source is
//! laid over the tree of the one before it, and what lies on top is what counts.

use crate::compile::{Compiler, any_error};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Place, Value};
use crate::effective::{Setting, settings};
use crate::environment::{Environment, System};
use crate::file::File;
use crate::interpolate::interpolate;
use crate::known;
use crate::meaning::{Line, meaning};
use crate::server::Listen;
use crate::shape::fill;
use crate::url::BaseUrl;
use crate::{codes, version};
use sluicegate_vocabulary::ConfigVersion;
use std::sync::Arc;

/// Variables of this prefix set single values: `SLUICEGATE__SERVER__LISTEN`.
const OVERRIDE_PREFIX: &str = "SLUICEGATE__";

/// The name of the simulated provider that stands in when none is configured.
pub const SIMULATED_PROVIDER: &str = "sim";

/// A configuration that may be used, and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its version: the hash of everything that is in effect.
    pub version: ConfigVersion,
    /// Warnings and notes; no errors.
    pub diagnostics: Vec<Diagnostic>,
    /// Every value in effect and where it came from.
    pub settings: Vec<Setting>,
    /// What its limits mean.
    pub meaning: Vec<Line>,
}

/// A value from the command line, which overrides everything else.
#[derive(Debug, Clone)]
struct Flag {
    path: String,
    value: String,
    spelled: Arc<str>,
}

/// How to load. Begin with [`Loader::new`] for this machine.
#[derive(Clone)]
pub struct Loader<'a> {
    environment: &'a dyn Environment,
    flags: Vec<Flag>,
    simulate: bool,
    ollama: Option<String>,
    read_secrets: bool,
}

impl Default for Loader<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Loader<'a> {
    /// Loads with this machine's environment variables and files.
    #[must_use]
    pub fn new() -> Self {
        Self::with_environment(&System)
    }

    /// Loads with another environment.
    #[must_use]
    pub fn with_environment(environment: &'a dyn Environment) -> Self {
        Self { environment, flags: Vec::new(), simulate: false, ollama: None, read_secrets: true }
    }

    /// Sets one value from the command line: `path` as in the file (`server.listen`), `spelled` as the flag is written.
    #[must_use]
    pub fn flag(mut self, path: &str, value: impl Into<String>, spelled: &str) -> Self {
        self.flags.push(Flag { path: path.to_owned(), value: value.into(), spelled: spelled.into() });
        self
    }

    /// Adds the simulated provider, whatever else is configured.
    #[must_use]
    pub const fn simulate(mut self) -> Self {
        self.simulate = true;
        self
    }

    /// Adds an Ollama that was found listening; `base_url` ends in `/v1`. Only where there is no file.
    #[must_use]
    pub fn ollama(mut self, base_url: impl Into<String>) -> Self {
        self.ollama = Some(base_url.into());
        self
    }

    /// Does not ask for secrets, so that a file can be checked where they are not. What is loaded must not be run.
    #[must_use]
    pub const fn without_secrets(mut self) -> Self {
        self.read_secrets = false;
        self
    }

    /// Loads a file's text. `origin` is its name, for messages.
    ///
    /// # Errors
    /// Everything that is wrong, with warnings and notes among it.
    pub fn file(&self, text: &str, origin: &str) -> Result<Loaded, Vec<Diagnostic>> {
        let mut document = Document::parse(text, origin).map_err(|diagnostic| vec![*diagnostic])?;
        let mut found = interpolate(&mut document, text, &|name| self.environment.variable(name));
        self.overrides(&mut document, &mut found);
        self.finish(document, found)
    }

    /// Loads without a file: the providers whose variables are set.
    ///
    /// # Errors
    /// Everything that is wrong with the variables.
    pub fn environment_only(&self) -> Result<Loaded, Vec<Diagnostic>> {
        let mut document = Document::empty();
        let mut found = Vec::new();
        self.overrides(&mut document, &mut found);
        self.providers_from_variables(&mut document, &mut found);
        if let Some(url) = &self.ollama {
            let place = Place::Found(format!("Ollama found at {url}").into());
            put(&mut document, &["providers", "ollama", "base_url"], url, &place);
        }
        self.finish(document, found)
    }

    fn finish(&self, mut document: Document, mut found: Vec<Diagnostic>) -> Result<Loaded, Vec<Diagnostic>> {
        if self.simulate {
            self.add_simulated(&mut document, &Place::Flag("--sim".into()));
        }
        let file: File = match fill(&mut document) {
            Ok(file) if !any_error(&found) => file,
            // What was left out for its mistakes would only lead to further ones.
            Ok(_) => return Err(sorted(found, Vec::new())),
            Err(shape) => return Err(sorted(found, shape)),
        };
        let nobody = file.providers.is_empty() && file.gateway.is_none();
        if nobody && !file.server.beyond_loopback() {
            self.add_simulated(&mut document, &Place::Found("no provider is configured".into()));
            let file = fill(&mut document).map_err(|shape| sorted(Vec::new(), shape))?;
            return self.compile(&document, file, found);
        }
        if nobody {
            let what = "no provider is configured";
            let diagnostic = Diagnostic::new(codes::NO_PROVIDER, what);
            found.push(diagnostic.remedy("add one under `providers:`, or ask for the simulated one with --sim"));
        }
        self.compile(&document, file, found)
    }

    fn compile(&self, document: &Document, file: File, found: Vec<Diagnostic>) -> Result<Loaded, Vec<Diagnostic>> {
        let (config, more) = Compiler::new(document, self.environment, self.read_secrets).compile(file);
        let mut diagnostics = sorted(found, more);
        if any_error(&diagnostics) {
            return Err(diagnostics);
        }
        let explained = meaning(&config, Some(document));
        diagnostics.extend(crate::meaning::prices(&config));
        let version = version::of(&config);
        let settings = settings(&config, document);
        Ok(Loaded { config, version, diagnostics, settings, meaning: explained })
    }

    /// The environment and the flags, laid over the file.
    fn overrides(&self, document: &mut Document, found: &mut Vec<Diagnostic>) {
        let filled = |name: &str| self.environment.variable(name).filter(|value| !value.trim().is_empty());
        // What systemd gives is a default of the machine, so a file may say otherwise; our own variable overrides it.
        if let Some(given) = filled("STATE_DIRECTORY") {
            let first = given.split(':').next().unwrap_or_default();
            put(document, &["server", "data_dir"], first, &Place::Variable("STATE_DIRECTORY".into()));
        }
        let data =
            filled("SLUICEGATE_DATA").map(|value| ("SLUICEGATE_DATA".to_owned(), "server.data_dir".to_owned(), value));
        let general = self.environment.variables(OVERRIDE_PREFIX).into_iter().map(|(name, value)| {
            let path = name.strip_prefix(OVERRIDE_PREFIX).unwrap_or_default().to_ascii_lowercase().replace("__", ".");
            (name, path, value)
        });
        let variables = data.into_iter().chain(general);
        let variables = variables.map(|(name, path, value)| (Place::Variable(name.into()), path, value));
        let flags = self.flags.iter();
        let flags = flags.map(|flag| (Place::Flag(flag.spelled.clone()), flag.path.clone(), flag.value.clone()));
        for (place, path, value) in variables.chain(flags) {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            if let Err(why) = document.set(&path, &value, &place) {
                found.push(document.at(Diagnostic::new(codes::BAD_OVERRIDE, why), &place));
            }
        }
    }

    fn add_simulated(&self, document: &mut Document, place: &Place) {
        if document.find(&["providers", SIMULATED_PROVIDER]).is_none() {
            put(document, &["providers", SIMULATED_PROVIDER, "kind"], "simulated", place);
        }
    }

    /// An entry under `providers` for every known provider whose key is in the environment.
    fn providers_from_variables(&self, document: &mut Document, found: &mut Vec<Diagnostic>) {
        let filled = |name: &str| self.environment.variable(name).filter(|value| !value.trim().is_empty());
        let own = listening(document);
        for known in known::KNOWN {
            let Some(variable) = known.key_variables.iter().find(|name| filled(name).is_some()) else { continue };
            let mut url = known.url_variables.iter().find_map(|name| Some((*name, filled(name)?)));
            // `sluicegate run`, and people, point programs at a relay with these variables. It must not call itself.
            if let Some((name, _)) = url.take_if(|(_, url)| BaseUrl::parse(url).is_ok_and(|url| own.is_at(&url))) {
                let what = format!("{name} points at this relay itself and is left out of account");
                found.push(Diagnostic::new(codes::POINTS_HERE, what));
            }
            if url.is_none() && known.base_url.is_none() {
                continue;
            }
            let place = Place::Variable((*variable).into());
            put(document, &["providers", known.name, "kind"], known.kind.as_str(), &place);
            put(document, &["providers", known.name, "api_key_env"], variable, &place);
            if let Some((name, value)) = url {
                put(document, &["providers", known.name, "base_url"], &value, &Place::Variable(name.into()));
            }
        }
    }
}

/// Sets a value unless there is one.
fn put(document: &mut Document, path: &[&str], value: &str, place: &Place) {
    if document.find(path).is_none() {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        // Where the file has something else than a section on the way, its shape is wrong and is reported as such.
        let _ = document.set(&path, value, place);
    }
}

/// The addresses the relay will listen on, as far as variables and flags alone say.
fn listening(document: &Document) -> Listen {
    match document.find(&["server", "listen"]).map(|node| &node.value) {
        Some(Value::Text(text)) => Listen::parse(text).unwrap_or_default(),
        _ => Listen::default(),
    }
}

/// Errors first, each severity in the order of the file.
fn sorted(mut found: Vec<Diagnostic>, more: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.extend(more);
    found.sort_by_key(|diagnostic| {
        let place = diagnostic.position.as_ref().map(|at| (at.line, at.column));
        (std::cmp::Reverse(diagnostic.severity), place)
    });
    found
}

/// Loads a file's text on this machine. [`Loader`] has flags and the rest.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(text: &str, origin: &str) -> Result<Config, Vec<Diagnostic>> {
    Loader::new().file(text, origin).map(|loaded| loaded.config)
}

/// The configuration that the environment alone gives: the providers whose variables are set, else the simulated one.
///
/// # Errors
/// Everything that is wrong with the variables.
pub fn from_environment(variables: impl Fn(&str) -> Option<String>) -> Result<Config, Vec<Diagnostic>> {
    struct Only<F>(F);
    impl<F: Fn(&str) -> Option<String>> Environment for Only<F> {
        fn variable(&self, name: &str) -> Option<String> {
            (self.0)(name)
        }
        fn variables(&self, _: &str) -> Vec<(String, String)> {
            Vec::new()
        }
        fn read(&self, path: &std::path::Path) -> Result<String, String> {
            System.read(path)
        }
    }
    Loader::with_environment(&Only(variables)).environment_only().map(|loaded| loaded.config)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
