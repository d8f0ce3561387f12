//! The head of an answer.
//!
//! What describes the connection and the framing is written here and taken from nobody.

use crate::digits::digits;
use crate::reply::ReplyBody;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::Body;
use std::cell::Cell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of a header of ours, and how the line of it begins: with the end of the line before. It only refers to the
/// name, so that the compiler knows that a static of it never changes, and copies a line without a call.
pub(crate) struct Name {
    pub(crate) name: &'static HeaderName,
    pub(crate) line: &'static str,
}

/// Makes a [`Name`].
macro_rules! name {
    ($name:literal) => {{
        static NAME: http::HeaderName = http::HeaderName::from_static($name);
        $crate::http1::Name { name: &NAME, line: concat!("\r\n", $name, ": ") }
    }};
}
pub(crate) use name;

/// Where headers are put that change with every answer: into a map, or written down at once, which is much cheaper.
pub(crate) trait Lines {
    /// A header that `write` writes the value of: visible ASCII and spaces.
    fn put(&mut self, name: &'static Name, write: impl FnOnce(&mut Vec<u8>));

    /// A header whose value is ready.
    fn put_value(&mut self, name: &'static Name, value: &HeaderValue);

    /// Headers that `write` writes as lines, each after the end of the line before it.
    fn put_lines(&mut self, write: impl FnOnce(&mut Vec<u8>));
}

impl Lines for Vec<u8> {
    #[inline]
    fn put(&mut self, name: &'static Name, write: impl FnOnce(&mut Self)) {
        self.extend_from_slice(name.line.as_bytes());
        write(self);
    }

    #[inline]
    fn put_value(&mut self, name: &'static Name, value: &HeaderValue) {
        self.extend_from_slice(name.line.as_bytes());
        self.extend_from_slice(value.as_bytes());
    }

    #[inline]
    fn put_lines(&mut self, write: impl FnOnce(&mut Self)) {
        write(self);
    }
}

impl Lines for HeaderMap {
    fn put(&mut self, name: &'static Name, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::with_capacity(32);
        write(&mut value);
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            self.insert(name.name, value);
        }
    }

    fn put_value(&mut self, name: &'static Name, value: &HeaderValue) {
        self.insert(name.name, value.clone());
    }

    fn put_lines(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = Vec::with_capacity(512);
        write(&mut lines);
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
            let value = value.trim_ascii();
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                self.insert(name, value);
            }
        }
    }
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
}

/// How an answer's body is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// After so many bytes more.
    Length(u64),
    /// By the last chunk.
    Chunks,
    /// By the connection's end.
    Close,
    /// It has none.
    Bodiless,
}

/// What an answer's head depends on beside the answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
}

/// Writes the head of an answer. `keeps`, whether the connection stays of use, becomes false where it cannot.
pub(super) fn head(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    body: &ReplyBody,
    asked: &Asked,
    keeps: &mut bool,
) -> Ending {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK");
    } else {
        let _ = write!(out, "HTTP/1.1 {} {}", status.as_str(), status.canonical_reason().unwrap_or("-"));
    }
    for (name, value) in headers {
        if *name == CONNECTION {
            *keeps &= value != "close";
        } else if ![CONTENT_LENGTH, TRANSFER_ENCODING, DATE].contains(name) {
            line(out, name, value.as_bytes());
        }
    }
    body.write_headers(out);
    let ending = ending(out, status, headers, body, asked);
    *keeps &= ending != Ending::Close;
    match (*keeps, asked.version) {
        (false, _) => out.extend_from_slice(b"\r\nconnection: close"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"\r\nconnection: keep-alive"),
        (true, _) => {}
    }
    date(out);
    out.extend_from_slice(b"\r\n\r\n");
    ending
}

fn ending(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, body: &ReplyBody, asked: &Asked) -> Ending {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ending::Bodiless;
    }
    let length = body.size_hint().exact();
    if asked.method == Method::HEAD {
        // What the body would have been: as the provider says, else as it is.
        match (headers.get(CONTENT_LENGTH), length) {
            (Some(told), _) => line(out, &CONTENT_LENGTH, told.as_bytes()),
            (None, Some(length)) => content_length(out, length),
            (None, None) => {}
        }
        return Ending::Bodiless;
    }
    match length {
        Some(length) => {
            content_length(out, length);
            Ending::Length(length)
        }
        None if asked.version == Version::HTTP_10 => Ending::Close,
        None => {
            out.extend_from_slice(b"\r\ntransfer-encoding: chunked");
            Ending::Chunks
        }
    }
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"\r\ncontent-length: ");
    digits(out, length);
}

/// Bytes of a date, as headers tell it.
const DATE_LENGTH: usize = 29;

thread_local! {
    /// The second the date was last written in, and what was written.
    static TODAY: Cell<(u64, [u8; DATE_LENGTH])> = const { Cell::new((0, [b' '; DATE_LENGTH])) };
}

fn date(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut written, mut text) = TODAY.get();
    if written != second {
        // It is as long as that for the next eight thousand years.
        let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(now));
        written = second;
        TODAY.set((written, text));
    }
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(&text);
}
