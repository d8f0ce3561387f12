//! How moves of traffic are written.

use crate::migration::{Approval, Start};
use crate::units::{Period, Share};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A move of one model's calls to somewhere else, by steps, and back by itself when the evidence says so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Migration {
    /// The public name whose calls are moved: an entry under `models`. Its `to` is where they come from. Either this or
    /// `models`.
    pub model: Option<String>,
    /// Several models at once: names of `from`, a provider, and what each is called at `to`, another. `*: "*"` stands for
    /// all others, which keep their names. Moved are the entries under `models` that lead there and nowhere else, and the
    /// models that clients ask for by the provider's own name.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    /// Where they come from, to be sure: it must be what the model's `to` says. With `models`: the provider.
    pub from: Option<Side>,
    /// Where they go: `provider/model`, or a list of such with weights. With `models`: a provider. Each provider has keys
    /// and limits of its own, and a side may name some of a provider's keys.
    pub to: Side,
    /// What keeps its side: `key`, `user`, `header:NAME`, or `call` for each call by itself. `key` when absent.
    pub sticky_by: Option<String>,
    /// The steps, each larger than the one before. A step over 50% is the last and moves everything; one that moves
    /// everything follows where the list ends earlier. Either this or `double_every`.
    #[serde(default)]
    pub steps: Vec<MigrationStep>,
    /// In place of `steps`: twice the share each time, from `start_at`, so long at each.
    pub double_every: Option<Period>,
    /// The first share where `double_every` is given. 5% when absent.
    pub start_at: Option<Share>,
    /// Calls of the new side at each step where `double_every` is given. 0 when absent.
    pub min_requests: Option<u64>,
    /// What must not get worse. When absent: error rate at most 1 point more than before and at most 5 %, first tokens'
    /// 95th percentile at most 25 % later, empty answers at most 2 %.
    pub guards: Option<Vec<MigrationGuard>>,
    /// What follows when a guard says that the new side is worse.
    #[serde(default)]
    pub on_breach: Breach,
    /// What follows when a step is over and the guards have not decided.
    #[serde(default)]
    pub on_inconclusive: Inconclusive,
    /// Calls of the new side before anything is concluded against it. 100 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_calls_rollback: Option<u64>,
    /// Calls of the new side before it gets everything. 500 when absent.
    #[schemars(range(max = 100_000_000))]
    pub min_calls_promotion: Option<u64>,
    /// Calls of which the new side gets a copy whose answer nobody sees, to compare it.
    pub mirror: Option<Mirror>,
    /// Who starts it.
    #[serde(default)]
    pub start: Start,
    /// All traffic back, and nothing starts. So does the variable SLUICEGATE_MIGRATIONS_KILL.
    #[serde(default)]
    pub kill: bool,
}

/// Where the calls of one side go.
pub(crate) enum Side {
    /// `provider/model`, or with `models` the name of a provider.
    Text(String),
    One(Place),
    Weighted(Vec<Place>),
}

/// A place of one side that is more than its name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// `provider/model`, where `model` says what is moved.
    pub model: Option<String>,
    /// The name of a provider, where `models` says what is moved.
    pub provider: Option<String>,
    /// Its share of the side's calls, relative to the sum of the list. 1 when absent.
    pub weight: Option<u32>,
    /// Which of the provider's keys its calls use, by their names, and no others. A key that a new side names is that
    /// side's alone: no other call uses it, from the moment that this is read. When absent: all keys that no new side
    /// names.
    pub keys: Option<Vec<String>>,
}

/// Reads a side in any of its forms.
struct ReadSide;

impl<'de> Visitor<'de> for ReadSide {
    type Value = Side;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`provider/model`, `{ model: provider/model, keys: [NAME] }` or a list of such with `weight`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Side, E> {
        Ok(Side::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Side, A::Error> {
        Place::deserialize(de::value::MapAccessDeserializer::new(map)).map(Side::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Side, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Side::Weighted)
    }
}

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadSide)
    }
}

impl JsonSchema for Side {
    fn schema_name() -> Cow<'static, str> {
        "Side".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let place = generator.subschema_for::<Place>();
        let list = json_schema!({ "type": "array", "items": place.clone(), "minItems": 1 });
        json_schema!({ "anyOf": [{ "type": "string" }, place, list] })
    }
}

/// One step of a move.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MigrationStep {
    /// The share of calls on the new side.
    pub traffic: Share,
    /// How long it lasts at least. 0s when absent.
    pub hold: Option<Period>,
    /// Calls that the new side must have had in it. 0 when absent.
    pub min_requests: Option<u64>,
    /// Whether a person must agree before the next one.
    #[serde(default)]
    pub approval: Approval,
}

/// Something that must not get worse. Name exactly one of `max_increase` and `max`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MigrationGuard {
    /// What is measured: error_rate, empty_response_rate, truncated_rate, invalid_tool_call_rate, ttft_p50, ttft_p95,
    /// ttft_p99, total_p50, total_p95, total_p99 or cost_per_request.
    pub metric: String,
    /// How much more than the old side at most: `1pp` for a rate, `25%` for a time or a cost.
    pub max_increase: Option<String>,
    /// At most this, whatever the old side has: `5%` for a rate, `2s` for a time, `$0.02` for a cost.
    pub max: Option<String>,
    /// How sure. 95% when absent.
    pub confidence: Option<Share>,
}

/// What follows when a guard says that the new side is worse.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Breach {
    /// All calls go back, at once.
    #[default]
    Rollback,
    /// No further step; the calls stay where they are.
    Pause,
    /// It is said, and no further step is taken.
    Alert,
}

/// What follows when a step is over and the guards have not decided.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Inconclusive {
    /// Wait until they have.
    #[default]
    Hold,
    /// Go on.
    Advance,
    /// All calls go back.
    Rollback,
}

/// Calls of which the new side gets a copy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mirror {
    /// The share of calls that is copied.
    pub traffic: Share,
    /// Most copies under way at once; those beyond are left out. 4 when absent.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_concurrency: Option<u32>,
    /// Most that the copies may cost in a day, in dollars, by the price book. As much as they cost when absent.
    pub usd_per_day: Option<f64>,
    /// Whether the beginnings of both texts are kept with a sampled difference. `false` when absent.
    #[serde(default)]
    pub keep_text: bool,
}
