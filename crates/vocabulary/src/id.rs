//! Names of single things.

use std::fmt;

/// The id of one call: what `x-request-id` carries. Either the client's own, kept, or one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CallId(Box<str>);

impl CallId {
    /// The longest id a client may choose, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Keeps a client's id if it is 1 to 128 visible ASCII characters; anything else could forge log lines.
    #[must_use]
    pub fn from_client(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_LEN && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// Makes an id from 128 random bits.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut text = *b"req_00000000000000000000000000";
        for (place, shift) in text.iter_mut().skip(4).zip((0..26).rev()) {
            let index = (bits >> (shift * 5)) & 31;
            *place = ALPHABET.get(index as usize).copied().unwrap_or(b'0');
        }
        // It is ASCII.
        Self(std::str::from_utf8(&text).unwrap_or_default().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 24 bits of a configuration's hash: enough to tell two versions apart in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ConfigVersion(pub u32);

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0 & 0x00ff_ffff)
    }
}

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
