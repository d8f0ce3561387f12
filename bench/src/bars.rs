//! The bars the relay is held to, and whether a measurement clears them.

use std::fmt;

/// CPU per request, times nginx's.
pub(crate) const CPU_RATIO: f64 = 1.4;
/// CPU per request with everything on, times nginx's.
pub(crate) const EVERYTHING_CPU_RATIO: f64 = 1.5;
/// Added p99 in an open loop at 30 % of saturation, in milliseconds.
pub(crate) const ADDED_P99_MS: f64 = 0.3;
/// Instructions of a call with two limits, in per cent of those of one without.
pub(crate) const LIMITS_PERCENT: f64 = 105.0;
/// Instructions of a call that is in the books, in per cent of those of one that has a price only.
pub(crate) const LEDGER_PERCENT: f64 = 110.0;
/// Instructions of an answer from the cache, in per cent of those of a relayed call.
pub(crate) const CACHE_HIT_PERCENT: f64 = 60.0;
/// Idle memory, in MB of 10^6 bytes.
pub(crate) const IDLE_MB: f64 = 25.0;
/// Memory with [`crate::CompareArgs::streams`] streams open, in MB.
pub(crate) const STREAMS_MB: f64 = 200.0;

/// One bar and what was measured.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) at_most: f64,
    pub(crate) unit: &'static str,
}

impl Bar {
    /// Whether it is cleared.
    pub(crate) fn passed(&self) -> bool {
        self.measured <= self.at_most
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed() { "pass" } else { "MISS" };
        write!(f, "{word}  {}: {:.2} {} (at most {} {})", self.what, self.measured, self.unit, self.at_most, self.unit)
    }
}

#[cfg(test)]
#[path = "bars_tests.rs"]
mod tests;
