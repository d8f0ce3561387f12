//! Times as providers write them.

use std::time::Duration;

/// The longest wait that is believed, in seconds: thirty years.
const LONGEST: f64 = 1e9;

/// How long to wait by a text that is a duration in Go's form (`1h2m3.5s`), a bare number of seconds, a moment
/// (`2026-11-21T10:00:05Z`), or seconds or milliseconds since 1970. `now_ms` gives the milliseconds since 1970; a moment
/// that has passed is no wait.
pub(crate) fn wait(text: &str, now_ms: impl FnOnce() -> u64) -> Option<Duration> {
    let text = text.trim();
    let until = |ms: u64| Some(Duration::from_millis(ms.saturating_sub(now_ms())));
    if let Ok(number) = text.parse::<f64>() {
        // Nobody asks for thirty years; these count from 1970.
        return match number {
            ..0.0 => None,
            0.0..LONGEST => Duration::try_from_secs_f64(number).ok(),
            LONGEST..1e11 => until((number * 1000.0) as u64),
            1e11..1e14 => until(number as u64),
            _ => None,
        };
    }
    match rfc3339(text) {
        Some(ms) => until(ms),
        None => go_duration(text),
    }
}

/// Go's units in seconds. A longer name stands before one that it ends in.
const UNITS: [(&str, f64); 7] =
    [("ms", 1e-3), ("µs", 1e-6), ("μs", 1e-6), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0)];

/// A duration such as `120ms`, `6m0s`, `1h2m3.5s`.
fn go_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let units = UNITS.iter().chain(&[("s", 1.0)]);
        let (factor, after) = units.into_iter().find_map(|(unit, factor)| Some((factor, after.strip_prefix(unit)?)))?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (!text.is_empty() && seconds <= LONGEST).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

/// Milliseconds since 1970 of a moment such as `2026-11-21T10:00:05Z` or `2026-11-21T11:00:05.25+01:00`.
pub(crate) fn rfc3339(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut fields = date.splitn(3, '-').map(number);
    let (year, month, day) = (fields.next()??, fields.next()??, fields.next()??);
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut fields = whole.splitn(3, ':').map(number);
    let (hours, minutes, seconds) = (fields.next()??, fields.next()??, fields.next()??);
    let millis = if fraction.is_empty() { 0 } else { number(fraction.get(..3).unwrap_or(fraction))? };
    let millis = millis * 10_i64.pow(3_u32.saturating_sub(fraction.len() as u32));
    let offset = match zone.split_at_checked(1)? {
        ("+", offset) => minutes_of(offset)?,
        ("-", offset) => -minutes_of(offset)?,
        (_, "") => 0,
        _ => return None,
    };
    let at = since_1970(year, month, day, hours, minutes, seconds)? - offset * 60;
    u64::try_from(at * 1000 + millis).ok()
}

/// The minutes of an offset such as `01:30`.
fn minutes_of(offset: &str) -> Option<i64> {
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the one form servers send.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut fields = rest.split_ascii_whitespace();
    let day = number(fields.next()?)?;
    let month = fields.next()?;
    let year = number(fields.next()?)?;
    let mut clock = fields.next()?.split(':').map(number);
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    since_1970(year, month, day, hours, minutes, seconds)
}

/// Up to nine digits and nothing else.
fn number(text: &str) -> Option<i64> {
    let digits = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn since_1970(year: i64, month: i64, day: i64, hours: i64, minutes: i64, seconds: i64) -> Option<i64> {
    let plausible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..=60).contains(&seconds);
    if !plausible {
        return None;
    }
    // Days from the civil date, with years that begin in March so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year / 400;
    let of_era = year % 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
