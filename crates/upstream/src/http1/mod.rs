//! HTTP/1 towards providers: what is written, what is read, and the connection in between.
//!
//! A general client runs each connection in a task of its own and passes messages to it, because it may be asked to do
//! anything. A relay asks for one thing: send this request, whose length is known, and read the answer where the call
//! is anyway. So there is no task, no channel and no buffer of a connection's own here: the call's own task polls the
//! socket, and reads into a buffer that its thread keeps for whatever connection has something to say. A stream that
//! waits for its provider's next word holds a socket and a few counters, and a buffered answer costs one read and one
//! write.
//!
//! [`HeadReader`] and [`Decoder`] are pure: bytes in any cut go in, the head and the body come out. The connection
//! drives them.
//!
//! What is promised:
//!
//! - Truncation is never success. A body ends well only where its framing says so; until the connection's end only
//!   where there is no other framing, and not after a failed write, which may have taken the sign of a reset away.
//! - A connection is used again only when request and answer are both over, to the byte, and neither side asked to
//!   close it.
//! - What describes the connection and the framing is written here and taken from nobody.
//! - Everything is bounded: an answer's heads, its header fields, chunk extensions, trailers.

mod connection;
mod decode;
mod encode;
mod head;
mod transport;

pub(crate) use connection::{Incoming, Unsent, exchange};
pub(crate) use transport::Transport;

pub use decode::{Decoded, Decoder, Framing};
pub use head::{Head, HeadError, HeadReader};
