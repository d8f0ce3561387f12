//! Bodies on the way to and from a provider.
//!
//! A request body is a few slices whose total length is known, so it goes out with a content length and no copy. A
//! response body carries the connection it arrives on: when its last byte has been read the connection goes back to
//! the pool, and when it is dropped sooner the connection is closed, which is how a provider learns that nobody
//! listens any more.

use crate::pool::Lease;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

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

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
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

/// A response body, with the connection it comes from.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self { incoming, lease: Some(lease) };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            match frame {
                Some(Err(_)) => self.lease = None,
                Some(Ok(_)) if !self.incoming.is_end_stream() => {}
                Some(Ok(_)) | None => self.give_back(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
