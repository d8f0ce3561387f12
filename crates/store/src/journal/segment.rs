//! One file of the journal: a head, then batches of records.
//!
//! A record has its length before it. What is written at once is a batch, or several where it is much, and ends with a
//! *seal*: a checksum over all of it. So a record that is being written may be half there, and a batch counts as a whole or
//! not at all, just as its calls are told of it. One checksum for many records costs a fraction of one for each, and the
//! writer reckons it: a worker does so only where much waits already.
//!
//! A file is laid out in full before it is used, so its unused rest is zeros, and a length of zero is its end. The number
//! of a record is the number of the file's first one plus those before it; the file's name tells the first. What a kill
//! or a loss of power left half written has no seal that fits; that is an end too, if nothing follows.

use crate::error::StoreError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a file begins with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"sgjrnl\0\x02";
/// The head: the magic and the number of the first record.
pub(crate) const HEAD: u64 = 16;
/// Bytes of a record's length.
const LENGTH: usize = 4;
/// Instead of a length: a seal.
const SEAL: u32 = u32::MAX;
/// Instead of the number of a first record, for a file that was made ahead.
pub(crate) const SPARE: u64 = u64::MAX;
/// Longer than any record may be.
const LONGEST: usize = 1 << 20;

/// Appends a record that `write` writes.
pub(crate) fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    write(out);
    let len = u32::try_from(out.len() - start - LENGTH).unwrap_or(SEAL - 1);
    if let Some(head) = out.get_mut(start..start + LENGTH) {
        head.copy_from_slice(&len.to_le_bytes());
    }
}

/// Bytes after which a batch is sealed, however much more is written with it: what a kill in the middle of a large write
/// may take of it.
pub(crate) const MOST_UNSEALED: usize = 64 << 10;

/// Ends the batch that begins there.
pub(crate) fn seal(bytes: &mut Vec<u8>, from: usize) {
    let sum = crc32fast::hash(bytes.get(from..).unwrap_or_default());
    bytes.extend_from_slice(&SEAL.to_le_bytes());
    bytes.extend_from_slice(&sum.to_le_bytes());
}

/// What stands at the beginning of some bytes.
enum Piece<'a> {
    Record(&'a [u8]),
    Seal(u32),
}

/// The first piece of some bytes, and what follows it; `None` where there is none, or a part of one.
fn cut(bytes: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let len = u32::from_le_bytes(*len);
    if len == SEAL {
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        return Some((Piece::Seal(u32::from_le_bytes(*sum)), rest));
    }
    let len = usize::try_from(len).ok().filter(|len| (1..=LONGEST).contains(len))?;
    let (body, rest) = rest.split_at_checked(len)?;
    Some((Piece::Record(body), rest))
}

/// The number of records in the batch that some bytes begin with, and what follows it; `None` where there is no whole one.
fn batch(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut rest, mut records) = (bytes, 0);
    loop {
        match cut(rest)? {
            (Piece::Record(_), after) => (rest, records) = (after, records + 1),
            (Piece::Seal(sum), after) => {
                let sealed = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                return (records > 0 && crc32fast::hash(sealed) == sum).then_some((records, after));
            }
        }
    }
}

/// The file whose first record has a number.
pub(crate) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.journal"))
}

/// The numbers of the first records of all files in a directory, rising.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(StoreError::file("cannot list", dir))? {
        let name = entry.map_err(StoreError::file("cannot list", dir))?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".journal")).and_then(|name| name.parse::<u64>().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes a file with its head, and room for so many bytes where the file system can set them aside.
pub(crate) fn create(dir: &Path, first: u64, room: u64) -> std::io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path(dir, first))?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, room) {
        // A file system that cannot set room aside says so; one that has none says something else.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => {
            let _ = std::fs::remove_file(path(dir, first));
            return Err(error.into());
        }
    }
    let head = [MAGIC, first.to_le_bytes()].concat();
    file.write_all_at(&head, 0)?;
    file.sync_all()?;
    // The name is durable only when its directory is.
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Scan {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// How many records are in whole batches.
    pub(crate) records: u64,
    /// Where the last whole batch ends.
    pub(crate) end: u64,
    /// Whether something that is no batch and no zeros follows it.
    pub(crate) torn: bool,
}

/// Reads a whole file.
pub(crate) fn scan(dir: &Path, first: u64) -> Result<Scan, StoreError> {
    let path = path(dir, first);
    let bytes = std::fs::read(&path).map_err(StoreError::file("cannot read", &path))?;
    if bytes.get(..8) != Some(&MAGIC) && bytes.get(..7) == MAGIC.get(..7) {
        return Err(StoreError::OtherVersion(path));
    }
    let whole = bytes.get(..8) == Some(&MAGIC) && bytes.get(8..16) == Some(&first.to_le_bytes());
    if !whole {
        // A file that was being made when the power went: nothing was in it yet.
        let torn = bytes.iter().any(|byte| *byte != 0);
        return Ok(Scan { bytes: Vec::new(), records: 0, end: 0, torn });
    }
    let mut rest = bytes.get(HEAD as usize..).unwrap_or_default();
    let mut records = 0;
    while let Some((more, after)) = batch(rest) {
        rest = after;
        records += more;
    }
    let end = (bytes.len() - rest.len()) as u64;
    let torn = rest.iter().any(|byte| *byte != 0);
    Ok(Scan { bytes, records, end, torn })
}

/// The records in some bytes of a file, and how many of the bytes those are. Each is known to be whole: this process has
/// written it, or has found it whole at its start ([`scan`]). Summed up once more, a record would cost as much again as to
/// be read.
pub(crate) fn records(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((piece, after)) = cut(rest) {
        rest = after;
        if let Piece::Record(record) = piece {
            found.push(record);
        }
    }
    (found, bytes.len() - rest.len())
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
