//! What one model costs, by class and by tier, and the bill for a call.
//!
//! Usage counts disjoint classes, so a cost is a plain sum over them. Four things make it more than one product: cached
//! input has rates of its own, some models charge the *whole* request more once its input passes a threshold, providers
//! serve calls in tiers of different prices, and a class may have no published rate. A missing rate of a cheaper class
//! is not a licence to charge nothing: cached input without a rate costs what input costs, and so does a cache write;
//! reasoning costs what output costs; a tier that is sold at a discount costs the standard rate. What is dearer than
//! the ordinary (audio, pictures, the priority tier, searches) and has no rate makes the call unpriced.

use crate::charge::{Charge, Line, Unpriced};
use crate::consumption::Class;
use crate::rate::Rate;
use sluicegate_vocabulary::{Money, Tier, Usage};
use smallvec::SmallVec;

/// The prices of one model and the sizes published with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Price {
    /// Rates of a request of ordinary length in the standard tier.
    pub rates: Rates,
    /// Rates of a request whose input passes a threshold, where the vendor has such.
    pub long_context: Option<LongContext>,
    /// Rates of the other tiers that are published.
    pub tiers: Vec<(Tier, Schedule)>,
    /// Prices by the piece.
    pub fees: Fees,
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
    /// Output.
    pub output: Rate,
    /// Reasoning, where it is not billed as output.
    pub reasoning: Option<Rate>,
    /// Audio input.
    pub input_audio: Option<Rate>,
    /// Audio output.
    pub output_audio: Option<Rate>,
    /// Input of pictures, where it is counted apart.
    pub input_image: Option<Rate>,
    /// Output of pictures, where it is counted apart.
    pub output_image: Option<Rate>,
}

/// Dearer rates for long requests. They apply to the whole request, not to the part above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongContext {
    /// Total input, cached parts included, above which these rates apply.
    pub above: u64,
    /// The rates.
    pub rates: Rates,
}

/// The rates of one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Rates of a request of ordinary length.
    pub rates: Rates,
    /// Rates of a long one, above the model's threshold.
    pub long: Option<Rates>,
}

/// Prices by the piece. An absent price of a request means that requests are free; an absent price of anything else
/// means that it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fees {
    /// The request itself.
    pub request: Option<Money>,
    /// A picture made.
    pub image: Option<Money>,
    /// A search in the web.
    pub web_search: Option<Money>,
    /// A request that searched in the web, however often: what stands in the place of a price of each search.
    pub search_request: Option<Money>,
    /// A search in files.
    pub file_search: Option<Money>,
    /// A session in which code is run.
    pub code_session: Option<Money>,
}

impl Fees {
    /// The price of a class that is billed by the piece.
    #[must_use]
    pub const fn of(&self, class: Class) -> Option<Money> {
        match class {
            Class::Request => self.request,
            Class::Image => self.image,
            Class::WebSearch if self.search_request.is_some() => self.search_request,
            Class::WebSearch => self.web_search,
            Class::FileSearch => self.file_search,
            Class::CodeSession => self.code_session,
            _ => None,
        }
    }

    /// How much of a class is billed of what was used.
    const fn billed(&self, class: Class, used: &Usage) -> u64 {
        let quantity = class.of(used);
        match class {
            Class::WebSearch if self.search_request.is_some() && quantity > 1 => 1,
            _ => quantity,
        }
    }
}

impl Price {
    /// A price of input and output alone.
    #[must_use]
    pub fn flat(input: Rate, output: Rate) -> Self {
        Self { rates: Rates { input, output, ..Rates::default() }, ..Self::default() }
    }

    /// What a call costs, summed exactly and rounded once to nano-dollars. `None` when it
    /// used a class of tokens that has no rate.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        self.charge(usage).ok().map(|charge| charge.total)
    }

    /// The bill for a call, with its arithmetic.
    ///
    /// # Errors
    /// The first class that was used and has no rate.
    pub fn charge(&self, used: &Usage) -> Result<Charge, Unpriced> {
        let rates = self.rates_for(used).ok_or(Unpriced::Tier(used.tier))?;
        let mut lines = SmallVec::new();
        for class in Class::ALL {
            let quantity = self.fees.billed(class, used);
            if quantity == 0 || (class == Class::Request && self.fees.request.is_none()) {
                continue;
            }
            let unit = self.unit(rates, class).ok_or(Unpriced::Class(class))?;
            lines.push(Line { class, quantity, unit });
        }
        Ok(Charge::new(lines))
    }

    /// What a call costs at least where [`Price::charge`] finds a part of it without a rate: what is dearer than the
    /// ordinary costs no less than that, so a dearer tier is charged as the standard one, audio and pictures as text, and
    /// pieces without a price not at all.
    #[must_use]
    pub fn at_least(&self, used: &Usage) -> Charge {
        let tier = if self.rates_for(used).is_some() { used.tier } else { Tier::Standard };
        let used = Usage { tier, ..*used };
        let rates = self.rates_for(&used).unwrap_or(&self.rates);
        let line = |class: Class| {
            let instead = match class {
                Class::InputAudio | Class::InputImage => Some(Class::Input),
                Class::OutputAudio | Class::OutputImage => Some(Class::Output),
                _ => None,
            };
            let unit = self.unit(rates, class).or_else(|| self.unit(rates, instead?))?;
            Some(Line { class, quantity: self.fees.billed(class, &used), unit })
        };
        Charge::new(Class::ALL.into_iter().filter_map(line).filter(|line| line.quantity > 0).collect())
    }

    /// The most that a call may cost whose input is at most `input` tokens and whose output is at most `output`, in
    /// whatever class they may be counted, audio and pictures aside: what to hold before it is made. What a tier may add
    /// is in it only if the call asks for that tier.
    #[must_use]
    pub fn ceiling(&self, input: u64, output: u64, tier: Tier) -> Money {
        let used = Usage { input, tier, ..Usage::default() };
        let rates = self.rates_for(&used).unwrap_or(&self.rates);
        let into =
            rates.input.max(rates.cache_write.unwrap_or_default()).max(rates.cache_write_long.unwrap_or_default());
        let out = rates.output.max(rates.reasoning.unwrap_or_default());
        let picos = into.times(input).saturating_add(out.times(output));
        // Up, so that a bill times any multiplier is not above the ceiling times the same.
        Money::from_picos(picos.saturating_add(499)) + self.fees.request.unwrap_or_default()
    }

    /// The rates that apply to a call, or `None` where its tier is dearer than the standard one and has none.
    #[must_use]
    pub fn rates_for(&self, used: &Usage) -> Option<&Rates> {
        let long = self.long_context.as_ref().filter(|long| used.total_input() > long.above);
        match self.tiers.iter().find(|(tier, _)| *tier == used.tier) {
            Some((_, schedule)) if long.is_some() => schedule.long.as_ref(),
            Some((_, schedule)) => Some(&schedule.rates),
            None if used.tier == Tier::Priority => None,
            None => Some(long.map_or(&self.rates, |long| &long.rates)),
        }
    }

    /// The price of one token or one piece, in pico-dollars.
    fn unit(&self, rates: &Rates, class: Class) -> Option<u64> {
        if class.is_tokens() {
            return rates.of(class).map(Rate::picos);
        }
        let nanos = u64::try_from(self.fees.of(class)?.nanos()).ok()?;
        nanos.checked_mul(1000)
    }
}

impl Rates {
    /// The rates that are stated, by the words of price lists, in the order of a bill.
    pub fn stated(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        let all = [
            (Class::Input, Some(self.input)),
            (Class::CachedInput, self.cached_input),
            (Class::CacheWrite, self.cache_write),
            (Class::CacheWriteLong, self.cache_write_long),
            (Class::InputAudio, self.input_audio),
            (Class::InputImage, self.input_image),
            (Class::Output, Some(self.output)),
            (Class::Reasoning, self.reasoning),
            (Class::OutputAudio, self.output_audio),
            (Class::OutputImage, self.output_image),
        ];
        all.into_iter().filter_map(|(class, rate)| Some((class.as_str(), rate?)))
    }

    /// The rate of a class of tokens: its own, or that of the class it falls back to.
    #[must_use]
    pub const fn of(&self, class: Class) -> Option<Rate> {
        const fn or(rate: Option<Rate>, other: Rate) -> Rate {
            match rate {
                Some(rate) => rate,
                None => other,
            }
        }
        match class {
            Class::Input => Some(self.input),
            Class::CachedInput => Some(or(self.cached_input, self.input)),
            Class::CacheWrite => Some(or(self.cache_write, self.input)),
            Class::CacheWriteLong => Some(or(self.cache_write_long, or(self.cache_write, self.input))),
            Class::InputAudio => self.input_audio,
            Class::InputImage => self.input_image,
            Class::Output => Some(self.output),
            Class::Reasoning => Some(or(self.reasoning, self.output)),
            Class::OutputAudio => self.output_audio,
            Class::OutputImage => self.output_image,
            _ => None,
        }
    }

    /// These rates where input, cached input and output are as given: what is not given, and every other class, moves
    /// as the input or the output beside it does.
    #[must_use]
    pub(crate) fn moved(&self, input: Option<Rate>, cached: Option<Rate>, output: Option<Rate>) -> Self {
        let (into, out) = (input.unwrap_or(self.input), output.unwrap_or(self.output));
        let as_input = |rate: Option<Rate>| rate.map(|rate| rate.scaled(into, self.input).unwrap_or(rate));
        let as_output = |rate: Option<Rate>| rate.map(|rate| rate.scaled(out, self.output).unwrap_or(rate));
        Self {
            input: into,
            cached_input: cached.or_else(|| as_input(self.cached_input)),
            cache_write: as_input(self.cache_write),
            cache_write_long: as_input(self.cache_write_long),
            output: out,
            reasoning: as_output(self.reasoning),
            input_audio: as_input(self.input_audio),
            output_audio: as_output(self.output_audio),
            input_image: as_input(self.input_image),
            output_image: as_output(self.output_image),
        }
    }

    /// `long`, which stands to `standard` as what is returned stands to these rates.
    #[must_use]
    pub(crate) fn lengthened(&self, standard: &Self, long: &Self) -> Self {
        let grown = |mine: Option<Rate>, standard: Option<Rate>, long: Option<Rate>| {
            mine.map(|mine| match (standard, long) {
                (Some(standard), Some(long)) => mine.scaled(long, standard).unwrap_or(mine),
                _ => mine,
            })
        };
        let of = |class: Class, mine: Option<Rate>| grown(mine, standard.of(class), long.of(class));
        Self {
            input: of(Class::Input, Some(self.input)).unwrap_or(self.input),
            cached_input: of(Class::CachedInput, self.cached_input),
            cache_write: of(Class::CacheWrite, self.cache_write),
            cache_write_long: of(Class::CacheWriteLong, self.cache_write_long),
            output: of(Class::Output, Some(self.output)).unwrap_or(self.output),
            reasoning: of(Class::Reasoning, self.reasoning),
            input_audio: of(Class::InputAudio, self.input_audio),
            output_audio: of(Class::OutputAudio, self.output_audio),
            input_image: of(Class::InputImage, self.input_image),
            output_image: of(Class::OutputImage, self.output_image),
        }
    }
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
