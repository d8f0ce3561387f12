//! Numbers as people read them, the same in every command.

use sluicegate_control::FlowLimit;

/// Seconds in the two largest units that say something.
pub(crate) fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A time of milliseconds in the unit that fits: `0`, `0.3 ms`, `12 ms`, `1.5 s`, `2 min`, `3 h`.
pub(crate) fn brief(millis: f64) -> String {
    match millis {
        ms if ms <= 0.0 => "0".to_owned(),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms if ms < 10_000.0 => format!("{:.1} s", ms / 1000.0),
        ms if ms < 120_000.0 => format!("{:.0} s", ms / 1000.0),
        ms if ms < 7_200_000.0 => format!("{:.0} min", ms / 60_000.0),
        ms => format!("{:.0} h", ms / 3_600_000.0),
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{:.0} KiB", number as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", number as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", number as f64 / 1_073_741_824.0),
    }
}

/// Whose a limit is: `key:web-app`, or `overall`.
pub(crate) fn owner(limit: &FlowLimit) -> &str {
    if limit.scope == limit.owner { &limit.scope } else { &limit.name }
}

/// What a limit counts: `requests/minute`, `tokens/15 s`, `concurrency`.
pub(crate) fn counts(limit: &FlowLimit) -> String {
    let named = [(1.0, "second"), (60.0, "minute"), (3600.0, "hour"), (86_400.0, "day")];
    let Some(seconds) = limit.window_seconds else { return limit.counts.clone() };
    let name = named.into_iter().find(|(length, _)| (length - seconds).abs() < 1e-9);
    let window = name.map_or_else(|| format!("{seconds} s"), |(_, name)| name.to_owned());
    format!("{}/{window}", limit.counts)
}

/// How much of a limit is in use, 0 to 1. One that allows nothing is used up.
pub(crate) fn used(limit: &FlowLimit) -> f64 {
    let left = limit.left.min(limit.capacity);
    if limit.capacity == 0 { 1.0 } else { 1.0 - left as f64 / limit.capacity as f64 }
}

/// `118 240/120 000`
pub(crate) fn amount(limit: &FlowLimit) -> String {
    format!("{}/{}", grouped(limit.capacity.saturating_sub(limit.left)), grouped(limit.capacity))
}

/// A share as a bar: what is there and what is missing.
pub(crate) fn bar(share: f64, width: usize) -> (String, String) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as-casts from float saturate; the share lies between 0 and 1"
    )]
    let full = ((share.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
    ("█".repeat(full), "░".repeat(width - full))
}

/// Text of somebody else's making, cut to a width and without what steers a terminal.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    let visible = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    if text.chars().count() <= width {
        return visible.collect();
    }
    visible.take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
#[path = "words_tests.rs"]
pub(crate) mod tests;
