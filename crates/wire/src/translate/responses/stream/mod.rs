//! Streams of the Responses format.
//!
//! Every event names its item by `output_index`, carries a `sequence_number`, and comes both in pieces and whole: text
//! as deltas, then as the finished part, then in the finished item, then in the finished response. A reader needs the
//! first form of each that arrives and no other; a writer owes its client all of them.

mod read;
mod write;

pub use read::Reader;
pub use write::Writer;

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
