//! Prices: whole ones, of providers that exist.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file::{self, OwnPrice};
use crate::prices::{Display, Prices};
use sluicegate_ledger::{Fees, Price, Rates};

impl Compiler<'_> {
    pub(super) fn prices(&mut self, stated: file::Prices, named: &[String]) -> Prices {
        let mut prices = Prices {
            file: stated.file,
            multiplier: stated.multiplier.map(|exact| exact.0).unwrap_or_default(),
            unpriced: stated.unpriced.unwrap_or_default(),
            display: stated.display.map(|stated| Display { currency: stated.currency, per_usd: stated.per_usd.0 }),
            ..Prices::default()
        };
        if prices.display.as_ref().is_some_and(|display| display.per_usd.millionths() == 0) {
            let what = "a dollar is more than nothing in any currency";
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["prices", "display", "per_usd"]);
        }
        for (name, stated) in &stated.models {
            let path = ["prices", "models", name];
            let target = self.target(name, named, &path);
            if stated.request.is_none() && (stated.input.is_none() || stated.output.is_none()) {
                let missing = if stated.input.is_none() { "input" } else { "output" };
                let what = format!("the price of `{name}` does not say what {missing} costs");
                self.say(Diagnostic::new(codes::HALF_PRICE, what), &path);
            }
            if let Some(target) = target {
                prices.models.insert(target.to_string(), price(stated));
            }
        }
        prices
    }
}

fn price(stated: &OwnPrice) -> Price {
    let rate = |stated: &Option<file::Exact<_>>| stated.map(|exact| exact.0);
    let rates = Rates {
        input: rate(&stated.input).unwrap_or_default(),
        cached_input: rate(&stated.cached_input),
        cache_write: rate(&stated.cache_write),
        cache_write_long: rate(&stated.cache_write_long),
        output: rate(&stated.output).unwrap_or_default(),
        reasoning: rate(&stated.reasoning),
        input_audio: rate(&stated.input_audio),
        output_audio: rate(&stated.output_audio),
        ..Rates::default()
    };
    let fees = Fees { request: stated.request.map(|exact| exact.0), ..Fees::default() };
    Price { rates, fees, ..Price::default() }
}
