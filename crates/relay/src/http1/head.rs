//! The head of a request: method, target, header fields, and what they say about the body and the connection.
//!
//! Requests are smuggled past a front end by giving them two ends, of which it believes one and the server behind it
//! the other. So a head that does not say in exactly one way where its body ends is refused, as RFC 9112 (6.3) allows:
//! a length beside chunks, lengths that differ, any transfer coding but chunks, chunks in HTTP/1.0. What cannot be
//! parsed at all is an error; what can be parsed but not believed is a [`Head`] without a framing, so that the refusal
//! can be told in the dialect of its path.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use memchr::memmem;
use std::mem::MaybeUninit;

/// Header fields at most.
const MAX_FIELDS: usize = 128;

/// What marks the end of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Its length, in bytes; 0 for a request that has none.
    Length(u64),
    /// The last chunk.
    Chunked,
}

/// A request's head.
#[derive(Debug)]
pub struct Head {
    /// Method, target, version and header fields.
    pub parts: Parts,
    /// How its body is framed, or why nobody can know.
    pub framing: Result<Framing, &'static str>,
    /// Whether the client wants to use the connection again.
    pub keeps: bool,
    /// Whether the client sends its body only when told to.
    pub expects: bool,
}

/// A head that cannot be read. The blame is the client's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeadError {
    /// It is no head of an HTTP/1 request.
    #[error("The request's head is not HTTP/1: {0}.")]
    Malformed(&'static str),
    /// It is too long.
    #[error("The request's headers are over the limit of {0} bytes.")]
    TooLong(usize),
    /// It has too many header fields.
    #[error("The request has more than {MAX_FIELDS} headers.")]
    TooMany,
}

/// Reads the head of one request, whatever pieces it comes in. Pure.
#[derive(Debug)]
pub struct HeadReader {
    most: usize,
    /// Bytes at the front that are known not to end a head.
    searched: usize,
}

impl HeadReader {
    /// A reader of heads of so many bytes at most.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, searched: 0 }
    }

    /// Takes the head out of a buffer, and leaves what follows it; `None` while it is not all there. The buffer keeps
    /// what was not taken and is given again with more at its end.
    ///
    /// # Errors
    /// Says why there is no reading it; the connection is of no further use.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, HeadError> {
        if self.may_end(buffer)
            && let Some((head, length)) = parse(buffer)?
        {
            return if length > self.most { Err(HeadError::TooLong(self.most)) } else { Ok(Some(head)) };
        }
        self.searched = buffer.len();
        if buffer.len() > self.most { Err(HeadError::TooLong(self.most)) } else { Ok(None) }
    }

    /// Whether a head may end in bytes not seen before. Parsing a long head again for each byte of it would cost the
    /// square of its length; only the first bytes are parsed in any case, which finds what is not HTTP at once.
    fn may_end(&self, buffer: &[u8]) -> bool {
        if self.searched == 0 {
            return !buffer.is_empty();
        }
        let new = buffer.get(self.searched.saturating_sub(2)..).unwrap_or_default();
        memmem::find(new, b"\n\n").is_some() || memmem::find(new, b"\n\r\n").is_some()
    }
}

/// Takes the head at the front of a buffer out of it; with it comes its length.
fn parse(buffer: &mut BytesMut) -> Result<Option<(Head, usize)>, HeadError> {
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(error)),
    };
    // One copy of the head; target and values are slices of it.
    let block = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
    let same = |part: &[u8]| {
        let start = part.as_ptr().addr().wrapping_sub(buffer.as_ptr().addr());
        match start.checked_add(part.len()) {
            Some(end) if end <= block.len() => block.slice(start..end),
            _ => Bytes::copy_from_slice(part),
        }
    };
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    let method = method.map_err(|_| HeadError::Malformed("invalid method"))?;
    let uri = Uri::from_maybe_shared(same(parsed.path.unwrap_or_default().as_bytes()));
    let uri = uri.map_err(|_| HeadError::Malformed("invalid target"))?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut said = Said::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| HeadError::Malformed("invalid header name"))?;
        said.note(&name, field.value);
        let value = HeaderValue::from_maybe_shared(same(field.value));
        headers.append(name, value.map_err(|_| HeadError::Malformed("invalid header value"))?);
    }
    buffer.advance(length);
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri, parts.version, parts.headers) = (method, uri, version, headers);
    let expects = said.expects && version == Version::HTTP_11;
    Ok(Some((Head { parts, framing: said.framing(version), keeps: said.keeps(version), expects }, length)))
}

const fn wrong(error: httparse::Error) -> HeadError {
    HeadError::Malformed(match error {
        httparse::Error::HeaderName => "invalid header name",
        httparse::Error::HeaderValue => "invalid header value",
        httparse::Error::NewLine => "invalid line end",
        httparse::Error::Token => "invalid method",
        httparse::Error::Version => "invalid version",
        httparse::Error::TooManyHeaders => return HeadError::TooMany,
        httparse::Error::Status => "invalid request line",
    })
}

/// What the header fields say about the body's end and about the connection.
#[derive(Debug, Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    expects: bool,
    /// Whether the transfer coding is chunks, named once.
    codings: Option<bool>,
    length: Option<Result<u64, &'static str>>,
}

impl Said {
    fn note(&mut self, name: &HeaderName, value: &[u8]) {
        if *name == CONTENT_LENGTH {
            self.length = Some(match (self.length, length(value)) {
                (Some(Err(wrong)), _) => Err(wrong),
                (_, None) => Err("Its content-length is not a number of bytes"),
                (Some(Ok(first)), Some(other)) if first != other => Err("It has two lengths that differ"),
                (_, Some(length)) => Ok(length),
            });
        } else if *name == CONNECTION {
            for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= word.eq_ignore_ascii_case(b"close");
                self.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if *name == TRANSFER_ENCODING {
            self.codings = Some(self.codings.is_none() && value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if *name == EXPECT {
            self.expects |= value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
        }
    }

    fn keeps(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }

    fn framing(&self, version: Version) -> Result<Framing, &'static str> {
        match (self.codings, self.length) {
            (Some(_), Some(_)) => Err("It carries transfer-encoding and content-length, so it does not say where its \
                                       body ends"),
            (Some(_), None) if version == Version::HTTP_10 => {
                Err("It carries transfer-encoding, which HTTP/1.0 does not have")
            }
            (Some(false), None) => Err("The only transfer-encoding read here is chunked, named once"),
            (Some(true), None) => Ok(Framing::Chunked),
            (None, Some(length)) => length.map(Framing::Length),
            (None, None) => Ok(Framing::Length(0)),
        }
    }
}

/// A length: digits and nothing else.
fn length(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
