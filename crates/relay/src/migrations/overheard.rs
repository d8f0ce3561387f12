//! Answers of which somebody wants the words.
//!
//! Most of what is known of a call is in its receipt. Two things are not: what a copy of it is compared with, and whether
//! the tools that it calls are called with JSON. For those calls, and no others, the answer is kept as it goes to the
//! client, up to a bound, and read when the call is over; the reading is done by threads that no call waits for.

use super::mirror::{Copied, Job};
use super::{compare, lane::Lane};
use bytes::Bytes;
use sluicegate_vocabulary::{Endpoint, Receipt};
use std::sync::Arc;

/// The largest request, and the largest answer, of which the words are kept, in bytes.
pub(super) const LARGEST: usize = 256 << 10;

/// A call while it is being answered.
#[derive(Debug)]
pub(crate) struct Overheard {
    answer: Vec<u8>,
    whole: bool,
    /// A copy of it will be made.
    copied: Option<Copied>,
    /// It offers tools, and a guard wants to know how they are called: which endpoint it was, and its body.
    offers: Option<(Endpoint, Bytes)>,
}

/// What it takes to see whether tools were called as they should.
#[derive(Debug)]
pub(crate) struct ToolCalls {
    endpoint: Endpoint,
    request: Bytes,
    answer: Vec<u8>,
}

impl Overheard {
    /// A call whose words are wanted for at least one of the two.
    pub(super) fn new(copied: Option<Copied>, offers: Option<(Endpoint, Bytes)>) -> Option<Self> {
        (copied.is_some() || offers.is_some()).then(|| Self { answer: Vec::new(), whole: true, copied, offers })
    }

    /// A piece of the answer is on its way to the client.
    pub(crate) fn sent(&mut self, piece: &[u8]) {
        self.whole &= self.answer.len() + piece.len() <= LARGEST;
        if self.whole {
            self.answer.extend_from_slice(piece);
        }
    }

    /// The call is over: lets its copy be made, and gives what its tool calls are judged by.
    pub(crate) fn over(self: Box<Self>, receipt: &Receipt) -> Option<ToolCalls> {
        let Self { answer, whole, copied, offers } = *self;
        if !whole {
            return None;
        }
        if let Some(job) = copied.and_then(|copied| Job::of(copied, receipt, &answer)) {
            job.hand_over();
        }
        offers.map(|(endpoint, request)| ToolCalls { endpoint, request, answer })
    }
}

impl ToolCalls {
    /// How many bytes it holds.
    pub(super) fn size(&self) -> usize {
        self.request.len() + self.answer.len()
    }

    /// Whether all are valid; `None` where none is called.
    pub(super) fn are_valid(&self) -> Option<bool> {
        compare::valid_tool_calls(self.endpoint, &self.request, &self.answer)
    }
}

/// What a call offers tools for, if it does, where `lane` wants to know how they are called.
pub(super) fn offers(lane: &Arc<Lane>, endpoint: Endpoint, body: &Bytes) -> Option<(Endpoint, Bytes)> {
    let offers = lane.wants_tools()
        && compare::calls_tools(endpoint)
        && body.len() <= LARGEST
        && memchr::memmem::find(body, b"\"tools\"").is_some();
    offers.then(|| (endpoint, body.clone()))
}
