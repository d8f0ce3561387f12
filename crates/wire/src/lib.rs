//! What travels: the formats of OpenAI, Anthropic and Gemini as bytes.
//!
//! Bytes in, bytes out. On the hot path nothing here builds a document: [`peek`] reads the few fields the relay needs
//! in place, [`splice`] exchanges the model's name between two slices of the same buffer, and [`tap`] watches a stream
//! go by. Where the client and the provider speak different formats, [`translate`] goes through one neutral form.
//! [`error`] is the table that gives every fault its words in every dialect.

pub mod embeddings;
pub mod error;
pub mod estimate;
pub mod fingerprint;
pub mod limits;
pub mod load;
mod outline;
pub mod peek;
mod probe;
pub mod quirks;
pub mod resume;
mod scan;
pub mod splice;
pub mod sse;
pub mod tap;
pub mod traits;
pub mod translate;
pub mod usage;
