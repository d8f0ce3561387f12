//! A provider as the relay runs it: every default applied, every key read.
//!
//! What the file says about a provider is in the file layer; this is what came of it. There is nothing left to
//! look up, guess or fall back on: a stage that needs a time limit finds a time limit.

use crate::connections::Connections;
use crate::egress::{AdaptiveConcurrency, Breaker, KeyRole};
use crate::limits::Limit;
use crate::server::Server;
use crate::units::Period;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sluicegate_vocabulary::{Endpoint, Format, ProviderKind};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One thing a provider can be asked in its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI's legacy text completions.
    Completions,
    /// OpenAI Responses.
    Responses,
    /// OpenAI embeddings.
    Embeddings,
    /// OpenAI image generations.
    Images,
    /// OpenAI moderations.
    Moderations,
    /// Anthropic messages and token counting.
    Messages,
    /// Gemini generateContent, streamed too, with its token counting and embeddings.
    Generate,
}

impl Speaks {
    /// What a provider of a kind speaks unless its `speaks` says otherwise. An OpenAI-compatible server is assumed not to
    /// know Responses: few do, and what it does not know is translated to chat completions.
    #[must_use]
    pub const fn of_kind(kind: ProviderKind) -> &'static [Self] {
        use Speaks::{Chat, Completions, Embeddings, Generate, Images, Messages, Moderations, Responses};
        match kind {
            ProviderKind::OpenAi => &[Chat, Completions, Responses, Embeddings, Images, Moderations],
            ProviderKind::Anthropic => &[Messages],
            ProviderKind::Gemini => &[Generate],
            ProviderKind::DeepSeek => &[Chat, Completions],
            ProviderKind::Azure => &[Chat, Completions, Responses, Embeddings, Images],
            ProviderKind::OpenAiCompatible => &[Chat, Completions, Embeddings, Images, Moderations],
            ProviderKind::Simulated => {
                &[Chat, Completions, Responses, Embeddings, Images, Moderations, Messages, Generate]
            }
        }
    }

    /// The conversational format, or `None` for what is only ever passed on.
    #[must_use]
    pub const fn format(self) -> Option<Format> {
        match self {
            Self::Chat => Some(Format::Chat),
            Self::Responses => Some(Format::Responses),
            Self::Messages => Some(Format::Messages),
            Self::Generate => Some(Format::Generate),
            Self::Completions | Self::Embeddings | Self::Images | Self::Moderations => None,
        }
    }

    /// What an endpoint asks of a provider, or `None` for endpoints that belong to no format.
    #[must_use]
    pub const fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::ChatCompletions => Some(Self::Chat),
            Endpoint::Completions => Some(Self::Completions),
            Endpoint::Responses => Some(Self::Responses),
            Endpoint::Embeddings => Some(Self::Embeddings),
            Endpoint::Images => Some(Self::Images),
            Endpoint::Moderations => Some(Self::Moderations),
            Endpoint::Messages | Endpoint::CountTokens => Some(Self::Messages),
            Endpoint::Generate
            | Endpoint::GenerateStream
            | Endpoint::GeminiCountTokens
            | Endpoint::GeminiEmbed
            | Endpoint::GeminiBatchEmbed => Some(Self::Generate),
            Endpoint::Models | Endpoint::Passthrough | Endpoint::Quota | Endpoint::Key | Endpoint::Usage => None,
        }
    }
}

/// Who answers: one provider, ready to be called.
#[derive(Debug, Clone, Serialize)]
pub struct Provider {
    /// The name by which the file, `provider/model` and the metrics know it.
    pub name: String,
    /// Which adapter speaks to it.
    pub kind: ProviderKind,
    /// The vendor's name in the price book: `openai`, `anthropic`, `gemini`, `deepseek`, `mistral`, `groq`, `xai`,
    /// `holysheep`; `None` when it is nobody we know prices of.
    pub vendor: Option<String>,
    /// Where it is, without a slash at the end. For OpenAI's family it ends in the version (`.../v1`); for Anthropic and
    /// Gemini it does not; for Azure it is the resource (`https://NAME.openai.azure.com`). `None` only for a simulated
    /// provider, which is given its loopback address when it starts.
    pub base_url: Option<String>,
    /// The pool of credentials, in the order of the file. May be empty where no key is needed.
    pub keys: Vec<ProviderKey>,
    /// What it can be asked in its own format.
    pub speaks: Vec<Speaks>,
    /// Whether it understands `stream_options.include_usage`.
    pub stream_usage: bool,
    /// Models it is known to serve, for routing by exact id and for `/v1/models`.
    pub models: Vec<ListedModel>,
    /// Whether that list is the price book's and not the file's, so that the provider's own may replace it.
    #[serde(skip)]
    pub models_bundled: bool,
    /// Headers added to every call. Their values may be secret and are never printed.
    #[serde(serialize_with = "names_only")]
    pub headers: BTreeMap<String, SecretString>,
    /// How long its parts may take.
    pub timeouts: Timeouts,
    /// How often a failed call may be sent again to this provider before the first byte.
    pub max_retries: u32,
    /// Azure's own settings; `Some` exactly when the kind is Azure.
    pub azure: Option<Azure>,
    /// How it plays; `Some` exactly when the kind is simulated.
    pub simulation: Option<Simulation>,
    /// How it is connected to.
    #[serde(flatten)]
    pub connections: Connections,
    /// Whether what its answers say of its own limits is followed, so that calls wait here and meet no 429 there.
    pub learn_limits: bool,
    /// When it is left alone; `None` where the file says `disabled`.
    #[serde(serialize_with = "or_disabled")]
    pub breaker: Option<Breaker>,
    /// A limit on calls at once that follows how fast it is; `None` for none.
    #[serde(serialize_with = "or_false")]
    pub adaptive_concurrency: Option<AdaptiveConcurrency>,
    /// Where its server shows its load, which keeps that limit from growing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_url: Option<String>,
    /// What all calls to it together are held to.
    pub limits: Limit,
    /// What calls to one of its models are held to, by its own id of the model.
    pub model_limits: BTreeMap<String, Limit>,
}

impl Provider {
    /// A provider of that name and kind about which nothing else was said: no key, no address, every default.
    #[must_use]
    pub fn new(name: &str, kind: ProviderKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            vendor: None,
            base_url: None,
            keys: Vec::new(),
            speaks: Speaks::of_kind(kind).to_vec(),
            stream_usage: true,
            models: Vec::new(),
            models_bundled: false,
            headers: BTreeMap::new(),
            timeouts: Timeouts::default(),
            max_retries: DEFAULT_RETRIES,
            azure: None,
            simulation: None,
            connections: Connections::default(),
            learn_limits: true,
            breaker: Some(Breaker::default()),
            adaptive_concurrency: None,
            metrics_url: None,
            limits: Limit::default(),
            model_limits: BTreeMap::new(),
        }
    }

    /// Whether an endpoint of ours is one it answers in the same format, so that bytes can pass.
    #[must_use]
    pub fn speaks_natively(&self, endpoint: Endpoint) -> bool {
        Speaks::of(endpoint).is_some_and(|what| self.speaks.contains(&what))
    }

    /// The listed model of that id.
    #[must_use]
    pub fn listed(&self, id: &str) -> Option<&ListedModel> {
        self.models.iter().find(|model| model.id == id)
    }
}

/// How often a call may be sent again when the file does not say.
const DEFAULT_RETRIES: u32 = 2;

fn or_disabled<S: serde::Serializer>(breaker: &Option<Breaker>, serializer: S) -> Result<S::Ok, S::Error> {
    match breaker {
        Some(breaker) => breaker.serialize(serializer),
        None => serializer.serialize_str("disabled"),
    }
}

fn or_false<S: serde::Serializer>(limit: &Option<AdaptiveConcurrency>, serializer: S) -> Result<S::Ok, S::Error> {
    match limit {
        Some(limit) => limit.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

/// Prints which headers there are and nothing of what they say.
fn names_only<S: serde::Serializer>(
    headers: &BTreeMap<String, SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, "(set)")))
}

/// One credential of a provider.
#[derive(Debug, Clone, Serialize)]
pub struct ProviderKey {
    /// Its name in metrics and logs; unique within the provider.
    pub name: String,
    /// Where it was read: `env OPENAI_API_KEY`, `file /run/secrets/openai`, `value`.
    pub source: String,
    /// The file it was read from, which is read again when it changes.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The key itself, without white space around it.
    #[serde(skip)]
    pub secret: SecretString,
    /// What it is for.
    pub role: KeyRole,
    /// The account whose quota it uses. Keys of one group are never taken for more than one quota; a key alone is a group
    /// of its own name.
    pub quota_group: String,
    /// Its weight among the keys that could be used: twice the share, twice the calls. At least 1.
    pub share: u32,
    /// What calls with it are held to.
    pub limits: Limit,
}

impl ProviderKey {
    /// A key that has nothing special about it, with its name and where it came from.
    #[must_use]
    pub fn new(name: &str, source: &str, secret: SecretString) -> Self {
        Self {
            name: name.to_owned(),
            source: source.to_owned(),
            file: None,
            secret,
            role: KeyRole::Primary,
            quota_group: name.to_owned(),
            share: 1,
            limits: Limit::default(),
        }
    }
}

/// A model that a provider serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedModel {
    /// The provider's own id for it.
    pub id: String,
    /// Tokens of its context window, where the file overrides the price book.
    pub context_window: Option<u64>,
    /// Most tokens it can put out, where the file overrides the price book.
    pub max_output: Option<u64>,
    /// Azure: the deployment that serves it, when it is named differently.
    pub deployment: Option<String>,
}

/// How long the parts of a call to a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Period,
    /// From the last byte sent to the first byte of the answer.
    pub first_byte: Period,
    /// Between two reads of a stream.
    pub stream_idle: Period,
    /// From sending the call to the last byte of its answer; `None` for as long as it goes on.
    pub total: Option<Period>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let server = Server::default();
        Self {
            connect: server.connect_timeout,
            first_byte: server.first_byte_timeout,
            stream_idle: server.stream_idle_timeout,
            total: None,
        }
    }
}

/// What only Azure has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Azure {
    /// Which of its two addresses are used.
    pub style: AzureStyle,
    /// The `api-version` parameter: required by deployments, absent for the `v1` style.
    pub api_version: Option<String>,
}

/// Azure's two ways to be addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum AzureStyle {
    /// `/openai/v1/...`: the model is in the body. The only one with Responses.
    #[default]
    V1,
    /// `/openai/deployments/{deployment}/...?api-version=...`: the model is in the path.
    Deployments,
}

/// How the simulated provider plays. Everything follows from the seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// Seed of everything that looks random.
    pub seed: u64,
    /// Time before the response head.
    pub latency: Period,
    /// Time from the response head to the first token.
    pub ttft: Period,
    /// Pace of the tokens after the first; 0 means as fast as they can be written.
    pub tokens_per_second: f64,
    /// Share of calls answered with a 5xx, between 0 and 1.
    pub error_rate: f64,
    /// Its own limit on requests, answered with 429 and real headers.
    pub requests_per_minute: Option<u64>,
    /// Its own limit on tokens, answered with 429 and real headers.
    pub tokens_per_minute: Option<u64>,
    /// Its own limit on calls at once, answered with 429.
    pub concurrency: Option<u64>,
    /// Share of calls that break in each way, between 0 and 1.
    pub faults: BTreeMap<SimulatedFault, f64>,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Period::from_millis(0),
            ttft: Period::from_millis(200),
            tokens_per_second: 60.0,
            error_rate: 0.0,
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrency: None,
            faults: BTreeMap::new(),
        }
    }
}

/// A way in which a simulated call can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedFault {
    /// The connection is reset in the middle of the answer.
    Reset,
    /// The stream stops and stays open.
    Stall,
    /// The stream ends without its closing events.
    Truncate,
    /// An error event inside a stream that began with 200.
    ErrorInStream,
    /// 200 with an empty body.
    Empty,
    /// The response head comes late.
    SlowHeaders,
    /// A chunk that is no JSON.
    MalformedChunk,
    /// 429 with the provider's own body and headers.
    RateLimited,
    /// 529 (Anthropic) or 503 with the provider's own body.
    Overloaded,
}
