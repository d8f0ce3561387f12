//! Keys that are read from files are read again when the files change, so that whoever rotates keys has nothing to tell
//! the relay.
//!
//! A file is known by its times, its length and its number on its disk, looked up once a second. When one has changed the
//! configuration is loaded anew as a whole, by the same way as on an operator's order: a file that is wrong at that moment,
//! half written or empty, is refused as a wrong configuration is, and looked at again when it changes again. A file that is
//! not there for a moment, while another takes its place, is no change. At the first look it is read too, since it may
//! have changed after the configuration was loaded.

use crate::operator::Operator;
use secrecy::ExposeSecret;
use sluicegate_config::{Config, Environment, System};
use sluicegate_vocabulary::ConfigVersion;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
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
    /// When anything about it changed, which nobody can set back.
    changed: (i64, i64),
    /// Which file it is: another that takes its place has another number.
    number: u64,
}

impl Face {
    fn of(file: &Path) -> Option<Self> {
        let known = std::fs::metadata(file).ok()?;
        Some(Self {
            modified: known.modified().ok(),
            length: known.len(),
            changed: (known.ctime(), known.ctime_nsec()),
            number: known.ino(),
        })
    }
}

/// The files of one configuration, as they were at the last look.
#[derive(Debug, Default)]
struct KeyFiles {
    of: Option<ConfigVersion>,
    /// With what was read from each, as [`hashed`].
    files: BTreeMap<PathBuf, u64>,
    seen: BTreeMap<PathBuf, Face>,
}

impl KeyFiles {
    /// Looks at all of them, and says whether one is another than it was.
    fn look(&mut self, face: impl Fn(&Path) -> Option<Face>, read: impl Fn(&Path) -> Option<u64>) -> bool {
        let Self { files, seen, .. } = self;
        seen.retain(|known, _| files.contains_key(known));
        let mut changed = false;
        for (file, loaded) in files {
            let Some(now) = face(file) else { continue };
            changed |= match seen.insert(file.clone(), now) {
                Some(before) => before != now,
                None => read(file).is_some_and(|content| content != *loaded),
            };
        }
        changed
    }
}

/// A key, or a file with a key in it, to be compared.
fn hashed(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.trim().hash(&mut hasher);
    hasher.finish()
}

/// The files of a configuration's keys, with what was read from them.
fn loaded(config: &Config) -> BTreeMap<PathBuf, u64> {
    let keys = config.providers.values().flat_map(|provider| &provider.keys);
    keys.filter_map(|key| Some((key.file.clone()?, hashed(key.secret.expose_secret())))).collect()
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
            files.files = loaded(&operator.relay().config());
            files.of = Some(version);
        }
        if files.files.is_empty() {
            continue;
        }
        // A file may be on a disk that hangs.
        let looked = tokio::task::spawn_blocking(move || {
            let read = |file: &Path| System.read(file).ok().map(|text| hashed(&text));
            (files.look(Face::of, read), files)
        })
        .await;
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
