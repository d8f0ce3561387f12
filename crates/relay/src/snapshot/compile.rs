//! From the checked configuration to the snapshot.

use super::candidate::number_of;
use super::keys::KeyRing;
use super::limits::{Limits, Owned, number, specs};
use super::names::{Listed, Names, Serving, fallback_results};
use super::tariff::Tariffs;
use super::{Candidate, Route, ServerRules, Snapshot, Target};
use crate::books::{Books, Payments};
use crate::cache::Cache;
use crate::call::header_value;
use crate::choose::choices;
use crate::metrics::{Metrics, RouteMetrics};
use crate::migrations::{Migrations, Mover};
use crate::providers::Providers;
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use sluicegate_config::{
    AzureStyle, Config, Connections, FallbackOn, Migration, Model, Period, Provider as Configured, Target as Named,
    UseHttp2, keys_of_new_sides,
};
use sluicegate_flow::egress::Breakers;
use sluicegate_flow::{Ladder, Scope};
use sluicegate_ledger::{Payer, PriceBook, Subject};
use sluicegate_store::StoreError;
use sluicegate_upstream::{Http2, Origin, Provider, ProviderError, ProviderSpec, Proxy, Settings, Speaks, Timeouts};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::quirks::Table;
use sluicegate_wire::translate::Policy;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Where each simulated provider listens, by the provider's name.
pub type Simulators = HashMap<String, SocketAddr>;

/// A configuration that passed its checks and still cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A provider cannot be made.
    #[error("provider {name}: {source}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: ProviderError,
    },
    /// A provider has no address.
    #[error("provider {0} has no base_url")]
    NoAddress(String),
    /// A model leads to a provider that is not there.
    #[error("model {model} leads to provider {provider}, which is not configured")]
    NoProvider {
        /// The model.
        model: String,
        /// The missing provider.
        provider: String,
    },
    /// A provider header cannot be sent.
    #[error("provider {name}: header {header} has a name or value that cannot be sent")]
    Header {
        /// The provider.
        name: String,
        /// The header.
        header: String,
    },
    /// The books cannot be used.
    #[error("the books: {0}")]
    Books(#[from] StoreError),
    /// The key of a payment service cannot be used.
    #[error("payments.{service}: {error}")]
    Payments {
        /// The service.
        service: &'static str,
        /// What is wrong with it.
        error: sluicegate_store::payment::KeyError,
    },
    /// The list of prices cannot be used.
    #[error("prices.file {path}: {message}")]
    Prices {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The file of models' quirks cannot be used.
    #[error("quirks_file {path}: {message}")]
    Quirks {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

/// What a snapshot is compiled from beside the configuration.
pub(crate) struct Inputs<'a> {
    pub(crate) simulators: &'a Simulators,
    pub(crate) prices: &'static PriceBook,
    pub(crate) metrics: &'a Arc<Metrics>,
    /// What is known of providers.
    pub(crate) providers: &'a Providers,
    /// Models that providers were found to serve, by provider.
    pub(crate) found: &'a BTreeMap<String, Vec<String>>,
    /// Where calls of models that are being moved find their side.
    pub(crate) migrations: &'a Migrations,
    /// The books, where they are kept.
    pub(crate) books: Option<&'a Arc<Books>>,
    /// The snapshot before, some of which goes on.
    pub(crate) before: Option<&'a Snapshot>,
}

/// Compiles a configuration.
///
/// # Errors
/// Says which part cannot run. Nothing has changed then.
pub(crate) fn compile(config: &Config, inputs: &Inputs<'_>) -> Result<Snapshot, CompileError> {
    let quirks = Arc::new(quirks(config)?);
    let tariffs = Tariffs::new(config, inputs.prices)?;
    let revision = number();
    let mut homes = Vec::new();
    for (name, configured) in &config.providers {
        let provider = Arc::new(provider(name, configured, inputs.simulators)?);
        let listed = listed(name, configured, inputs.found, &tariffs);
        let state = inputs.providers.provider(configured);
        let vendor = configured.vendor.clone();
        let apart = keys_of_new_sides(&config.migrations, name).into_iter().map(str::to_owned).collect();
        homes.push(Serving { provider, vendor, listed, state, configured: configured.clone(), apart });
    }
    let providers = homes.iter().map(|home| Arc::clone(&home.provider)).collect();
    let mut names = Names::new(homes, quirks, tariffs, inputs.metrics, revision);
    for model in config.models.values() {
        let moved = config.migrations.values().map(|migration| (migration, migration.goes_to(model)));
        let moved = moved.into_iter().find(|(_, to)| !to.is_empty());
        let route = Arc::new(route(model, moved, &names, inputs, revision)?);
        names.aliases.insert(model.name.clone(), route);
    }
    names.move_listed(|names, provider, model| {
        let mut moves = config.migrations.values();
        let (migration, to) = moves.find_map(|it| Some((it, it.definition.goes_to(provider, model)?)))?;
        let old_keys = migration.definition.comes_from(provider, model).map_or(&[][..], |from| &from.keys);
        let from = vec![names.candidate_with(provider, model, old_keys)?];
        mover(migration, vec![to], from, names, inputs).ok()
    });
    let version = config.version();
    let payments = config.payments.as_ref().map(Payments::new).transpose();
    let payments = payments.map_err(|(service, error)| CompileError::Payments { service, error })?;
    Ok(Snapshot {
        version,
        revision,
        config: Arc::new(config.clone()),
        version_header: header_value(&version.to_string()),
        server: rules(config),
        keys: KeyRing::new(
            config,
            inputs.before.map(|before| &before.keys),
            inputs.books.map(|books| &**books),
            revision,
        )?,
        books: inputs.books.map(Arc::clone),
        choices: choices(config, &names),
        labels: labels(config, inputs)?,
        payments: payments.map(Arc::new),
        cache: cache(config, inputs),
        names,
        providers,
        limits: Limits::new(config, revision),
        mode: config.mode,
        priorities: config.priorities,
        policy: Policy::Default,
    })
}

fn cache(config: &Config, inputs: &Inputs<'_>) -> Option<Cache> {
    let before = inputs.before.and_then(|before| before.cache.as_ref());
    Some(Cache::new(config.cache.as_ref()?, before, &inputs.metrics.cached))
}

fn labels(config: &Config, inputs: &Inputs<'_>) -> Result<HashMap<Arc<str>, Payer>, CompileError> {
    let Some(books) = inputs.books else { return Ok(HashMap::new()) };
    let label = |(name, budgets): (&String, &Vec<_>)| {
        let name: Arc<str> = name.as_str().into();
        let payer = books.payer(&Subject::Label(Arc::clone(&name)), None, budgets)?;
        Ok((name, payer))
    };
    config.labels.iter().map(label).collect()
}

fn quirks(config: &Config) -> Result<Table, CompileError> {
    let Some(path) = &config.quirks_file else { return Ok(Table::bundled()) };
    let fail = |message: String| CompileError::Quirks { path: path.display().to_string(), message };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    Table::bundled_and(&text).map_err(|error| fail(error.to_string()))
}

fn rules(config: &Config) -> ServerRules {
    let server = &config.server;
    let disabled: Vec<Endpoint> =
        Endpoint::ALL.into_iter().filter(|endpoint| config.server.disables(*endpoint)).collect();
    ServerRules {
        max_body: server.max_body.len(),
        max_url: server.max_url.len(),
        max_depth: server.max_json_depth,
        body_read_timeout: duration(server.body_read_timeout),
        disabled: Speaks::of(&disabled),
        reachable: server.beyond_loopback(),
        open: server.insecure_open,
        stream_keepalive: server.stream_keepalive.period().map(duration),
    }
}

pub(crate) fn duration(period: Period) -> Duration {
    Duration::from_millis(period.millis())
}

fn provider(name: &str, configured: &Configured, simulators: &Simulators) -> Result<Provider, CompileError> {
    let base_url = match (&configured.base_url, simulators.get(name)) {
        (Some(url), _) => url.clone(),
        (None, Some(address)) => format!("http://{address}"),
        (None, None) => return Err(CompileError::NoAddress(name.to_owned())),
    };
    let headers = configured
        .headers
        .iter()
        .map(|(header, value)| {
            let parsed =
                HeaderName::try_from(header.as_str()).ok().zip(HeaderValue::from_str(value.expose_secret()).ok());
            parsed.ok_or_else(|| CompileError::Header { name: name.to_owned(), header: header.clone() })
        })
        .collect::<Result<_, _>>()?;
    let native: Vec<Endpoint> =
        Endpoint::ALL.into_iter().filter(|endpoint| configured.speaks_natively(*endpoint)).collect();
    let azure = configured.azure.as_ref();
    let api_version =
        azure.filter(|azure| azure.style == AzureStyle::Deployments).and_then(|azure| azure.api_version.clone());
    Provider::new(ProviderSpec {
        name: name.into(),
        kind: configured.kind,
        base_url,
        keys: configured.keys.iter().map(|key| (key.name.as_str().into(), key.secret.clone())).collect(),
        speaks: Speaks::of(&native),
        api_version,
        headers,
        timeouts: Timeouts {
            first_byte: duration(configured.timeouts.first_byte),
            stream_idle: duration(configured.timeouts.stream_idle),
        },
        max_retries: configured.max_retries,
        stream_usage: configured.stream_usage,
        settings: settings(configured),
        proxy: proxy(configured)?,
        ca_file: configured.connections.ca_file.clone(),
    })
    .map_err(|source| CompileError::Provider { name: name.to_owned(), source })
}

/// How connections to a provider are made and kept.
fn settings(configured: &Configured) -> Settings {
    let Connections { max_connections, wait_timeout, max_idle, max_streams, http2, idle_timeout, max_age, .. } =
        &configured.connections;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Settings {
        http2: match http2 {
            UseHttp2::Auto => Http2::Auto,
            UseHttp2::Never => Http2::Never,
            UseHttp2::Always => Http2::Always,
        },
        connect_timeout: duration(configured.timeouts.connect),
        total_timeout: configured.timeouts.total.map(duration),
        max_connections: max_connections.and_then(|most| NonZeroUsize::new(count(most))),
        wait_timeout: duration(*wait_timeout),
        max_idle: count(*max_idle),
        max_streams: count(*max_streams),
        idle_timeout: duration(*idle_timeout),
        max_age: duration(*max_age),
    }
}

/// The proxy on the way to a provider.
fn proxy(configured: &Configured) -> Result<Option<Proxy>, CompileError> {
    let Some(proxy) = &configured.connections.proxy else { return Ok(None) };
    let unusable = |source| CompileError::Provider { name: configured.name.clone(), source };
    let (origin, _) = Origin::split(&proxy.to_string()).map_err(|error| unusable(ProviderError::BaseUrl(error)))?;
    Ok(Some(Proxy::new(origin, proxy.user.as_ref().map(|user| user.expose_secret()))))
}

fn listed(
    name: &str,
    configured: &Configured,
    found: &BTreeMap<String, Vec<String>>,
    tariffs: &Tariffs,
) -> BTreeMap<String, Listed> {
    let from_book = |id: &str| {
        let price = tariffs.listed(name, configured.vendor.as_deref(), id).map(|entry| &entry.price);
        Listed {
            context_window: price.and_then(|price| price.context_window),
            max_output: price.and_then(|price| price.max_output),
            deployment: None,
        }
    };
    let found = found.get(name).into_iter().flatten();
    let mut listed: BTreeMap<String, Listed> = found.map(|id| (id.clone(), from_book(id))).collect();
    // What the provider itself lists is better than what the price book knows of it.
    let known = if configured.models_bundled && !listed.is_empty() { &[][..] } else { &configured.models };
    for model in known {
        let mut entry = from_book(&model.id);
        entry.context_window = model.context_window.or(entry.context_window);
        entry.max_output = model.max_output.or(entry.max_output);
        entry.deployment.clone_from(&model.deployment);
        listed.insert(model.id.clone(), entry);
    }
    listed
}

fn route(
    model: &Model,
    moved: Option<(&Migration, Vec<sluicegate_migration::Target>)>,
    names: &Names,
    inputs: &Inputs<'_>,
    revision: u64,
) -> Result<Route, CompileError> {
    let subject = Subject::Model(model.name.as_str().into());
    let payer = inputs.books.map(|books| books.payer(&subject, None, &model.budgets)).transpose()?.unwrap_or_default();
    let candidate = |target: &Named, keys: &[String]| -> Result<Arc<Candidate>, CompileError> {
        names
            .candidate_with(&target.provider, &target.model, keys)
            .ok_or_else(|| CompileError::NoProvider { model: model.name.clone(), provider: target.provider.clone() })
    };
    let old_keys = |at: usize| moved.as_ref().map_or(&[][..], |(moved, _)| moved.old_keys(model, at));
    let targets: Vec<Target> = (model.to.iter().enumerate())
        .map(|(at, target)| Ok(Target { candidate: candidate(&target.model, old_keys(at))?, weight: target.weight }))
        .collect::<Result<_, CompileError>>()?;
    let fallbacks: Vec<Arc<Candidate>> =
        model.fallbacks.iter().map(|target| candidate(target, &[])).collect::<Result<_, _>>()?;
    let from = || targets.iter().map(|target| Arc::clone(&target.candidate)).collect();
    let mover = moved.map(|(moved, to)| mover(moved, to, from(), names, inputs)).transpose()?;
    let all = targets.iter().map(|target| &target.candidate).chain(&fallbacks);
    let before = inputs.before.and_then(|before| before.names.aliases.get(&model.name));
    Ok(Route {
        breakers: Breakers::new(all.map(|candidate| Arc::clone(&candidate.standing.provider.breaker))),
        name: model.name.as_str().into(),
        number: number_of(&model.name),
        known: true,
        targets,
        fallbacks,
        fallback_on_length: model.fallback_on.contains(&FallbackOn::ContextLength),
        fallback_on: fallback_results(&model.fallback_on),
        policy: match model.translation {
            sluicegate_config::Translation::Default => None,
            sluicegate_config::Translation::Strict => Some(Policy::Strict),
            sluicegate_config::Translation::Lenient => Some(Policy::Lenient),
        },
        hedge: model.hedge,
        resume: model.resume == sluicegate_config::Resume::Continue,
        metrics: Arc::new(RouteMetrics::new(&model.name)),
        limits: Owned::new(specs(Scope::Model, &model.name, &model.limits, revision)),
        budgets: payer.budgets.into_vec(),
        lower_tier: model.lower_tier.clone(),
        failovers: inputs.providers.failovers(model),
        mover,
        ladder: before.map_or_else(|| Arc::new(Ladder::new()), |route| Arc::clone(&route.ladder)),
    })
}

/// A migration as the calls of one route meet it, which come from `from` and go to `to`.
fn mover(
    moved: &Migration,
    to: Vec<sluicegate_migration::Target>,
    from: Vec<Arc<Candidate>>,
    names: &Names,
    inputs: &Inputs<'_>,
) -> Result<Arc<Mover>, CompileError> {
    let definition = &moved.definition;
    let to = to.into_iter().map(|target| {
        let candidate = names.candidate_with(&target.provider, &target.model, &target.keys);
        let candidate = candidate.ok_or_else(|| CompileError::NoProvider {
            model: definition.model.clone(),
            provider: target.provider.clone(),
        })?;
        Ok(Target { candidate, weight: target.weight })
    });
    Ok(Arc::new(Mover {
        lane: inputs.migrations.lane(&definition.name),
        sticky_by: definition.sticky_by.clone(),
        from,
        to: to.collect::<Result<_, CompileError>>()?,
        mirror: moved.mirror,
    }))
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
