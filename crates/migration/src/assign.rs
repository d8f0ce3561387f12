//! Who goes where.
//!
//! A caller's side is not drawn and remembered, it is worked out: a stored seed and the caller's name give a place
//! between 0 and 1, and whoever stands below the current share is on the new side. So
//!
//! - the same caller always gets the same side, on every instance and after every restart;
//! - when a step grows, those who have moved stay moved and others join them, and nobody moves back;
//! - any call's side can be worked out again later, from the seed, the name and the share of the moment;
//! - nothing has to be kept for any caller.
//!
//! The function is fixed for good: changing it would move everybody in the middle of a migration.

use crate::share::Share;
use serde::{Deserialize, Serialize};
pub use sluicegate_vocabulary::Arm;
use std::fmt;
use std::str::FromStr;

/// What keeps its side throughout a migration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StickyBy {
    /// Nothing: each call by itself.
    Call,
    /// All calls with one key.
    #[default]
    Key,
    /// All calls for one end user, as the request names him.
    User,
    /// All calls with one value of this header, in lower case.
    Header(String),
}

/// A word that names nothing a side could be kept by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sticky by `{0}`: write call, key, user, or header:NAME such as header:x-session-id")]
pub struct StickyError(String);

impl FromStr for StickyBy {
    type Err = StickyError;
    fn from_str(text: &str) -> Result<Self, StickyError> {
        let token =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match text {
            "call" | "request" => Ok(Self::Call),
            "key" => Ok(Self::Key),
            "user" => Ok(Self::User),
            _ => match text.strip_prefix("header:") {
                Some(name) if token(name) => Ok(Self::Header(name.to_ascii_lowercase())),
                _ => Err(StickyError(text.chars().take(60).collect())),
            },
        }
    }
}

impl fmt::Display for StickyBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call => f.write_str("call"),
            Self::Key => f.write_str("key"),
            Self::User => f.write_str("user"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

impl TryFrom<String> for StickyBy {
    type Error = StickyError;
    fn try_from(text: String) -> Result<Self, StickyError> {
        text.parse()
    }
}

impl From<StickyBy> for String {
    fn from(sticky: StickyBy) -> Self {
        sticky.to_string()
    }
}

/// What a migration's assignment is worked out from. Drawn once, when it is first started, and kept for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

/// Keeps the choice among several targets from depending on the choice of the side.
const TARGETS: u64 = 0x7461_7267_6574_7321;

impl Seed {
    /// The side of `unit` (a key's name, a user, a header's value, a call's id) while the new side has `share`.
    #[must_use]
    pub fn arm(self, unit: &[u8], share: Share) -> Arm {
        // Below share x 2^64, exactly: a place of 64 bits times a million has room in 128.
        let place = u128::from(place(self.0, unit)) * u128::from(Share::ALL.millionths());
        if place < u128::from(share.millionths()) << 64 { Arm::New } else { Arm::Old }
    }

    /// Which of several targets `unit` goes to, by their weights: a number below `weights.len()`, or `None` when no
    /// weight is over 0. The same unit gets the same target as long as the weights are the same.
    #[must_use]
    pub fn target(self, unit: &[u8], weights: &[u32]) -> Option<usize> {
        let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut place = ((u128::from(place(self.0 ^ TARGETS, unit)) * u128::from(all)) >> 64) as u64;
        weights.iter().position(|&weight| {
            let here = place < u64::from(weight);
            place = place.saturating_sub(u64::from(weight));
            here
        })
    }
}

/// Where `unit` stands among all numbers of 64 bits: eight bytes at a time through a multiplication of 128 bits, of which
/// both halves are used, and a last mixing so that names which differ in one letter stand far apart.
fn place(seed: u64, unit: &[u8]) -> u64 {
    const A: u64 = 0x9E37_79B9_7F4A_7C15;
    const B: u64 = 0xD6E8_FEB8_6659_FD93;
    let fold = |x: u64, y: u64| {
        let product = u128::from(x) * u128::from(y);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = fold(seed ^ A, B) ^ seed;
    let words = unit.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    });
    for word in words {
        // Added rather than mixed in by xor, so that no word makes the factor zero for every seed.
        state = fold((state ^ word) | 1, B.wrapping_add(word).rotate_left(23) ^ A) ^ state.rotate_left(29) ^ word;
    }
    // The length, because the last word is filled up with zeros; then the finalizer of MurmurHash3.
    state ^= unit.len() as u64;
    state = (state ^ (state >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    state = (state ^ (state >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    state ^ (state >> 33)
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
