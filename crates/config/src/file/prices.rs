//! What things cost, as a file says it.
//!
//! Money is read as it is written, digit by digit: no figure passes through a floating point number.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use sluicegate_ledger::{Multiplier, Rate};
use sluicegate_vocabulary::Money;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use crate::payments::Currency;
use crate::prices::Unpriced;

/// What models cost, where the program's own list does not say it or says something else.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// A price list of your own (CSV), laid over the one in the program. Its vendor is the name of a provider, or one of
    /// those in the program's list. Read again on reload.
    pub file: Option<PathBuf>,
    /// What a model costs, by `provider/model`. It alone counts, whatever the lists say.
    #[serde(default)]
    pub models: BTreeMap<String, OwnPrice>,
    /// What callers are charged for each dollar of cost. `1` when absent.
    pub multiplier: Option<Exact<Multiplier>>,
    /// What is done with calls to a model that has no price. `warn` when absent.
    pub unpriced: Option<Unpriced>,
    /// In which other currency money is shown beside dollars. In none when absent.
    pub display: Option<DisplayCurrency>,
}

/// A currency in which money is shown beside dollars. It is kept and calculated in dollars all the same.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisplayCurrency {
    /// The currency, such as CNY.
    pub currency: Currency,
    /// How much of it a dollar of credit is: 1 where one yuan buys one dollar, up to 4000.
    pub per_usd: Exact<Multiplier>,
}

/// What a model costs: dollars per million tokens, and dollars for each request.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPrice {
    /// Input. Needed, unless `request` is given.
    pub input: Option<Exact<Rate>>,
    /// Input read from the provider's cache. As `input` when absent.
    pub cached_input: Option<Exact<Rate>>,
    /// Input written to the provider's cache for minutes. As `input` when absent.
    pub cache_write: Option<Exact<Rate>>,
    /// Input written to the provider's cache for hours. As `input` when absent.
    pub cache_write_long: Option<Exact<Rate>>,
    /// Output. Needed, unless `request` is given.
    pub output: Option<Exact<Rate>>,
    /// Reasoning. As `output` when absent.
    pub reasoning: Option<Exact<Rate>>,
    /// Audio input. A call that uses it has no known cost when absent.
    pub input_audio: Option<Exact<Rate>>,
    /// Audio output. A call that uses it has no known cost when absent.
    pub output_audio: Option<Exact<Rate>>,
    /// The request itself, in dollars. Nothing when absent.
    pub request: Option<Exact<Money>>,
}

/// A figure that is read from its digits.
#[derive(Clone, Copy)]
pub(crate) struct Exact<T>(pub T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Exact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits<T>(PhantomData<T>);
        impl<T: FromStr<Err: Display>> Visitor<'_> for Digits<T> {
            type Value = Exact<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Exact<T>, E> {
                text.trim().parse().map(Exact).map_err(E::custom)
            }
        }
        // As text, which a number is read as it was written.
        deserializer.deserialize_str(Digits(PhantomData))
    }
}

impl<T> JsonSchema for Exact<T> {
    fn schema_name() -> Cow<'static, str> {
        "Exact".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*$|\$\{" }
            ]
        })
    }
}
