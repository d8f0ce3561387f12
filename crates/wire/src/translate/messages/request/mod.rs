//! Anthropic messages requests.

mod conversation;
mod read;
mod turns;
mod write;

pub use read::read;
pub use write::write;
