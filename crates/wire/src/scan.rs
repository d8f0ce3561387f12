//! A strict JSON scanner that looks and does not build.
//!
//! The relay must know that a whole body is JSON, where a handful of its values stand, and nothing else. The scanner
//! walks the bytes once: strings, which are nearly all of a prompt, go by many bytes at a time; containers are walked by
//! recursion bounded by the depth guard.
//!
//! It accepts exactly what RFC 8259 calls JSON, in UTF-8, with one narrowing: an escape that names half a surrogate
//! pair is refused, because parsers disagree about its meaning.

use memchr::{memchr, memchr2};
use std::borrow::Cow;
use std::ops::Range;

/// Depth above which a guard is clamped: the scanner recurses, and its stack is the worker's.
const DEEPEST: usize = 512;

/// Bytes of a string that are looked at by words, before a wide search is worth its start.
const SHORT: usize = 32;

/// So many digits always fit.
const MOST_DIGITS: usize = 19;

/// A one in each byte of a word, and the top bit of each.
const ONES: u64 = u64::MAX / 255;
const TOPS: u64 = ONES << 7;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The text ends too early.
    Truncated,
    /// Not what JSON allows here.
    Unexpected,
    /// Something follows the value.
    Trailing,
    /// Brackets nest deeper than the guard.
    TooDeep,
    /// A control character inside a string.
    Control,
    /// A string that is not UTF-8.
    NotUtf8,
    /// Half a surrogate pair as an escape.
    LoneSurrogate,
}

/// A flaw and the offset of the byte at which it was noticed.
pub(crate) type Refusal = (Flaw, usize);

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A value found: what it is and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// A string found: where it stands, quotes included, and whether something in it is escaped.
#[derive(Debug, Clone)]
pub(crate) struct Quoted {
    span: Range<usize>,
    escaped: bool,
}

pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth_left: usize,
    /// What the strings hold has been looked at before.
    strings_checked: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8], max_depth: usize) -> Self {
        Self { text, at: 0, depth_left: max_depth.min(DEEPEST), strings_checked: false }
    }

    /// For a text that a scanner has been through before: of its strings only the ends are sought.
    pub(crate) fn again(text: &'a [u8], max_depth: usize) -> Self {
        Self { strings_checked: true, ..Self::new(text, max_depth) }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The bytes of a value.
    #[inline]
    pub(crate) fn text(&self, span: Range<usize>) -> &'a [u8] {
        self.text.get(span).unwrap_or_default()
    }

    /// What a string says, however it is spelled.
    #[inline]
    pub(crate) fn name(&self, key: &Quoted) -> Option<Cow<'a, [u8]>> {
        let quoted = self.text(key.span.clone());
        if key.escaped {
            return serde_json::from_slice::<String>(quoted).ok().map(|name| Cow::Owned(name.into_bytes()));
        }
        inner(quoted).map(Cow::Borrowed)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn refuse<T>(&self, flaw: Flaw) -> Result<T, Refusal> {
        Err(self.refusal(flaw))
    }

    /// This flaw here; at the end of the text every flaw is that it ends.
    fn refusal(&self, flaw: Flaw) -> Refusal {
        (if self.at >= self.text.len() { Flaw::Truncated } else { flaw }, self.at)
    }

    /// Skips white space and gives the byte after it, without taking it.
    #[inline]
    fn next_byte(&mut self) -> Result<u8, Refusal> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(byte),
                None => return self.refuse(Flaw::Truncated),
            }
        }
    }

    /// The end of the text: only white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), Refusal> {
        match self.next_byte() {
            Err((Flaw::Truncated, _)) => Ok(()),
            Err(refusal) => Err(refusal),
            Ok(_) => Err((Flaw::Trailing, self.at)),
        }
    }

    /// Walks an object, the first byte of which is next, and calls `member` with each key and the scanner before its
    /// value; `member` must take the value.
    #[inline]
    pub(crate) fn object<E: From<Refusal>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Quoted) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter()?;
        if self.next_byte()? == b'}' {
            self.leave();
            return Ok(());
        }
        loop {
            if self.next_byte()? != b'"' {
                return Err(self.refusal(Flaw::Unexpected).into());
            }
            let key = self.string()?;
            if self.next_byte()? != b':' {
                return Err(self.refusal(Flaw::Unexpected).into());
            }
            self.at += 1;
            member(self, key)?;
            match self.next_byte()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.refusal(Flaw::Unexpected).into()),
            }
        }
        self.leave();
        Ok(())
    }

    /// Walks an array, the first byte of which is next, and calls `entry` before each value, which it must take.
    #[inline]
    pub(crate) fn array<E: From<Refusal>>(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter()?;
        if self.next_byte()? == b']' {
            self.leave();
            return Ok(());
        }
        loop {
            entry(self)?;
            match self.next_byte()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.refusal(Flaw::Unexpected).into()),
            }
        }
        self.leave();
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        let Some(left) = self.depth_left.checked_sub(1) else { return Err((Flaw::TooDeep, self.at)) };
        self.depth_left = left;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth_left += 1;
        self.at += 1;
    }

    /// What the next value is, without taking it.
    pub(crate) fn kind(&mut self) -> Result<Kind, Refusal> {
        Ok(match self.next_byte()? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ => return self.refuse(Flaw::Unexpected),
        })
    }

    /// Takes the next value.
    pub(crate) fn value(&mut self) -> Result<Value, Refusal> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => self.object(|scanner, _| scanner.value().map(drop))?,
            Kind::Array => self.array(|scanner| scanner.value().map(drop))?,
            Kind::String => {
                self.string()?;
            }
            Kind::Number => self.number()?,
            Kind::True => self.word(b"true")?,
            Kind::False => self.word(b"false")?,
            Kind::Null => self.word(b"null")?,
        }
        Ok(Value { kind, span: start..self.at })
    }

    /// Takes the next value if it is a number of plain digits that is sure to fit, and white space before it.
    #[inline]
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.next_byte().ok()?;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.iter().take(MOST_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let number = digits(rest.get(..count)?)?;
        let more = matches!(rest.get(count), Some(b'.' | b'e' | b'E'));
        if more || (count > 1 && rest.first() == Some(&b'0')) {
            return None;
        }
        self.at += count;
        Some(number)
    }

    /// What the next value says, which is a string.
    pub(crate) fn said(&mut self) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let quoted = self.string()?;
        Ok(self.name(&quoted))
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Refusal> {
        for &byte in word {
            if self.peek() != Some(byte) {
                return self.refuse(Flaw::Unexpected);
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Refusal> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.refuse(Flaw::Unexpected),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.refuse(Flaw::Unexpected) } else { Ok(()) }
    }

    /// Takes a string, the opening quote of which is next.
    fn string(&mut self) -> Result<Quoted, Refusal> {
        if self.strings_checked {
            return self.checked_string();
        }
        let start = self.at;
        self.at += 1;
        let mut high_bytes = false;
        let mut escaped = false;
        loop {
            let (length, high) = plain(self.text.get(self.at..).unwrap_or_default());
            high_bytes |= high;
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.refuse(Flaw::Control),
            }
        }
        if high_bytes {
            let text = self.text.get(start..self.at).unwrap_or_default();
            if let Err(error) = std::str::from_utf8(text) {
                return Err((Flaw::NotUtf8, start + error.valid_up_to()));
            }
        }
        Ok(Quoted { span: start..self.at, escaped })
    }

    /// As [`Self::string`], for one that has been looked at before.
    fn checked_string(&mut self) -> Result<Quoted, Refusal> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += until_quote(self.text.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Quoted { span: start..self.at, escaped });
                }
                Some(_) => {
                    escaped = true;
                    self.at += 2;
                }
                None => return self.refuse(Flaw::Truncated),
            }
        }
    }

    /// Takes an escape, the backslash of which is next.
    fn escape(&mut self) -> Result<(), Refusal> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let start = self.at - 1;
                match self.unit()? {
                    0xD800..=0xDBFF => {
                        let low = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
                        if !low {
                            return Err((Flaw::LoneSurrogate, start));
                        }
                        self.at += 1;
                        if !(0xDC00..=0xDFFF).contains(&self.unit()?) {
                            return Err((Flaw::LoneSurrogate, start));
                        }
                    }
                    0xDC00..=0xDFFF => return Err((Flaw::LoneSurrogate, start)),
                    _ => {}
                }
            }
            _ => return self.refuse(Flaw::Unexpected),
        }
        Ok(())
    }

    /// Takes `uXXXX` and gives the code unit.
    fn unit(&mut self) -> Result<u32, Refusal> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.refuse(Flaw::Unexpected);
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// What stands between the quotes of a string.
pub(crate) fn inner(quoted: &[u8]) -> Option<&[u8]> {
    quoted.get(1..quoted.len().checked_sub(1)?)
}

/// The text of a string that stood the scanner's checks.
pub(crate) fn unquote(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = inner(quoted)?;
    if memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned)
}

/// The number that plain digits name; `None` if there is anything else among them, or too many for one look.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > MOST_DIGITS {
        return None;
    }
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// How many bytes at the start are no quote and no backslash.
///
/// Names and words are short, so the first bytes go eight at a time in a register: to start a wide search costs more
/// than most strings are long.
#[inline]
pub(crate) fn until_quote(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(SHORT / 8).enumerate() {
        let stops = quotes(u64::from_le_bytes(*word));
        if stops != 0 {
            return index * 8 + first_byte(stops);
        }
    }
    let seen = words.len().min(SHORT / 8) * 8;
    let rest = text.get(seen..).unwrap_or_default();
    seen + memchr2(b'"', b'\\', rest).unwrap_or(rest.len())
}

/// How many bytes at the start are plain text of a string: no quote, no backslash, no control character; and whether
/// one of them is above ASCII.
#[inline]
fn plain(text: &[u8]) -> (usize, bool) {
    let (length, high) = plain_by_words(text.get(..SHORT).unwrap_or(text));
    if length < SHORT { (length, high) } else { plain_far(text, high) }
}

/// As [`plain`], for a text that is known as far as it goes by words. First its end is sought and then what is in
/// between looked at, because the compiler makes both into wide instructions, which it does not with a loop that may
/// stop anywhere.
fn plain_far(text: &[u8], high: bool) -> (usize, bool) {
    let rest = text.get(SHORT..).unwrap_or_default();
    let run = rest.get(..memchr2(b'"', b'\\', rest).unwrap_or(rest.len())).unwrap_or_default();
    let (lowest, all) = run.iter().fold((u8::MAX, 0), |(lowest, all), byte| (lowest.min(*byte), all | byte));
    if lowest < 0x20 {
        // Refused there, so it is of no interest what else is in it.
        return (SHORT + run.iter().position(|byte| *byte < 0x20).unwrap_or(run.len()), high);
    }
    (SHORT + run.len(), high | (all >= 0x80))
}

fn plain_by_words(text: &[u8]) -> (usize, bool) {
    let (words, tail) = text.as_chunks::<8>();
    let mut high = 0;
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // As in `zero`, but set where the byte is below 0x20.
        let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let stops = quotes(word) | control;
        if stops != 0 {
            let plain = first_byte(stops);
            let kept = (1u64 << (plain * 8)) - 1;
            return (length + plain, (high | (word & kept)) & TOPS != 0);
        }
        high |= word;
        length += 8;
    }
    let mut high = high & TOPS != 0;
    for &byte in tail {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        high |= byte >= 0x80;
        length += 1;
    }
    (length, high)
}

/// Sets the top bit of bytes that are a quote or a backslash. Beyond the first that is set others may be too.
#[inline]
const fn quotes(word: u64) -> u64 {
    (zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))) & TOPS
}

/// Sets the top bit of bytes that are zero. A borrow can only reach bytes after the first that is set, and the first is
/// all that is asked for.
#[inline]
const fn zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The index of the first byte in which a bit is set.
#[inline]
const fn first_byte(bits: u64) -> usize {
    bits.trailing_zeros() as usize / 8
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
