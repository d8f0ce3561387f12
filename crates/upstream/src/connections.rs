//! The connections to one origin, and who may use which.
//!
//! HTTP/1: a stack of idle connections, newest first, so that under light load the same few stay warm and the rest age
//! out. Nothing watches them. Whether one can still be used is looked up when it is wanted, and before each reuse,
//! because what the kernel has reported about a socket is known without asking it again. HTTP/2: connections are shared up to a number of streams, counted here, because a peer that reaches its own
//! maximum makes requests wait in silence; past the count another connection is opened. A stream goes to the fullest
//! connection with room, for the reason that HTTP/1 has a stack: after a burst the connections that were opened for it
//! empty, and one without a stream for the idle time is closed.
//!
//! Where HTTP/2 is known to be spoken, calls that find no room wait for connections being opened, as many as will have
//! a place there, instead of opening one each. Should that opening fail, each opens its own and learns its own error,
//! and should the opening call be dropped, the next takes over. Where only HTTP/1 is known nobody waits for another.

use crate::body::RequestBody;
use crate::connect::{Http2, Http2Sender};
use crate::http1::Transport;
use crate::pool::PoolSettings;
use hyper::client::conn::http2;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::watch;

#[derive(Debug)]
struct Idle {
    connection: Transport,
    since: Instant,
}

impl Idle {
    fn serves(&mut self, now: Instant, settings: &PoolSettings) -> bool {
        now.duration_since(self.since) < settings.idle_timeout && self.connection.is_quiet()
    }
}

#[derive(Debug)]
struct Load {
    streams: usize,
    /// When a stream last began or ended.
    since: Instant,
}

#[derive(Debug)]
struct Shared {
    http2: Http2Sender,
    load: Arc<Mutex<Load>>,
}

#[derive(Debug)]
struct Opening {
    /// Turns true when it failed; closed when it is over.
    failed: watch::Receiver<bool>,
    /// Calls that will use the connection.
    calls: usize,
}

/// All connections to one origin.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    openings: Vec<Opening>,
    speaks_http2: bool,
}

/// A connection to send one request on.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(Transport),
    Http2(http2::SendRequest<RequestBody>, StreamCount),
}

/// What a call does that found no connection.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Opens one for itself.
    Alone,
    /// Opens one that others wait for; turned true, it tells them that it failed.
    Open(watch::Sender<bool>),
    /// Waits for the one that is being opened.
    Wait(watch::Receiver<bool>),
}

/// One stream on a shared connection, counted until dropped.
#[derive(Debug)]
pub(crate) struct StreamCount(Arc<Mutex<Load>>);

impl StreamCount {
    fn take(load: &Arc<Mutex<Load>>, now: Instant) -> Self {
        let mut taken = load.lock();
        taken.streams += 1;
        taken.since = now;
        Self(Arc::clone(load))
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        let mut load = self.0.lock();
        load.streams -= 1;
        load.since = Instant::now();
    }
}

impl Shared {
    fn serves(&self, now: Instant, settings: &PoolSettings) -> bool {
        let load = self.load.lock();
        let idle = load.streams == 0 && now.duration_since(load.since) >= settings.idle_timeout;
        !idle && !self.http2.sender.is_closed()
    }

    /// Streams on it, if there is room for another.
    fn room(&self, settings: &PoolSettings) -> Option<usize> {
        let most = settings.max_streams.min(self.http2.allowed.load(Ordering::Relaxed));
        Some(self.load.lock().streams).filter(|streams| *streams < most)
    }
}

impl Connections {
    /// A connection to use, or what to do for want of one.
    pub(crate) fn take(&mut self, http2: Http2, now: Instant, settings: &PoolSettings) -> Result<Connection, Turn> {
        while http2 != Http2::Always
            && let Some(mut idle) = self.idle.pop()
        {
            if idle.serves(now, settings) {
                return Ok(Connection::Http1(idle.connection));
            }
        }
        if http2 == Http2::Never {
            return Err(Turn::Alone);
        }
        self.shared.retain(|shared| shared.serves(now, settings));
        let roomy = self.shared.iter().filter_map(|shared| Some((shared.room(settings)?, shared)));
        if let Some((_, shared)) = roomy.max_by_key(|(streams, _)| *streams) {
            return Ok(Connection::Http2(shared.http2.sender.clone(), StreamCount::take(&shared.load, now)));
        }
        Err(if http2 == Http2::Always || self.speaks_http2 { self.turn(settings) } else { Turn::Alone })
    }

    fn turn(&mut self, settings: &PoolSettings) -> Turn {
        self.openings.retain(|opening| opening.failed.has_changed().is_ok());
        if let Some(opening) = self.openings.iter_mut().find(|opening| opening.calls < settings.max_streams) {
            opening.calls += 1;
            return Turn::Wait(opening.failed.clone());
        }
        let (sender, failed) = watch::channel(false);
        self.openings.push(Opening { failed, calls: 1 });
        Turn::Open(sender)
    }

    /// Takes in a fresh HTTP/2 connection and counts its first stream.
    pub(crate) fn share(&mut self, http2: Http2Sender, now: Instant) -> Connection {
        self.speaks_http2 = true;
        let load = Arc::new(Mutex::new(Load { streams: 0, since: now }));
        let first = Connection::Http2(http2.sender.clone(), StreamCount::take(&load, now));
        self.shared.push(Shared { http2, load });
        first
    }

    /// Notes that a connection which might have spoken HTTP/2 does not, so that nobody waits for one any more.
    pub(crate) fn speaks_http1(&mut self) {
        self.speaks_http2 = false;
    }

    /// Takes back an HTTP/1 connection whose answer has been read.
    pub(crate) fn give_back(&mut self, connection: Transport, settings: &PoolSettings) {
        if self.idle.len() < settings.max_idle {
            self.idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes what has been idle too long. Returns whether anything is left to remember.
    pub(crate) fn sweep(&mut self, now: Instant, settings: &PoolSettings) -> bool {
        self.idle.retain_mut(|idle| idle.serves(now, settings));
        self.shared.retain(|shared| shared.serves(now, settings));
        self.openings.retain(|opening| opening.failed.has_changed().is_ok());
        self.speaks_http2 || !(self.idle.is_empty() && self.shared.is_empty() && self.openings.is_empty())
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
