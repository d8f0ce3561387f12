//! A stream watched while it goes by.
//!
//! When client and provider speak the same format, a stream's bytes go on as they came, in the same buffers. The relay
//! must still learn a few things from them: when the first token came, what was used, whether the provider put an error
//! into the stream, and whether the end is an end. A [`Tap`] finds that out and nearly always without parsing: it cuts
//! the bytes into events by their blank lines and probes each for the few words that matter.
//!
//! Whole events only go on. The open tail of a chunk is held until its event is complete, so that a stream which breaks
//! never leaves half an event before the error event, and an event that must not go on never went in part. Holding
//! costs no time, since no client can use half an event, and no copy, since what is held are slices; an event split over
//! chunks is put together once, to be looked at.
//!
//! Taken out of a stream are: the usage chunk of chat streams when the client did not ask for it (exactly the chunk
//! with no choices), a byte order mark, events that are not JSON, and what follows the closing mark. Changed is only the
//! text of a provider's error, which is scrubbed.
//!
//! Truncation is never success: [`Tap::finish`] calls a stream complete only if its format's closing mark was seen.

mod read;

use crate::error::{self, UpstreamError};
use crate::sse::{self, Line};
use crate::usage::Tally;
use bytes::Bytes;
use memchr::memchr2;
use read::{Finding, Kind};
use sluicegate_vocabulary::{Endpoint, Fault, FaultKind, Usage};
use smallvec::SmallVec;

/// What goes on to the client, in order.
pub type Out = SmallVec<[Bytes; 2]>;

/// The byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// Its closing mark was seen.
    Complete,
    /// It ended without its closing mark, whatever its text looks like.
    Truncated,
    /// The provider sent an error, or something that is no event; see `error()`.
    Failed,
}

/// Watches one stream whose format is the client's own.
#[derive(Debug)]
pub struct Tap {
    kind: Kind,
    hide_usage: bool,
    limit: usize,
    cut: Cut,
    /// Nothing was looked at yet: a byte order mark may stand here.
    at_start: bool,
    /// The last event did not go on, so its line end does not either.
    dropped: bool,
    /// The open tail of earlier chunks.
    held: SmallVec<[Bytes; 4]>,
    held_len: usize,
    tally: Tally,
    /// Events with data that went by, pings not counted.
    events: u64,
    token: bool,
    /// A finish reason was seen: enough for an end where the format's closing mark is often left out.
    finished: bool,
    /// The closing mark was seen.
    closed: bool,
    fault: Option<Fault>,
    /// The provider's own error event has gone on to the client.
    told: bool,
}

/// What is to become of an event.
enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It does not go on.
    Drop,
    /// This goes on in its stead.
    Replace(Bytes),
    /// It goes on, changed if need be, and the stream ends here by the provider's error.
    Error(Option<Bytes>, Fault),
    /// It is no event of this format; it does not go on and ends the stream.
    Broken,
}

impl Tap {
    /// A tap for a stream of this endpoint, or `None` where streams are not of a form it knows. `hide_usage` leaves
    /// out the usage chunk of chat and text completions.
    #[must_use]
    pub fn new(endpoint: Endpoint, hide_usage: bool) -> Option<Self> {
        Self::with_limit(endpoint, hide_usage, sse::EVENT_LIMIT)
    }

    /// A tap that refuses events over `limit` bytes.
    #[must_use]
    pub fn with_limit(endpoint: Endpoint, hide_usage: bool, limit: usize) -> Option<Self> {
        let kind = Kind::of(endpoint)?;
        Some(Self {
            kind,
            hide_usage: hide_usage && kind == Kind::Chat,
            limit,
            cut: Cut::default(),
            at_start: true,
            dropped: false,
            held: SmallVec::new(),
            held_len: 0,
            tally: Tally::for_endpoint(endpoint)?,
            events: 0,
            token: false,
            finished: false,
            closed: false,
            fault: None,
            told: false,
        })
    }

    /// Looks out for pages of the web that a chat completion cites, which tell that it searched for them. Not every tap
    /// does, since that is a look at each chunk.
    #[must_use]
    pub fn citing(mut self) -> Self {
        self.tally.citing();
        self
    }

    /// Takes in a chunk, cut anywhere, and appends to `out` what goes on to the client. After the closing mark and
    /// after an error nothing goes on.
    ///
    /// # Errors
    ///
    /// The provider's own error inside the stream ([`Tap::error_told`] says whether its event is in `out`), an event
    /// that is not JSON, or one over the limit. What was appended before is good; the stream ends here.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Out) -> Result<(), Fault> {
        if self.fault.is_some() {
            return Ok(());
        }
        if self.closed {
            if self.cut.ends_line(&chunk) {
                push(out, chunk.slice(..1));
            }
            return Ok(());
        }
        if self.passes_at_once(&chunk) {
            out.push(chunk);
            return Ok(());
        }
        // What stands before `kept` has been dealt with; from there to `open` it goes on; `open` begins an event.
        let (mut kept, mut open) = (0, 0);
        while let Some(end) = self.cut.next(&chunk, open) {
            let verdict = if self.cut.rest_of_line_end {
                if self.dropped { Verdict::Drop } else { Verdict::Pass }
            } else if self.held.is_empty() {
                self.judge(chunk.get(open..end).unwrap_or_default(), false)
            } else {
                let whole = self.put_together(chunk.get(..end).unwrap_or_default());
                self.judge(&whole, false)
            };
            self.dropped = matches!(verdict, Verdict::Drop);
            if matches!(verdict, Verdict::Pass) {
                self.release(out);
            } else {
                push(out, chunk.slice(kept..open));
                self.forget();
                kept = end;
            }
            open = end;
            self.carry_out(verdict, out)?;
            if self.closed {
                push(out, chunk.slice(kept..open));
                return Ok(());
            }
        }
        if open == chunk.len() && kept == 0 {
            push(out, chunk);
            return Ok(());
        }
        push(out, chunk.slice(kept..open));
        self.hold(chunk.slice(open..))
    }

    /// Whether the chunk is one event in its plainest form that says nothing of note, as nearly every chunk is. What it
    /// says otherwise is found again by the long way; figures are absorbed, so reading them twice does no harm.
    fn passes_at_once(&mut self, chunk: &[u8]) -> bool {
        if self.at_start || !self.held.is_empty() || self.cut.open || self.cut.after_cr {
            return false;
        }
        let Some((name, data)) = plain_event(chunk) else { return false };
        let finding = self.kind.glance(name, data, !self.token, &mut self.tally);
        let dull = finding == Finding::Ordinary || (finding == Finding::TOKEN && self.token);
        self.events += u64::from(dull);
        dull
    }

    /// The provider closed the stream: looks at what is still held, appends it to `out` if it is a whole event, and
    /// judges the end.
    pub fn finish(&mut self, out: &mut Out) -> StreamEnd {
        if self.fault.is_some() {
            return StreamEnd::Failed;
        }
        let mut cut_off = false;
        if !self.closed && !self.held.is_empty() {
            let whole = self.put_together(&[]);
            let events = self.events;
            match self.judge(&whole, true) {
                Verdict::Pass => {
                    self.release(out);
                    if self.events > events || self.closed {
                        // Clients lose an event without its blank line.
                        let ended = whole.ends_with(b"\n") || whole.ends_with(b"\r");
                        out.push(Bytes::from_static(if ended { b"\n" } else { b"\n\n" }));
                    }
                }
                Verdict::Broken => cut_off = true,
                verdict => {
                    if self.carry_out(verdict, out).is_err() {
                        return StreamEnd::Failed;
                    }
                }
            }
            self.forget();
        }
        if self.fault.is_some() {
            StreamEnd::Failed
        } else if self.closed || (self.finished && !cut_off) {
            StreamEnd::Complete
        } else {
            StreamEnd::Truncated
        }
    }

    /// Whether a real event has come: comments and pings are none.
    #[must_use]
    pub const fn first_event(&self) -> bool {
        self.events > 0
    }

    /// Whether the model has said anything: text, thinking, a tool call.
    #[must_use]
    pub const fn first_token(&self) -> bool {
        self.token
    }

    /// What was used, as far as the provider has said.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.tally.usage()
    }

    /// Searches in the web that were seen to be made, whether or not a usage has counted them yet: more than were, if
    /// some came to nothing.
    #[must_use]
    pub fn searches_seen(&self) -> u64 {
        self.tally.searches_seen()
    }

    /// What ended the stream early, if something did: the provider's error, or something that is no event.
    #[must_use]
    pub const fn error(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Whether the client has the provider's own error event, so that none of ours must follow.
    #[must_use]
    pub const fn error_told(&self) -> bool {
        self.told
    }

    /// Whether the closing mark was seen: the rest of the stream, if any, is of no interest.
    #[must_use]
    pub const fn closed(&self) -> bool {
        self.closed
    }

    /// The number for an event of ours in the Responses format, whose events are numbered from 0.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.events
    }

    fn carry_out(&mut self, verdict: Verdict, out: &mut Out) -> Result<(), Fault> {
        let fault = match verdict {
            Verdict::Pass | Verdict::Drop => return Ok(()),
            Verdict::Replace(bytes) => {
                push(out, bytes);
                return Ok(());
            }
            Verdict::Error(event, fault) => {
                if let Some(event) = event {
                    push(out, event);
                    self.told = true;
                }
                fault
            }
            Verdict::Broken => Fault::new(
                FaultKind::UpstreamBroken,
                "the provider sent something into its stream that is no event of its format; the stream was ended",
            ),
        };
        self.fault = Some(fault.clone());
        Err(fault)
    }

    /// Appends what is held.
    fn release(&mut self, out: &mut Out) {
        out.extend(self.held.drain(..));
        self.held_len = 0;
    }

    fn forget(&mut self) {
        self.held.clear();
        self.held_len = 0;
    }

    fn hold(&mut self, tail: Bytes) -> Result<(), Fault> {
        if tail.is_empty() {
            return Ok(());
        }
        self.held_len += tail.len();
        if self.held_len > self.limit {
            self.forget();
            let fault = sse::too_large(self.limit);
            self.fault = Some(fault.clone());
            return Err(fault);
        }
        self.held.push(tail);
        Ok(())
    }

    /// What is held and what completes it, in one piece.
    fn put_together(&self, rest: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.held_len + rest.len());
        for piece in &self.held {
            whole.extend_from_slice(piece);
        }
        whole.extend_from_slice(rest);
        whole
    }

    /// Looks at one event, blank line included. `last` is the open rest at the end of the stream, which may be cut.
    fn judge(&mut self, event: &[u8], last: bool) -> Verdict {
        let marked = if std::mem::take(&mut self.at_start) { event.strip_prefix(MARK) } else { None };
        let Fields { name, data, bare } = Fields::of(marked.unwrap_or(event));
        let data = data.trim_ascii();
        // Clients lose the event behind a byte order mark, so none goes on.
        let pass = || marked.map_or(Verdict::Pass, |rest| Verdict::Replace(Bytes::copy_from_slice(rest)));
        if data.is_empty() {
            return if last { Verdict::Drop } else { pass() };
        }
        if bare && !last && !matches!(data.last(), Some(b'}' | b']')) {
            return Verdict::Pass;
        }
        if last && data != b"[DONE]" && !read::is_json(data) {
            return Verdict::Broken;
        }
        match self.kind.look(name, data, !self.token, &mut self.tally) {
            Finding::Ordinary => self.events += 1,
            Finding::Ping => {}
            Finding::Broken if bare => return Verdict::Pass,
            Finding::Broken => return Verdict::Broken,
            Finding::Seen { token, finished, closed, usage_only } => {
                self.events += u64::from(!usage_only);
                self.token |= token;
                self.finished |= finished;
                self.closed |= closed;
                if usage_only && self.hide_usage {
                    return Verdict::Drop;
                }
            }
            Finding::Error => {
                let error = error::read_event(data, self.kind.dialect());
                // A bare error would be no event to the client's parser.
                let event = (!bare).then_some(marked.unwrap_or(event));
                return provider_error(event, error, self.kind);
            }
        }
        pass()
    }
}

/// A provider's error goes on in its own words, scrubbed; but what is between the operator and the provider is not
/// told in the provider's words at all.
fn provider_error(event: Option<&[u8]>, error: UpstreamError, kind: Kind) -> Verdict {
    let told = event.filter(|_| error.kind != FaultKind::UpstreamAuth).map(|event| {
        let text = String::from_utf8_lossy(event);
        let end = if kind == Kind::Generate { "\r\n\r\n" } else { "\n\n" };
        Bytes::from(format!("{}{end}", error::scrub(&text).trim_end()))
    });
    Verdict::Error(told, error.into_fault(""))
}

/// The name and data of a chunk that is exactly `[event: NAME\n]data: DATA\n\n`.
fn plain_event(chunk: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let event = chunk.strip_suffix(b"\n\n")?;
    let (name, event) = match event.strip_prefix(b"event: ") {
        Some(named) => {
            let (name, rest) = named.split_at(memchr2(b'\n', b'\r', named)?);
            (Some(name), rest.strip_prefix(b"\n")?)
        }
        None => (None, event),
    };
    let data = event.strip_prefix(b"data: ")?;
    memchr2(b'\n', b'\r', data).is_none().then_some((name, data))
}

fn push(out: &mut Out, bytes: Bytes) {
    if !bytes.is_empty() {
        out.push(bytes);
    }
}

/// Cuts chunks into units that end at a blank line, or, for a comment that stands alone, at its line's end.
#[derive(Debug, Default)]
struct Cut {
    /// Bytes of the open unit have gone by.
    open: bool,
    /// Bytes of the open line have gone by.
    in_line: bool,
    /// The open unit is a comment.
    comment: bool,
    /// A carriage return ended the last chunk; a line feed now belongs to it.
    after_cr: bool,
    /// The unit just given is only the line feed that belongs to the carriage return of the unit before.
    rest_of_line_end: bool,
}

impl Cut {
    /// Whether the chunk begins with the line feed of a carriage return that ended the chunk before.
    fn ends_line(&mut self, chunk: &[u8]) -> bool {
        std::mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n')
    }

    /// The end of the unit that is open at `from`, or `None` if the chunk does not hold it.
    fn next(&mut self, chunk: &[u8], from: usize) -> Option<usize> {
        self.rest_of_line_end = false;
        let mut at = from;
        let rest = chunk.get(at..).filter(|rest| !rest.is_empty())?;
        if self.ends_line(rest) {
            at += 1;
            if !self.open {
                self.rest_of_line_end = true;
                return Some(at);
            }
        }
        if !self.open {
            self.open = true;
            self.comment = chunk.get(at) == Some(&b':');
        }
        while let Some(offset) = memchr2(b'\n', b'\r', chunk.get(at..).unwrap_or_default()) {
            let line_end = at + offset;
            let blank = offset == 0 && !self.in_line;
            let mut next = line_end + 1;
            if chunk.get(line_end) == Some(&b'\r') {
                match chunk.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.in_line = false;
            at = next;
            if blank || self.comment {
                self.open = false;
                return Some(at);
            }
        }
        self.in_line |= at < chunk.len();
        None
    }
}

/// The fields of one event.
struct Fields<'a> {
    name: Option<&'a [u8]>,
    data: std::borrow::Cow<'a, [u8]>,
    /// The data stood there without a field name.
    bare: bool,
}

impl<'a> Fields<'a> {
    fn of(event: &'a [u8]) -> Self {
        let mut fields = Self { name: None, data: std::borrow::Cow::Borrowed(b""), bare: false };
        let mut lines = 0u32;
        let mut other = false;
        for line in Lines(event) {
            match Line::of(line) {
                Line::Data(value) if lines == 0 => {
                    fields.data = std::borrow::Cow::Borrowed(value);
                    lines = 1;
                }
                Line::Data(value) => {
                    let joined = fields.data.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                    lines += 1;
                }
                Line::Event(value) => fields.name = Some(value),
                Line::Other(_) => other = true,
                Line::Blank | Line::Ignored => {}
            }
        }
        // JSON without `data:`, pretty-printed as Gemini ends a broken stream.
        if lines == 0 && other && matches!(event.trim_ascii_start().first(), Some(b'{' | b'[')) {
            fields.data = std::borrow::Cow::Borrowed(event);
            fields.bare = true;
        }
        fields
    }
}

/// The lines of a text without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        match memchr2(b'\n', b'\r', self.0) {
            Some(end) => {
                let (line, rest) = self.0.split_at(end);
                self.0 = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
                Some(line)
            }
            None => Some(std::mem::take(&mut self.0)),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
