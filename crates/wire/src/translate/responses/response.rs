//! Whole answers.

use crate::translate::Context;
use crate::translate::neutral::Answer;
use sluicegate_vocabulary::{Fault, FaultKind};

/// Reads a provider's answer.
///
/// # Errors
/// `UpstreamBroken` when it is not one.
pub fn read(_body: &[u8]) -> Result<Answer, Fault> {
    Err(Fault::new(FaultKind::Internal, "not built"))
}

/// Writes the answer a client gets.
///
/// # Errors
/// What this format cannot say.
pub fn write(_answer: &Answer, _context: &Context) -> Result<Vec<u8>, Fault> {
    Err(Fault::new(FaultKind::Internal, "not built"))
}
