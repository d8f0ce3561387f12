//! Payment services, as a file says it.

use super::Exact;
use crate::payments::Currency;
use crate::units::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicegate_vocabulary::Money;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Payment services that tell the relay what customers have paid for orders (`sluicegate credits order`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payments {
    /// Dollars of credit for one unit of a currency: `{ USD: 1, CNY: 0.14 }`. An order in another currency says itself
    /// what it is worth.
    #[serde(default)]
    pub credit: BTreeMap<Currency, Exact<Money>>,
    /// How long a customer has to pay an order. 1d when absent.
    pub orders_expire: Option<Period>,
    /// Stripe, which notifies `/payments/stripe`.
    pub stripe: Option<Stripe>,
    /// WeChat Pay (API v3), which notifies `/payments/wechat`.
    pub wechat: Option<WeChat>,
    /// Alipay, which notifies `/payments/alipay`.
    pub alipay: Option<Alipay>,
}

/// Stripe. Name one place of the secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stripe {
    /// Environment variable that holds the endpoint's signing secret, `whsec_...`.
    pub secret_env: Option<String>,
    /// File that holds it.
    pub secret_file: Option<PathBuf>,
}

/// WeChat Pay. Name one place of the secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeChat {
    /// The merchant's number (`mchid`).
    pub merchant: String,
    /// Environment variable that holds the merchant's API v3 key, 32 characters.
    pub secret_env: Option<String>,
    /// File that holds it.
    pub secret_file: Option<PathBuf>,
    /// Files with WeChat Pay's public keys (PEM), by the id or serial that `Wechatpay-Serial` names them by.
    pub public_keys: BTreeMap<String, PathBuf>,
}

/// Alipay.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alipay {
    /// The application's id (`app_id`).
    pub app: String,
    /// File with Alipay's public key (PEM, or the base64 inside it).
    pub public_key: PathBuf,
}
