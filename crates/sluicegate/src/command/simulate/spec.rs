//! Traffic as it is typed: `spike:30/s,factor=3.4,length=8s,every=2m`.
//!
//! A word for the shape, a number that says how much, and whatever differs from the usual. Everything left out has a
//! value that makes sense, so that `--traffic spike:30/s` is enough for a first look.

use sluicegate_config::Period;
use sluicegate_simulate::lab::{ByClass, CLASSES, Shape, Size};
use sluicegate_vocabulary::Priority;
use std::time::Duration;

/// The shapes, each with an example.
const SHAPES: &str = "steady:30/s, spike:30/s, diurnal:30/s, edge:600 or closed:40";

/// Reads a shape of traffic.
pub(crate) fn shape(text: &str) -> Result<Shape, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let (amount, options) = rest.split_once(',').unwrap_or((rest, ""));
    let mut options = Options::new(options)?;
    if amount.is_empty() {
        return Err(format!("say what and how much, such as {SHAPES}"));
    }
    let shape = match word {
        "steady" => Shape::Steady { rate: rate(amount)? },
        "spike" => Shape::Spike {
            base: rate(amount)?,
            factor: options.number("factor", 3.4, 1.0..=1000.0)?,
            length: options.time("length", Duration::from_secs(8))?,
            every: options.time("every", Duration::from_secs(120))?,
        },
        "diurnal" => Shape::Diurnal {
            mean: rate(amount)?,
            swing: options.number("swing", 0.8, 0.0..=1.0)?,
            period: options.time("period", Duration::from_secs(86_400))?,
        },
        "edge" => Shape::Edge { calls: count(amount)?, window: options.time("window", Duration::from_secs(60))? },
        "closed" => Shape::Closed { clients: count(amount)?, think: options.time("think", Duration::ZERO)? },
        _ => return Err(format!("no shape is called {word:?}; there are {SHAPES}")),
    };
    if let Shape::Spike { length, every, .. } = shape
        && length > every / 2
    {
        return Err("a spike lasts at most half as long as it is from one to the next".to_owned());
    }
    options.all_used()?;
    Ok(shape)
}

/// `30/s`, `1800/min`, `100000/h`; a bare number is per second.
fn rate(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let per = match unit {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3600.0,
        "d" | "day" => 86_400.0,
        _ => return Err(format!("{text:?} is no rate: write it as 30/s, 1800/min or 100000/h")),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number / per <= 1e6 => Ok(number / per),
        _ => Err(format!("{text:?} is no rate: write it as 30/s, 1800/min or 100000/h")),
    }
}

fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1_000_000).contains(count))
        .ok_or_else(|| format!("{text:?} is no number of calls or clients"))
}

/// `name=value` pairs, of which each may be used once.
struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    fn new(text: &'a str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pairs =
            pairs.map(|pair| pair.split_once('=').ok_or_else(|| format!("{pair:?} is not of the form name=value")));
        Ok(Self(pairs.collect::<Result<_, _>>()?))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(own, _)| *own == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn number(&mut self, name: &str, usual: f64, within: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
        let Some(text) = self.take(name) else { return Ok(usual) };
        let number = text.parse::<f64>().ok().filter(|number| within.contains(number));
        number.ok_or_else(|| format!("{name} is a number from {} to {}", within.start(), within.end()))
    }

    fn time(&mut self, name: &str, usual: Duration) -> Result<Duration, String> {
        let Some(text) = self.take(name) else { return Ok(usual) };
        text.parse::<Period>().map(Period::duration).map_err(|error| format!("{name}: {error}"))
    }

    fn all_used(&self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(format!("this shape has no {name:?}")))
    }
}

/// `high=20,normal=60,low=20`: shares of the classes.
pub(crate) fn mix(text: &str) -> Result<ByClass<f64>, String> {
    let mut mix = ByClass([0.0; 4]);
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let wrong = || format!("{pair:?} is no share of a class: write critical=10,high=20,normal=40,low=30");
        let (class, share) = pair.split_once('=').ok_or_else(wrong)?;
        let class: Priority = class.parse().map_err(|_| wrong())?;
        *mix.of_mut(class) = share.parse().ok().filter(|share: &f64| (0.0..=1e6).contains(share)).ok_or_else(wrong)?;
    }
    let some = CLASSES.iter().any(|class| *mix.of(*class) > 0.0);
    if some { Ok(mix) } else { Err("no class has a share".to_owned()) }
}

/// `1200:400`: the middle of tokens in and out. With a tilde, `~1200:~400`, they vary as real ones do; without one, all
/// calls are alike.
pub(crate) fn tokens(text: &str) -> Result<(Size, Size), String> {
    let wrong = || format!("{text:?} are no tokens in and out: write 1200:400, or ~1200:~400 for calls that differ");
    let (input, output) = text.split_once(':').ok_or_else(wrong)?;
    let size = |text: &str, sigma: f64| {
        let (varied, digits) = text.strip_prefix('~').map_or((false, text), |digits| (true, digits));
        let tokens = digits.parse::<u32>().ok().filter(|tokens| *tokens <= 2_000_000)?;
        Some(if varied { Size::Lognormal { median: tokens.max(1), sigma } } else { Size::Fixed(tokens) })
    };
    Ok((size(input, 1.0).ok_or_else(wrong)?, size(output, 0.8).ok_or_else(wrong)?))
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
