//! How long this machine keeps a ready thread waiting.
//!
//! A call is let go at one moment and seen at another, and in between three programs must get a processor. On a busy
//! machine that takes tens of milliseconds, which is much of a window of a second. So times are held to the laws with
//! a grain, and the grain is measured while they are: twice the longest time by which a thread that slept for two
//! milliseconds woke too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(2);
/// Timers and sockets have a grain of their own.
const FINEST: Duration = Duration::from_millis(20);

/// A thread that watches until this is dropped.
#[derive(Debug)]
pub(crate) struct Pauses(Arc<AtomicU64>);

impl Pauses {
    pub(crate) fn watch() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&longest);
        std::thread::spawn(move || {
            loop {
                let begin = Instant::now();
                std::thread::sleep(NAP);
                let late = begin.elapsed().saturating_sub(NAP);
                let Some(longest) = watched.upgrade() else { return };
                longest.fetch_max(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self(longest)
    }

    /// By how much a time may be off.
    pub(crate) fn grain(&self) -> Duration {
        (2 * Duration::from_nanos(self.0.load(Ordering::Relaxed))).max(FINEST)
    }
}
