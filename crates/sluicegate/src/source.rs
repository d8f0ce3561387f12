//! Where a configuration comes from: a file, or the environment; and the flags laid over it.
//!
//! A source is kept for as long as the relay runs, because a reload asks it again.

use crate::cli::{ConfigArguments, ServeArguments};
use crate::outcome::{Code, Failure};
use crate::terminal;
use sluicegate_config::{Diagnostic, Environment, Loaded, Loader, System};
use sluicegate_store::KeyStore;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The file that is taken when none is named, if it is there.
pub(crate) const DEFAULT_FILE: &str = "sluicegate.yaml";

/// The largest file that is read, in bytes. What is larger is no configuration.
const LARGEST: u64 = 4 << 20;

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    file: Option<PathBuf>,
    listen: Option<String>,
    simulate: bool,
    insecure_open: bool,
    /// Where an Ollama was found, as a base URL.
    ollama: Option<String>,
    /// Variables taken as unset, those of keys that their provider refused; a prefix ends in `__`.
    hidden: BTreeSet<String>,
}

impl Source {
    /// The file that is named or here, or the environment.
    pub(crate) fn new(arguments: &ConfigArguments) -> Self {
        let here = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        Self { file: arguments.file.clone().or_else(here), ..Self::default() }
    }

    /// The same, with what else `serve` was told.
    pub(crate) fn of_serve(arguments: &ServeArguments) -> Self {
        Self {
            listen: arguments.listen.clone(),
            simulate: arguments.sim,
            insecure_open: arguments.insecure_open,
            ..Self::new(&arguments.config)
        }
    }

    /// Listens elsewhere.
    pub(crate) fn listening(self, address: &str) -> Self {
        Self { listen: Some(address.to_owned()), ..self }
    }

    /// The file; `None` for the environment.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The file's name, or `environment`.
    pub(crate) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "environment".to_owned(), |file| file.display().to_string())
    }

    /// Adds an Ollama that was found on this machine.
    pub(crate) fn found_ollama(&mut self, base_url: String) {
        self.ollama = Some(base_url);
    }

    /// The same without a provider that was found by the variable of its key.
    pub(crate) fn without(&self, provider: &str, variable: &str) -> Self {
        let mut source = self.clone();
        source.hidden.insert(variable.to_owned());
        source.hidden.insert(format!("SLUICEGATE__PROVIDERS__{}__", provider.to_ascii_uppercase()));
        source
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        let environment = Without { hidden: &self.hidden };
        let mut loader = Loader::with_environment(&environment);
        if let Some(listen) = &self.listen {
            loader = loader.flag("server.listen", listen, "--listen");
        }
        if self.insecure_open {
            loader = loader.flag("server.insecure_open", "true", "--insecure-open");
        }
        if self.simulate {
            loader = loader.simulate();
        }
        match &self.file {
            Some(file) => {
                let name = file.display().to_string();
                let text = read(file).map_err(|why| vec![Diagnostic::unreadable(&name, why)])?;
                loader.file(&text, &name)
            }
            None => match &self.ollama {
                Some(base_url) => loader.ollama(base_url.as_str()).environment_only(),
                None => loader.environment_only(),
            },
        }
    }

    /// Reads the configuration of a relay that is to listen where it says.
    ///
    /// # Errors
    /// Everything that is wrong with it, and a listener that is open to others without any key.
    pub(crate) fn load_to_listen(&self) -> Result<Loaded, Vec<Diagnostic>> {
        match self.load() {
            Ok(loaded) => match loaded.config.refusal_to_listen() {
                Some(refusal) if !has_keys(&loaded.config.server.data_dir) => Err(vec![refusal]),
                _ => Ok(loaded),
            },
            Err(mut diagnostics) => {
                // Where only the provider is missing, the open listener is told at the same time.
                let with_provider = Self { simulate: true, ..self.clone() }.load();
                diagnostics.extend(with_provider.ok().and_then(|loaded| loaded.config.refusal_to_listen()));
                Err(diagnostics)
            }
        }
    }
}

/// Whether there are keys that were made at run time. What cannot be read is not there.
fn has_keys(data_dir: &Path) -> bool {
    KeyStore::open_existing(data_dir).ok().flatten().is_some_and(|keys| keys.count().is_ok_and(|count| count > 0))
}

/// Tells what is wrong with a configuration to whoever cannot go on without it.
pub(crate) fn unusable(diagnostics: Vec<Diagnostic>) -> Failure {
    for diagnostic in diagnostics {
        terminal::tell(&terminal::painted(&diagnostic.to_string()));
    }
    Failure::new(Code::Config, "")
}

/// Reads a configuration file, or standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
    };
    match read {
        Ok(_) if text.len() as u64 > LARGEST => Err(format!("it is larger than {} MiB", LARGEST >> 20)),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

/// This machine without some of its variables.
struct Without<'a> {
    hidden: &'a BTreeSet<String>,
}

impl Environment for Without<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        if self.hidden.contains(name) { None } else { System.variable(name) }
    }

    fn variables(&self, prefix: &str) -> Vec<(String, String)> {
        let mut variables = System.variables(prefix);
        variables
            .retain(|(name, _)| !self.hidden.iter().any(|hidden| hidden.ends_with("__") && name.starts_with(hidden)));
        variables
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        System.read(path)
    }
}
