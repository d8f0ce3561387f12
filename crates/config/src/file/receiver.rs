//! How it is written who is told of what.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who is told of alerts, and of what happens to migrations.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alerts {
    /// Who can be told, by a name of your choice.
    #[serde(default)]
    pub to: BTreeMap<String, Receiver>,
    /// Who is told of what. Without any, everybody of everything.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// An address that is told by a signed POST of JSON. Name one of `url`, `url_env` and `url_file`, and one of `secret_env`
/// and `secret_file`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receiver {
    /// How it is told.
    #[serde(default)]
    pub kind: Kind,
    /// Its address.
    pub url: Option<String>,
    /// Environment variable that holds the address, where there is a token in it.
    pub url_env: Option<String>,
    /// File that holds it.
    pub url_file: Option<PathBuf>,
    /// Environment variable that holds the secret of the signature.
    pub secret_env: Option<String>,
    /// File that holds it.
    pub secret_file: Option<PathBuf>,
}

/// How somebody is told.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// By a POST of JSON, signed with HMAC-SHA256.
    #[default]
    Webhook,
}

/// Who is told of what.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Of what: `alert`, `migration`, or one of their events such as `migration.rolled_back`.
    pub when: String,
    /// Who: names under `to`.
    pub to: Vec<String>,
}
