//! Streams of the Gemini format.
//!
//! Each event is an answer with what is new in it. A call always comes whole, so fragments of arguments from another
//! provider are held until they are complete.

mod read;
mod write;

pub use read::Reader;
pub use write::Writer;

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
