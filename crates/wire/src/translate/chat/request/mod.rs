//! Chat completion requests.

mod conversation;
mod read;
mod write;

pub use read::read;
pub use write::write;
