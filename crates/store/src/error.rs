//! What may go wrong with what is kept.

use std::path::PathBuf;

/// An error of the store. All of them are the operator's to mend; none is a client's fault.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// A file of ours cannot be read or written.
    #[error("{what} {}: {error}", .path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process has the directory.
    #[error("{} is in use by another process; one process a data directory", .0.display())]
    InUse(PathBuf),
    /// The database refused.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A part of the journal that is not its tail cannot be read.
    #[error(
        "the journal file {} is damaged at byte {at} and more follows it; restore a backup, or open it once with \
         `skip_damaged` and accept what is lost",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// A part of the journal is missing.
    #[error("the journal lacks records {from} up to {to}; a file of it is missing from {}", .path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The first record that is missing.
        from: u64,
        /// The first one after it that is there.
        to: u64,
    },
    /// A file of the journal that another version of the program has written.
    #[error(
        "the journal file {} was written by another version of this program; start that version once more, wait until it \
         has nothing left to feed, stop it, and delete the file",
        .0.display()
    )]
    OtherVersion(PathBuf),
    /// A database that a newer version of the program has changed.
    #[error("the database has schema {found}, this program knows up to {known}; use the newer program")]
    Newer {
        /// What it has.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// The same reference was used for something else before.
    #[error("the reference {0} was entered before with another account or amount")]
    Conflict(String),
    /// A copy would overwrite something.
    #[error(
        "{} is not empty: a backup goes into an empty directory, a restore into one without books",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// It was not done within the time given.
    #[error("the database has not caught up with the journal in time")]
    Late,
    /// An entry that is none.
    #[error(transparent)]
    Entry(#[from] sluicegate_ledger::EntryError),
}

impl StoreError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { what, path, error }
    }
}
