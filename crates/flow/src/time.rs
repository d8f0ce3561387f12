//! The time, as this crate is told it.
//!
//! Nothing here reads a clock. Every decision takes the time as an argument, so that a property test, a simulation on
//! a virtual clock and the running relay drive the same code. Times from several threads may arrive slightly out of
//! order; every limit treats a time older than the newest it has seen as that newest one, so a clock that steps back
//! never admits more.

use std::time::Duration;

/// Nanoseconds on a clock that never goes back, counted from a start of the caller's choosing (the start of the
/// process). Good for 36 years of uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// This time and a while; the end of time if that is too far.
    #[must_use]
    pub fn after(self, while_: Duration) -> Self {
        Self(self.0.saturating_add(nanos(while_)))
    }

    /// How long from here to `later`; zero if that has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

/// A duration in nanoseconds; what does not fit (584 years) becomes the most that does.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
