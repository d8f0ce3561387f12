//! Gemini's other stream: one JSON array that grows, for clients that did not ask for `alt=sse`.
//!
//! Providers are always asked for events, since those can be read as they come; here events become array elements.

use bytes::Bytes;
use sluicegate_wire::sse::Decoder;

/// Events in, a JSON array out.
pub(crate) struct Array {
    decoder: Decoder,
    begun: bool,
}

impl Array {
    pub(crate) fn new() -> Self {
        Self { decoder: Decoder::new(), begun: false }
    }

    /// The elements that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len());
        self.decoder.push(bytes);
        // What goes in here was framed by us or has passed the tap, so it cannot be malformed.
        while let Ok(Some(event)) = self.decoder.next() {
            out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
            self.begun = true;
            out.extend_from_slice(event.data.as_bytes());
        }
        out.into()
    }

    /// The end of the array.
    pub(crate) fn finish(self) -> Bytes {
        Bytes::from_static(if self.begun { b"]" } else { b"[]" })
    }
}
