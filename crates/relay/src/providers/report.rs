//! What operators are shown of providers: a picture of one moment, made on demand.
//!
//! Times are told relative to the moment of the picture, in milliseconds: how long ago, or in how long.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// All providers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProvidersReport {
    /// By name in order.
    pub providers: Vec<ProviderReport>,
    /// What calls may cost in extra tries, by model in order: of the models of ours that several candidates can answer.
    #[serde(default)]
    pub failovers: Vec<FailoverReport>,
}

/// The extra tries that the calls to one model of ours have earned, at whichever of its candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailoverReport {
    /// The model's configured name.
    pub model: String,
    /// Extra tries that are left.
    pub left: f64,
    /// The most that may be saved at present: a hundred, or a tenth of the calls of about ten seconds if that is more.
    pub most: f64,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderReport {
    /// Its configured name.
    pub name: String,
    /// The operator holds it: it gets no new calls.
    pub held: bool,
    /// Whether it is isolated, and why.
    pub breaker: BreakerReport,
    /// Retries that its successes have earned and that are left, at most 100.
    pub retries_left: f64,
    /// Calls under way.
    pub in_flight: u32,
    /// What its server shows of its load, where `metrics_url` says where.
    #[serde(default)]
    pub load: Option<LoadReport>,
    /// Its keys, in the order of the configuration. A provider that wants no key has one called `-`.
    pub keys: Vec<KeyReport>,
    /// Its models that are in use, by name in order. What is called without a model has an empty name.
    pub models: Vec<ModelReport>,
}

/// What a server shows of its load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Calls that wait inside it. Absent where nothing was seen for five seconds.
    pub waiting: Option<f64>,
    /// The part of its memory for context that is in use, 0 to 1, where it tells.
    pub cache_used: Option<f64>,
    /// How long ago it was seen last.
    pub seen_ago_ms: Option<u64>,
    /// Why the last look brought nothing.
    pub blind: Option<String>,
}

/// A breaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakerReport {
    /// `closed` (calls go), `open` (none goes) or `half open` (trial calls go).
    pub state: Cow<'static, str>,
    /// In how long a trial call may go, while open.
    pub retry_in_ms: Option<u64>,
    /// Results of the last ten seconds, failures among them.
    pub results: u32,
    /// Failures of the last ten seconds.
    pub failures: u32,
    /// Failures one after another.
    pub consecutive: u32,
    /// How often it opened since the start.
    pub opened: u64,
    /// How often it closed again since the start.
    pub closed: u64,
    /// The last changes, oldest first, at most 16.
    pub history: Vec<TransitionReport>,
}

/// One change of a breaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransitionReport {
    /// How long ago.
    pub ago_ms: u64,
    /// What it became.
    pub state: Cow<'static, str>,
    /// Why.
    pub cause: Cow<'static, str>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Its configured name.
    pub name: String,
    /// `primary`, `standby` or `held`.
    pub role: Cow<'static, str>,
    /// `healthy`, `throttled` (a quota of it is used up), `cooling` (put aside after errors), `suspect` (refused by the
    /// provider) or `dead` (its money or a long quota is used up).
    pub state: Cow<'static, str>,
    /// The account whose quota it uses.
    pub group: String,
    /// What is left of that quota, 0 to 1: of the model of which least is left. Absent where nothing is known.
    pub headroom: Option<f64>,
    /// In how long it is tried or probed again, or its quota refills.
    pub retry_in_ms: Option<u64>,
    /// Part of its calls that failed lately, 0 to 1.
    pub error_rate: f64,
    /// Errors one after another.
    pub consecutive: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls made with it since it is known.
    pub calls: u64,
}

/// One model of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// The provider's own id of it.
    pub model: String,
    /// Calls that wait for one of the provider's quotas.
    pub waiting: u32,
    /// Half of the last minute's streams had their first event within this.
    pub first_token_p50_ms: Option<u64>,
    /// All but one in twenty of them.
    pub first_token_p95_ms: Option<u64>,
    /// The limit on calls at once that follows its speed, where there is one.
    pub adaptive: Option<AdaptiveReport>,
    /// What is known of its quotas, by account.
    pub quotas: Vec<QuotaReport>,
}

/// A limit on calls at once that follows a model's speed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveReport {
    /// How many may be under way.
    pub limit: u32,
    /// How many are.
    pub in_flight: u32,
    /// The time of the first token above which the limit is cut. Absent where the provider's refusals alone made it.
    pub threshold_ms: Option<u64>,
    /// It still grows by half in each window, since it was never cut.
    pub slow_start: bool,
    /// What the server shows of its load keeps it from growing.
    #[serde(default)]
    pub vetoed: bool,
    /// How long ago it was cut.
    pub cut_ago_ms: Option<u64>,
}

/// What is left of an account's quota, as the provider tells it and as far as it counts as ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuotaReport {
    /// The account: the `quota_group` of its keys.
    pub group: String,
    /// The part of what the provider tells that counts as ours, 0 to 1.
    pub share: f64,
    /// For how long nothing goes, after a refusal.
    pub held_ms: Option<u64>,
    /// What is left of each count, 0 to 1: of the one of which least is left.
    pub headroom: f64,
    /// Calls: left, and at most.
    pub requests: Option<(u64, u64)>,
    /// Tokens of both directions: left, and at most.
    pub tokens: Option<(u64, u64)>,
    /// Tokens sent to the model: left, and at most.
    pub input_tokens: Option<(u64, u64)>,
    /// Tokens made by the model: left, and at most.
    pub output_tokens: Option<(u64, u64)>,
}
