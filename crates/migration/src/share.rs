//! A share of traffic.
//!
//! Kept as whole millionths: "5 %" has to be the same number after a restart and on another machine, and comparing a
//! caller's place with it must not depend on how a division was rounded.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of traffic, from nothing to all of it, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Share(u32);

const WHOLE: u32 = 1_000_000;

/// A number that is no share of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share lies between 0 and 100 %")]
pub struct ShareError;

impl Share {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// Half of it.
    pub const HALF: Self = Self(WHOLE / 2);
    /// All of it.
    pub const ALL: Self = Self(WHOLE);

    /// So many percent, to four decimals.
    ///
    /// # Errors
    /// When it is not between 0 and 100.
    pub fn percent(percent: f64) -> Result<Self, ShareError> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(ShareError);
        }
        Ok(Self((percent * f64::from(WHOLE) / 100.0).round() as u32))
    }

    /// In millionths, 0 to 1,000,000.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// As a fraction, 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Twice as much, at most everything.
    #[must_use]
    pub fn doubled(self) -> Self {
        Self(self.0.saturating_mul(2).min(WHOLE))
    }
}

impl TryFrom<u32> for Share {
    type Error = ShareError;
    fn try_from(millionths: u32) -> Result<Self, ShareError> {
        if millionths <= WHOLE { Ok(Self(millionths)) } else { Err(ShareError) }
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// `5 %`, `0.25 %`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}
