//! A strict JSON scanner that looks and does not build.
//!
//! The relay must know that a whole body is JSON, where a handful of its values stand, and nothing else. The scanner
//! walks the bytes once: strings, which are nearly all of a prompt, go by many bytes at a time; containers are walked by
//! recursion bounded by the depth guard.
//!
//! It accepts exactly what RFC 8259 calls JSON, in UTF-8, with one narrowing: an escape that names half a surrogate
//! pair is refused, because parsers disagree about its meaning.

use std::ops::Range;

/// Depth above which a guard is clamped: the scanner recurses, and its stack is the worker's.
const DEEPEST: usize = 512;

/// Bytes of a string that are looked at together.
const BLOCK: usize = 32;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
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
pub(super) type Refusal = (Flaw, usize);

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth_left: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], max_depth: usize) -> Self {
        Self { text, at: 0, depth_left: max_depth.min(DEEPEST) }
    }

    pub(super) fn position(&self) -> usize {
        self.at
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
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        match self.next_byte() {
            Err((Flaw::Truncated, _)) => Ok(()),
            Err(refusal) => Err(refusal),
            Ok(_) => Err((Flaw::Trailing, self.at)),
        }
    }

    /// Walks an object, the first byte of which is next, and calls `member` with each key, quotes included, and the
    /// scanner before its value; `member` must take the value.
    #[inline]
    pub(super) fn object<E: From<Refusal>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Range<usize>) -> Result<(), E>,
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

    fn array(&mut self) -> Result<(), Refusal> {
        self.enter()?;
        if self.next_byte()? == b']' {
            self.leave();
            return Ok(());
        }
        loop {
            self.value()?;
            match self.next_byte()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return self.refuse(Flaw::Unexpected),
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
    pub(super) fn kind(&mut self) -> Result<Kind, Refusal> {
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
    pub(super) fn value(&mut self) -> Result<Value, Refusal> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => self.object(|scanner, _| scanner.value().map(drop))?,
            Kind::Array => self.array()?,
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

    /// Takes a string, the opening quote of which is next, and gives its span, quotes included.
    fn string(&mut self) -> Result<Range<usize>, Refusal> {
        let start = self.at;
        self.at += 1;
        let mut high_bytes = false;
        loop {
            let (length, high) = plain(self.text.get(self.at..).unwrap_or_default());
            high_bytes |= high;
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.escape()?,
                _ => return self.refuse(Flaw::Control),
            }
        }
        if high_bytes {
            let text = self.text.get(start..self.at).unwrap_or_default();
            if let Err(error) = std::str::from_utf8(text) {
                return Err((Flaw::NotUtf8, start + error.valid_up_to()));
            }
        }
        Ok(start..self.at)
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

/// How many bytes at the start are plain text of a string: no quote, no backslash, no control character; and whether
/// one of them is above ASCII.
///
/// Names and words are short, so the first bytes go eight at a time in a register: on prose, which has an escape every
/// line or two, that measured a little faster than `memchr`, whose start has to be paid for each run. A long text then
/// goes by blocks, with comparisons that the compiler makes wide ones.
#[inline]
fn plain(text: &[u8]) -> (usize, bool) {
    let (length, high) = plain_by_words(text.get(..BLOCK).unwrap_or(text));
    if length < BLOCK { (length, high) } else { plain_by_blocks(text, high) }
}

/// As [`plain`], for a text whose first block is known.
fn plain_by_blocks(text: &[u8], high: bool) -> (usize, bool) {
    let (mut length, mut high) = (BLOCK, high);
    for block in text.as_chunks::<BLOCK>().0.iter().skip(1) {
        if block.iter().fold(false, |stop, &byte| stop | (byte == b'"') | (byte == b'\\') | (byte < 0x20)) {
            break;
        }
        high |= block.iter().fold(false, |high, &byte| high | (byte >= 0x80));
        length += BLOCK;
    }
    let (rest, high_rest) = plain_by_words(text.get(length..).unwrap_or_default());
    (length + rest, high | high_rest)
}

fn plain_by_words(text: &[u8]) -> (usize, bool) {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let (words, tail) = text.as_chunks::<8>();
    let mut high = 0;
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // The top bit of a byte is set where the byte is zero, or below 0x20; a borrow can only reach bytes after the
        // first that is set, and the first is all that is asked for.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let stops = (zero(quote) | zero(backslash) | control) & TOPS;
        if stops != 0 {
            let plain = stops.trailing_zeros() / 8;
            let kept = (1u64 << (plain * 8)) - 1;
            return (length + plain as usize, (high | (word & kept)) & TOPS != 0);
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
