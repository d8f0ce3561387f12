//! Stage eight: the answer goes out.
//!
//! A stream is passed on frame by frame as it comes, watched for its first token, its usage and its end. Reading from
//! the provider happens only when the client's connection wants more, so a slow reader slows the provider down instead
//! of filling our memory. A stream that breaks ends with an error event in the client's own format: truncation never
//! looks like success. Dropping a stream closes the provider's connection.

use crate::array::Array;
use crate::attempt::{Answered, Brought};
use crate::cache::Recording;
use crate::call::{Request, header_value};
use crate::cost;
use crate::dispatch::Dispatched;
use crate::headers;
use crate::prepare::{Resuming, Way};
use crate::record::Record;
use crate::reply::{Content, Reply};
use crate::resume::{Continued, Resume, may_help};
use crate::server::Worker;
use crate::snapshot::{Candidate, Searches};
use crate::surface::{self, Surface};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body::{Body, SizeHint};
use sluicegate_upstream::{BodyError, Inflate, ResponseBody, Stage};
use sluicegate_vocabulary::{CallId, EndReason, Endpoint, Fault, FaultKind, Format, Usage, UsageSource};
use sluicegate_wire::tap::{self, StreamEnd, Tap};
use sluicegate_wire::translate::StreamTranslator;
use sluicegate_wire::{error, estimate};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Bytes held back at most while the first event is awaited.
const MAX_HELD: usize = 1 << 20;
/// Bytes of a stream that are sent together at most, when so much is ready.
const TOGETHER: usize = 16 << 10;
/// How long a provider may take to end its body after the closing mark before its connection is given up.
const LINGER: Duration = Duration::from_millis(50);

/// Gives an answer the headers of its content and the form of a reply.
pub(crate) fn reply(dispatched: Dispatched, record: &mut Record) -> Reply {
    let Dispatched { answered, candidate, dropped } = dispatched;
    let Answered { status, mut headers, error, content } = *answered;
    let content = match content {
        Brought::Whole(body, usage) => {
            match error {
                Some(kind) => record.passed_on(kind),
                None => {
                    record.first_token();
                    record.usage(usage.unwrap_or_default());
                    cost::of_whole(&candidate, usage.as_ref(), record);
                }
            }
            Content::Whole(body)
        }
        Brought::Stream(streaming) => {
            if let Some(kind) = error {
                record.passed_on(kind);
            }
            if !matches!(streaming.passage, Passage::Raw) {
                headers.insert(CONTENT_TYPE, streaming.content_type());
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                headers.insert(&headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
            }
            Content::Stream(streaming)
        }
    };
    record.answers(candidate);
    if !dropped.is_empty() {
        headers.insert(&headers::X_SLUICEGATE_DROPPED, header_value(&dropped.join(", ")));
    }
    Reply { status, headers, content }
}

/// How bytes of a stream get from the provider's form to the client's.
#[expect(clippy::large_enum_variant, reason = "it lives in a stream, which is boxed")]
pub(crate) enum Passage {
    /// As they are, watched.
    Same(Tap),
    /// Translated.
    Translated(Box<StreamTranslator>),
    /// As they are, unwatched.
    Raw,
}

impl Passage {
    pub(crate) fn of(way: Way, endpoint: Endpoint, resume: Resuming, searches: Searches) -> Self {
        match way {
            Way::Translated(context) => {
                let translator = StreamTranslator::new(*context);
                let may_break = resume == Resuming::May;
                Self::Translated(Box::new(if may_break { translator.remembering() } else { translator }))
            }
            Way::Same { hide_usage } => Tap::new(endpoint, hide_usage)
                .map_or(Self::Raw, |tap| Self::Same(if searches == Searches::Cited { tap.citing() } else { tap })),
            Way::Passthrough | Way::Embeddings(_) => Self::Raw,
        }
    }
}

impl Passage {
    /// A passthrough stream, watched where its path is one whose streams are known.
    pub(crate) fn watched(path: &str) -> Self {
        match surface::look_up(&format!("/{path}")).0 {
            Surface::Endpoint(endpoint, _) => Tap::new(endpoint, false).map_or(Self::Raw, Self::Same),
            _ => Self::Raw,
        }
    }
}

/// A stream under way.
pub(crate) struct Streaming {
    upstream: Option<ResponseBody>,
    inflate: Option<Box<Inflate>>,
    passage: Passage,
    searches: Searches,
    /// Gemini's JSON array instead of events, when the client asked so.
    array: Option<Box<Array>>,
    format: Format,
    id: CallId,
    provider: Arc<str>,
    out: VecDeque<Bytes>,
    held: usize,
    /// A fault found while the stream was under way; told once what came before it is out.
    broken: Option<(Fault, EndReason)>,
    finished: bool,
    idle: Duration,
    /// The closing mark was seen, and the connection is given a moment to end so that it can be used again.
    lingering: bool,
    /// Input tokens by estimate, for a stream whose usage nobody ever tells.
    estimated_input: u64,
    last: Instant,
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopping: CancellationToken,
    /// Whom the timer and the stop will wake. They are asked again only when they have something to say or somebody
    /// else is to be woken: asking takes a lock each time, and a stream wakes for every piece.
    wakes: Option<Waker>,
    /// What it takes to go on should it break; boxed, since few can be gone on with.
    resume: Option<Box<Resume>>,
    /// What has come, of a stream that is to go on with another.
    kept: Option<Vec<Bytes>>,
    /// What has gone out, of an answer that is to be kept.
    gathered: Option<Box<Recording>>,
}

/// A stream without a form in which an error could be told was cut; the connection must show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider broke its answer off")]
pub struct CutOff;

impl Streaming {
    pub(crate) fn new(
        body: ResponseBody,
        inflate: Option<Box<Inflate>>,
        passage: Passage,
        request: &Request,
        candidate: &Candidate,
        id: &CallId,
        worker: &Worker,
    ) -> Self {
        let idle = candidate.provider.timeouts.stream_idle;
        Self {
            upstream: Some(body),
            inflate,
            passage,
            searches: candidate.searches,
            array: request.wants_array().then(|| Box::new(Array::new())),
            format: request.endpoint.format().unwrap_or(Format::Chat),
            id: id.clone(),
            provider: Arc::clone(&candidate.provider.name),
            out: VecDeque::new(),
            held: 0,
            broken: None,
            finished: false,
            idle,
            lingering: false,
            estimated_input: estimate::tokens_in_bytes(request.head.input_bytes),
            last: Instant::now(),
            timer: Box::pin(tokio::time::sleep(idle)),
            stop: Box::pin(worker.stop.clone().cancelled_owned()),
            stopping: worker.stop.clone(),
            wakes: None,
            resume: None,
            kept: None,
            gathered: None,
        }
    }

    /// Its answer is to be kept once it is whole.
    pub(crate) fn gather(&mut self, recording: Box<Recording>) {
        match &self.passage {
            Passage::Raw => recording.failed(),
            _ => self.gathered = Some(recording),
        }
    }

    /// It is to go on with another stream, which will want to see all that comes of it.
    pub(crate) fn keep(&mut self) {
        self.kept = Some(Vec::new());
    }

    pub(crate) const fn is_translated(&self) -> bool {
        matches!(self.passage, Passage::Translated(_))
    }

    /// It can be gone on with should it break, or if it has broken since its first event.
    pub(crate) fn resumable(&mut self, mut resume: Box<Resume>) {
        if matches!(&self.passage, Passage::Same(tap) if tap.error_told()) {
            resume.withheld = self.out.pop_back();
        }
        resume.follow(self.out.make_contiguous());
        self.resume = Some(resume);
    }

    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(if self.array.is_some() { "application/json" } else { "text/event-stream" })
    }

    /// The first piece that is ready for the client.
    pub(crate) fn here(&self) -> &[u8] {
        self.out.front().map_or(&[], |piece| piece)
    }

    /// What has been read of it already.
    pub(crate) fn begin(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.take(data);
        }
    }

    /// Reads until the first real event is here.
    ///
    /// # Errors
    /// The stream broke, was empty, or told an error before it began.
    pub(crate) async fn open(&mut self) -> Result<(), Fault> {
        while !self.first_event() && !self.finished {
            std::future::poll_fn(|cx| self.poll_upstream(cx)).await;
            if self.held > MAX_HELD {
                return Err(self.fault("sent no event within the first megabyte of its stream"));
            }
        }
        match self.broken.take() {
            Some((fault, _)) if !self.first_event() || self.error_first() => Err(fault),
            broken => {
                self.broken = broken;
                if self.first_event() { Ok(()) } else { Err(self.fault("answered with an empty stream")) }
            }
        }
    }

    /// What is known of its length: the provider's own word where the bytes pass unwatched.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match (&self.passage, &self.upstream) {
            (Passage::Raw, Some(upstream)) if self.out.is_empty() && self.inflate.is_none() => upstream.size_hint(),
            _ => SizeHint::default(),
        }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::new(FaultKind::UpstreamBroken, format!("The provider {} {what}.", self.provider))
    }

    fn first_event(&self) -> bool {
        match &self.passage {
            Passage::Same(tap) => tap.first_event(),
            Passage::Translated(translator) => translator.first_event(),
            Passage::Raw => true,
        }
    }

    /// Whether the stream's error came before anything of worth.
    fn error_first(&self) -> bool {
        !self.first_token()
    }

    fn first_token(&self) -> bool {
        match &self.passage {
            Passage::Same(tap) => tap.first_token(),
            Passage::Translated(translator) => translator.first_token(),
            Passage::Raw => true,
        }
    }

    /// Pieces of output so far, which are hardly more than its tokens.
    fn pieces(&self) -> u64 {
        // The shadow counts pieces of text only, as it goes on to once its stream has broken.
        let shadow = self.resume.as_ref().and_then(|resume| resume.shadow.as_ref());
        match &self.passage {
            Passage::Same(tap) => shadow.map_or_else(|| tap.next_sequence(), |shadow| shadow.pieces()),
            Passage::Translated(translator) => translator.pieces(),
            Passage::Raw => 0,
        }
    }

    /// Whether the provider's closing mark was seen.
    fn closed(&self) -> bool {
        match &self.passage {
            Passage::Same(tap) => tap.closed(),
            Passage::Translated(translator) => translator.closed(),
            Passage::Raw => false,
        }
    }

    /// What was used: the provider's word where it has said all, else at least what has been seen to come. A stream
    /// that broke or was left is never free because its last event is missing.
    pub(crate) fn used(&self) -> Option<Usage> {
        self.searches.of_stream(self.counted())
    }

    fn counted(&self) -> Option<Usage> {
        let said = match &self.passage {
            Passage::Same(tap) => tap.usage(),
            Passage::Translated(translator) => translator.usage(),
            Passage::Raw => return None,
        };
        let whole = self.closed() || (self.finished && self.broken.is_none());
        if (whole && said.is_some()) || !self.first_token() {
            return said;
        }
        let pieces = self.pieces().saturating_sub(self.resume.as_ref().map_or(0, |resume| resume.pieces));
        let mut used = said.unwrap_or(Usage { input: self.estimated_input, ..Usage::default() });
        used.output += pieces.saturating_sub(used.total_output());
        if let Passage::Same(tap) = &self.passage {
            used.web_searches = used.web_searches.max(tap.searches_seen());
        }
        used.source = UsageSource::Estimated;
        Some(used)
    }

    /// Takes one step with the provider: a piece, its end, or its failure.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(upstream) = &mut self.upstream else {
            self.finished = true;
            return Poll::Ready(());
        };
        match Pin::new(&mut *upstream).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let last = upstream.is_end_stream();
                if let Ok(data) = frame.into_data() {
                    self.last = Instant::now();
                    self.take(data);
                }
                if last && !self.finished {
                    self.close();
                }
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(BodyError::Timeout(after)))) => {
                let what = format!("was not at the end of its answer after {:.0} s", after.as_secs_f64());
                let fault = Fault { kind: FaultKind::Timeout, ..self.fault(&what) }.code(Stage::Total.timeout_code());
                self.end(Some((fault, EndReason::TimedOut)));
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(provider = &*self.provider, %error, "a stream broke off");
                let fault = self.fault("broke the connection in the middle of its answer");
                self.end(Some((fault, EndReason::Truncated)));
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.close();
                Poll::Ready(())
            }
            Poll::Pending => self.poll_limits(cx),
        }
    }

    /// Nothing came: is it over, has it been too long, or are we shutting down?
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.closed() {
            if !self.lingering {
                self.lingering = true;
                self.timer.as_mut().reset((Instant::now() + LINGER).into());
            }
            ready!(self.timer.as_mut().poll(cx));
            self.close();
            return Poll::Ready(());
        }
        let asked = self.wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if asked && !self.stopping.is_cancelled() && tokio::time::Instant::now() < self.timer.deadline() {
            return Poll::Pending;
        }
        self.wakes = None;
        if self.stop.as_mut().poll(cx).is_ready() {
            let fault = Fault::new(FaultKind::Overloaded, "The relay shut down before the answer was complete.");
            self.end(Some((fault, EndReason::Shutdown)));
            return Poll::Ready(());
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            // The timer is set again only when it fires, not for every piece that comes.
            let silent = self.last.elapsed();
            if silent >= self.idle {
                let what = format!("sent nothing for {:.0} s in the middle of its answer", self.idle.as_secs_f64());
                let fault = Fault { kind: FaultKind::Timeout, ..self.fault(&what) }.code("stream_idle_timeout");
                // Where the format has no closing mark, all may have been said.
                self.close();
                if let Some(broken) = &mut self.broken {
                    *broken = (fault, EndReason::TimedOut);
                }
                return Poll::Ready(());
            }
            let next = self.last + self.idle;
            self.timer.as_mut().reset(next.into());
        }
        self.wakes = Some(cx.waker().clone());
        Poll::Pending
    }

    fn take(&mut self, data: Bytes) {
        let data = match &mut self.inflate {
            None => data,
            Some(inflate) => match inflate.push(&data) {
                Ok(data) => data,
                Err(_) => {
                    let fault = self.fault("sent a stream that is not valid gzip");
                    return self.end(Some((fault, EndReason::Truncated)));
                }
            },
        };
        if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
        self.feed(data);
    }

    /// Takes a piece in as it was before it was compressed.
    fn feed(&mut self, data: Bytes) {
        let fed = match &mut self.passage {
            Passage::Raw => {
                self.out.push_back(data);
                Ok(())
            }
            Passage::Same(tap) => {
                let mut out = tap::Out::new();
                let fed = tap.feed(data, &mut out);
                if let Some(resume) = &mut self.resume {
                    if tap.error_told() {
                        resume.withheld = out.pop();
                    }
                    resume.follow(&out);
                }
                self.held += out.iter().map(Bytes::len).sum::<usize>();
                self.out.extend(out);
                fed
            }
            Passage::Translated(translator) => {
                let mut out = Vec::new();
                let fed = translator.push(&data, &mut out);
                if !out.is_empty() {
                    self.held += out.len();
                    self.out.push_back(out.into());
                }
                fed
            }
        };
        if let Err(fault) = fed {
            self.end(Some((fault, EndReason::Truncated)));
        }
    }

    /// The provider closed the stream: was it complete?
    fn close(&mut self) {
        let end = match &mut self.passage {
            Passage::Raw => StreamEnd::Complete,
            Passage::Same(tap) => {
                let mut tail = tap::Out::new();
                let end = tap.finish(&mut tail);
                self.out.extend(tail);
                end
            }
            Passage::Translated(translator) => {
                let mut tail = Vec::new();
                let end = translator.finish(&mut tail);
                if !tail.is_empty() {
                    self.out.push_back(tail.into());
                }
                end
            }
        };
        let broken = match end {
            StreamEnd::Complete => None,
            StreamEnd::Truncated => {
                Some((self.fault("ended its stream before the answer was complete"), EndReason::Truncated))
            }
            StreamEnd::Failed => {
                let told = match &self.passage {
                    Passage::Same(tap) => tap.error().cloned(),
                    Passage::Translated(translator) => translator.error().cloned(),
                    Passage::Raw => None,
                };
                let fault = told.unwrap_or_else(|| self.fault("ended its stream with an error"));
                Some((fault, EndReason::Truncated))
            }
        };
        self.end(broken);
    }

    fn end(&mut self, broken: Option<(Fault, EndReason)>) {
        self.upstream = None;
        self.finished = true;
        // What happens to the connection after the closing mark is no fault of the answer.
        if self.broken.is_none() && !self.closed() {
            self.broken = broken;
        }
    }

    /// Puts the error event for a broken stream into the queue.
    fn tell(&mut self, fault: &Fault) -> Result<(), CutOff> {
        let event = match &mut self.passage {
            Passage::Raw => return Err(CutOff),
            // The provider's own error event has already gone by.
            Passage::Same(tap) if tap.error_told() => return Ok(()),
            Passage::Same(tap) => error::stream_event(fault, self.format, self.id.as_str(), tap.next_sequence()),
            Passage::Translated(translator) => {
                let mut event = Vec::new();
                translator.fail(fault, &mut event);
                event
            }
        };
        if !event.is_empty() {
            self.out.push_back(event.into());
        }
        Ok(())
    }

    /// The next piece for the client.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        record: &mut Option<Record>,
    ) -> Poll<Option<Result<Bytes, CutOff>>> {
        loop {
            // What is ready is sent together; what is not is never waited for.
            while !self.finished && self.queued() < TOGETHER && self.poll_upstream(cx).is_ready() {}
            if let Some(record) = record.as_mut()
                && self.first_token()
            {
                record.first_token();
                let pieces = self.pieces();
                record.streamed(pieces);
                if let Err(fault) = record.cover(pieces)
                    && !self.finished
                {
                    self.end(Some((fault, EndReason::Truncated)));
                }
            }
            if let Some(bytes) = self.take_queued() {
                self.note_piece(&bytes);
                let bytes = self.array.as_mut().map_or(bytes.clone(), |array| array.push(&bytes));
                if !bytes.is_empty() {
                    self.note_end(record.as_mut());
                    return Poll::Ready(Some(Ok(bytes)));
                }
                continue;
            }
            if !self.finished {
                return Poll::Pending;
            }
            if self.resume.is_some() && self.broken.is_some() && ready!(self.poll_resume(cx, record)) {
                continue;
            }
            if let (Some((fault, end)), Some(record)) = (&self.broken, record.as_mut()) {
                self.settle_usage(record);
                record.broke(fault, *end);
                if let Some(recording) = self.gathered.take() {
                    recording.failed();
                }
            }
            match self.broken.take() {
                Some((fault, _)) => {
                    if let Err(cut) = self.tell(&fault) {
                        return Poll::Ready(Some(Err(cut)));
                    }
                }
                None => {
                    self.note_piece(&[]);
                    self.note_end(record.as_mut());
                    let closing = self.array.take().map(|array| array.finish());
                    return Poll::Ready(closing.filter(|bytes| !bytes.is_empty()).map(Ok));
                }
            }
        }
    }

    /// Asks for the rest of a stream that has broken; true once it goes on. If not, it is not asked again.
    fn poll_resume(&mut self, cx: &mut Context<'_>, slot: &mut Option<Record>) -> Poll<bool> {
        let used = self.used().unwrap_or_default();
        let pieces = self.pieces();
        let Some(resume) = &mut self.resume else { return Poll::Ready(false) };
        if resume.asking.is_none() {
            let said = match (&resume.shadow, &self.passage) {
                (Some(shadow), _) => shadow.said(),
                (None, Passage::Translated(translator)) => translator.said(),
                (None, _) => None,
            };
            let broken = self.broken.as_ref().filter(|(fault, end)| resume.left > 0 && may_help(fault, *end));
            if let (Some(said), Some((fault, end))) = (said.map(str::to_owned), broken)
                && let Some(mut record) = slot.take()
            {
                record.usage(used);
                let (before, pieces_before) = (resume.used, resume.pieces);
                (resume.used, resume.pieces) = (before.and(&used), pieces);
                if let Err(record) = resume.begin(said, (fault, *end), record) {
                    *slot = Some(record);
                    (resume.used, resume.pieces) = (before, pieces_before);
                }
            }
        }
        let continued = match &mut resume.asking {
            None => None,
            Some(asking) => {
                let (record, continued) = ready!(asking.get_mut().as_mut().poll(cx));
                *slot = Some(record);
                continued
            }
        };
        resume.asking = None;
        match (continued, slot) {
            (Some(continued), Some(record)) => {
                resume.resumed(record);
                self.go_on(continued);
                Poll::Ready(true)
            }
            _ => {
                // Now the client hears why.
                resume.left = 0;
                if let Some(event) = resume.withheld.take() {
                    self.out.push_back(event);
                }
                Poll::Ready(false)
            }
        }
    }

    /// From now on the pieces of another stream come.
    fn go_on(&mut self, continued: Continued) {
        let Continued { streaming, format, form } = continued;
        let Some(resume) = &mut self.resume else { return };
        if let Some(shadow) = resume.shadow.take() {
            self.passage = Passage::Translated(shadow);
        }
        if let Passage::Translated(translator) = &mut self.passage {
            self.estimated_input += estimate::tokens_in_bytes(translator.said().map_or(0, str::len));
            translator.resume(format, form, resume.used);
        }
        let Self { upstream, inflate, provider, broken, finished, idle, kept, .. } = *streaming;
        (self.upstream, self.inflate, self.provider, self.idle) = (upstream, inflate, provider, idle);
        (self.broken, self.finished, self.lingering) = (None, false, false);
        self.last = Instant::now();
        self.timer.as_mut().reset((self.last + idle).into());
        self.wakes = None;
        for data in kept.into_iter().flatten() {
            self.feed(data);
        }
        if finished && !self.finished {
            match broken {
                Some(broken) => self.end(Some(broken)),
                None => self.close(),
            }
        }
    }

    fn queued(&self) -> usize {
        self.out.iter().map(Bytes::len).sum()
    }

    /// All that is queued, in one piece.
    fn take_queued(&mut self) -> Option<Bytes> {
        let first = self.out.pop_front()?;
        if self.out.is_empty() {
            return Some(first);
        }
        let mut all = BytesMut::with_capacity(first.len() + self.queued());
        all.extend_from_slice(&first);
        for piece in self.out.drain(..) {
            all.extend_from_slice(&piece);
        }
        Some(all.freeze())
    }

    /// A piece goes out, and the answer may be whole with it.
    fn note_piece(&mut self, piece: &[u8]) {
        let Some(mut recording) = self.gathered.take() else { return };
        if !recording.push(piece) {
            recording.failed();
        } else if self.is_over() {
            recording.finish(self.used().unwrap_or_default());
        } else {
            self.gathered = Some(recording);
        }
    }

    /// All of it has gone out.
    fn is_over(&self) -> bool {
        (self.finished || self.closed()) && self.out.is_empty() && self.broken.is_none()
    }

    /// With the last piece, or the closing mark, the call has ended well, whether or not anybody asks for more: a client
    /// hangs up when it has the mark, and its connection stops asking once it has as many bytes as it was promised.
    fn note_end(&self, record: Option<&mut Record>) {
        if let Some(record) = record.filter(|record| self.is_over() && !record.has_fault()) {
            self.settle_usage(record);
            record.ended(EndReason::Done);
        }
    }

    /// Tells the record what was used, as far as it is known now.
    pub(crate) fn settle_usage(&self, record: &mut Record) {
        if let Some(used) = self.used() {
            record.usage(used);
        }
    }
}
