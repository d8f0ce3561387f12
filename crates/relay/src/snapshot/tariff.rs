//! What calls are charged by: prices found for a provider's models, and what is charged for each dollar of them.
//!
//! The configuration's own price comes first, then the operator's list, then the bundled one. In a list a provider is
//! looked for by its own name before its vendor's, so a reseller can have prices of its own. What simulated providers
//! answer costs nothing, unless the configuration or a list says otherwise by the provider's name.

use super::compile::CompileError;
use sluicegate_config::{Config, Unpriced};
use sluicegate_ledger::{Charge, Class, Entry, Multiplier, Price, PriceBook, PriceVersion, Rate, Rates};
use sluicegate_upstream::Provider;
use sluicegate_vocabulary::{Money, ProviderKind, Usage};
use sluicegate_wire::quirks::Quirks;
use sluicegate_wire::usage;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All prices of a configuration.
#[derive(Debug)]
pub(crate) struct Tariffs {
    book: Cow<'static, PriceBook>,
    own: BTreeMap<String, Price>,
    multiplier: Multiplier,
    /// Calls to a model without a price are refused.
    pub(crate) priced_only: bool,
}

/// What one model of a provider costs.
#[derive(Debug, Clone)]
pub(crate) struct Tariff {
    pub(crate) entry: Entry,
    /// By which charges refer to it.
    pub(crate) version: PriceVersion,
    /// What is charged for each dollar of cost.
    pub(crate) multiplier: Multiplier,
}

/// The bill for a call.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    /// What the provider is owed, and how that comes about.
    pub(crate) charge: Charge,
    /// What is charged for it.
    pub(crate) billed: Money,
    /// Some of it has no rate: it costs at least so much.
    pub(crate) at_least: bool,
}

/// How a model's answers tell that they searched the web, where their usage does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Searches {
    /// By what every answer is read for anyway.
    Told,
    /// By the pages that they cite. Searches have a price, so it is worth a look.
    Cited,
    /// Every answer has searched once.
    Each,
}

impl Searches {
    pub(crate) fn of(quirks: &Quirks, tariff: Option<&Tariff>) -> Self {
        match tariff.and_then(|tariff| tariff.price().fees.of(Class::WebSearch)) {
            _ if quirks.searches => Self::Each,
            Some(_) => Self::Cited,
            None => Self::Told,
        }
    }

    /// What was used by a whole answer of this model, `body`, of which `usage` was read.
    pub(crate) fn of_whole(self, body: &[u8], usage: Option<Usage>) -> Option<Usage> {
        match self {
            Self::Told => usage,
            Self::Cited => usage.map(|used| if usage::cites(body) { searched(used) } else { used }),
            Self::Each => usage.map(searched),
        }
    }

    /// What was used by a stream of this model, of which `usage` was read.
    pub(crate) fn of_stream(self, usage: Option<Usage>) -> Option<Usage> {
        if self == Self::Each { usage.map(searched) } else { usage }
    }
}

/// What was used if there was a search at least.
fn searched(used: Usage) -> Usage {
    Usage { web_searches: used.web_searches.max(1), ..used }
}

impl Tariffs {
    /// # Errors
    /// The operator's list cannot be read.
    pub(crate) fn new(config: &Config, bundled: &'static PriceBook) -> Result<Self, CompileError> {
        let mut book = Cow::Borrowed(bundled);
        if let Some(path) = &config.prices.file {
            let fail = |message: String| CompileError::Prices { path: path.display().to_string(), message };
            let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
            book.to_mut().overlay(PriceBook::parse(&text).map_err(|error| fail(error.to_string()))?);
        }
        Ok(Self {
            book,
            own: config.prices.models.clone(),
            multiplier: config.prices.multiplier,
            priced_only: config.prices.unpriced == Unpriced::Reject,
        })
    }

    /// What the lists say of a model at a provider.
    pub(crate) fn listed(&self, provider: &str, vendor: Option<&str>, model: &str) -> Option<&Entry> {
        self.book.entry(provider, model).or_else(|| self.book.entry(vendor?, model))
    }

    /// The price of a model at a provider, or `None` when nobody told us.
    pub(crate) fn find(&self, provider: &Provider, vendor: Option<&str>, model: &str) -> Option<Arc<Tariff>> {
        let listed = self.listed(&provider.name, vendor, model);
        let entry = match self.own.get(&format!("{}/{model}", provider.name)) {
            Some(own) => stated(own, listed),
            None if provider.kind == ProviderKind::Simulated => match self.book.entry(&provider.name, model) {
                Some(listed) => listed.clone(),
                None => stated(&Price::flat(Rate::default(), Rate::default()), None),
            },
            None => listed?.clone(),
        };
        Some(Arc::new(Tariff { version: entry.version(), entry, multiplier: self.multiplier }))
    }
}

/// A price of the configuration's own, which says nothing of the model's sizes.
fn stated(price: &Price, listed: Option<&Entry>) -> Entry {
    let sizes = listed.map(|listed| &listed.price);
    Entry {
        price: Price {
            context_window: sizes.and_then(|sizes| sizes.context_window),
            max_output: sizes.and_then(|sizes| sizes.max_output),
            ..price.clone()
        },
        mode: listed.map_or_else(|| "chat".to_owned(), |listed| listed.mode.clone()),
        from: None,
        retires: None,
        as_of: String::new(),
        source: Some("configuration".to_owned()),
    }
}

impl Tariff {
    /// The price itself.
    pub(crate) const fn price(&self) -> &Price {
        &self.entry.price
    }

    /// Whether it is known without knowing what was used.
    pub(crate) fn is_by_request(&self) -> bool {
        self.entry.price.rates == Rates::default()
    }

    /// The bill for what was used. What has no rate is charged as the ordinary, which it costs at least.
    pub(crate) fn bill(&self, usage: &Usage) -> Bill {
        let (charge, at_least) = match self.entry.price.charge(usage) {
            Ok(charge) => (charge, false),
            Err(_) => (self.entry.price.at_least(usage), true),
        };
        let billed = if self.multiplier == Multiplier::ONE { charge.total } else { charge.times(self.multiplier) };
        Bill { charge, billed, at_least }
    }
}

#[cfg(test)]
#[path = "tariff_tests.rs"]
mod tests;
