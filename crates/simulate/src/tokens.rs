//! How the simulator counts.
//!
//! A real tokenizer would tie the figures to one vendor's vocabulary and cost more than all the rest. The rule here is
//! one that a person can check with a pencil: **a token is a word with the blanks before it; a word longer than eight
//! bytes is cut into pieces of at most eight bytes, never inside a character; blanks at the end are a token.** The
//! same pieces are what a stream sends one by one, so the pieces of a stream and its usage always agree.
//!
//! Around the text: three tokens for each message and three for the answer to come, the tokens of each tool's name,
//! description and schema, and for an image [`image`].

/// The longest piece of a word, in bytes.
const WORD: usize = 8;

/// Tokens that each message costs beside its text.
pub(crate) const PER_MESSAGE: u64 = 3;

/// Tokens that every request costs once.
pub(crate) const PER_REQUEST: u64 = 3;

/// The text, token by token. The pieces joined are the text.
#[derive(Debug, Clone)]
pub(crate) struct Pieces<'a>(&'a str);

/// Cuts `text` into tokens.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces(text)
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut word = 0;
        let mut end = self.0.len();
        for (at, c) in self.0.char_indices() {
            let blank = c.is_whitespace();
            if word > 0 && (blank || word + c.len_utf8() > WORD) {
                end = at;
                break;
            }
            if !blank {
                word += c.len_utf8();
            }
        }
        let (piece, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(piece)
    }
}

/// How many tokens `text` has.
pub(crate) fn count(text: &str) -> u64 {
    pieces(text).count() as u64
}

/// The first `limit` tokens of `text`, and how many there are if they are fewer.
pub(crate) fn cut(text: &str, limit: u64) -> (&str, u64) {
    let (mut bytes, mut taken) = (0, 0);
    for piece in pieces(text) {
        if taken == limit {
            break;
        }
        bytes += piece.len();
        taken += 1;
    }
    (text.get(..bytes).unwrap_or(text), taken)
}

/// Tokens of an image: 85, and 170 for each tile of 512 by 512 points that it covers. An image whose size cannot be
/// seen (a URL) counts as one tile.
pub(crate) fn image(size: Option<(u32, u32)>) -> u64 {
    let tiles = size.map_or(1, |(w, h)| u64::from(w.div_ceil(512).max(1)) * u64::from(h.div_ceil(512).max(1)));
    85 + 170 * tiles.min(64)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
