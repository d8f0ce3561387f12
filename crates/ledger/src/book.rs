//! The price book: what every known model costs, with the day and the place each figure was read.
//!
//! The bundled book is a snapshot of the vendors' published lists (`data/prices.csv`). It is never fetched behind
//! anybody's back: it changes with the program, and every row says when and where it was read. Prices belong to the
//! model that *answered*, so a look-up takes the vendor and the vendor's own id, never an alias.

use crate::price::{LongContext, Price, Rates};
use crate::rate::Rate;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const BUNDLED: &str = include_str!("../data/prices.csv");

/// The columns, in their order.
const COLUMNS: &str = "vendor,model,mode,input,cached_input,cache_write,cache_write_long,output,long_context_above,\
                       long_input,long_cached,long_output,context_window,max_output,retires,as_of,source";

/// Prices by vendor and model.
#[derive(Debug, Default)]
pub struct PriceBook {
    vendors: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// One model in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it costs and how large it is.
    pub price: Price,
    /// What it is asked for: `chat`, `responses`, `embedding` or `moderation`.
    pub mode: String,
    /// The day on which the vendor has announced to retire it, as `YYYY-MM-DD`.
    pub retires: Option<String>,
    /// The day the figures were read, as `YYYY-MM-DD`.
    pub as_of: String,
    /// Where they were read, if that was recorded.
    pub source: Option<String>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("price list, line {line}: {what}")]
pub struct BookError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl PriceBook {
    /// The snapshot that comes with the program, parsed once.
    #[must_use]
    pub fn bundled() -> &'static Self {
        // A list that does not parse is caught by a test; were it ever shipped, models would be unpriced, not wrong.
        static BOOK: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::parse(BUNDLED).unwrap_or_default());
        &BOOK
    }

    /// Reads a list in the bundled list's format: comment lines, a heading, then one model a line. No quoting: no field
    /// has a comma.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        match lines.next() {
            Some((heading, _)) if heading == COLUMNS => {}
            other => {
                let line = other.map_or(1, |(_, line)| line);
                return Err(BookError { line, what: format!("the heading must be {COLUMNS}") });
            }
        }
        let mut book = Self::default();
        for (text, line) in lines {
            let (vendor, model, entry) = row(text).map_err(|what| BookError { line, what })?;
            let models = book.vendors.entry(vendor.to_owned()).or_default();
            if models.insert(model.to_owned(), entry).is_some() {
                return Err(BookError { line, what: format!("{vendor}/{model} is listed twice") });
            }
        }
        Ok(book)
    }

    /// The entry of a vendor's model. A dated snapshot (`gpt-x-2026-03-05`, `claude-x-20260205`) that has no line of its
    /// own is looked up without its date: vendors price a snapshot as the model it is a snapshot of.
    #[must_use]
    pub fn entry(&self, vendor: &str, model: &str) -> Option<&Entry> {
        let models = self.vendors.get(vendor)?;
        models.get(model).or_else(|| models.get(without_date(model)?))
    }

    /// The price of a vendor's model, or `None` when it is unpriced.
    #[must_use]
    pub fn price(&self, vendor: &str, model: &str) -> Option<&Price> {
        self.entry(vendor, model).map(|entry| &entry.price)
    }

    /// A vendor's models in the book, by id.
    pub fn models(&self, vendor: &str) -> impl Iterator<Item = (&str, &Entry)> {
        self.vendors.get(vendor).into_iter().flatten().map(|(id, entry)| (id.as_str(), entry))
    }

    /// The vendors in the book.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.vendors.keys().map(String::as_str)
    }

    /// The day of the newest figure, as `YYYY-MM-DD`.
    #[must_use]
    pub fn as_of(&self) -> Option<&str> {
        self.vendors.values().flatten().map(|(_, entry)| entry.as_of.as_str()).max()
    }
}

/// The name before a date of eight digits, plain or with dashes.
fn without_date(model: &str) -> Option<&str> {
    let shaped = |tail: &str, shape: &str| {
        tail.len() == shape.len()
            && tail.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'-' { b == b'-' } else { b.is_ascii_digit() })
    };
    ["-00000000", "-0000-00-00"].into_iter().find_map(|shape| {
        let split = model.len().checked_sub(shape.len()).filter(|at| *at > 0)?;
        let (name, tail) = model.split_at_checked(split)?;
        shaped(tail, shape).then_some(name)
    })
}

fn row(text: &str) -> Result<(&str, &str, Entry), String> {
    let fields: Vec<&str> = text.split(',').collect();
    let count = fields.len();
    let [
        vendor,
        model,
        mode,
        input,
        cached,
        write,
        write_long,
        output,
        above,
        long_input,
        long_cached,
        long_output,
        window,
        max_output,
        retires,
        as_of,
        source,
    ] = <[&str; 17]>::try_from(fields).map_err(|_| format!("17 fields are needed, there are {count}"))?;
    if vendor.is_empty() || model.is_empty() || as_of.is_empty() {
        return Err("vendor, model and as_of are needed".to_owned());
    }
    let input =
        optional::<Rate>("input", input)?.ok_or("a model without an input price does not belong in the book")?;
    let output = match optional("output", output)? {
        Some(rate) => rate,
        None if mode == "embedding" => Rate::default(),
        None => return Err("only an embedding model may have no output price".to_owned()),
    };
    let rates = Rates {
        input,
        cached_input: optional("cached_input", cached)?,
        cache_write: optional("cache_write", write)?,
        cache_write_long: optional("cache_write_long", write_long)?,
        output,
        input_audio: None,
        output_audio: None,
    };
    let long_context = match optional::<u64>("long_context_above", above)? {
        Some(above) => {
            let long_input = optional("long_input", long_input)?.ok_or("long_context_above needs long_input")?;
            let long_output = optional("long_output", long_output)?.ok_or("long_context_above needs long_output")?;
            let long_cached = optional("long_cached", long_cached)?;
            Some(LongContext { above, rates: long_rates(&rates, long_input, long_cached, long_output) })
        }
        None => None,
    };
    let price = Price {
        rates,
        long_context,
        context_window: optional("context_window", window)?,
        max_output: optional("max_output", max_output)?,
    };
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let entry =
        Entry { price, mode: mode.to_owned(), retires: said(retires), as_of: as_of.to_owned(), source: said(source) };
    Ok((vendor, model, entry))
}

/// Vendors publish the long rates of input, cached input and output; a class they leave out grows as input does.
fn long_rates(short: &Rates, input: Rate, cached: Option<Rate>, output: Rate) -> Rates {
    let grown = |rate: Option<Rate>| rate.map(|rate| rate.scaled(input, short.input).unwrap_or(rate));
    Rates {
        input,
        cached_input: cached.or_else(|| grown(short.cached_input)),
        cache_write: grown(short.cache_write),
        cache_write_long: grown(short.cache_write_long),
        output,
        ..*short
    }
}

fn optional<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
