//! The `prices` section: what models cost where the program's own list does not say it or says something else.

use crate::payments::Currency;
use schemars::JsonSchema;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sluicegate_ledger::{Class, Multiplier, Price};
use sluicegate_vocabulary::Money;
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
    /// In which other currency money is shown beside dollars.
    pub display: Option<Display>,
}

/// A currency in which money is shown. It is kept and calculated in dollars all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Display {
    /// The currency.
    #[serde(serialize_with = "letters")]
    pub currency: Currency,
    /// How much of it a dollar is.
    #[serde(serialize_with = "text")]
    pub per_usd: Multiplier,
}

impl Display {
    /// An amount as it is shown: rounded to a millionth, with no zeros at the end.
    #[must_use]
    pub fn shown(&self, amount: Money) -> String {
        const MILLIONTH: i128 = 1000;
        let nanos = i128::from(amount.nanos()) * i128::from(self.per_usd.millionths());
        let whole = (nanos + 500_000 * MILLIONTH).div_euclid(1_000_000 * MILLIONTH) * MILLIONTH;
        Money::from_nanos(i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })).to_string()
    }

    /// Puts beside each `..._usd` of a page that is an amount in decimal text the same in this currency: `..._cny`.
    pub fn beside(&self, page: &mut Value) {
        match page {
            Value::Array(entries) => entries.iter_mut().for_each(|entry| self.beside(entry)),
            Value::Object(fields) => {
                let currency = self.currency.as_str().to_ascii_lowercase();
                let shown: Vec<(String, Value)> = fields
                    .iter()
                    .filter_map(|(name, value)| {
                        let amount = value.as_str()?.parse().ok()?;
                        Some((format!("{}_{currency}", name.strip_suffix("_usd")?), self.shown(amount).into()))
                    })
                    .collect();
                fields.values_mut().for_each(|value| self.beside(value));
                fields.extend(shown);
            }
            _ => {}
        }
    }
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

fn letters<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.as_str())
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

#[cfg(test)]
#[path = "prices_tests.rs"]
mod tests;
