//! The configuration's words for what is done about failing providers, as the machinery takes them.

use sluicegate_config::{AdaptiveConcurrency, KeyRole, Provider as Configured, ProviderKey};
use sluicegate_flow::egress::{BreakerSettings, Role, SloAimdSettings};

/// When a provider is isolated.
pub(crate) fn breaker(configured: &Configured) -> BreakerSettings {
    let usual = BreakerSettings::default();
    let Some(stated) = configured.breaker else {
        // No number of failures is enough.
        return BreakerSettings { consecutive: u32::MAX, success_rate: 0.0, ..usual };
    };
    let settings = BreakerSettings {
        samples: stated.min_requests,
        success_rate: stated.success_rate.fraction(),
        probes: stated.half_open_max_requests,
        ..usual.with_failures(stated.failure_threshold)
    };
    stated.recovery_timeout.map_or(settings, |time| settings.with_open_for(time.duration()))
}

/// What a key is for.
pub(crate) const fn role(key: &ProviderKey) -> Role {
    match key.role {
        KeyRole::Primary => Role::Primary,
        KeyRole::Standby => Role::Standby,
    }
}

/// The account of a key.
pub(crate) fn quota_group(key: &ProviderKey) -> &str {
    &key.quota_group
}

/// A key's weight among those that could be used.
pub(crate) const fn share(key: &ProviderKey) -> u32 {
    key.share
}

/// The limit on calls at once that follows a provider's speed, if the configuration asks for one.
pub(crate) fn adaptive(configured: &Configured) -> Option<SloAimdSettings> {
    let AdaptiveConcurrency { floor, ceiling, first_token_target } = configured.adaptive_concurrency?;
    let usual = SloAimdSettings::default();
    let initial = usual.initial.clamp(floor, ceiling.max(floor));
    Some(SloAimdSettings { floor, ceiling, initial, first_token: first_token_target.duration(), ..usual })
}

/// Whether what a provider tells of its limits is followed.
pub(crate) const fn learns(configured: &Configured) -> bool {
    configured.learn_limits
}

/// The limit that begins when a provider says that too many calls, so many, are under way.
pub(crate) fn learned_concurrency(in_flight: u32) -> SloAimdSettings {
    let usual = SloAimdSettings::default();
    SloAimdSettings { initial: in_flight.clamp(usual.floor, usual.ceiling), ..usual }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
