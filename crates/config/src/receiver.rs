//! Who is told of alerts and of what happens to migrations.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// Everything that somebody can be told of.
pub const EVENTS: [&str; 12] = [
    "alert.raised",
    "alert.over",
    "migration.started",
    "migration.advanced",
    "migration.paused",
    "migration.resumed",
    "migration.awaits_approval",
    "migration.held",
    "migration.alerted",
    "migration.rolled_back",
    "migration.promoted",
    "migration.redefined",
];

/// An address that is told by a signed POST.
#[derive(Debug, Clone, Serialize)]
pub struct Receiver {
    /// Its name in the file, in logs and in metrics.
    #[serde(skip)]
    pub name: String,
    /// Where its address was read.
    #[serde(rename = "url")]
    pub url_source: String,
    /// Its address, which may have a token in it.
    #[serde(skip)]
    pub url: SecretString,
    /// Where the secret was read that what it is told is signed with.
    #[serde(rename = "secret")]
    pub source: String,
    /// That secret.
    #[serde(skip)]
    pub secret: SecretString,
    /// What it is told of: [`EVENTS`], or what they begin with (`alert`, `migration`).
    pub when: Vec<String>,
}

impl Receiver {
    /// Whether it is to be told of an event.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        self.when.iter().any(|when| is_meant(when, event))
    }

    /// Whether it is told the same things at the same address.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let secrets = |one: &Self| (one.url.expose_secret().to_owned(), one.secret.expose_secret().to_owned());
        self.name == other.name && self.when == other.when && secrets(self) == secrets(other)
    }
}

/// Whether a rule's words mean an event: its name, or what its name begins with.
pub(crate) fn is_meant(when: &str, event: &str) -> bool {
    event.strip_prefix(when).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
