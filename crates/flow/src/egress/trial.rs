//! How long a trial call is waited for.
//!
//! A target that was isolated is tried with a call of a client's, and only calls can find out whether it is back. The
//! client should not wait for one that stays silent as long as a healthy one may take, so somebody else is asked beside
//! it after a while, and if that one answers first, the silence counts as a failure. That while must not be compared
//! with how fast others are: a target that takes a minute, as large models do, would never come back beside one that
//! takes a second. It is what the target itself used to take before it fell ill; or, where nobody knows, a short time
//! that doubles with each trial that failed.
//!
//! **Promise.** A target that answers within `most` is let back, whoever answers beside it and however fast. No client
//! waits longer than `most` before somebody else is asked.

use std::time::Duration;

/// How long the first trial is waited for at least.
const SHORTEST: Duration = Duration::from_secs(2);

/// How long a trial call is waited for alone, after so many trials that failed. `usual` is how long nearly all answers of
/// the target took when there were some, `most` what the client's patience and the target's own time limit allow.
#[must_use]
pub fn trial_patience(usual: Option<Duration>, failed: u32, most: Duration) -> Duration {
    let doubled = SHORTEST.saturating_mul(1_u32.checked_shl(failed).unwrap_or(u32::MAX));
    doubled.max(usual.unwrap_or_default()).min(most)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
