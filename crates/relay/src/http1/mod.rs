//! HTTP/1 towards clients: what is read, what is written, and the connection in between.
//!
//! A general server is made to serve anything, and pays for it with every request: a channel for each body, a map for
//! each head, a timer for each wait, a dispatcher that asks both sides over and over what they would like to do. A
//! relay's connection does one thing at a time: it reads a head, nearly always together with its body, waits for the
//! answer while watching whether the client is still there, and writes the answer, nearly always in one piece. So there
//! is one loop here that does just that, on buffers that belong to the thread, and a connection that waits holds none.
//!
//! It is also the place where the bytes themselves are seen, so requests that two readers could read in two ways are
//! refused here (see [`head`]), and every refusal, a malformed head's included, is told in JSON and has a receipt.
//!
//! What is promised:
//!
//! - What follows a request is never read as a part of it, nor the other way round; where that is not certain the
//!   connection ends.
//! - A client that goes away is noticed while its answer is awaited or streaming, and its call is dropped at once.
//! - The answer's body is asked for more only when what it gave is written, so a slow reader slows its provider down.
//! - An answer that broke off is never ended as if it were whole.
//! - Everything is bounded: heads in size and time, what is read ahead, idle time, how long a refused body is heard.

mod body;
mod connection;
mod encode;
mod head;
mod socket;

pub(crate) use body::Feed;
pub(crate) use connection::serve;
pub(crate) use encode::{Lines, Name, name};

pub use head::{Framing, Head, HeadError, HeadReader};
