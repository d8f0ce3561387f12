//! Single members of an object, without reading the rest.
//!
//! A provider's whole answer is passed on as it is; of all it says the relay needs the usage. So the object is walked
//! at its top level, strings by searching for their end and everything else by counting brackets. Brackets
//! and strings must close, so a text that was cut off is noticed; what stands between them is not checked to be JSON.

use crate::scan::until_quote;

/// The values of the last top-level members with these names, or `None` where the text is not one whole object.
///
/// ```
/// use sluicegate_wire::outline::members;
/// let body = br#"{"a": {"usage": 1}, "text": "\"usage\": 2", "usage": {"n": 3}}"#;
/// assert_eq!(members(body, ["usage", "error"]), Some([Some(&br#"{"n": 3}"#[..]), None]));
/// assert_eq!(members(b"{\"usage\": {\"n\": 3}", ["usage"]), None);
/// ```
#[must_use]
pub fn members<'a, const N: usize>(object: &'a [u8], names: [&str; N]) -> Option<[Option<&'a [u8]>; N]> {
    let mut walk = Walk { text: object, at: 0 };
    let mut found = [None; N];
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
                let start = walk.at;
                walk.value()?;
                for (wanted, found) in names.iter().zip(&mut found) {
                    if wanted.as_bytes() == name {
                        *found = object.get(start..walk.at);
                    }
                }
            }
            b'}' => {
                walk.white();
                return (walk.at == object.len()).then_some(found);
            }
            _ => return None,
        }
    }
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl Walk<'_> {
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
    fn value(&mut self) -> Option<()> {
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
