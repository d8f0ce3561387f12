//! What one model's tokens cost, by class, and the sum for a call.
//!
//! [`Usage`] counts disjoint classes, so a cost is a plain sum over them. Three things make it more than one product:
//! cached input has rates of its own, some models charge the *whole* request more once its input passes a threshold, and
//! a class may have no published rate. A missing rate of a cheaper class is not a licence to charge nothing: cached input
//! without a rate costs what input costs, and so does a cache write. Audio is dearer than text, so audio without a rate
//! makes the call unpriced.

use crate::rate::Rate;
use sluicegate_vocabulary::{Money, Usage};

/// The prices of one model and the sizes published with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Rates of a request of ordinary length.
    pub rates: Rates,
    /// Rates of a request whose input passes a threshold, where the vendor has such.
    pub long_context: Option<LongContext>,
    /// Tokens of the context window.
    pub context_window: Option<u64>,
    /// Most tokens of output.
    pub max_output: Option<u64>,
}

/// One rate for each class of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Input that no cache served.
    pub input: Rate,
    /// Input read from the provider's cache.
    pub cached_input: Option<Rate>,
    /// Input written to the provider's cache for minutes.
    pub cache_write: Option<Rate>,
    /// Input written to the provider's cache for hours.
    pub cache_write_long: Option<Rate>,
    /// Output and reasoning.
    pub output: Rate,
    /// Audio input.
    pub input_audio: Option<Rate>,
    /// Audio output.
    pub output_audio: Option<Rate>,
}

/// Dearer rates for long requests. They apply to the whole request, not to the part above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongContext {
    /// Total input, cached parts included, above which these rates apply.
    pub above: u64,
    /// The rates.
    pub rates: Rates,
}

impl Price {
    /// A price of input and output alone.
    #[must_use]
    pub fn flat(input: Rate, output: Rate) -> Self {
        let rates = Rates { input, output, ..Rates::default() };
        Self { rates, long_context: None, context_window: None, max_output: None }
    }

    /// What a call costs, summed exactly and rounded once to nano-dollars. `None` when it used a class of tokens that
    /// has no rate.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        self.rates_for(usage).picos(usage).map(Money::from_picos)
    }

    /// The rates that apply to a call of this usage.
    #[must_use]
    pub fn rates_for(&self, usage: &Usage) -> &Rates {
        match &self.long_context {
            Some(long) if usage.total_input() > long.above => &long.rates,
            _ => &self.rates,
        }
    }
}

impl Rates {
    fn picos(&self, usage: &Usage) -> Option<i128> {
        let write = self.cache_write.unwrap_or(self.input);
        let classes = [
            (usage.input, Some(self.input)),
            (usage.cache_read, Some(self.cached_input.unwrap_or(self.input))),
            (usage.cache_write, Some(write)),
            (usage.cache_write_long, Some(self.cache_write_long.unwrap_or(write))),
            (usage.input_audio, self.input_audio),
            (usage.output, Some(self.output)),
            (usage.reasoning, Some(self.output)),
            (usage.output_audio, self.output_audio),
        ];
        classes
            .into_iter()
            .filter(|(tokens, _)| *tokens > 0)
            .map(|(tokens, rate)| rate.map(|rate| rate.times(tokens)))
            .sum()
    }
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
