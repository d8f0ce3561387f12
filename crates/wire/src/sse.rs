//! Server-sent events: bytes in any cut to events, and events to bytes.
//!
//! Providers and proxies cut a stream wherever they like: inside a line, between a carriage return and its line feed,
//! inside a UTF-8 sequence. The [`Decoder`] therefore gives the same events for any cut of the same bytes. It keeps to
//! the standard where providers do, and forgives where they do not:
//!
//! - a line ends at LF, CR or CRLF and nowhere else (U+2028 and its like are text);
//! - one byte order mark at the start is skipped, one space after the colon is stripped;
//! - several `data` lines of one event are joined by line feeds; comments, `id` and `retry` are dropped, and so is an
//!   event without data, because official clients fail on those;
//! - JSON that comes without `data:` (Gemini ends a broken stream with a pretty-printed error) is collected over its
//!   lines and given as an event of its own;
//! - an event that the end of the stream leaves open is still given by [`Decoder::finish`]. Whether such a stream is
//!   truncated is for the reader of the events to judge, by the format's own closing mark.
//!
//! Every byte is looked at once, and no event may be larger than the decoder's limit.

use memchr::memchr2;
use sluicegate_vocabulary::{Fault, FaultKind};
use std::borrow::Cow;

/// Largest event by default, in bytes. Images travel as base64 in one line.
pub const EVENT_LIMIT: usize = 32 << 20;

/// The line that ends a stream in OpenAI's chat format.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// One event. Borrowed from the decoder until it is asked for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field, if there was one.
    pub name: Option<&'a str>,
    /// The `data` lines joined by line feeds; never empty. Bytes that are not UTF-8 have become U+FFFD.
    pub data: &'a str,
}

/// Bytes in any cut to events.
///
/// ```
/// # use sluicegate_wire::sse::Decoder;
/// let mut decoder = Decoder::new();
/// decoder.push(b"data: {\"a\"");
/// assert!(decoder.next()?.is_none());
/// decoder.push(b":1}\r\n\r\n");
/// assert_eq!(decoder.next()?.map(|event| event.data), Some("{\"a\":1}"));
/// # Ok::<(), sluicegate_vocabulary::Fault>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// Bytes not yet taken as lines.
    pending: Vec<u8>,
    /// Start of the current line in `pending`.
    line: usize,
    /// How far `pending` is known to hold no line end.
    searched: usize,
    /// The last line ended in a carriage return, so a line feed next belongs to it.
    after_cr: bool,
    /// No line has been taken yet: a byte order mark may stand here.
    at_start: bool,
    name: String,
    data: String,
    /// A `data` line belongs to the event being collected.
    has_data: bool,
    /// The event in `name` and `data` has been given out.
    given: bool,
    loose: Loose,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// What a line did to the event being collected.
enum Step {
    More,
    Complete,
}

impl Decoder {
    /// A decoder with the usual limit, [`EVENT_LIMIT`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(EVENT_LIMIT)
    }

    /// A decoder that refuses events over `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            pending: Vec::new(),
            line: 0,
            searched: 0,
            after_cr: false,
            at_start: true,
            name: String::new(),
            data: String::new(),
            has_data: false,
            given: false,
            loose: Loose::default(),
        }
    }

    /// Takes in more bytes. Then ask for events with [`Decoder::next`] until it gives none.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.line > 0 {
            self.pending.drain(..self.line);
            self.searched = self.searched.saturating_sub(self.line);
            self.line = 0;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete event, or `None` until more bytes are pushed.
    ///
    /// # Errors
    ///
    /// [`FaultKind::UpstreamBroken`] when an event exceeds the limit.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend its events")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Fault> {
        self.reset_if_given();
        while let Some((start, end)) = self.next_line() {
            if let Step::Complete = self.take(start, end)? {
                return Ok(Some(self.give()));
            }
        }
        self.check_size(self.pending.len() - self.line)?;
        Ok(None)
    }

    /// The event that the end of the stream left open, or `None`. Call it after [`Decoder::next`] has given `None` and
    /// the stream has ended.
    ///
    /// # Errors
    ///
    /// [`FaultKind::UpstreamBroken`] when the event exceeds the limit.
    pub fn finish(&mut self) -> Result<Option<Event<'_>>, Fault> {
        self.reset_if_given();
        let (start, end) = (self.line, self.pending.len());
        self.line = end;
        self.searched = end;
        if start < end
            && let Step::Complete = self.take(start, end)?
        {
            return Ok(Some(self.give()));
        }
        if !self.has_data {
            self.data = self.loose.take();
        }
        if self.data.trim_ascii().is_empty() {
            self.clear();
            return Ok(None);
        }
        Ok(Some(self.give()))
    }

    fn reset_if_given(&mut self) {
        if self.given {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.name.clear();
        self.data.clear();
        self.has_data = false;
        self.given = false;
    }

    fn give(&mut self) -> Event<'_> {
        self.given = true;
        Event { name: (!self.name.is_empty()).then_some(self.name.as_str()), data: &self.data }
    }

    /// The next complete line, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.after_cr
            && let Some(&next) = self.pending.get(self.line)
        {
            self.after_cr = false;
            if next == b'\n' {
                self.line += 1;
            }
        }
        let from = self.searched.max(self.line);
        let Some(offset) = memchr2(b'\n', b'\r', self.pending.get(from..)?) else {
            self.searched = self.pending.len();
            return None;
        };
        let (start, end) = (self.line, from + offset);
        self.after_cr = self.pending.get(end) == Some(&b'\r');
        self.line = end + 1;
        self.searched = self.line;
        Some((start, end))
    }

    /// Takes the line at `start..end` of what is pending.
    fn take(&mut self, start: usize, end: usize) -> Result<Step, Fault> {
        let mut line = self.pending.get(start..end).unwrap_or_default();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let size = self.data.len() + self.loose.text.len() + line.len();
        match Line::of(line) {
            Line::Blank => {
                if self.loose.open() {
                    return Ok(Step::More);
                }
                if self.data.trim_ascii().is_empty() {
                    self.clear();
                    return Ok(Step::More);
                }
                return Ok(Step::Complete);
            }
            Line::Data(value) => {
                self.loose.clear();
                join(&mut self.data, value, self.has_data);
                self.has_data = true;
            }
            Line::Event(value) => {
                self.loose.clear();
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            Line::Ignored => {}
            Line::Other(line) => {
                // Only between events: inside one it would be an unknown field, and those are ignored.
                if !self.has_data && self.loose.take_line(line) {
                    self.data = self.loose.take();
                    return Ok(Step::Complete);
                }
            }
        }
        self.check_size(size)?;
        Ok(Step::More)
    }

    fn check_size(&self, size: usize) -> Result<(), Fault> {
        if size <= self.limit {
            return Ok(());
        }
        Err(too_large(self.limit))
    }
}

/// The fault of an event over the limit.
pub(crate) fn too_large(limit: usize) -> Fault {
    Fault::new(
        FaultKind::UpstreamBroken,
        format!("the provider sent one stream event larger than {limit} bytes; the stream was ended"),
    )
}

/// Appends a line, set off by a line feed from one before it.
fn join(data: &mut String, value: &[u8], after_another: bool) {
    if after_another {
        data.push('\n');
    }
    match String::from_utf8_lossy(value) {
        Cow::Borrowed(text) => data.push_str(text),
        Cow::Owned(text) => data.push_str(&text),
    }
}

/// One line by its kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Ends an event.
    Blank,
    /// `data`, with its value.
    Data(&'a [u8]),
    /// `event`, with its value.
    Event(&'a [u8]),
    /// A comment, `id` or `retry`.
    Ignored,
    /// No field of the standard: the whole line.
    Other(&'a [u8]),
}

impl<'a> Line<'a> {
    /// The kind of a line without its end.
    pub(crate) fn of(line: &'a [u8]) -> Self {
        if let Some(value) = field(line, b"data") {
            return Self::Data(value);
        }
        if line.is_empty() {
            return Self::Blank;
        }
        if line.first() == Some(&b':') || field(line, b"id").is_some() || field(line, b"retry").is_some() {
            return Self::Ignored;
        }
        match field(line, b"event") {
            Some(value) => Self::Event(value),
            None => Self::Other(line),
        }
    }
}

/// The value of the field of this name: after the colon and at most one space; empty for a line that is only the name.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

/// JSON that came without `data:`, collected line by line until its brackets close.
#[derive(Debug, Default)]
struct Loose {
    text: String,
    depth: usize,
    in_string: bool,
}

impl Loose {
    /// Whether brackets are open.
    fn open(&self) -> bool {
        self.depth > 0
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    /// Takes a line and says whether it closed the last bracket. A line that neither begins nor continues JSON is
    /// dropped.
    fn take_line(&mut self, line: &[u8]) -> bool {
        if !self.open() && !matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return false;
        }
        let mut escaped = false;
        for &byte in line {
            if self.in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        let after_another = !self.text.is_empty();
        join(&mut self.text, line, after_another);
        !self.open()
    }
}

/// Writes one event with its blank line. Text with line ends becomes several `data` lines. No `id` or `retry` is ever
/// written: official OpenAI clients fail on them.
pub fn encode(name: Option<&str>, data: &[u8], out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    encode_data(data, b"\n", out);
}

/// Writes one event as Gemini does: no name, lines ended by CRLF.
pub fn encode_gemini(data: &[u8], out: &mut Vec<u8>) {
    encode_data(data, b"\r\n", out);
}

fn encode_data(data: &[u8], line_end: &[u8], out: &mut Vec<u8>) {
    let mut rest = data;
    loop {
        let end = memchr2(b'\n', b'\r', rest);
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(line_end);
        match end {
            None => break,
            Some(_) => {
                rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(line_end);
}

/// Writes a comment, which keeps a connection alive and which every client skips.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b": ");
    out.extend(text.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
