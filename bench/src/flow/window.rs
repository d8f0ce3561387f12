//! What went through in stretches of time: the questions by which a limit is judged.
//!
//! Every stretch there is is looked at, not only those that begin with a minute: it slides over every event.

use std::ops::Range;
use std::time::Duration;

/// What is in use leaves a window by hundredths, so it may count for so much longer than the window.
pub(crate) const PARTS: u32 = 100;

/// So much at a time since the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) amount: u64,
}

/// The most in any stretch shorter than `window`, and when that stretch ended. Events are in order of time.
pub(crate) fn most(events: &[Event], window: Duration) -> (u64, Duration) {
    let mut worst = (0, Duration::ZERO);
    trailing(events, window, |event, sum| {
        if sum > worst.0 {
            worst = (sum, event.at);
        }
    });
    worst
}

/// The most that surely happened in some stretch shorter than `window`, where of each event it is only known that it
/// happened between two times: those count whose earliest and latest both lie in the stretch. The order does not matter.
pub(crate) fn surely_most(spans: &[Range<Duration>], window: Duration) -> u64 {
    let mut spans: Vec<&Range<Duration>> = spans.iter().collect();
    spans.sort_by_key(|span| span.start);
    // The fullest stretch may as well begin with an event.
    let full = |(number, first): (usize, &&Range<Duration>)| {
        let end = first.start + window;
        let within = spans.iter().skip(number).take_while(|span| span.start < end);
        within.filter(|span| span.end < end).count() as u64
    };
    spans.iter().enumerate().map(full).max().unwrap_or(0)
}

/// From when on a window is as full as it gets: it holds `enough`, and the burst with which the first calls went through
/// has left it. `None` if that never came.
pub(crate) fn saturated(events: &[Event], window: Duration, enough: u64, grain: Duration) -> Option<Duration> {
    let counted = window + window / PARTS;
    let left = events.first()?.at + counted;
    let mut first = None;
    trailing(events, counted + grain, |event, sum| {
        if sum >= enough && event.at >= left {
            first.get_or_insert(event.at);
        }
    });
    first
}

/// The least in any stretch of `window` that lies between `from` and `until` and begins with an event, which is not
/// counted; `None` if no stretch is that long.
pub(crate) fn least(events: &[Event], window: Duration, from: Duration, until: Duration) -> Option<u64> {
    let (mut end, mut sum, mut least) = (0, 0, None);
    for event in events {
        // What lies at or before the beginning does not count.
        while let Some(next) = events.get(end).filter(|next| next.at <= event.at + window) {
            sum += next.amount;
            end += 1;
        }
        sum -= event.amount;
        if event.at >= from && event.at + window <= until {
            least = Some(least.map_or(sum, |least: u64| least.min(sum)));
        }
    }
    least
}

/// The longest time between two events that follow one another between `from` and `until`, or before `until` without
/// any; `None` if there is no event.
pub(crate) fn longest_gap(events: &[Event], from: Duration, until: Duration) -> Option<Duration> {
    let times: Vec<Duration> = events.iter().map(|event| event.at).filter(|at| (from..=until).contains(at)).collect();
    let after = times.iter().skip(1).chain(std::iter::once(&until));
    times.iter().zip(after).map(|(one, next)| next.saturating_sub(*one)).max()
}

/// Shows each event with what the stretch that ends with it holds.
pub(crate) fn trailing(events: &[Event], window: Duration, mut see: impl FnMut(&Event, u64)) {
    let (mut begin, mut sum) = (0, 0);
    for event in events {
        sum += event.amount;
        while let Some(oldest) = events.get(begin).filter(|oldest| event.at - oldest.at >= window) {
            sum -= oldest.amount;
            begin += 1;
        }
        see(event, sum);
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
