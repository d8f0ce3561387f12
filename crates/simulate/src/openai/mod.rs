//! OpenAI's endpoints.

pub(crate) mod chat;
mod check;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod images;
mod input;
pub(crate) mod models;
pub(crate) mod moderations;
mod plain;
pub(crate) mod responses;
mod responses_events;
mod stored;

pub(crate) use stored::Stored;

/// What every answer of a model carries beside its own fields.
const FINGERPRINT: &str = "fp_simulated";
