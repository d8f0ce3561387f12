//! From a name to addresses, and which of them to try first.
//!
//! A name is looked up whenever a connection is opened, by the system, so that its hosts file and search domains count.
//! An answer is good for a few seconds, and those who ask while it is being looked up wait for the same answer: a burst of
//! connections is one question, and a name that has come to lead elsewhere is noticed at the next connection. A look-up
//! goes on when those who asked have lost patience, so that a slow answer serves those who ask next.
//!
//! An address that failed, or was overtaken by one tried after it, is tried after the others for a minute, so that a dead
//! one does not cost every new connection its head start. It is never left out: it may be all there is.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(5);
/// How long an address that failed is tried last.
const LAST: Duration = Duration::from_secs(60);
/// Names, and failed addresses, kept at most.
const MOST: usize = 1024;

type Answer = Result<Arc<[IpAddr]>, Arc<io::Error>>;
type Lookup = dyn Fn(Arc<str>) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync;

/// The answer for a name somebody asked for, and when it came.
#[derive(Debug, Clone)]
struct Name(watch::Receiver<Option<(Instant, Answer)>>);

impl Name {
    /// Whether those who ask now may have the same answer: it is still to come, or good.
    fn serves(&self, now: Instant) -> bool {
        match &*self.0.borrow() {
            None => self.0.has_changed().is_ok(),
            Some((at, answer)) => answer.is_ok() && now.duration_since(*at) < FRESH,
        }
    }
}

/// Looks names up. Shared by all workers.
pub(crate) struct Resolver {
    lookup: Box<Lookup>,
    names: Mutex<HashMap<Arc<str>, Name>>,
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Resolver {
    /// One that asks the system.
    pub(crate) fn system() -> Self {
        Self::new(|name| async move {
            Ok(tokio::net::lookup_host((&*name, 0)).await?.map(|address| address.ip()).collect())
        })
    }

    /// One that asks `lookup`.
    pub(crate) fn new<F>(lookup: impl Fn(Arc<str>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        let lookup: Box<Lookup> = Box::new(move |name| Box::pin(lookup(name)));
        Self { lookup, names: Mutex::default(), failed: Mutex::default() }
    }

    /// The addresses of a name, in the order in which to try them.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Arc<io::Error>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = self.ask(host).await?;
        let mut addresses = alternating(found.iter().map(|address| SocketAddr::new(*address, port)));
        let failed = self.failed.lock();
        if !failed.is_empty() {
            let now = Instant::now();
            addresses.sort_by_key(|address| failed.get(address).is_some_and(|at| now.duration_since(*at) < LAST));
        }
        Ok(addresses)
    }

    async fn ask(&self, host: &str) -> Answer {
        let mut name = self.name(host);
        match name.0.wait_for(Option::is_some).await.map(|found| found.clone()) {
            Ok(Some((_, answer))) => answer,
            Ok(None) | Err(_) => Err(Arc::new(io::Error::other("the name was not looked up to the end"))),
        }
    }

    fn name(&self, host: &str) -> Name {
        let now = Instant::now();
        let mut names = self.names.lock();
        if let Some(name) = names.get(host).filter(|name| name.serves(now)) {
            return name.clone();
        }
        if names.len() >= MOST {
            names.retain(|_, name| name.serves(now));
        }
        let (tell, answer) = watch::channel(None);
        let lookup = (self.lookup)(host.into());
        tokio::spawn(async move {
            let found = lookup.await.map(Arc::from).map_err(Arc::new);
            tell.send_replace(Some((Instant::now(), found)));
        });
        let name = Name(answer);
        if names.len() < MOST {
            names.insert(host.into(), name.clone());
        }
        name
    }

    /// Notes how addresses did: the one that was connected to, and those that were tried in vain or too slow.
    pub(crate) fn note(&self, good: Option<SocketAddr>, bad: &[SocketAddr]) {
        let mut failed = self.failed.lock();
        if let Some(good) = good {
            failed.remove(&good);
        }
        let now = Instant::now();
        for address in bad {
            if failed.len() >= MOST {
                failed.retain(|_, at| now.duration_since(*at) < LAST);
            }
            if failed.len() < MOST {
                failed.insert(*address, now);
            }
        }
    }

    /// Forgets what a name leads to, since nothing there could be reached.
    pub(crate) fn forget(&self, host: &str) {
        self.names.lock().remove(host);
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.names).field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// IPv6 and IPv4 in turn, beginning with the family of the first, the order within each kept.
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let family = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv6() == family);
    let mut other = other.into_iter();
    let mut order: Vec<_> = preferred.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    order.extend(other);
    order
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
