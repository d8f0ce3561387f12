//! The plain kind of usage object: counts that are whole numbers, objects of them, nulls.
//!
//! Nearly every answer carries one of that kind, and for it the general reading, which is ready for every type anywhere,
//! costs several times as much as looking. Whatever is not of that kind, a count that is no count, a name that is
//! given twice or written with escapes, text that is not JSON, is left to the general reading; what is read here is read
//! the same there.

use super::forms::Form;
use crate::peek::inner;
use crate::peek::scan::{Kind, Refusal, Scanner as Reader};

/// Nesting in a plain object at most.
const MAX_DEPTH: usize = 16;

/// Not of the plain kind: only the general reading can tell what it says.
#[derive(Debug)]
pub(super) struct Unusual;

impl From<Refusal> for Unusual {
    fn from(_: Refusal) -> Self {
        Self
    }
}

/// The object that the whole text is.
pub(super) fn read<T: Form>(text: &[u8]) -> Result<T, Unusual> {
    let mut reader = Reader::new(text, MAX_DEPTH);
    let form = object(&mut reader)?.ok_or(Unusual)?;
    reader.end()?;
    Ok(form)
}

/// Walks the object that is next, and calls `member` before the value of each name that is one of `names`, which may be
/// 32 at most.
pub(super) fn members(
    reader: &mut Reader<'_>,
    names: &[&'static str],
    mut member: impl FnMut(&mut Reader<'_>, &'static str) -> Result<(), Unusual>,
) -> Result<(), Unusual> {
    let mut seen = 0u32;
    reader.object(|reader, key| {
        let name = reader.text().get(key).and_then(inner).ok_or(Unusual)?;
        match names.iter().enumerate().find(|(_, known)| known.as_bytes() == name) {
            Some((index, known)) => {
                let bit = 1 << index;
                if seen & bit != 0 {
                    return Err(Unusual);
                }
                seen |= bit;
                member(reader, known)
            }
            None if name.contains(&b'\\') => Err(Unusual),
            None => Ok(drop(reader.value()?)),
        }
    })
}

/// The count that is next; `None` for null.
pub(super) fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Unusual> {
    let value = reader.value()?;
    match value.kind {
        Kind::Null => Ok(None),
        Kind::Number => {
            let digits = reader.text().get(value.span).ok_or(Unusual)?;
            digits
                .iter()
                .try_fold(0, |count: u64, byte| {
                    let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
                    count.checked_mul(10)?.checked_add(digit.into())
                })
                .map(Some)
                .ok_or(Unusual)
        }
        _ => Err(Unusual),
    }
}

/// The object that is next; `None` for null.
pub(super) fn object<T: Form>(reader: &mut Reader<'_>) -> Result<Option<T>, Unusual> {
    match reader.kind()? {
        Kind::Object => T::read_plainly(reader).map(Some),
        Kind::Null => Ok(reader.value().map(|_| None)?),
        _ => Err(Unusual),
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
