//! The price of one token.

use std::fmt;
use std::str::FromStr;

/// Pico-dollars for one token. One dollar per million tokens is 1,000,000 of them, so a published price with up to six
/// decimals is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Rate(u64);

/// One dollar per million tokens, in pico-dollars per token.
const DOLLAR_PER_MILLION: u64 = 1_000_000;

/// Dearest rate accepted, in dollars per million tokens. A price above it was meant for something else than a million.
const MOST_DOLLARS: u64 = 1_000_000;

impl Rate {
    /// So many pico-dollars a token.
    #[must_use]
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// The price of one token in pico-dollars.
    #[must_use]
    pub const fn picos(self) -> u64 {
        self.0
    }

    /// What so many tokens cost, in pico-dollars.
    #[must_use]
    pub fn times(self, tokens: u64) -> i128 {
        i128::try_from(u128::from(self.0) * u128::from(tokens)).unwrap_or(i128::MAX)
    }

    /// This rate multiplied by `numerator / denominator`, rounded to the nearest pico-dollar.
    pub(crate) fn scaled(self, numerator: Self, denominator: Self) -> Option<Self> {
        let product = u128::from(self.0) * u128::from(numerator.0);
        let half = u128::from(denominator.0) / 2;
        (product + half).checked_div(u128::from(denominator.0)).and_then(|n| u64::try_from(n).ok()).map(Self)
    }
}

/// A text that is not a price in dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a price: write dollars per million tokens with at most six decimals, such as 0.25")]
pub struct ParseRateError;

/// Reads dollars per million tokens: `3`, `0.25`, `0.000001`.
impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(part) || part.len() > 6 {
            return Err(ParseRateError);
        }
        let whole: u64 = whole.parse().map_err(|_| ParseRateError)?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| ParseRateError)?;
        if whole > MOST_DOLLARS {
            return Err(ParseRateError);
        }
        Ok(Self(whole * DOLLAR_PER_MILLION + part))
    }
}

/// Prints dollars per million tokens, exactly and without trailing zeros.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / DOLLAR_PER_MILLION, self.0 % DOLLAR_PER_MILLION);
        if part == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{part:06}").trim_end_matches('0'))
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
