//! Moments as text.
//!
//! Every line of the request log begins with one, and so do some headers that answers carry. Most share their second
//! with the one before, so the part that costs a division by everything is kept until the second changes.

use std::fmt::Write as _;

/// Prints milliseconds since the Unix epoch as RFC 3339 in UTC: `2026-11-21T04:43:44.123Z`.
#[derive(Debug, Default)]
pub struct Stamp {
    second: u64,
    /// `2026-11-21T04:43:44`, the text of `second`; empty before the first use.
    text: String,
}

/// The last second of the year 9999: later ones have no four digits.
const LAST: u64 = 253_402_300_799;

impl Stamp {
    /// Writes a moment, given in milliseconds since the Unix epoch. What lies after the year 9999 is written as its end.
    pub fn write(&mut self, out: &mut String, millis: u64) {
        let second = (millis / 1000).min(LAST);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            date_and_time(&mut self.text, second);
        }
        out.push_str(&self.text);
        // By hand, because the formatter takes longer over three digits than all else here over a moment.
        out.push('.');
        for unit in [100, 10, 1] {
            out.push(char::from_digit((millis / unit % 10) as u32, 10).unwrap_or('0'));
        }
        out.push('Z');
    }

    /// Writes a moment without its milliseconds: `2026-11-21T04:43:44Z`.
    pub fn write_seconds(&mut self, out: &mut String, millis: u64) {
        self.write(out, millis);
        out.truncate(out.len() - ".000Z".len());
        out.push('Z');
    }

    /// Writes only the time of day: `04:43:44`.
    pub fn write_time(&mut self, out: &mut String, millis: u64) {
        let before = out.len();
        self.write(out, millis);
        out.truncate(before);
        out.push_str(self.text.get(11..).unwrap_or_default());
    }
}

/// Howard Hinnant's `civil_from_days`, for days since 1970-01-01: years begin in March, so the leap day is the last.
fn date_and_time(out: &mut String, second: u64) {
    let (days, of_day) = (second / 86_400, second % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
