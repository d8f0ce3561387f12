//! One connection, request after request.

use super::body::Feed;
use super::encode::{self, Asked, Ending};
use super::head::{Framing, Head, HeadError, HeadReader};
use super::socket::Socket;
use crate::inbound::{BrokenOff, Inbound};
use crate::reply::ReplyBody;
use crate::server::{Answering, Worker, outside, respond};
use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use sluicegate_upstream::http1::{Decoder, Framing as Frames};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::future::poll_fn;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

/// How long a client may keep its connection between two requests.
const IDLE: Duration = Duration::from_secs(75);
/// Pieces of an answer up to this length are copied together, in bytes.
const SMALL: usize = 4 << 10;
/// So much of an answer is gathered before it is sent, in bytes.
const TOGETHER: usize = 16 << 10;
/// How long, and for how many bytes, a client is heard after its connection has ended on our side, so that it can read
/// our last answer before it learns that it was not listened to.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 << 10;

/// Serves a connection until it ends.
pub(crate) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(worker: &Arc<Worker>, stream: T) {
    let mut socket = Socket::new(stream);
    let rules = &worker.shared.rules;
    let mut waiting = pin!(Waiting::new(worker));
    let mut patience = rules.header_read_timeout;
    loop {
        let mut reader = HeadReader::new(rules.max_header_bytes);
        waiting.as_mut().until(Instant::now() + patience);
        let got = poll_fn(|cx| waiting.as_mut().poll_head(cx, &mut socket, &mut reader)).await;
        let (head, fault) = match got {
            Got::Head(head) => (head, None),
            Got::Nothing => break,
            Got::Fault(fault) => (nameless(), Some(fault)),
        };
        let keeps = exchange(worker, &mut socket, head, fault).await;
        if !keeps {
            break;
        }
        patience = IDLE;
    }
    let _ = tokio::time::timeout(LINGER, poll_fn(|cx| linger(cx, &mut socket))).await;
}

/// What came of waiting for a head.
enum Got {
    Head(Head),
    /// The client is gone, or has said nothing for so long that it is.
    Nothing,
    /// What it said cannot be answered but with this.
    Fault(Fault),
}

/// Stands for the head that could not be read.
fn nameless() -> Head {
    let (parts, ()) = Request::new(()).into_parts();
    Head { parts, framing: Ok(Framing::Length(0)), keeps: false, expects: false }
}

/// The wait for a head: for so long, and no longer than the relay wants new requests.
struct Waiting<'a> {
    worker: &'a Arc<Worker>,
    /// Asked once, the token keeps the waker of this task, which stays the same. So it is not asked each time, which
    /// would take its lock several times a call.
    closing: Pin<Box<WaitForCancellationFuture<'a>>>,
    /// Set again only when it goes off too early, since most waits end long before.
    timer: Pin<Box<Sleep>>,
    deadline: Instant,
    /// Both have been asked.
    watched: bool,
    /// A part of a head has come.
    begun: bool,
}

impl<'a> Waiting<'a> {
    fn new(worker: &'a Arc<Worker>) -> Self {
        let deadline = Instant::now();
        Self {
            worker,
            closing: Box::pin(worker.closing.cancelled()),
            timer: Box::pin(tokio::time::sleep_until(deadline + worker.shared.rules.header_read_timeout)),
            deadline,
            watched: false,
            begun: false,
        }
    }

    fn until(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        self.begun = false;
    }

    fn poll_head<T: AsyncRead + AsyncWrite + Unpin>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        socket: &mut Socket<T>,
        reader: &mut HeadReader,
    ) -> Poll<Got> {
        let this = &mut *self;
        loop {
            match reader.read(&mut socket.held) {
                Ok(Some(head)) => return Poll::Ready(Got::Head(head)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Got::Fault(unreadable(&error))),
            }
            match socket.poll_read(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Got::Nothing),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        let begun = !socket.held.is_empty();
        if begun && !this.begun {
            this.begun = true;
            this.deadline = Instant::now() + this.worker.shared.rules.header_read_timeout;
            this.timer.as_mut().reset(this.deadline);
            this.watched = false;
        }
        let asks = !this.watched || this.worker.shared.is_draining();
        if asks && this.closing.as_mut().poll(cx).is_ready() && !begun {
            return Poll::Ready(Got::Nothing);
        }
        if !this.watched || this.timer.is_elapsed() {
            while this.timer.as_mut().poll(cx).is_ready() {
                if Instant::now() >= this.deadline {
                    return Poll::Ready(if begun { Got::Fault(too_slow(this.worker)) } else { Got::Nothing });
                }
                this.timer.as_mut().reset(this.deadline);
            }
        }
        this.watched = true;
        Poll::Pending
    }
}

fn unreadable(error: &HeadError) -> Fault {
    let kind = match error {
        HeadError::Malformed(_) => FaultKind::BadRequest,
        HeadError::TooLong(_) | HeadError::TooMany => FaultKind::HeadersTooLarge,
    };
    Fault::new(kind, error.to_string())
}

fn too_slow(worker: &Worker) -> Fault {
    let seconds = worker.shared.rules.header_read_timeout.as_secs_f64();
    Fault::new(FaultKind::RequestTimeout, format!("The request's headers did not arrive within {seconds} s."))
}

/// Answers one request, or tells of its fault, and says whether the connection is of use after it.
async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(
    worker: &Arc<Worker>,
    socket: &mut Socket<T>,
    head: Head,
    fault: Option<Fault>,
) -> bool {
    let Head { parts, framing, mut keeps, expects } = head;
    let asked = Asked { method: parts.method.clone(), version: parts.version };
    let fault = fault.or_else(|| framing.err().map(two_readings));
    let mut coming = None;
    let response = if let Some(fault) = fault {
        keeps = false;
        outside(worker, &parts, &fault)
    } else {
        let body = match framing {
            Ok(Framing::Length(length)) if socket.held.len() as u64 >= length => {
                Inbound::Here(take(socket, usize::try_from(length).unwrap_or(0)))
            }
            framing => {
                let begun = Coming::new(framing.unwrap_or(Framing::Chunked), expects);
                let body = Inbound::Coming(Arc::clone(&begun.feed));
                coming = Some(begun);
                body
            }
        };
        let mut answering = respond(worker, parts, body);
        let response = poll_fn(|cx| poll_answer(cx, &mut answering, &mut coming, socket)).await;
        let Some(response) = response else { return false };
        response
    };
    keeps &= coming.is_none_or(|coming| coming.is_whole()) && !worker.shared.is_draining();
    Outgoing::new(response, asked, keeps).write(socket).await
}

/// The first bytes of what is held.
fn take<T>(socket: &mut Socket<T>, length: usize) -> Bytes {
    if socket.held.len() == length { std::mem::take(&mut socket.held) } else { socket.held.split_to(length) }.freeze()
}

fn two_readings(why: &str) -> Fault {
    Fault::new(
        FaultKind::BadRequest,
        format!(
            "The request cannot be trusted to end where it seems to. {why}. Send exactly one content-length, or \
             transfer-encoding: chunked; a proxy in front of the relay that adds another is at fault."
        ),
    )
}

/// Ready with the answer, or with nothing once the client is gone.
fn poll_answer<T: AsyncRead + AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    answering: &mut Answering,
    coming: &mut Option<Coming>,
    socket: &mut Socket<T>,
) -> Poll<Option<Response<ReplyBody>>> {
    loop {
        if let Poll::Ready(response) = Pin::new(&mut *answering).poll(cx) {
            return Poll::Ready(Some(response));
        }
        match coming {
            Some(body) if !body.is_over() => ready!(body.poll_feed(cx, socket)),
            _ => return socket.poll_gone(cx).map(|()| None),
        }
    }
}

/// A body that is still coming.
struct Coming {
    feed: Arc<Feed>,
    decoder: Decoder,
    /// The client waits to be told that its body is wanted.
    expects: bool,
    failed: bool,
}

impl Coming {
    fn new(framing: Framing, expects: bool) -> Self {
        let (frames, left) = match framing {
            Framing::Length(length) => (Frames::Length(length), Some(length)),
            Framing::Chunked => (Frames::Chunked, None),
        };
        Self { feed: Arc::new(Feed::new(left)), decoder: Decoder::new(frames), expects, failed: false }
    }

    /// It has all come, to the byte.
    const fn is_whole(&self) -> bool {
        self.decoder.is_done()
    }

    const fn is_over(&self) -> bool {
        self.is_whole() || self.failed
    }

    /// Reads for whoever listens; ready when there is something to hear.
    fn poll_feed<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket<T>,
    ) -> Poll<()> {
        if !self.feed.is_wanted() {
            return Poll::Pending;
        }
        if self.expects && socket.held.is_empty() {
            self.expects = false;
            if socket.send(cx, |_, out, _| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n")).is_err() {
                self.fail(BrokenOff::Gone);
                return Poll::Ready(());
            }
        }
        loop {
            // Flushed here, since a client that waits to be told would wait for ever.
            if let Poll::Ready(Err(_)) = socket.poll_sent(cx) {
                self.fail(BrokenOff::Gone);
                return Poll::Ready(());
            }
            if !socket.held.is_empty() {
                let decoded = self.decoder.decode(&mut socket.held);
                if self.decoder.check().is_err() {
                    self.fail(BrokenOff::Malformed);
                    return Poll::Ready(());
                }
                let mut piece = take(socket, decoded.used);
                piece.truncate(decoded.data.end);
                piece.advance(decoded.data.start);
                if !piece.is_empty() || self.decoder.is_done() {
                    self.feed.give(piece, self.decoder.is_done());
                    return Poll::Ready(());
                }
            }
            match ready!(socket.poll_read(cx)) {
                Ok(0) | Err(_) => {
                    self.fail(BrokenOff::Gone);
                    return Poll::Ready(());
                }
                Ok(_) => {}
            }
        }
    }

    fn fail(&mut self, why: BrokenOff) {
        self.failed = true;
        self.feed.fail(why);
    }
}

/// An answer on its way out.
struct Outgoing {
    response: Response<ReplyBody>,
    asked: Asked,
    keeps: bool,
    /// `None` until the head is written.
    ending: Option<Ending>,
    state: Going,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    /// There is more.
    On,
    /// All has been said.
    Done,
    /// It broke off, and must not look whole.
    Cut,
}

impl Outgoing {
    const fn new(response: Response<ReplyBody>, asked: Asked, keeps: bool) -> Self {
        Self { response, asked, keeps, ending: None, state: Going::On }
    }

    /// Writes all of it, and says whether the connection is of use after it.
    async fn write<T: AsyncRead + AsyncWrite + Unpin>(mut self, socket: &mut Socket<T>) -> bool {
        poll_fn(|cx| self.poll_write(cx, socket)).await && self.keeps
    }

    fn poll_write<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket<T>,
    ) -> Poll<bool> {
        loop {
            match socket.poll_sent(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return socket.poll_gone(cx).map(|()| false),
            }
            match self.state {
                Going::On => {}
                Going::Done => return Poll::Ready(true),
                Going::Cut => return Poll::Ready(false),
            }
            let mut waits = false;
            let sent = socket.send(cx, |cx, out, unsent| {
                if self.ending.is_none() {
                    let Self { response, asked, keeps, ending, .. } = self;
                    let headers = std::mem::take(response.headers_mut());
                    *ending = Some(encode::head(out, response.status(), &headers, response.body(), asked, keeps));
                }
                while self.state == Going::On && out.len() < TOGETHER && unsent.large.is_empty() {
                    let Poll::Ready(piece) = self.poll_piece(cx) else {
                        waits = true;
                        break;
                    };
                    self.put(piece, out, &mut unsent.large, &mut unsent.end);
                }
            });
            if sent.is_err() {
                return Poll::Ready(false);
            }
            if waits {
                if let Poll::Ready(Err(_)) = socket.poll_sent(cx) {
                    return Poll::Ready(false);
                }
                return socket.poll_gone(cx).map(|()| false);
            }
        }
    }

    /// The next piece of the body; nothing at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        if self.ending == Some(Ending::Bodiless) {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(self.response.body_mut()).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| ())))
    }

    fn put(&mut self, piece: Option<Result<Bytes, ()>>, out: &mut Vec<u8>, large: &mut Bytes, end: &mut &'static [u8]) {
        let piece = match (piece, self.ending) {
            (Some(Err(())), _) => {
                self.state = Going::Cut;
                return;
            }
            (None, ending) => {
                self.state = match ending {
                    Some(Ending::Length(left)) if left > 0 => Going::Cut,
                    Some(Ending::Chunks) => {
                        out.extend_from_slice(b"0\r\n\r\n");
                        Going::Done
                    }
                    _ => Going::Done,
                };
                // Its drop makes the receipt and gives back what the call holds, before the client can ask again.
                *self.response.body_mut() = ReplyBody::plain(Bytes::new());
                return;
            }
            (Some(Ok(piece)), Some(Ending::Length(left))) => {
                let Some(left) = left.checked_sub(piece.len() as u64) else {
                    self.state = Going::Cut;
                    return;
                };
                self.ending = Some(Ending::Length(left));
                piece
            }
            (Some(Ok(piece)), _) if piece.is_empty() => return,
            (Some(Ok(piece)), _) => piece,
        };
        let chunked = self.ending == Some(Ending::Chunks);
        if chunked {
            let _ = write!(out, "{:x}\r\n", piece.len());
        }
        if piece.len() > SMALL {
            *large = piece;
            *end = if chunked { b"\r\n" } else { b"" };
        } else {
            out.extend_from_slice(&piece);
            out.extend_from_slice(if chunked { b"\r\n" } else { b"" });
        }
    }
}

/// Ends our side, and hears the client out a little.
fn linger<T: AsyncRead + AsyncWrite + Unpin>(cx: &mut Context<'_>, socket: &mut Socket<T>) -> Poll<()> {
    if ready!(socket.poll_shutdown(cx)).is_err() {
        return Poll::Ready(());
    }
    let mut heard = 0;
    loop {
        socket.held.clear();
        match ready!(socket.poll_read(cx)) {
            Ok(read) if read > 0 && heard < LINGER_BYTES => heard += read,
            _ => return Poll::Ready(()),
        }
    }
}
