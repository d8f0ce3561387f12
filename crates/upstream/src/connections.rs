//! The connections to one origin, and who may use which.
//!
//! HTTP/1: a stack of idle connections, newest first, so that under light load the same few stay warm and the rest age
//! out. Nothing watches them: whether one can still be used is looked up when it is wanted, because what the kernel has
//! reported about a socket is known without asking it again.
//!
//! HTTP/2: connections are shared up to a number of streams, counted here, because a peer that reaches its own maximum
//! makes requests wait in silence; past the count another connection is opened. A stream goes to the fullest connection
//! with room, for the reason that HTTP/1 has a stack: after a burst the connections that were opened for it empty, and
//! one without a stream for the idle time is closed.
//!
//! A connection of either kind that has grown old takes no more requests, so that a name is looked up again now and then
//! however busy its connections are.
//!
//! A destination that has never been spoken to may speak HTTP/2, and then one connection will do for many. So the first
//! call opens one and the others wait until it is known. Where HTTP/2 is spoken, calls that find no room wait for
//! connections being opened, as many as will have a place there. Should that opening fail, each opens its own and learns
//! its own error, and should the opening call be dropped, the next takes over. Where only HTTP/1 is spoken nobody waits
//! for another.

use crate::body::RequestBody;
use crate::connect::{Http2, Http2Sender};
use crate::destination::{Destination, Settings, Spoken};
use crate::http1::Transport;
use crate::places::{Next, Places};
use crate::pool::Site;
use hyper::client::conn::http2;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::watch;

#[derive(Debug)]
struct Idle {
    connection: Transport,
    /// When it has been idle too long, or is too old.
    until: Instant,
}

impl Idle {
    fn serves(&mut self, now: Instant) -> bool {
        now < self.until && self.connection.is_quiet()
    }
}

/// What limits the number of connections, and whose these are.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    pub(crate) places: Arc<Places>,
    pub(crate) site: Weak<Site>,
}

/// What is on a shared connection.
#[derive(Debug)]
pub(crate) struct Load {
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
pub(crate) struct StreamCount {
    load: Arc<Mutex<Load>>,
    limited: Option<Limited>,
}

impl StreamCount {
    fn take(load: &Arc<Mutex<Load>>, now: Instant, limited: Option<&Limited>) -> Self {
        let mut taken = load.lock();
        taken.streams += 1;
        taken.since = now;
        Self { load: Arc::clone(load), limited: limited.cloned() }
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        let is_idle = {
            let mut load = self.load.lock();
            load.streams -= 1;
            load.since = Instant::now();
            load.streams == 0
        };
        if let Some(Limited { places, site }) = &self.limited
            && let Next::Goes = places.tell(site, is_idle)
            && let Some(site) = site.upgrade()
        {
            site.retire(&self.load);
        }
    }
}

impl Shared {
    /// Whether it may take streams, or have some still.
    fn serves(&self, now: Instant, settings: &Settings) -> bool {
        let load = self.load.lock();
        let idle = load.streams == 0 && now.duration_since(load.since) >= settings.idle_timeout;
        !idle && now < self.http2.expires && !self.http2.sender.is_closed()
    }

    /// Streams on it, if there is room for another.
    fn room(&self, settings: &Settings) -> Option<usize> {
        let most = settings.max_streams.min(self.http2.allowed.load(Ordering::Relaxed));
        Some(self.load.lock().streams).filter(|streams| *streams < most)
    }
}

impl Connections {
    /// A connection to use.
    pub(crate) fn find(
        &mut self,
        destination: &Destination,
        now: Instant,
        limited: Option<&Limited>,
    ) -> Option<Connection> {
        let settings = destination.settings();
        while let Some(mut idle) = self.idle.pop() {
            if idle.serves(now) {
                return Some(Connection::Http1(idle.connection));
            }
        }
        if settings.http2 == Http2::Never {
            return None;
        }
        self.shared.retain(|shared| shared.serves(now, settings));
        let roomy = self.shared.iter().filter_map(|shared| Some((shared.room(settings)?, shared)));
        let (_, shared) = roomy.max_by_key(|(streams, _)| *streams)?;
        let count = StreamCount::take(&shared.load, now, limited);
        Some(Connection::Http2(shared.http2.sender.clone(), count))
    }

    /// What to do for want of one.
    pub(crate) fn turn(&mut self, destination: &Destination) -> Turn {
        let settings = destination.settings();
        let most = match (settings.http2, destination.spoken()) {
            (Http2::Never, _) | (Http2::Auto, Spoken::Http1) => return Turn::Alone,
            (Http2::Auto, Spoken::Unknown) => usize::MAX,
            (Http2::Always, _) | (_, Spoken::Http2) => settings.max_streams,
        };
        self.openings.retain(|opening| opening.failed.has_changed().is_ok());
        if let Some(opening) = self.openings.iter_mut().find(|opening| opening.calls < most) {
            opening.calls += 1;
            return Turn::Wait(opening.failed.clone());
        }
        let (sender, failed) = watch::channel(false);
        self.openings.push(Opening { failed, calls: 1 });
        Turn::Open(sender)
    }

    /// Takes in a fresh HTTP/2 connection and counts its first stream.
    pub(crate) fn share(&mut self, http2: Http2Sender, now: Instant, limited: Option<&Limited>) -> Connection {
        let load = Arc::new(Mutex::new(Load { streams: 0, since: now }));
        let first = Connection::Http2(http2.sender.clone(), StreamCount::take(&load, now, limited));
        self.shared.push(Shared { http2, load });
        first
    }

    /// Takes back an HTTP/1 connection whose answer has been read.
    pub(crate) fn give_back(&mut self, connection: Transport, settings: &Settings) {
        let idle_until = Instant::now() + settings.idle_timeout;
        if self.idle.len() < settings.max_idle {
            let until = idle_until.min(connection.expires());
            self.idle.push(Idle { connection, until });
        }
    }

    /// Lets no more streams go to a connection.
    pub(crate) fn retire(&mut self, load: &Arc<Mutex<Load>>) {
        self.shared.retain(|shared| !Arc::ptr_eq(&shared.load, load));
    }

    /// Closes a connection that nothing is on, the one used longest ago. Returns whether there was one.
    pub(crate) fn close_idle(&mut self) -> bool {
        if !self.idle.is_empty() {
            self.idle.remove(0);
            return true;
        }
        let position = self.shared.iter().position(|shared| shared.load.lock().streams == 0);
        position.map(|position| self.shared.swap_remove(position)).is_some()
    }

    /// Closes what has been idle too long or is too old. Returns whether anything is left.
    pub(crate) fn sweep(&mut self, now: Instant, settings: &Settings) -> bool {
        self.idle.retain_mut(|idle| idle.serves(now));
        self.shared.retain(|shared| shared.serves(now, settings));
        self.openings.retain(|opening| opening.failed.has_changed().is_ok());
        !(self.idle.is_empty() && self.shared.is_empty() && self.openings.is_empty())
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
