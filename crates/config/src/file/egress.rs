//! What the file may say about providers that fail.

use super::either;
use crate::units::{Period, Share};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// When a provider that fails is left alone. What is absent comes from `circuit_breaker`, else it has its default.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breaker {
    /// So many failures one after another isolate it. 5 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failure_threshold: Option<u32>,
    /// Below this share of successes within ten seconds it is isolated too. 50% when absent; 0 for never.
    pub success_rate: Option<Share>,
    /// Fewer results than this within ten seconds are no share to judge. 20 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: Option<u32>,
    /// How long it is left alone each time. When absent: a second at first, twice as long after each trial call that
    /// failed, a minute at most, each drawn at random from the upper half.
    pub recovery_timeout: Option<Period>,
    /// So many trial calls at once while it is found out whether it is back. 1 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub half_open_max_requests: Option<u32>,
}

/// A limit on calls at once that follows how fast a provider is.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdaptiveConcurrency {
    /// Never fewer at once than this. 2 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub floor: Option<u32>,
    /// Never more at once than this. 10000 when absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub ceiling: Option<u32>,
    /// How long a first token may take. The limit is lowered when they take longer than a fifth of it, but not before
    /// 300ms and not after 2s. 5s when absent.
    pub first_token_target: Option<Period>,
}

/// `true`, `false`, or `true` with more to say.
#[derive(Clone, Copy)]
pub(crate) enum Switch<T> {
    Off,
    On,
    Set(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TruthOrMapping<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for TruthOrMapping<T> {
            type Value = Switch<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a mapping")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch<T>, E> {
                Ok(if on { Switch::On } else { Switch::Off })
            }
            // From an environment variable it comes as text.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Switch<T>, E> {
                match text.trim() {
                    "true" | "1" => Ok(Switch::On),
                    "false" | "0" => Ok(Switch::Off),
                    _ => Err(E::custom("write true, false or a mapping")),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Switch::Set)
            }
        }
        deserializer.deserialize_any(TruthOrMapping(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Switch<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Switch", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(json_schema!({ "type": "boolean" }), generator.subschema_for::<T>())
    }
}
