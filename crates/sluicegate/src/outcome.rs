//! How the program ends. The codes are documented and stay.

use crate::terminal;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// It did what it was asked.
    Done,
    /// It failed for a reason that has no code of its own.
    Failed,
    /// It ran, and the answer is no: a restart is needed, something wants attention.
    No,
    /// The server cannot be reached.
    Unreachable,
    /// Not allowed.
    NotAllowed,
    /// The configuration cannot be used; starting again will not help.
    Config,
    /// Interrupted.
    Interrupted,
    /// What a program we ran ended with.
    Other(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::Failed => 1,
            Code::No => 3,
            Code::Unreachable => 69,
            Code::NotAllowed => 77,
            Code::Config => 78,
            Code::Interrupted => 130,
            Code::Other(code) => code,
        })
    }
}

/// Why a command could not do what it was asked: a code and words for whoever asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// What happened and what to do; empty when it has been said already.
    pub(crate) message: String,
}

pub(crate) type Outcome<T = Code> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure without a code of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    pub(crate) fn report(&self) {
        if !self.message.is_empty() {
            terminal::problem(&self.message);
        }
    }
}

/// A reader that went away (`sluicegate man | head`) ends the output and is nobody's failure.
pub(crate) fn written(result: std::io::Result<()>) -> Outcome {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::other(format!("cannot write the output: {error}")))
        }
        _ => Ok(Code::Done),
    }
}
