//! The header fields of an answer.
//!
//! A provider sends a dozen fields and more, and of most calls two or three are ever looked at. So an HTTP/1 head is not
//! made into a map: it is kept as it came, with the places at which its names and values stand, and a field is sought
//! by going through them. An HTTP/2 answer comes as a map and stays one. What came first is found first in both.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header fields of an answer, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Fields(Kept);

#[derive(Debug, Clone)]
enum Kept {
    /// An HTTP/1 head, where each field stands in it, and whether one of them tells of a limit.
    Lines { head: Bytes, places: Vec<Place>, tell_limits: bool },
    /// What HTTP/2 gives; boxed, as it is large to move.
    Map(Box<HeaderMap>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Lines { head: Bytes::new(), places: Vec::new(), tell_limits: false }
    }
}

/// Where a field stands in a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    name: Span,
    value: Span,
}

/// A part of a head, whose length fits in.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

impl Place {
    /// The place of a field whose parts are slices of `head`.
    pub(crate) fn new(head: &[u8], name: &[u8], value: &[u8]) -> Self {
        Self { name: Span::new(head, name), value: Span::new(head, value) }
    }
}

impl Span {
    fn new(head: &[u8], part: &[u8]) -> Self {
        // An empty part may stand anywhere.
        let start = if part.is_empty() { 0 } else { part.as_ptr().addr().wrapping_sub(head.as_ptr().addr()) };
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), length: u32::try_from(part.len()).unwrap_or(u32::MAX) }
    }

    fn of(self, head: &[u8]) -> &[u8] {
        let start = self.start as usize;
        head.get(start..start.saturating_add(self.length as usize)).unwrap_or_default()
    }

    /// Whether it is this name, which is in lower case. Most names are told apart by their lengths alone.
    #[inline]
    fn is(self, head: &[u8], name: &str) -> bool {
        self.length as usize == name.len() && self.of(head).eq_ignore_ascii_case(name.as_bytes())
    }
}

impl Fields {
    /// The fields of an HTTP/1 head.
    pub(crate) fn lines(head: Bytes, places: Vec<Place>, tell_limits: bool) -> Self {
        Self(Kept::Lines { head, places, tell_limits })
    }

    /// Whether a field tells of a limit of the provider's ([`tells_limit`]).
    #[must_use]
    pub fn tell_limits(&self) -> bool {
        match &self.0 {
            Kept::Lines { tell_limits, .. } => *tell_limits,
            Kept::Map(map) => map.keys().any(|name| tells_limit(name.as_str().as_bytes())),
        }
    }

    /// The first value of a field; `name` in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match &self.0 {
            Kept::Lines { head, places, .. } => {
                let place = places.iter().find(|place| place.name.is(head, name))?;
                Some(place.value.of(head))
            }
            Kept::Map(map) => map.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// The first value of a field, if it is text; `name` in lower case.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of a field, to be sent on.
    #[must_use]
    pub fn value(&self, name: &HeaderName) -> Option<HeaderValue> {
        match &self.0 {
            // A copy, as a slice would keep the whole head for as long as the client reads.
            Kept::Lines { .. } => HeaderValue::from_bytes(self.get(name.as_str())?).ok(),
            Kept::Map(map) => map.get(name).cloned(),
        }
    }

    /// The names and values of all fields. Names are as they were sent: in HTTP/1 that may be with capitals.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (lines, map) = match &self.0 {
            Kept::Lines { head, places, .. } => (Some((head, places)), None),
            Kept::Map(map) => (None, Some(map)),
        };
        let lines = lines
            .into_iter()
            .flat_map(|(head, places)| places.iter().map(move |place| (place.name.of(head), place.value.of(head))));
        let map = map.into_iter().flat_map(|map| map.iter().map(|(name, value)| (name.as_ref(), value.as_bytes())));
        lines.chain(map)
    }

    /// Leaves out all fields of this name, which is in lower case.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Kept::Lines { head, places, .. } = &mut self.0 {
            places.retain(|place| !place.name.is(head, name));
        }
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        Self(Kept::Map(Box::new(map)))
    }
}

/// Whether a field, its name as it was sent, tells of a limit of the provider's: how much there is, how much is left, or
/// when it is back. Every field of every answer is looked at, and the first letters of most say no.
#[must_use]
#[inline(always)]
pub fn tells_limit(name: &[u8]) -> bool {
    match name {
        [b'x' | b'X', b'-', b'r' | b'R', b'a' | b'A', ..] => begins(name, b"x-ratelimit-"),
        [b'a' | b'A', b'n' | b'N', b't' | b'T', ..] => begins(name, b"anthropic-ratelimit-"),
        _ => false,
    }
}

#[inline(never)]
fn begins(name: &[u8], with: &[u8]) -> bool {
    name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
