//! The file in which a relay keeps what it has learned of providers over a restart.
//!
//! It is written every minute, and once more when the relay has drained; so a relay that is killed knows what it knew a
//! minute before. It is small, has a version, and replaces the one before it whole: a reader finds the old or the new
//! text and never half of either. A file that is missing, of another version, too large or damaged is no reason not to
//! start: what was learned is learned again.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluicegate_relay::{Learned, Relay};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::MissedTickBehavior;

/// The file's name in the data directory.
const FILE: &str = "learned.json";
const SCHEMA: &str = "sluicegate.learned/v1";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Time between two writings.
const EVERY: Duration = Duration::from_secs(60);

/// The file's text.
#[derive(Debug, Serialize, Deserialize)]
struct Text {
    schema: String,
    #[serde(flatten)]
    learned: Learned,
}

/// What is remembered in a data directory.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// What the file holds. Held while it is written, so that two writers do not meet.
    written: Mutex<Learned>,
}

impl Memory {
    /// The memory of a data directory, and what of it can still be believed. What cannot be read is told in the log.
    #[must_use]
    pub fn recall(folder: &Path) -> (Arc<Self>, Learned) {
        let path = folder.join(FILE);
        let learned = read(&path).unwrap_or_else(|why| {
            tracing::warn!("what was learned of providers before cannot be read and is learned again: {why}");
            Learned::default()
        });
        let memory = Arc::new(Self { path, written: Mutex::new(learned.clone()) });
        (memory, learned.believed(now_ms()))
    }

    /// Keeps what a relay learns, once a minute. Never ends.
    pub async fn keep(self: Arc<Self>, relay: Arc<Relay>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let (memory, relay) = (Arc::clone(&self), Arc::clone(&relay));
            // A disk may be slow.
            if let Err(error) = tokio::task::spawn_blocking(move || memory.write(&relay)).await {
                tracing::error!(%error, "what was learned of providers was not written");
            }
        }
    }

    /// Writes what a relay has learned by now, if it is something else than before.
    pub fn write(&self, relay: &Relay) {
        self.put(relay.standing().learned(now_ms()));
    }

    fn put(&self, learned: Learned) {
        let mut written = self.written.lock();
        if *written == learned {
            return;
        }
        match replace(&self.path, &learned) {
            Ok(()) => *written = learned,
            Err(error) => tracing::warn!(
                "what was learned of providers cannot be kept: {}: {error}; it is learned again after a restart",
                self.path.display()
            ),
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// What a file holds; nothing if there is none.
fn read(path: &Path) -> Result<Learned, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Learned::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let mut text = Vec::new();
    let length = file.take(LARGEST + 1).read_to_end(&mut text);
    if length.map_err(|error| format!("{}: {error}", path.display()))? as u64 > LARGEST {
        return Err(format!("{} is larger than {LARGEST} bytes", path.display()));
    }
    let text: Text = serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.schema != SCHEMA {
        return Err(format!("{} is not of the form {SCHEMA}", path.display()));
    }
    Ok(text.learned)
}

/// Puts another file in a file's place, for this user alone.
fn replace(path: &Path, learned: &Learned) -> io::Result<()> {
    let text = Text { schema: SCHEMA.to_owned(), learned: learned.clone() };
    let text = serde_json::to_vec(&text)?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
