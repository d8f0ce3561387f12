//! Requests of the Gemini format.

mod read;
mod write;

pub use read::read;
pub use write::write;
