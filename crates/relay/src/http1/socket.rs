//! A client's socket, and the buffers that its thread reads into and writes from.
//!
//! A connection is read from and written to in short moments between long waits. So the buffers are the thread's: what
//! was read and not used up at once is kept by the connection, and so is what the kernel would not take; both are rare
//! and both are bounded by who asks for them.

use bytes::{Buf, Bytes, BytesMut};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once at most.
const READ: usize = 16 << 10;
/// Bytes kept that a client sent before it was answered. A client that sends more is heard no further until then.
const AHEAD: usize = 64 << 10;

thread_local! {
    static READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static WRITING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Socket<T> {
    stream: T,
    /// What has been read and not used.
    pub(super) held: BytesMut,
    unsent: Unsent,
}

/// What is on its way and has not been taken by the kernel, in this order.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// Heads, small pieces, and what stands around pieces.
    flat: Bytes,
    /// A large piece, which is not copied.
    pub(super) large: Bytes,
    /// What stands behind the large piece.
    pub(super) end: &'static [u8],
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream, held: BytesMut::new(), unsent: Unsent::default() }
    }

    /// Reads once; what came is added to what is held. 0 at the connection's end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = READING.take();
        buffer.resize(READ, 0);
        let mut into = ReadBuf::new(&mut buffer);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut into).map_ok(|()| {
            self.held.extend_from_slice(into.filled());
            into.filled().len()
        });
        READING.set(buffer);
        read
    }

    /// Ready once the client is gone. What it sends meanwhile is kept, within bounds.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.held.len() < AHEAD {
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Sends what `fill` puts into a buffer and says to send behind it. What the kernel does not take is kept and goes
    /// first the next time, so [`Self::poll_sent`] must be ready before this.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Context<'_>, &mut Vec<u8>, &mut Unsent),
    ) -> io::Result<()> {
        let mut flat = WRITING.take();
        flat.clear();
        fill(cx, &mut flat, &mut self.unsent);
        let sent = if flat.is_empty() && self.unsent.is_empty() { Ok(()) } else { self.write(cx, &flat) };
        WRITING.set(flat);
        sent
    }

    fn write(&mut self, cx: &mut Context<'_>, flat: &[u8]) -> io::Result<()> {
        let Unsent { large, end, .. } = &self.unsent;
        let slices = [flat, large, end].map(IoSlice::new);
        let used = if large.is_empty() { slices.get(..1).unwrap_or_default() } else { &slices };
        let taken = match Pin::new(&mut self.stream).poll_write_vectored(cx, used) {
            Poll::Ready(Ok(0)) if !flat.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        match flat.get(taken..) {
            Some(rest) if !rest.is_empty() => self.unsent.flat = Bytes::copy_from_slice(rest),
            _ => self.unsent.advance(taken - flat.len()),
        }
        Ok(())
    }

    /// Ready once all that was sent has been taken.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let Unsent { flat, large, end } = &self.unsent;
            let slices = [&flat[..], large, end].map(IoSlice::new);
            let taken = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(taken);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says that nothing more will come.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Unsent {
    fn is_empty(&self) -> bool {
        self.flat.is_empty() && self.large.is_empty() && self.end.is_empty()
    }

    fn advance(&mut self, mut taken: usize) {
        for part in [&mut self.flat, &mut self.large] {
            let here = taken.min(part.len());
            part.advance(here);
            taken -= here;
        }
        self.end = self.end.get(taken..).unwrap_or_default();
        if self.large.is_empty() {
            // It may keep a large body alive.
            self.large = Bytes::new();
        }
    }
}
