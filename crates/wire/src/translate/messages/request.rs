//! Requests.

use crate::translate::Target;
use crate::translate::neutral::Prompt;
use crate::translate::notes::Notes;
use sluicegate_vocabulary::{Fault, FaultKind};

/// Reads a client's request.
///
/// # Errors
/// The client's mistakes and what cannot be translated, each with its path.
pub fn read(_body: &[u8], _stream: Option<bool>, _notes: &mut Notes) -> Result<Prompt, Fault> {
    Err(Fault::new(FaultKind::Internal, "not built"))
}

/// Writes the request a provider gets.
///
/// # Errors
/// What this format, or this model, cannot say.
pub fn write(_prompt: &Prompt, _target: &Target<'_>, _notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    Err(Fault::new(FaultKind::Internal, "not built"))
}
