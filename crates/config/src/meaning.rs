//! What the numbers mean, in words, because that is what people get wrong.

use crate::cache::{Cache, CacheScope, OnlyWhen};
use crate::codes;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::egress::{AdaptiveConcurrency, Breaker, KeyRole};
use crate::endpoint::EndpointPath;
use crate::limits::{Limit, Rate, RateKind, Shape, Window};
use crate::model::{Model, Resume, Target};
use crate::priorities::{ClassRule, Priorities};
use crate::provider::{Provider, ProviderKey};
use crate::units::Period;
use sluicegate_ledger::PriceBook;
use sluicegate_vocabulary::{Mode, ProviderKind};
use std::collections::{BTreeMap, BTreeSet};

/// One line of explanation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// What it is about: `global`, `/chat/completions`.
    pub subject: String,
    /// What holds for it.
    pub text: String,
}

/// What every limit means, the worst minute included, and what is done with a call that finds no room. The document
/// gives line numbers where it is there.
pub(crate) fn meaning(config: &Config, document: Option<&Document>) -> Vec<Line> {
    let mut lines = Lines::default();
    overall(config, document, &mut lines);
    for tenant in config.tenants.values() {
        let subject = format!("tenant {}", tenant.name);
        lines.limit(&subject, &tenant.limits);
        lines.conduct(&subject, (tenant.mode, tenant.accept_lower_tier), (config.mode, false));
    }
    keys(config, &mut lines);
    for model in config.models.values() {
        let subject = format!("model {}", model.name);
        lines.limit(&subject, &model.limits);
        if let Some(lower) = &model.lower_tier {
            lines.say(&subject, format!("falls back to {lower} for keys that accept it"));
        }
        if model.resume == Resume::Continue {
            lines.say(&subject, "resumed · a text stream that breaks is gone on with where the model can".to_owned());
        }
        if model.hedge {
            lines.say(&subject, "hedged · a second target is asked when the first token is late".to_owned());
        }
    }
    for provider in config.providers.values() {
        let subject = format!("provider {}", provider.name);
        lines.limit(&subject, &provider.limits);
        failing(&subject, provider, &mut lines);
        for key in &provider.keys {
            lines.limit(&format!("provider {}, key {}", provider.name, key.name), &key.limits);
        }
        for (model, limit) in &provider.model_limits {
            lines.limit(&format!("{}/{model}", provider.name), limit);
        }
    }
    if lines.limits > 0 {
        without_room(config, &mut lines);
    }
    for choice in config.choices.values() {
        let names: Vec<&str> = choice.rules.iter().map(|rule| rule.name.as_str()).collect();
        let text = format!("the first rule that holds of {}; else {}", names.join(", "), choice.default);
        lines.say(&format!("choice {}", choice.name), text);
    }
    if let Some(cache) = &config.cache {
        lines.say("cache", kept(cache));
    }
    for alert in &config.alerts {
        let hold = if alert.hold == Period::default() { String::new() } else { format!(" for {}", alert.hold) };
        lines.say("alert", format!("{} {}{hold}", alert.metric, alert.threshold));
    }
    lines.all
}

/// What is kept in the cache, for whom.
fn kept(cache: &Cache) -> String {
    let which = match cache.only_when {
        OnlyWhen::TemperatureZero => "identical requests with temperature 0, and embeddings",
        OnlyWhen::Always => "identical requests of any temperature",
    };
    let whose = match cache.scope {
        CacheScope::Tenant => "shared within a tenant",
        CacheScope::Key => "each key by itself",
    };
    let Cache { ttl, max_size, .. } = cache;
    format!("answers to {which} · kept {ttl}, in at most {max_size} · {whose}")
}

/// What is done about a provider that fails, where that is not what is done about all.
fn failing(subject: &str, provider: &Provider, lines: &mut Lines) {
    match &provider.breaker {
        None => lines.say(subject, "never left alone, however often it fails".to_owned()),
        Some(breaker) if *breaker == Breaker::default() => {}
        Some(breaker) => lines.say(subject, isolation(breaker)),
    }
    if let Some(AdaptiveConcurrency { floor, ceiling, first_token_target }) = provider.adaptive_concurrency {
        let (floor, ceiling) = (grouped(floor.into()), grouped(ceiling.into()));
        lines.say(
            subject,
            format!("{floor} to {ceiling} at once, as first tokens come in time for {first_token_target}"),
        );
        if let Some(url) = &provider.metrics_url {
            lines.say(subject, format!("that limit does not grow while {url} shows a queue or full memory"));
        }
    }
    if !provider.learn_limits {
        lines.say(subject, "its own limits are not followed; a call may meet its 429".to_owned());
    }
    pool(subject, &provider.keys, lines);
}

/// When a breaker isolates, and for how long.
fn isolation(breaker: &Breaker) -> String {
    let failures = format!("left alone after {} failures in a row", grouped(breaker.failure_threshold.into()));
    let rate = match breaker.success_rate.fraction() {
        0.0 => String::new(),
        _ => {
            let least = grouped(breaker.min_requests.into());
            format!(", or when under {} of {least} or more in 10s succeed", breaker.success_rate)
        }
    };
    let recovery = breaker.recovery_timeout.map_or("1s, then longer, up to 1m".to_owned(), |time| time.to_string());
    let trials = match breaker.half_open_max_requests {
        1 => "1 trial call".to_owned(),
        trials => format!("{} trial calls", grouped(trials.into())),
    };
    format!("{failures}{rate} · for {recovery} · then {trials} at once")
}

/// Which keys of a pool stand by, which share a quota, and how calls are shared among them, as far as that is special.
fn pool(subject: &str, keys: &[ProviderKey], lines: &mut Lines) {
    let names = |chosen: &dyn Fn(&ProviderKey) -> bool| -> Vec<&str> {
        keys.iter().filter(|key| chosen(key)).map(|key| key.name.as_str()).collect()
    };
    let primary: Vec<&ProviderKey> = keys.iter().filter(|key| key.role == KeyRole::Primary).collect();
    if primary.iter().any(|key| key.share != primary.first().map_or(1, |first| first.share)) {
        let shares: Vec<String> = primary.iter().map(|key| format!("{} {}", key.name, key.share)).collect();
        lines.say(subject, format!("calls are shared {}", shares.join(" · ")));
    }
    let standby = names(&|key| key.role == KeyRole::Standby);
    if !standby.is_empty() {
        lines.say(subject, format!("{} in reserve, for when no other key can be used", standby.join(", ")));
    }
    let groups: BTreeSet<&str> = keys.iter().map(|key| key.quota_group.as_str()).collect();
    for group in groups {
        let members = names(&|key| key.quota_group == group);
        if members.len() > 1 {
            lines.say(subject, format!("{} share one quota ({group})", members.join(", ")));
        }
    }
}

/// Keys of which the same is to be said share their lines, so that a thousand equal customers take one.
fn keys(config: &Config, lines: &mut Lines) {
    let mut alike: Vec<(&str, usize, Lines)> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for key in &config.keys {
        let tenant = key.tenant.as_ref().and_then(|name| config.tenants.get(name));
        let usual = tenant.map_or((config.mode, false), |tenant| (tenant.mode, tenant.accept_lower_tier));
        let mut own = Lines::default();
        own.limit("", &key.limits);
        own.conduct("", (key.mode, key.accept_lower_tier), usual);
        let texts = own.all.iter().map(|line| line.text.clone()).collect();
        let place = *places.entry(texts).or_insert(alike.len());
        match alike.get_mut(place) {
            Some((_, count, _)) => *count += 1,
            None => alike.push((&key.name, 1, own)),
        }
    }
    for (first, count, own) in alike {
        let subject = match count {
            1 => format!("key {first}"),
            _ => format!("{} keys ({first}, ...)", grouped(count as u64)),
        };
        lines.limits += own.limits;
        own.all.into_iter().for_each(|line| lines.say(&subject, line.text));
    }
}

/// Lines as they come, and how many of them are limits.
#[derive(Default)]
struct Lines {
    all: Vec<Line>,
    limits: usize,
}

impl Lines {
    fn say(&mut self, subject: &str, text: String) {
        self.all.push(Line { subject: subject.to_owned(), text });
    }

    /// One line for each number of a limit.
    fn limit(&mut self, subject: &str, limit: &Limit) {
        let shadow = if limit.shadow { " · shadow: counted, nothing refused" } else { "" };
        let rates = limit.rates.iter().map(in_words);
        let at_once = limit.concurrency.map(|calls| format!("{} at once", grouped(calls)));
        for text in rates.chain(at_once) {
            self.limits += 1;
            self.say(subject, text + shadow);
        }
    }

    /// Mode and consent, where they are not what they would be anyway.
    fn conduct(&mut self, subject: &str, own: (Mode, bool), usual: (Mode, bool)) {
        if own.0 != usual.0 {
            self.say(subject, format!("mode {}", own.0.as_str()));
        }
        if own.1 != usual.1 {
            self.say(subject, if own.1 { "accepts a lower tier" } else { "accepts no lower tier" }.to_owned());
        }
    }
}

/// The limits over all calls and by endpoint.
fn overall(config: &Config, document: Option<&Document>, lines: &mut Lines) {
    lines.limit("global", &config.limits.global);
    if config.limits.global.is_empty() {
        lines.say("global", "no limit".to_owned());
    }
    for (endpoint, entry) in &config.limits.endpoints {
        let path = endpoint.path();
        lines.limit(path, &entry.limit);
        if entry.limit.is_empty() {
            let line = document.and_then(|document| {
                let same = |key: &str| EndpointPath::parse(key) == Some(EndpointPath(*endpoint));
                let key = document.spelled(&["rate_limits", "per_endpoint"], same)?;
                document.line(&["rate_limits", "per_endpoint", key])
            });
            let at = line.map(|line| format!(" (line {line})")).unwrap_or_default();
            lines.say(path, format!("no limit of its own{at}"));
        }
        if let Some(priority) = entry.priority {
            lines.say(path, format!("priority {}", priority.as_str()));
        }
    }
    if config.limits.endpoints.is_empty() && !config.limits.global.is_empty() {
        lines.say("per endpoint", "no limits of their own; the global ones apply".to_owned());
    }
}

/// What is done with a call that a limit has no room for.
fn without_room(config: &Config, lines: &mut Lines) {
    let means = match config.mode {
        Mode::Strict => "strict · a call that finds no room is refused at once",
        Mode::Adaptive => "adaptive · a call that finds no room waits its turn, up to its deadline",
        Mode::Graceful => "graceful · as adaptive, then falls back to a lower tier where its key has agreed",
    };
    lines.say("mode", means.to_owned());
    let somebody_waits = config.mode.waits() || config.keys.iter().any(|key| key.mode.waits());
    if !somebody_waits {
        return;
    }
    let Priorities { classes, max_queue, max_queue_bytes } = &config.priorities;
    let order =
        [("critical", classes.critical), ("high", classes.high), ("normal", classes.normal), ("low", classes.low)];
    let weights: u64 = order.iter().map(|(_, class)| u64::from(class.weight)).sum();
    let class = |(name, class): &(&str, ClassRule)| {
        let share = (u64::from(class.weight) * 100 + weights / 2) / weights.max(1);
        format!("{name} {share} %, {}", class.max_wait)
    };
    let all: Vec<String> = order.iter().map(class).collect();
    lines.say("classes", format!("{} (share while all wait, longest wait)", all.join(" · ")));
    lines.say("queue", format!("{} calls, {max_queue_bytes} of request bodies; beyond that 503", grouped(*max_queue)));
}

/// A rate with its bucket, its step and its worst minute or longer.
fn in_words(rate: &Rate) -> String {
    let unit = match rate.kind {
        RateKind::Requests => "req",
        RateKind::Tokens => "tok",
    };
    let (short, any, worst) = match rate.window {
        Window::Second => ("s", "any second", ("minute", rate.worst_minute())),
        Window::Minute => ("min", "any 60 s", ("minute", rate.worst_minute())),
        Window::Hour => ("h", "any hour", ("hour", rate.worst_window())),
        Window::Day => ("day", "any 24 h", ("day", rate.worst_window())),
    };
    let (period, most) = (worst.0, grouped(worst.1));
    let amount = grouped(rate.amount);
    match rate.shape {
        Shape::SlidingWindow if rate.window == Window::Second => {
            format!("{amount} {unit}/{short} · never more in {any} · worst {period} {most}")
        }
        Shape::SlidingWindow => format!("{amount} {unit}/{short} · never more in {any}"),
        Shape::TokenBucket { capacity, step } => {
            let refill = step.map_or_else(
                || "refilled continuously".to_owned(),
                |step| format!("+{} per {} ms", per_step(rate, step), step.millis()),
            );
            format!("{amount} {unit}/{short} · bucket {} · {refill} · worst {period} {most}", grouped(capacity))
        }
    }
}

/// What one step of refill adds: in hundredths where it is small, so that no step seems to add nothing.
fn per_step(rate: &Rate, step: Period) -> String {
    let window = u128::from(rate.window.seconds()) * 1000;
    let hundredths = (u128::from(rate.amount) * u128::from(step.millis()) * 100 + window / 2) / window;
    let whole = grouped(u64::try_from((hundredths + 50) / 100).unwrap_or(u64::MAX));
    match (hundredths / 100, hundredths % 100) {
        (0, 0) => "less than 0.01".to_owned(),
        (1..100, 0) | (100.., _) => whole,
        (units, part) => format!("{units}.{part:02}").trim_end_matches('0').to_owned(),
    }
}

/// A number with a space between thousands: `400 000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

impl Config {
    /// What is configured, counted: `2 providers (1 simulated) · 3 models · 1 key`.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
        let simulated = self.providers.values().filter(|provider| provider.kind == ProviderKind::Simulated).count();
        let mut text = count(self.providers.len(), "provider");
        if simulated > 0 {
            text.push_str(&format!(" ({simulated} simulated)"));
        }
        let models = self.models.values().filter(|model| !model.builtin).count();
        format!("{text} · {} · {}", count(models, "model"), count(self.keys.len(), "key"))
    }

    /// What its limits mean, without line numbers; [`crate::Loaded::meaning`] has them.
    #[must_use]
    pub fn meaning(&self) -> Vec<Line> {
        meaning(self, None)
    }
}

/// Where prices come from, and which of the file's models have none.
pub(crate) fn prices(config: &Config) -> Option<Diagnostic> {
    let book = PriceBook::bundled();
    let own: Vec<&Model> = config.models.values().filter(|model| !model.builtin).collect();
    let targets = own.iter().flat_map(|model| model.to.iter().map(|entry| &entry.model).chain(&model.fallbacks));
    let unpriced = |target: &&Target| {
        let Some(provider) = config.providers.get(&target.provider) else { return false };
        let priced = provider.vendor.as_deref().is_some_and(|vendor| book.price(vendor, &target.model).is_some());
        let own = config.prices.models.contains_key(&target.to_string());
        provider.kind != ProviderKind::Simulated && !priced && !own
    };
    let mut missing: Vec<String> = targets.filter(unpriced).map(ToString::to_string).collect();
    missing.sort();
    missing.dedup();
    let as_of = book.as_of()?;
    if own.is_empty() {
        return None;
    }
    let what = match &config.prices.file {
        None => format!("prices: bundled list of {as_of}; {} unpriced", missing.len()),
        Some(file) => {
            format!(
                "prices: {} over the bundled list of {as_of}; {} in neither the latter nor `prices.models`",
                file.display(),
                missing.len()
            )
        }
    };
    let diagnostic = Diagnostic::new(codes::PRICES, what);
    Some(if missing.is_empty() { diagnostic } else { diagnostic.note(format!("unpriced: {}", missing.join(", "))) })
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;
