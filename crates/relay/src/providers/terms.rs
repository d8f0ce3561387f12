//! The configuration's words for what is done about failing providers, as the machinery takes them.

use sluicegate_config::{Provider as Configured, ProviderKey};
use sluicegate_flow::egress::{BreakerSettings, Role, SloAimdSettings};

/// When a provider is isolated.
pub(crate) fn breaker(_configured: &Configured) -> BreakerSettings {
    BreakerSettings::default()
}

/// What a key is for.
pub(crate) fn role(_key: &ProviderKey) -> Role {
    Role::Primary
}

/// The account of a key.
pub(crate) fn quota_group(key: &ProviderKey) -> &str {
    &key.name
}

/// A key's weight among those that could be used.
pub(crate) fn share(_key: &ProviderKey) -> u32 {
    1
}

/// The limit on calls at once that follows a provider's speed, if the configuration asks for one.
pub(crate) fn adaptive(_configured: &Configured) -> Option<SloAimdSettings> {
    None
}

/// Whether what a provider tells of its limits is followed.
pub(crate) fn learns(_configured: &Configured) -> bool {
    true
}

/// The limit that begins when a provider says that too many calls, so many, are under way.
pub(crate) fn learned_concurrency(in_flight: u32) -> SloAimdSettings {
    let usual = SloAimdSettings::default();
    SloAimdSettings { initial: in_flight.clamp(usual.floor, usual.ceiling), ..usual }
}
