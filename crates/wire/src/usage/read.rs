//! Reading counts from providers that do not keep to the type.
//!
//! A usage object is read in passing; nothing in it may fail an answer that is good otherwise. So a count that is no
//! count reads as absent, and so does an object that is no object. What is refused is what is not JSON, and a field
//! that is given twice, since there is no telling which is meant.
//!
//! The scanner that looks into requests is used here too. Nearly every answer has a usage object and little in it is
//! of interest, so nothing is built of it but the form.

use crate::peek::MAX_DEPTH;
use crate::scan::{Kind, Refusal, Scanner, unquote};
use sluicegate_vocabulary::Tier;
use std::borrow::Cow;

/// A text that says nothing: it is not JSON, or gives a field twice.
#[derive(Debug)]
pub(super) struct Unread;

impl From<Refusal> for Unread {
    fn from(_: Refusal) -> Self {
        Self
    }
}

/// Reads a whole text with `value`.
pub(super) fn whole<T>(json: &[u8], value: impl FnOnce(&mut Scanner<'_>) -> Result<T, Unread>) -> Result<T, Unread> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let read = value(&mut scanner)?;
    scanner.end()?;
    Ok(read)
}

/// Walks an object, and calls `member` with each name and the scanner before its value.
#[inline]
pub(super) fn members(
    scanner: &mut Scanner<'_>,
    mut member: impl FnMut(&mut Scanner<'_>, &[u8]) -> Result<(), Unread>,
) -> Result<(), Unread> {
    if scanner.kind()? != Kind::Object {
        return Err(Unread);
    }
    scanner.object(|scanner, key| {
        let name = scanner.name(&key).ok_or(Unread)?;
        member(scanner, &name)
    })
}

/// Keeps what a field says, which it may say once.
#[inline]
pub(super) fn once<T>(field: &mut Option<T>, said: T) -> Result<(), Unread> {
    if field.replace(said).is_some() { Err(Unread) } else { Ok(()) }
}

/// Takes a value of no interest.
pub(super) fn skip(scanner: &mut Scanner<'_>) -> Result<(), Unread> {
    scanner.value()?;
    Ok(())
}

/// A count: a non-negative whole number, or a float that is one. Anything else reads as absent.
pub(super) fn count(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Unread> {
    let plain = scanner.count();
    if plain.is_some() {
        return Ok(plain);
    }
    let value = scanner.value()?;
    Ok(if value.kind == Kind::Number { number(scanner.text(value.span)) } else { None })
}

/// The count that a number is which is not written as plain digits.
#[cold]
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        // Above 2^53 a float no longer says which whole number it means.
        ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0).then_some(float as u64)
    })
}

/// An object, read by `form`. Anything else reads as absent.
pub(super) fn object<T>(
    scanner: &mut Scanner<'_>,
    form: impl FnOnce(&mut Scanner<'_>) -> Result<T, Unread>,
) -> Result<Option<T>, Unread> {
    if scanner.kind()? == Kind::Object { form(scanner).map(Some) } else { skip(scanner).map(|()| None) }
}

/// A list of what `entry` reads; entries that it does not know are left out. Anything else reads as an empty list.
pub(super) fn list<T>(
    scanner: &mut Scanner<'_>,
    mut entry: impl FnMut(&mut Scanner<'_>) -> Result<Option<T>, Unread>,
) -> Result<Vec<T>, Unread> {
    let mut entries = Vec::new();
    if scanner.kind()? != Kind::Array {
        skip(scanner)?;
        return Ok(entries);
    }
    scanner.array(|scanner| {
        entries.extend(entry(scanner)?);
        Ok::<(), Unread>(())
    })?;
    Ok(entries)
}

/// A string. Anything else reads as absent.
pub(super) fn string(scanner: &mut Scanner<'_>) -> Result<Option<String>, Unread> {
    let value = scanner.value()?;
    let quoted = scanner.text(value.span);
    Ok(if value.kind == Kind::String { unquote(quoted).map(Cow::into_owned) } else { None })
}

/// A provider's word for the tier that served a call. A word that is none reads as absent.
pub(super) fn tier(scanner: &mut Scanner<'_>) -> Result<Option<Tier>, Unread> {
    let value = scanner.value()?;
    if value.kind != Kind::String {
        return Ok(None);
    }
    Ok(unquote(scanner.text(value.span)).and_then(|word| word.parse().ok()))
}
