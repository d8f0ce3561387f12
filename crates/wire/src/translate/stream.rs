//! Translating a stream.
//!
//! Bytes in any cut become events, events become steps of the neutral form, steps become the client's events. Only
//! the reader and the writer know formats; the rules between them are those for whole answers. A stream that ends
//! without its format's closing mark is truncated, and nothing here ever closes it as if it were complete.

use super::neutral::{Answer, Delta};
use super::way_back::{Outcome, WayBack};
use super::{Context, chat, deltas, generate, messages, notes, read_answer, responses};
use crate::resume::{Continues, Seam};
use crate::sse::{Decoder, Event};
use crate::tap::StreamEnd;
use sluicegate_vocabulary::{Fault, Format, Usage};

/// A provider's stream on its way to a client of another format.
#[derive(Debug)]
pub struct StreamTranslator {
    context: Context,
    decoder: Decoder,
    reader: Reader,
    way_back: WayBack,
    writer: Writer,
    /// Kept between calls so that it is allocated once.
    steps: Vec<Delta>,
    first_event: bool,
    first_token: bool,
    pieces: u64,
    usage: Option<Usage>,
    end: Option<StreamEnd>,
    error: Option<Fault>,
    said: Option<Box<Said>>,
}

/// What an answer that may have to be gone on with has said so far.
#[derive(Debug, Default)]
struct Said {
    text: String,
    /// Something came that is no text, or more text than is kept.
    other: bool,
    /// It is over.
    finished: bool,
    /// Where the present stream meets what the ones before it have said.
    seam: Option<Seam>,
    /// What the streams before the present one have used.
    before: Usage,
}

/// Bytes of an answer that are kept to go on with it at most.
const MOST_SAID: usize = 1 << 20;

/// The reader of the provider's format.
#[derive(Debug)]
pub(super) enum Reader {
    Chat(chat::stream::Reader),
    Responses(responses::stream::Reader),
    Messages(messages::stream::Reader),
    Generate(generate::stream::Reader),
}

/// The writer of the client's format.
#[derive(Debug)]
enum Writer {
    Chat(chat::stream::Writer),
    Responses(responses::stream::Writer),
    Messages(messages::stream::Writer),
    Generate(generate::stream::Writer),
}

/// Calls the same method whichever format it is.
macro_rules! each {
    ($enum:ident, $value:expr, $inner:ident => $call:expr) => {
        match $value {
            $enum::Chat($inner) => $call,
            $enum::Responses($inner) => $call,
            $enum::Messages($inner) => $call,
            $enum::Generate($inner) => $call,
        }
    };
}

impl Reader {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Chat => Self::Chat(chat::stream::Reader::default()),
            Format::Responses => Self::Responses(responses::stream::Reader::default()),
            Format::Messages => Self::Messages(messages::stream::Reader::default()),
            Format::Generate => Self::Generate(generate::stream::Reader::default()),
        }
    }

    pub(super) fn read(&mut self, event: Event<'_>, steps: &mut Vec<Delta>) -> Result<(), Fault> {
        each!(Self, self, reader => reader.read(event.name, event.data, steps))
    }

    pub(super) fn close(&mut self, steps: &mut Vec<Delta>) {
        each!(Self, self, reader => reader.close(steps));
    }
}

impl Writer {
    fn of(context: &Context) -> Self {
        match context.client {
            Format::Chat => Self::Chat(chat::stream::Writer::new(context)),
            Format::Responses => Self::Responses(responses::stream::Writer::new(context)),
            Format::Messages => Self::Messages(messages::stream::Writer::new(context)),
            Format::Generate => Self::Generate(generate::stream::Writer::new(context)),
        }
    }
}

impl StreamTranslator {
    /// A translation of the answer to the request that made this context.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let (reader, writer) = (Reader::of(context.upstream), Writer::of(&context));
        Self {
            context,
            decoder: Decoder::new(),
            reader,
            way_back: WayBack::default(),
            writer,
            steps: Vec::new(),
            first_event: false,
            first_token: false,
            pieces: 0,
            usage: None,
            end: None,
            error: None,
            said: None,
        }
    }

    /// Keeps what is said, so that another stream can go on with it.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { said: Some(Box::default()), ..self }
    }

    /// What the client has been told, if another stream can go on with that: text and nothing else, and not all of it.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        let said = self.said.as_deref().filter(|said| !said.other && !said.finished)?;
        Some(&*said.text).filter(|text| self.end != Some(StreamEnd::Complete) && !text.trim().is_empty())
    }

    /// From now on the bytes of another stream come, in this format, which goes on with what was said. `used` is what
    /// all streams before it have used.
    pub fn resume(&mut self, upstream: Format, form: Continues, used: Usage) {
        if let Some(said) = &mut self.said {
            said.seam = Some(Seam::new(form, &said.text));
            said.before = used;
        }
        self.context.upstream = upstream;
        self.decoder = Decoder::new();
        self.reader = Reader::of(upstream);
        self.usage = None;
        self.end = None;
        self.error = None;
    }

    /// Takes in bytes of the provider's stream and appends the client's events to `out`.
    ///
    /// # Errors
    /// The provider's own error inside the stream, or an event that cannot be read. What was appended before is good;
    /// the stream ends here, with [`Self::fail`] if the client has already been sent something.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.decoder.push(chunk);
        let result = self.drain(out);
        self.note(result)
    }

    /// Takes in a whole body that the provider sent although a stream was asked for.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_body(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let result = read_answer(body, self.context.upstream).and_then(|answer| self.push_answer(answer, out));
        self.note(result)
    }

    fn push_answer(&mut self, answer: Answer, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.steps.extend(deltas::split(answer));
        self.forward(out)
    }

    /// The provider's stream is over: appends the closing events if it ended properly.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> StreamEnd {
        if self.end.is_none() {
            let result = self.close(out);
            // An error here is kept and makes the end a failed one.
            let _ = self.note(result);
        }
        *self.end.get_or_insert(StreamEnd::Truncated)
    }

    /// Ends the client's stream with an error event of its format.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        self.end = Some(StreamEnd::Failed);
        each!(Writer, &mut self.writer, writer => writer.fail(fault, out));
    }

    /// Whether the provider has sent anything that counts: comments and pings do not.
    #[must_use]
    pub const fn first_event(&self) -> bool {
        self.first_event
    }

    /// Whether the model has said anything.
    #[must_use]
    pub const fn first_token(&self) -> bool {
        self.first_token
    }

    /// Whether the provider's closing mark was seen: the rest of the stream, if any, is of no interest.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.end == Some(StreamEnd::Complete)
    }

    /// Pieces of content that have come: text, thinking, parts of calls.
    #[must_use]
    pub const fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Tokens used by the present stream as far as the provider has said.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What broke the stream, if something did.
    #[must_use]
    pub const fn error(&self) -> Option<&Fault> {
        self.error.as_ref()
    }

    fn note(&mut self, result: Result<(), Fault>) -> Result<(), Fault> {
        if let Err(fault) = &result {
            self.end = Some(StreamEnd::Failed);
            self.error = Some(fault.clone());
        }
        result
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        while self.end.is_none() {
            let Some(event) = self.decoder.next()? else { break };
            self.reader.read(event, &mut self.steps)?;
            self.forward(out)?;
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(event) = self.decoder.finish()? {
            self.reader.read(event, &mut self.steps)?;
        }
        self.reader.close(&mut self.steps);
        self.forward(out)
    }

    fn forward(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut steps = std::mem::take(&mut self.steps);
        let mut result = Ok(());
        for delta in steps.drain(..) {
            if self.end.is_some() {
                break;
            }
            result = self.step(delta, out);
            if result.is_err() {
                break;
            }
        }
        steps.clear();
        self.steps = steps;
        result
    }

    fn step(&mut self, mut delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.watch(&delta);
        if let Some(said) = &mut self.said
            && let Some(late) = said.note(&mut delta)?
        {
            self.pass(late, out)?;
        }
        if matches!(&delta, Delta::Text { text, .. } if text.is_empty()) { Ok(()) } else { self.pass(delta, out) }
    }

    fn watch(&mut self, delta: &Delta) {
        match delta {
            Delta::Start { usage, .. } => {
                self.usage = usage.or(self.usage);
                self.first_event = true;
            }
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::Ping => {}
            Delta::Finish { .. } | Delta::End | Delta::Error { .. } => self.first_event = true,
            _ => {
                self.first_event = true;
                self.first_token = true;
                self.pieces += 1;
            }
        }
    }

    fn pass(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        let ended = delta == Delta::End;
        match self.way_back.step(delta, &self.context)? {
            Outcome::Pass(delta) => self.write(delta, out)?,
            Outcome::Begin(start, delta) => {
                self.write(start, out)?;
                self.write(delta, out)?;
            }
            Outcome::Drop => {}
        }
        if ended {
            self.end = Some(StreamEnd::Complete);
        }
        Ok(())
    }

    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) -> Result<(), Fault> {
        each!(Writer, &mut self.writer, writer => writer.write(delta, out))
    }
}

impl Said {
    /// Takes note of one step, which becomes what is left of it at a seam. What had been held back until then is to go
    /// before it.
    fn note(&mut self, delta: &mut Delta) -> Result<Option<Delta>, Fault> {
        let mut late = None;
        match delta {
            Delta::Text { choice: 0, text } => {
                if let Some(seam) = &mut self.seam {
                    *text = seam.join(std::mem::take(text)).map_err(|_| self.anew())?;
                }
                self.keep(text);
            }
            Delta::Finish { choice, .. } => {
                self.finished = true;
                let held = self.seam.as_mut().map(Seam::end).transpose().map_err(|_| self.anew())?;
                if let Some(text) = held.filter(|text| !text.is_empty()) {
                    self.keep(&text);
                    late = Some(Delta::Text { choice: *choice, text });
                }
            }
            Delta::Usage(usage) => *usage = self.before.and(usage),
            Delta::Start { .. } | Delta::Ping | Delta::End | Delta::Error { .. } => {}
            _ => self.other = true,
        }
        Ok(late)
    }

    fn keep(&mut self, text: &str) {
        if self.text.len() + text.len() > MOST_SAID {
            self.other = true;
            self.text = String::new();
        } else if !self.other {
            self.text.push_str(text);
        }
    }

    /// Nothing goes on with an answer that a provider would rather begin again.
    fn anew(&mut self) -> Fault {
        self.other = true;
        notes::broken("the provider began its answer anew in place of going on with it")
    }
}
