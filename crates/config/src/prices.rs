//! The `prices` section: what models cost where the program's own list does not say it or says something else.

use schemars::JsonSchema;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use sluicegate_ledger::{Class, Multiplier, Price};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What models cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Prices {
    /// A price list that is laid over the one in the program.
    pub file: Option<PathBuf>,
    /// The configuration's own prices, by `provider/model`.
    #[serde(serialize_with = "in_words")]
    pub models: BTreeMap<String, Price>,
    /// What callers are charged for each dollar of cost.
    #[serde(serialize_with = "text")]
    pub multiplier: Multiplier,
    /// What is done with calls to a model that has no price.
    pub unpriced: Unpriced,
}

/// What is done with calls to a model that has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unpriced {
    /// They go, their cost is unknown, and a metric counts them.
    #[default]
    Warn,
    /// They are refused with 402.
    Reject,
}

fn text<S: Serializer>(multiplier: &Multiplier, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(multiplier)
}

fn in_words<S: Serializer>(prices: &BTreeMap<String, Price>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut models = serializer.serialize_map(Some(prices.len()))?;
    for (model, price) in prices {
        models.serialize_entry(model, &InWords(price))?;
    }
    models.end()
}

/// A price with the names of the file.
struct InWords<'a>(&'a Price);

impl Serialize for InWords<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Price { rates, fees, .. } = self.0;
        let mut fields = serializer.serialize_map(None)?;
        for (name, rate) in rates.stated() {
            fields.serialize_entry(name, &rate.to_string())?;
        }
        if let Some(fee) = fees.of(Class::Request) {
            fields.serialize_entry("request", &fee.to_string())?;
        }
        fields.end()
    }
}
