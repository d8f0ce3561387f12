//! The folder in which a relay keeps what is its own, and the lock that keeps a second relay out.
//!
//! Two processes with one folder would answer on one socket and, one day, write one ledger. The lock is the operating
//! system's, so it ends with the process however that ends; the number inside the file is only there to be shown.

use crate::outcome::{Code, Failure, Outcome};
use sluicegate_control::SOCKET_FILE;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const LOCK_FILE: &str = "sluicegate.lock";

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Whether it goes with us.
    passing: bool,
    _lock: File,
}

impl DataDir {
    /// Takes a folder, making it (for this user alone) if need be.
    ///
    /// # Errors
    /// It cannot be made or written, or another relay has it.
    pub(crate) fn take(path: &Path) -> Outcome<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, &error))?;
        Self::lock(path, false)
    }

    /// Takes a new folder that is removed in the end.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn passing() -> Outcome<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("sluicegate-{}-{:x}", std::process::id(), now.subsec_nanos());
        let path = std::env::temp_dir().join(name);
        // Not recursive: a folder that is there already is somebody else's.
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| unusable(&path, &error))?;
        Self::lock(&path, true)
    }

    fn lock(path: &Path, passing: bool) -> Outcome<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path.join(LOCK_FILE));
        let mut file = file.map_err(|error| unusable(path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
        }
        let noted =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(|error| unusable(path, &error))?;
        Ok(Self { path: path.to_owned(), passing, _lock: file })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the socket belongs.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET_FILE)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // What cannot be removed is replaced by the next start.
        let _ = std::fs::remove_file(self.socket());
        if self.passing {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!(
        "the data directory {} cannot be used: {error}\n       name another with server.data_dir or SLUICEGATE_DATA",
        path.display()
    );
    Failure::new(Code::Failed, message)
}

fn taken(path: &Path, file: &mut File) -> Failure {
    let mut holder = String::new();
    let known = file.take(32).read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
    let holder = if known { format!("process {}", holder.trim()) } else { "another process".to_owned() };
    let message = format!(
        "{holder} is a relay that uses the data directory {}: one relay a directory\n       stop it, or name another \
         directory with server.data_dir or SLUICEGATE_DATA",
        path.display()
    );
    Failure::new(Code::Failed, message)
}

#[cfg(test)]
#[path = "data_dir_tests.rs"]
mod tests;
