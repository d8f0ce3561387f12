//! Where an answer's body begins and ends, in bytes that come in any cut.
//!
//! The decoder works in the buffer the bytes were read into: it moves the pieces of chunks together, over the framing
//! between them, so that whatever one read brought is one piece of body and nothing is copied elsewhere. Chunk
//! extensions and trailers are read over. An error comes after the bytes that came before it.

use crate::body::BodyError;
use std::ops::Range;

/// The largest chunk extension, and the largest trailer section, in bytes.
const MAX_ASIDE: u32 = 16 << 10;
/// Hexadecimal digits of a chunk's size at most, leading zeros included: what 64 bits hold.
const MAX_DIGITS: u8 = 16;

/// What marks the end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Its length, in bytes; 0 for an answer that has none.
    Length(u64),
    /// The last chunk.
    Chunked,
    /// The connection's end.
    UntilClose,
}

/// Reads one body. Pure: it is given what was read, and told when the connection ends.
#[derive(Debug)]
pub struct Decoder(State);

#[derive(Debug, Clone, Copy)]
enum State {
    Length(u64),
    UntilClose,
    /// In a chunk's size, so many digits of it read.
    Size(u64, u8),
    /// Behind a chunk's size, so many bytes of its extension read.
    Extension(u64, u32),
    /// Before the line feed that ends a chunk's size and extension.
    SizeEnd(u64),
    Chunk(u64),
    /// Behind a chunk's bytes.
    ChunkReturn,
    ChunkFeed,
    /// At the beginning of a line behind the last chunk; so many bytes of trailers read.
    TrailerStart(u32),
    Trailer(u32),
    TrailerFeed(u32),
    EndFeed,
    Done,
    Failed(&'static str),
}

/// What of the given bytes is body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Where in the buffer the bytes of the body stand now.
    pub data: Range<usize>,
    /// Bytes of the buffer that belong to this body and its framing; fewer than were given only after its end.
    pub used: usize,
}

impl Decoder {
    /// A decoder at a body's beginning.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(0, 0),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Whether the body has ended well.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// What is wrong with the body, once something is.
    ///
    /// # Errors
    /// The framing was malformed.
    pub const fn check(&self) -> Result<(), BodyError> {
        match self.0 {
            State::Failed(what) => Err(BodyError::Malformed(what)),
            _ => Ok(()),
        }
    }

    /// Bytes still to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        match self.0 {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// The body has not.
    pub const fn end(&mut self) -> Result<(), BodyError> {
        match self.0 {
            State::UntilClose | State::Done => {
                self.0 = State::Done;
                Ok(())
            }
            State::Failed(what) => Err(BodyError::Malformed(what)),
            _ => Err(BodyError::Truncated),
        }
    }

    /// Reads what has come. The bytes of the body are moved together within the buffer.
    pub fn decode(&mut self, buffer: &mut [u8]) -> Decoded {
        let (mut used, mut start, mut end) = (0, 0, 0);
        while used < buffer.len() {
            let here = match self.0 {
                State::Done | State::Failed(_) => break,
                State::UntilClose => buffer.len() - used,
                State::Length(left) | State::Chunk(left) => {
                    usize::try_from(left).map_or(usize::MAX, |left| left).min(buffer.len() - used)
                }
                _ => {
                    if let Some(byte) = buffer.get(used) {
                        self.0 = self.0.step(*byte);
                    }
                    used += 1;
                    continue;
                }
            };
            if start == end {
                (start, end) = (used, used);
            }
            if end != used {
                buffer.copy_within(used..used + here, end);
            }
            used += here;
            end += here;
            self.0 = match self.0 {
                State::Length(left) if left == here as u64 => State::Done,
                State::Length(left) => State::Length(left - here as u64),
                State::Chunk(left) if left == here as u64 => State::ChunkReturn,
                State::Chunk(left) => State::Chunk(left - here as u64),
                other => other,
            };
        }
        Decoded { data: start..end, used }
    }
}

impl State {
    /// Takes one byte of what stands around the chunks.
    const fn step(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(size, digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == MAX_DIGITS {
                    return Self::Failed("a chunk is too large");
                }
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                Self::Size(size << 4 | digit as u64, digits + 1)
            }
            (Self::Size(_, 0), _) => Self::Failed("a chunk has no size"),
            (Self::Size(size, _) | Self::Extension(size, _), b'\r') => Self::SizeEnd(size),
            (Self::Size(size, _), b';' | b' ' | b'\t') => Self::Extension(size, 0),
            (Self::Size(..), _) => Self::Failed("a chunk's size is not a number"),
            (Self::Extension(..), b'\n') => Self::Failed("a chunk's extension ends in a bare line feed"),
            (Self::Extension(_, MAX_ASIDE), _) => Self::Failed("a chunk's extension is too long"),
            (Self::Extension(size, read), _) => Self::Extension(size, read + 1),
            (Self::SizeEnd(0), b'\n') => Self::TrailerStart(0),
            (Self::SizeEnd(size), b'\n') => Self::Chunk(size),
            (Self::SizeEnd(_), _) => Self::Failed("a chunk's size is not followed by a line end"),
            (Self::ChunkReturn, b'\r') => Self::ChunkFeed,
            (Self::ChunkFeed, b'\n') => Self::Size(0, 0),
            (Self::ChunkReturn | Self::ChunkFeed, _) => Self::Failed("a chunk is longer than its size"),
            (Self::TrailerStart(_), b'\r') => Self::EndFeed,
            (Self::Trailer(read), b'\r') => Self::TrailerFeed(read),
            (Self::TrailerStart(_) | Self::Trailer(_), b'\n') => Self::Failed("a trailer ends in a bare line feed"),
            (Self::TrailerStart(MAX_ASIDE) | Self::Trailer(MAX_ASIDE), _) => Self::Failed("the trailers are too long"),
            (Self::TrailerStart(read) | Self::Trailer(read), _) => Self::Trailer(read + 1),
            (Self::TrailerFeed(read), b'\n') => Self::TrailerStart(read),
            (Self::EndFeed, b'\n') => Self::Done,
            (Self::TrailerFeed(_) | Self::EndFeed, _) => Self::Failed("a trailer is malformed"),
            (other, _) => other,
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
