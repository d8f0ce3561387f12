//! What the numbers mean, in words, because that is what people get wrong.

use crate::codes;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::limits::{EndpointLimit, Limit, Rate, Shape};
use crate::model::{Model, Target};
use crate::provider::ProviderKind;
use sluicegate_ledger::PriceBook;

/// One line of explanation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// What it is about: `global`, `/chat/completions`.
    pub subject: String,
    /// What holds for it.
    pub text: String,
}

/// What every limit means, the worst minute included. The document gives line numbers where it is there.
pub(crate) fn meaning(config: &Config, document: Option<&Document>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |subject: &str, text: String| lines.push(Line { subject: subject.to_owned(), text });
    let Limit { requests, tokens } = config.limits.global;
    for (rate, unit) in [(requests, "req/min"), (tokens, "tok/min")] {
        if let Some(rate) = rate {
            say("global", in_full(&rate, unit));
        }
    }
    if requests.is_none() && tokens.is_none() {
        say("global", "no limit".to_owned());
    }
    for (endpoint, entry) in &config.limits.endpoints {
        let path = endpoint.path();
        let line = document.and_then(|document| document.line(&["rate_limits", "per_endpoint", path]));
        say(path, in_short(entry, &config.limits.global, line));
    }
    if config.limits.endpoints.is_empty() && (requests.is_some() || tokens.is_some()) {
        say("per endpoint", "no limits of their own; the global ones apply".to_owned());
    }
    lines
}

/// A rate with its bucket, its step and its worst minute.
fn in_full(rate: &Rate, unit: &str) -> String {
    let per_minute = grouped(rate.per_minute);
    match rate.shape {
        Shape::SlidingWindow => format!("{per_minute} {unit} · never more in any 60 s"),
        Shape::TokenBucket { capacity, step } => {
            let refill = match (step, rate.per_step()) {
                (Some(step), Some(amount)) => format!("+{} per {} ms", grouped(amount), step.millis()),
                _ => "refilled continuously".to_owned(),
            };
            let worst = grouped(rate.worst_minute());
            format!("{per_minute} {unit} · bucket {} · {refill} · worst minute {worst}", grouped(capacity))
        }
    }
}

/// An endpoint's own limits on one line.
fn in_short(entry: &EndpointLimit, global: &Limit, line: Option<usize>) -> String {
    let mut parts = Vec::new();
    let both = [(entry.limit.requests, global.requests, "req/min"), (entry.limit.tokens, global.tokens, "tok/min")];
    for (own, global, unit) in both {
        let Some(own) = own else { continue };
        // Where the burst is the global limit's, the line above has said how it works.
        let same_shape =
            global.is_some_and(|global| std::mem::discriminant(&global.shape) == std::mem::discriminant(&own.shape));
        match own.shape {
            Shape::TokenBucket { capacity, .. } if same_shape => {
                let worst = grouped(own.worst_minute());
                parts.push(format!(
                    "{} {unit} (bucket {}, worst minute {worst})",
                    grouped(own.per_minute),
                    grouped(capacity)
                ));
            }
            _ if same_shape => parts.push(format!("{} {unit}", grouped(own.per_minute))),
            _ => parts.push(in_full(&own, unit)),
        }
    }
    if parts.is_empty() {
        let at = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        parts.push(format!("no limit of its own{at}"));
    }
    if let Some(priority) = entry.priority {
        parts.push(format!("priority {}", priority.as_str()));
    }
    parts.join(" · ")
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
        provider.kind != ProviderKind::Simulated && !priced
    };
    let mut missing: Vec<String> = targets.filter(unpriced).map(ToString::to_string).collect();
    missing.sort();
    missing.dedup();
    let as_of = book.as_of()?;
    if own.is_empty() {
        return None;
    }
    let what = format!("prices: bundled list of {as_of}; {} unpriced", missing.len());
    let diagnostic = Diagnostic::new(codes::PRICES, what);
    Some(if missing.is_empty() { diagnostic } else { diagnostic.note(format!("unpriced: {}", missing.join(", "))) })
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;
