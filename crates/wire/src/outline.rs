//! The members of an object, without reading more of them than is wanted.
//!
//! A provider's whole answer is passed on as it is; of all it says the relay needs the usage. So the object is walked
//! at its top level, strings by searching for their end and everything else by counting brackets. Brackets
//! and strings must close, so a text that was cut off is noticed; what stands between them is not checked to be JSON.

use crate::scan::until_quote;

/// Calls `member` with each name at the top level as it stands there, and the walk before its value, which it must
/// take. `None` where the text is not one whole object.
#[inline]
pub(crate) fn walk<'a>(object: &'a [u8], mut member: impl FnMut(&'a [u8], &mut Walk<'a>) -> Option<()>) -> Option<()> {
    let mut walk = Walk { text: object, at: 0 };
    walk.white();
    if walk.take()? != b'{' {
        return None;
    }
    loop {
        walk.white();
        match walk.take()? {
            b',' => {}
            b'"' => {
                let start = walk.at;
                walk.string()?;
                let name = object.get(start..walk.at - 1)?;
                walk.white();
                if walk.take()? != b':' {
                    return None;
                }
                walk.white();
                member(name, &mut walk)?;
            }
            b'}' => {
                walk.white();
                return (walk.at == object.len()).then_some(());
            }
            _ => return None,
        }
    }
}

/// A walk over the members of an object.
pub(crate) struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// What has not been taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes so many bytes, which somebody else has read.
    pub(crate) fn pass(&mut self, length: usize) {
        self.at += length;
    }

    /// Takes the next value.
    pub(crate) fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.past()?;
        self.text.get(start..self.at)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn white(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Goes past the end of a string whose opening quote has been taken.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += until_quote(self.text.get(self.at..)?);
            if self.take()? == b'"' {
                return Some(());
            }
            // Whatever is escaped, its first byte is not the closing quote.
            self.at += 1;
        }
    }

    /// Goes past the end of any value.
    fn past(&mut self) -> Option<()> {
        match self.text.get(self.at)? {
            b'"' => {
                self.at += 1;
                self.string()
            }
            b'{' | b'[' => self.container(),
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'{' | b'[' | b'"');
                self.at += self.text.get(self.at..)?.iter().position(ends)?;
                Some(())
            }
        }
    }

    /// Goes past the end of an object or an array, the first byte of which is next.
    fn container(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            let byte = self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
