//! One line of a price list: its columns, read and written.
//!
//! Rates are dollars per million tokens, fees dollars each. Only the first columns are needed; what a line leaves out
//! follows from what it says. Rates of a tier or of long requests that are not given move as the input or the output
//! beside them does, since that is how vendors price them.

use crate::book::Entry;
use crate::consumption::Class;
use crate::price::{Fees, LongContext, Price, Rates, Schedule};
use crate::rate::Rate;
use sluicegate_vocabulary::Money;
use sluicegate_vocabulary::Tier;
use std::fmt::Display;
use std::str::FromStr;

/// Every column of a price list, in the order in which lists are written.
pub const COLUMNS: &[&str] = &[
    "vendor",
    "model",
    "mode",
    "input",
    "cached_input",
    "cache_write",
    "cache_write_long",
    "output",
    "reasoning",
    "input_audio",
    "output_audio",
    "input_image",
    "output_image",
    "batch_input",
    "batch_cached",
    "batch_output",
    "flex_input",
    "flex_cached",
    "flex_output",
    "priority_input",
    "priority_cached",
    "priority_output",
    "long_context_above",
    "long_input",
    "long_cached",
    "long_cache_write",
    "long_cache_write_long",
    "long_output",
    "request_fee",
    "image_fee",
    "web_search_fee",
    "search_request_fee",
    "file_search_fee",
    "code_session_fee",
    "context_window",
    "max_output",
    "from",
    "retires",
    "as_of",
    "source",
];

/// The columns without which a line says nothing.
const NEEDED: [&str; 4] = ["vendor", "model", "input", "as_of"];

/// The tiers that have columns, with the columns of input, cached input and output.
const TIERS: [(Tier, [&str; 3]); 3] = [
    (Tier::Batch, ["batch_input", "batch_cached", "batch_output"]),
    (Tier::Flex, ["flex_input", "flex_cached", "flex_output"]),
    (Tier::Priority, ["priority_input", "priority_cached", "priority_output"]),
];

/// The heading of one list: which of the columns it has, in its order.
pub(crate) struct Heading {
    columns: Vec<&'static str>,
}

impl Heading {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut columns = Vec::new();
        for name in text.split(',').map(str::trim) {
            let known = COLUMNS.iter().find(|column| **column == name);
            let column =
                *known.ok_or_else(|| format!("the heading has `{name}`; columns are {}", COLUMNS.join(", ")))?;
            if columns.contains(&column) {
                return Err(format!("the heading has {column} twice"));
            }
            columns.push(column);
        }
        match NEEDED.into_iter().find(|needed| !columns.contains(needed)) {
            Some(missing) => Err(format!("the heading needs {missing}")),
            None => Ok(Self { columns }),
        }
    }

    /// A line's vendor, model and entry.
    pub(crate) fn entry<'a>(&self, text: &'a str) -> Result<(&'a str, &'a str, Entry), String> {
        let fields: Vec<&str> = text.split(',').collect();
        if fields.len() != self.columns.len() {
            return Err(format!("{} fields are needed, there are {}", self.columns.len(), fields.len()));
        }
        let row = Row { columns: &self.columns, fields };
        let (vendor, model, as_of) = (row.text("vendor"), row.text("model"), row.text("as_of"));
        if vendor.is_empty() || model.is_empty() || as_of.is_empty() {
            return Err("vendor, model and as_of are needed".to_owned());
        }
        for column in ["as_of", "from", "retires"] {
            let day = row.text(column);
            if !day.is_empty() && !has_shape(day, "0000-00-00") {
                return Err(format!("{column}: `{day}` is not a day; write YYYY-MM-DD"));
            }
        }
        let said = |column| Some(row.text(column)).filter(|text| !text.is_empty()).map(str::to_owned);
        let entry = Entry {
            price: row.price()?,
            mode: said("mode").unwrap_or_else(|| "chat".to_owned()),
            from: said("from"),
            retires: said("retires"),
            as_of: as_of.to_owned(),
            source: said("source"),
        };
        Ok((vendor, model, entry))
    }
}

struct Row<'h, 't> {
    columns: &'h [&'static str],
    fields: Vec<&'t str>,
}

impl<'t> Row<'_, 't> {
    fn text(&self, column: &str) -> &'t str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.fields.get(at)).map_or("", |text| text.trim())
    }

    fn read<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, String> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error| format!("{column}: {error}"))
    }

    fn fee(&self, column: &str) -> Result<Option<Money>, String> {
        match self.read::<Money>(column)? {
            Some(fee) if fee < Money::ZERO => Err(format!("{column}: a fee is not negative")),
            fee => Ok(fee),
        }
    }

    fn price(&self) -> Result<Price, String> {
        let input = self.read("input")?.ok_or("a model without an input price does not belong in the book")?;
        let output = match self.read("output")? {
            Some(rate) => rate,
            None if self.text("mode") == "embedding" => Rate::default(),
            None => return Err("only an embedding model may have no output price".to_owned()),
        };
        let rates = Rates {
            input,
            cached_input: self.read("cached_input")?,
            cache_write: self.read("cache_write")?,
            cache_write_long: self.read("cache_write_long")?,
            output,
            reasoning: self.read("reasoning")?,
            input_audio: self.read("input_audio")?,
            output_audio: self.read("output_audio")?,
            input_image: self.read("input_image")?,
            output_image: self.read("output_image")?,
        };
        let long_context = self.long_context(&rates)?;
        let mut tiers = Vec::new();
        for (tier, [input, cached, output]) in TIERS {
            let (into, cached, out) = (self.read(input)?, self.read(cached)?, self.read(output)?);
            if into.is_none() && cached.is_none() && out.is_none() {
                continue;
            }
            // Half a tier would be a guess at the other half, and for a dearer one a guess too low.
            if into.is_none() {
                return Err(format!("{tier} rates need {input}"));
            }
            if out.is_none() && rates.output != Rate::default() {
                return Err(format!("{tier} rates need {output}"));
            }
            tiers.push((tier, schedule(&rates, long_context.as_ref(), [into, cached, out])));
        }
        let fees = Fees {
            request: self.fee("request_fee")?,
            image: self.fee("image_fee")?,
            web_search: self.fee("web_search_fee")?,
            search_request: self.fee("search_request_fee")?,
            file_search: self.fee("file_search_fee")?,
            code_session: self.fee("code_session_fee")?,
        };
        if fees.web_search.is_some() && fees.search_request.is_some() {
            return Err(
                "web_search_fee is for each search and search_request_fee for all of a request; give one".to_owned()
            );
        }
        let (context_window, max_output) = (self.read("context_window")?, self.read("max_output")?);
        Ok(Price { rates, long_context, tiers, fees, context_window, max_output })
    }

    fn long_context(&self, rates: &Rates) -> Result<Option<LongContext>, String> {
        // A threshold of 0 is how some lists say that there is none.
        let Some(above) = self.read::<u64>("long_context_above")?.filter(|above| *above > 0) else { return Ok(None) };
        let input = self.read("long_input")?.ok_or("long_context_above needs long_input")?;
        let output = self.read("long_output")?.ok_or("long_context_above needs long_output")?;
        let mut long = rates.moved(Some(input), self.read("long_cached")?, Some(output));
        long.cache_write = self.read("long_cache_write")?.or(long.cache_write);
        long.cache_write_long = self.read("long_cache_write_long")?.or(long.cache_write_long);
        Ok(Some(LongContext { above, rates: long }))
    }
}

/// The rates of a tier of which input, cached input and output are given.
pub(crate) fn schedule(rates: &Rates, long: Option<&LongContext>, given: [Option<Rate>; 3]) -> Schedule {
    let [input, cached, output] = given;
    let own = rates.moved(input, cached, output);
    Schedule { rates: own, long: long.map(|long| own.lengthened(rates, &long.rates)) }
}

/// The heading of a written list.
pub(crate) fn heading() -> String {
    COLUMNS.join(",")
}

/// A line of a written list.
pub(crate) fn line(vendor: &str, model: &str, entry: &Entry) -> String {
    let field = |text: &str| text.replace([',', '\n', '\r'], " ");
    format!("{},{},{}", field(vendor), field(model), fields(entry))
}

/// An entry's part of a line: all columns after the model.
pub(crate) fn fields(entry: &Entry) -> String {
    let text: Vec<String> = COLUMNS.iter().skip(2).map(|column| field(entry, column)).collect();
    text.join(",")
}

/// An entry's figures by name, without those it does not have: the same whatever columns are added one day.
pub(crate) fn figures(entry: &Entry) -> String {
    let named = COLUMNS.iter().skip(2).map(|column| (column, field(entry, column)));
    named.filter(|(_, text)| !text.is_empty()).map(|(column, text)| format!("{column}={text};")).collect()
}

fn field(entry: &Entry, column: &str) -> String {
    let price = &entry.price;
    let (rates, long) = (&price.rates, price.long_context.as_ref());
    let tier = TIERS.iter().find_map(|(tier, columns)| {
        let at = columns.iter().position(|name| *name == column)?;
        let (_, schedule) = price.tiers.iter().find(|(other, _)| other == tier)?;
        [Some(schedule.rates.input), schedule.rates.cached_input, Some(schedule.rates.output)].get(at).copied()?
    });
    let rate = match column {
        "input" => Some(rates.input),
        "cached_input" => rates.cached_input,
        "cache_write" => rates.cache_write,
        "cache_write_long" => rates.cache_write_long,
        "output" => rates.of(Class::Output),
        "reasoning" => rates.reasoning,
        "input_audio" => rates.input_audio,
        "output_audio" => rates.output_audio,
        "input_image" => rates.input_image,
        "output_image" => rates.output_image,
        "long_input" => long.map(|long| long.rates.input),
        "long_cached" => long.and_then(|long| long.rates.cached_input),
        "long_cache_write" => long.and_then(|long| long.rates.cache_write),
        "long_cache_write_long" => long.and_then(|long| long.rates.cache_write_long),
        "long_output" => long.map(|long| long.rates.output),
        _ => tier,
    };
    let fee = match column {
        "request_fee" => price.fees.request,
        "image_fee" => price.fees.image,
        "web_search_fee" => price.fees.web_search,
        "search_request_fee" => price.fees.search_request,
        "file_search_fee" => price.fees.file_search,
        "code_session_fee" => price.fees.code_session,
        _ => None,
    };
    let size = match column {
        "long_context_above" => long.map(|long| long.above),
        "context_window" => price.context_window,
        "max_output" => price.max_output,
        _ => None,
    };
    let text = match column {
        "mode" => Some(&entry.mode),
        "from" => entry.from.as_ref(),
        "retires" => entry.retires.as_ref(),
        "as_of" => Some(&entry.as_of),
        "source" => entry.source.as_ref(),
        _ => None,
    };
    let clean = |text: &String| text.replace([',', '\n', '\r'], " ");
    rate.map(|rate| rate.to_string())
        .or_else(|| fee.map(|fee| fee.to_string()))
        .or_else(|| size.map(|size| size.to_string()))
        .or_else(|| text.map(clean))
        .unwrap_or_default()
}

/// Whether a text looks like a shape in which `0` stands for a digit.
pub(crate) fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |byte: u8, shape: u8| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(|(byte, shape)| fits(byte, shape))
}
