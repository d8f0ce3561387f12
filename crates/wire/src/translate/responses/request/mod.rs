//! Requests of the Responses format.
//!
//! Its conversation is a flat list of items where other formats have turns: a message, a call, a call's output and a
//! piece of reasoning each stand alone. Reading gathers the items of one answer into one turn, writing lays them out
//! again. Its other half, the state a provider keeps between requests, has no counterpart elsewhere and is refused.

mod read;
mod write;

pub use read::read;
pub use write::write;
