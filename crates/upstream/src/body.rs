//! Bodies on the way to and from a provider.
//!
//! A request body is a few slices whose total length is known, so it goes out with a content length and no copy. A
//! response body carries the connection it arrives on: when its last byte has been read the connection goes back to
//! the pool, and when it is dropped sooner the connection is closed, which is how a provider learns that nobody
//! listens any more. An answer that came whole gives its connection back before anybody reads it.

use crate::connections::StreamCount;
use crate::http1;
use crate::pool::Site;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// A request body: slices in order. Cloning shares the bytes, so a body can be sent again.
#[derive(Debug, Clone, Default)]
pub struct RequestBody {
    slices: VecDeque<Bytes>,
    left: u64,
}

impl RequestBody {
    /// A body of these slices, in order.
    pub fn new(slices: impl IntoIterator<Item = Bytes>) -> Self {
        let slices: VecDeque<Bytes> = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        let left = slices.iter().map(|slice| slice.len() as u64).sum();
        Self { slices, left }
    }

    /// Bytes in it.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.left
    }

    /// All of it, in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices.iter().flatten().copied().collect()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Fills `into` with what comes first, and says how many it has filled.
    pub(crate) fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        into.iter_mut().zip(&self.slices).map(|(place, slice)| *place = IoSlice::new(slice)).count()
    }

    /// Leaves out so many bytes at the beginning.
    pub(crate) fn advance(&mut self, mut count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        while let Some(slice) = self.slices.front_mut() {
            if count < slice.len() {
                slice.advance(count);
                break;
            }
            count -= slice.len();
            self.slices.pop_front();
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::new([bytes])
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.slices.pop_front();
        if let Some(slice) = &next {
            self.left -= slice.len() as u64;
        }
        Poll::Ready(next.map(|slice| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.slices.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Why a response body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection ended first.
    #[error("the connection ended before the answer did")]
    Truncated,
    /// Its framing cannot be read.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// The connection failed.
    #[error("the answer could not be read: {0}")]
    Connection(#[source] io::Error),
    /// The time allowed for the whole call is over.
    #[error("the answer was not at its end after {} ms", .0.as_millis())]
    Timeout(Duration),
    /// An HTTP/2 stream or its connection failed.
    #[error(transparent)]
    Http2(hyper::Error),
}

/// A response body, with the connection it comes from.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    limit: Option<Box<Limit>>,
}

/// The end of the time allowed for a call, and how long that was.
#[derive(Debug)]
struct Limit {
    after: Duration,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug)]
enum Source {
    /// What is left is here, and the connection is somewhere else.
    Here(Bytes),
    Http1(http1::Incoming, Arc<Site>),
    Http2(hyper::body::Incoming, #[expect(dead_code, reason = "held for its drop, which ends the count")] StreamCount),
}

impl ResponseBody {
    pub(crate) fn http1(incoming: http1::Incoming, site: &Arc<Site>) -> Self {
        if incoming.is_read() {
            return finish(incoming, site).into();
        }
        Source::Http1(incoming, Arc::clone(site)).into()
    }

    pub(crate) fn http2(incoming: hyper::body::Incoming, count: StreamCount) -> Self {
        if incoming.is_end_stream() {
            return Source::Here(Bytes::new()).into();
        }
        Source::Http2(incoming, count).into()
    }

    /// Ends it with an error when the timer does, `after` so long.
    pub(crate) fn within(mut self, after: Duration, timer: Pin<Box<Sleep>>) -> Self {
        self.limit = Some(Box::new(Limit { after, timer }));
        self
    }

    /// Lets go of the connection once all has been read from it.
    fn let_go(&mut self) {
        let over = match &self.source {
            Source::Here(_) => false,
            Source::Http1(incoming, _) => incoming.is_read(),
            Source::Http2(incoming, _) => incoming.is_end_stream(),
        };
        if over && let Source::Http1(incoming, site) = std::mem::replace(&mut self.source, Source::Here(Bytes::new())) {
            self.source = finish(incoming, &site);
        }
    }
}

impl From<Source> for ResponseBody {
    fn from(source: Source) -> Self {
        Self { source, limit: None }
    }
}

/// Gives the connection of a body that has been read back to where it belongs.
fn finish(incoming: http1::Incoming, site: &Site) -> Source {
    let (rest, connection) = incoming.finish();
    if let Some(connection) = connection {
        site.give_back(connection);
    }
    Source::Here(rest)
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.source {
            Source::Here(rest) => {
                let rest = std::mem::take(rest);
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            }
            Source::Http1(incoming, _) => incoming.poll_piece(cx).map_ok(Frame::data),
            Source::Http2(incoming, _) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::Http2),
        };
        let polled = match &mut self.limit {
            Some(limit) if polled.is_pending() => {
                limit.timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Timeout(limit.after))))
            }
            _ => polled,
        };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => self.let_go(),
            Poll::Ready(Some(Err(_))) => self.source = Source::Here(Bytes::new()),
            Poll::Ready(None) => {
                self.let_go();
                self.source = Source::Here(Bytes::new());
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Here(rest) => rest.is_empty(),
            Source::Http1(..) => false,
            Source::Http2(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Here(rest) => SizeHint::with_exact(rest.len() as u64),
            Source::Http1(incoming, _) => incoming.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Source::Http2(incoming, _) => incoming.size_hint(),
        }
    }
}
