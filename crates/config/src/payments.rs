//! The `payments` section: payment services that tell us what customers have paid, and what it is worth.

use crate::units::Period;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use sluicegate_vocabulary::Money;
use std::collections::BTreeMap;

/// Who is believed about payments.
#[derive(Debug, Clone, Serialize)]
pub struct Payments {
    /// Dollars of credit for one unit of a currency, by its three letters.
    #[serde(serialize_with = "dollars")]
    pub credit: BTreeMap<Currency, Money>,
    /// How long an order is open.
    pub orders_expire: Period,
    /// Stripe.
    pub stripe: Option<Stripe>,
    /// WeChat Pay.
    pub wechat: Option<WeChat>,
    /// Alipay.
    pub alipay: Option<Alipay>,
}

impl Default for Payments {
    fn default() -> Self {
        let orders_expire = Period::from_secs(86_400);
        Self { credit: BTreeMap::new(), orders_expire, stripe: None, wechat: None, alipay: None }
    }
}

fn dollars<S: Serializer>(credit: &BTreeMap<Currency, Money>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(credit.iter().map(|(currency, amount)| (currency.as_str(), amount.to_string())))
}

/// An endpoint of Stripe's that notifies us.
#[derive(Debug, Clone, Serialize)]
pub struct Stripe {
    /// Where its signing secret was read.
    #[serde(rename = "secret")]
    pub source: String,
    /// Its signing secret.
    #[serde(skip)]
    pub secret: SecretString,
}

/// A merchant of WeChat Pay.
#[derive(Debug, Clone, Serialize)]
pub struct WeChat {
    /// The merchant's number.
    pub merchant: String,
    /// Where the API v3 key was read.
    #[serde(rename = "secret")]
    pub source: String,
    /// The API v3 key.
    #[serde(skip)]
    pub secret: SecretString,
    /// WeChat Pay's public keys by their ids: the base64 inside the PEM.
    pub public_keys: BTreeMap<String, String>,
}

/// An application of Alipay.
#[derive(Debug, Clone, Serialize)]
pub struct Alipay {
    /// Its id.
    pub app: String,
    /// Alipay's public key: the base64 inside the PEM.
    pub public_key: String,
}

/// The three capital letters of a currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Currency(String);

/// A text that is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyError {
    /// It is not three letters.
    #[error("a currency is three letters, such as USD or CNY")]
    NotACurrency,
    /// It is no amount, or has more decimals than the currency.
    #[error("an amount is a number above 0 with as many decimals at most as the currency has: 9.90")]
    NotAnAmount,
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(text: String) -> Result<Self, CurrencyError> {
        let letters = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if letters { Ok(Self(text.to_ascii_uppercase())) } else { Err(CurrencyError::NotACurrency) }
    }
}

/// Currencies that have no smaller unit, as payment services count them.
const WHOLE: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies whose smaller unit is a thousandth.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

impl Currency {
    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many decimals its amounts have.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        match self.as_str() {
            whole if WHOLE.contains(&whole) => 0,
            thousandths if THOUSANDTHS.contains(&thousandths) => 3,
            _ => 2,
        }
    }

    /// An amount such as `9.90` in the currency's smallest unit.
    ///
    /// # Errors
    /// It is none, is not above 0, or has more decimals than the currency.
    pub fn smallest(&self, text: &str) -> Result<u64, CurrencyError> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let decimals = self.decimals() as usize;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > decimals || !digits(whole) || !digits(part) {
            return Err(CurrencyError::NotAnAmount);
        }
        let amount: Option<u64> = format!("{whole}{part:0<decimals$}").parse().ok();
        amount.filter(|amount| *amount > 0).ok_or(CurrencyError::NotAnAmount)
    }

    /// An amount in the smallest unit as people write it.
    #[must_use]
    pub fn written(&self, amount: u64) -> String {
        let decimals = self.decimals() as usize;
        if decimals == 0 {
            return amount.to_string();
        }
        let digits = format!("{amount:0>width$}", width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        format!("{whole}.{part}")
    }
}

impl Payments {
    /// Dollars of credit for an amount in a currency's smallest unit; nothing where no rate is set, or too much comes of it.
    #[must_use]
    pub fn credit(&self, currency: &Currency, amount: u64) -> Option<Money> {
        let one = self.credit.get(currency)?;
        let parts = 10_i128.pow(currency.decimals());
        let nanos = i128::from(one.nanos()).checked_mul(i128::from(amount))?;
        i64::try_from((nanos + parts / 2).div_euclid(parts)).ok().map(Money::from_nanos)
    }
}

#[cfg(test)]
#[path = "payments_tests.rs"]
mod tests;
