//! The days of the request log: a file for each, deleted whole.
//!
//! Deleting rows gives no disk back and takes long; deleting a file does neither. Days are those of UTC.

use crate::error::StoreError;
use std::path::{Path, PathBuf};

const DAY_MS: i64 = 86_400_000;

/// How much of the request log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Whole days before today.
    pub days: u32,
    /// Bytes of all days together. Today's file is never deleted.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: 30, bytes: 20 << 30 }
    }
}

/// The day of a moment, counted from the Unix epoch.
pub(crate) const fn of(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

/// The file of a day.
pub(crate) fn path(dir: &Path, day: i64) -> PathBuf {
    let date =
        jiff::Timestamp::from_millisecond(day.saturating_mul(DAY_MS)).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    // A moment beyond the calendar has no date; its calls are kept all the same.
    let name = date.map_or_else(|_| format!("calls-day{day}.db"), |date| format!("calls-{}.db", date.date()));
    dir.join(name)
}

/// The days that have a file, rising.
pub(crate) fn list(dir: &Path) -> Result<Vec<i64>, StoreError> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(StoreError::file("cannot list", dir))? {
        let name = entry.map_err(StoreError::file("cannot list", dir))?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_prefix("calls-")?.strip_suffix(".db")) else {
            continue;
        };
        let of_date = |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let date = stem.parse().ok().and_then(of_date).map(|at| of(at.timestamp().as_millisecond()));
        days.extend(date.or_else(|| stem.strip_prefix("day")?.parse().ok()));
    }
    days.sort_unstable();
    Ok(days)
}

/// The files that belong to a day: SQLite keeps two beside the first.
fn files(dir: &Path, day: i64) -> [PathBuf; 3] {
    let main = path(dir, day);
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", main.display()));
    [main.clone(), beside("-wal"), beside("-shm")]
}

/// The days that are to go.
pub(crate) fn to_drop(dir: &Path, today: i64, keep: &Keep) -> Result<Vec<i64>, StoreError> {
    let days = list(dir)?;
    let size = |day: i64| -> u64 {
        files(dir, day).iter().filter_map(|file| std::fs::metadata(file).ok()).map(|meta| meta.len()).sum()
    };
    let mut total: u64 = days.iter().map(|day| size(*day)).sum();
    let mut dropped = Vec::new();
    for day in days.into_iter().filter(|day| *day < today) {
        if today - day > i64::from(keep.days) || total > keep.bytes {
            total = total.saturating_sub(size(day));
            dropped.push(day);
        }
    }
    Ok(dropped)
}

/// Deletes a day.
pub(crate) fn delete(dir: &Path, day: i64) -> Result<(), StoreError> {
    for file in files(dir, day) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::file("cannot delete", file)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "days_tests.rs"]
mod tests;
