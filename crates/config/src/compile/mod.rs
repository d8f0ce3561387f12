//! From what the file says to what the relay runs: references resolved, secrets read, defaults applied, sense checked.
//!
//! The shape is right when this begins, so every part can be worked on by itself, and all of it is, whatever goes wrong
//! in one part: a file with five mistakes is told about five mistakes. Each part knows the path of what it reads, and
//! the document turns paths into places.

mod alert;
mod books;
mod cache;
mod choice;
mod connections;
mod egress;
mod key;
mod limit;
mod migration;
mod model;
mod payments;
mod prices;
mod priorities;
mod provider;
mod receiver;
mod resilience;
pub(crate) mod runtime;
pub(crate) mod secret;
mod server;
mod tenant;
mod tier;

use crate::books::Ledger;
use crate::codes;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::document::Document;
use crate::environment::Environment;
use crate::file::File;
use sluicegate_vocabulary::Mode;
use std::collections::BTreeMap;

/// The name under which the older format's single provider is known.
pub(crate) const DEFAULT_PROVIDER: &str = "default";

/// Works on one document, collecting what it finds.
pub(crate) struct Compiler<'a> {
    document: &'a Document,
    environment: &'a dyn Environment,
    /// Whether secrets must be there. Without, a file can be checked where they are not.
    read_secrets: bool,
    found: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(document: &'a Document, environment: &'a dyn Environment, read_secrets: bool) -> Self {
        Self { document, environment, read_secrets, found: Vec::new() }
    }

    /// Makes the configuration. The diagnostics hold an error when it must not be used.
    pub(crate) fn compile(mut self, file: File) -> (Config, Vec<Diagnostic>) {
        if let Some(version) = file.version.filter(|version| *version != 1) {
            let what = format!("version {version} of the format is not known to this program, which reads version 1");
            self.say(Diagnostic::new(codes::BAD_VERSION, what), &["version"]);
        }
        self.server(&file.server);
        let name = file.gateway.as_ref().and_then(|gateway| gateway.name.clone());
        let breaker = self.circuit_breaker(file.circuit_breaker.as_ref());
        let mut providers = BTreeMap::new();
        let mut stated = file.providers;
        if let Some(gateway) = &file.gateway {
            if stated.contains_key(DEFAULT_PROVIDER) {
                let what = "`gateway` becomes the provider `default`, and there is one of that name already";
                self.say_at_name(Diagnostic::new(codes::DUPLICATE_NAME, what), &["providers", DEFAULT_PROVIDER]);
                stated.remove(DEFAULT_PROVIDER);
            }
            if let Some(provider) = self.gateway(gateway, &file.server, breaker) {
                providers.insert(provider.name.clone(), provider);
            }
        }
        for (name, stated) in &stated {
            if let Some(provider) = self.provider(name, stated, &file.server, breaker) {
                providers.insert(name.clone(), provider);
            }
        }
        // A provider with a mistake of its own is still a provider to the sections that name it.
        let key_names: BTreeMap<String, Vec<String>> =
            stated.iter().map(|(name, stated)| (name.clone(), provider::key_names(name, stated))).collect();
        let named: Vec<String> = stated.into_keys().chain(file.gateway.map(|_| DEFAULT_PROVIDER.to_owned())).collect();
        let limits = self.limits(file.rate_limits.as_ref());
        let models = self.models(&file.models, &providers, &named, &limits.global);
        self.served_models(&providers, &models);
        let known = migration::Known { models: &models, named: &named, keys: &key_names };
        let migrations = self.migrations(&file.migrations, &known);
        let mode = file.mode.map_or(Mode::default(), Into::into);
        let tenants = self.tenants(&file.tenants, &file.keys, mode, &limits.global);
        let choices = self.choices(&file.choices, &models, &named);
        let names = key::Names { models: &models, choices: &choices, providers: &providers, named: &named };
        let owners = key::Owners { tenants: &tenants, mode, global: &limits.global };
        let keys = self.keys(file.keys, &names, &owners);
        let ledger = self.ledger(file.ledger.as_ref());
        let payments = self.payments(file.payments.as_ref());
        let labels = self.labels(&file.labels);
        let cache = self.cache(file.cache.as_ref());
        let prices = self.prices(file.prices, &named);
        let priorities = self.priorities(file.priorities.as_ref(), &file.server);
        let alerts = self.alerts(&file.metrics);
        let receivers = self.receivers(&file.alerts);
        let bounded = payments.is_some()
            || !labels.is_empty()
            || keys.iter().any(|key| key.is_bounded())
            || tenants.values().any(|tenant| tenant.credits.is_some() || !tenant.budgets.is_empty())
            || models.values().any(|model| !model.budgets.is_empty());
        let config = Config {
            name: name.unwrap_or_else(|| "sluicegate".to_owned()),
            server: file.server,
            providers,
            models,
            migrations,
            keys,
            tenants,
            mode,
            limits,
            priorities,
            alerts,
            receivers,
            labels,
            prices,
            signup: self.signup(&file.credits),
            ledger: ledger.or_else(|| bounded.then(Ledger::default)),
            choices,
            payments,
            cache,
            quirks_file: file.quirks_file,
        };
        self.exposure(&config);
        (config, self.found)
    }

    /// Reports something about the value at a path.
    fn say(&mut self, diagnostic: Diagnostic, path: &[&str]) {
        let place = self.document.place(path);
        self.found.push(self.document.at(diagnostic, &place));
    }

    /// Reports something about the name that ends a path.
    fn say_at_name(&mut self, diagnostic: Diagnostic, path: &[&str]) {
        let place = self.document.key_place(path);
        self.found.push(self.document.at(diagnostic, &place));
    }

    /// Reports a number outside of its range, and says whether it was inside.
    fn within<T: PartialOrd + std::fmt::Display>(&mut self, value: T, least: T, most: T, path: &[&str]) -> bool {
        if value >= least && value <= most {
            return true;
        }
        let name = path.last().unwrap_or(&"this");
        let what = format!("`{name}` must be from {least} to {most}");
        self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), path);
        false
    }

    /// What is open to the network although it need not be.
    fn exposure(&mut self, config: &Config) {
        let server = &config.server;
        if !server.beyond_loopback() {
            return;
        }
        if config.keys.is_empty() && server.insecure_open {
            let what = "no client needs a key, and the listener can be reached from other machines";
            self.say(Diagnostic::new(codes::OPEN_ON_PURPOSE, what), &["server", "insecure_open"]);
        }
        if server.admin_listen.is_none() && !config.keys.is_empty() {
            let what = "/metrics and /admin are on the address that other machines can reach";
            let diagnostic = Diagnostic::new(codes::ADMIN_IN_PUBLIC, what);
            self.say(diagnostic.remedy("server.admin_listen: 127.0.0.1:9080"), &["server", "listen"]);
        }
    }
}

impl Config {
    /// Why a listener must not be opened: it can be reached from other machines and no client needs a key. The binary
    /// prints this and exits with 78.
    #[must_use]
    pub fn refusal_to_listen(&self) -> Option<Diagnostic> {
        let open = self.server.beyond_loopback() && self.keys.is_empty() && !self.server.insecure_open;
        open.then(|| {
            let addresses: Vec<String> = self.server.listen.addresses().iter().map(ToString::to_string).collect();
            let what =
                format!("{} can be reached from other machines, and no client needs a key", addresses.join(", "));
            Diagnostic::new(codes::OPEN_LISTENER, what)
                .remedy("add a key under `keys:`, or listen on 127.0.0.1")
                .note("or, if something in front of it checks who calls: --insecure-open")
        })
    }
}

/// Whether any of these forbids using the configuration.
pub(crate) fn any_error(found: &[Diagnostic]) -> bool {
    found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Whether a name may stand in URLs, headers and metrics.
fn usable_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
