//! How a record lies in the journal: numbers of eight bytes or of variable length, texts with their length before them.
//!
//! Written by hand because it runs once for each call, and read back without copying. A reader never trusts a length: what
//! does not fit is an error, not a panic or a large allocation.

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends numbers of eight bytes each.
pub(crate) fn put_words<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    out.extend_from_slice(numbers.map(u64::to_le_bytes).as_flattened());
}

/// Appends what `write` writes, with its length in two bytes before it.
pub(crate) fn put_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    write(out);
    let len = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    if let Some(head) = out.get_mut(start..start + 2) {
        head.copy_from_slice(&len.to_le_bytes());
    }
}

/// The longest text that is kept, in bytes. A longer one is cut, so that no record is too long to be read back.
const LONGEST_TEXT: usize = 1024;

/// Appends a text with its length in two bytes before it.
pub(crate) fn put_str(out: &mut Vec<u8>, mut text: &str) {
    if text.len() > LONGEST_TEXT {
        text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default();
    }
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    // Many a word is none, and to copy nothing takes a call all the same.
    if !text.is_empty() {
        out.extend_from_slice(text.as_bytes());
    }
}

/// A record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record is not one of this program's")]
pub(crate) struct Unreadable;

/// What is left to read of a record.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn u8(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.0.split_first().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Unreadable);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable)
    }

    /// Numbers of eight bytes each.
    pub(crate) fn words<const N: usize>(&mut self) -> Result<[u64; N], Unreadable> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let (bytes, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
            (*number, self.0) = (u64::from_le_bytes(*bytes), rest);
        }
        Ok(numbers)
    }

    /// What has its length in two bytes before it.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], Unreadable> {
        let (len, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
        let (bytes, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len))).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Unreadable> {
        T::try_from(self.u64()?).map_err(|_| Unreadable)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Unreadable> {
        text(self.sized()?)
    }
}

/// Bytes that are a text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|_| Unreadable)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
