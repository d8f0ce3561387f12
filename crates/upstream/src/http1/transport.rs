//! The socket under a connection, and the buffer that its thread reads into.
//!
//! Reading goes into one buffer of the thread, whichever connection has something to say. So an open stream holds no
//! buffer while it waits. Small pieces are copied out to their exact size, so that an event of forty bytes does not
//! keep sixteen kilobytes alive; large ones are handed out as they lie, and the buffer is replaced or taken back when
//! it is used up.
//!
//! A read that does not fill the buffer has emptied the socket, and tokio remembers that: asking again costs no system
//! call until the kernel reports more. For the same reason nothing need watch an idle connection: whether its peer has
//! closed it is already known when it is wanted.

use crate::places::Place;
use crate::socket::Socket;
use bytes::{Buf, Bytes, BytesMut};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Size of a thread's buffer, in bytes.
const BUFFER: usize = 16 << 10;
/// Room in it below which it is made new, in bytes.
const ROOM: usize = 8 << 10;
/// Length from which a piece is handed out without a copy, in bytes.
const LARGE: usize = 4 << 10;

thread_local! {
    static READ: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(BUFFER));
}

/// A connection that one request at a time goes out on.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    /// When it takes no more requests.
    expires: Instant,
    /// Free once the socket is closed, so it stands after it.
    _place: Option<Place>,
}

impl Transport {
    pub(crate) const fn new(socket: Socket, expires: Instant, place: Option<Place>) -> Self {
        Self { socket, expires, _place: place }
    }

    pub(crate) const fn expires(&self) -> Instant {
        self.expires
    }

    /// Reads once, and gives the number of bytes, 0 at the connection's end, and the buffer they are in to `use_them`.
    pub(super) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        use_them: impl FnOnce(io::Result<usize>, &mut BytesMut) -> T,
    ) -> Poll<T> {
        READ.with_borrow_mut(|buffer| {
            buffer.clear();
            if buffer.capacity() < ROOM {
                buffer.reserve(BUFFER);
            }
            pin!(self.socket.read_buf(buffer)).poll(cx).map(|read| use_them(read, buffer))
        })
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Whether a failed write is known to have sent nothing. Below TLS a record may have gone out in part.
    pub(super) const fn writes_all_or_nothing(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_))
    }

    /// Whether the peer of a connection that nothing is expected from is silent and there. Anything else, the end, a
    /// failure, or bytes that nobody asked for, makes it useless.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match &mut self.socket {
            // Costs a system call only if the kernel has reported something.
            Socket::Tcp(tcp) => {
                matches!(tcp.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            // A session ticket may come at any time and is no answer, so TLS has to look.
            Socket::Tls(tls) => {
                let look = pin!(tokio::task::unconstrained(tls.read(&mut byte)));
                look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
            }
        }
    }
}

/// Takes a part of a buffer out of it, and leaves nothing.
pub(super) fn take(buffer: &mut BytesMut, part: Range<usize>) -> Bytes {
    if part.len() < LARGE {
        let piece = buffer.get(part).map(Bytes::copy_from_slice).unwrap_or_default();
        buffer.clear();
        return piece;
    }
    let mut piece = buffer.split();
    piece.truncate(part.end);
    piece.advance(part.start);
    piece.freeze()
}
