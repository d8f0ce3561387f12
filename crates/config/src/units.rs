//! Quantities with their unit.
//!
//! A bare `30` in a file is a question: seconds, milliseconds, megabytes? New fields therefore carry a unit (`30s`,
//! `32MiB`), and only the fields of the old format, whose names say it (`timeout_ms`), are bare numbers. What is read
//! here is printed back in the same form, so `config show` can be pasted into a file.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Units of time, longest first, in milliseconds. Printing takes the first that divides the value.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size, largest first, in bytes. Decimal and binary prefixes mean what they say.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// A length of time in whole milliseconds, written `250ms`, `30s`, `1.5m`, `2h` or `14d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Period(u64);

impl Period {
    /// A period of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A period of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The length as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// A number of bytes, written `64KiB`, `32MiB`, `10GB` or `500B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; saturates where memory is smaller than the number.
    #[must_use]
    pub fn len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Whether this is no byte at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A share of a whole, written `50%`, `99.5%` or as a number from 0 to 1. Kept in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Share(u32);

/// The whole, in millionths.
const WHOLE: u32 = 1_000_000;

impl Share {
    /// So many percent, at most 100.
    #[must_use]
    pub const fn from_percent(percent: u32) -> Self {
        Self(if percent > 100 { WHOLE } else { percent * (WHOLE / 100) })
    }

    /// The share as a number from 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// A number from 0 to 1; `None` for any other.
    fn from_fraction(fraction: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be from 0 to a million"
        )]
        let millionths = (0.0..=1.0).contains(&fraction).then(|| (fraction * f64::from(WHOLE)).round() as u32);
        millionths.map(Self)
    }
}

/// A text that is no quantity of the wanted kind. Its message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseQuantityError(&'static str);

const NOT_A_PERIOD: ParseQuantityError = ParseQuantityError("a time needs a unit: write 250ms, 30s, 5m, 2h or 14d");
const NOT_A_SIZE: ParseQuantityError = ParseQuantityError("a size needs a unit: write 500B, 64KiB, 32MiB or 10GiB");
const NOT_A_SHARE: ParseQuantityError = ParseQuantityError("a share is written 50%, or as a number from 0 to 1");
const TOO_LARGE: ParseQuantityError = ParseQuantityError("this is larger than can be counted");

/// Splits `1.5m` into its digits and its unit and multiplies exactly: fractions below the smallest unit are an error.
fn quantity(text: &str, units: &[(&str, u64)], shape: ParseQuantityError) -> Result<u64, ParseQuantityError> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(|| shape.clone())?;
    let (digits, unit) = text.split_at(split);
    let scale = units
        .iter()
        .find_map(|(name, scale)| name.eq_ignore_ascii_case(unit.trim()).then_some(*scale))
        .ok_or_else(|| shape.clone())?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) || part.len() > 9 {
        return Err(shape);
    }
    let whole: u64 = whole.parse().map_err(|_| TOO_LARGE)?;
    let tens = 10_u128.pow(u32::try_from(part.len()).unwrap_or(9));
    let part: u128 = part.parse().map_err(|_| TOO_LARGE)?;
    let part = part * u128::from(scale);
    if !part.is_multiple_of(tens) {
        return Err(shape);
    }
    let part = u64::try_from(part / tens).map_err(|_| TOO_LARGE)?;
    whole.checked_mul(scale).and_then(|n| n.checked_add(part)).ok_or(TOO_LARGE)
}

fn print(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = units.iter().find(|(_, scale)| value != 0 && value.is_multiple_of(*scale));
    match fits.or_else(|| units.last()) {
        Some((unit, scale)) => write!(f, "{}{unit}", value / scale),
        None => write!(f, "{value}"),
    }
}

impl FromStr for Period {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity(text, &TIME_UNITS, NOT_A_PERIOD).map(Self)
    }
}

impl FromStr for Size {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity(text, &SIZE_UNITS, NOT_A_SIZE).map(Self)
    }
}

impl FromStr for Share {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, scale) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |digits| (digits.trim(), 100.0));
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = Some(digits).filter(|_| plain).and_then(|digits| digits.parse::<f64>().ok());
        number.and_then(|number| Self::from_fraction(number / scale)).ok_or(NOT_A_SHARE)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / (WHOLE / 100), self.0 % (WHOLE / 100));
        let text = format!("{whole}.{part:04}");
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, &TIME_UNITS, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, &SIZE_UNITS, f)
    }
}

/// Reads a quantity from text; a bare number is answered with the sentence that asks for a unit.
struct QuantityVisitor<T>(ParseQuantityError, std::marker::PhantomData<T>);

impl<T: FromStr<Err = ParseQuantityError>> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<T, E> {
        Err(E::custom(self.0))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<T, E> {
        Err(E::custom(self.0))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(NOT_A_PERIOD, std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(NOT_A_SIZE, std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = Share;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{NOT_A_SHARE}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Share, E> {
                match number {
                    0 => Ok(Share(0)),
                    1 => Ok(Share(WHOLE)),
                    _ => Err(E::custom(NOT_A_SHARE)),
                }
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Share, E> {
                Share::from_fraction(number).ok_or_else(|| E::custom(NOT_A_SHARE))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time with its unit: 250ms, 30s, 5m, 2h, 14d.",
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([dD]|[hH]|[mM]|[sS]|[mM][sS])\s*$|\$\{"
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number of bytes with its unit: 500B, 64KiB, 32MiB, 10GB.",
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgG][iI]?)?[bB]\s*$|\$\{"
        })
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share: 50%, or a number from 0 to 1.",
            "anyOf": [
                { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%?\s*$|\$\{" },
                { "type": "number", "minimum": 0, "maximum": 1 }
            ]
        })
    }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
