//! responses.

pub mod request;
pub mod response;
pub mod stream;

use crate::translate::neutral::Prompt;

/// What a Responses object repeats of its request.
#[derive(Debug, Clone)]
pub struct Echo {}

impl Echo {
    /// The parts of this prompt that will be repeated.
    #[must_use]
    pub fn of(_prompt: &Prompt) -> Self {
        Self {}
    }
}
