//! The head of an answer: status, header fields, and what they say about the body and the connection.
//!
//! Where two readings are possible the answer is refused: an attacker between us and a provider lives off bodies whose
//! end two parties see in different places. So repeated lengths must agree, a length beside chunks is not believed and
//! costs the connection its next use, folded lines are malformed, and a protocol is never switched.

use super::decode::Framing;
use crate::fields::{Fields, Place, tells_limit};
use bytes::{Buf, Bytes, BytesMut};
use http::{StatusCode, Version};
use std::mem::MaybeUninit;

/// The largest head, interim answers before it included, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// Header fields at most.
const MAX_FIELDS: usize = 128;

/// An answer's head.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// Its header fields.
    pub fields: Fields,
    /// How its body is framed.
    pub framing: Framing,
    /// Whether the connection may carry another request once the body has been read.
    pub reusable: bool,
}

/// A head that cannot be used. The blame is the provider's.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It is no head of an HTTP/1 answer.
    #[error("the answer's head is malformed: {0}")]
    Malformed(#[from] httparse::Error),
    /// A part of it has no meaning.
    #[error("the answer's head has an invalid {0}")]
    Invalid(&'static str),
    /// It is too long.
    #[error("the answer's head is longer than {} KiB", MAX_HEAD >> 10)]
    TooLong,
    /// The provider switches to another protocol.
    #[error("the answer switches protocols, which nobody asked for")]
    Switch,
}

/// Reads the head of one answer, and reads over the interim answers before it.
#[derive(Debug)]
pub struct HeadReader {
    bodiless: bool,
    /// Bytes of interim answers read over.
    skipped: usize,
    /// Bytes at the front that are known not to end a head.
    searched: usize,
}

impl HeadReader {
    /// A reader for the answer to a request; `to_head` for the method `HEAD`, whose answer has no body.
    #[must_use]
    pub const fn new(to_head: bool) -> Self {
        Self { bodiless: to_head, skipped: 0, searched: 0 }
    }

    /// Takes the head out of a buffer, and leaves what follows it; `None` while it is not all there. The buffer keeps
    /// what was not taken and is given again with more at its end.
    ///
    /// # Errors
    /// Says why the head cannot be used.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, HeadError> {
        while self.may_end(buffer) {
            let Some((status, head, length)) = parse(buffer, self.bodiless)? else { break };
            self.skipped += length;
            if self.skipped > MAX_HEAD {
                return Err(HeadError::TooLong);
            }
            buffer.advance(length);
            self.searched = 0;
            match head {
                Some(head) => return Ok(Some(head)),
                None if status == StatusCode::SWITCHING_PROTOCOLS => return Err(HeadError::Switch),
                None => {}
            }
        }
        self.searched = buffer.len();
        if self.skipped + buffer.len() > MAX_HEAD { Err(HeadError::TooLong) } else { Ok(None) }
    }

    /// Whether a head may end in bytes not seen before. Parsing a long head again for each byte of it would cost the
    /// square of its length; only the first bytes are parsed in any case, which finds what is not HTTP at once.
    fn may_end(&self, buffer: &[u8]) -> bool {
        if self.searched == 0 {
            return !buffer.is_empty();
        }
        let new = buffer.get(self.searched.saturating_sub(2)..).unwrap_or_default();
        new.windows(2).any(|pair| pair == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
    }
}

/// One head at the front of these bytes: its status, the head unless it is an interim one, and its length.
fn parse(bytes: &[u8], bodiless: bool) -> Result<Option<(StatusCode, Option<Head>, usize)>, HeadError> {
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let httparse::Status::Complete(length) =
        config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields)?
    else {
        return Ok(None);
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HeadError::Invalid("status"))?;
    if status.is_informational() {
        return Ok(Some((status, None, length)));
    }
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut places = Vec::with_capacity(parsed.headers.len());
    let mut said = Said::default();
    let mut tell_limits = false;
    for field in parsed.headers.iter() {
        said.note(field.name.as_bytes(), field.value);
        tell_limits |= tells_limit(field.name.as_bytes());
        places.push(Place::new(bytes, field.name.as_bytes(), field.value));
    }
    let head = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
    let mut fields = Fields::lines(head, places, tell_limits);
    let no_body = bodiless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = if no_body { Framing::Length(0) } else { said.framing(version)? };
    let mut reusable = framing != Framing::UntilClose && said.keeps(version);
    if !no_body && said.chunked.is_some() && said.length.is_some() {
        fields.remove("content-length");
        reusable = false;
    }
    Ok(Some((status, Some(Head { status, version, fields, framing, reusable }), length)))
}

/// What the header fields say about the body's end and about the connection.
#[derive(Debug, Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    /// Whether the last transfer coding is chunks.
    chunked: Option<bool>,
    length: Option<Result<u64, &'static str>>,
}

impl Said {
    fn note(&mut self, name: &[u8], value: &[u8]) {
        // The three names differ in length, and most fields are told apart by that alone.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for word in words(value) {
                    self.close |= word.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                for word in words(value) {
                    self.length = Some(match (self.length, length(word)) {
                        (Some(Err(wrong)), _) => Err(wrong),
                        (_, None) => Err("content-length"),
                        (Some(Ok(first)), Some(other)) if first != other => Err("content-length: two that differ"),
                        (_, Some(length)) => Ok(length),
                    });
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                for word in words(value) {
                    self.chunked = Some(word.eq_ignore_ascii_case(b"chunked"));
                }
            }
            _ => {}
        }
    }

    fn keeps(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }

    /// How the body of an answer that may have one is framed.
    fn framing(&self, version: Version) -> Result<Framing, HeadError> {
        match (self.chunked, self.length) {
            (Some(_), _) if version == Version::HTTP_10 => {
                Err(HeadError::Invalid("transfer-encoding, which HTTP/1.0 does not have"))
            }
            (Some(true), _) => Ok(Framing::Chunked),
            (Some(false), _) | (None, None) => Ok(Framing::UntilClose),
            (None, Some(length)) => length.map(Framing::Length).map_err(HeadError::Invalid),
        }
    }
}

/// The words of a list.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// A length: digits and nothing else.
fn length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
