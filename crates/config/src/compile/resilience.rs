//! Sense of what is said about providers that fail: breakers, adaptive limits, pools of keys.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::egress::{AdaptiveConcurrency, Breaker, KeyRole};
use crate::file::{self, CircuitBreaker, OrDisabled, Switch};
use crate::limits::Limit;
use crate::near::nearest;
use crate::provider::ProviderKey;
use crate::units::Period;
use crate::url::BaseUrl;

/// The highest count that is taken for meant.
const MOST: u32 = 1_000_000;

/// The heaviest share of a key.
pub(super) const HEAVIEST: u32 = 1000;

impl Compiler<'_> {
    /// What the older format says for all providers, over the defaults.
    pub(super) fn circuit_breaker(&mut self, stated: Option<&CircuitBreaker>) -> Breaker {
        const SECTION: &str = "circuit_breaker";
        let Some(stated) = stated else { return Breaker::default() };
        let fields = [
            ("failure_threshold", stated.failure_threshold.map(u64::from)),
            ("recovery_timeout_seconds", stated.recovery_timeout_seconds),
            ("half_open_max_requests", stated.half_open_max_requests.map(u64::from)),
        ];
        for (name, value) in fields {
            let most = if name == "recovery_timeout_seconds" { 86_400 } else { MOST.into() };
            if let Some(value) = value {
                self.within(value, 1, most, &[SECTION, name]);
            }
        }
        let usual = Breaker::default();
        Breaker {
            failure_threshold: stated.failure_threshold.unwrap_or(usual.failure_threshold),
            recovery_timeout: stated.recovery_timeout_seconds.map(Period::from_secs).or(usual.recovery_timeout),
            half_open_max_requests: stated.half_open_max_requests.unwrap_or(usual.half_open_max_requests),
            ..usual
        }
    }

    /// A provider's own breaker, over what holds for all.
    pub(super) fn breaker(&mut self, name: &str, stated: &file::Provider, usual: Breaker) -> Option<Breaker> {
        let stated = match &stated.breaker {
            None => return Some(usual),
            Some(OrDisabled::Disabled) => return None,
            Some(OrDisabled::Set(stated)) => stated,
        };
        let at = |field: &'static str| ["providers", name, "breaker", field];
        let counts = [
            ("failure_threshold", stated.failure_threshold),
            ("min_requests", stated.min_requests),
            ("half_open_max_requests", stated.half_open_max_requests),
        ];
        for (field, value) in counts {
            if let Some(value) = value {
                self.within(value, 1, MOST, &at(field));
            }
        }
        if let Some(time) = stated.recovery_timeout {
            self.lasts(time, "recovery_timeout", &at("recovery_timeout"));
        }
        Some(Breaker {
            failure_threshold: stated.failure_threshold.unwrap_or(usual.failure_threshold),
            success_rate: stated.success_rate.unwrap_or(usual.success_rate),
            min_requests: stated.min_requests.unwrap_or(usual.min_requests),
            recovery_timeout: stated.recovery_timeout.or(usual.recovery_timeout),
            half_open_max_requests: stated.half_open_max_requests.unwrap_or(usual.half_open_max_requests),
        })
    }

    /// A provider's adaptive limit, if it has one.
    pub(super) fn adaptive(
        &mut self,
        name: &str,
        stated: &file::Provider,
        limits: &Limit,
    ) -> Option<AdaptiveConcurrency> {
        let usual = AdaptiveConcurrency::default();
        let stated = match stated.adaptive_concurrency {
            None | Some(Switch::Off) => return None,
            Some(Switch::On) => return Some(usual),
            Some(Switch::Set(stated)) => stated,
        };
        let at = |field: &'static str| ["providers", name, "adaptive_concurrency", field];
        for (field, value) in [("floor", stated.floor), ("ceiling", stated.ceiling)] {
            if let Some(value) = value {
                self.within(value, 1, MOST, &at(field));
            }
        }
        if let Some(time) = stated.first_token_target {
            self.lasts(time, "first_token_target", &at("first_token_target"));
        }
        let ceiling = stated.ceiling.unwrap_or(usual.ceiling);
        let floor = stated.floor.unwrap_or(usual.floor.min(ceiling));
        if floor > ceiling {
            let what = format!("the floor of {floor} is above the ceiling of {ceiling}");
            let field = if stated.floor.is_some() { "floor" } else { "ceiling" };
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &at(field));
        }
        if let (Some(stated), Some(most)) = (stated.ceiling, limits.concurrency)
            && u64::from(stated) > most
        {
            let what = format!("the provider is sent {most} at once, so the ceiling of {stated} is never reached");
            self.say(Diagnostic::new(codes::UNREACHABLE, what), &at("ceiling"));
        }
        let first_token_target = stated.first_token_target.unwrap_or(usual.first_token_target);
        Some(AdaptiveConcurrency { floor, ceiling, first_token_target })
    }

    /// Where a provider's server shows its load.
    pub(super) fn metrics_url(&mut self, name: &str, stated: &file::Provider, adapts: bool) -> Option<String> {
        let path = ["providers", name, "metrics_url"];
        let url = match BaseUrl::parse(stated.metrics_url.as_deref()?) {
            Ok(url) if url.has_path() => url,
            Ok(_) => {
                let what = "this is a server and no page of it";
                self.say(Diagnostic::new(codes::BAD_URL, what).remedy("add its path, such as /metrics"), &path);
                return None;
            }
            Err(why) => {
                self.say(Diagnostic::new(codes::BAD_URL, why.replace("base URL", "metrics URL")), &path);
                return None;
            }
        };
        if !adapts {
            let what = "what it shows keeps the limit of `adaptive_concurrency` from growing, and there is none";
            let diagnostic = Diagnostic::new(codes::NO_EFFECT_HERE, what).remedy("adaptive_concurrency: true");
            self.say(diagnostic, &path);
        }
        Some(url.to_string())
    }

    /// Roles and accounts of a pool, once all of its keys are known.
    pub(super) fn pool_makes_sense(&mut self, provider: &str, stated: &[file::PoolKey], pool: &[ProviderKey]) {
        let path = ["providers", provider, "keys"];
        if !pool.is_empty() && pool.iter().all(|key| key.role == KeyRole::Standby) {
            let what = "every key of this pool stands by, which is the same as if none did";
            let remedy = "leave `role:` out where a key is to be used first";
            self.say_at_name(Diagnostic::new(codes::NO_PRIMARY, what).remedy(remedy), &path);
        }
        let groups = stated.iter().map(|key| key.quota_group.as_deref());
        for (at, group) in groups.clone().enumerate() {
            let Some(group) = group else { continue };
            if groups.clone().flatten().filter(|other| *other == group).count() > 1 {
                continue;
            }
            let what = format!("no other key of this pool is of the group `{group}`, so the group changes nothing");
            let mut diagnostic = Diagnostic::new(codes::LONELY_GROUP, what);
            let others = groups.clone().flatten().filter(|other| *other != group);
            if let Some(near) = nearest(group, others) {
                diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
            }
            self.say(diagnostic, &["providers", provider, "keys", &at.to_string(), "quota_group"]);
        }
    }

    /// Reports a length of time that is none, or longer than a day.
    pub(super) fn lasts(&mut self, time: Period, field: &str, path: &[&str]) {
        if time.millis() == 0 || time.millis() > 86_400_000 {
            let what = format!("`{field}` must be from 1ms to 1d");
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), path);
        }
    }
}
