//! What arrives on an HTTP/1 connection, followed only as far as needed to see each request's head.
//!
//! A request that carries both `transfer-encoding` and `content-length` is read in two ways by two readers, which is how
//! requests are smuggled past a front end. RFC 9112 (6.3) allows a server to refuse it, and that is what we want. hyper
//! removes the length before any code of ours sees the request, so it has to be seen in the bytes themselves. This
//! follows them: lines of a head, then a body by its length or by its chunks, then the next head. It copies nothing,
//! unless a line is cut by the end of what was read, and it leaves all other judgement to hyper, which refuses what is
//! malformed and closes.

use memchr::memchr;

/// What of a line is kept at most when it is cut. Only names of headers and numbers are of interest, and a number that is
/// longer than this is refused, since its end would be missing.
const KEPT: usize = 128;

/// The place in a connection's requests that has been reached.
#[derive(Debug, Default)]
pub(super) struct Heads {
    at: At,
    /// The head has `transfer-encoding`.
    chunked: bool,
    length: Length,
    /// The beginning of a line whose end has not come yet.
    cut: Vec<u8>,
    /// That line is longer than what is kept of it.
    overlong: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    RequestLine,
    Header,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// What comes is of no interest any more, since the connection is refused.
    Over,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    /// It is there but is not a number; hyper refuses it.
    Unreadable,
}

impl Heads {
    /// Goes on with the bytes that have come. Says whether a head in them gives its body two lengths.
    pub(super) fn is_ambiguous(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match self.at {
                At::Over => return false,
                At::Body(left) | At::Chunk(left) => {
                    let there = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - there as u64;
                    bytes = bytes.get(there..).unwrap_or_default();
                    self.at = match self.at {
                        At::Body(_) if left == 0 => At::RequestLine,
                        At::Body(_) => At::Body(left),
                        _ if left == 0 => At::ChunkEnd,
                        _ => At::Chunk(left),
                    };
                }
                _ => {
                    let Some((line, rest)) = memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end + 1))
                    else {
                        self.keep(bytes);
                        return false;
                    };
                    bytes = rest;
                    if self.cut.is_empty() {
                        self.line(line);
                    } else {
                        self.keep(line);
                        let whole = std::mem::take(&mut self.cut);
                        self.line(&whole);
                        self.overlong = false;
                    }
                    if matches!(self.at, At::Over) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT.saturating_sub(self.cut.len()).min(part.len());
        self.overlong |= room < part.len();
        self.cut.extend_from_slice(part.get(..room).unwrap_or_default());
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.at = match self.at {
            At::RequestLine if line.is_empty() => At::RequestLine,
            At::RequestLine => {
                (self.chunked, self.length) = (false, Length::None);
                At::Header
            }
            At::Header if line.is_empty() => match (self.chunked, self.length) {
                (true, Length::None) => At::ChunkSize,
                (true, _) | (false, Length::Unreadable) => At::Over,
                (false, Length::None | Length::Bytes(0)) => At::RequestLine,
                (false, Length::Bytes(bytes)) => At::Body(bytes),
            },
            At::Header => {
                self.header(line);
                At::Header
            }
            At::ChunkSize => match size(line).filter(|_| !self.overlong) {
                Some(0) => At::Trailer,
                Some(bytes) => At::Chunk(bytes),
                None => At::Over,
            },
            At::ChunkEnd => At::ChunkSize,
            At::Trailer if line.is_empty() => At::RequestLine,
            other => other,
        };
    }

    fn header(&mut self, line: &[u8]) {
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length:") {
                    let length = number(value, 10).filter(|_| !self.overlong);
                    self.length = length.map_or(Length::Unreadable, Length::Bytes);
                }
            }
            Some(b't' | b'T') => self.chunked |= value_of(line, b"transfer-encoding:").is_some(),
            _ => {}
        }
    }
}

/// What stands behind the name, if the line is of that header.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// A chunk's size, whatever extension follows it.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    number(line.get(..digits)?, 16)
}

/// Digits and nothing else; Rust would take a sign too.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
