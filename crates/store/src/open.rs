//! Calls that are under way: the intents that have no end yet.
//!
//! Most calls are under way for less time than a batch is gathered, and never come here. The others would be a row made and a
//! row deleted each; together they are one row that is written anew with each batch, since there are never more of them
//! than calls in flight.

use crate::batch::Batch;
use crate::record::intent_of;

/// Where an intent lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    call: u64,
    attempt: u16,
    start: usize,
    end: usize,
}

/// Intents of calls that have not ended, as they lie in the journal.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// Each with its length in four bytes before it.
    bytes: Vec<u8>,
    /// By call and attempt.
    places: Vec<Place>,
}

impl Open {
    /// Reads what [`Open::bytes`] gave. What is not an intent is left out.
    pub(crate) fn read(bytes: Vec<u8>) -> Self {
        let mut open = Self { places: Vec::new(), bytes };
        let mut start = 0;
        while let Some(head) = open.bytes.get(start..).and_then(|rest| rest.first_chunk()) {
            let from = start + head.len();
            let end = from.saturating_add(u32::from_le_bytes(*head) as usize);
            let Some(record) = open.bytes.get(from..end) else { break };
            if let Some((call, attempt)) = intent_of(record) {
                open.places.push(Place { call, attempt, start: from, end });
            }
            start = end;
        }
        open.places.sort_unstable();
        open
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The intents.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().filter_map(|place| self.bytes.get(place.start..place.end))
    }

    /// What is open after a batch, if that is something else.
    pub(crate) fn after(&self, batch: &Batch<'_>) -> Option<Self> {
        let has_ended = |place: &Place| batch.ended.contains(&place.call);
        if batch.intents.is_empty() && !self.places.iter().any(has_ended) {
            return None;
        }
        let mut open = Self::default();
        let kept = self.places.iter().filter(|place| !has_ended(place));
        for place in kept {
            open.add(place.call, place.attempt, self.bytes.get(place.start..place.end).unwrap_or_default());
        }
        for (call, attempts) in &batch.intents {
            attempts.iter().for_each(|(attempt, record)| open.add(*call, *attempt, record));
        }
        open.places.sort_unstable();
        Some(open)
    }

    fn add(&mut self, call: u64, attempt: u16, record: &[u8]) {
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.places.push(Place { call, attempt, start, end: self.bytes.len() });
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
