//! Exact reading of decimal figures, in whatever way a file spells them.
//!
//! Price lists of others are JSON, whose numbers are spelled `0.0000025`, `2.5e-06` or, after a trip through binary
//! floating point, `2.4999999999999998e-06`. Read as text, the first two are exact; the third is rounded to the nearest
//! pico-dollar, which is what was meant. No figure passes through a float here.

/// Digits after which a figure is taken for nonsense: they would not fit the arithmetic.
const MOST_DIGITS: usize = 30;

/// Reads a decimal number that is not negative, times ten to the power of `scale`, rounded half up to a whole number.
/// `None` for what is not such a number or does not fit.
pub(crate) fn scaled(text: &str, scale: i32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || whole.len() + part.len() > MOST_DIGITS {
        return None;
    }
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let shift = exponent.checked_add(scale)?.checked_sub(i32::try_from(part.len()).ok()?)?;
    let power = 10_u128.checked_pow(shift.unsigned_abs());
    let value = if shift >= 0 {
        digits.checked_mul(power?)?
    } else {
        // A power that does not fit is larger than twice any figure that does.
        power.map_or(0, |power| (digits + power / 2) / power)
    };
    u64::try_from(value).ok()
}

#[cfg(test)]
#[path = "decimal_tests.rs"]
mod tests;
