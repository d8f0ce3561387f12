//! Streamed answers of Anthropic messages.

mod read;
mod write;

pub use read::Reader;
pub use write::Writer;
