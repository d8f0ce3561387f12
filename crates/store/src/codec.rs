//! How a record lies in the journal: numbers of variable length, texts with their length before them.
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

/// Appends a number of either sign, small ones short.
pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned());
}

/// The longest text that is kept, in bytes. A longer one is cut, so that no record is too long to be read back.
const LONGEST_TEXT: usize = 1024;

/// Appends a text.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    let text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default();
    put_u64(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
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

    pub(crate) fn i64(&mut self) -> Result<i64, Unreadable> {
        let bits = self.u64()?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Unreadable> {
        T::try_from(self.u64()?).map_err(|_| Unreadable)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Unreadable> {
        let len: usize = self.number()?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(Unreadable)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Unreadable)
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
