//! Keys that are read from files are read again when the files change, so that whoever rotates keys has nothing to tell
//! the relay.
//!
//! A file is known by its time and length, looked up once a second. When one has changed the configuration is loaded
//! anew as a whole, by the same way as on an operator's order: a file that is wrong at that moment, half written or empty,
//! is refused as a wrong configuration is, and looked at again when it changes again. A file that is not there for a
//! moment, while another takes its place, is no change.

use crate::operator::Operator;
use sluicegate_vocabulary::ConfigVersion;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Face {
    modified: Option<SystemTime>,
    length: u64,
}

impl Face {
    fn of(file: &Path) -> Option<Self> {
        let known = std::fs::metadata(file).ok()?;
        Some(Self { modified: known.modified().ok(), length: known.len() })
    }
}

/// The files of one configuration, as they were at the last look.
#[derive(Debug, Default)]
struct KeyFiles {
    of: Option<ConfigVersion>,
    files: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Face>,
}

impl KeyFiles {
    /// Looks at all of them, and says whether one is another than it was.
    fn look(&mut self, face: impl Fn(&Path) -> Option<Face>) -> bool {
        let Self { files, seen, .. } = self;
        seen.retain(|known, _| files.contains(known));
        let mut changed = false;
        for file in files {
            let Some(now) = face(file) else { continue };
            changed |= seen.insert(file.clone(), now).is_some_and(|before| before != now);
        }
        changed
    }
}

/// Watches the files that providers' keys come from. Ends only when it is dropped.
pub(crate) async fn watch_key_files(operator: Arc<Operator>) {
    let mut files = KeyFiles::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let version = operator.relay().version();
        // The whole configuration is copied to read it, so it is read only when it is another one.
        if files.of != Some(version) {
            files.files = operator.relay().config().key_files();
            files.of = Some(version);
        }
        if files.files.is_empty() {
            continue;
        }
        // A file may be on a disk that hangs.
        let looked = tokio::task::spawn_blocking(move || (files.look(Face::of), files)).await;
        let Ok((changed, back)) = looked else { return };
        files = back;
        if changed {
            tracing::info!("the file of a provider's key has changed; reading the configuration again");
            // What comes of it is told by whoever carries it out.
            let (report, _) = oneshot::channel();
            let _ = operator.reloads.try_send(report);
        }
    }
}

#[cfg(test)]
#[path = "key_files_tests.rs"]
mod tests;
