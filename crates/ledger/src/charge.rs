//! The bill for one call: its lines, their exact sum, and what the account pays.
//!
//! A line is a quantity times a price of one token or piece in pico-dollars, so it is exact. The lines are added
//! exactly, and the sum is rounded once to nano-dollars: the lines of a bill always add up to its total, to the rounding
//! of less than a nano-dollar that [`Charge::rounding`] tells.

use crate::consumption::Class;
use crate::rate::Rate;
use sluicegate_vocabulary::Money;
use sluicegate_vocabulary::Tier;
use smallvec::SmallVec;
use std::fmt;
use std::str::FromStr;

/// One line of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What was used.
    pub class: Class,
    /// How many tokens or pieces.
    pub quantity: u64,
    /// What one costs, in pico-dollars.
    pub unit: u64,
}

impl Line {
    /// The line's amount in pico-dollars.
    #[must_use]
    pub fn picos(&self) -> i128 {
        Rate::from_picos(self.unit).times(self.quantity)
    }
}

/// Prints `1000 input at 2.5`: tokens with dollars per million, pieces with dollars each.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, quantity, unit } = *self;
        write!(f, "{quantity} {} at ", class.as_str())?;
        if class.is_tokens() {
            write!(f, "{}", Rate::from_picos(unit))
        } else {
            write!(f, "{} each", Money::from_picos(i128::from(unit)))
        }
    }
}

/// The bill for a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Charge {
    /// What was used and has a price, in the order of [`Class::ALL`].
    pub lines: SmallVec<[Line; 5]>,
    /// The exact sum of the lines, rounded half up to nano-dollars.
    pub total: Money,
}

impl Charge {
    /// A bill of these lines.
    #[must_use]
    pub fn new(lines: SmallVec<[Line; 5]>) -> Self {
        let total = Money::from_picos(sum(&lines));
        Self { lines, total }
    }

    /// What was added to the exact sum to make it whole nano-dollars, in pico-dollars: from -499 to 500.
    #[must_use]
    pub fn rounding(&self) -> i128 {
        i128::from(self.total.nanos()) * 1000 - sum(&self.lines)
    }

    /// What an account pays where its operator sells at a multiple of the cost: the exact sum times the multiplier,
    /// rounded once.
    #[must_use]
    pub fn times(&self, multiplier: Multiplier) -> Money {
        let millionths = sum(&self.lines).saturating_mul(i128::from(multiplier.0));
        Money::from_picos((millionths + 500_000).div_euclid(1_000_000))
    }
}

fn sum(lines: &[Line]) -> i128 {
    lines.iter().map(Line::picos).fold(0, i128::saturating_add)
}

/// Prints the arithmetic: `100 input at 3 + 500 output at 15 = 0.0078`.
impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines.iter().enumerate() {
            write!(f, "{}{line}", if number == 0 { "" } else { " + " })?;
        }
        write!(f, "{}{}", if self.lines.is_empty() { "" } else { " = " }, self.total)
    }
}

/// Why a call has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// It used something for which the price list has no rate.
    #[error("the price list has no rate for {}", .0.as_str())]
    Class(Class),
    /// It was served in a tier for which the price list has no rates.
    #[error("the price list has no rates for the {0} tier")]
    Tier(Tier),
}

/// What an account pays for each dollar of cost, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Multiplier(u32);

impl Multiplier {
    /// At cost.
    pub const ONE: Self = Self(1_000_000);

    /// So many millionths.
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Self {
        Self(millionths)
    }

    /// So many times an amount, rounded up: for what is held, which must not be too little.
    #[must_use]
    pub fn of(self, amount: Money) -> Money {
        if self == Self::ONE {
            return amount;
        }
        let millionths = i128::from(amount.nanos()) * i128::from(self.0);
        // By way of pico-dollars, since that saturates.
        Money::from_picos((millionths + 999_999).div_euclid(1_000_000) * 1000)
    }

    /// In millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

/// A text that is not a multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a multiplier: write a number from 0 to 4000 with at most six decimals, such as 1.25")]
pub struct ParseMultiplierError;

impl FromStr for Multiplier {
    type Err = ParseMultiplierError;

    fn from_str(text: &str) -> Result<Self, ParseMultiplierError> {
        // The same form as a price, and the same scale.
        let rate: Rate = text.parse().map_err(|_| ParseMultiplierError)?;
        match u32::try_from(rate.picos()) {
            Ok(millionths) if millionths <= 4_000_000_000 => Ok(Self(millionths)),
            _ => Err(ParseMultiplierError),
        }
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rate::from_picos(u64::from(self.0)).fmt(f)
    }
}

#[cfg(test)]
#[path = "charge_tests.rs"]
mod tests;
