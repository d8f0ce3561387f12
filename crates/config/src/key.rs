//! Keys of clients and the tenants they belong to. Of a key only its hash is kept: the plain text is forgotten as
//! soon as the file is read.

use crate::books::{Budget, Credits};
use crate::endpoint::EndpointPath;
use crate::limits::Limit;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sluicegate_vocabulary::{Endpoint, Mode, Priority};
use std::fmt;

/// The SHA-256 of a client's key. Compare it in constant time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes a key as a client sends it; white space around it is not part of it.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.trim().as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits, in either case, with or without `sha256:` before them.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: &u8| char::from(*c).to_digit(16);
            let [high, low] = pair else { return None };
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        Some(Self(hash))
    }
}

/// Prints the first bytes only: enough to tell two keys apart, useless to whoever steals a log.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "KeyHash({a:02x}{b:02x}{c:02x}…)")
    }
}

/// One key that a client may come with.
#[derive(Debug, Clone, Serialize)]
pub struct ClientKey {
    /// Its name in metrics and logs; unique.
    pub name: String,
    /// Where it was read: `env NAME`, `file PATH`, `value`, `sha256`.
    pub source: String,
    /// What a presented key must hash to.
    #[serde(skip)]
    pub hash: KeyHash,
    /// The models it may ask for; `None` means all.
    pub models: Option<Vec<ModelRule>>,
    /// The endpoints it may call; `None` means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<EndpointPath>>,
    /// Whose it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// By what its calls are told apart in the books.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The class of its calls.
    #[serde(serialize_with = "priority_word")]
    pub priority: Priority,
    /// The tenant it belongs to: a name in [`Config::tenants`](crate::Config::tenants).
    pub tenant: Option<String>,
    /// What its calls are held to, beside its tenant's limits and the global ones.
    pub limits: Limit,
    /// What may be spent on its calls.
    #[serde(rename = "budget", skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// The account its calls are paid from, beside its tenant's where it has none.
    pub credits: Option<Credits>,
    /// What is done with a call that finds no room: the key's own mode, else its tenant's, else the file's.
    pub mode: Mode,
    /// Whether its calls may fall back to a lower tier: as the key says, else its tenant, else not.
    pub accept_lower_tier: bool,
}

/// Keys that share limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its name in metrics and logs.
    pub name: String,
    /// What calls with all its keys together are held to.
    pub limits: Limit,
    /// What may be spent on calls with all its keys together.
    #[serde(rename = "budget", skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// The account that calls with its keys are paid from, where a key has none of its own.
    pub credits: Option<Credits>,
    /// The mode of its keys that name none of their own.
    pub mode: Mode,
    /// Whether calls of its keys may fall back to a lower tier, where a key does not say.
    pub accept_lower_tier: bool,
}

fn priority_word<S: serde::Serializer>(priority: &Priority, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(priority.as_str())
}

impl ClientKey {
    /// Whether it has a budget or an account of its own.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.credits.is_some() || !self.budgets.is_empty()
    }

    /// Whether this key may call an endpoint. What a key is told of itself and of the models there are, it always may ask.
    #[must_use]
    pub fn may_call(&self, endpoint: Endpoint) -> bool {
        endpoint.is_own() || self.endpoints.as_ref().is_none_or(|allowed| allowed.contains(&EndpointPath(endpoint)))
    }

    /// Whether this key may ask for a model by the name the client sent. `provider` is where that name led, so that a
    /// rule `provider/*` covers every way to name its models.
    #[must_use]
    pub fn may_use(&self, name: &str, provider: &str) -> bool {
        self.models.as_ref().is_none_or(|rules| rules.iter().any(|rule| rule.allows(name, provider)))
    }
}

/// What one entry of a key's `models` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRule {
    /// Exactly this name: an alias, a `provider/model` or a bare id.
    Name(String),
    /// Everything at one provider, written `provider/*`.
    Provider(String),
}

impl ModelRule {
    /// Reads one entry.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix("/*") {
            Some(provider) => Self::Provider(provider.to_owned()),
            None => Self::Name(text.to_owned()),
        }
    }

    fn allows(&self, name: &str, provider: &str) -> bool {
        match self {
            Self::Name(allowed) => allowed == name,
            Self::Provider(allowed) => allowed == provider,
        }
    }
}

impl Serialize for ModelRule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Provider(provider) => serializer.collect_str(&format_args!("{provider}/*")),
        }
    }
}
