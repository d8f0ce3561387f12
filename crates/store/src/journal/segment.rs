//! One file of the journal: a head, then records, each with its length and a checksum.
//!
//! A file is laid out in full before it is used, so its unused rest is zeros, and a length of zero is its end. The number
//! of a record is the number of the file's first one plus those before it; the file's name tells the first. What a kill
//! or a loss of power left half written fails its checksum; that is an end too, if nothing follows.

use crate::error::StoreError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a file begins with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"sgjrnl\0\x01";
/// The head: the magic and the number of the first record.
pub(crate) const HEAD: u64 = 16;
/// What stands before each record: its length and its checksum.
pub(crate) const FRAME: usize = 8;
/// Instead of the number of a first record, for a file that was made ahead.
pub(crate) const SPARE: u64 = u64::MAX;
/// Longer than any record may be.
pub(crate) const LONGEST: usize = 1 << 20;

/// Appends a framed record that `write` writes.
pub(crate) fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME]);
    write(out);
    let body = out.get(start + FRAME..).unwrap_or_default();
    let (len, sum) = (u32::try_from(body.len()).unwrap_or(u32::MAX), crc32fast::hash(body));
    if let Some(head) = out.get_mut(start..start + FRAME) {
        let (first, second) = head.split_at_mut(4);
        first.copy_from_slice(&len.to_le_bytes());
        second.copy_from_slice(&sum.to_le_bytes());
    }
}

/// The first record of some bytes, its checksum, and what follows it; `None` where there is none of a possible length.
fn cut(bytes: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|len| (1..=LONGEST).contains(len))?;
    let (body, rest) = rest.split_at_checked(len)?;
    Some((body, u32::from_le_bytes(*sum), rest))
}

/// The first record of some bytes and what follows it; `None` where there is no whole one.
pub(crate) fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, sum, rest) = cut(bytes)?;
    (crc32fast::hash(body) == sum).then_some((body, rest))
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
    /// Its records, without frames, as ranges of `bytes`.
    pub(crate) bytes: Vec<u8>,
    /// How many records are whole.
    pub(crate) records: u64,
    /// Where the last whole one ends.
    pub(crate) end: u64,
    /// Whether something that is no record and no zeros follows it.
    pub(crate) torn: bool,
}

/// Reads a whole file.
pub(crate) fn scan(dir: &Path, first: u64) -> Result<Scan, StoreError> {
    let path = path(dir, first);
    let bytes = std::fs::read(&path).map_err(StoreError::file("cannot read", &path))?;
    let whole = bytes.get(..8) == Some(&MAGIC) && bytes.get(8..16) == Some(&first.to_le_bytes());
    if !whole {
        // A file that was being made when the power went: nothing was in it yet.
        let torn = bytes.iter().any(|byte| *byte != 0);
        return Ok(Scan { bytes: Vec::new(), records: 0, end: 0, torn });
    }
    let mut rest = bytes.get(HEAD as usize..).unwrap_or_default();
    let mut records = 0;
    while let Some((_, after)) = next(rest) {
        rest = after;
        records += 1;
    }
    let end = (bytes.len() - rest.len()) as u64;
    let torn = rest.iter().any(|byte| *byte != 0);
    Ok(Scan { bytes, records, end, torn })
}

/// Every record in some bytes of a file of which each is known to be whole: this process has written it, or has found it
/// whole at its start ([`scan`]). Summed up once more, a record would cost as much again as to be read.
pub(crate) fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (body, _, after) = cut(rest)?;
        rest = after;
        Some(body)
    })
}
