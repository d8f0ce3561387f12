//! Gzip from providers that send it although we ask for none.
//!
//! We ask every provider for `identity`, because a stream must be readable as it passes. Some proxies in front of
//! providers compress regardless. The decoder takes bytes in any cut, gives out what they hold at once, and accepts
//! several gzip members in a row.

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};

/// A streaming gzip decoder with a bound on what one input slice may grow to.
pub struct Inflate {
    decoder: MultiGzDecoder<Bounded>,
}

struct Bounded {
    out: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(io::Error::other("the compressed body grows past the limit"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    /// A decoder that refuses to give out more than `limit` bytes for one slice of input.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { decoder: MultiGzDecoder::new(Bounded { out: Vec::new(), limit }) }
    }

    /// Decodes what these bytes add.
    ///
    /// # Errors
    /// The bytes are not gzip, or grow past the limit.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        self.decoder.write_all(bytes)?;
        self.decoder.flush()?;
        Ok(Bytes::from(std::mem::take(&mut self.decoder.get_mut().out)))
    }

    /// Ends the decoding.
    ///
    /// # Errors
    /// The stream is cut short.
    pub fn finish(&mut self) -> io::Result<Bytes> {
        self.decoder.try_finish()?;
        Ok(Bytes::from(std::mem::take(&mut self.decoder.get_mut().out)))
    }
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "inflate_tests.rs"]
mod tests;
