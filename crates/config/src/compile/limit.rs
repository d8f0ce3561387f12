//! Limits, wherever they stand, and whether they can mean what was meant.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::endpoint::EndpointPath;
use crate::file::{self, Class, OrDisabled, RateLimits};
use crate::limits::{EndpointLimit, Limit, Limits, Rate, RateKind, Shape, Window};
use crate::units::Period;
use sluicegate_vocabulary::{Endpoint, Priority};

/// The highest rate that is taken for meant: a million million in a window.
const MOST_IN_A_WINDOW: u64 = 1_000_000_000_000;

/// The most calls at once that are taken for meant.
const MOST_AT_ONCE: u64 = 1_000_000;

/// What an ordinary call to a model takes, in tokens: a page or two of input and the output that is reserved for a call
/// that sets no cap of its own. A token limit below it is most likely a slip.
const TYPICAL_CALL: u64 = 2_000;

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

/// One rate of the file, under the one or two names it has.
struct Field {
    name: &'static str,
    short: Option<&'static str>,
    kind: RateKind,
    window: Window,
    stated: fn(&file::Limits) -> (Option<u64>, Option<u64>),
}

/// The rates in the order of [`Limit::rates`].
const FIELDS: [Field; 7] = [
    Field {
        name: "requests_per_second",
        short: None,
        kind: RateKind::Requests,
        window: Window::Second,
        stated: |limits| (limits.requests_per_second, None),
    },
    Field {
        name: "requests_per_minute",
        short: Some("rpm"),
        kind: RateKind::Requests,
        window: Window::Minute,
        stated: |limits| (limits.requests_per_minute, limits.rpm),
    },
    Field {
        name: "requests_per_hour",
        short: None,
        kind: RateKind::Requests,
        window: Window::Hour,
        stated: |limits| (limits.requests_per_hour, None),
    },
    Field {
        name: "requests_per_day",
        short: None,
        kind: RateKind::Requests,
        window: Window::Day,
        stated: |limits| (limits.requests_per_day, None),
    },
    Field {
        name: "tokens_per_minute",
        short: Some("tpm"),
        kind: RateKind::Tokens,
        window: Window::Minute,
        stated: |limits| (limits.tokens_per_minute, limits.tpm),
    },
    Field {
        name: "tokens_per_hour",
        short: None,
        kind: RateKind::Tokens,
        window: Window::Hour,
        stated: |limits| (limits.tokens_per_hour, None),
    },
    Field {
        name: "tokens_per_day",
        short: None,
        kind: RateKind::Tokens,
        window: Window::Day,
        stated: |limits| (limits.tokens_per_day, None),
    },
];

/// What makes buckets of the rates of an entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Burst {
    multiplier: Option<f64>,
    step: Option<Period>,
}

/// A limit that includes another: what it is called, and where it is raised.
pub(super) struct Wider<'a> {
    pub(super) limit: &'a Limit,
    pub(super) name: &'a str,
    pub(super) at: &'a str,
}

impl<'a> Wider<'a> {
    /// The limit over all calls.
    pub(super) const fn global(limit: &'a Limit) -> Self {
        Self { limit, name: "the global limit", at: "rate_limits.global" }
    }
}

/// A path with one more step.
fn below<'a>(path: &[&'a str], name: &'a str) -> Vec<&'a str> {
    path.iter().copied().chain([name]).collect()
}

impl Compiler<'_> {
    /// The limits over all calls and by endpoint.
    pub(super) fn limits(&mut self, stated: Option<&RateLimits>) -> Limits {
        let mut limits = Limits::default();
        let Some(stated) = stated else { return limits };
        let path = ["rate_limits", "global"];
        let global = stated.global.unwrap_or_default();
        let inherited = self.burst(&global, Burst::default(), &path);
        limits.global = self.limit_with(&global, inherited, &path);
        self.fits_a_call(&limits.global, &path);
        let Some(OrDisabled::Set(entries)) = &stated.per_endpoint else { return limits };
        for (EndpointPath(endpoint), stated) in entries {
            let spelled = self.document.spelled(&["rate_limits", "per_endpoint"], |key| {
                EndpointPath::parse(key) == Some(EndpointPath(*endpoint))
            });
            let spelled = spelled.unwrap_or(endpoint.path());
            let path = ["rate_limits", "per_endpoint", spelled];
            let OrDisabled::Set(stated) = stated else {
                limits.endpoints.insert(*endpoint, EndpointLimit::default());
                continue;
            };
            let own = file::Limits::from(stated);
            let burst = self.burst(&own, inherited, &path);
            let own = self.limit_with(&own, burst, &path);
            if generates(*endpoint) {
                self.fits_a_call(&own, &path);
            }
            self.within_global(&own, &limits.global, spelled, &path);
            limits.endpoints.insert(*endpoint, EndpointLimit { limit: own, priority: stated.priority.map(Into::into) });
        }
        limits
    }

    /// The limits of any other owner. `who` is what messages call it.
    pub(super) fn limit(
        &mut self,
        stated: Option<&file::Limits>,
        who: &str,
        wider: &[Wider<'_>],
        path: &[&str],
    ) -> Limit {
        let Some(stated) = stated else { return Limit::default() };
        let burst = self.burst(stated, Burst::default(), path);
        let limit = self.limit_with(stated, burst, path);
        self.fits_a_call(&limit, path);
        self.can_be_reached(&limit, who, wider, path);
        limit
    }

    fn limit_with(&mut self, stated: &file::Limits, burst: Burst, path: &[&str]) -> Limit {
        let mut rates: Vec<Rate> = Vec::new();
        for field in &FIELDS {
            let Some(amount) = self.one_name(field, stated, path) else { continue };
            rates.push(Rate::new(field.kind, field.window, amount, burst.multiplier, burst.step));
        }
        self.shorter_below_longer(&rates, path);
        self.steps_fit(&rates, path);
        let concurrency = stated.concurrency.filter(|calls| self.at_once(*calls, &below(path, "concurrency")));
        Limit { rates, concurrency, shadow: stated.shadow.unwrap_or_default() }
    }

    /// The value of a field that may have two names.
    fn one_name(&mut self, field: &Field, stated: &file::Limits, path: &[&str]) -> Option<u64> {
        let (long, short) = (field.stated)(stated);
        let short = short.zip(field.short);
        if let (Some(_), Some((_, short))) = (long, short) {
            let what = format!("`{short}` and `{}` mean the same", field.name);
            self.say_at_name(Diagnostic::new(codes::BOTH_NAMES, what).remedy("keep one of them"), &below(path, short));
        }
        let (value, name) = long.map(|value| (value, field.name)).or(short)?;
        let at = below(path, name);
        (self.allows_something(value, &at) && self.within(value, 1, MOST_IN_A_WINDOW, &at)).then_some(value)
    }

    /// Whether a number of calls at once can be used.
    pub(super) fn at_once(&mut self, calls: u64, path: &[&str]) -> bool {
        self.allows_something(calls, path) && self.within(calls, 1, MOST_AT_ONCE, path)
    }

    fn allows_something(&mut self, value: u64, path: &[&str]) -> bool {
        if value == 0 {
            let what = format!("`{}: 0` would refuse every call", path.last().unwrap_or(&"this"));
            let remedy = match path {
                ["rate_limits", "per_endpoint", ..] => {
                    "leave the field out for no limit; server.disabled_endpoints switches an endpoint off"
                }
                _ => "leave the field out for no limit",
            };
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what).remedy(remedy), path);
        }
        value != 0
    }

    /// What a burst may do: the multiplier and the length of a step, or what is inherited.
    fn burst(&mut self, stated: &file::Limits, inherited: Burst, path: &[&str]) -> Burst {
        let (multiplier, step) = (stated.burst_multiplier, stated.refill_rate_ms);
        let fits = multiplier.is_none_or(|value| self.within(value, 0.001, 1000.0, &below(path, "burst_multiplier")));
        let step_fits = step.is_none_or(|value| self.within(value, 1, 60_000, &below(path, "refill_rate_ms")));
        let multiplier = multiplier.filter(|_| fits).or(inherited.multiplier);
        if multiplier.is_none() && fits && step_fits && step.is_some() {
            let what =
                "`refill_rate_ms` has no effect without `burst_multiplier`: the limit is an exact sliding window";
            self.say_at_name(Diagnostic::new(codes::NO_EFFECT_STEP, what), &below(path, "refill_rate_ms"));
        }
        Burst { multiplier, step: step.filter(|_| step_fits).map(Period::from_millis).or(inherited.step) }
    }

    /// A second is part of a minute, so it cannot be allowed more.
    fn shorter_below_longer(&mut self, rates: &[Rate], path: &[&str]) {
        for short in rates {
            let longer = rates.iter().filter(|long| long.kind == short.kind && long.window > short.window);
            let Some(long) = longer.into_iter().find(|long| long.amount < short.amount) else { continue };
            let (unit, least) = (short.kind.as_str(), long.amount);
            let what = format!(
                "{} {unit} per {} are more than the {least} per {} that are allowed beside it",
                short.amount,
                short.window.as_str(),
                long.window.as_str()
            );
            let remedy = format!("lower it to at most {least}, or raise `{}`", self.written_name(long, path));
            let at = self.written_name(short, path);
            self.say(Diagnostic::new(codes::ABOVE_LONGER, what).remedy(remedy), &below(path, at));
        }
    }

    /// What one step adds must fit into the bucket, or the rate is never reached.
    fn steps_fit(&mut self, rates: &[Rate], path: &[&str]) {
        for rate in rates {
            let (Some(added), Shape::TokenBucket { capacity, step: Some(step) }) = (rate.per_step(), rate.shape) else {
                continue;
            };
            if added > capacity {
                let what = format!(
                    "a step of {} ms adds {added} {}, more than the bucket of {capacity} holds: {} per {} are never reached",
                    step.millis(),
                    rate.kind.as_str(),
                    rate.amount,
                    rate.window.as_str()
                );
                self.say(Diagnostic::new(codes::STEP_OVERFLOWS, what), &below(path, "refill_rate_ms"));
            }
        }
    }

    /// Warns of token limits that an ordinary call is too large for.
    fn fits_a_call(&mut self, limit: &Limit, path: &[&str]) {
        if limit.shadow {
            return;
        }
        for rate in limit.rates.iter().filter(|rate| rate.kind == RateKind::Tokens) {
            let largest = rate.largest_call();
            if largest >= TYPICAL_CALL {
                continue;
            }
            let what = match rate.shape {
                Shape::SlidingWindow => {
                    format!("an ordinary call takes about {TYPICAL_CALL} tokens and would be refused as never fitting")
                }
                Shape::TokenBucket { .. } => format!(
                    "an ordinary call takes about {TYPICAL_CALL} tokens, more than the full bucket of {largest} holds"
                ),
            };
            let at = self.written_name(rate, path);
            self.say(Diagnostic::new(codes::BELOW_A_CALL, what), &below(path, at));
        }
    }

    /// An endpoint's limit above the global one is an error, and one as high as it a warning.
    fn within_global(&mut self, own: &Limit, global: &Limit, endpoint: &str, path: &[&str]) {
        let global = Wider::global(global);
        for shared in self.shared(own, &global, path) {
            let Shared { own, wider, unit, at } = &shared;
            if own > wider {
                self.say(shared.above(codes::ABOVE_GLOBAL, endpoint, &global), at);
            } else if own == wider {
                let what = format!("{endpoint} allows {own} {unit}, the whole global limit: it can starve the others");
                self.say(Diagnostic::new(codes::STARVES, what), at);
            }
        }
    }

    /// Warns of a limit that a wider one makes unreachable; where several do, of the first.
    fn can_be_reached(&mut self, own: &Limit, who: &str, wider: &[Wider<'_>], path: &[&str]) {
        let mut said = Vec::new();
        for wider in wider {
            for shared in self.shared(own, wider, path) {
                if shared.own > shared.wider && !said.contains(&shared.at) {
                    self.say(shared.above(codes::UNREACHABLE, who, wider), &shared.at);
                    said.push(shared.at);
                }
            }
        }
    }

    /// What both limit, number beside number. One that refuses nothing is no bound.
    fn shared<'p>(&self, own: &Limit, wider: &Wider<'_>, path: &[&'p str]) -> Vec<Shared<'p>> {
        let bound = Some(wider.limit).filter(|limit| !limit.shadow);
        let rates = own.rates.iter().filter_map(|rate| {
            let wider = bound?.rate(rate.kind, rate.window)?.amount;
            let unit = format!("{} per {}", rate.kind.as_str(), rate.window.as_str());
            Some(Shared { own: rate.amount, wider, unit, at: below(path, self.written_name(rate, path)) })
        });
        let at_once = own.concurrency.zip(bound.and_then(|bound| bound.concurrency)).map(|(own, wider)| Shared {
            own,
            wider,
            unit: "calls at once".to_owned(),
            at: below(path, "concurrency"),
        });
        rates.chain(at_once).collect()
    }

    /// The name under which a rate stands in the file.
    fn written_name(&self, rate: &Rate, path: &[&str]) -> &'static str {
        let field = FIELDS.iter().find(|field| field.kind == rate.kind && field.window == rate.window);
        let short = field.and_then(|field| field.short);
        short.filter(|short| self.document.find(&below(path, short)).is_some()).unwrap_or(rate.field())
    }
}

/// One number that an owner and a wider limit both have.
struct Shared<'p> {
    own: u64,
    wider: u64,
    unit: String,
    at: Vec<&'p str>,
}

impl Shared<'_> {
    fn above(&self, code: &'static str, who: &str, wider: &Wider<'_>) -> Diagnostic {
        let Self { own, wider: bound, unit, .. } = self;
        let what = format!("{who} allows {own} {unit}, above {} of {bound}", wider.name);
        Diagnostic::new(code, what).remedy(format!("lower it to at most {bound}, or raise {}", wider.at))
    }
}

/// Whether calls to an endpoint are answered by a model with text, and so are of ordinary size.
const fn generates(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::Responses
            | Endpoint::Messages
            | Endpoint::Generate
            | Endpoint::GenerateStream
    )
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
