//! The request on its way out.
//!
//! The head is written in one pass and goes out together with the body's slices in one system call; large bodies are
//! never copied. The length is always known, so there is no other framing than `content-length`. `expect` is never
//! sent: a provider that wants to refuse a body early says so while it is being sent, and is heard.

use super::transport::Transport;
use crate::body::RequestBody;
use crate::proxy::Forward;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderName, Method};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

/// Slices given to the kernel in one call.
const SLICES: usize = 16;

/// Header fields that belong to the connection or to the framing, and so are not taken from the request.
const OURS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE];

/// A request, as far as it is still to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    head: Vec<u8>,
    head_written: usize,
    body: RequestBody,
}

/// How much has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Something of it.
    Part,
    /// All of it, and what TLS has made of it.
    All,
}

impl Outgoing {
    pub(super) fn new(parts: &Parts, body: RequestBody, forward: Option<&Forward>) -> Self {
        Self { head: head(parts, body.len(), forward), head_written: 0, body }
    }

    /// The body, as far as it is still to be written.
    pub(super) fn into_body(self) -> RequestBody {
        self.body
    }

    /// Writes something.
    pub(super) fn poll_some(&mut self, transport: &mut Transport, cx: &mut Context<'_>) -> Poll<io::Result<Written>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let head = self.head.get(self.head_written..).unwrap_or_default();
        if let Some(first) = slices.first_mut().filter(|_| !head.is_empty()) {
            *first = IoSlice::new(head);
            count = 1;
        }
        count += self.body.chunks_vectored(slices.get_mut(count..).unwrap_or_default());
        let head_left = head.len();
        let written = ready!(transport.poll_write(cx, slices.get(..count).unwrap_or_default()))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.head_written += written.min(head_left);
        self.body.advance(written.saturating_sub(head_left));
        let all = self.is_written() && transport.poll_flush(cx)?.is_ready();
        Poll::Ready(Ok(if all { Written::All } else { Written::Part }))
    }

    /// Writes all of it.
    pub(super) fn poll_all(&mut self, transport: &mut Transport, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_written() {
            ready!(self.poll_some(transport, cx))?;
        }
        transport.poll_flush(cx)
    }

    const fn is_written(&self) -> bool {
        self.head_written == self.head.len() && self.body.is_empty()
    }
}

/// The bytes of a request's head. `forward` is what it has besides for a proxy that passes it on.
fn head(parts: &Parts, length: u64, forward: Option<&Forward>) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut head = Vec::with_capacity(parts.method.as_str().len() + target.len() + fields + 64);
    head.extend_from_slice(parts.method.as_str().as_bytes());
    head.push(b' ');
    if let Some(forward) = forward {
        head.extend_from_slice(forward.prefix.as_bytes());
    }
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in parts.headers.iter().filter(|(name, _)| !OURS.contains(name)) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if let Some(authorization) = forward.and_then(|forward| forward.authorization.as_ref()) {
        head.extend_from_slice(b"proxy-authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    // A method that is made to carry something says that it carries nothing; for others the absence says it.
    if length > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
        head.extend_from_slice(b"content-length: ");
        head.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
