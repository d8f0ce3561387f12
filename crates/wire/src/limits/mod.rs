//! What a provider tells of its limits in the headers of every answer.
//!
//! Two families of names are in use: `x-ratelimit-remaining-tokens` (OpenAI and all who took over its form, some with
//! the window at the end: `x-ratelimit-limit-tokens-minute`) and `anthropic-ratelimit-input-tokens-remaining`. The times
//! at which a limit is whole again come as durations in Go's form, as bare seconds, as moments, as counts since 1970.
//! All are read into one [`Limits`]; what is absent, negative or no number is simply not known.
//!
//! Headers are looked at in one pass, and one that does not begin like these costs a comparison. Limits by the day or
//! the month are left alone: they say nothing about the pace at which to send now.

pub(crate) mod moment;

use std::time::Duration;

/// One limit as a provider tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// How much there is in all.
    pub limit: Option<u64>,
    /// How much of it is left, at the least: where a provider rounds, the lowest number it may have rounded.
    pub remaining: Option<u64>,
    /// How long until it is whole again.
    pub reset: Option<Duration>,
}

/// What a provider told of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Calls.
    pub requests: Option<Level>,
    /// Tokens of both directions.
    pub tokens: Option<Level>,
    /// Tokens sent to the model.
    pub input_tokens: Option<Level>,
    /// Tokens made by the model.
    pub output_tokens: Option<Level>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

/// What is counted, in the words of all providers.
const DIMENSIONS: &[(&str, Dimension)] = &[
    ("requests", Dimension::Requests),
    // Mistral.
    ("req", Dimension::Requests),
    ("tokens", Dimension::Tokens),
    ("input-tokens", Dimension::InputTokens),
    ("output-tokens", Dimension::OutputTokens),
];

/// Anthropic rounds what is left of tokens to thousands.
const HALF_A_THOUSAND: u64 = 500;

impl Limits {
    /// Reads the headers of an answer, names in lower case. `now_ms` is the time of day in milliseconds since 1970, used
    /// for moments if the answer has no `date`.
    #[must_use]
    pub fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone, now_ms: u64) -> Self {
        let mut limits = Self::default();
        let clock = headers.clone();
        for (name, value) in headers {
            let Some((dimension, field, rounded)) = meaning(name) else { continue };
            let Ok(value) = str::from_utf8(value) else { continue };
            let level = limits.level(dimension);
            match field {
                "limit" => level.limit = count(value),
                "remaining" => {
                    level.remaining = count(value).map(|n| if rounded { n.saturating_sub(HALF_A_THOUSAND) } else { n });
                }
                _ => level.reset = moment::wait(value, || date(clock.clone()).unwrap_or(now_ms)),
            }
        }
        limits
    }

    /// Whether nothing was told.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none() && self.input_tokens.is_none() && self.output_tokens.is_none()
    }

    /// Tokens left, of the kind of which least is left.
    #[must_use]
    pub fn tokens_left(&self) -> Option<u64> {
        [self.tokens, self.input_tokens, self.output_tokens].into_iter().flatten().filter_map(|it| it.remaining).min()
    }

    fn level(&mut self, dimension: Dimension) -> &mut Level {
        let slot = match dimension {
            Dimension::Requests => &mut self.requests,
            Dimension::Tokens => &mut self.tokens,
            Dimension::InputTokens => &mut self.input_tokens,
            Dimension::OutputTokens => &mut self.output_tokens,
        };
        slot.get_or_insert_default()
    }
}

/// What a header is about: what it counts, which of `limit`, `remaining` and `reset` it tells, and whether what is left
/// is rounded.
#[inline]
fn meaning(name: &str) -> Option<(Dimension, &str, bool)> {
    let (what, field, rounds) = if let Some(rest) = name.strip_prefix("x-ratelimit-") {
        let (field, what) = rest.split_once('-')?;
        (what.strip_suffix("-minute").unwrap_or(what), field, false)
    } else {
        let (what, field) = name.strip_prefix("anthropic-ratelimit-")?.rsplit_once('-')?;
        (what, field, true)
    };
    let (_, dimension) = DIMENSIONS.iter().find(|(word, _)| *word == what)?;
    let known = matches!(field, "limit" | "remaining" | "reset");
    known.then_some((*dimension, field, rounds && *dimension != Dimension::Requests))
}

/// The `date` of an answer in milliseconds since 1970.
fn date<'a>(mut headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<u64> {
    let (_, value) = headers.find(|(name, _)| *name == "date")?;
    u64::try_from(moment::http_date(str::from_utf8(value).ok()?)?).ok().map(|seconds| seconds * 1000)
}

/// A whole number, also written with a fraction; negative means unknown (Azure).
fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let value: f64 = text.parse().ok()?;
        (0.0..1e18).contains(&value).then_some(value as u64)
    })
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
