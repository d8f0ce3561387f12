//! The price book: what every known model costs, since when, with the day and the place each figure was read.
//!
//! The bundled book is a snapshot of the vendors' published lists (`data/prices.csv`). It is never fetched behind
//! anybody's back: it changes with the program, and every row says when and where it was read. Prices belong to the
//! model that *answered*, so a look-up takes the vendor and the vendor's own id, never an alias. An operator's own list
//! has the same format and is laid over the bundled one.

use crate::price::Price;
use crate::row;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

const BUNDLED: &str = include_str!("../data/prices.csv");

/// Prices by vendor and model.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    /// A model's entries, by the day from which they hold.
    vendors: BTreeMap<String, BTreeMap<String, Vec<Entry>>>,
}

/// One model in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it costs and how large it is.
    pub price: Price,
    /// What it is asked for: `chat`, `responses`, `embedding` or `moderation`.
    pub mode: String,
    /// The day from which the price holds, as `YYYY-MM-DD`; none for one that has held as long as anybody asks.
    pub from: Option<String>,
    /// The day on which the vendor has announced to retire it, as `YYYY-MM-DD`.
    pub retires: Option<String>,
    /// The day the figures were read, as `YYYY-MM-DD`.
    pub as_of: String,
    /// Where they were read, if that was recorded.
    pub source: Option<String>,
}

impl Entry {
    /// What tells this entry from every other one of the same model: a hash of all its figures and of where they come
    /// from. It is kept with each charge.
    #[must_use]
    pub fn version(&self) -> PriceVersion {
        // FNV-1a, because it must be the same in every release.
        let text = row::figures(self);
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        PriceVersion(hash)
    }
}

/// A price as a charge refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PriceVersion(pub u64);

impl fmt::Display for PriceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
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

    /// Reads a list: comment lines that begin with `#`, a heading that names the columns, then one model a line. The
    /// columns are those of [`crate::COLUMNS`] in any order; `vendor`, `model`, `input` and `as_of` are needed. No
    /// quoting: no field has a comma.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let (heading, line) = lines.next().ok_or(BookError { line: 1, what: "there is no heading".to_owned() })?;
        let heading = row::Heading::parse(heading).map_err(|what| BookError { line, what })?;
        let mut book = Self::default();
        for (text, line) in lines {
            let (vendor, model, entry) = heading.entry(text).map_err(|what| BookError { line, what })?;
            let from = entry.from.clone();
            if book.insert(vendor, model, entry).is_some() {
                let since = from.map_or(String::new(), |from| format!(" from {from}"));
                return Err(BookError { line, what: format!("{vendor}/{model}{since} is listed twice") });
            }
        }
        Ok(book)
    }

    /// The list as text, in the format that [`PriceBook::parse`] reads.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = row::heading();
        for (vendor, models) in &self.vendors {
            for (model, entry) in models.iter().flat_map(|(model, entries)| entries.iter().map(move |e| (model, e))) {
                out.push('\n');
                out.push_str(&row::line(vendor, model, entry));
            }
        }
        out.push('\n');
        out
    }

    /// Puts an entry in; whatever was listed for the same model from the same day is returned.
    pub fn insert(&mut self, vendor: &str, model: &str, entry: Entry) -> Option<Entry> {
        let models = self.vendors.entry(vendor.to_owned()).or_default();
        let entries = models.entry(model.to_owned()).or_default();
        match entries.binary_search_by(|other| other.from.cmp(&entry.from)) {
            Ok(at) => entries.get_mut(at).map(|old| std::mem::replace(old, entry)),
            Err(at) => {
                entries.insert(at, entry);
                None
            }
        }
    }

    /// Lays another list over this one: for every model it has, it alone speaks.
    pub fn overlay(&mut self, over: Self) {
        for (vendor, models) in over.vendors {
            self.vendors.entry(vendor).or_default().extend(models);
        }
    }

    /// The entry of a vendor's model that held on the day its figures were read. A dated snapshot (`gpt-x-2026-03-05`,
    /// `claude-x-20260205`) that has no line of its own is looked up without its date: vendors price a snapshot as the
    /// model it is a snapshot of.
    #[must_use]
    pub fn entry(&self, vendor: &str, model: &str) -> Option<&Entry> {
        in_force(self.entries(vendor, model))
    }

    /// The entry of a vendor's model that holds on a day, given as `YYYY-MM-DD` in UTC.
    #[must_use]
    pub fn entry_on(&self, vendor: &str, model: &str, day: &str) -> Option<&Entry> {
        let held = |entry: &&Entry| entry.from.as_ref().is_none_or(|from| from.as_str() <= day);
        self.entries(vendor, model).iter().rev().find(held)
    }

    /// All entries of a vendor's model, by the day from which they hold.
    #[must_use]
    pub fn entries(&self, vendor: &str, model: &str) -> &[Entry] {
        let Some(models) = self.vendors.get(vendor) else { return &[] };
        let found = models.get(model).or_else(|| models.get(without_date(model)?));
        found.map_or(&[], Vec::as_slice)
    }

    /// The price of a vendor's model, or `None` when it is unpriced.
    #[must_use]
    pub fn price(&self, vendor: &str, model: &str) -> Option<&Price> {
        self.entry(vendor, model).map(|entry| &entry.price)
    }

    /// A vendor's models in the book, by id, each with the entry that [`PriceBook::entry`] finds.
    pub fn models(&self, vendor: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let models = self.vendors.get(vendor).into_iter().flatten();
        models.filter_map(|(id, entries)| Some((id.as_str(), in_force(entries)?)))
    }

    /// The vendors in the book.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.vendors.keys().map(String::as_str)
    }

    /// The day of the newest figure, as `YYYY-MM-DD`.
    #[must_use]
    pub fn as_of(&self) -> Option<&str> {
        self.vendors.values().flat_map(BTreeMap::values).flatten().map(|entry| entry.as_of.as_str()).max()
    }
}

/// The entry that held on the day its figures were read, of entries by the day from which they hold.
fn in_force(entries: &[Entry]) -> Option<&Entry> {
    let held = |entry: &&Entry| entry.from.as_ref().is_none_or(|from| *from <= entry.as_of);
    entries.iter().rev().find(held).or(entries.first())
}

/// The name before a date of eight digits, plain or with dashes.
fn without_date(model: &str) -> Option<&str> {
    ["-00000000", "-0000-00-00"].into_iter().find_map(|shape| {
        let split = model.len().checked_sub(shape.len()).filter(|at| *at > 0)?;
        let (name, tail) = model.split_at_checked(split)?;
        row::has_shape(tail, shape).then_some(name)
    })
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
