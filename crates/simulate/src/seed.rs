//! Where everything that looks random comes from.
//!
//! One mixing function, stable across machines and versions of this crate's dependencies, because tests keep what it
//! yields. It is not a cryptographic hash: the signatures made with it prove that a thinking block came back unchanged
//! by mistake, not by an adversary.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const K: u64 = 0x9e37_79b9_7f4a_7c15;

/// A running digest of what a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    /// A digest that depends on `seed` only.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ K)
    }

    /// Takes in `bytes` and their length, so that two texts never read as one.
    pub(crate) fn absorb(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    /// The digest after one more number.
    pub(crate) fn with(mut self, number: u64) -> Self {
        self.word(number);
        self
    }

    /// The digest as a well-mixed number.
    pub(crate) const fn value(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(K).rotate_left(29) ^ (word >> 32);
    }
}

/// Appends `length` letters and digits that depend on `state` only.
pub(crate) fn letters(out: &mut Vec<u8>, state: Digest, length: usize) {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut pool = state.value();
    for n in 0..length {
        if n % 10 == 0 {
            pool = state.with(n as u64).value();
        }
        out.push(ALPHABET.get((pool % 62) as usize).copied().unwrap_or(b'x'));
        pool /= 62;
    }
}

/// An id such as `call_3kTq...`.
pub(crate) fn id(prefix: &str, state: Digest, length: usize) -> String {
    let mut out = Vec::with_capacity(prefix.len() + length);
    out.extend_from_slice(prefix.as_bytes());
    letters(&mut out, state, length);
    String::from_utf8(out).unwrap_or_default()
}

/// The seal that belongs to `parts` under `seed`: what a thinking block or a function call must come back with.
pub(crate) fn seal(seed: u64, parts: &[&str]) -> String {
    let mut digest = Digest::new(seed ^ 0x5ea1);
    for part in parts {
        digest.absorb(part.as_bytes());
    }
    let mut raw = Vec::with_capacity(48);
    for n in 0..6 {
        raw.extend_from_slice(&digest.with(n).value().to_le_bytes());
    }
    STANDARD.encode(raw)
}

#[cfg(test)]
#[path = "seed_tests.rs"]
mod tests;
