//! Copies of everything that is kept, made while it is being written, and back.
//!
//! A copy is of one moment. The feeder stands still while a reader is opened in each of the databases, which takes
//! milliseconds; from then on each reader sees its database as it was, however long the copying takes, and whatever is
//! written meanwhile. The journal is no part of a copy, since what it holds is fed before. A call that was being answered at
//! that moment is in the copy as an open one, and is settled as after a kill.
//!
//! What the relay has learned of its providers and how far its migrations have come lies in small files of its own; they
//! are in the copy as they are, so that a relay that is put up again elsewhere goes on where this one was.
//!
//! With the copies goes a list of their sizes and hashes, written last: a directory without it is no backup. A restore
//! compares every byte with it and adds all of the books up before it puts anything in place, so it either ends with books
//! that are those of the backup, or changes nothing.

use crate::error::StoreError;
use crate::keys::KeyStore;
use crate::verify::{self, Verdict};
use crate::{days, feed, schema};
use rusqlite::Connection;
use rusqlite::backup::Backup;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The list of what is in a backup.
const LIST: &str = "backup.json";
/// Files of the relay that are no databases, and the folder of those of which there are many.
const PLAIN: &str = "learned.json";
const FOLDER: &str = "migrations";
/// Where a restore lies until all of it is known to be right.
const UNFINISHED: &str = "restore.unfinished";
const FORM: &str = "sluicegate.backup/v1";
/// Bytes that are copied in one go.
const PIECE: usize = 1 << 20;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of which moment the copy is, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What a backup says about itself.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    schema: String,
    at_ms: i64,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Every database as it was at one moment.
#[derive(Debug)]
pub(crate) struct Moment {
    at_ms: i64,
    readers: Vec<(String, Connection)>,
    /// Small files whole. They are replaced and never written to, so each is of one moment.
    plain: Vec<(String, Vec<u8>)>,
}

impl Moment {
    /// Opens a reader in each database. Nobody may feed them meanwhile.
    pub(crate) fn take(dir: &Path, at_ms: i64) -> Result<Self, StoreError> {
        let keys = Some(KeyStore::path(dir)).filter(|path| path.exists());
        let files =
            days::list(dir)?.into_iter().map(|day| days::path(dir, day)).chain([feed::books_path(dir)]).chain(keys);
        let open = |path: PathBuf| {
            let reader = schema::read_only(&path)?;
            // A transaction sees what is there at its first question.
            reader.execute_batch("BEGIN")?;
            reader.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))?;
            Ok((name_of(&path), reader))
        };
        Ok(Self { at_ms, readers: files.map(open).collect::<Result<_, StoreError>>()?, plain: plain(dir)? })
    }

    /// Copies it into an empty directory.
    pub(crate) fn copy(self, to: &Path) -> Result<Copied, StoreError> {
        make_empty(to)?;
        let mut list = List { schema: FORM.to_owned(), at_ms: self.at_ms, files: Vec::new() };
        for (name, bytes) in self.plain {
            let path = to.join(&name);
            make_folder_of(&path)?;
            let written =
                File::create(&path).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
            written.map_err(StoreError::file("cannot write", &path))?;
            let (bytes, sha256) = through(&path, &mut std::io::sink())?;
            list.files.push(Listed { name, bytes, sha256 });
        }
        for (name, reader) in self.readers {
            let path = to.join(&name);
            let mut copy = Connection::open(&path)?;
            Backup::new(&reader, &mut copy)?.step(-1)?;
            // One file, that needs none beside it.
            copy.execute_batch("PRAGMA journal_mode = DELETE")?;
            drop(copy);
            let file = File::open(&path).map_err(StoreError::file("cannot read", &path))?;
            file.sync_all().map_err(StoreError::file("cannot sync", &path))?;
            let (bytes, sha256) = through(&path, &mut std::io::sink())?;
            list.files.push(Listed { name, bytes, sha256 });
        }
        let path = to.join(LIST);
        let text = serde_json::to_vec_pretty(&list).map_err(|error| unusable(&path, error.to_string()))?;
        let written = File::create(&path).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
        written.map_err(StoreError::file("cannot write", &path))?;
        Ok(list.copied())
    }
}

impl List {
    fn read(from: &Path) -> Result<Self, StoreError> {
        let path = from.join(LIST);
        let text = std::fs::read(&path)
            .map_err(StoreError::file("this is no backup, or not a whole one: cannot read", &path))?;
        let list: Self = serde_json::from_slice(&text).map_err(|error| unusable(&path, error.to_string()))?;
        if list.schema != FORM {
            return Err(unusable(&path, format!("its form is {}, this program knows {FORM}", list.schema)));
        }
        // A name that leads elsewhere is not one that we wrote.
        match list.files.iter().find(|file| !is_ours(&file.name)) {
            Some(file) => Err(unusable(&path, format!("{:?} is not the name of a file in it", file.name))),
            None => Ok(list),
        }
    }

    fn copied(&self) -> Copied {
        let bytes = self.files.iter().map(|file| file.bytes).sum();
        Copied { files: self.files.len() as u64, bytes, at_ms: self.at_ms }
    }
}

/// Puts a backup into a directory that has no books, from which a store can then be opened. Tells what was restored, and
/// what came of adding it up.
///
/// # Errors
/// The directory has books already; the backup is not whole, not what it was when it was made, or its books do not add
/// up; or a file cannot be copied. The directory is as it was, then.
pub fn restore(from: &Path, dir: &Path) -> Result<(Copied, Verdict), StoreError> {
    let list = List::read(from)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::file("cannot make", dir))?;
    let journal = std::fs::read_dir(dir.join("journal")).is_ok_and(|mut files| files.next().is_some());
    if feed::books_path(dir).exists() || !days::list(dir)?.is_empty() || journal {
        return Err(StoreError::NotEmpty(dir.to_owned()));
    }
    let unfinished = dir.join(UNFINISHED);
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(StoreError::file("cannot delete", &unfinished))?;
    }
    make_empty(&unfinished)?;
    let restored = checked_copy(&list, from, &unfinished).and_then(|verdict| {
        // The books come last: until they are there, nothing is taken for restored.
        for file in &list.files {
            let place = dir.join(&file.name);
            make_folder_of(&place)?;
            std::fs::rename(unfinished.join(&file.name), &place).map_err(StoreError::file("cannot make", place))?;
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::file("cannot sync", dir))?;
        Ok((list.copied(), verdict))
    });
    // What is left there is of no use to anybody.
    let _ = std::fs::remove_dir_all(&unfinished);
    restored
}

fn checked_copy(list: &List, from: &Path, to: &Path) -> Result<Verdict, StoreError> {
    for file in &list.files {
        let (source, place) = (from.join(&file.name), to.join(&file.name));
        make_folder_of(&place)?;
        let mut copy = File::create(&place).map_err(StoreError::file("cannot make", &place))?;
        let (bytes, sha256) = through(&source, &mut copy)?;
        if (bytes, &sha256) != (file.bytes, &file.sha256) {
            return Err(unusable(&source, "it is not the file that was backed up: its hash is another".to_owned()));
        }
        copy.sync_all().map_err(StoreError::file("cannot sync", &place))?;
    }
    let verdict = verify::verify(to)?;
    match verdict.wrong.first() {
        Some(wrong) => Err(unusable(from, format!("its books do not add up: {wrong}"))),
        None => Ok(verdict),
    }
}

/// Reads a file into something, and tells its length and its hash.
fn through(path: &Path, to: &mut impl Write) -> Result<(u64, String), StoreError> {
    let mut file = File::open(path).map_err(StoreError::file("cannot read", path))?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).map_err(StoreError::file("cannot read", path))?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        to.write_all(read).map_err(StoreError::file("cannot copy", path))?;
        bytes += read.len() as u64;
    }
    Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// The small files of a data directory.
fn plain(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let inside = std::fs::read_dir(dir.join(FOLDER)).into_iter().flatten().filter_map(Result::ok);
    let inside = inside.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"));
    let mut names: Vec<String> = inside.map(|entry| format!("{FOLDER}/{}", name_of(&entry.path()))).collect();
    names.push(PLAIN.to_owned());
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let path = dir.join(&name);
        match std::fs::read(&path) {
            Ok(bytes) => found.push((name, bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::file("cannot read", path)(error)),
        }
    }
    Ok(found)
}

/// Whether a name in a list is one that we write, and so leads nowhere else.
fn is_ours(name: &str) -> bool {
    let last = name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    !last.is_empty() && name_of(Path::new(last)) == last
}

fn make_folder_of(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(StoreError::file("cannot make", folder))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unusable(path: &Path, why: String) -> StoreError {
    StoreError::file("cannot restore", path)(std::io::Error::other(why))
}

fn make_empty(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::file("cannot make", dir))?;
    let mut entries = std::fs::read_dir(dir).map_err(StoreError::file("cannot list", dir))?;
    if entries.next().is_some() { Err(StoreError::NotEmpty(dir.to_owned())) } else { Ok(()) }
}
