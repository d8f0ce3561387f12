//! One request and its answer on one connection, polled by the task of the call.
//!
//! The request is written and the answer awaited at the same time, since a provider may refuse a large body before it
//! has read it. What is left of the request then is still written while the answer is read, for a provider may also
//! want all of it in the end; but the connection is used again only if everything was.
//!
//! A write that fails says little: the answer that explains it may already be here, so it is read first. A request is
//! handed back as unsent only when its first write failed and the kernel had taken nothing.

use super::decode::Decoder;
use super::encode::{Outgoing, Written};
use super::head::{Head, HeadError, HeadReader};
use super::transport::{Transport, take};
use crate::body::{BodyError, RequestBody};
use crate::proxy::Forward;
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("the request could not be written: {0}")]
    Write(#[source] io::Error),
    #[error("the answer could not be read: {0}")]
    Read(#[source] io::Error),
    #[error("the connection was closed before an answer came")]
    Closed,
    #[error("the connection was closed within the answer's head")]
    Cut,
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// A failure, with the request if it is certain that nothing of it was written.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) error: ExchangeError,
    pub(crate) request: Option<Box<Request<RequestBody>>>,
}

impl From<ExchangeError> for Unsent {
    fn from(error: ExchangeError) -> Self {
        Self { error, request: None }
    }
}

/// A connection with a request that may not have been written to its end.
#[derive(Debug)]
struct Wire {
    transport: Transport,
    outgoing: Option<Box<Outgoing>>,
    failed: Option<io::Error>,
}

impl Wire {
    /// Writes what can be written. A failure is kept for later.
    fn write(&mut self, cx: &mut Context<'_>) {
        let Some(outgoing) = &mut self.outgoing else { return };
        if let Poll::Ready(written) = outgoing.poll_all(&mut self.transport, cx) {
            self.outgoing = None;
            self.failed = written.err();
        }
    }

    const fn is_all_written(&self) -> bool {
        self.outgoing.is_none() && self.failed.is_none()
    }
}

/// Sends a request, by way of a proxy where `forward` says so, and waits for the answer's head.
pub(crate) async fn exchange(
    mut transport: Transport,
    forward: Option<&Forward>,
    request: Box<Request<RequestBody>>,
) -> Result<(Head, Incoming), Unsent> {
    let (parts, body) = request.into_parts();
    let to_head = parts.method == Method::HEAD;
    let mut outgoing = Outgoing::new(&parts, body, forward);
    let (outgoing, failed) = match poll_fn(|cx| outgoing.poll_some(&mut transport, cx)).await {
        Ok(Written::All) => (None, None),
        Ok(Written::Part) => (Some(Box::new(outgoing)), None),
        Err(error) if transport.writes_all_or_nothing() => {
            let request = Some(Box::new(Request::from_parts(parts, outgoing.into_body())));
            return Err(Unsent { error: ExchangeError::Write(error), request });
        }
        Err(error) => (None, Some(error)),
    };
    // From here on the request cannot be had back, and an answer may be long in coming.
    drop(parts);
    let mut wire = Wire { transport, outgoing, failed };
    let mut heads = HeadReader::new(to_head);
    let mut part = BytesMut::new();
    let answered = poll_fn(|cx| poll_head(&mut wire, &mut heads, &mut part, cx)).await;
    match (answered, wire.failed.take()) {
        (Ok(begun), failed) => {
            wire.failed = failed;
            let Begun { head, decoder, ready, leftover } = begun;
            let reusable = head.reusable && !leftover;
            Ok((head, Incoming { wire, decoder, ready, reusable }))
        }
        (Err(ExchangeError::Read(_) | ExchangeError::Closed), Some(error)) => Err(ExchangeError::Write(error).into()),
        (Err(error), _) => Err(error.into()),
    }
}

/// An answer whose head is here.
struct Begun {
    head: Head,
    decoder: Decoder,
    /// What came of the body with the head.
    ready: Bytes,
    /// Whether more came than the answer.
    leftover: bool,
}

fn poll_head(
    wire: &mut Wire,
    heads: &mut HeadReader,
    part: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<Begun, ExchangeError>> {
    loop {
        wire.write(cx);
        let begun = ready!(wire.transport.poll_read(cx, |read, buffer| {
            if read.map_err(ExchangeError::Read)? == 0 {
                return Err(if part.is_empty() { ExchangeError::Closed } else { ExchangeError::Cut });
            }
            if !part.is_empty() {
                part.extend_from_slice(buffer);
                return begin(heads, part);
            }
            let begun = begin(heads, buffer)?;
            if begun.is_none() {
                part.extend_from_slice(buffer);
            }
            Ok(begun)
        }))?;
        if let Some(begun) = begun {
            return Poll::Ready(Ok(begun));
        }
    }
}

/// Takes the head out of a buffer, and what there is of the body with it.
fn begin(heads: &mut HeadReader, buffer: &mut BytesMut) -> Result<Option<Begun>, ExchangeError> {
    let Some(head) = heads.read(buffer)? else { return Ok(None) };
    let mut decoder = Decoder::new(head.framing);
    let decoded = decoder.decode(buffer);
    let leftover = decoded.used < buffer.len();
    Ok(Some(Begun { head, decoder, ready: take(buffer, decoded.data), leftover }))
}

/// The body of an answer, on the connection it comes from. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    wire: Wire,
    decoder: Decoder,
    ready: Bytes,
    reusable: bool,
}

impl Incoming {
    /// Whether all of the body has been read from the connection.
    pub(crate) const fn is_read(&self) -> bool {
        self.decoder.is_done()
    }

    /// Once all has been read: what has not been handed out yet, and the connection if it can be used again.
    pub(crate) fn finish(self) -> (Bytes, Option<Transport>) {
        let Self { wire, decoder, ready, reusable } = self;
        let reusable = reusable && decoder.is_done() && wire.is_all_written();
        (ready, reusable.then_some(wire.transport))
    }

    /// Bytes still to be handed out, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.decoder.left().map(|left| left + self.ready.len() as u64)
    }

    /// The next piece of the body.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.ready))));
        }
        let Self { wire, decoder, reusable, .. } = self;
        while !decoder.is_done() {
            decoder.check()?;
            wire.write(cx);
            // A failed write may have taken with it what would tell a reset from an end.
            let failed = wire.failed.is_some();
            let piece = ready!(wire.transport.poll_read(cx, |read, buffer| match read {
                Err(error) => Err(BodyError::Connection(error)),
                Ok(0) if failed => Err(BodyError::Truncated),
                Ok(0) => decoder.end().map(|()| Bytes::new()),
                Ok(_) => {
                    let decoded = decoder.decode(buffer);
                    *reusable &= decoded.used == buffer.len();
                    Ok(take(buffer, decoded.data))
                }
            }))?;
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
