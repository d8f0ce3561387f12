//! Providers: what they are, where they are, with which keys.

use super::limit::Wider;
use super::resilience::HEAVIEST;
use super::secret::{Found, Sources};
use super::{Compiler, DEFAULT_PROVIDER, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::egress::Breaker;
use crate::file::{self, Gateway, Secret};
use crate::known;
use crate::limits::Limit;
use crate::provider::{Azure, AzureStyle, ListedModel, Provider, ProviderKey, Simulation, Speaks, Timeouts};
use crate::server::Server;
use crate::units::Period;
use crate::url::BaseUrl;
use secrecy::{ExposeSecret as _, SecretString};
use sluicegate_ledger::PriceBook;
use sluicegate_vocabulary::ProviderKind;
use std::collections::BTreeMap;

/// Headers that the connection or the adapter owns.
const OWNED_HEADERS: [&str; 6] =
    ["host", "connection", "content-length", "transfer-encoding", "content-encoding", "accept-encoding"];

/// Fields that only one kind of provider has, by that kind.
fn fields_of_kinds(stated: &file::Provider) -> [(&'static str, bool, ProviderKind); 11] {
    use ProviderKind::{Azure, Simulated};
    [
        ("api_version", stated.api_version.is_some(), Azure),
        ("style", stated.style.is_some(), Azure),
        ("seed", stated.seed.is_some(), Simulated),
        ("latency", stated.latency.is_some(), Simulated),
        ("ttft", stated.ttft.is_some(), Simulated),
        ("tokens_per_second", stated.tokens_per_second.is_some(), Simulated),
        ("error_rate", stated.error_rate.is_some(), Simulated),
        ("requests_per_minute", stated.requests_per_minute.is_some(), Simulated),
        ("tokens_per_minute", stated.tokens_per_minute.is_some(), Simulated),
        ("concurrency", stated.concurrency.is_some(), Simulated),
        ("faults", !stated.faults.is_empty(), Simulated),
    ]
}

impl Compiler<'_> {
    /// The older format's provider: known by its host, else anything that copies OpenAI.
    pub(super) fn gateway(&mut self, gateway: &Gateway, server: &Server, breaker: Breaker) -> Option<Provider> {
        let url = self.base_url(&gateway.base_url, &["gateway", "base_url"]);
        let known = url.as_ref().and_then(|url| known::by_host(&url.host));
        let kind = known.map_or(ProviderKind::OpenAiCompatible, |known| known.kind);
        let key = gateway.api_key_env.as_deref().map(|name| self.secret_in_variable(name, &["gateway", "api_key_env"]));
        if key.is_none() && kind.needs_key() {
            let diagnostic = Diagnostic::new(codes::NO_KEY_SOURCE, "this provider refuses calls without a key");
            self.say(
                diagnostic.remedy("name the variable that holds it: api_key_env: OPENAI_API_KEY"),
                &["gateway", "base_url"],
            );
        }
        let mut first_byte = server.first_byte_timeout;
        if let Some(millis) = gateway.timeout_ms
            && self.within(millis, 1, 86_400_000, &["gateway", "timeout_ms"])
        {
            first_byte = Period::from_millis(millis);
            self.long_enough(first_byte, &["gateway", "timeout_ms"]);
        }
        if let Some(retries) = gateway.max_retries {
            self.within(retries, 0, 10, &["gateway", "max_retries"]);
        }
        let url = url?;
        let keys: Vec<ProviderKey> = key.flatten().into_iter().map(|found| pool_key(DEFAULT_PROVIDER, found)).collect();
        self.reachable(&url, &keys, server, &["gateway", "base_url"]);
        let (models, models_bundled) = listed(&[], known.map(|known| known.name));
        let mut provider = Provider::new(DEFAULT_PROVIDER, kind);
        provider.vendor = known.map(|known| known.name.to_owned());
        provider.connections.proxy = self.usual_proxy(DEFAULT_PROVIDER, &url);
        provider.base_url = Some(url.for_kind(kind).to_string());
        provider.timeouts = Timeouts { first_byte, ..usual_timeouts(server) };
        provider.breaker = Some(breaker);
        if let Some(retries) = gateway.max_retries {
            provider.max_retries = retries;
        }
        Some(Provider { keys, models, models_bundled, ..provider })
    }

    pub(super) fn provider(
        &mut self,
        name: &str,
        stated: &file::Provider,
        server: &Server,
        breaker: Breaker,
    ) -> Option<Provider> {
        let path = ["providers", name];
        let at = |field: &'static str| ["providers", name, field];
        if !usable_name(name) {
            let what = format!("`{name}` cannot be a provider's name: letters, digits, `-`, `_`, `.`, at most 64");
            self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &path);
            return None;
        }
        let by_name = known::by_name(name);
        let Some(kind) = stated.kind.or(by_name.map(|known| known.kind)) else {
            let kinds: Vec<&str> = ProviderKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let near = crate::near::nearest(name, known::KNOWN.iter().map(|known| known.name));
            let mut diagnostic = Diagnostic::new(codes::UNKNOWN_KIND, format!("what kind of provider is `{name}`?"))
                .remedy(format!("say `kind:`, one of {}", kinds.join(", ")));
            if let Some(near) = near {
                diagnostic = diagnostic.label(format!("did you mean `{near}`, which is known?"));
            }
            self.say_at_name(diagnostic, &path);
            return None;
        };
        for (field, given, owner) in fields_of_kinds(stated) {
            if given && owner != kind {
                let what =
                    format!("`{field}` belongs to kind `{}`, and this provider is `{}`", owner.as_str(), kind.as_str());
                self.say_at_name(Diagnostic::new(codes::NOT_FOR_KIND, what), &at(field));
            }
        }
        let preset = by_name.filter(|known| known.kind == kind).or_else(|| known::by_kind(kind));
        let url = match (&stated.base_url, preset.and_then(|known| known.base_url)) {
            (Some(stated), _) => self.base_url(stated, &at("base_url")).map(Some),
            (None, Some(usual)) => Some(BaseUrl::parse(usual).ok()),
            (None, None) if kind == ProviderKind::Simulated => Some(None),
            (None, None) => {
                let what = format!("`{name}` has no `base_url`, and a provider of kind `{}` needs one", kind.as_str());
                let remedy = match kind {
                    ProviderKind::Azure => "base_url: ${AZURE_OPENAI_ENDPOINT}",
                    _ => "base_url: http://127.0.0.1:8000/v1",
                };
                self.say_at_name(Diagnostic::new(codes::NO_BASE_URL, what).remedy(remedy), &path);
                None
            }
        };
        let limits = self.provider_limits(name, stated);
        let model_limits = self.model_limits(name, stated, &limits);
        let keys = self.provider_keys(name, stated, kind, by_name, &limits);
        let timeouts = self.timeouts(name, stated, server);
        let breaker = self.breaker(name, stated, breaker);
        let adaptive_concurrency = self.adaptive(name, stated, &limits);
        let metrics_url = self.metrics_url(name, stated, adaptive_concurrency.is_some());
        let headers = self.headers(name, &stated.headers);
        if let Some(retries) = stated.max_retries {
            self.within(retries, 0, 10, &at("max_retries"));
        }
        if stated.speaks.as_ref().is_some_and(Vec::is_empty) {
            let what = "a provider that speaks nothing answers nothing; leave `speaks` out for what its kind can";
            self.say(Diagnostic::new(codes::BAD_VALUE, what), &at("speaks"));
        }
        let azure = (kind == ProviderKind::Azure).then(|| self.azure(name, stated)).flatten();
        let simulation = (kind == ProviderKind::Simulated).then(|| self.simulation(name, stated));
        self.listed_once(name, stated);
        let connections = self.connections(name, stated, url.as_ref().and_then(Option::as_ref));
        let url = url?;
        if let Some(url) = &url {
            self.reachable(url, &keys, server, &at("base_url"));
        }
        let vendor = match kind {
            ProviderKind::OpenAiCompatible => url.as_ref().and_then(|url| known::by_host(&url.host)),
            ProviderKind::Azure | ProviderKind::Simulated => None,
            _ => known::by_kind(kind),
        };
        let (models, models_bundled) = listed(&stated.models, vendor.map(|known| known.name));
        let usual = Provider::new(name, kind);
        Some(Provider {
            vendor: vendor.map(|known| known.name.to_owned()),
            base_url: url.map(|url| url.for_kind(kind).to_string()),
            keys,
            speaks: stated.speaks.clone().unwrap_or_else(|| Speaks::of_kind(kind).to_vec()),
            stream_usage: stated.stream_usage.unwrap_or(usual.stream_usage),
            models,
            models_bundled,
            headers,
            timeouts,
            max_retries: stated.max_retries.unwrap_or(usual.max_retries),
            azure,
            simulation,
            connections,
            learn_limits: stated.learn_limits.unwrap_or(usual.learn_limits),
            breaker,
            adaptive_concurrency,
            metrics_url,
            limits,
            model_limits,
            ..usual
        })
    }

    fn base_url(&mut self, text: &str, path: &[&str]) -> Option<BaseUrl> {
        match BaseUrl::parse(text) {
            Ok(url) => Some(url),
            Err(why) => {
                self.say(Diagnostic::new(codes::BAD_URL, why), path);
                None
            }
        }
    }

    /// Lints of an address: a key in the clear, and a relay that would call itself.
    fn reachable(&mut self, url: &BaseUrl, keys: &[ProviderKey], server: &Server, path: &[&str]) {
        if !url.secure && !url.is_local() && !keys.is_empty() {
            let what = "the key goes to another machine over http://, where it can be read on the way";
            self.say(Diagnostic::new(codes::PLAIN_HTTP, what), path);
        }
        if server.listen.is_at(url) {
            let what = "this is the address the relay itself listens on: every call would go round in circles";
            self.say(Diagnostic::new(codes::CALLS_ITSELF, what), path);
        }
    }

    fn provider_keys(
        &mut self,
        name: &str,
        stated: &file::Provider,
        kind: ProviderKind,
        by_name: Option<&known::Known>,
        limits: &Limit,
    ) -> Vec<ProviderKey> {
        let path = ["providers", name];
        let ways = [stated.api_key_env.is_some(), stated.api_key.is_some(), !stated.keys.is_empty()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            let what = "name the key once: `api_key_env`, `api_key` or `keys`";
            self.say_at_name(Diagnostic::new(codes::MANY_SOURCES, what), &path);
            return Vec::new();
        }
        if !stated.keys.is_empty() {
            return self.pool(name, &stated.keys, limits);
        }
        let found = match (&stated.api_key_env, &stated.api_key) {
            (Some(variable), _) => self.secret_in_variable(variable, &["providers", name, "api_key_env"]),
            (_, Some(Secret::Text(value))) => self.secret_in_text(value, &["providers", name, "api_key"]),
            (_, Some(Secret::From(source))) => {
                let path = ["providers", name, "api_key"];
                let sources = Sources {
                    variable: ("env", source.env.as_deref()),
                    file: ("file", source.file.as_deref()),
                    value: ("value", source.value.as_deref()),
                };
                if sources.is_empty() {
                    self.say_at_name(Diagnostic::new(codes::NO_KEY_SOURCE, "no place of the key is named"), &path);
                }
                self.secret(&sources, &path)
            }
            (None, None) => match by_name
                .map(|known| known.key_variables)
                .filter(|_| kind.needs_key() || stated.base_url.is_none())
            {
                Some([]) => None,
                Some(variables) => {
                    let set =
                        |name: &&str| self.environment.variable(name).is_some_and(|value| !value.trim().is_empty());
                    let first = variables.iter().copied().find(set).or(variables.first().copied());
                    first.and_then(|variable| self.secret_in_variable(variable, &path))
                }
                None if kind.needs_key() => {
                    let what = format!("`{name}` has no key, and a provider of kind `{}` needs one", kind.as_str());
                    let usual = known::by_kind(kind).and_then(|known| known.key_variables.first());
                    let remedy = usual.map_or("api_key_env: NAME".to_owned(), |usual| format!("api_key_env: {usual}"));
                    self.say_at_name(Diagnostic::new(codes::NO_KEY_SOURCE, what).remedy(remedy), &path);
                    None
                }
                None => None,
            },
        };
        found.into_iter().map(|found| pool_key(name, found)).collect()
    }

    fn pool(&mut self, provider: &str, stated: &[file::PoolKey], limits: &Limit) -> Vec<ProviderKey> {
        let whole = format!("providers.{provider}.limits");
        let mut pool: Vec<ProviderKey> = Vec::new();
        for (at, key) in stated.iter().enumerate() {
            let position = at.to_string();
            let path = ["providers", provider, "keys", &position];
            let sources = Sources {
                variable: ("env", key.env.as_deref()),
                file: ("file", key.file.as_deref()),
                value: ("value", key.value.as_deref()),
            };
            if sources.is_empty() {
                self.say(Diagnostic::new(codes::NO_KEY_SOURCE, "name `env`, `file` or `value`"), &path);
            }
            let name = key_name(provider, at, key);
            if !usable_name(&name) {
                let what = "a key's name is letters, digits, `-`, `_` and `.`, at most 64";
                self.say(Diagnostic::new(codes::BAD_NAME, what), &["providers", provider, "keys", &position, "name"]);
            }
            if pool.iter().any(|other| other.name == name) {
                let what = format!("two keys of this pool are called `{name}`");
                self.say(
                    Diagnostic::new(codes::DUPLICATE_NAME, what),
                    &["providers", provider, "keys", &position, "name"],
                );
            }
            let wider = Wider { limit: limits, name: "its provider's limit", at: &whole };
            let at = ["providers", provider, "keys", &position, "limits"];
            let limits = self.limit(key.limits.as_ref(), &format!("key {name}"), &[wider], &at);
            let Some(found) = self.secret(&sources, &path) else { continue };
            let same = |other: &&ProviderKey| other.secret.expose_secret() == found.secret.expose_secret();
            if self.read_secrets
                && let Some(same) = pool.iter().find(same)
            {
                let what =
                    format!("this is the same key as `{}`; a pool of one key twice has the limits of one", same.name);
                self.say(Diagnostic::new(codes::SAME_KEY, what), &path);
            }
            if let Some(share) = key.share {
                self.within(share, 1, HEAVIEST, &["providers", provider, "keys", &position, "share"]);
            }
            if let Some(group) = &key.quota_group
                && !usable_name(group)
            {
                let what = "a group's name is letters, digits, `-`, `_` and `.`, at most 64";
                let at = ["providers", provider, "keys", &position, "quota_group"];
                self.say(Diagnostic::new(codes::BAD_NAME, what), &at);
            }
            let usual = pool_key(&name, found);
            pool.push(ProviderKey {
                role: key.role,
                quota_group: key.quota_group.clone().unwrap_or_else(|| name.clone()),
                share: key.share.unwrap_or(usual.share),
                limits,
                ..usual
            });
        }
        self.pool_makes_sense(provider, stated, &pool);
        pool
    }

    fn timeouts(&mut self, name: &str, stated: &file::Provider, server: &Server) -> Timeouts {
        let fields = [
            ("connect_timeout", stated.connect_timeout),
            ("first_byte_timeout", stated.first_byte_timeout),
            ("stream_idle_timeout", stated.stream_idle_timeout),
            ("total_timeout", stated.total_timeout),
        ];
        for (field, time) in fields {
            if let Some(time) = time {
                self.lasts(time, field, &["providers", name, field]);
            }
        }
        for time in [stated.first_byte_timeout, stated.stream_idle_timeout].into_iter().flatten() {
            if let Some(total) = stated.total_timeout.filter(|total| *total < time) {
                let what = format!("the whole call ends after {total}, so {time} of waiting is never reached");
                self.say(Diagnostic::new(codes::UNREACHABLE, what), &["providers", name, "total_timeout"]);
            }
        }
        if let Some(time) = stated.first_byte_timeout {
            self.long_enough(time, &["providers", name, "first_byte_timeout"]);
        }
        let usual = usual_timeouts(server);
        Timeouts {
            connect: stated.connect_timeout.unwrap_or(usual.connect),
            first_byte: stated.first_byte_timeout.unwrap_or(usual.first_byte),
            stream_idle: stated.stream_idle_timeout.unwrap_or(usual.stream_idle),
            total: stated.total_timeout,
        }
    }

    fn long_enough(&mut self, first_byte: Period, path: &[&str]) {
        if first_byte < Period::from_secs(10) {
            let what = format!("{first_byte} until the first byte cuts off models that think before they answer");
            self.say(Diagnostic::new(codes::SHORT_TIMEOUT, what), path);
        }
    }

    fn headers(&mut self, name: &str, stated: &BTreeMap<String, String>) -> BTreeMap<String, SecretString> {
        let mut headers = BTreeMap::new();
        for (header, value) in stated {
            let path = ["providers", name, "headers", header];
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let lower = header.to_ascii_lowercase();
            let wrong = if header.is_empty() || !header.bytes().all(token) {
                Some("this is not the name of a header")
            } else if OWNED_HEADERS.contains(&lower.as_str()) {
                Some("this header belongs to the connection and cannot be set")
            } else if !value.trim().bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                Some("the value of a header is visible ASCII text on one line")
            } else {
                None
            };
            match wrong {
                Some(what) => self.say_at_name(Diagnostic::new(codes::BAD_VALUE, what), &path),
                None if headers.insert(lower, SecretString::from(value.trim())).is_some() => {
                    let what = "this header is given twice; case makes no difference";
                    self.say_at_name(Diagnostic::new(codes::DUPLICATE_NAME, what), &path);
                }
                None => {}
            }
        }
        headers
    }

    fn azure(&mut self, name: &str, stated: &file::Provider) -> Option<Azure> {
        let dated = stated.api_version.is_some();
        let style = stated.style.unwrap_or(if dated { AzureStyle::Deployments } else { AzureStyle::V1 });
        if style == AzureStyle::Deployments && !dated {
            let what = "the `deployments` style needs an `api_version`";
            let diagnostic = Diagnostic::new(codes::MISSING_FIELD, what).remedy("api_version: \"2024-10-21\"");
            self.say_at_name(diagnostic, &["providers", name]);
            return None;
        }
        let plain = |version: &String| version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if stated.api_version.as_ref().is_some_and(|version| version.is_empty() || !plain(version)) {
            let what = "an API version is a date such as 2024-10-21, perhaps with -preview";
            self.say(Diagnostic::new(codes::BAD_VALUE, what), &["providers", name, "api_version"]);
        }
        Some(Azure { style, api_version: stated.api_version.clone() })
    }

    fn simulation(&mut self, name: &str, stated: &file::Provider) -> Simulation {
        let usual = Simulation::default();
        if let Some(share) = stated.error_rate {
            self.within(share, 0.0, 1.0, &["providers", name, "error_rate"]);
        }
        for (fault, share) in &stated.faults {
            let word = serde_json::to_value(fault).ok();
            let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
            self.within(*share, 0.0, 1.0, &["providers", name, "faults", word]);
        }
        if stated.error_rate.unwrap_or(0.0) + stated.faults.values().sum::<f64>() > 1.0 {
            let what = "`error_rate` and `faults` together are more than every call";
            self.say_at_name(Diagnostic::new(codes::OUT_OF_RANGE, what), &["providers", name]);
        }
        if let Some(pace) = stated.tokens_per_second {
            self.within(pace, 0.0, 1_000_000.0, &["providers", name, "tokens_per_second"]);
        }
        Simulation {
            seed: stated.seed.unwrap_or(usual.seed),
            latency: stated.latency.unwrap_or(usual.latency),
            ttft: stated.ttft.unwrap_or(usual.ttft),
            tokens_per_second: stated.tokens_per_second.unwrap_or(usual.tokens_per_second),
            error_rate: stated.error_rate.unwrap_or(usual.error_rate),
            requests_per_minute: stated.requests_per_minute,
            tokens_per_minute: stated.tokens_per_minute,
            concurrency: stated.concurrency,
            faults: stated.faults.clone(),
        }
    }

    fn listed_once(&mut self, name: &str, stated: &file::Provider) {
        for (at, model) in stated.models.iter().enumerate() {
            let earlier = stated.models.iter().take(at).any(|other| other.0.id == model.0.id);
            let position = at.to_string();
            let path = ["providers", name, "models", &position];
            if earlier {
                let what = format!("`{}` is listed twice", model.0.id);
                self.say(Diagnostic::new(codes::DUPLICATE_NAME, what), &path);
            }
            if model.0.id.trim().is_empty() {
                self.say(Diagnostic::new(codes::BAD_VALUE, "the id of a model is empty"), &path);
            }
        }
    }
}

/// The models of the file, or those the price book knows of the vendor.
fn listed(stated: &[file::ListedModel], vendor: Option<&str>) -> (Vec<ListedModel>, bool) {
    if !stated.is_empty() {
        let models = stated.iter().map(|file::ListedModel(facts)| ListedModel {
            id: facts.id.clone(),
            context_window: facts.context_window,
            max_output: facts.max_output,
            deployment: facts.deployment.clone(),
        });
        return (models.collect(), false);
    }
    let bundled = vendor.into_iter().flat_map(|vendor| PriceBook::bundled().models(vendor));
    let models = bundled.map(|(id, _)| ListedModel {
        id: id.to_owned(),
        context_window: None,
        max_output: None,
        deployment: None,
    });
    (models.collect(), true)
}

/// What holds for a provider that says nothing of its own.
const fn usual_timeouts(server: &Server) -> Timeouts {
    Timeouts {
        connect: server.connect_timeout,
        first_byte: server.first_byte_timeout,
        stream_idle: server.stream_idle_timeout,
        total: None,
    }
}

/// The names of a provider's keys, those included that cannot be read.
pub(super) fn key_names(provider: &str, stated: &file::Provider) -> Vec<String> {
    match stated.keys.as_slice() {
        [] => vec![provider.to_owned()],
        pool => pool.iter().enumerate().map(|(at, key)| key_name(provider, at, key)).collect(),
    }
}

fn key_name(provider: &str, at: usize, key: &file::PoolKey) -> String {
    key.name.clone().unwrap_or_else(|| format!("{provider}-{}", at + 1))
}

fn pool_key(name: &str, found: Found) -> ProviderKey {
    ProviderKey { file: found.file, ..ProviderKey::new(name, &found.source, found.secret) }
}
