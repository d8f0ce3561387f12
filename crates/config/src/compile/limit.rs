//! The older format's limits, and whether they can mean what was meant.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::endpoint::EndpointPath;
use crate::file::{Class, OrDisabled, RateLimits};
use crate::limits::{EndpointLimit, Limit, Limits, Rate};
use crate::units::Period;
use sluicegate_vocabulary::Priority;

/// The highest rate that is taken for meant: a thousand million a minute.
const MOST_PER_MINUTE: u64 = 1_000_000_000_000;

impl From<Class> for Priority {
    fn from(class: Class) -> Self {
        match class {
            Class::Critical => Self::Critical,
            Class::High => Self::High,
            Class::Normal | Class::Medium => Self::Normal,
            Class::Low => Self::Low,
        }
    }
}

/// One of the two things that are limited, under its two names.
struct Field {
    name: &'static str,
    short: &'static str,
    unit: &'static str,
}

const REQUESTS: Field = Field { name: "requests_per_minute", short: "rpm", unit: "requests" };
const TOKENS: Field = Field { name: "tokens_per_minute", short: "tpm", unit: "tokens" };

impl Compiler<'_> {
    pub(super) fn limits(&mut self, stated: Option<&RateLimits>) -> Limits {
        let mut limits = Limits::default();
        let Some(stated) = stated else { return limits };
        let mut inherited = (None, None);
        if let Some(global) = &stated.global {
            let path = ["rate_limits", "global"];
            let requests = self.one_name(global.requests_per_minute, global.rpm, &REQUESTS, &path);
            let tokens = self.one_name(global.tokens_per_minute, global.tpm, &TOKENS, &path);
            inherited = self.burst(global.burst_multiplier, global.refill_rate_ms, (None, None), &path);
            limits.global = limit(requests, tokens, inherited);
        }
        let Some(OrDisabled::Set(entries)) = &stated.per_endpoint else { return limits };
        for (EndpointPath(endpoint), stated) in entries {
            // The key may be spelled with a version or without; the document knows it as it stands.
            let section = self.document.find(&["rate_limits", "per_endpoint"]);
            let spelled = section.into_iter().flat_map(|section| section.entries()).map(|entry| entry.key.as_str());
            let spelled = spelled.into_iter().find(|key| EndpointPath::parse(key) == Some(EndpointPath(*endpoint)));
            let path = ["rate_limits", "per_endpoint", spelled.unwrap_or(endpoint.path())];
            let OrDisabled::Set(stated) = stated else {
                limits.endpoints.insert(*endpoint, EndpointLimit::default());
                continue;
            };
            let requests = self.one_name(stated.requests_per_minute, stated.rpm, &REQUESTS, &path);
            let tokens = self.one_name(stated.tokens_per_minute, stated.tpm, &TOKENS, &path);
            let burst = self.burst(stated.burst_multiplier, stated.refill_rate_ms, inherited, &path);
            let own = limit(requests, tokens, burst);
            self.below_global(own.requests, limits.global.requests, stated.rpm, &REQUESTS, &path);
            self.below_global(own.tokens, limits.global.tokens, stated.tpm, &TOKENS, &path);
            limits.endpoints.insert(*endpoint, EndpointLimit { limit: own, priority: stated.priority.map(Into::into) });
        }
        limits
    }

    /// The value of a field that has two names.
    fn one_name(&mut self, long: Option<u64>, short: Option<u64>, field: &Field, path: &[&str]) -> Option<u64> {
        let at = |name: &'static str| -> Vec<&str> { path.iter().copied().chain([name]).collect() };
        if long.is_some() && short.is_some() {
            let what = format!("`{}` and `{}` mean the same", field.short, field.name);
            self.say_at_name(Diagnostic::new(codes::BOTH_NAMES, what).remedy("keep one of them"), &at(field.short));
        }
        let (value, name) = long.map(|value| (value, field.name)).or(short.map(|value| (value, field.short)))?;
        if value == 0 {
            let what = format!("`{name}: 0` would refuse every call");
            let remedy = "leave the field out for no limit; server.disabled_endpoints switches an endpoint off";
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what).remedy(remedy), &at(name));
            return None;
        }
        self.within(value, 1, MOST_PER_MINUTE, &at(name)).then_some(value)
    }

    /// What a burst may do: the multiplier and the length of a step, or what is inherited.
    fn burst(
        &mut self,
        multiplier: Option<f64>,
        step_ms: Option<u64>,
        inherited: (Option<f64>, Option<Period>),
        path: &[&str],
    ) -> (Option<f64>, Option<Period>) {
        let at = |name: &'static str| -> Vec<&str> { path.iter().copied().chain([name]).collect() };
        let fits = multiplier.is_none_or(|value| self.within(value, 0.001, 1000.0, &at("burst_multiplier")));
        let step_fits = step_ms.is_none_or(|value| self.within(value, 1, 60_000, &at("refill_rate_ms")));
        let multiplier = multiplier.filter(|_| fits).or(inherited.0);
        if multiplier.is_none() && fits && step_fits && step_ms.is_some() {
            let what =
                "`refill_rate_ms` has no effect without `burst_multiplier`: the limit is an exact sliding window";
            self.say_at_name(Diagnostic::new(codes::NO_EFFECT_STEP, what), &at("refill_rate_ms"));
        }
        (multiplier, step_ms.filter(|_| step_fits).map(Period::from_millis).or(inherited.1))
    }

    fn below_global(
        &mut self,
        own: Option<Rate>,
        global: Option<Rate>,
        short: Option<u64>,
        field: &Field,
        path: &[&str],
    ) {
        let (Some(own), Some(global)) = (own, global) else { return };
        let name = if short.is_some() { field.short } else { field.name };
        let at: Vec<&str> = path.iter().copied().chain([name]).collect();
        let endpoint = path.last().unwrap_or(&"the endpoint");
        let (ours, all, unit) = (own.per_minute, global.per_minute, field.unit);
        if ours > all {
            let what = format!("{endpoint} allows {ours} {unit} per minute, above the global limit of {all}");
            let remedy = format!("lower it to at most {all}, or raise rate_limits.global");
            self.say(Diagnostic::new(codes::ABOVE_GLOBAL, what).remedy(remedy), &at);
        } else if ours == all {
            let what =
                format!("{endpoint} allows {ours} {unit} per minute, the whole global limit: it can starve the others");
            self.say(Diagnostic::new(codes::STARVES, what), &at);
        }
    }
}

fn limit(requests: Option<u64>, tokens: Option<u64>, (multiplier, step): (Option<f64>, Option<Period>)) -> Limit {
    let rate = |per_minute| Rate::new(per_minute, multiplier, step);
    Limit { requests: requests.map(rate), tokens: tokens.map(rate) }
}
