//! Money as an integer.
//!
//! One unit is a nano-dollar. An `i64` of them reaches 9.2 billion dollars; sums of products are made in `i128` by
//! whoever multiplies, and rounded once. There is no conversion from floating point on purpose.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

const NANOS_PER_DOLLAR: i64 = 1_000_000_000;

/// An amount in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(i64);

/// Pico-dollars up to which rounding needs no wide numbers: about nine million dollars.
const SMALL: i64 = i64::MAX - 500;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Bytes of the longest text of an amount: a sign, ten digits, a point and nine decimals.
    pub const LONGEST: usize = 21;

    /// An amount of nano-dollars.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The amount in dollars, exactly and without trailing zeros: `0.0243`, `-1.5`, `12`. By hand, because every call's
    /// log line and answer has one and the formatter takes longer over it than the bill takes.
    #[must_use]
    pub fn text(self, buffer: &mut [u8; Self::LONGEST]) -> &str {
        let magnitude = self.0.unsigned_abs();
        let unit = NANOS_PER_DOLLAR.unsigned_abs();
        let (mut whole, mut part) = (magnitude / unit, magnitude % unit);
        let mut start = Self::LONGEST;
        let mut put = |byte| {
            start -= 1;
            if let Some(place) = buffer.get_mut(start) {
                *place = byte;
            }
        };
        if part > 0 {
            let mut decimals = 9;
            while part % 10 == 0 {
                part /= 10;
                decimals -= 1;
            }
            for _ in 0..decimals {
                put(b'0' + (part % 10) as u8);
                part /= 10;
            }
            put(b'.');
        }
        loop {
            put(b'0' + (whole % 10) as u8);
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if self.0 < 0 {
            put(b'-');
        }
        buffer.get(start..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Rounds pico-dollars half up, once, at the end of a sum. Saturates at the ends of the range.
    #[must_use]
    pub fn from_picos(picos: i128) -> Self {
        // Nearly all amounts are of this size, and dividing wide numbers takes long.
        if let Ok(small @ 0..=SMALL) = i64::try_from(picos) {
            return Self((small + 500) / 1000);
        }
        let nanos = (picos + 500).div_euclid(1000);
        Self(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Prints dollars exactly, without trailing zeros: `0.0243`, `-1.5`, `12`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; Self::LONGEST]))
    }
}

/// A text that is not an amount of dollars with at most nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of dollars: write it as digits with at most nine decimals, such as 0.25")]
pub struct ParseMoneyError;

impl FromStr for Money {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(part) || part.len() > 9 {
            return Err(ParseMoneyError);
        }
        let whole: i64 = whole.parse().map_err(|_| ParseMoneyError)?;
        let part: i64 = format!("{part:0<9}").parse().map_err(|_| ParseMoneyError)?;
        let nanos = whole.checked_mul(NANOS_PER_DOLLAR).and_then(|n| n.checked_add(part)).ok_or(ParseMoneyError)?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

#[cfg(test)]
#[path = "money_tests.rs"]
mod tests;
