//! Where migrations are kept: one file each in the data directory.
//!
//! A file is replaced whole, so whoever is killed while writing leaves the one before. What changes who goes where (a
//! start, a step, a rollback) is synced to the disk; what merely counts is not, since it is written every second and a
//! second of evidence may be lost.

use serde::{Deserialize, Serialize};
use sluicegate_migration::Migration;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const SCHEMA: &str = "sluicegate.migration/v1";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

#[derive(Serialize)]
struct Written<'a, M> {
    schema: &'a str,
    migration: &'a Migration,
    mirrored: &'a M,
}

#[derive(Deserialize)]
struct Read<M> {
    schema: String,
    migration: Migration,
    #[serde(default)]
    mirrored: M,
}

/// The folder of the files.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
}

impl Keeper {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("migrations") }
    }

    /// Names are checked to be letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// What is kept of a migration; `None` where nothing is.
    ///
    /// # Errors
    /// What keeps the file from being read, in words.
    pub(super) fn load<M: for<'de> Deserialize<'de> + Default>(
        &self,
        name: &str,
    ) -> Result<Option<(Migration, M)>, String> {
        let path = self.path(name);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(&error)),
        };
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(|error| told(&error))?;
        let read: Read<M> = serde_json::from_slice(&text).map_err(|error| told(&error))?;
        if read.schema != SCHEMA {
            return Err(told(&format_args!("not of the form {SCHEMA}")));
        }
        Ok(Some((read.migration, read.mirrored)))
    }

    /// Gives a file that cannot be read another name, so that it is not written over.
    pub(super) fn set_aside(&self, name: &str) {
        let path = self.path(name);
        // What cannot be renamed cannot be written either, which is told when it is tried.
        let _ = std::fs::rename(&path, path.with_extension("damaged"));
    }

    /// Keeps a migration. `synced` waits for the disk.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn save<M: Serialize>(&self, migration: &Migration, mirrored: &M, synced: bool) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.path(&migration.definition().name);
        let text = serde_json::to_vec(&Written { schema: SCHEMA, migration, mirrored })?;
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        if synced {
            file.sync_all()?;
        }
        drop(file);
        std::fs::rename(&beside, &path)?;
        if synced {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }
}
