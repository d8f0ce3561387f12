//! Streams.

use crate::translate::Context;
use crate::translate::neutral::Delta;
use sluicegate_vocabulary::{Fault, FaultKind};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub struct Reader {}

impl Reader {
    /// Reads one event: its `event:` name if it had one, and its joined data. Steps are appended to `out`.
    ///
    /// # Errors
    /// `UpstreamBroken` for an event that is not of this format.
    pub fn read(&mut self, _event: Option<&str>, _data: &str, _out: &mut Vec<Delta>) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Internal, "not built"))
    }

    /// The provider closed the stream: appends [`Delta::End`] if that was a proper end and none was emitted before.
    pub fn close(&mut self, _out: &mut Vec<Delta>) {}
}

/// Writes a client's events.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// A writer for this call.
    #[must_use]
    pub fn new(_context: &Context) -> Self {
        Self {}
    }

    /// Writes one step. [`Delta::End`] writes the terminal events; [`Delta::Error`] is never passed (see [`Self::fail`]).
    ///
    /// # Errors
    /// What this format cannot say.
    pub fn write(&mut self, _delta: Delta, _out: &mut Vec<u8>) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Internal, "not built"))
    }

    /// Writes the error event that ends the stream.
    pub fn fail(&mut self, _fault: &Fault, _out: &mut Vec<u8>) {}
}
