//! Hours, days, weeks and months as people count them: in a time zone, by its calendar.
//!
//! A day of 23 or 25 hours is one day, and a month ends where its zone says. The boundaries are worked out when a period
//! begins and not for each call.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// How long a budget lasts before it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// Seven days from the calendar's first one.
    Week,
    /// A month of the calendar.
    Month,
    /// For ever.
    Total,
}

impl Per {
    /// The word used in configuration and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// What periods are cut by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// How long one is.
    pub per: Per,
    /// Where it is counted.
    pub zone: TimeZone,
    /// The day on which weeks begin.
    pub week_starts: Weekday,
}

impl Calendar {
    /// Periods in UTC, with weeks from Monday.
    #[must_use]
    pub const fn utc(per: Per) -> Self {
        Self { per, zone: TimeZone::UTC, week_starts: Weekday::Monday }
    }

    /// The period in which a moment lies, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn period(&self, at_ms: i64) -> Span {
        self.bounds(at_ms).filter(|span| span.start_ms <= at_ms && at_ms < span.end_ms).unwrap_or(Span::EVER)
    }

    fn bounds(&self, at_ms: i64) -> Option<Span> {
        let at = Timestamp::from_millisecond(at_ms).ok()?.to_zoned(self.zone.clone());
        let from = |start: &Zoned, end: &Zoned| Span {
            start_ms: start.timestamp().as_millisecond(),
            end_ms: end.timestamp().as_millisecond(),
        };
        match self.per {
            Per::Hour => {
                let offset = i64::from(at.offset().seconds()) * 1000;
                let start_ms = (at_ms + offset).div_euclid(HOUR_MS) * HOUR_MS - offset;
                Some(Span { start_ms, end_ms: start_ms + HOUR_MS })
            }
            Per::Day => {
                let start = at.start_of_day().ok()?;
                Some(from(&start, &start.tomorrow().ok()?.start_of_day().ok()?))
            }
            Per::Week => {
                let since = at.weekday().since(self.week_starts);
                let first = at.date().checked_sub(jiff::Span::new().days(since)).ok()?;
                let next = first.checked_add(jiff::Span::new().days(7)).ok()?;
                Some(from(&self.midnight(first)?, &self.midnight(next)?))
            }
            Per::Month => {
                let first = at.date().first_of_month();
                let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
                Some(from(&self.midnight(first)?, &self.midnight(next)?))
            }
            Per::Total => None,
        }
    }

    fn midnight(&self, day: jiff::civil::Date) -> Option<Zoned> {
        day.to_zoned(self.zone.clone()).ok()?.start_of_day().ok()
    }
}

const HOUR_MS: i64 = 3_600_000;

/// A stretch of time, in milliseconds since the Unix epoch: from its start up to its end, which is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first moment.
    pub start_ms: i64,
    /// The first moment after it.
    pub end_ms: i64,
}

impl Span {
    /// All time.
    pub const EVER: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// When it ends, or `None` for all time.
    #[must_use]
    pub const fn ends_ms(&self) -> Option<i64> {
        if self.end_ms == i64::MAX { None } else { Some(self.end_ms) }
    }
}

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
