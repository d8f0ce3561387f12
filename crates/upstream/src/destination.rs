//! Where the calls of a provider go, and how the connections there are made and kept.
//!
//! Connections belong to a destination and are shared by all who name an equal one: by two providers at one address, and
//! by the snapshots before and after a reload. Whatever makes a difference to a connection (the proxy, the certificates
//! that are trusted, the limits) is therefore part of what is compared. It is compared once for every call, so its hash is
//! made once and kept.

use crate::connect::Http2;
use crate::origin::{Origin, Scheme};
use crate::proxy::{Forward, Proxy};
use crate::tls::Trust;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How connections are made and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whether HTTP/2 is spoken.
    pub http2: Http2,
    /// Opening a connection: name, TCP, proxy and TLS together.
    pub connect_timeout: Duration,
    /// From sending a request to the last byte of its answer; `None` for as long as it goes on.
    pub total_timeout: Option<Duration>,
    /// Connections at most, over all workers; `None` for as many as calls need.
    pub max_connections: Option<NonZeroUsize>,
    /// How long a call waits while there are as many connections as there may be.
    pub wait_timeout: Duration,
    /// Idle HTTP/1 connections kept by each worker.
    pub max_idle: usize,
    /// How long a connection may stay idle. Shorter than the 60 s after which common servers close.
    pub idle_timeout: Duration,
    /// How old a connection may be when a request is sent on it. A name that has come to lead elsewhere is followed
    /// within this time, also where connections are never idle.
    pub max_age: Duration,
    /// Streams on one HTTP/2 connection before another is opened, where the peer does not allow fewer.
    pub max_streams: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http2: Http2::Auto,
            connect_timeout: Duration::from_secs(5),
            total_timeout: None,
            max_connections: None,
            wait_timeout: Duration::from_secs(60),
            max_idle: 1024,
            idle_timeout: Duration::from_secs(50),
            max_age: Duration::from_secs(600),
            max_streams: 90,
        }
    }
}

/// Which protocol a destination has been found to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Unknown,
    Http1,
    Http2,
}

/// An origin, and how it is reached.
#[derive(Debug)]
pub struct Destination {
    origin: Origin,
    settings: Settings,
    proxy: Option<Proxy>,
    trust: Option<Trust>,
    /// How requests are put for a proxy that passes them on, which only those in clear text are.
    forward: Option<Box<Forward>>,
    spoken: AtomicU8,
    hash: u64,
}

impl Destination {
    /// A destination.
    #[must_use]
    pub fn new(origin: Origin, mut settings: Settings, proxy: Option<Proxy>, trust: Option<Trust>) -> Self {
        if origin.scheme == Scheme::Http && settings.http2 == Http2::Auto {
            // Nothing is agreed upon in clear text.
            settings.http2 = Http2::Never;
        }
        // Longer than anything lasts, and short enough to be added to a time.
        settings.idle_timeout = settings.idle_timeout.min(YEAR);
        settings.max_age = settings.max_age.min(YEAR);
        let forwards = origin.scheme == Scheme::Http && settings.http2 != Http2::Always;
        let forward = proxy.as_ref().filter(|_| forwards).map(|proxy| Box::new(Forward::new(proxy, &origin)));
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one((&origin, &settings, &proxy, &trust));
        Self { origin, settings, proxy, trust, forward, spoken: AtomicU8::new(0), hash }
    }

    /// Scheme, host and port.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How connections are made and kept.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The proxy on the way.
    #[must_use]
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Certificates trusted beside the machine's own.
    pub(crate) const fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    pub(crate) fn forward(&self) -> Option<&Forward> {
        self.forward.as_deref()
    }

    /// What was agreed on when a connection was last opened.
    pub(crate) fn spoken(&self) -> Spoken {
        match self.spoken.load(Ordering::Relaxed) {
            0 => Spoken::Unknown,
            1 => Spoken::Http1,
            _ => Spoken::Http2,
        }
    }

    pub(crate) fn speaks(&self, spoken: Spoken) {
        let number = match spoken {
            Spoken::Unknown => 0,
            Spoken::Http1 => 1,
            Spoken::Http2 => 2,
        };
        self.spoken.store(number, Ordering::Relaxed);
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && (&self.origin, &self.settings, &self.proxy, &self.trust)
                == (&other.origin, &other.settings, &other.proxy, &other.trust)
    }
}

impl Eq for Destination {}

impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
