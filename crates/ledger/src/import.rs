//! Price lists of others: LiteLLM's and models.dev's, read into a [`PriceBook`].
//!
//! Both are JSON files that the operator names; nothing is fetched. Figures are read as text and never pass through a
//! float. A model whose prices this book cannot say exactly (billed by the second or the character, or with two
//! thresholds) is left out and reported, so that it is unpriced and not wrong.

use crate::book::{Entry, PriceBook};
use crate::decimal;
use crate::price::{Fees, LongContext, Price, Rates, Schedule};
use crate::rate::Rate;
use crate::row::schedule;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::Money;
use sluicegate_vocabulary::Tier;
use std::collections::BTreeMap;

/// Pico-dollars a token where the file says dollars a token.
const DOLLARS_PER_TOKEN: i32 = 12;
/// Pico-dollars a token where the file says dollars per million tokens.
const DOLLARS_PER_MILLION: i32 = 6;
/// The threshold above which models.dev's `context_over_200k` holds.
const OVER_200K: u64 = 200_000;

/// What was read from a list.
#[derive(Debug, Default)]
pub struct Imported {
    /// The models that have prices.
    pub book: PriceBook,
    /// How many there are.
    pub models: usize,
    /// The models that were left out.
    pub left_out: Vec<Finding>,
}

/// A model that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The model as the list names it.
    pub model: String,
    /// Why it is not in the book.
    pub why: String,
}

/// A file that is not such a list.
#[derive(Debug, thiserror::Error)]
#[error("this is not {list}: {error}")]
pub struct ImportError {
    list: &'static str,
    error: serde_json::Error,
}

/// Reads LiteLLM's `model_prices_and_context_window.json`. `as_of` is the day the file was read, as `YYYY-MM-DD`.
///
/// # Errors
/// The text is not a JSON object of objects.
pub fn from_litellm(text: &str, as_of: &str) -> Result<Imported, ImportError> {
    let list: BTreeMap<String, BTreeMap<String, &RawValue>> =
        serde_json::from_str(text).map_err(|error| ImportError { list: "a LiteLLM price list", error })?;
    let mut imported = Imported::default();
    for (name, fields) in list.iter().filter(|(name, _)| *name != "sample_spec") {
        let fields = Fields { fields, scale: DOLLARS_PER_TOKEN };
        let vendor = fields.word("litellm_provider").map(|vendor| litellm_vendor(&vendor).to_owned());
        let read = vendor.ok_or_else(|| "it names no litellm_provider".to_owned());
        match read.and_then(|vendor| Ok((fields.litellm()?, vendor))) {
            Ok((price, vendor)) => {
                let model = name.strip_prefix(&format!("{vendor}/")).unwrap_or(name);
                let mode = fields.word("mode").unwrap_or_else(|| "chat".to_owned());
                let source = fields.word("source").or(Some("LiteLLM price list".to_owned()));
                let entry = Entry { price, mode, from: None, retires: None, as_of: as_of.to_owned(), source };
                imported.book.insert(&vendor, model, entry);
                imported.models += 1;
            }
            Err(why) => imported.left_out.push(Finding { model: name.clone(), why }),
        }
    }
    Ok(imported)
}

/// LiteLLM's names for vendors, where ours differ.
fn litellm_vendor(name: &str) -> &str {
    match name {
        "text-completion-openai" => "openai",
        "vertex_ai-language-models" | "vertex_ai-embedding-models" => "vertex_ai",
        other => other,
    }
}

#[derive(Deserialize)]
struct Provider<'a> {
    #[serde(borrow, default)]
    models: BTreeMap<String, Model<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    cost: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(borrow, default)]
    limit: BTreeMap<String, &'a RawValue>,
}

/// Reads models.dev's `api.json`. `as_of` is the day the file was read, as `YYYY-MM-DD`.
///
/// # Errors
/// The text is not a JSON object of providers with their models.
pub fn from_models_dev(text: &str, as_of: &str) -> Result<Imported, ImportError> {
    let wrong = |error| ImportError { list: "a models.dev price list", error };
    let list: BTreeMap<String, Provider<'_>> = serde_json::from_str(text).map_err(wrong)?;
    let mut imported = Imported::default();
    for (vendor, provider) in &list {
        let vendor = if vendor == "google" { "gemini" } else { vendor };
        for (model, facts) in &provider.models {
            let cost = facts.cost.as_ref().ok_or_else(|| "it has no cost".to_owned());
            let read = cost.and_then(|cost| Fields { fields: cost, scale: DOLLARS_PER_MILLION }.models_dev());
            match read {
                Ok(price) => {
                    let sizes = Fields { fields: &facts.limit, scale: 0 };
                    let price =
                        Price { context_window: sizes.count("context"), max_output: sizes.count("output"), ..price };
                    let (mode, source) = ("chat".to_owned(), Some("models.dev".to_owned()));
                    let entry = Entry { price, mode, from: None, retires: None, as_of: as_of.to_owned(), source };
                    imported.book.insert(vendor, model, entry);
                    imported.models += 1;
                }
                Err(why) => imported.left_out.push(Finding { model: format!("{vendor}/{model}"), why }),
            }
        }
    }
    Ok(imported)
}

/// A model's figures by name.
struct Fields<'f, 'a> {
    fields: &'f BTreeMap<String, &'a RawValue>,
    scale: i32,
}

impl Fields<'_, '_> {
    fn word(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.fields.get(name)?.get()).ok()
    }

    /// A size, of which some lists say `8192` and others `8192.0` or `"8192"`.
    fn count(&self, name: &str) -> Option<u64> {
        let text = self.fields.get(name)?.get();
        decimal::scaled(text.trim_matches('"'), 0).filter(|count| *count > 0)
    }

    fn rate(&self, name: &str) -> Result<Option<Rate>, String> {
        let Some(text) = self.fields.get(name).map(|raw| raw.get()).filter(|text| *text != "null") else {
            return Ok(None);
        };
        let picos = decimal::scaled(text, self.scale).ok_or_else(|| format!("{name} is not a price: {text:.40}"))?;
        Ok(Some(Rate::from_picos(picos)))
    }

    fn fee(&self, name: &str) -> Result<Option<Money>, String> {
        let Some(text) = self.fields.get(name).map(|raw| raw.get()).filter(|text| *text != "null") else {
            return Ok(None);
        };
        let nanos = decimal::scaled(text, 9).and_then(|nanos| i64::try_from(nanos).ok());
        nanos.map(|nanos| Some(Money::from_nanos(nanos))).ok_or_else(|| format!("{name} is not a price: {text:.40}"))
    }

    fn litellm(&self) -> Result<Price, String> {
        // Ways of billing that the book has no column for; a model that has one would be billed too little without it.
        const FOREIGN: [&str; 5] =
            ["_per_second", "_per_character", "_per_pixel", "_per_query", "_per_video_per_second"];
        let set = |name: &String| self.rate(name).ok().flatten().is_some_and(|rate| rate.picos() > 0);
        let priced = |name: &&String| name.starts_with("input_cost") || name.starts_with("output_cost");
        let foreign =
            self.fields.keys().filter(priced).find(|name| FOREIGN.iter().any(|way| name.contains(way)) && set(name));
        if let Some(name) = foreign {
            return Err(format!("it is billed by {name}"));
        }
        let input = self.rate("input_cost_per_token")?;
        let output = self.rate("output_cost_per_token")?;
        let fees = Fees {
            request: self.fee("input_cost_per_request")?,
            image: self.fee("output_cost_per_image")?,
            ..self.litellm_searches()?
        };
        let input = match input {
            Some(input) => input,
            None if fees.image.is_some() => Rate::default(),
            None => return Err("it has no input_cost_per_token".to_owned()),
        };
        let embeds =
            self.word("mode").is_some_and(|mode| mode != "chat" && mode != "responses" && mode != "completion");
        let output = output.or_else(|| embeds.then(Rate::default)).ok_or("it has no output_cost_per_token")?;
        let rates = Rates {
            input,
            cached_input: self.rate("cache_read_input_token_cost")?,
            cache_write: self.rate("cache_creation_input_token_cost")?,
            cache_write_long: self.rate("cache_creation_input_token_cost_above_1hr")?,
            output,
            reasoning: self.rate("output_cost_per_reasoning_token")?,
            input_audio: self.rate("input_cost_per_audio_token")?,
            output_audio: self.rate("output_cost_per_audio_token")?,
            input_image: self.rate("input_cost_per_image_token")?,
            output_image: self.rate("output_cost_per_image_token")?,
        };
        let long_context = self.litellm_long(&rates)?;
        let mut tiers = Vec::new();
        for (tier, suffix) in [(Tier::Batch, "_batches"), (Tier::Flex, "_flex"), (Tier::Priority, "_priority")] {
            if let Some(schedule) = self.litellm_tier(&rates, long_context.as_ref(), suffix)? {
                tiers.push((tier, schedule));
            }
        }
        let (context_window, max_output) = (self.count("max_input_tokens"), self.count("max_output_tokens"));
        Ok(Price { rates, long_context, tiers, fees, context_window, max_output })
    }

    /// What searches cost, where they cost the same whatever their size: which size is asked for nobody tells. Of Gemini's
    /// models a request is billed that has searched, unless the list says that searches are.
    fn litellm_searches(&self) -> Result<Fees, String> {
        let Some(raw) = self.fields.get("search_context_cost_per_query").filter(|raw| raw.get() != "null") else {
            return Ok(Fees::default());
        };
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| "search_context_cost_per_query is not an object")?;
        let sizes = Fields { fields: &fields, scale: self.scale };
        let costs: Vec<Option<Money>> = fields.keys().map(|size| sizes.fee(size)).collect::<Result<_, _>>()?;
        let fee = costs.first().copied().flatten().filter(|fee| costs.iter().all(|cost| *cost == Some(*fee)));
        let google =
            self.word("litellm_provider").is_some_and(|vendor| vendor == "gemini" || vendor.starts_with("vertex"));
        let by_query = self.word("web_search_billing_unit").map_or(!google, |unit| unit == "per_query");
        Ok(match by_query {
            true => Fees { web_search: fee, ..Fees::default() },
            false => Fees { search_request: fee, ..Fees::default() },
        })
    }

    fn litellm_long(&self, rates: &Rates) -> Result<Option<LongContext>, String> {
        let threshold = |name: &String| {
            let middle = name.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?;
            decimal::scaled(middle, 0)?.checked_mul(1000)
        };
        let mut thresholds = self.fields.keys().filter_map(threshold);
        let Some(above) = thresholds.next() else { return Ok(None) };
        if thresholds.next().is_some() {
            return Err("it has more than one threshold of length".to_owned());
        }
        let of = |stem: &str| self.rate(&format!("{stem}_above_{}k_tokens", above / 1000));
        let input = of("input_cost_per_token")?;
        let output = of("output_cost_per_token")?;
        let mut long = rates.moved(input, of("cache_read_input_token_cost")?, output);
        long.cache_write = of("cache_creation_input_token_cost")?.or(long.cache_write);
        long.cache_write_long = of("cache_creation_input_token_cost_above_1hr")?.or(long.cache_write_long);
        Ok(Some(LongContext { above, rates: long }))
    }

    fn litellm_tier(
        &self,
        rates: &Rates,
        long: Option<&LongContext>,
        suffix: &str,
    ) -> Result<Option<Schedule>, String> {
        let of = |stem: &str| self.rate(&format!("{stem}{suffix}"));
        let given = [of("input_cost_per_token")?, of("cache_read_input_token_cost")?, of("output_cost_per_token")?];
        let [Some(_), _, Some(_)] = given else { return Ok(None) };
        let mut schedule = schedule(rates, long, given);
        if let (Some(long), Some(derived)) = (long, schedule.long.as_mut()) {
            let at = |stem: &str| self.rate(&format!("{stem}_above_{}k_tokens{suffix}", long.above / 1000));
            derived.input = at("input_cost_per_token")?.unwrap_or(derived.input);
            derived.cached_input = at("cache_read_input_token_cost")?.or(derived.cached_input);
            derived.output = at("output_cost_per_token")?.unwrap_or(derived.output);
        }
        Ok(Some(schedule))
    }

    fn models_dev(&self) -> Result<Price, String> {
        let rates = self.models_dev_rates()?;
        let long_context = match self.fields.get("context_over_200k") {
            Some(raw) => {
                let fields: BTreeMap<String, &RawValue> =
                    serde_json::from_str(raw.get()).map_err(|_| "context_over_200k is not an object")?;
                let over = Fields { fields: &fields, scale: self.scale }.models_dev_rates()?;
                let mut long = rates.moved(Some(over.input), over.cached_input, Some(over.output));
                long.cache_write = over.cache_write.or(long.cache_write);
                Some(LongContext { above: OVER_200K, rates: long })
            }
            None if self.fields.contains_key("tiers") => {
                return Err("it has thresholds of length that are not said as context_over_200k".to_owned());
            }
            None => None,
        };
        Ok(Price { rates, long_context, ..Price::default() })
    }

    fn models_dev_rates(&self) -> Result<Rates, String> {
        Ok(Rates {
            input: self.rate("input")?.ok_or("it has no input price")?,
            cached_input: self.rate("cache_read")?,
            cache_write: self.rate("cache_write")?,
            output: self.rate("output")?.ok_or("it has no output price")?,
            reasoning: self.rate("reasoning")?,
            input_audio: self.rate("input_audio")?,
            output_audio: self.rate("output_audio")?,
            ..Rates::default()
        })
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
