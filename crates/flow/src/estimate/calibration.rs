//! How many tokens a model makes of a byte.
//!
//! The running averages of bytes and of tokens are kept apart, and their quotient is the ratio. So a long input weighs
//! more than a short one, as it should: of a short one most tokens are the fixed ones around it, and a ratio averaged
//! over calls would be far too high for the long ones, where it matters.

/// Bytes for a token before anything is known: English prose, by the tokenizers of the large models.
const BYTES_PER_TOKEN: f64 = 3.5;
/// The part of a new observation in the averages: an old one has lost two thirds of its weight after sixteen others.
const WEIGHT: f64 = 1.0 / 16.0;
/// An input counts as if it were no longer than this: one huge input must not outweigh all others.
const LONGEST: f64 = 65_536.0;
/// Tokens for a byte are never taken to be fewer or more than this, whatever a provider reports: images sent as text
/// cost next to nothing, rare scripts more than a token for each byte.
const BOUNDS: (f64, f64) = (1.0 / 64.0, 2.0);

/// The tokens a model makes of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    bytes: f64,
    tokens: f64,
}

/// What holds for most models.
impl Default for Calibration {
    fn default() -> Self {
        Self { bytes: BYTES_PER_TOKEN * 1000.0, tokens: 1000.0 }
    }
}

impl Calibration {
    /// Tokens for each byte.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        (self.tokens / self.bytes).clamp(BOUNDS.0, BOUNDS.1)
    }

    /// The tokens in an input of so many bytes, rounded up.
    #[must_use]
    pub fn tokens(&self, bytes: u64) -> u64 {
        let tokens = bytes as f64 * self.ratio();
        let whole = tokens as u64;
        whole + u64::from(tokens > whole as f64)
    }

    /// An input of so many bytes was so many tokens. Says nothing where either is zero.
    pub fn learn(&mut self, bytes: u64, tokens: u64) {
        if bytes == 0 || tokens == 0 {
            return;
        }
        let counted = (bytes as f64).min(LONGEST);
        let ratio = (tokens as f64 / bytes as f64).clamp(BOUNDS.0, BOUNDS.1);
        self.bytes += WEIGHT * (counted - self.bytes);
        self.tokens += WEIGHT * (counted * ratio - self.tokens);
    }
}
