//! What the file may say: the types that its shape, its schema and its reference are made from.
//!
//! These types follow the file and nothing else. Whatever has a default is optional here, and the default is applied
//! later, where it can depend on other parts of the file. The doc comments are what an editor shows.
//!
//! A section appears here when something in the program acts on it, and not before: a file that is accepted is a promise.

mod books;
mod cache;
mod choice;
mod egress;
mod limit;
mod migration;
mod payments;
mod prices;
mod receiver;

pub(crate) use books::{Budget, Credits, Label, Ledger, NewAccounts, OneOrMore};
pub(crate) use cache::Cache;
pub(crate) use choice::{Choice, When};
pub(crate) use egress::{AdaptiveConcurrency, Breaker, Switch};
pub(crate) use limit::{EndpointLimit, Limits};
pub(crate) use migration::{Breach, Inconclusive, Migration, MigrationGuard, Mirror, Place, Side};
pub(crate) use payments::Payments;
pub(crate) use prices::{Exact, OwnPrice, Prices};
pub(crate) use receiver::{Alerts, Kind, Receiver, Rule};

use crate::alert::AlertMetric;
use crate::connections::UseHttp2;
use crate::egress::KeyRole;
use crate::endpoint::EndpointPath;
use crate::model::{FallbackOn, Resume, Tier, Translation};
use crate::provider::{AzureStyle, SimulatedFault, Speaks};
use crate::server::Server;
use crate::units::{Period, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use sluicegate_vocabulary::ProviderKind;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

/// The configuration of Sluicegate. Every section is optional.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sluicegate configuration")]
pub(crate) struct File {
    /// Version of this format: 1.
    pub version: Option<u64>,
    /// The older format's single provider; it becomes the provider `default`.
    pub gateway: Option<Gateway>,
    /// Limits over all calls, and one endpoint's own beside them.
    pub rate_limits: Option<RateLimits>,
    /// When a provider that fails is left alone: for all providers, unless one says otherwise under `breaker`.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// Alerts: each names a measured value and the threshold at which it is raised.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Who is told of alerts, and of what happens to migrations.
    #[serde(default)]
    pub alerts: Alerts,
    /// Where the relay listens, what it accepts and how long it waits.
    #[serde(default)]
    pub server: Server,
    /// Who answers, by a name of your choice. A known name (openai, anthropic, mistral, groq, ...) needs nothing else.
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    /// Names that clients send, and where they lead.
    #[serde(default)]
    pub models: BTreeMap<String, Model>,
    /// Moves of a model's calls to somewhere else, by a name of your choice.
    #[serde(default)]
    pub migrations: BTreeMap<String, Migration>,
    /// What is done with a call that a limit has no room for; tenants and keys may say otherwise. `adaptive` when absent.
    pub mode: Option<Mode>,
    /// Who waits how long, and in what order.
    pub priorities: Option<Priorities>,
    /// Groups of keys that share limits, by a name of your choice.
    #[serde(default)]
    pub tenants: BTreeMap<String, Tenant>,
    /// Keys that clients must come with. Without any, only this machine may call.
    #[serde(default)]
    pub keys: Vec<ClientKey>,
    /// Names of calls, by which they are counted and may be bounded: a key's `label`, else the header
    /// `X-Sluicegate-Label`.
    #[serde(default)]
    pub labels: BTreeMap<String, Label>,
    /// What models cost, and what is done with calls whose cost nobody knows.
    #[serde(default)]
    pub prices: Prices,
    /// What accounts are given.
    #[serde(default)]
    pub credits: NewAccounts,
    /// How the books are kept: what every call cost, and who pays.
    pub ledger: Option<Ledger>,
    /// Names that lead to one model or another, by what a request looks like.
    #[serde(default)]
    pub choices: BTreeMap<String, Choice>,
    /// Payment services that tell what customers have paid for orders.
    pub payments: Option<Payments>,
    /// Answers that are kept to be given again.
    pub cache: Option<Cache>,
    /// A JSON file of models' quirks, laid over the built-in ones; read again on reload.
    pub quirks_file: Option<PathBuf>,
}

/// The older format's single provider.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Name of this relay in logs and metrics.
    pub name: Option<String>,
    /// Address of the provider, with its version: `https://api.example.com/v1`.
    pub base_url: String,
    /// Environment variable that holds the provider's key.
    pub api_key_env: Option<String>,
    /// Milliseconds until the first byte of an answer.
    pub timeout_ms: Option<u64>,
    /// How often a failed call is sent again before its first byte.
    pub max_retries: Option<u32>,
}

/// Limits over all calls and by endpoint.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimits {
    /// Over all calls.
    pub global: Option<Limits>,
    /// By path of the endpoint, or the word `disabled`: only the global limits apply.
    pub per_endpoint: Option<OrDisabled<BTreeMap<EndpointPath, OrDisabled<EndpointLimit>>>>,
}

/// A class of calls; `medium` is the older word for `normal`.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Critical,
    High,
    Normal,
    Medium,
    Low,
}

/// What is done with a call that a limit has no room for.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Refuse it at once.
    Strict,
    /// Let it wait its turn, up to its deadline.
    Adaptive,
    /// Let it wait; then fall back to a lower tier, where its key has agreed to that.
    Graceful,
}

/// Who waits how long, and in what order.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Priorities {
    /// The classes of calls. What is absent keeps its default.
    pub classes: Option<Classes>,
    /// Most calls that wait at once; those beyond are refused with 503. 10000 when absent.
    #[schemars(range(min = 1))]
    pub max_queue: Option<u64>,
    /// Most bytes of request bodies that wait at once. 1GiB when absent.
    pub max_queue_bytes: Option<Size>,
}

/// The classes of calls.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Classes {
    /// The last to be refused. Weight 8 and 10s when absent.
    pub critical: Option<ClassRule>,
    /// A person is waiting. Weight 4 and 10s when absent.
    pub high: Option<ClassRule>,
    /// What most calls are. Weight 2 and 30s when absent.
    pub normal: Option<ClassRule>,
    /// Bulk work on spare capacity. Weight 1 and 5m when absent.
    pub low: Option<ClassRule>,
}

/// One class of calls.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassRule {
    /// Its share of what is let through while all classes wait, relative to the sum of the four.
    #[schemars(range(min = 1))]
    pub weight: Option<u32>,
    /// How long one of its calls may wait that brings no deadline of its own.
    pub max_wait: Option<Period>,
}

/// A group of keys that share limits.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    /// What all its keys together are held to.
    pub limits: Option<Limits>,
    /// What may be spent on all its keys together in a period: one budget or a list. As much as is asked for when absent.
    pub budget: Option<OneOrMore>,
    /// Makes its keys that have no account of their own prepaid: calls are paid from an account, and refused with 402 when it is empty.
    pub credits: Option<Credits>,
    /// The mode of its keys that name none of their own.
    pub mode: Option<Mode>,
    /// Whether calls of its keys may fall back to a model of a lower tier, where a key does not say. `false` when absent.
    pub accept_lower_tier: Option<bool>,
}

/// When a provider that fails is left alone, for all providers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CircuitBreaker {
    /// So many failures one after another isolate a provider. 5 when absent.
    pub failure_threshold: Option<u32>,
    /// So many seconds it is left alone each time. When absent: one at first, twice as many after each trial call that
    /// failed, 60 at most, each drawn at random from the upper half.
    pub recovery_timeout_seconds: Option<u64>,
    /// So many trial calls at once while it is found out whether it is back. 1 when absent.
    pub half_open_max_requests: Option<u32>,
}

/// An alert on a measured value.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    /// What is measured.
    pub name: AlertMetric,
    /// `<`, `<=`, `>` or `>=` and a number, with a percent sign for a share: "<20%", ">2000". In quotes.
    pub alert_threshold: Option<String>,
    /// How long the threshold must be crossed without a break before the alert is raised. At once when absent.
    #[serde(rename = "for")]
    pub lasting: Option<Period>,
}

/// The schema of a [`ProviderKind`], whose words are not this crate's.
struct KindWord;

impl JsonSchema for KindWord {
    fn schema_name() -> Cow<'static, str> {
        "ProviderKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let word =
            |kind: ProviderKind| json_schema!({"type": "string", "const": kind.as_str(), "description": kind.about()});
        json_schema!({"oneOf": ProviderKind::ALL.map(word), "description": "What a provider is."})
    }
}

/// A provider.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// What it is. May be left out when the provider's name is a known one.
    #[schemars(with = "Option<KindWord>")]
    pub kind: Option<ProviderKind>,
    /// Where it is. OpenAI's family: with the version (`https://host/v1`). Azure: `https://NAME.openai.azure.com`.
    pub base_url: Option<String>,
    /// Environment variable that holds its key.
    pub api_key_env: Option<String>,
    /// Its key: `{ env: NAME }`, `{ file: PATH }`, or the text itself (better: `${NAME}`).
    pub api_key: Option<Secret>,
    /// Several keys that are used as one pool.
    #[serde(default)]
    pub keys: Vec<PoolKey>,
    /// What all calls to it together are held to, whoever they come from.
    pub limits: Option<Limits>,
    /// The same as `limits.concurrency`: calls it is sent at once.
    #[schemars(range(min = 1))]
    pub max_concurrency: Option<u64>,
    /// What calls to one of its models are held to, by the provider's own id of the model.
    #[serde(default)]
    pub model_limits: BTreeMap<String, Limits>,
    /// Models it serves: for calls that name a model without its provider, and for `/v1/models`.
    #[serde(default)]
    pub models: Vec<ListedModel>,
    /// What it can be asked in its own format, where it differs from what its kind can.
    pub speaks: Option<Vec<Speaks>>,
    /// Whether it understands `stream_options.include_usage`. Set to false for a server that refuses it.
    pub stream_usage: Option<bool>,
    /// Headers added to every call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Instead of `server.connect_timeout`.
    pub connect_timeout: Option<Period>,
    /// Instead of `server.first_byte_timeout`.
    pub first_byte_timeout: Option<Period>,
    /// Instead of `server.stream_idle_timeout`.
    pub stream_idle_timeout: Option<Period>,
    /// From sending a call to the last byte of its answer. As long as it goes on when absent.
    pub total_timeout: Option<Period>,
    /// How often a failed call is sent again before its first byte. 2 when absent.
    #[schemars(range(max = 10))]
    pub max_retries: Option<u32>,
    /// Whether what its answers say of its own limits is followed, so that calls wait here and meet no 429 there. `true`
    /// when absent.
    pub learn_limits: Option<bool>,
    /// When it is left alone because it fails, or the word `disabled`: never.
    pub breaker: Option<OrDisabled<Breaker>>,
    /// `true`, or what to hold to: a limit on calls at once, for each of its models, that follows how fast first tokens
    /// come. `false` when absent.
    pub adaptive_concurrency: Option<Switch<AdaptiveConcurrency>>,
    /// The metrics page of a server of your own (vLLM, SGLang, llama.cpp, TGI), such as `http://10.0.0.5:8000/metrics`.
    /// It is read once a second, and while it shows a queue or full memory the limit of `adaptive_concurrency` does not
    /// grow.
    pub metrics_url: Option<String>,
    /// The proxy its connections go through, such as `http://user:password@proxy.example.com:3128`, or the word `direct`:
    /// none. When absent, what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub proxy: Option<String>,
    /// PEM file with certificates that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Most connections at once, over all workers. As many as calls need when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: Option<u32>,
    /// How long a call waits while there are `max_connections`. 1m when absent.
    pub connection_wait_timeout: Option<Period>,
    /// Unused HTTP/1 connections that each worker keeps open. 1024 when absent.
    #[schemars(range(max = 1_000_000))]
    pub max_idle_connections: Option<u32>,
    /// Calls that go over one HTTP/2 connection at once before another is opened, where the provider does not allow fewer.
    /// 90 when absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_streams_per_connection: Option<u32>,
    /// Whether HTTP/2 is spoken. `auto` when absent.
    pub http2: Option<UseHttp2>,
    /// How long a connection may lie unused before it is closed. 50s when absent: servers commonly close after 60.
    pub connection_idle_timeout: Option<Period>,
    /// How old a connection may be when a call is sent on it, so that a name which has come to lead elsewhere is followed.
    /// 10m when absent.
    pub connection_max_age: Option<Period>,
    /// Azure: the date of the API, for the `deployments` style.
    pub api_version: Option<String>,
    /// Azure: how it is addressed. `deployments` when `api_version` is given, else `v1`.
    pub style: Option<AzureStyle>,
    /// Simulated: everything that looks random follows from it.
    pub seed: Option<u64>,
    /// Simulated: time before the response head.
    pub latency: Option<Period>,
    /// Simulated: time from there to the first token.
    pub ttft: Option<Period>,
    /// Simulated: pace after the first token; 0 for as fast as possible.
    pub tokens_per_second: Option<f64>,
    /// Simulated: share of calls that fail, from 0 to 1.
    pub error_rate: Option<f64>,
    /// Simulated: requests per minute before it answers 429.
    pub requests_per_minute: Option<u64>,
    /// Simulated: tokens per minute before it answers 429.
    pub tokens_per_minute: Option<u64>,
    /// Simulated: calls at once before it answers 429.
    pub concurrency: Option<u64>,
    /// Simulated: share of calls that break in each way, from 0 to 1.
    #[serde(default)]
    pub faults: BTreeMap<SimulatedFault, f64>,
}

/// One key of a pool. Name exactly one of `env`, `file` and `value`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolKey {
    /// Its name in metrics and logs.
    pub name: Option<String>,
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it. Read again when it changes.
    pub file: Option<PathBuf>,
    /// The key itself. Better: a variable or a file.
    pub value: Option<String>,
    /// What it is for. `primary` when absent.
    #[serde(default)]
    pub role: KeyRole,
    /// The account whose quota it uses, by any name: keys of one account share its quota, and are never taken for more.
    /// An account of its own when absent.
    pub quota_group: Option<String>,
    /// Its weight among the keys that could be used: twice the share, twice the calls. 1 when absent.
    #[schemars(range(min = 1, max = 1000))]
    pub share: Option<u32>,
    /// What calls with this key are held to.
    pub limits: Option<Limits>,
}

/// A secret: its text, or where it is.
pub(crate) enum Secret {
    Text(String),
    From(SecretSource),
}

/// Where a secret is. Name exactly one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretSource {
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it.
    pub file: Option<PathBuf>,
    /// The secret itself. Better: a variable or a file.
    pub value: Option<String>,
}

/// A model that a provider serves: its id, or its id and more.
pub(crate) struct ListedModel(pub ModelFacts);

/// What is known about a model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFacts {
    /// The provider's own id of it.
    pub id: String,
    /// Tokens of its context window.
    pub context_window: Option<u64>,
    /// Most tokens of output.
    pub max_output: Option<u64>,
    /// Azure: the deployment that serves it, when it has another name.
    pub deployment: Option<String>,
}

/// A public name of a model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Where its calls go: `provider/model`, or a list of such with weights.
    pub to: Targets,
    /// What is tried next, in order, as `provider/model`.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// Failures that lead to the fallbacks. When absent: connect, timeout, server_error, rate_limited.
    pub fallback_on: Option<Vec<FallbackOn>>,
    /// Whether a second target is asked too where the first token is later than nearly always: for streamed calls without
    /// tools, for one call in fifty at most. The input of such a call is paid for twice. `false` when absent.
    pub hedge: Option<bool>,
    /// What is done about a stream that breaks after some of it was sent. `continue`: the same model is asked to go on
    /// with what was sent, for one answer of plain text, where its `continues` quirk says how. The input is paid for
    /// again. `never` when absent.
    pub resume: Option<Resume>,
    /// How strict translation between formats is.
    #[serde(default)]
    pub translation: Translation,
    /// What calls by this name together are held to.
    pub limits: Option<Limits>,
    /// What may be spent on calls by this name in a period: one budget or a list. As much as is asked for when absent.
    pub budget: Option<OneOrMore>,
    /// How good it is: what `lower_tier` leads down from and to.
    pub tier: Option<Tier>,
    /// The public name of the model that a call in `graceful` mode falls back to, when its key accepts a lower tier.
    pub lower_tier: Option<String>,
}

/// One target or a weighted list.
pub(crate) enum Targets {
    One(String),
    Weighted(Vec<Weighted>),
}

/// A target and its share.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weighted {
    /// `provider/model`.
    pub model: String,
    /// Its share of the calls, relative to the sum of the list.
    pub weight: u32,
}

/// A client's key. Name exactly one of `value_env`, `value_file`, `value` and `sha256`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientKey {
    /// Its name in metrics and logs.
    pub name: String,
    /// Environment variable that holds it.
    pub value_env: Option<String>,
    /// File that holds it.
    pub value_file: Option<PathBuf>,
    /// The key itself. Better: a variable, a file or its SHA-256.
    pub value: Option<String>,
    /// The key's SHA-256 as 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// What it may ask for: names as clients send them, or `provider/*`. Everything when absent.
    pub models: Option<Vec<String>>,
    /// The endpoints it may call, by their paths; what tells it of itself is always among them. All when absent.
    pub endpoints: Option<Vec<EndpointPath>>,
    /// Class of its calls. `normal` when absent.
    pub priority: Option<Class>,
    /// Whose it is: a person or a team, for whoever looks at the list. Nothing is decided by it.
    pub owner: Option<String>,
    /// By what its calls are told apart in `usage --by label`, beside key and tenant.
    pub label: Option<String>,
    /// The tenant it belongs to: a name under `tenants`.
    pub tenant: Option<String>,
    /// What calls with this key are held to, beside its tenant's limits and the global ones.
    pub limits: Option<Limits>,
    /// What may be spent on calls with this key in a period: one budget or a list. As much as is asked for when absent.
    pub budget: Option<OneOrMore>,
    /// Makes it prepaid: calls are paid from an account, and refused with 402 when it is empty.
    pub credits: Option<Credits>,
    /// The mode of its calls. Its tenant's, else the file's when absent.
    pub mode: Option<Mode>,
    /// Whether a call may fall back to a model of a lower tier, in `graceful` mode. Its tenant's, else `false` when absent.
    pub accept_lower_tier: Option<bool>,
}

/// A value, or the word `disabled`.
pub(crate) enum OrDisabled<T> {
    Disabled,
    Set(T),
}

/// Reads a type that can be written short, as one text, or long, as a mapping or list.
struct ShortOrLong<T, S> {
    wanted: &'static str,
    short: S,
    long: PhantomData<T>,
}

impl<'de, T, L, S> Visitor<'de> for ShortOrLong<(T, L), S>
where
    L: DeserializeOwned + Into<T>,
    S: FnOnce(&str) -> Result<T, String>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.short)(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        L::deserialize(de::value::MapAccessDeserializer::new(map)).map(Into::into)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        L::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Into::into)
    }
}

fn short_or_long<'de, T, L, D>(
    deserializer: D,
    wanted: &'static str,
    short: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    L: DeserializeOwned + Into<T>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(ShortOrLong { wanted, short, long: PhantomData::<(T, L)> })
}

impl<T> From<T> for OrDisabled<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl From<SecretSource> for Secret {
    fn from(source: SecretSource) -> Self {
        Self::From(source)
    }
}

impl From<ModelFacts> for ListedModel {
    fn from(facts: ModelFacts) -> Self {
        Self(facts)
    }
}

impl From<Vec<Weighted>> for Targets {
    fn from(list: Vec<Weighted>) -> Self {
        Self::Weighted(list)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OrDisabled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        short_or_long::<Self, T, D>(deserializer, "a mapping, or the word `disabled`", |word| match word.trim() {
            "disabled" => Ok(Self::Disabled),
            _ => Err("write a mapping, or the word `disabled`".to_owned()),
        })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "`{ env: NAME }`, `{ file: PATH }` or text";
        short_or_long::<Self, SecretSource, D>(deserializer, wanted, |text| Ok(Self::Text(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for ListedModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let short = |id: &str| {
            Ok(Self(ModelFacts { id: id.to_owned(), context_window: None, max_output: None, deployment: None }))
        };
        short_or_long::<Self, ModelFacts, D>(deserializer, "the id of a model, or a mapping with `id`", short)
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "`provider/model`, or a list of `{ model: provider/model, weight: 1 }`";
        short_or_long::<Self, Vec<Weighted>, D>(deserializer, wanted, |text| Ok(Self::One(text.to_owned())))
    }
}

/// The schema of a type with a short and a long form.
fn either(short: Schema, long: Schema) -> Schema {
    json_schema!({ "anyOf": [short, long] })
}

impl<T: JsonSchema> JsonSchema for OrDisabled<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrDisabled", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(json_schema!({ "type": "string", "const": "disabled" }), generator.subschema_for::<T>())
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(json_schema!({ "type": "string" }), generator.subschema_for::<SecretSource>())
    }
}

impl JsonSchema for ListedModel {
    fn schema_name() -> Cow<'static, str> {
        "ListedModel".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(json_schema!({ "type": "string" }), generator.subschema_for::<ModelFacts>())
    }
}

impl JsonSchema for Targets {
    fn schema_name() -> Cow<'static, str> {
        "Targets".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(
            json_schema!({ "type": "string", "pattern": "/" }),
            json_schema!({ "type": "array", "items": generator.subschema_for::<Weighted>(), "minItems": 1 }),
        )
    }
}
