//! The model's name exchanged, all other bytes kept.
//!
//! The same dialect on both sides means the body goes on as it came: key order, number text, white space and fields
//! nobody here knows. Two edits are allowed. The model's name becomes the one the provider knows; and where the relay
//! needs to know what a stream used, `stream_options.include_usage` becomes true. A [`Splice`] is the old body cut at
//! these places with the new text between: a few slices of the same buffer, nothing copied but the new text, and the
//! length known beforehand.

use crate::peek::{Head, StreamOptions};
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// Most slices a splice has: two edits, and what stands before, between and after.
pub const MOST: usize = 5;

/// A body as slices in order.
#[derive(Debug, Clone)]
pub struct Splice {
    parts: SmallVec<[Bytes; MOST]>,
    len: usize,
}

impl Splice {
    /// The slices in order; none is empty.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All bytes together: the content length.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The body in one piece, copied.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts.concat()
    }

    /// The slices in order, owned.
    #[must_use]
    pub fn into_slices(self) -> SmallVec<[Bytes; MOST]> {
        self.parts
    }

    fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }
}

impl From<Bytes> for Splice {
    /// A body as it is.
    fn from(body: Bytes) -> Self {
        let mut splice = Self { parts: SmallVec::new(), len: 0 };
        splice.push(body);
        splice
    }
}

/// A place and the text that takes it.
type Edit = (Range<usize>, Bytes);

/// The body with its model named `new_model`, and, if `ask_for_usage`, with `stream_options.include_usage` true.
///
/// `head` must be what [`crate::peek::peek`] found in this very `body`. A body without a model gets one, except on
/// endpoints whose model stands in the path (Gemini's), where the body's model stays as it is. An edit that would
/// change nothing is not made, so a body that is right already comes back as one slice.
#[must_use]
pub fn model(body: &Bytes, head: &Head, new_model: &str, ask_for_usage: bool) -> Splice {
    let mut edits: SmallVec<[Edit; 2]> = SmallVec::new();
    // Text for the front of the object, where members are added that are missing.
    let mut front = Vec::new();
    if head.model_in_body && head.model(body).as_deref() != Some(new_model) {
        let quoted = quote(new_model);
        match &head.model {
            Some(place) => edits.push((place.clone(), Bytes::from(quoted))),
            None => member(&mut front, "model", &quoted),
        }
    }
    if ask_for_usage && !head.include_usage {
        const TRUE: &[u8] = b"true";
        match &head.stream_options {
            None => member(&mut front, "stream_options", r#"{"include_usage":true}"#),
            Some(StreamOptions::Null(place)) => {
                edits.push((place.clone(), Bytes::from_static(br#"{"include_usage":true}"#)));
            }
            Some(StreamOptions::With(place)) => edits.push((place.clone(), Bytes::from_static(TRUE))),
            Some(StreamOptions::Without { inside, empty: true }) => {
                edits.push((*inside..*inside, Bytes::from_static(br#""include_usage":true"#)));
            }
            Some(StreamOptions::Without { inside, empty: false }) => {
                edits.push((*inside..*inside, Bytes::from_static(br#""include_usage":true,"#)));
            }
        }
    }
    if !front.is_empty() {
        if head.empty {
            front.pop();
        }
        edits.push((head.inside..head.inside, Bytes::from(front)));
    }
    edits.sort_unstable_by_key(|(place, _)| place.start);
    apply(body, edits)
}

/// A string of JSON.
fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Adds `"name":value,`.
fn member(front: &mut Vec<u8>, name: &str, value: &str) {
    for piece in ["\"", name, "\":", value, ","] {
        front.extend_from_slice(piece.as_bytes());
    }
}

/// The body with the edits made, which are in order and do not overlap.
fn apply(body: &Bytes, edits: SmallVec<[Edit; 2]>) -> Splice {
    if edits.is_empty() {
        return body.clone().into();
    }
    let mut splice = Splice { parts: SmallVec::new(), len: 0 };
    let mut from = 0;
    for (place, text) in edits {
        splice.push(slice(body, from..place.start));
        splice.push(text);
        from = place.end;
    }
    splice.push(slice(body, from..body.len()));
    splice
}

/// A slice of the body; a place outside of it is empty, which a head of the same body never names.
fn slice(body: &Bytes, range: Range<usize>) -> Bytes {
    let end = range.end.min(body.len());
    body.slice(range.start.min(end)..end)
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
