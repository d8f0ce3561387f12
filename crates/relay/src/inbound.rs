//! A request's body, whichever way it comes.

use crate::http1::Feed;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A body that is read once, piece by piece.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// It came together with its head, as nearly all do.
    Here(Bytes),
    /// It is still coming over HTTP/1.
    Coming(Arc<Feed>),
    /// It comes over HTTP/2.
    Http2(Incoming),
}

/// Why a body does not end as it should. The blame is the client's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// The client is gone.
    #[error("the connection closed before its end")]
    Gone,
    /// What came is not what was announced.
    #[error("its framing is not valid HTTP")]
    Malformed,
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let piece = match &mut *self {
            Self::Here(bytes) if bytes.is_empty() => None,
            Self::Here(bytes) => Some(Ok(std::mem::take(bytes))),
            Self::Coming(feed) => ready!(feed.poll_piece(cx)),
            Self::Http2(body) => {
                return Pin::new(body).poll_frame(cx).map_err(|error| match error {
                    error if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
                        BrokenOff::Gone
                    }
                    _ => BrokenOff::Malformed,
                });
            }
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Here(bytes) => bytes.is_empty(),
            Self::Coming(feed) => feed.is_over(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Here(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Coming(feed) => feed.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
