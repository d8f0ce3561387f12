//! Copies of everything that is kept, made while it is being written, and back.
//!
//! A copy is of one moment: the database is copied by its own means, one file after the other, the days of the request log
//! first, so that the main one has at least what they have. The journal is no part of it, since what it holds is fed
//! before the copy begins. A restore goes into an empty directory only.

use crate::error::StoreError;
use crate::{days, feed, schema};
use std::path::Path;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

pub(crate) fn backup(dir: &Path, to: &Path) -> Result<Copied, StoreError> {
    make_empty(to)?;
    let mut copied = Copied::default();
    let mut copy = |from: &Path, to: &Path| -> Result<(), StoreError> {
        let connection = schema::read_only(from)?;
        let name = to
            .to_str()
            .ok_or_else(|| StoreError::file("cannot write", to)(std::io::Error::other("the path is not UTF-8")))?;
        connection.execute("VACUUM INTO $1", [name])?;
        let file = std::fs::File::open(to).map_err(StoreError::file("cannot read", to))?;
        file.sync_all().map_err(StoreError::file("cannot sync", to))?;
        copied.files += 1;
        copied.bytes += file.metadata().map_or(0, |meta| meta.len());
        Ok(())
    };
    for day in days::list(dir)? {
        copy(&days::path(dir, day), &days::path(to, day))?;
    }
    copy(&feed::books_path(dir), &feed::books_path(to))?;
    Ok(copied)
}

/// Puts a backup into an empty directory, from which a store can then be opened.
///
/// # Errors
/// The directory is not empty, the backup has no books or not sound ones, or a file cannot be copied.
pub fn restore(from: &Path, dir: &Path) -> Result<Copied, StoreError> {
    let books = feed::books_path(from);
    let sound: String = schema::read_only(&books)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        let error = std::io::Error::other(format!("it is damaged: {sound}"));
        return Err(StoreError::file("cannot restore", books)(error));
    }
    make_empty(dir)?;
    let mut copied = Copied::default();
    let days = days::list(from)?.into_iter().map(|day| (days::path(from, day), days::path(dir, day)));
    for (from, to) in days.chain([(books, feed::books_path(dir))]) {
        copied.bytes += std::fs::copy(&from, &to).map_err(StoreError::file("cannot copy", &from))?;
        copied.files += 1;
    }
    Ok(copied)
}

fn make_empty(dir: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(dir).map_err(StoreError::file("cannot make", dir))?;
    let mut entries = std::fs::read_dir(dir).map_err(StoreError::file("cannot list", dir))?;
    if entries.next().is_some() { Err(StoreError::NotEmpty(dir.to_owned())) } else { Ok(()) }
}
